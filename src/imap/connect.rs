//! From a host name to an authenticated session: TCP, TLS, greeting, capabilities, SASL, ID.
//!
//! * STARTTLS is demanded, never hoped for: a server that does not offer it, or that sends anything in plain text after
//!   saying OK to it, is refused (RFC 9051 §11.1, CVE-2011-0411).
//! * Capabilities are read again after TLS and after login: only the last ones count.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

mod inbox;
mod sasl;

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_imap::Client;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, pki_types::ServerName},
};

pub(super) use self::{
    inbox::{Inbox, has_no_inbox, inbox},
    sasl::Proof,
};
use super::{
    capability::Capabilities,
    error::Error,
    guard::{Guard, Limits, Violation},
    response::{Code, Response, Status, Tagged, Untagged},
};
use crate::config::TlsMode;

/// An authenticated session, its server speaking through the guard.
pub(super) type Session = async_imap::Session<Guard<Stream>>;

/// The same without async-imap's queue of 10 kB for what the guard keeps anyway.
pub(super) type Established = async_imap::Client<Guard<Stream>>;

/// Where a server is and how it is reached.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// What the store is called in metrics.
    pub store: Arc<str>,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// Trusted roots; not used with [`TlsMode::Off`].
    pub tls_config: Arc<ClientConfig>,
    /// For TCP, TLS and greeting together.
    pub connect_timeout: Duration,
    /// For one command, login included.
    pub command_timeout: Duration,
    /// How long an unused connection stays open.
    pub idle_timeout: Duration,
    /// What the server may send.
    pub limits: Limits,
}

/// Connects, reads the greeting and the capabilities, and takes leave: for health checks. Nobody logs in.
///
/// # Errors
/// [`Error::Connect`] with the reason.
pub async fn probe(endpoint: &Endpoint) -> Result<Capabilities, Error> {
    let greeted = greet(endpoint, &endpoint.tls_config).await?;
    let Greeted(mut client, capabilities) = greeted;
    leave(&mut client).await;
    Ok(capabilities)
}

/// A session that is done with all that async-imap itself sends.
pub(super) fn established(mut session: Session) -> Established {
    // The guard gives one response at a time, so async-imap has read none that it has not given.
    let elsewhere = Guard::new(Stream::Elsewhere, Limits::default());
    Client::new(std::mem::replace(session.get_mut(), elsewhere))
}

/// RFC 9051 §6.1.3: leaves politely; how the server takes it no longer matters.
pub(super) async fn leave(connection: &mut async_imap::Connection<Guard<Stream>>) {
    let logout = connection.run_command_and_check_ok("LOGOUT", None);
    let _ = timeout(Duration::from_secs(1), logout).await;
}

/// A connection whose greeting was read, and what the server can do before a login.
#[derive(Debug)]
pub(super) struct Greeted(Client<Guard<Stream>>, Capabilities);

impl Greeted {
    /// What the server can do before a login.
    pub(super) fn capabilities(&self) -> &Capabilities {
        &self.1
    }
}

/// TCP, TLS, greeting and the capabilities before login.
///
/// # Errors
/// [`Error::Connect`].
pub(super) async fn greet(
    endpoint: &Endpoint,
    tls_config: &Arc<ClientConfig>,
) -> Result<Greeted, Error> {
    timeout(
        endpoint.connect_timeout,
        greet_unhurried(endpoint, tls_config),
    )
    .await
    .map_err(|_| Error::Connect("no greeting within the deadline".to_owned()))?
}

/// Logs in.
///
/// # Errors
/// [`Error::Login`] when it is refused, [`Error::Connect`] when the server has no way for it, [`Error::Timeout`] and
/// [`Error::Closed`].
pub(super) async fn login(
    endpoint: &Endpoint,
    Greeted(client, before): Greeted,
    proof: &Proof,
) -> Result<(Session, Capabilities), Error> {
    let mut session = timeout(
        endpoint.command_timeout,
        sasl::authenticate(client, &before, proof),
    )
    .await
    .map_err(|_| Error::Timeout)??;
    let announced = drain(&mut session);
    let finish = async {
        let capabilities = match capabilities_in(&announced) {
            Some(capabilities) => capabilities,
            None => ask_capabilities(&mut session).await?,
        };
        let server = if capabilities.id() {
            identify(&mut session).await?
        } else {
            None
        };
        Ok(capabilities.with_server(server))
    };
    let capabilities = timeout(endpoint.command_timeout, finish)
        .await
        .map_err(|_| Error::Timeout)??;
    Ok((session, capabilities))
}

