//! Record batches: read, validate, iterate, build, compress. Pure: bytes in, bytes out, no file and no socket.
//!
//! | file | what |
//! |---|---|
//! | `batch` | the 61 bytes in front of a batch of format 2, and the stamp a leader puts on it |
//! | `batches` | shallow walk over a buffer of batches of any format |
//! | `record` | deep walk over the records of a batch, `legacy` for formats 0 and 1 |
//! | `codec` | the compression containers, bounded; `lz4` their lz4 frame |
//! | `varint` | zigzag integers; `fields` the fields of coordinators' records |
//! | `validate` | what a leader checks on produce; `convert` writes a batch anew |
//! | `builder`, `control` | making batches; transaction markers |
//! | `filter` | what compaction leaves of a batch |
//!
//! Formats are Kafka's `DefaultRecordBatch` (magic 2) and `LegacyRecord` (magic 0 and 1). Callers: `log`, `replica`, `api/data`,
//! the coordinators and the tools. Bytes come from clients and from disk: nothing here may panic on them.

pub mod batch;
pub mod batches;
pub mod builder;
pub mod codec;
pub mod control;
pub mod convert;
pub mod error;
pub mod fields;
pub mod filter;
pub mod legacy;
mod lz4;
#[allow(clippy::module_inception)]
pub mod record;
pub mod validate;
pub mod varint;

pub use batch::{Attributes, BATCH_HEADER, BatchHeader, LOG_OVERHEAD, Stamp, TimestampType};
pub use batches::{Batch, Batches};
pub use builder::BatchBuilder;
pub use codec::Codec;
pub use control::{ControlType, EndTxnMarker};
pub use error::RecordError;
pub use record::{Record, Records, Scratch};
pub use validate::{Origin, RefusedRecord, ValidateOptions, Validated, ValidationError, validate};
