//! The lz4 frame of compressed records, as Kafka's clients write and read it (`KafkaLZ4BlockOutputStream`, `…InputStream`).
//!
//! Ours and not the crate's frame, for what Kafka does of its own: format-0 messages carry a wrong header checksum (computed with
//! the magic number in front, KAFKA-3160) and must be read and written so; reading is bounded block by block; blocks that depend on
//! each other are refused. The blocks themselves are `lz4_flex`'s. Called by `codec` only.

/// `0x184D2204`, little-endian on the wire.
const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Version 1, independent blocks, no content size, no checksums: what all Kafka clients write.
const FLG: u8 = 0x60;
/// Blocks of at most 64 KiB.
const BD: u8 = 0x40;
const BLOCK_BYTES: usize = 64 << 10;
/// Set in a block's length when its bytes are not compressed.
const RAW_BLOCK: u32 = 0x8000_0000;
/// An lz4 block cannot grow by more than this: a length byte of 255 adds 255 bytes.
const MAX_RATIO: usize = 255;

const FLG_VERSION: u8 = 0xc0;
const FLG_INDEPENDENT: u8 = 0x20;
const FLG_BLOCK_CHECKSUM: u8 = 0x10;
const FLG_CONTENT_SIZE: u8 = 0x08;
const FLG_RESERVED: u8 = 0x03;

/// Appends `input` to `out` as one frame. `old_header` writes the checksum of format-0 messages.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>, old_header: bool) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[FLG, BD]);
    let checksummed = if old_header { start } else { start + MAGIC.len() };
    let checksum = header_checksum(&out[checksummed..]);
    out.push(checksum);
    let mut block = vec![0; lz4_flex::block::get_maximum_output_size(BLOCK_BYTES.min(input.len()))];
    for raw in input.chunks(BLOCK_BYTES) {
        // The buffer fits any block of this size, so that the error cannot come; stored raw it is right in any case.
        let packed = lz4_flex::block::compress_into(raw, &mut block).unwrap_or(raw.len());
        if packed < raw.len() {
            out.extend_from_slice(&(packed as u32).to_le_bytes());
            out.extend_from_slice(&block[..packed]);
        } else {
            out.extend_from_slice(&(raw.len() as u32 | RAW_BLOCK).to_le_bytes());
            out.extend_from_slice(raw);
        }
    }
    out.extend_from_slice(&0u32.to_le_bytes());
}

/// Why a frame cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lz4Error {
    /// The frame breaks its format.
    Bad(&'static str),
    /// More than the limit would come out.
    TooLarge,
}

/// Appends what the frame `input` holds to `out`, at most `limit` bytes. `old_header` also takes the checksum of format-0 messages.
pub(super) fn decompress(input: &[u8], out: &mut Vec<u8>, limit: usize, old_header: bool) -> Result<(), Lz4Error> {
    let (flg, block_bytes, mut rest) = read_header(input, old_header)?;
    let start = out.len();
    loop {
        let size = read_u32(&mut rest)?;
        if size == 0 {
            // A content checksum may follow; Java does not look at it either.
            return Ok(());
        }
        let len = (size & !RAW_BLOCK) as usize;
        if len > block_bytes {
            return Err(Lz4Error::Bad("a block is longer than the frame allows"));
        }
        let (block, after) = rest.split_at_checked(len).ok_or(Lz4Error::Bad("the frame ends inside a block"))?;
        rest = after;
        if flg & FLG_BLOCK_CHECKSUM != 0 && read_u32(&mut rest)? != xxh32(block) {
            return Err(Lz4Error::Bad("block checksum mismatch"));
        }
        let left = limit.saturating_sub(out.len() - start);
        if size & RAW_BLOCK != 0 {
            if len > left {
                return Err(Lz4Error::TooLarge);
            }
            out.extend_from_slice(block);
            continue;
        }
        let at = out.len();
        let room = block_bytes.min(len.saturating_mul(MAX_RATIO)).min(left);
        out.resize(at + room, 0);
        match lz4_flex::block::decompress_into(block, &mut out[at..]) {
            Ok(written) => out.truncate(at + written),
            Err(lz4_flex::block::DecompressError::OutputTooSmall { .. }) if room == left => {
                return Err(Lz4Error::TooLarge);
            }
            Err(_) => return Err(Lz4Error::Bad("a block cannot be decompressed")),
        }
    }
}

