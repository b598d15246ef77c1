//! Accepts connections, does TLS and HTTP/1.1 and HTTP/2, and drains.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{rest::Body, task};

/// HTTP/2 streams of one connection.
const STREAMS: u32 = 128;

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To send a request's headers, and for the TLS handshake.
    pub header_timeout: Duration,
    /// All headers of a request, bytes.
    pub header_bytes: usize,
    /// Connections at a time.
    pub connections: usize,
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
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder(limits));
    let aborted = CancellationToken::new();
    loop {
        let Some((stream, peer, permit)) = accept(&listener, &permits, &shutdown).await else {
            break;
        };
        let (builder, service, watcher) =
            (Arc::clone(&builder), service.clone(), graceful.watcher());
        let (acceptor, aborted) = (acceptor.clone(), aborted.clone());
        let connection = async move {
            let secure = acceptor.is_some();
            let service = service_fn(move |request| {
                let answer = service(request, peer, secure);
                async move { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            match acceptor {
                None => {
                    watcher
                        .watch(
                            builder
                                .serve_connection(TokioIo::new(stream), service)
                                .into_owned(),
                        )
                        .await
                }
                Some(acceptor) => {
                    match timeout(limits.header_timeout, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => {
                            watcher
                                .watch(
                                    builder
                                        .serve_connection(TokioIo::new(stream), service)
                                        .into_owned(),
                                )
                                .await
                        }
                        Ok(Err(_)) | Err(_) => Ok(()),
                    }
                }
            }
        };
        task::spawn(async move {
            tokio::select! {
                outcome = connection => {
                    if let Err(error) = outcome {
                        debug!(%error, "connection ended");
                    }
                }
                () = aborted.cancelled() => {}
            }
            drop(permit);
        });
    }
    drop(listener);
    if timeout(drain, graceful.shutdown()).await.is_err() {
        aborted.cancel();
    }
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

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes.max(8192))
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}
