//! A loss of power leaves what was synced, in files and directories, and of the rest what chance leaves.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::disk::{Disk, LogEnd, PowerLoss, Trouble, log_ends, lose_power};

/// A directory that is watched, one of graves, and a record in the making.
struct Desk {
    home: tempfile::TempDir,
    record: String,
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        fs::create_dir(home.path().join("graves")).expect("made");
        fs::create_dir(home.path().join("logs")).expect("made");
        Self { home, record: String::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("logs").join(name)
    }

    fn note(&mut self, line: String) {
        self.record += &(line + "\n");
    }

    /// A file of a size, noted as the shim does.
    fn make(&mut self, name: &str, size: usize) -> u64 {
        let path = self.path(name);
        fs::write(&path, vec![7; size]).expect("written");
        let ino = fs::metadata(&path).expect("there").ino();
        self.note(format!("C {ino} {}", path.display()));
        ino
    }

    fn sync_dir(&mut self) {
        let dir = self.home.path().join("logs");
        self.note(format!("D {}", dir.display()));
    }

    /// Buries what is there and notes the change.
    fn rename(&mut self, from: &str, to: &str) {
        let (from, to) = (self.path(from), self.path(to));
        let old = fs::metadata(&to).map_or(0, |meta| meta.ino());
        if old != 0 {
            fs::hard_link(&to, self.home.path().join("graves").join(old.to_string())).expect("buried");
        }
        let ino = fs::metadata(&from).expect("there").ino();
        fs::rename(&from, &to).expect("renamed");
        self.note(format!("R {ino} {old} {}\t{}", from.display(), to.display()));
    }

    fn remove(&mut self, name: &str) {
        let path = self.path(name);
        let ino = fs::metadata(&path).expect("there").ino();
        fs::rename(&path, self.home.path().join("graves").join(ino.to_string())).expect("buried");
        self.note(format!("U {ino} {}", path.display()));
    }

    fn lose(&self, below: impl FnMut(u64) -> u64) -> PowerLoss {
        let (graves, logs) = (self.home.path().join("graves"), self.home.path().join("logs"));
        lose_power(&self.record, &graves, &logs, below).expect("lost")
    }

    fn size(&self, name: &str) -> Option<u64> {
        fs::metadata(self.path(name)).ok().map(|meta| meta.len())
    }
}

#[test]
fn file_keeps_what_was_synced_and_a_part_of_the_rest() {
    for (answer, left) in [(0, 100), (30, 130), (150, 250)] {
        let mut desk = Desk::new();
        let ino = desk.make("a", 250);
        desk.sync_dir();
        desk.note(format!("S {ino} 100"));
        let old = desk.path("before");
        fs::write(&old, [1; 50]).expect("written");
        let loss = desk.lose(|n| if n == 151 { answer } else { n - 1 });
        assert_eq!(
            (desk.size("a"), desk.size("before")),
            (Some(left), Some(50)),
            "what the record does not know is durable"
        );
        let cut = if left < 250 { vec![(desk.path("a"), 250 - left)] } else { vec![] };
        assert_eq!(loss, PowerLoss { cut, undone: vec![] });
    }
}

#[test]
fn page_that_was_not_synced_may_be_zeros() {
    let mut desk = Desk::new();
    let ino = desk.make("a", 20_000);
    desk.sync_dir();
    desk.note(format!("S {ino} 1000"));
    let loss = desk.lose(|n| if n == 4 { 0 } else { n - 1 });
    let bytes = fs::read(desk.path("a")).expect("there");
    assert_eq!(bytes.len(), 20_000);
    assert!(
        bytes[..20_000 - 4096].iter().all(|byte| *byte == 7) && bytes[20_000 - 4096..].iter().all(|byte| *byte == 0)
    );
    assert_eq!(loss.cut, [(desk.path("a"), 4096)]);
}

#[test]
fn what_was_cut_and_written_again_is_not_synced() {
    let mut desk = Desk::new();
    let ino = desk.make("a", 250);
    desk.sync_dir();
    desk.note(format!("S {ino} 250\nL {ino} 40"));
    desk.lose(|_| 0);
    assert_eq!(desk.size("a"), Some(40));
}

