//! Stands before the C library's file calls of one process (`LD_PRELOAD`), a broker's, Ottla's or Apache Kafka's. It **records** what becomes
//! durable and in which order names change, so that the harness can take the rest away after a kill: a loss of power. And it **fails or
//! delays** writes and syncs while the harness says so. And where the harness has no network of its own to cut, connections go through its
//! proxies (`net`).
//!
//! `TORTURE_SHIM` is a directory with a file `control`, one page that both sides map (`control`), a file `record` (`record`), and a
//! directory `graves` on the same file system, where what is replaced or deleted is kept by its inode. `TORTURE_SHIM_WATCH` is the directory
//! whose files it is about. Without them it passes everything on.
//!
//! Every call is made by its number (`syscall(2)`), so nothing has to be looked up and nothing here calls itself. It allocates nothing and
//! takes no lock: it runs inside malloc's and the JVM's own calls. What it can't see: calls that a program makes by their number (rustix
//! without `use-libc`), and what a mapping changes before its `msync`.

mod calls;
mod control;
mod everything;
mod net;
mod record;
mod text;
