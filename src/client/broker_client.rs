//! One connection to one broker with one request in flight (a `NetworkClient` of one node).
//!
//! Owned by the task that sends: `&mut self` is what keeps one request in flight. Connecting happens at the first send and again
//! after any failure, without a pause of its own: the owner waits between its tries. Correlation ids count on over reconnects.
//! Beware: a send that was given up (its future dropped, or an error) leaves no usable connection; the next one makes a new one.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::base::Env;
use crate::base::ErrorCode;
use crate::base::env::Stream;
use crate::wire::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, DecodeError, EncodeError, Message, Request, decode_response,
    encode_request, response_correlation_id,
};

/// Where a broker listens.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Target {
    /// Host name or address, IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Target {
    /// A host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How a connection behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// `client_id` of every request.
    pub client_id: String,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one request may take, from its first byte written to its answer read.
    pub request_timeout: Duration,
    /// An answer that claims to be longer closes the connection.
    pub max_response_bytes: usize,
}

/// Answers of the control and coordinator APIs are small; a full fetch answer is bounded by its own request. This is Kafka's
/// `socket.request.max.bytes`, which nothing between brokers exceeds.
const DEFAULT_MAX_RESPONSE_BYTES: usize = 100 * 1024 * 1024;

/// What is reserved for an answer before its bytes are there: a broken peer's length must not allocate.
const FIRST_READ_BYTES: usize = 64 * 1024;

impl ClientOptions {
    /// Java's defaults: 30 s for a request and for connecting.
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            connect_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
        }
    }
}

/// Why a request has no answer. Whether the broker acted on it is unknown, except after [`ClientError::Connect`],
/// [`ClientError::Encode`] and [`ClientError::Unsupported`].
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection could be made.
    #[error("connecting to {target}: {source}")]
    Connect {
        /// Where to.
        target: Target,
        /// Why not.
        source: io::Error,
    },
    /// The connection broke, or the peer closed it.
    #[error("connection to {target}: {source}")]
    Closed {
        /// Where to.
        target: Target,
        /// How it broke.
        source: io::Error,
    },
    /// No answer in time.
    #[error("no answer from {target} to {api} within {timeout:?}")]
    Timeout {
        /// Where to.
        target: Target,
        /// To which request.
        api: ApiKey,
        /// How long was waited.
        timeout: Duration,
    },
    /// The answer is not what its version says, or another request's.
    #[error("bad answer from {target} to {api}: {why}")]
    BadAnswer {
        /// From where.
        target: Target,
        /// To which request.
        api: ApiKey,
        /// What is wrong with it.
        why: String,
    },
    /// The request has a field that its version does not carry.
    #[error("request does not fit its version: {0}")]
    Encode(#[from] EncodeError),
    /// The broker offers no version that we speak.
    #[error("{target} offers {api} {theirs:?}, needed is {ours:?}")]
    Unsupported {
        /// Where to.
        target: Target,
        /// Which request.
        api: ApiKey,
        /// The versions we could send.
        ours: RangeInclusive<i16>,
        /// The versions it takes, none if it does not know the request.
        theirs: Option<(i16, i16)>,
    },
}

impl ClientError {
    /// The host itself said that nobody listens there.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// No connection was made: nothing was sent.
    pub fn is_connect(&self) -> bool {
        matches!(self, Self::Connect { .. })
    }
}

/// A connection to one broker. See the head of the file.
#[derive(Debug)]
pub struct BrokerClient {
    env: Env,
    target: Target,
    options: ClientOptions,
    next_correlation_id: i32,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: Stream,
    /// What the broker takes, once asked.
    versions: Option<Vec<(i16, i16, i16)>>,
}

impl BrokerClient {
    /// A client of `target`. No I/O before the first send.
    pub fn new(env: Env, target: Target, options: ClientOptions) -> Self {
        Self { env, target, options, next_correlation_id: 0, connection: None }
    }