#[test]
fn changes_of_a_directory_that_was_not_synced_are_undone_from_the_last_back() {
    let made = |kept| {
        let mut desk = Desk::new();
        let (old, new) = (desk.make("checkpoint", 10), desk.make("checkpoint.tmp", 20));
        desk.note(format!("S {old} 10\nS {new} 20"));
        desk.make("gone", 5);
        desk.sync_dir();
        desk.rename("checkpoint.tmp", "checkpoint");
        desk.remove("gone");
        desk.make("segment", 0);
        let loss = desk.lose(|n| if n == 4 { kept } else { n - 1 });
        assert_eq!(loss.undone.len(), 3 - usize::try_from(kept).expect("few"), "{loss:?}");
        ["checkpoint", "checkpoint.tmp", "gone", "segment"].map(|name| desk.size(name))
    };
    assert_eq!(made(3), [Some(20), None, None, Some(0)]);
    assert_eq!(made(2), [Some(20), None, None, None]);
    assert_eq!(made(1), [Some(20), None, Some(5), None]);
    assert_eq!(made(0), [Some(10), Some(20), Some(5), None]);
}

#[test]
fn file_that_was_synced_has_its_name_and_its_directories() {
    let mut desk = Desk::new();
    fs::create_dir(desk.path("t-0")).expect("made");
    desk.note(format!("K 1 {}", desk.path("t-0").display()));
    desk.make("t-0/before", 5);
    let ino = desk.make("t-0/segment", 5);
    desk.make("t-0/after", 5);
    desk.note(format!("S {ino} 5"));
    desk.make("beside", 5);
    desk.lose(|_| 0);
    let sizes = ["t-0/before", "t-0/segment", "t-0/after", "beside"].map(|name| desk.size(name));
    assert_eq!(sizes, [Some(0), Some(5), None, None]);
}

#[test]
fn sync_of_everything_keeps_what_was_there_when_it_began_once_it_has_ended() {
    for (end, sizes) in [("F 7", [Some(250), None, None]), ("F 8", [None, None, Some(5)])] {
        let mut desk = Desk::new();
        let gone = desk.make("gone", 5);
        desk.note(format!("S {gone} 5"));
        let ino = desk.make("a", 250);
        desk.remove("gone");
        desk.note(format!("B 7\nE 7 {ino} 250"));
        desk.make("later", 9);
        desk.note(end.into());
        fs::write(desk.path("a"), [7; 300]).expect("written");
        desk.lose(|_| 0);
        let found = ["a", "later", "gone"].map(|name| desk.size(name));
        assert_eq!(found, sizes, "{end}");
    }
}

#[test]
fn what_is_written_after_a_loss_is_lost_at_the_next() {
    let desk = Desk::new();
    let (dir, logs) = (desk.home.path().join("shim"), desk.home.path().join("logs"));
    let disk = Disk::new(&dir, &logs, Path::new("/shim.so")).expect("a disk");
    fs::create_dir(desk.path("t-0")).expect("made");
    fs::write(desk.path("t-0/segment"), [0; 9]).expect("written");
    disk.lose_power(|_| 0).expect("nothing");
    fs::write(desk.path("t-0/segment"), [0; 20]).expect("written");
    assert_eq!(disk.lose_power(|_| 0).expect("lost").cut, [(desk.path("t-0/segment"), 11)]);
}

#[test]
fn change_inside_a_directory_that_was_renamed_is_undone_where_it_is_now() {
    let mut desk = Desk::new();
    fs::create_dir(desk.path("t-0")).expect("made");
    desk.make("t-0/segment", 5);
    desk.rename("t-0", "t-0.x-delete");
    desk.sync_dir();
    desk.lose(|_| 0);
    assert_eq!(fs::read_dir(desk.path("t-0.x-delete")).expect("there").count(), 0);
}