/// Flags, size of a block, and what lies behind the header.
fn read_header(input: &[u8], old_header: bool) -> Result<(u8, usize, &[u8]), Lz4Error> {
    if !input.starts_with(&MAGIC) {
        return Err(Lz4Error::Bad("no lz4 frame"));
    }
    let [flg, bd] = *input[MAGIC.len()..].first_chunk::<2>().ok_or(Lz4Error::Bad("the frame ends in its header"))?;
    if flg & FLG_VERSION != FLG & FLG_VERSION || flg & FLG_RESERVED != 0 || bd & 0x8f != 0 {
        return Err(Lz4Error::Bad("unknown frame version or flags"));
    }
    if flg & FLG_INDEPENDENT == 0 {
        return Err(Lz4Error::Bad("blocks that depend on each other are not supported"));
    }
    let block_bytes = match bd >> 4 {
        4 => 64 << 10,
        5 => 256 << 10,
        6 => 1 << 20,
        7 => 4 << 20,
        _ => return Err(Lz4Error::Bad("unknown block size")),
    };
    let end = MAGIC.len() + 2 + if flg & FLG_CONTENT_SIZE != 0 { 8 } else { 0 };
    let stored = *input.get(end).ok_or(Lz4Error::Bad("the frame ends in its header"))?;
    // Java skips the check for format 0, which has either of two checksums.
    if !old_header && stored != header_checksum(&input[MAGIC.len()..end]) {
        return Err(Lz4Error::Bad("header checksum mismatch"));
    }
    Ok((flg, block_bytes, &input[end + 1..]))
}

fn read_u32(rest: &mut &[u8]) -> Result<u32, Lz4Error> {
    let (bytes, after) = rest.split_first_chunk::<4>().ok_or(Lz4Error::Bad("the frame has no end mark"))?;
    *rest = after;
    Ok(u32::from_le_bytes(*bytes))
}

fn header_checksum(bytes: &[u8]) -> u8 {
    (xxh32(bytes) >> 8) as u8
}

/// XXH32 with seed 0.
fn xxh32(bytes: &[u8]) -> u32 {
    const P1: u32 = 0x9e37_79b1;
    const P2: u32 = 0x85eb_ca77;
    const P3: u32 = 0xc2b2_ae3d;
    const P4: u32 = 0x27d4_eb2f;
    const P5: u32 = 0x1656_67b1;
    let word = |b: &[u8]| b.first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
    let mut stripes = bytes.chunks_exact(16);
    let mut hash = if bytes.len() >= 16 {
        let mut lanes = [P1.wrapping_add(P2), P2, 0, 0u32.wrapping_sub(P1)];
        for stripe in stripes.by_ref() {
            for (lane, part) in lanes.iter_mut().zip(stripe.chunks_exact(4)) {
                *lane = lane.wrapping_add(word(part).wrapping_mul(P2)).rotate_left(13).wrapping_mul(P1);
            }
        }
        let [a, b, c, d] = lanes;
        a.rotate_left(1).wrapping_add(b.rotate_left(7)).wrapping_add(c.rotate_left(12)).wrapping_add(d.rotate_left(18))
    } else {
        P5
    };
    hash = hash.wrapping_add(bytes.len() as u32);
    let mut words = stripes.remainder().chunks_exact(4);
    for part in words.by_ref() {
        hash = hash.wrapping_add(word(part).wrapping_mul(P3)).rotate_left(17).wrapping_mul(P4);
    }
    for byte in words.remainder() {
        hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(P2);
    hash = (hash ^ (hash >> 13)).wrapping_mul(P3);
    hash ^ (hash >> 16)
}
