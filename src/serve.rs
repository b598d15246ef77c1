//! Puts the parts together and takes them down again: bind, serve, drain.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    admin::Admin,
    config::{Config, LogConfig, LogFormat},
    identity::BoxRules,
    rest, server,
    state::{MemoryState, State},
    store::Store,
    task, tls,
};

/// A running service.
#[derive(Debug)]
pub struct Running {
    /// Where REST is served.
    pub http: SocketAddr,
    /// Where operators ask.
    pub admin: SocketAddr,
    draining: Arc<AtomicBool>,
    stop_http: CancellationToken,
    stop_admin: CancellationToken,
    http_task: JoinHandle<()>,
    admin_task: JoinHandle<()>,
}

/// Builds everything, binds both listeners, and serves.
///
/// # Errors
/// A port that cannot be had, named with its key; files that cannot be used.
pub async fn start(config: &Config) -> anyhow::Result<Running> {
    let state: Arc<dyn State> = Arc::new(MemoryState::new());
    let mut stores = Vec::new();
    for store in &config.stores {
        let rules = BoxRules::new(store).map_err(anyhow::Error::msg)?;
        stores.push((
            Store::new(store, &config.objects, Arc::clone(&state))?,
            rules,
        ));
    }
    let tls = config
        .http
        .tls
        .as_ref()
        .map(|files| tls::server(&files.certificate, &files.key))
        .transpose()?;
    let http_listener = bind("http.listen", config.http.listen).await?;
    let admin_listener = bind("admin.listen", config.admin.listen).await?;
    let (http, admin) = (http_listener.local_addr()?, admin_listener.local_addr()?);

    let draining = Arc::new(AtomicBool::new(false));
    let (stop_http, stop_admin) = (CancellationToken::new(), CancellationToken::new());
    let operators = Arc::new(Admin::new(
        stores.iter().map(|(store, _)| Arc::clone(store)).collect(),
        Arc::clone(&draining),
    ));
    let settings = rest::Settings {
        public_url: config.http.public_url.clone(),
        base_path: config.http.base_path.clone(),
        trusted_proxies: config.http.trusted_proxies.clone(),
        limits: config.limits.clone(),
    };
    let service = Arc::new(rest::Service::new(settings, stores)?);
    let limits = server::Limits {
        header_timeout: Duration::from_secs(config.limits.header_timeout),
        header_bytes: config.limits.header,
        connections: config.limits.connections,
    };
    let drain = Duration::from_secs(config.http.drain);
    let http_task = task::spawn(server::serve(
        http_listener,
        tls,
        limits,
        stop_http.clone(),
        drain,
        {
            move |request, peer, tls| {
                let service = Arc::clone(&service);
                async move { Box::pin(service.handle(request, peer, tls)).await }
            }
        },
    ));
    let admin_task = task::spawn(server::serve(
        admin_listener,
        None,
        limits,
        stop_admin.clone(),
        Duration::from_secs(1),
        {
            move |request, _, _| {
                let operators = Arc::clone(&operators);
                async move { operators.handle(request).await }
            }
        },
    ));
    Ok(Running {
        http,
        admin,
        draining,
        stop_http,
        stop_admin,
        http_task,
        admin_task,
    })
}

impl Running {
    /// Turns /readyz to 503, finishes running requests within the drain time, and stops.
    pub async fn shutdown(self) {
        self.draining.store(true, Ordering::Relaxed);
        self.stop_http.cancel();
        let _ = self.http_task.await;
        self.stop_admin.cancel();
        let _ = self.admin_task.await;
    }
}

async fn bind(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{key} {address}"))
}

/// Serves until SIGTERM or SIGINT, then drains; a second signal ends at once.
///
/// # Errors
/// As for [`start`].
pub async fn run(config: &Config) -> anyhow::Result<()> {
    until_signal(async |stop| {
        let running = Box::pin(start(config)).await?;
        info!(http = %running.http, admin = %running.admin, "serving");
        stop.await;
        info!("draining");
        running.shutdown().await;
        info!("stopped");
        Ok(())
    })
    .await
}

/// Runs something that ends by itself when the first SIGTERM or SIGINT comes; a second one ends it at once.
///
/// # Errors
/// What it says.
pub async fn until_signal(run: impl AsyncFnOnce(Stop) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let (first, stop) = tokio::sync::oneshot::channel();
    let watch = async {
        signals.next().await;
        let _ = first.send(());
        signals.next().await;
    };
    let stop: Stop = Box::pin(async move {
        let _ = stop.await;
    });
    tokio::select! {
        outcome = run(stop) => outcome,
        () = watch => Ok(()),
    }
}

/// Completes with the first signal.
pub type Stop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// SIGTERM and SIGINT, one as good as the other.
#[derive(Debug)]
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Starts listening for them.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Installs the log. async-imap writes commands, passwords included, at TRACE: whatever the level, it is never let through.
pub fn log(config: &LogConfig) {
    let filter = filter(&config.level);
    let registry = tracing_subscriber::registry();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second installation, in tests, changes nothing.
    let _ = match config.format {
        LogFormat::Text => registry.with(layer.with_filter(filter)).try_init(),
        LogFormat::Json => registry
            .with(layer.json().flatten_event(true).with_filter(filter))
            .try_init(),
    };
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::new(format!(
        "{level},async_imap=warn,imap_proto=warn,hyper=warn,h2=warn,rustls=warn"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_level_lets_the_commands_of_async_imap_through() {
        let text = filter("trace").to_string();
        assert!(text.contains("async_imap=warn"), "{text}");
    }
}
