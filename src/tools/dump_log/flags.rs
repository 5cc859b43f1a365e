//! The options of `dump-log`, as `kafka-dump-log.sh` has them.

use super::decoder;
use crate::tools::java::Exception;
use crate::tools::options::{Arg, HELP, Kind, Options, Spec, Text, VERSION, flag, integer, text};

const fn decoder_class(name: &'static str, described: &'static str) -> Spec {
    let arg = Arg::Optional { kind: Kind::Text, described: "" };
    Spec { name, arg, default: Some(decoder::DEFAULT), text: Text::Plain(described) }
}

/// All options.
pub const SPECS: &[Spec] = &[
    flag(
        "print-data-log",
        "If set, printing the messages content when dumping data logs. Automatically set if any decoder option is specified.",
    ),
    flag("verify-index-only", "If set, just verify the index log without printing its content."),
    flag(
        "index-sanity-check",
        "If set, just checks the index sanity without printing its content. This is the same check that is executed on broker startup to \
         determine if an index needs rebuilding or not.",
    ),
    text("files", "file1, file2, ...", "REQUIRED: The comma separated list of data and index log files to be dumped."),
    integer("max-message-size", "size", "Size of largest message.").or("5242880"),
    integer(
        "max-bytes",
        "size",
        "Limit the amount of total batches read in bytes avoiding reading the whole .log file(s).",
    )
    .or("2147483647"),
    flag(
        "deep-iteration",
        "If set, uses deep instead of shallow iteration. Automatically set if print-data-log is enabled.",
    ),
    decoder_class(
        "value-decoder-class",
        "If set, used to deserialize the messages. This class should implement org.apache.kafka.tools.api.Decoder trait. Custom jar \
         should be available in kafka/libs directory.",
    ),
    decoder_class(
        "key-decoder-class",
        "If set, used to deserialize the keys. This class should implement org.apache.kafka.tools.api.Decoder trait. Custom jar should \
         be available in kafka/libs directory.",
    ),
    flag("offsets-decoder", "If set, log data will be parsed as offset data from the __consumer_offsets topic."),
    flag(
        "transaction-log-decoder",
        "If set, log data will be parsed as transaction metadata from the __transaction_state topic.",
    ),
    flag("cluster-metadata-decoder", "If set, log data will be parsed as cluster metadata records."),
    flag(
        "remote-log-metadata-decoder",
        "If set, log data will be parsed as TopicBasedRemoteLogMetadataManager (RLMM) metadata records. Instead, the value-decoder-class \
         option can be used if a custom RLMM implementation is configured.",
    ),
    flag("skip-record-metadata", "Whether to skip printing metadata for each record."),
    HELP,
    VERSION,
];

/// What was asked for.
#[derive(Debug, Clone)]
pub struct DumpLogArgs {
    /// Files to dump.
    pub files: Vec<String>,
    /// Print keys and values.
    pub print_data_log: bool,
    /// Print each record.
    pub deep_iteration: bool,
    /// Compare an index with its log, print nothing of it.
    pub verify_index_only: bool,
    /// Check an index alone.
    pub index_sanity_check: bool,
    /// Largest batch that an index is compared with, in bytes.
    pub max_message_size: i32,
    /// End before the batch that passes so many bytes.
    pub max_bytes: i32,
    /// Java class of a decoder of ours.
    pub key_decoder_class: Option<String>,
    /// Java class of a decoder of ours.
    pub value_decoder_class: Option<String>,
    /// Decode `__consumer_offsets`.
    pub offsets_decoder: bool,
    /// Decode `__transaction_state`.
    pub transaction_log_decoder: bool,
    /// KRaft's: refused.
    pub cluster_metadata_decoder: bool,
    /// Tiered storage's: refused.
    pub remote_log_metadata_decoder: bool,
    /// Print keys and values only.
    pub skip_record_metadata: bool,
}

impl DumpLogArgs {
    /// Reads them from options.
    ///
    /// # Errors
    /// A number that is none, or an option given twice.
    pub fn from_options(options: &Options) -> Result<Self, Exception> {
        let class = |name: &str| -> Result<Option<String>, Exception> {
            if !options.has(name) {
                return Ok(None);
            }
            options.value(name).map(|class| class.map(str::to_owned))
        };
        let files = options.value("files")?.unwrap_or_default();
        Ok(Self {
            files: files.split(',').filter(|file| !file.is_empty()).map(str::to_owned).collect(),
            print_data_log: options.has("print-data-log"),
            deep_iteration: options.has("deep-iteration"),
            verify_index_only: options.has("verify-index-only"),
            index_sanity_check: options.has("index-sanity-check"),
            max_message_size: options.integer("max-message-size")?.unwrap_or_default(),
            max_bytes: options.integer("max-bytes")?.unwrap_or_default(),
            key_decoder_class: class("key-decoder-class")?,
            value_decoder_class: class("value-decoder-class")?,
            offsets_decoder: options.has("offsets-decoder"),
            transaction_log_decoder: options.has("transaction-log-decoder"),
            cluster_metadata_decoder: options.has("cluster-metadata-decoder"),
            remote_log_metadata_decoder: options.has("remote-log-metadata-decoder"),
            skip_record_metadata: options.has("skip-record-metadata"),
        })
    }
}
