//! The compression codecs of a batch: containers as Kafka's clients write them, read with a bound.
//!
//! `record` decompresses with it, `builder` and `convert` compress. gzip: a stream. snappy: blocks in xerial framing (a raw block is
//! read too, from clients that forget the frame). lz4: see `lz4`. zstd: a frame without content size and checksum. A decompressed
//! size is never believed: output grows with what really comes out and stops at the caller's limit.

use std::cell::Cell;
use std::io::{Read, Write};

use zstd::zstd_safe::{self, CCtx, CParameter, DCtx, ResetDirective};

use super::error::RecordError;
use super::lz4::{self, Lz4Error};

/// Bytes a batch may decompress to unless the caller says otherwise. Kafka has no bound, because it decompresses record by record;
/// this allows a full batch of 1 MiB a ratio of 128, which text logs reach and bombs exceed.
pub const DECOMPRESSED_LIMIT: usize = 128 << 20;
/// What the buffer for it starts with, at most: the rest must be earned by real output.
const FIRST_CAPACITY: usize = 64 << 10;
/// zstd windows up to 2^27 bytes, the decoder's own default and what level 22 writes. Untouched memory of it costs nothing.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// What a thread keeps of a zstd encoder or decoder: the window of the default level (2 MiB) and its tables. Touched only as far as used.
const ZSTD_KEPT_BYTES: usize = 4 << 20;
/// `0x82 "SNAPPY" 0`, then version 1 and oldest readable version 1.
const XERIAL: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
/// Bytes a block of xerial framing holds before compression, as snappy-java writes them.
const XERIAL_BLOCK_BYTES: usize = 32 << 10;
/// A snappy element of 3 bytes yields at most 64.
const SNAPPY_MAX_RATIO: usize = 22;

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

/// Replaces `out` by what `input`, the body of a batch of format `magic`, decompresses to.
///
/// Errors: `Decompress` when the container is broken, `TooLarge` past `limit` bytes, `CodecNotAllowed` for zstd before format 2.
/// `out` then holds nothing of use, and its capacity is at most a little over `limit`.
pub fn decompress(codec: Codec, magic: i8, input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), RecordError> {
    out.clear();
    match codec {
        Codec::None if input.len() > limit => Err(RecordError::TooLarge { limit }),
        Codec::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        Codec::Gzip => read_bounded(codec, flate2::bufread::MultiGzDecoder::new(input), out, limit),
        Codec::Snappy => unsnappy(input, out, limit),
        Codec::Lz4 => lz4::decompress(input, out, limit, magic == 0).map_err(|error| match error {
            Lz4Error::Bad(reason) => failed(codec, reason),
            Lz4Error::TooLarge => RecordError::TooLarge { limit },
        }),
        Codec::Zstd if magic < 2 => Err(RecordError::CodecNotAllowed { codec, magic }),
        Codec::Zstd => unzstd(input, out, limit),
    }
}

thread_local! {
    /// The thread's zstd decoder: its tables and window cost more to make than a small batch to decompress.
    static ZSTD_CONTEXT: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
    /// The thread's zstd encoder: likewise.
    static ZSTD_ENCODER: Cell<Option<CCtx<'static>>> = const { Cell::new(None) };
}

fn unzstd(input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), RecordError> {
    let codec = Codec::Zstd;
    let mut context = ZSTD_CONTEXT.take().unwrap_or_default();
    // What a batch before left behind, perhaps a broken one.
    context.reset(ResetDirective::SessionOnly).map_err(|code| failed(codec, zstd_safe::get_error_name(code)))?;
    let mut decoder = zstd::stream::read::Decoder::with_context(input, &mut context);
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|error| failed(codec, error))?;
    read_bounded(codec, decoder, out, limit)?;
    if context.sizeof() <= ZSTD_KEPT_BYTES {
        ZSTD_CONTEXT.set(Some(context));
    }
    Ok(())
}

