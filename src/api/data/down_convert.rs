//! Fetch before version 4: records in formats 0 and 1 for clients that know no other (`KafkaApis.maybeConvertFetchedData`).
//!
//! What lies in the log in an old format goes out as it is; newer records are read, decompressed and written anew, in memory and off the
//! lane. Markers of transactions have no old form: when nothing else was read, reading goes on behind them.

use bytes::Bytes;

use crate::api::Api;
use crate::base::{ErrorCode, TopicPartition};
use crate::config::CompressionType;
use crate::disk::FileSlice;
use crate::record::convert::down_convert;
use crate::record::{Batches, Scratch};
use crate::replica::fetch_session::{SessionKey, Wanted};
use crate::replica::read::{PartitionRead, ReadLimits};

/// The first version whose clients understand zstd.
const FIRST_ZSTD_VERSION: i16 = 10;
/// The first version whose clients understand format 2.
const FIRST_BATCH_VERSION: i16 = 4;
/// The first version whose clients understand format 1.
const FIRST_TIME_VERSION: i16 = 2;

/// Reads behind markers at most: a log of nothing but markers must not hold up a connection.
const MAX_READS: usize = 16;

/// What an old client gets of a partition.
pub enum ForOldClient {
    /// What was read: it can read that.
    AsItIs,
    /// Nothing, and why.
    Refused(ErrorCode),
    /// The records anew.
    Converted(Bytes),
}

/// One slice, seen or written anew.
enum Done {
    Readable,
    Anew(Vec<u8>, i64),
}

/// Puts what was read of a partition into a form that clients of `version` understand.
pub async fn convert(
    api: &Api,
    key: &SessionKey,
    wanted: &Wanted,
    read: &PartitionRead,
    limits: ReadLimits,
    version: i16,
) -> ForOldClient {
    if version >= FIRST_ZSTD_VERSION || !read.error.is_none() {
        return ForOldClient::AsItIs;
    }
    let id = TopicPartition::new(key.topic.clone(), key.partition);
    let Ok(partition) = api.replicas.get(&id) else { return ForOldClient::AsItIs };
    let config = partition.log().config();
    if config.compression_type == CompressionType::Zstd {
        return ForOldClient::Refused(ErrorCode::UnsupportedCompressionType);
    }
    let magic = match version {
        FIRST_BATCH_VERSION.. => return ForOldClient::AsItIs,
        FIRST_TIME_VERSION.. => 1,
        _ => 0,
    };
    let Some(mut slice) = read.slice.clone() else { return ForOldClient::AsItIs };
    let may_convert = config.message_downconversion_enable;
    let mut from = *wanted;
    for _ in 0..MAX_READS {
        let first_offset = from.fetch_offset;
        let work = move || one(&slice, magic, first_offset, may_convert);
        match api.env.tasks.blocking(work).await {
            Ok(Done::Readable) => return ForOldClient::AsItIs,
            Ok(Done::Anew(bytes, _)) if !bytes.is_empty() => return ForOldClient::Converted(bytes.into()),
            Ok(Done::Anew(_, next)) if next > from.fetch_offset => from.fetch_offset = next,
            Ok(Done::Anew(..)) => break,
            Err(code) => return ForOldClient::Refused(code),
        }
        let mut further = api.replicas.read_again(&[(key.clone(), from)], limits).await;
        match further.pop().and_then(|read| read.slice).filter(|slice| slice.len > 0) {
            Some(next) => slice = next,
            None => break,
        }
    }
    ForOldClient::Converted(Bytes::new())
}

/// Blocks: up to the whole answer, and perhaps cold.
fn one(slice: &FileSlice, magic: i8, first_offset: i64, may_convert: bool) -> Result<Done, ErrorCode> {
    let bytes = slice.read_to_bytes().map_err(|_| ErrorCode::KafkaStorageError)?;
    let (mut next, mut is_newer) = (first_offset, false);
    for batch in Batches::new(&bytes).map_while(Result::ok) {
        is_newer |= batch.magic() > magic;
        next = batch.next_offset();
    }
    if !is_newer {
        return Ok(Done::Readable);
    }
    if !may_convert {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let anew = down_convert(&bytes, magic, first_offset, &mut Scratch::new()).map_err(|error| {
        tracing::info!(%error, magic, "records could not be written anew for an old client");
        error.code()
    })?;
    Ok(Done::Anew(anew, next))
}
