//! ZooKeeper's transaction log, as its server wrote it (`FileTxnLog`): every write that succeeded, in order.
//!
//! A file is a header of 16 bytes and then entries: checksum, length, transaction, the byte `B`; zeros follow the last. In a
//! transaction all numbers are big-endian, strings and buffers have their length in front.

use std::fs;
use std::path::Path;

/// What one operation did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// A node was made; `ephemeral` ones belong to the session.
    Create { path: String, data: Vec<u8>, ephemeral: bool },
    /// A node was deleted.
    Delete { path: String },
    /// Its data was replaced; now it has this data version.
    Set { path: String, data: Vec<u8>, version: i32 },
    /// It was seen to have this data version; part of a multi.
    Check { path: String, version: i32 },
    /// Something else.
    Other,
}

/// What one request did, as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Txn {
    /// Whose request.
    pub session: i64,
    /// Its place among all.
    pub zxid: i64,
    /// One, or those of a multi.
    pub ops: Vec<Op>,
    /// The session was closed with it.
    pub closes_session: bool,
}

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const SET_DATA: i32 = 5;
const CHECK: i32 = 13;
const MULTI: i32 = 14;
const CREATE_2: i32 = 15;
const ERROR: i32 = -1;
const CLOSE_SESSION: i32 = -11;

/// All transactions of a server's data directory (`version-2`), oldest first. Failed ones are left out.
pub fn read(dir: &Path) -> Vec<Txn> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())).flatten();
    let number = |name: &str| i64::from_str_radix(name.strip_prefix("log.")?, 16).ok();
    let mut files: Vec<_> =
        entries.filter_map(|e| Some((number(&e.file_name().to_string_lossy())?, e.path()))).collect();
    files.sort();
    let mut all: Vec<Txn> = Vec::new();
    for (_, file) in files {
        let bytes = fs::read(&file).expect("a log file");
        let mut left = Reader(bytes.get(16..).unwrap_or_default());
        while let Some(txn) = entry(&mut left) {
            // After a restart a file may begin with what the one before ended with.
            if all.last().is_none_or(|last| last.zxid < txn.zxid) {
                all.push(txn);
            }
        }
    }
    all.retain(|txn| txn.closes_session || txn.ops.iter().any(|op| *op != Op::Other));
    all
}

/// The next entry; none at the end, also at one that was not written whole.
fn entry(left: &mut Reader<'_>) -> Option<Txn> {
    let (_checksum, length) = (left.i64()?, left.i32()?);
    let mut body = Reader(left.take(usize::try_from(length).ok().filter(|length| *length > 0)?)?);
    left.take(1)?;
    let (session, _cxid, zxid, _time, kind) = (body.i64()?, body.i32()?, body.i64()?, body.i64()?, body.i32()?);
    let mut ops = Vec::new();
    if kind == MULTI {
        for _ in 0..body.i32()? {
            let kind = body.i32()?;
            let mut data = Reader(body.buffer()?);
            if kind == ERROR {
                return Some(Txn { session, zxid, ops: Vec::new(), closes_session: false }); // it did nothing
            }
            ops.push(op(kind, &mut data)?);
        }
    } else {
        ops.push(op(kind, &mut body)?);
    }
    Some(Txn { session, zxid, ops, closes_session: kind == CLOSE_SESSION })
}

fn op(kind: i32, body: &mut Reader<'_>) -> Option<Op> {
    Some(match kind {
        CREATE | CREATE_2 => {
            let (path, data) = (body.string()?, body.buffer()?.to_vec());
            for _ in 0..body.i32()?.max(0) {
                let _acl = (body.i32()?, body.string()?, body.string()?);
            }
            Op::Create { path, data, ephemeral: body.take(1)? != [0] }
        }
        DELETE => Op::Delete { path: body.string()? },
        SET_DATA => Op::Set { path: body.string()?, data: body.buffer()?.to_vec(), version: body.i32()? },
        CHECK => Op::Check { path: body.string()?, version: body.i32()? },
        _ => Op::Other,
    })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(count)?;
        self.0 = left;
        Some(taken)
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Null is empty.
    fn buffer(&mut self) -> Option<&'a [u8]> {
        let length = self.i32()?;
        self.take(usize::try_from(length.max(0)).ok()?)
    }

    fn string(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.buffer()?).into_owned())
    }
}
