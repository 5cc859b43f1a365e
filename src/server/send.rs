//! Puts an answer on the wire: bytes as they are, log data by `sendfile(2)`.
//!
//! A small answer is gathered into one buffer and one write; a large slice of a log goes from the page cache to the socket without
//! passing through the process. What is not in the page cache is first read in on the blocking pool, so that a cold disk does not hold
//! a data worker. Once the header is out there is no way back: any error closes the connection. So does a peer that takes no byte for
//! `connections.max.idle.ms`: it must not hold its place and its answer for ever.

use std::io;
use std::time::Duration;

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

/// Sends an answer whole. `patience` is how long the peer may take no byte of it.
///
/// # Errors
/// Of the socket; `UnexpectedEof` when a log file was cut while it was sent; `TimedOut` when the peer does not read.
pub async fn reply(tasks: &Tasks, stream: &mut Stream, reply: Reply, patience: Duration) -> io::Result<()> {
    if reply.slices.is_empty() {
        return write_all(stream, reply.bytes(), patience).await;
    }
    if reply.wire_len() <= GATHER_BYTES {
        let whole = gather(tasks, reply).await?;
        return write_all(stream, &whole, patience).await;
    }
    let bytes = reply.encoded.bytes;
    let mut sent = 0;
    for (hole, slice) in reply.encoded.holes.iter().zip(reply.slices) {
        send_more(stream, &bytes[sent..hole.at], patience).await?;
        sent = hole.at;
        send_slice(tasks, stream, slice, patience).await?;
    }
    write_all(stream, &bytes[sent..], patience).await
}

async fn write_all(stream: &mut Stream, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    while !bytes.is_empty() {
        match within(patience, stream.write(bytes)).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}

/// One step of sending; each moves at least a byte.
async fn within<T>(patience: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(patience, step).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not take its answer")),
    }
}

async fn gather(tasks: &Tasks, reply: Reply) -> io::Result<BytesMut> {
    let mut whole = BytesMut::with_capacity(reply.wire_len());
    let mut done = 0;
    for (hole, slice) in reply.encoded.holes.iter().zip(reply.slices) {
        whole.extend_from_slice(&reply.encoded.bytes[done..hole.at]);
        done = hole.at;
        let at = whole.len();
        whole.resize(at + slice.len, 0);
        if !slice.read_warm(&mut whole[at..])? {
            whole[at..].copy_from_slice(&read_cold(tasks, slice).await?);
        }
    }
    whole.extend_from_slice(&reply.encoded.bytes[done..]);
    Ok(whole)
}

async fn read_cold(tasks: &Tasks, slice: FileSlice) -> io::Result<bytes::Bytes> {
    tasks.blocking(move || slice.read_to_bytes()).await
}

/// Sends bytes that a slice follows at once: the kernel may wait to fill the packet.
async fn send_more(stream: &mut Stream, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    let Some(tcp) = stream.tcp() else { return write_all(stream, bytes, patience).await };
    while !bytes.is_empty() {
        let send = || Ok(rustix::net::send(tcp, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?);
        let sent = within(patience, when_writable(tcp, send)).await?;
        bytes = &bytes[sent..];
    }
    Ok(())
}

async fn send_slice(tasks: &Tasks, stream: &mut Stream, slice: FileSlice, patience: Duration) -> io::Result<()> {
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
                let send = || Ok(rustix::fs::sendfile(tcp, file, Some(&mut at), part.len)?);
                let sent = within(patience, when_writable(tcp, send)).await?;
                if sent == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the log was cut while it was sent"));
                }
                position += sent as u64;
            }
            _ => {
                let bytes = if part.is_warm() { part.read_to_bytes()? } else { read_cold(tasks, part).await? };
                position += bytes.len() as u64;
                write_all(stream, &bytes, patience).await?;
            }
        }
    }
    Ok(())
}

/// Repeats a raw call on the socket until it did not have to wait.
async fn when_writable<T>(tcp: &TcpStream, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match tcp.try_io(Interest::WRITABLE, &mut call) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tcp.writable().await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
