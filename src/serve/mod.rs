//! Puts the parts together and takes them down again: bind, serve, drain.
//!
//! * Nothing is served before everything is built and both listeners are bound: a start either works or says why not.
//! * A store that is down keeps nobody from starting.
//! * At the end `/readyz` turns 503 first, running requests get the drain time, and `/readyz` is the last to go.

mod descriptors;
mod log;
mod metrics;
mod signals;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use log::{install as install_log, subscriber as log_subscriber};
pub use signals::{Stop, until_signal};

use crate::{
    admin::Admin,
    config::{self, Config, HttpConfig, StoreConfig, TlsMode},
    identity::BoxRules,
    rest, server,
    state::{MemoryState, State},
    store::Store,
    task, tls,
};

/// What a running `/readyz` gets at the end.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);
/// What logging out of all stores gets at the end.
const LEAVE: Duration = Duration::from_secs(2);

/// A running service.
#[derive(Debug)]
pub struct Running {
    stores: Vec<Arc<Store>>,
    /// Where REST is served.
    pub http: SocketAddr,
    /// Where operators and their machines ask.
    pub admin: SocketAddr,
    draining: CancellationToken,
    stop_admin: CancellationToken,
    http_task: JoinHandle<()>,
    admin_task: JoinHandle<()>,
}

