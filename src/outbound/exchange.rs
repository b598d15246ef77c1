//! One request and its answer on a connection that serves nothing else.

use std::{io, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    select,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::Failure;
use crate::config::Host;

/// Largest head of an answer, in octets, and most that is read at a time.
const HEAD: usize = 16 * 1024;

/// How much of an answer's body is taken so that the other side can end in peace, in octets.
const BODY: usize = 64 * 1024;

/// And for how long.
const BODY_WAIT: Duration = Duration::from_secs(1);

/// TLS with a server that proves to be that host.
pub(super) async fn handshake(
    config: Arc<ClientConfig>,
    host: &Host,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = match host {
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(io::Error::other)?,
        Host::Address(address) => ServerName::from(IpAddr::clone(address)),
    };
    TlsConnector::from(config).connect(name, stream).await
}

/// Sends the request and waits for the head of its answer.
pub(super) async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: Request<Full<Bytes>>,
    deadline: Instant,
) -> Result<StatusCode, Failure> {
    let mut builder = Builder::new();
    let handshake = builder.max_buf_size(HEAD).handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(Failure::Answer)?;
    let mut exchange = pin!(exchange(sender, request, deadline));
    select! {
        answered = &mut exchange => answered,
        // The connection tells the exchange how it ended.
        _ = connection => exchange.await,
    }
}

async fn exchange(
    mut sender: SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    deadline: Instant,
) -> Result<StatusCode, Failure> {
    let answered = timeout_at(deadline, sender.send_request(request)).await;
    let answer = answered
        .map_err(|_| Failure::TimedOut("an answer"))?
        .map_err(Failure::Answer)?;
    let status = answer.status();
    // The status counts, whatever becomes of the body.
    let _ = timeout(BODY_WAIT, ignore(answer.into_body())).await;
    Ok(status)
}

/// Takes what there is of a body, up to a bound.
async fn ignore(mut body: Incoming) {
    let mut left = BODY;
    while let Some(Ok(frame)) = body.frame().await {
        let taken = frame.data_ref().map_or(0, Bytes::len);
        left = left.saturating_sub(taken);
        if left == 0 {
            return;
        }
    }
}
