//! The wall clock of one broker, as the harness moves it: by libfaketime below its C library. Its monotonic clock stays true.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where Debian's package libfaketime puts the library for programs with threads.
const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// A broker's clock.
pub struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// One that is right. `file` will hold by how much it is wrong.
    ///
    /// # Errors
    /// The library is not installed, or the file can't be written.
    pub fn new(file: &Path) -> io::Result<Self> {
        let library = LIBRARIES.iter().map(PathBuf::from).find(|library| library.exists());
        let library = library.ok_or_else(|| io::Error::other("libfaketime is missing: apt-get install libfaketime"))?;
        let clock = Self { file: file.into(), library };
        clock.set(0)?;
        Ok(clock)
    }

    /// From now on it is so many seconds ahead of the time, or behind it.
    ///
    /// # Errors
    /// Of the file.
    pub fn set(&self, ahead_s: i64) -> io::Result<()> {
        let whole = self.file.with_extension("new");
        fs::write(&whole, format!("{ahead_s:+}\n"))?;
        fs::rename(whole, &self.file)
    }

    /// What the broker's environment needs; together with other libraries that are loaded before it.
    pub fn variables(&self, preloaded: &str) -> Vec<(&'static str, String)> {
        let library = self.library.display();
        let preload = if preloaded.is_empty() { library.to_string() } else { format!("{preloaded} {library}") };
        vec![
            ("LD_PRELOAD", preload),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            // The file is looked at every second: every time would slow a broker down to a tenth.
            ("FAKETIME_CACHE_DURATION", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("DONT_FAKE_MONOTONIC", "1".into()),
            // What it does by itself for old C libraries lets every timed wait of a JVM end at once with a new one.
            ("FAKETIME_FORCE_MONOTONIC_FIX", "0".into()),
        ]
    }
}