/// Why the service cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration names what cannot be used.
    #[error(transparent)]
    Configuration(#[from] config::Error),
    /// A listener's address cannot be had.
    #[error("{key} {address}: {reason}")]
    Bind {
        /// The configuration's key for it.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Serves until SIGTERM or SIGINT, then drains; a second signal ends at once.
///
/// # Errors
/// As for [`start`].
pub async fn run(config: &Config) -> anyhow::Result<()> {
    descriptors::raise_limit();
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

/// Builds everything, binds both listeners, and serves.
///
/// # Errors
/// An address that cannot be had, named with its key; files that cannot be used.
pub async fn start(config: &Config) -> Result<Running, Error> {
    let tls = server_tls(&config.http)?;
    // Before anything is there to be measured.
    let metrics = metrics::install()?;
    let stores = stores(config)?;
    let draining = CancellationToken::new();
    let opened: Vec<Arc<Store>> = stores.iter().map(|(store, _)| Arc::clone(store)).collect();
    let operators = Arc::new(Admin::new(
        opened.clone(),
        draining.clone(),
        metrics.clone(),
    ));
    let settings = rest::Settings {
        public_url: config.http.public_url.clone(),
        base_path: config.http.base_path.clone(),
        trusted_proxies: config.http.trusted_proxies.clone(),
        limits: config.limits.clone(),
    };
    let service = Arc::new(rest::Service::new(settings, stores).map_err(anyhow::Error::from)?);

    let (http_listener, http) = bind("http.listen", config.http.listen).await?;
    let (admin_listener, admin) = bind("admin.listen", config.admin.listen).await?;
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
        draining.clone(),
        drain,
        move |request, peer, secure| {
            let service = Arc::clone(&service);
            async move { Box::pin(service.handle(request, peer, secure)).await }
        },
    ));
    let stop_admin = CancellationToken::new();
    task::spawn(metrics::keep_up(metrics, stop_admin.clone()));
    let admin_task = task::spawn(server::serve(
        admin_listener,
        None,
        limits,
        stop_admin.clone(),
        ADMIN_DRAIN,
        move |request, _, _| {
            let operators = Arc::clone(&operators);
            async move { operators.handle(request).await }
        },
    ));
    Ok(Running {
        stores: opened,
        http,
        admin,
        draining,
        stop_admin,
        http_task,
        admin_task,
    })
}

impl Running {
    /// Turns `/readyz` to 503, finishes running requests within the drain time, and stops.
    pub async fn shutdown(self) {
        self.draining.cancel();
        // A task that panicked has ended too.
        let _ = self.http_task.await;
        // The store is left as politely as it was entered, but not waited for long.
        let leave = futures_util::future::join_all(self.stores.iter().map(|store| store.close()));
        let _ = timeout(LEAVE, leave).await;
        self.stop_admin.cancel();
        let _ = self.admin_task.await;
    }
}

/// Reads the files that the configuration names, as a start would.
///
/// # Errors
/// The key of the first one that cannot be used.
pub fn check_files(config: &Config) -> Result<(), config::Error> {
    server_tls(&config.http)?;
    for (index, store) in config.stores.iter().enumerate() {
        tls::client(store.tls_ca.as_deref()).map_err(|error| {
            config::Error::value(format!("stores[{index}].tls_ca"), error.to_string())
        })?;
    }
    Ok(())
}

fn server_tls(http: &HttpConfig) -> Result<Option<Arc<ServerConfig>>, config::Error> {
    http.tls
        .as_ref()
        .map(|files| tls::server(&files.certificate, &files.key))
        .transpose()
        .map_err(|error| config::Error::value("http.tls", error.to_string()))
}

fn stores(config: &Config) -> Result<Vec<(Arc<Store>, BoxRules)>, Error> {
    let state: Arc<dyn State> = Arc::new(MemoryState::new());
    let mut stores = Vec::with_capacity(config.stores.len());
    for (index, settings) in config.stores.iter().enumerate() {
        let key = format!("stores[{index}]");
        let rules = settings
            .box_rules()
            .map_err(|mistake| config::Error::value(key.as_str(), mistake.to_string()))?;
        let store = Store::new(settings, &config.objects, Arc::clone(&state))
            .map_err(|error| config::Error::value(format!("{key}.tls_ca"), error.to_string()))?;
        if sends_passwords_in_the_clear(settings) {
            warn!(store = %settings.name, host = %settings.host, "tls = \"off\": passwords cross the network in plain text");
        }
        stores.push((store, rules));
    }
    Ok(stores)
}

fn sends_passwords_in_the_clear(store: &StoreConfig) -> bool {
    let loopback = match store.host.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => store.host.eq_ignore_ascii_case("localhost"),
    };
    store.tls == TlsMode::Off && !loopback
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let refused = |error: io::Error| Error::Bind {
        key,
        address,
        reason: if error.kind() == io::ErrorKind::AddrInUse {
            "address already in use".to_owned()
        } else {
            error.to_string()
        },
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration whose only store is at a port where nobody listens.
    fn config(more: &str) -> Config {
        Config::from_toml(&format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n{more}\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [[stores]]\nname = \"cpm\"\nhost = \"127.0.0.1\"\nport = 1\ntls = \"off\"\n"
        ))
        .unwrap()
    }

    #[tokio::test]
    async fn a_store_that_is_down_keeps_nobody_from_starting_and_stopping() {
        let running = Box::pin(start(&config(""))).await.unwrap();
        assert_ne!(running.http.port(), 0);
        assert_ne!(running.admin.port(), 0);
        running.shutdown().await;
    }

    #[tokio::test]
    async fn a_busy_port_names_itself() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let mut config = config("");
        config.admin.listen = address;
        let error = Box::pin(start(&config)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("admin.listen {address}: address already in use")
        );
    }

    #[tokio::test]
    async fn a_missing_certificate_is_a_mistake_in_the_configuration() {
        let config = config(
            "tls = { certificate = \"/nonexistent/server.pem\", key = \"/nonexistent/key.pem\" }",
        );
        let error = check_files(&config).unwrap_err().to_string();
        assert!(
            error.starts_with("http.tls: /nonexistent/server.pem"),
            "{error}"
        );
        let error = Box::pin(start(&config)).await.unwrap_err();
        assert!(matches!(error, Error::Configuration(_)), "{error}");
    }

    #[test]
    fn only_plain_text_that_leaves_the_machine_is_warned_of() {
        let store = |host: &str, tls| StoreConfig {
            host: host.to_owned(),
            tls,
            ..StoreConfig::default()
        };
        assert!(sends_passwords_in_the_clear(&store(
            "imap.test",
            TlsMode::Off
        )));
        for host in ["127.0.0.1", "::1", "localhost"] {
            assert!(!sends_passwords_in_the_clear(&store(host, TlsMode::Off)));
        }
        assert!(!sends_passwords_in_the_clear(&store(
            "imap.test",
            TlsMode::Starttls
        )));
    }
}
