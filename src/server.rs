//! Accepts connections, does TLS and HTTP/1.1 and HTTP/2, and drains.
//!
//! Who takes nothing of an answer for a while loses it: with HTTP/1.1 the connection ends (`paced`), with HTTP/2 the stream
//! (`streams`). An upgraded connection keeps its place until what it goes on with has ended.

mod paced;
mod streams;

use std::{
    convert::Infallible,
    future::{Future, pending},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tracing::debug;

use self::{paced::Paced, streams::Streams};
use crate::{
    rest::{Body, Connection, Conversation},
    task,
};

/// HTTP/2 streams of one connection.
const STREAMS: u32 = 128;

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To send a request's headers, the first one's from the start of the connection, and for the TLS handshake.
    pub header_timeout: Duration,
    /// All headers of a request, bytes.
    pub header_bytes: usize,
    /// Connections at a time.
    pub connections: usize,
    /// How long a client may take nothing of what is sent to it.
    pub send_timeout: Duration,
}

/// Serves until `shutdown`, then lets running requests finish for at most `drain`.
pub async fn serve<S, F>(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    limits: Limits,
    shutdown: CancellationToken,
    drain: Duration,
    service: S,
) where
    S: Fn(Request<Incoming>, SocketAddr, bool) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let acceptor = tls.map(TlsAcceptor::from);
    let permits = Arc::new(Semaphore::new(limits.connections));
    let protocols = Arc::new(Protocols::new(limits, shutdown.clone()));
    let aborted = CancellationToken::new();
    // Also of those that are no longer HTTP.
    let connections = TaskTracker::new();
    loop {
        let Some((stream, peer, permit)) = accept(&listener, &permits, &shutdown).await else {
            break;
        };
        let (protocols, service) = (Arc::clone(&protocols), service.clone());
        let (acceptor, aborted) = (acceptor.clone(), aborted.clone());
        let place = (permit, connections.token());
        // Each in a box of its own: a plain connection, of which there may be thousands that wait, takes no room for TLS.
        let connection = match acceptor {
            None => async move {
                let speaks = timeout(limits.header_timeout, speaks_http_2(&stream)).await;
                let Ok(Ok(http_2)) = speaks else {
                    return Ok(None);
                };
                let service = move |request| service(request, peer, false);
                protocols.converse(stream, http_2, service).await
            }
            .boxed(),
            Some(acceptor) => async move {
                let Ok(Ok(stream)) = timeout(limits.header_timeout, acceptor.accept(stream)).await
                else {
                    return Ok(None);
                };
                // RFC 7301: whatever else the client would have spoken, it has agreed to this.
                let http_2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let service = move |request| service(request, peer, true);
                protocols.converse(stream, http_2, service).await
            }
            .boxed(),
        };
        task::spawn(async move {
            tokio::select! {
                outcome = connection => match outcome {
                    Ok(None) => {}
                    Ok(Some(conversation)) => go_on(conversation, aborted, place),
                    Err(error) => debug!(%error, "connection ended"),
                },
                () = aborted.cancelled() => {}
            }
        });
    }
    drop(listener);
    connections.close();
    if timeout(drain, connections.wait()).await.is_err() {
        aborted.cancel();
    }
}

/// Lets a connection go on after HTTP, in a task that is no larger than that needs.
fn go_on(
    conversation: Conversation,
    aborted: CancellationToken,
    place: (OwnedSemaphorePermit, TaskTrackerToken),
) {
    task::spawn(async move {
        tokio::select! {
            () = conversation => {}
            () = aborted.cancelled() => {}
        }
        drop(place);
    });
}

/// The next connection, once there is room for it; `None` on shutdown.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let next = async {
        let permit = Arc::clone(permits).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // A refused option costs latency, not the connection.
                    let _ = stream.set_nodelay(true);
                    return Some((stream, peer, permit));
                }
                // Out of descriptors, or reset before it was accepted: others may fare better soon.
                Err(error) => {
                    debug!(%error, "accept failed");
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => None,
        next = next => next,
    }
}

/// What connections are served with. hyper-util's builder for both protocols always reads the beginning of a connection apart, and
/// HTTP/1.1 then takes twice the room for what follows.
#[derive(Debug)]
struct Protocols {
    limits: Limits,
    http_1: http1::Builder,
    http_2: http2::Builder<Streams>,
    shutdown: CancellationToken,
}

impl Protocols {
    fn new(limits: Limits, shutdown: CancellationToken) -> Self {
        let mut http_1 = http1::Builder::new();
        http_1
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(limits.header_bytes.max(8192))
            .half_close(false);
        let mut http_2 = http2::Builder::new(Streams::new(limits.send_timeout));
        http_2
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .keep_alive_interval(Some(Duration::from_secs(30)))
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
        Self {
            limits,
            http_1,
            http_2,
            shutdown,
        }
    }