async fn greet_unhurried(
    endpoint: &Endpoint,
    tls_config: &Arc<ClientConfig>,
) -> Result<Greeted, Error> {
    let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
        .await
        .map_err(connect_error)?;
    tcp.set_nodelay(true).map_err(connect_error)?;
    let stream = match endpoint.tls {
        TlsMode::Implicit => handshake(endpoint, tls_config, tcp).await?,
        TlsMode::Starttls | TlsMode::Off => Stream::Plain(tcp),
    };
    let mut client = Client::new(Guard::new(stream, endpoint.limits.clone()));
    let announced = greeting(&mut client).await?;
    if endpoint.tls != TlsMode::Starttls {
        let capabilities = match announced {
            Some(capabilities) => capabilities,
            None => ask_capabilities(&mut client)
                .await
                .map_err(connect_failed)?,
        };
        return Ok(Greeted(client, capabilities));
    }
    let capabilities = match announced {
        Some(capabilities) => capabilities,
        None => ask_capabilities(&mut client)
            .await
            .map_err(connect_failed)?,
    };
    let mut client = start_tls(endpoint, tls_config, client, &capabilities).await?;
    // RFC 9051 §6.2.1: what was said in plain text is forgotten.
    let capabilities = ask_capabilities(&mut client)
        .await
        .map_err(connect_failed)?;
    Ok(Greeted(client, capabilities))
}

/// Reads the greeting; its capabilities if it names them.
async fn greeting(client: &mut Client<Guard<Stream>>) -> Result<Option<Capabilities>, Error> {
    match next(client).await.map_err(connect_failed)? {
        Response::Untagged(Untagged::Status {
            status: Status::Ok,
            code,
            ..
        }) => Ok(match code {
            Some(Code::Capability(names)) => Some(Capabilities::new(names)),
            _ => None,
        }),
        // A PREAUTH connection belongs to whoever the server thinks we are: nobody has proved anything.
        Response::Untagged(Untagged::Status {
            status: Status::PreAuth,
            ..
        }) => Err(Error::Connect("the server greets with PREAUTH".to_owned())),
        Response::Untagged(Untagged::Status {
            status: Status::Bye,
            ..
        }) => Err(Error::Connect("the server greets with BYE".to_owned())),
        _ => Err(Error::Connect("no IMAP greeting".to_owned())),
    }
}

async fn start_tls(
    endpoint: &Endpoint,
    tls_config: &Arc<ClientConfig>,
    mut client: Client<Guard<Stream>>,
    capabilities: &Capabilities,
) -> Result<Client<Guard<Stream>>, Error> {
    if !capabilities.starttls() {
        return Err(Error::Connect(
            "the server does not offer STARTTLS".to_owned(),
        ));
    }
    let outcome = client.run_command_and_check_ok("STARTTLS", None).await;
    drain(&mut client);
    outcome.map_err(|_| Error::Connect("the server refuses STARTTLS".to_owned()))?;
    // RFC 9051 §11.1: bytes that came before the handshake were injected.
    if client.get_ref().has_buffered() {
        return Err(Error::Connect("plain text after STARTTLS".to_owned()));
    }
    let Stream::Plain(tcp) = client.into_inner().into_inner() else {
        return Err(Error::Connect("STARTTLS inside TLS".to_owned()));
    };
    let stream = handshake(endpoint, tls_config, tcp).await?;
    Ok(Client::new(Guard::new(stream, endpoint.limits.clone())))
}

