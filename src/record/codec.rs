//! The compression codecs of a batch.

use super::error::RecordError;

/// The codec of a batch, as its attributes' low three bits name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// Records lie there as they are.
    #[default]
    None = 0,
    /// A gzip stream.
    Gzip = 1,
    /// Snappy blocks in xerial framing.
    Snappy = 2,
    /// An lz4 frame.
    Lz4 = 3,
    /// A zstd frame (KIP-110), format 2 only.
    Zstd = 4,
}

impl Codec {
    /// All codecs, in number order.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The codec of the attributes' bits.
    pub fn from_bits(bits: u8) -> Result<Self, RecordError> {
        Self::ALL.get(usize::from(bits)).copied().ok_or(RecordError::UnknownCodec(bits))
    }

    /// The codec of a `compression.type` value; `producer` and unknown names give `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "none" | "uncompressed" => Codec::None,
            "gzip" => Codec::Gzip,
            "snappy" => Codec::Snappy,
            "lz4" => Codec::Lz4,
            "zstd" => Codec::Zstd,
            _ => return None,
        })
    }

    /// Kafka's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
