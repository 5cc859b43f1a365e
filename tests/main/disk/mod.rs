//! One contract for the operating system's files and the simulated ones; the gate.

use std::io::{ErrorKind, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla::base::Env;
use ottla::disk::{Disk, Fault, FileSlice, Gate, GateLimit, PLACE_WAIT, SimDisk};

/// Both arms, each with a directory to work in.
fn arms() -> Vec<(Disk, PathBuf, Option<tempfile::TempDir>)> {
    let temp = tempfile::tempdir().expect("a temp directory");
    let path = temp.path().join("x");
    vec![(Disk::Real, path, Some(temp)), (Disk::Sim(SimDisk::new()), PathBuf::from("/x"), None)]
}

#[test]
fn files_are_written_and_read_at_positions() {
    for (disk, dir, _temp) in arms() {
        disk.create_dir_all(&dir).expect("made");
        let file = disk.create(&dir.join("f")).expect("made");
        file.write_all_at(&[IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")], 2).expect("written");
        assert_eq!(file.len().expect("a length"), 10);
        let mut buf = [9; 16];
        assert_eq!(file.read_at(&mut buf, 0).expect("read"), 10);
        assert_eq!(&buf[..10], b"\0\0headbody");
        assert_eq!(file.read_at(&mut buf, 10).expect("at the end"), 0);
        assert_eq!(file.read_exact_at(&mut buf, 0).expect_err("too short").kind(), ErrorKind::UnexpectedEof);
        if let Some(n) = file.probe_at(&mut buf[..4], 2).expect("probed") {
            assert_eq!(&buf[..n], b"head");
        }
        assert_eq!(&*file.map(10).expect("mapped"), b"\0\0headbody");
        assert_eq!(file.map(11).expect_err("too short").kind(), ErrorKind::UnexpectedEof);
        assert!(file.map(0).expect("nothing").is_empty());
        file.set_len(4).expect("cut");
        assert_eq!(disk.read(&dir.join("f"), 10).expect("read"), b"\0\0he");
        assert_eq!(disk.read(&dir.join("f"), 3).expect_err("too long").kind(), ErrorKind::InvalidData);
        file.sync().expect("synced");
        let slice = FileSlice { file: Arc::new(file), position: 2, len: 2 };
        assert_eq!(slice.read_to_bytes().expect("read"), &b"he"[..]);
    }
}

#[test]
fn names_come_go_and_move() {
    for (disk, dir, _temp) in arms() {
        disk.create_dir_all(&dir.join("sub")).expect("made");
        assert_eq!(disk.open(&dir.join("f")).expect_err("not there").kind(), ErrorKind::NotFound);
        disk.replace(&dir.join("f"), b"one").expect("written");
        disk.replace(&dir.join("f"), b"two").expect("replaced");
        assert_eq!(disk.read(&dir.join("f"), 10).expect("read"), b"two");
        let names: Vec<_> = disk.list(&dir).expect("listed").into_iter().map(|e| (e.name, e.is_dir, e.len)).collect();
        assert_eq!(names, [("f".to_string(), false, 3), ("sub".to_string(), true, names[1].2)]);
        disk.rename(&dir.join("f"), &dir.join("sub/g")).expect("moved");
        disk.rename(&dir.join("sub"), &dir.join("other")).expect("moved with all");
        assert_eq!(disk.read(&dir.join("other/g"), 10).expect("read"), b"two");
        assert!(!disk.exists(&dir.join("sub")));
        assert_eq!(disk.rename(&dir.join("f"), &dir.join("h")).expect_err("gone").kind(), ErrorKind::NotFound);
        disk.remove_file(&dir.join("nothing")).expect("fine");
        let open = disk.open(&dir.join("other/g")).expect("open");
        disk.remove_dir_all(&dir.join("other")).expect("removed");
        disk.remove_dir_all(&dir.join("other")).expect("fine");
        let mut buf = [0; 3];
        open.read_exact_at(&mut buf, 0).expect("an open file stays readable");
        assert!(disk.space(&dir).expect("space").total > 0);
        disk.sync_dir(&dir).expect("synced");
    }
}

#[test]
fn a_lock_is_held_until_it_is_dropped() {
    // fcntl locks are a process's: the next test asks from another one
    let disk = Disk::Sim(SimDisk::new());
    disk.create_dir_all("/x".as_ref()).expect("made");
    let lock = disk.lock("/x/.lock".as_ref()).expect("no error").expect("free");
    assert!(disk.lock("/x/.lock".as_ref()).expect("no error").is_none());
    drop(lock);
    assert!(disk.lock("/x/.lock".as_ref()).expect("no error").is_some());
    let temp = tempfile::tempdir().expect("a temp directory");
    assert!(Disk::Real.lock(&temp.path().join(".lock")).expect("no error").is_some());
}

#[test]
fn a_simulated_power_loss_takes_what_was_not_synced() {
    let sim = SimDisk::new();
    let disk = Disk::Sim(sim.clone());
    disk.create_dir_all("/x".as_ref()).expect("made");
    let file = disk.create("/x/f".as_ref()).expect("made");
    file.write_all_at(&[IoSlice::new(b"safe")], 0).expect("written");
    file.sync().expect("synced");
    disk.sync_dir("/x".as_ref()).expect("synced");
    file.write_all_at(&[IoSlice::new(b"lost")], 4).expect("written");
    disk.write("/x/unnamed".as_ref(), b"synced, but its name is not").expect("written");
    sim.lose_power(|_| 1);
    assert!(file.len().is_err(), "handles of the dead process are gone");
    assert_eq!(disk.read("/x/f".as_ref(), 10).expect("read"), b"safel");
    assert!(!disk.exists("/x/unnamed".as_ref()));
    sim.fail("/x", Fault::Write);
    let file = disk.open("/x/f".as_ref()).expect("open");
    assert!(file.write_all_at(&[IoSlice::new(b"x")], 0).is_err());
    sim.heal();
    sim.set_room(Some(1));
    assert_eq!(file.write_all_at(&[IoSlice::new(b"xy")], 0).expect_err("full").kind(), ErrorKind::StorageFull);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_stalled_call_sends_the_next_ones_to_the_pool() {
    let env = Env::current();
    let gate = Gate::new(&env.tasks, &env.clock, GateLimit::new(1));
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (started, has_started) = tokio::sync::oneshot::channel();
    let stuck = env.tasks.spawn(ottla::base::env::Lane::Data, "stuck", {
        let gate = gate.clone();
        async move {
            gate.run(move || {
                let _ = started.send(());
                let _ = wait.recv();
            })
            .await;
        }
    });
    has_started.await.expect("it runs");
    // the only inline place is taken: these must run elsewhere and still end
    let done = Arc::new(AtomicUsize::new(0));
    for _ in 0..4 {
        let done = Arc::clone(&done);
        gate.run(move || done.fetch_add(1, Ordering::Relaxed)).await;
    }
    assert_eq!(done.load(Ordering::Relaxed), 4);
    release.send(()).expect("it waits");
    stuck.await.expect("it ends");
    // calls that found no place have not given one back: there is one again, and the next call runs where it is
    let here = std::thread::current().id();
    assert_eq!(gate.run(|| std::thread::current().id()).await, here);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_directory_delays_another_one_once() {
    let env = Env::current();
    let limit = GateLimit::new(1);
    let stalled = Gate::new(&env.tasks, &env.clock, limit.clone());
    let gate = Gate::new(&env.tasks, &env.clock, limit);
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (started, has_started) = std::sync::mpsc::channel();
    let stuck = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(stalled.run(move || {
            let _ = started.send(());
            let _ = wait.recv();
        }));
    });
    has_started.recv().expect("it runs");
    let before = tokio::time::Instant::now();
    for _ in 0..5 {
        gate.run(|| ()).await;
    }
    let delay = before.elapsed();
    assert!(delay >= PLACE_WAIT && delay < 3 * PLACE_WAIT, "{delay:?}");
    release.send(()).expect("it waits");
    stuck.join().expect("it ends");
    let here = std::thread::current().id();
    assert_eq!(gate.run(|| std::thread::current().id()).await, here, "inline again");
}

#[tokio::test]
async fn a_call_runs_to_its_end_when_nobody_waits_for_it() {
    let env = Env::current();
    let gate = Gate::new(&env.tasks, &env.clock, GateLimit::new(1));
    let (done, is_done) = tokio::sync::oneshot::channel();
    let dropped = gate.run_long(move || done.send(()));
    let mut dropped = Box::pin(dropped);
    let polled = futures_util::poll!(&mut dropped);
    drop((polled, dropped));
    is_done.await.expect("it ran");
}

/// Tells the other process which file to ask for.
const LOCK_VARIABLE: &str = "OTTLA_TEST_LOCK";

#[test]
fn another_process_does_not_get_a_held_lock() {
    let temp = tempfile::tempdir().expect("a temp directory");
    let path = temp.path().join(".lock");
    let gets_it = || {
        let me = std::env::current_exe().expect("this binary");
        let mut command = std::process::Command::new(me);
        command.args(["--exact", "disk::asks_for_a_lock", "--ignored"]).env(LOCK_VARIABLE, &path);
        command.output().expect("it runs").status.success()
    };
    let lock = Disk::Real.lock(&path).expect("no error").expect("free");
    assert!(!gets_it());
    drop(lock);
    assert!(gets_it());
}

#[test]
#[ignore = "run by another_process_does_not_get_a_held_lock"]
fn asks_for_a_lock() {
    let path = std::env::var(LOCK_VARIABLE).expect("a path");
    assert!(Disk::Real.lock(path.as_ref()).expect("no error").is_some());
}