async fn handshake(
    endpoint: &Endpoint,
    tls_config: &Arc<ClientConfig>,
    tcp: TcpStream,
) -> Result<Stream, Error> {
    let name = ServerName::try_from(endpoint.host.clone())
        .map_err(|error| Error::Connect(error.to_string()))?;
    let connector = TlsConnector::from(Arc::clone(tls_config));
    let stream = connector
        .connect(name, tcp)
        .await
        .map_err(|error| Error::Connect(format!("TLS: {error}")))?;
    Ok(Stream::Tls(Box::new(stream)))
}

async fn ask_capabilities(
    connection: &mut async_imap::Connection<Guard<Stream>>,
) -> Result<Capabilities, Error> {
    let outcome = connection
        .run_command_and_check_ok("CAPABILITY", None)
        .await;
    let responses = drain(connection);
    outcome.map_err(|_| Error::Closed)?;
    capabilities_in(&responses)
        .ok_or_else(|| Error::Protocol("no CAPABILITY in the answer".to_owned()))
}

/// The last capabilities that were announced, as a line or as a code.
fn capabilities_in(responses: &[Response]) -> Option<Capabilities> {
    responses.iter().rev().find_map(|response| match response {
        Response::Untagged(Untagged::Capability(names))
        | Response::Untagged(Untagged::Status {
            code: Some(Code::Capability(names)),
            ..
        })
        | Response::Tagged(Tagged {
            code: Some(Code::Capability(names)),
            ..
        }) => Some(Capabilities::new(names)),
        _ => None,
    })
}

/// Says who we are and learns who the server is (RFC 2971).
async fn identify(session: &mut Session) -> Result<Option<String>, Error> {
    const ID: &str = concat!(
        "ID (\"name\" \"cpm-bridge\" \"version\" \"",
        env!("CARGO_PKG_VERSION"),
        "\")"
    );
    let outcome = session.run_command_and_check_ok(ID).await;
    let responses = drain(session);
    if outcome.is_err()
        && !responses
            .iter()
            .any(|response| matches!(response, Response::Tagged(_)))
    {
        return Err(Error::Closed);
    }
    Ok(responses.into_iter().find_map(|response| match response {
        Response::Untagged(Untagged::Id(fields)) => fields
            .into_iter()
            .find(|(key, _)| key.eq_ignore_ascii_case("name"))
            .and_then(|(_, value)| value),
        _ => None,
    }))
}

/// Everything the guard has kept so far.
pub(super) fn drain(connection: &mut async_imap::Connection<Guard<Stream>>) -> Vec<Response> {
    std::iter::from_fn(|| connection.get_mut().pop()).collect()
}

/// Reads the next response. Safe to drop half-way: nothing is lost.
pub(super) async fn next(
    connection: &mut async_imap::Connection<Guard<Stream>>,
) -> Result<Response, Error> {
    match connection.read_response().await {
        Ok(Some(_)) => connection
            .get_mut()
            .pop()
            .ok_or_else(|| Error::Protocol("a response that the guard has not seen".to_owned())),
        Ok(None) => Err(Error::Closed),
        Err(error) => Err(read_error(&error)),
    }
}

/// A bound that the server broke, or the end of the connection.
pub(super) fn read_error(error: &io::Error) -> Error {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Violation>())
    {
        Some(violation) => Error::Protocol(violation.to_string()),
        None => Error::Closed,
    }
}

fn connect_error(error: io::Error) -> Error {
    Error::Connect(error.to_string())
}

fn connect_failed(error: Error) -> Error {
    match error {
        Error::Closed => Error::Connect("closed before the greeting was over".to_owned()),
        other => Error::Connect(other.to_string()),
    }
}

/// A connection to the server, with or without TLS.
pub(super) enum Stream {
    /// Plain text.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// It goes on elsewhere.
    Elsewhere,
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Stream::Plain(_) => "Plain",
            Stream::Tls(_) => "Tls",
            Stream::Elsewhere => "Elsewhere",
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Elsewhere => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Elsewhere => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
            Stream::Elsewhere => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Elsewhere => Poll::Ready(Ok(())),
        }
    }
}
