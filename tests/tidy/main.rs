//! Tests that read the source: what imports what, held against the table in `ARCHITECTURE.md`, and the habits every file keeps.
//!
//! `table.rs` reads the table, `source.rs` finds the paths in a file; the rules are here. Each rule is also shown to fail on a sample.

mod source;
mod table;

use std::path::{Path, PathBuf};

use source::Source;
use table::Table;

/// Above this a file of the library is not one room any more. 150 to 500 is the aim.
const MOST_LINES: usize = 600;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder of the repository: its path from there, and its text.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let root = repository().join(folder);
    let mut found = Vec::new();
    let mut left = vec![root.clone()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                found.push((path.strip_prefix(&root).expect("below the root").to_path_buf(), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no Rust file below {folder}");
    found
}

fn table() -> Table {
    let file = repository().join("ARCHITECTURE.md");
    Table::parse(&std::fs::read_to_string(file).expect("ARCHITECTURE.md"))
        .unwrap_or_else(|why| panic!("ARCHITECTURE.md: {why}"))
}

/// What a file does that the table does not let its folder do.
fn import_faults(source: &Source, table: &Table) -> Vec<String> {
    let Some(own) = source.folder() else { return Vec::new() }; // lib.rs names every folder: that is its work
    let Some(row) = table.row(own) else { return vec![format!("{}: the folder is not in the table", source.file)] };
    let mut faults = Vec::new();
    for path in &source.paths {
        let place = format!("{}:{}", source.file, path.line);
        let text = path.segments.join("::");
        if path.leaves_crate_root {
            faults.push(format!("{place}: super:: leaves the folder"));
            continue;
        }
        let Some(target) = path.segments.first().filter(|target| *target != own) else { continue };
        if table.row(target).is_none() {
            continue; // an item of the crate's root, such as a macro
        }
        if !row.may_import(&path.segments) {
            faults.push(format!("{place}: {own} may not import {text}"));
        } else if path.reexport {
            faults.push(format!("{place}: {own} passes on {text}, which is another layer's"));
        }
    }
    faults
}

/// What a file does that no file does. `library` is whether it is below `src/`.
fn habit_faults(source: &Source, text: &str, library: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let file = &source.file;
    if !text.starts_with("//! ") {
        faults.push(format!("{file}: does not open with //! lines"));
    }
    let lines = text.lines().count();
    if library && lines > MOST_LINES {
        faults.push(format!("{file}: {lines} lines, at most {MOST_LINES}"));
    }
    for call in &source.macros {
        match call.name.as_str() {
            "dbg" | "todo" | "unimplemented" => faults.push(format!("{file}:{}: {}!", call.line, call.name)),
            "select" if library && !call.biased => faults.push(format!("{file}:{}: select! is not biased", call.line)),
            _ => {}
        }
    }
    if library && let Some(line) = source.cfg_test {
        faults.push(format!("{file}:{line}: cfg(test): tests live in tests/"));
    }
    faults
}

fn parsed(path: &Path, text: &str) -> Source {
    Source::parse(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn imports_keep_to_the_table() {
    let table = table();
    assert_none(files("src").iter().flat_map(|(path, text)| import_faults(&parsed(path, text), &table)).collect());
}

#[test]
fn files_keep_the_habits() {
    let mut faults = Vec::new();
    for (folder, library) in [("src", true), ("tests", false)] {
        for (path, text) in files(folder) {
            let of_file = habit_faults(&parsed(&path, &text), &text, library);
            faults.extend(of_file.into_iter().map(|fault| format!("{folder}/{fault}")));
        }
    }
    assert_none(faults);
}

#[test]
fn table_and_folders_are_the_same() {
    let table = table();
    let mut faults = table.faults();
    let mut folders: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(repository().join("src")).expect("src") {
        let path = entry.expect("a directory entry").path();
        let name = path.file_stem().and_then(|n| n.to_str()).expect("a readable name").to_string();
        if name != "lib" {
            folders.push(name);
        }
    }
    for row in &table.rows {
        match (folders.contains(&row.folder), row.planned) {
            (true, true) => faults.push(format!("{} is there: no longer planned", row.folder)),
            (false, false) => {
                faults.push(format!("{} is in the table and not in src/: mark it as planned", row.folder))
            }
            _ => {}
        }
    }
    faults.extend(
        folders.iter().filter(|name| table.row(name).is_none()).map(|name| format!("{name} is not in the table")),
    );
    assert_none(faults);
}

/// `sim` and `sabotage` are for tests alone: a build that asks for no feature, as every release is, has neither.
#[test]
fn no_feature_is_on_by_itself() {
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).expect("Cargo.toml");
    let features = manifest.split("\n[").find(|part| part.starts_with("features]")).expect("features");
    assert!(!features.lines().any(|line| line.trim_start().starts_with("default")), "{features}");
}

#[test]
fn bad_imports_are_found_in_every_form() {
    let table = table();
    let faults = |file: &str, text: &str| import_faults(&parsed(Path::new(file), text), &table);
    for (file, text) in [
        ("log/reader.rs", "use crate::zk::Session;"),
        ("log/reader.rs", "use crate::{base::Env, replica::Partition};"),
        ("log/reader.rs", "use crate::{base::{Env, ids}, disk::{self, real}, cluster};"),
        ("log/reader.rs", "use crate::zk as keeper;"),
        ("log/reader.rs", "use crate::zk::*;"),
        ("log/reader.rs", "fn f() { let _ = crate::zk::session::open(); }"),
        ("log/reader.rs", "fn f(_: &crate::zk::Session) {}"),
        ("log/reader.rs", "fn f() -> Option<Vec<crate::zk::Session>> { None }"),
        ("log/reader.rs", "impl crate::zk::Watch for X {}"),
        ("log/reader.rs", "fn f() { println!(\"{}\", crate::zk::NAME); }"),
        ("log/reader.rs", "macro_rules! m { () => { $crate::zk::open() }; }"),
        ("log/reader.rs", "mod inner { fn f() { use crate::zk::Session; } }"),
        ("log/reader.rs", "#[doc = \"x\"] fn f<T: crate::zk::Watch>() {}"),
        ("log/reader.rs", "use super::super::zk::Session;"),
        ("log/mod.rs", "use super::base::Env;"),
        ("log/reader.rs", "mod inner { use super::super::super::base::Env; }"),
        ("log/reader.rs", "fn f() { super::super::base::env(); }"),
        ("log/reader.rs", "pub use crate::base::Env;"),
        ("log/reader.rs", "pub(crate) use crate::{disk};"),
        ("api/data/fetch.rs", "use crate::disk::Disk;"),
        ("api/data/fetch.rs", "use crate::disk::{FileSlice, Disk};"),
        ("api/data/fetch.rs", "use crate::log::Log;"),
        ("controller/run.rs", "use crate::replica::Partition;"),
        ("replica/isr.rs", "use crate::zk::Session;"),
        ("base/ids.rs", "use crate::wire::Reader;"),
        ("nowhere/mod.rs", "use crate::base::Env;"),
    ] {
        assert_eq!(faults(file, text).len(), 1, "{file}: {text}: {:?}", faults(file, text));
    }
    for (file, text) in [
        ("log/reader.rs", "use crate::{base::Env, disk::File, record};"),
        ("log/segment/index.rs", "use super::super::Log; use super::Segment; use self::x; use crate::log::Log;"),
        ("log/mod.rs", "pub use reader::Reader; mod inner { use super::Log; }"),
        (
            "log/reader.rs",
            "use std::zk::Session; use zk::Session; fn f() { zk::open() } // crate::zk is only named here",
        ),
        ("log/reader.rs", "/// See [`crate::zk`].\nfn f() {}"),
        ("api/data/fetch.rs", "use crate::disk::FileSlice; use crate::{disk::{FileSlice as F}, wire};"),
        ("lib.rs", "pub mod zk;"),
        ("main.rs", "fn main() { ottla::broker::run() }"),
    ] {
        assert_eq!(faults(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}

#[test]
fn bad_habits_are_found() {
    let faults = |text: &str| habit_faults(&parsed(Path::new("log/reader.rs"), text), text, true);
    for text in [
        "use std::fs;",
        "//! X.\nfn f() { todo!() }",
        "//! X.\nfn f() { let _ = vec![dbg!(1)]; }",
        "//! X.\nfn f() { std::unimplemented!(\"later\") }",
        "//! X.\nasync fn f() { tokio::select! { _ = a() => {} } }",
        "//! X.\n#[cfg(test)]\nmod tests {}",
        &format!("//! X.\n{}", "const _: u8 = 0;\n".repeat(MOST_LINES)),
    ] {
        assert_eq!(faults(text).len(), 1, "{text}: {:?}", faults(text));
    }
    assert_eq!(faults("//! X.\nasync fn f() { tokio::select! { biased; _ = a() => {} } }"), Vec::<String>::new());
}

#[test]
fn bad_tables_are_found() {
    let head = "| layer | folder | what | may import |\n|---|---|---|---|\n";
    let faults = |rows: &str| Table::parse(&format!("{head}{rows}")).expect("a table").faults();
    assert_eq!(faults("| 1 | `a/` | x | `b` |\n| 0 | `b/` | x | nothing of ours |\n"), Vec::<String>::new());
    assert_eq!(faults("| 0 | `a/` | x | `b` |\n| 1 | `b/` | x | |\n").len(), 1, "upward");
    assert_eq!(faults("| 1 | `a/` `b/` | x | `b` |\n").len(), 1, "itself");
    assert_eq!(faults("| 1 | `a/` | x | `c` |\n").len(), 1, "unknown");
    assert!(Table::parse("no table here").is_err());
}
