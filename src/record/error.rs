//! What can be wrong with bytes that should be records, and the one place that maps it to Kafka's error codes.
//!
//! [`RecordError::Incomplete`] is apart from the rest: the bytes end before the batch does, which at the end of a fetch or of a
//! log is normal, while everything else means damage or a client that does not keep to the format.

use crate::base::ErrorCode;

use super::codec::Codec;

/// Why bytes are not a batch, or a batch's body not its records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The buffer ends inside a batch: a cut tail, not damage.
    #[error("batch of {needed} bytes is cut after {available}")]
    Incomplete {
        /// Bytes the batch (or its header) takes.
        needed: usize,
        /// Bytes there are.
        available: usize,
    },
    /// The size field is below what the format needs, or above what the caller allows.
    #[error("Record size {size} is out of the bounds {min} to {max}")]
    BadSize {
        /// The size field, as it was read.
        size: i32,
        /// Smallest size the format allows.
        min: i32,
        /// Largest size the caller allows.
        max: i32,
    },
    /// A magic byte of no known format.
    #[error("Invalid magic found in record: {0}")]
    BadMagic(i8),
    /// The checksum does not match.
    #[error("Record is corrupt (stored crc = {stored}, computed crc = {computed})")]
    BadCrc {
        /// The one in the bytes.
        stored: u32,
        /// The one of the bytes.
        computed: u32,
    },
    /// Compression bits that name no codec.
    #[error("Unknown compression type id: {0}")]
    UnknownCodec(u8),
    /// A codec the format cannot carry (zstd before format 2).
    #[error("compression {codec} is not possible in message format {magic}")]
    CodecNotAllowed {
        /// The codec.
        codec: Codec,
        /// The message format.
        magic: i8,
    },
    /// The compressed body cannot be read.
    #[error("cannot decompress {codec} records: {reason}")]
    Decompress {
        /// The codec of the batch.
        codec: Codec,
        /// What the decoder said.
        reason: String,
    },
    /// The body decompresses to more than the caller allows.
    #[error("records decompress to more than {limit} bytes")]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// A record's frame is not as the format says.
    #[error("Found invalid record structure: {0}")]
    BadRecord(&'static str),
    /// A message inside a record, of a version that is not known: made by a later Kafka.
    #[error("unknown version of a record's value: {0}")]
    UnknownVersion(i16),
    /// Fewer or more records than the header counts.
    #[error(
        "Incorrect declared batch size, records still remaining in file or missing: {declared} declared, {found} found"
    )]
    BadCount {
        /// Count in the header.
        declared: i32,
        /// Records found.
        found: i32,
    },
}

impl RecordError {
    /// True when the bytes merely end too early.
    pub fn is_incomplete(&self) -> bool {
        matches!(self, RecordError::Incomplete { .. })
    }

    /// Kafka's code for it, as a broker answers a produce request.
    pub fn code(&self) -> ErrorCode {
        match self {
            RecordError::Incomplete { .. }
            | RecordError::BadSize { .. }
            | RecordError::BadMagic(_)
            | RecordError::BadCrc { .. } => ErrorCode::CorruptMessage,
            RecordError::CodecNotAllowed { .. } => ErrorCode::UnsupportedCompressionType,
            // Behind a good CRC: sending the same again will not help, and clients do not retry on this code.
            RecordError::UnknownCodec(_)
            | RecordError::Decompress { .. }
            | RecordError::TooLarge { .. }
            | RecordError::BadRecord(_)
            | RecordError::UnknownVersion(_)
            | RecordError::BadCount { .. } => ErrorCode::InvalidRecord,
        }
    }
}