    /// Where it connects to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// True when there is a connection that has not failed yet.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Closes the connection; the next send makes a new one.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Connects, unless there is a connection already. May be dropped.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub async fn connect(&mut self) -> Result<(), ClientError> {
        self.connection = Some(self.connected().await?);
        Ok(())
    }

    /// Waits until the peer closes an idle connection. May be dropped.
    pub async fn closed(&mut self) {
        if let Some(connection) = &mut self.connection {
            // A byte that nobody asked for makes the connection as useless as its end.
            let _ = connection.stream.read(&mut [0]).await;
            self.connection = None;
        }
    }

    /// Turns to another address, closing the connection if it differs.
    pub fn retarget(&mut self, target: Target) {
        if self.target != target {
            self.target = target;
            self.disconnect();
        }
    }

    /// Sends a request in a fixed version and waits for its answer, connecting first if need be.
    ///
    /// # Errors
    /// See [`ClientError`]; the connection is closed by every one of them.
    pub async fn send<Q: Request>(&mut self, request: &Q, version: i16) -> Result<Q::Response, ClientError> {
        let id = self.take_correlation_id();
        let connection = self.connected().await?;
        self.exchange(connection, request, version, id).await
    }

    /// Sends a request in the highest version that both sides know: a new connection asks ApiVersions first. `build` makes the
    /// request for the version.
    ///
    /// # Errors
    /// See [`ClientError`]; the connection is closed by every one of them.
    pub async fn send_negotiated<Q: Request>(
        &mut self,
        ours: RangeInclusive<i16>,
        build: impl FnOnce(i16) -> Q,
    ) -> Result<Q::Response, ClientError> {
        // The request's number is taken before that of the ApiVersions which goes ahead of it, as Java does.
        let id = self.take_correlation_id();
        let mut connection = self.connected().await?;
        let versions = match connection.versions.take() {
            Some(versions) => versions,
            None => {
                let asked = self.ask_versions(connection).await?;
                connection = asked.0;
                asked.1
            }
        };
        let theirs = versions.iter().find(|v| v.0 == Q::KEY.code()).map(|v| (v.1, v.2));
        connection.versions = Some(versions);
        let common = theirs.map(|(min, max)| (min.max(*ours.start()), max.min(*ours.end())));
        let Some(version) = common.filter(|(min, max)| min <= max).map(|(_, max)| max) else {
            return Err(ClientError::Unsupported { target: self.target.clone(), api: Q::KEY, ours, theirs });
        };
        self.exchange(connection, &build(version), version, id).await
    }

    /// Numbers go on over reconnects and are used up by failed tries; they wrap to 0, never below it.
    fn take_correlation_id(&mut self) -> i32 {
        let id = self.next_correlation_id;
        self.next_correlation_id = id.checked_add(1).unwrap_or(0);
        id
    }

    /// Takes the connection out, making it if there is none. Whoever holds it puts it back when all went well.
    async fn connected(&mut self) -> Result<Connection, ClientError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let deadline = Instant::now() + self.options.connect_timeout;
        let connecting = self.env.net.connect(&self.target.host, self.target.port);
        let connected = match timeout_at(deadline, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match connected {
            Ok(stream) => Ok(Connection { stream, versions: None }),
            Err(source) => Err(ClientError::Connect { target: self.target.clone(), source }),
        }
    }

    /// One request and its answer; on success the connection is put back.
    async fn exchange<Q: Request>(
        &mut self,
        mut connection: Connection,
        request: &Q,
        version: i16,
        id: i32,
    ) -> Result<Q::Response, ClientError> {
        let frame = self.round_trip(&mut connection.stream, request, version, id).await?;
        let (_, response) = decode_response::<Q::Response>(frame, version).map_err(|e| self.bad_answer::<Q>(&e))?;
        self.connection = Some(connection);
        Ok(response)
    }

    /// Asks which requests the broker takes. A broker that does not know our version of the question answers in version 0 and
    /// says which one it knows (KIP-511): asked once more in that.
    async fn ask_versions(
        &mut self,
        mut connection: Connection,
    ) -> Result<(Connection, Vec<(i16, i16, i16)>), ClientError> {
        let mut version = ApiVersionsRequest::KEY.max_version();
        for _ in 0..2 {
            let request = ApiVersionsRequest {
                client_software_name: "ottla".into(),
                client_software_version: env!("CARGO_PKG_VERSION").into(),
            };
            let id = self.take_correlation_id();
            let frame = self.round_trip(&mut connection.stream, &request, version, id).await?;
            let refused = frame.get(4..6) == Some(&ErrorCode::UnsupportedVersion.code().to_be_bytes());
            let body_version = if refused { 0 } else { version };
            let (_, response) = decode_response::<ApiVersionsResponse>(frame, body_version)
                .map_err(|e| self.bad_answer::<ApiVersionsRequest>(&e))?;
            let offered: Vec<_> = response.api_keys.iter().map(|k| (k.api_key, k.min_version, k.max_version)).collect();
            if !refused {
                return Ok((connection, offered));
            }
            let known = offered.iter().find(|k| k.0 == ApiKey::ApiVersions.code()).map_or(0, |k| k.2);
            version = known.clamp(0, version);
        }
        Err(ClientError::BadAnswer {
            target: self.target.clone(),
            api: ApiKey::ApiVersions,
            why: "refused in every version".into(),
        })
    }

    /// Writes a request and reads the next frame, which must be its answer.
    async fn round_trip<Q: Request>(
        &self,
        stream: &mut Stream,
        request: &Q,
        version: i16,
        id: i32,
    ) -> Result<Bytes, ClientError> {
        let mut out = BytesMut::new();
        encode_request(&mut out, request, version, id, Some(&self.options.client_id))?;
        let limit = self.options.request_timeout;
        let work = async {
            stream.write_all(&out).await?;
            stream.flush().await?;
            read_frame(stream, self.options.max_response_bytes).await
        };
        let frame = match timeout_at(Instant::now() + limit, work).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(source)) => return Err(ClientError::Closed { target: self.target.clone(), source }),
            Err(_) => return Err(ClientError::Timeout { target: self.target.clone(), api: Q::KEY, timeout: limit }),
        };
        match response_correlation_id(&frame) {
            Some(got) if got == id => Ok(frame),
            got => Err(ClientError::BadAnswer {
                target: self.target.clone(),
                api: Q::KEY,
                why: format!("correlation id {got:?}, expected {id}"),
            }),
        }
    }

    fn bad_answer<Q: Request>(&self, error: &DecodeError) -> ClientError {
        ClientError::BadAnswer { target: self.target.clone(), api: Q::KEY, why: error.to_string() }
    }
}

/// Reads one frame without its length. Memory grows with the bytes that come, not with the length that is claimed.
async fn read_frame(stream: &mut Stream, max_bytes: usize) -> io::Result<Bytes> {
    let len = stream.read_i32().await?;
    let len = usize::try_from(len).ok().filter(|len| *len <= max_bytes).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("frame of {len} bytes, allowed are {max_bytes}"))
    })?;
    let mut frame = BytesMut::with_capacity(len.min(FIRST_READ_BYTES));
    let mut limited = stream.take(len as u64);
    while frame.len() < len {
        if limited.read_buf(&mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(frame.freeze())
}
