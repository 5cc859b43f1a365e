//! Listening and connecting: TCP, or pipes inside the process.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The network.
#[derive(Clone, Debug)]
pub enum Net {
    /// TCP.
    Real,
    /// Pipes between the brokers of one process.
    #[cfg(feature = "sim")]
    Sim(SimNet),
}

/// How many connections wait to be accepted, as `socket.listen.backlog.size`; receive buffer as `socket.receive.buffer.bytes`.
const DEFAULT_BACKLOG: i32 = 50;

impl Net {
    /// Binds a listener. A restart must not wait for old connections to fade, so the address is reused.
    ///
    /// # Errors
    /// The system's, for instance address in use.
    pub fn listen(&self, addr: SocketAddr, backlog: Option<i32>) -> io::Result<Listener> {
        match self {
            Net::Real => {
                let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
                socket.set_reuse_address(true)?;
                if addr.is_ipv6() {
                    socket.set_only_v6(false)?; // the wildcard serves both families, as Java's does
                }
                socket.bind(&addr.into())?;
                socket.listen(backlog.unwrap_or(DEFAULT_BACKLOG))?;
                socket.set_nonblocking(true)?;
                Ok(Listener::Tcp(TcpListener::from_std(socket.into())?))
            }
            #[cfg(feature = "sim")]
            Net::Sim(sim) => sim.listen(addr),
        }
    }

    /// Connects to a host name or address; every address of the name is tried in turn.
    ///
    /// # Errors
    /// Of resolving or of the last address tried.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<Stream> {
        match self {
            Net::Real => {
                #[allow(clippy::disallowed_methods)] // the one place
                let stream = TcpStream::connect((host, port)).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            #[cfg(feature = "sim")]
            Net::Sim(sim) => sim.connect(port).await,
        }
    }
}

/// A bound listener.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Pipes.
    #[cfg(feature = "sim")]
    Sim(SocketAddr, tokio::sync::Mutex<tokio::sync::mpsc::Receiver<tokio::io::DuplexStream>>),
}

impl Listener {
    /// The next connection and its peer.
    ///
    /// # Errors
    /// The system's; running out of file descriptors is one to wait out, not to end on.
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let _ = stream.set_nodelay(true); // it fails on a peer that is gone again, which the first read tells
                Ok((Stream::Tcp(stream), peer))
            }
            #[cfg(feature = "sim")]
            Listener::Sim(addr, incoming) => match incoming.lock().await.recv().await {
                Some(pipe) => Ok((Stream::Pipe(pipe), *addr)),
                None => std::future::pending().await,
            },
        }
    }

    /// The bound address: the real port when 0 was asked for.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr(),
            #[cfg(feature = "sim")]
            Listener::Sim(addr, _) => Ok(*addr),
        }
    }
}

/// A connected byte stream.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A pipe inside the process.
    #[cfg(feature = "sim")]
    Pipe(tokio::io::DuplexStream),
}

impl Stream {
    /// The socket, for `sendfile(2)`; none for a pipe.
    pub fn raw(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Stream::Tcp(stream) => Some(stream.as_fd()),
            #[cfg(feature = "sim")]
            Stream::Pipe(_) => None,
        }
    }

    /// The TCP stream itself, for readiness around a raw call.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Tcp(stream) => Some(stream),
            #[cfg(feature = "sim")]
            Stream::Pipe(_) => None,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(feature = "sim")]
            Stream::Pipe(pipe) => Pin::new(pipe).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(feature = "sim")]
            Stream::Pipe(pipe) => Pin::new(pipe).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "sim")]
            Stream::Pipe(pipe) => Pin::new(pipe).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "sim")]
            Stream::Pipe(pipe) => Pin::new(pipe).poll_shutdown(cx),
        }
    }
}

/// The listeners of one process, by port.
#[cfg(feature = "sim")]
#[derive(Clone, Debug, Default)]
pub struct SimNet(
    std::sync::Arc<
        parking_lot::Mutex<std::collections::BTreeMap<u16, tokio::sync::mpsc::Sender<tokio::io::DuplexStream>>>,
    >,
);

#[cfg(feature = "sim")]
impl SimNet {
    /// Bytes a pipe holds in each direction before the writer waits.
    const PIPE_BYTES: usize = 256 * 1024;

    fn listen(&self, addr: SocketAddr) -> io::Result<Listener> {
        let mut listeners = self.0.lock();
        let port = match addr.port() {
            0 => (10_000..u16::MAX).find(|p| !listeners.contains_key(p)).ok_or(io::ErrorKind::AddrInUse)?,
            port => port,
        };
        if listeners.get(&port).is_some_and(|l| !l.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (sender, incoming) = tokio::sync::mpsc::channel(16);
        listeners.insert(port, sender);
        Ok(Listener::Sim(SocketAddr::new(addr.ip(), port), tokio::sync::Mutex::new(incoming)))
    }

    async fn connect(&self, port: u16) -> io::Result<Stream> {
        let sender = self.0.lock().get(&port).cloned().ok_or(io::ErrorKind::ConnectionRefused)?;
        let (here, there) = tokio::io::duplex(Self::PIPE_BYTES);
        sender.send(there).await.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(Stream::Pipe(here))
    }
}
