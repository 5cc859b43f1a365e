//! Puts an answer on the wire: bytes as they are, log data by `sendfile(2)`.
//!
//! A small answer is gathered into one buffer and one write; a large slice of a log goes from the page cache to the socket without
//! passing through the process. What is not in the page cache is first read in on the blocking pool, so that a cold disk does not hold
//! a data worker. Once the header is out there is no way back: any error closes the connection.

use std::io;

use bytes::BytesMut;
use rustix::net::SendFlags;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;

use crate::api::Reply;
use crate::base::env::{Stream, Tasks};
use crate::disk::FileSlice;

/// Below this, one copy is cheaper than the extra system calls.
const GATHER_BYTES: usize = 32 * 1024;

/// What one `sendfile` call may take: long enough to amortise the call, short enough to share the worker.
const SENDFILE_BYTES: usize = 512 * 1024;

/// Sends an answer whole.
///
/// # Errors
/// Of the socket; `UnexpectedEof` when a log file was cut while it was sent.
pub async fn reply(tasks: &Tasks, stream: &mut Stream, reply: Reply) -> io::Result<()> {
    if reply.slices.is_empty() {
        return stream.write_all(reply.bytes()).await;
    }
    if reply.wire_len() <= GATHER_BYTES || stream.raw().is_none() {
        let whole = gather(tasks, reply).await?;
        return stream.write_all(&whole).await;
    }
    let bytes = reply.encoded.bytes;
    let mut sent = 0;
    for (hole, slice) in reply.encoded.holes.iter().zip(reply.slices) {
        send_more(stream, &bytes[sent..hole.at]).await?;
        sent = hole.at;
        send_slice(tasks, stream, slice).await?;
    }
    stream.write_all(&bytes[sent..]).await
}

async fn gather(tasks: &Tasks, reply: Reply) -> io::Result<BytesMut> {
    let mut whole = BytesMut::with_capacity(reply.wire_len());
    let mut done = 0;
    for (hole, slice) in reply.encoded.holes.iter().zip(reply.slices) {
        whole.extend_from_slice(&reply.encoded.bytes[done..hole.at]);
        done = hole.at;
        whole.extend_from_slice(&read(tasks, slice).await?);
    }
    whole.extend_from_slice(&reply.encoded.bytes[done..]);
    Ok(whole)
}

async fn read(tasks: &Tasks, slice: FileSlice) -> io::Result<bytes::Bytes> {
    if slice.is_warm() { slice.read_to_bytes() } else { tasks.blocking(move || slice.read_to_bytes()).await }
}

/// Sends bytes that a slice follows at once: the kernel may wait to fill the packet.
async fn send_more(stream: &mut Stream, mut bytes: &[u8]) -> io::Result<()> {
    let Some(tcp) = stream.tcp() else { return stream.write_all(bytes).await };
    while !bytes.is_empty() {
        let sent =
            when_writable(tcp, || Ok(rustix::net::send(tcp, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)).await?;
        bytes = &bytes[sent..];
    }
    Ok(())
}

async fn send_slice(tasks: &Tasks, stream: &mut Stream, slice: FileSlice) -> io::Result<()> {
    let mut position = slice.position;
    let end = slice.position + slice.len as u64;
    while position < end {
        let part = FileSlice {
            file: slice.file.clone(),
            position,
            len: usize::try_from(end - position).unwrap_or(SENDFILE_BYTES).min(SENDFILE_BYTES),
        };
        match (stream.tcp(), slice.file.raw_fd()) {
            (Some(tcp), Some(file)) => {
                if !part.is_warm() {
                    let cold = part.clone();
                    // Reading is what fills the page cache; the bytes themselves are of no use here.
                    tasks.blocking(move || cold.read_to_bytes().map(drop)).await?;
                }
                let mut at = part.position;
                let sent = when_writable(tcp, || Ok(rustix::fs::sendfile(tcp, file, Some(&mut at), part.len)?)).await?;
                if sent == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the log was cut while it was sent"));
                }
                position += sent as u64;
            }
            _ => {
                let bytes = read(tasks, part).await?;
                position += bytes.len() as u64;
                stream.write_all(&bytes).await?;
            }
        }
    }
    Ok(())
}

/// Repeats a raw call on the socket until it did not have to wait.
async fn when_writable<T>(tcp: &TcpStream, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        tcp.writable().await?;
        match tcp.try_io(Interest::WRITABLE, &mut call) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            done => return done,
        }
    }
}