    /// Serves one connection. Its first request must be there within the time for headers, whatever else it sends.
    async fn converse<I, S, F>(
        &self,
        stream: I,
        http_2: bool,
        service: S,
    ) -> hyper::Result<Option<Conversation>>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>) -> F + Send,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let asked = Arc::new(AtomicBool::new(false));
        let given = Connection::default();
        let service = {
            let (asked, given) = (Arc::clone(&asked), given.clone());
            service_fn(move |mut request: Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                request.extensions_mut().insert(given.clone());
                let answer = service(request);
                async move { Ok::<_, Infallible>(streams::watched(answer.await)) }
            })
        };
        let silence = async {
            sleep(self.limits.header_timeout).await;
            if asked.load(Ordering::Relaxed) {
                pending::<()>().await;
            }
        };
        let stream = Paced::new(stream, self.limits.send_timeout, given.clone());
        let served = async {
            let stream = TokioIo::new(stream);
            if http_2 {
                let connection = self.http_2.serve_connection(stream, service);
                self.drained(connection, |connection| connection.graceful_shutdown())
                    .await
            } else {
                let connection = self
                    .http_1
                    .serve_connection(stream, service)
                    .with_upgrades();
                self.drained(connection, |connection| connection.graceful_shutdown())
                    .await
            }
        };
        tokio::select! {
            outcome = served => {
                if outcome.is_err() {
                    given.failed();
                }
                outcome.map(|()| given.conversation())
            }
            () = silence => Ok(None),
        }
    }

    /// Serves a connection to its end, which it is told to come to on shutdown.
    fn drained<'a, C>(
        &'a self,
        connection: C,
        finish: impl FnOnce(Pin<&mut C>) + Send + 'a,
    ) -> BoxFuture<'a, C::Output>
    where
        C: Future + Send + 'a,
    {
        // Apart: a future that pins what it was given takes twice the room of that.
        let mut connection = Box::pin(connection);
        async move {
            tokio::select! {
                outcome = connection.as_mut() => return outcome,
                () = self.shutdown.cancelled() => finish(connection.as_mut()),
            }
            connection.await
        }
        .boxed()
    }
}

/// Whether a client begins as HTTP/2 does (RFC 9113 §3.4); what it has sent is still to be read.
async fn speaks_http_2(stream: &TcpStream) -> std::io::Result<bool> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // What comes in pieces is looked at again after so long: that some of it is there is no news.
    const PIECES: Duration = Duration::from_millis(5);
    let mut beginning = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut beginning).await?;
        if length == 0 || !PREFACE.starts_with(&beginning[..length]) {
            return Ok(false);
        }
        if length == PREFACE.len() {
            return Ok(true);
        }
        sleep(PIECES).await;
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const WAIT: Duration = Duration::from_millis(300);

    /// A server with room for one connection.
    async fn server<S, F>(send_timeout: Duration, answer: S) -> SocketAddr
    where
        S: Fn(Request<Incoming>, SocketAddr, bool) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            header_timeout: WAIT,
            header_bytes: 8192,
            connections: 1,
            send_timeout,
        };
        let stop = CancellationToken::new();
        task::spawn(serve(listener, None, limits, stop, WAIT, answer));
        address
    }

    fn body(bytes: &'static [u8]) -> Response<Body> {
        let body = Full::new(bytes::Bytes::from_static(bytes));
        Response::new(body.map_err(|never| match never {}).boxed_unsync())
    }

    /// GET on a connection of its own, which ends with the answer.
    async fn asking(address: SocketAddr, path: &str) -> TcpStream {
        let mut asking = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        asking.write_all(request.as_bytes()).await.unwrap();
        asking
    }

    #[tokio::test]
    async fn who_takes_nothing_of_an_answer_gives_up_the_place_to_who_does() {
        static MUCH: [u8; 64 << 20] = [b'x'; 64 << 20];
        let answer = |request: Request<Incoming>, _, _| async move {
            let much = request.uri().path() == "/much";
            body(if much { &MUCH } else { b"here" })
        };
        let address = server(WAIT, answer).await;
        let mut stalled = asking(address, "/much").await;
        let mut taking = asking(address, "/").await;
        let mut taken = Vec::new();
        let answered = timeout(WAIT * 100, taking.read_to_end(&mut taken)).await;
        answered
            .expect("no answer while another is stalled")
            .unwrap();
        assert!(taken.ends_with(b"here"));
        let mut rest = Vec::new();
        // Cut off, whichever way that is told.
        let _ = stalled.read_to_end(&mut rest).await;
        assert!(rest.len() < MUCH.len(), "{}", rest.len());
    }

    #[tokio::test]
    async fn who_sends_no_request_gives_up_the_place_to_who_does() {
        // Longer than the wait for headers: only silence is cut off, not work.
        let answer = |_, _, _| async {
            sleep(WAIT * 3).await;
            body(b"here")
        };
        let address = server(WAIT * 20, answer).await;
        for beginning in [&b""[..], b"PRI * HTTP/2.0\r\n", b"GET / HT"] {
            let mut silent = TcpStream::connect(address).await.unwrap();
            silent.write_all(beginning).await.unwrap();
            let mut asking = asking(address, "/").await;
            let mut answer = String::new();
            timeout(WAIT * 20, asking.read_to_string(&mut answer))
                .await
                .expect("no answer while another is silent")
                .unwrap();
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"));
        }
    }
}