#[test]
fn lost_power_is_forgotten_with_the_next_record_and_control_says_what_is_to_be_done() {
    let desk = Desk::new();
    let (dir, logs) = (desk.home.path().join("shim"), desk.home.path().join("logs"));
    let disk = Disk::new(&dir, &logs, Path::new("/shim.so")).expect("a disk");
    assert_eq!(disk.lose_power(|n| n - 1).expect("nothing"), PowerLoss::default());
    let ino = {
        fs::write(desk.path("a"), [0; 9]).expect("written");
        fs::metadata(desk.path("a")).expect("there").ino()
    };
    fs::write(dir.join("record"), format!("C {ino} {}\nD {}\n", desk.path("a").display(), logs.display()))
        .expect("written");
    fs::write(dir.join("graves/7"), "").expect("written");
    assert_eq!(disk.lose_power(|_| 0).expect("lost").cut, [(desk.path("a"), 9)]);
    assert_eq!(disk.lose_power(|_| 0).expect("nothing"), PowerLoss::default());
    assert!(!dir.join("graves/7").exists());
    let variables = disk.variables().map(|(name, _)| name);
    assert_eq!(variables, ["LD_PRELOAD", "TORTURE_SHIM", "TORTURE_SHIM_WATCH"]);
}

#[test]
fn trouble_is_written_for_the_shim_and_taken_back() {
    let desk = Desk::new();
    let (dir, logs) = (desk.home.path().join("shim"), desk.home.path().join("logs"));
    let disk = Disk::new(&dir, &logs, Path::new("/shim.so")).expect("a disk");
    let page = || fs::read(dir.join("control")).expect("a page");
    let said = |page: &[u8]| [0, 4].map(|at| u32::from_ne_bytes(page[at..at + 4].try_into().expect("four")));
    assert_eq!((page().len(), said(&page())), (4096, [0, 0]));
    for (trouble, expected) in [
        (Trouble::FailWrites, [1, 5]),
        (Trouble::Full, [1, 28]),
        (Trouble::FailSyncs, [2, 5]),
        (Trouble::Slow(Duration::from_millis(30)), [3, 30]),
    ] {
        disk.inject(trouble, Some(&logs)).expect("injected");
        assert_eq!(said(&page()), expected);
        assert!(page()[64..].starts_with(logs.as_os_str().as_encoded_bytes()));
    }
    disk.inject(Trouble::FailSyncs, None).expect("injected");
    assert_eq!(page()[64], 0);
    disk.clear().expect("cleared");
    assert_eq!((said(&page())[0], disk.hits().expect("a number"), disk.syncs().expect("a number")), (0, 0, 0));
}

/// A batch as far as its header goes, with 9 bytes in it.
fn batch(offset: i64, records: i32) -> Vec<u8> {
    let mut bytes = vec![0; 70];
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    bytes[8..12].copy_from_slice(&58i32.to_be_bytes());
    bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn log_ends_behind_its_last_whole_batch() {
    let desk = Desk::new();
    let segment = |topic: &str, base: i64, bytes: &[u8]| {
        fs::create_dir_all(desk.path(topic)).expect("made");
        fs::write(desk.path(topic).join(format!("{base:020}.log")), bytes).expect("written");
    };
    segment("whole-0", 0, &[batch(0, 3), batch(3, 1)].concat());
    segment("whole-0", 4, &batch(4, 2));
    segment("torn-1", 5, &[batch(5, 3), batch(8, 1)[..69].to_vec()].concat());
    segment("rotten-2", 0, &[batch(0, 3), vec![0; 200]].concat());
    segment("hollow-3", 0, &[batch(0, 3), vec![1]].concat());
    segment("hollow-3", 7, &batch(7, 1));
    segment("new-4", 9, &[]);
    segment("no.uuid-delete", 0, &batch(0, 1));
    let ends: Vec<_> = log_ends(&desk.path("")).expect("read").into_iter().collect();
    let expected = [("hollow-3", 3, 71), ("new-4", 9, 0), ("rotten-2", 3, 200), ("torn-1", 8, 69), ("whole-0", 6, 0)];
    assert_eq!(ends, expected.map(|(name, offset, torn)| (name.to_string(), LogEnd { offset, torn })));
}