/// In one call, which lets the encoder choose tables that fit the batch.
fn zstd(level: i32, input: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
    let bad = |code| failed(Codec::Zstd, zstd_safe::get_error_name(code));
    let mut context = ZSTD_ENCODER.take().unwrap_or_default();
    context.reset(ResetDirective::SessionAndParameters).map_err(bad)?;
    let parameters =
        [CParameter::CompressionLevel(level), CParameter::ContentSizeFlag(false), CParameter::ChecksumFlag(false)];
    for parameter in parameters {
        context.set_parameter(parameter).map_err(bad)?;
    }
    let at = out.len();
    out.resize(at + zstd_safe::compress_bound(input.len()), 0);
    let written = context.compress2(&mut out[at..], input).map_err(bad)?;
    out.truncate(at + written);
    if context.sizeof() <= ZSTD_KEPT_BYTES {
        ZSTD_ENCODER.set(Some(context));
    }
    Ok(())
}

fn failed(codec: Codec, reason: impl ToString) -> RecordError {
    RecordError::Decompress { codec, reason: reason.to_string() }
}

fn read_bounded(codec: Codec, from: impl Read, out: &mut Vec<u8>, limit: usize) -> Result<(), RecordError> {
    out.reserve(FIRST_CAPACITY.min(limit));
    let mut from = from.take(limit as u64 + 1);
    from.read_to_end(out).map_err(|error| failed(codec, error))?;
    if out.len() > limit { Err(RecordError::TooLarge { limit }) } else { Ok(()) }
}

fn unsnappy(input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), RecordError> {
    // Only the eight bytes of the name tell the framing; the versions behind it are snappy-java's business.
    if !input.starts_with(&XERIAL[..8]) {
        return unsnappy_block(input, out, limit);
    }
    let mut rest = input.get(XERIAL.len()..).ok_or_else(|| failed(Codec::Snappy, "the frame ends in its header"))?;
    while !rest.is_empty() {
        let (len, after) =
            rest.split_first_chunk::<4>().ok_or_else(|| failed(Codec::Snappy, "the frame ends in a length"))?;
        let block = usize::try_from(i32::from_be_bytes(*len)).ok().and_then(|len| after.split_at_checked(len));
        let (block, after) = block.ok_or_else(|| failed(Codec::Snappy, "the frame ends inside a block"))?;
        unsnappy_block(block, out, limit)?;
        rest = after;
    }
    Ok(())
}

/// Appends one raw block to `out`.
fn unsnappy_block(block: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), RecordError> {
    let size = snap::raw::decompress_len(block).map_err(|error| failed(Codec::Snappy, error))?;
    if size > block.len().saturating_mul(SNAPPY_MAX_RATIO) {
        return Err(failed(Codec::Snappy, "a block claims more than it can hold"));
    }
    let at = out.len();
    if size > limit.saturating_sub(at) {
        return Err(RecordError::TooLarge { limit });
    }
    out.resize(at + size, 0);
    let written =
        snap::raw::Decoder::new().decompress(block, &mut out[at..]).map_err(|error| failed(Codec::Snappy, error))?;
    out.truncate(at + written);
    Ok(())
}

/// Appends `input` to `out`, compressed for a batch of format `magic`. `level` is the codec's own (`compression.gzip.level`,
/// `compression.zstd.level`); `None` its default. snappy has none, and lz4's is not used: it changes only how hard to search.
pub fn compress(
    codec: Codec,
    level: Option<i32>,
    magic: i8,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), RecordError> {
    match codec {
        Codec::None => out.extend_from_slice(input),
        Codec::Gzip => {
            let level = match level.and_then(|level| u32::try_from(level).ok()) {
                Some(level) => flate2::Compression::new(level.min(9)),
                None => flate2::Compression::default(),
            };
            let mut encoder = flate2::write::GzEncoder::new(out, level);
            encoder.write_all(input).and_then(|()| encoder.finish()).map_err(|error| failed(codec, error))?;
        }
        Codec::Snappy => {
            out.extend_from_slice(&XERIAL);
            let mut encoder = snap::raw::Encoder::new();
            for block in input.chunks(XERIAL_BLOCK_BYTES) {
                let at = out.len() + 4;
                out.resize(at + snap::raw::max_compress_len(block.len()), 0);
                let written = encoder.compress(block, &mut out[at..]).map_err(|error| failed(codec, error))?;
                out.truncate(at + written);
                out[at - 4..at].copy_from_slice(&(written as i32).to_be_bytes());
            }
        }
        Codec::Lz4 => lz4::compress(input, out, magic == 0),
        Codec::Zstd if magic < 2 => return Err(RecordError::CodecNotAllowed { codec, magic }),
        Codec::Zstd => {
            zstd(level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL), input, out)?;
        }
    }
    Ok(())
}
