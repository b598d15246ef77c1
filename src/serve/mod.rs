//! Puts the parts together and takes them down again: bind, serve, drain.
//!
//! * Nothing is served before everything is built and both listeners are bound: a start either works or says why not.
//! * A store that is down keeps nobody from starting.
//! * At the end `/readyz` turns 503 first, running requests get the drain time, and `/readyz` is the last to go.

mod descriptors;
mod log;
mod metrics;
mod signals;

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

pub use log::{install as install_log, subscriber as log_subscriber};
pub use signals::{Stop, until_signal};

use crate::{
    admin::Admin,
    config::{self, Config, HttpConfig, StateConfig, StateUrl, StoreConfig, TlsMode},
    identity::BoxRules,
    notify::{self, Notifications},
    outbound::Callback,
    rest, server,
    spool::Spool,
    state::{self, FileState, MemoryState, OpenError, State},
    store::{self, Budget, Store, UnusableFile},
    task, tls,
};

/// Octets of one upload that are kept in memory; from there on it is on disk.
const UPLOAD_IN_MEMORY: usize = 64 * 1024;
/// What a running `/readyz` gets at the end.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);
/// What logging out of all stores gets at the end.
const LEAVE: Duration = Duration::from_secs(2);
/// What the last write of the state gets.
const KEEP: Duration = Duration::from_secs(5);

/// A running service.
#[derive(Debug)]
pub struct Running {
    stores: Vec<Arc<Store>>,
    notifications: Arc<Notifications>,
    state: Arc<dyn State>,
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
    /// The state file cannot be had now.
    #[error("state.url: {0}")]
    State(String),
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
    for warning in warnings(config) {
        warn!("{warning}");
    }
    let tls = server_tls(&config.http)?;
    // Before anything is there to be measured.
    let metrics = metrics::install()?;
    let state = open_state(&config.state).await?;
    let stores = stores(config, &state)?;
    let notifications = notifications(config, &state, &stores)?;
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
        cors: config.http.cors.clone(),
        limits: config.limits.clone(),
        spool: spool(config)?,
        channel_store: config.channel_store().to_owned(),
    };
    // What a killed process left is not worth a start.
    if let Err(error) = settings.spool.sweep() {
        warn!(%error, "the spool directory cannot be swept");
    }
    let service = Arc::new(
        rest::Service::new(settings, stores, Arc::clone(&notifications))
            .map_err(anyhow::Error::from)?,
    );

    let (http_listener, http) = bind("http.listen", config.http.listen).await?;
    let (admin_listener, admin) = bind("admin.listen", config.admin.listen).await?;
    let limits = server::Limits {
        header_timeout: Duration::from_secs(config.limits.header_timeout),
        header_bytes: config.limits.header,
        connections: config.limits.connections,
        send_timeout: Duration::from_secs(config.limits.send_timeout),
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
        notifications,
        state,
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
        // Polls that wait are answered, and end.
        self.notifications.end();
        // A task that panicked has ended too.
        let _ = self.http_task.await;
        // The store is left as politely as it was entered, but not waited for long.
        let leave = futures_util::future::join_all(self.stores.iter().map(|store| store.close()));
        let _ = timeout(LEAVE, leave).await;
        match timeout(KEEP, self.state.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => error!(error = %failure, "not all of the state was kept"),
            Err(_) => error!("the state file takes too long: not all of the state was kept"),
        }
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
    if let StateUrl::File(path) = &config.state.url {
        state::check(path).map_err(|error| unusable_state(path, &error))?;
    }
    spool(config)?;
    for (index, store) in config.stores.iter().enumerate() {
        store::check_files(store).map_err(|unusable| unusable_file(index, unusable))?;
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

fn spool(config: &Config) -> Result<Spool, config::Error> {
    let directory = config.spool_directory();
    let unusable = |error: io::Error| {
        let reason = format!("{}: {error}", directory.display());
        config::Error::value("http.spool_dir", reason)
    };
    Spool::new(directory.clone(), UPLOAD_IN_MEMORY).map_err(unusable)
}

async fn open_state(config: &StateConfig) -> Result<Arc<dyn State>, Error> {
    let StateUrl::File(path) = &config.url else {
        return Ok(Arc::new(MemoryState::new()));
    };
    match FileState::open(path).await {
        Ok(state) => Ok(Arc::new(state)),
        // Nothing is wrong with the configuration: the next start may work.
        Err(error @ OpenError::InUse) => Err(Error::State(format!("{}: {error}", path.display()))),
        Err(error) => Err(unusable_state(path, &error).into()),
    }
}

fn unusable_state(path: &Path, error: &OpenError) -> config::Error {
    config::Error::value("state.url", format!("{}: {error}", path.display()))
}

fn unusable_file(store: usize, unusable: UnusableFile) -> config::Error {
    config::Error::value(format!("stores[{store}].{}", unusable.key), unusable.reason)
}

fn stores(config: &Config, state: &Arc<dyn State>) -> Result<Vec<(Arc<Store>, BoxRules)>, Error> {
    let mut stores = Vec::with_capacity(config.stores.len());
    let budget = Budget::new(config.limits.payload_memory);
    for (index, settings) in config.stores.iter().enumerate() {
        let key = format!("stores[{index}]");
        let rules = settings
            .box_rules()
            .map_err(|mistake| config::Error::value(key.as_str(), mistake.to_string()))?;
        let (state, budget) = (Arc::clone(state), budget.clone());
        let store = Store::new(settings, &config.objects, &config.search, state, budget)
            .map_err(|unusable| unusable_file(index, unusable))?;
        stores.push((store, rules));
    }
    Ok(stores)
}

fn notifications(
    config: &Config,
    state: &Arc<dyn State>,
    stores: &[(Arc<Store>, BoxRules)],
) -> Result<Arc<Notifications>, Error> {
    let settings = notify::Settings {
        notifications: config.notifications.clone(),
        limits: config.limits.clone(),
        unknown_preset: config.search.unknown_preset,
        channel_stores: config.stores_of_channels(),
    };
    let callback = Callback::new(&config.notifications.callback_allow, None)
        .map_err(|error| config::Error::value("notifications", error.to_string()))?;
    let stores = stores.iter().map(|(store, _)| Arc::clone(store));
    Ok(Notifications::start(
        settings,
        Arc::clone(state),
        stores,
        callback,
    ))
}

/// What is allowed and yet a danger, a line each.
#[must_use]
pub fn warnings(config: &Config) -> Vec<String> {
    let clear = config
        .stores
        .iter()
        .enumerate()
        .filter(|(_, store)| sends_passwords_in_the_clear(store));
    clear
        .map(|(index, store)| {
            format!(
                "stores[{index}].tls: off: passwords cross the network to {} in plain text",
                store.host
            )
        })
        .collect()
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

    #[tokio::test]
    async fn a_spool_that_cannot_be_written_is_a_mistake_in_the_configuration() {
        let config = config("spool_dir = \"/nonexistent/spool\"");
        let error = check_files(&config).unwrap_err().to_string();
        assert!(
            error.starts_with("http.spool_dir: /nonexistent/spool: "),
            "{error}"
        );
        let error = Box::pin(start(&config)).await.unwrap_err();
        assert!(matches!(error, Error::Configuration(_)), "{error}");
    }

    #[tokio::test]
    async fn a_start_removes_what_a_killed_process_left() {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join("cpm-bridge-spool-1");
        std::fs::write(&left, "").unwrap();
        let config = config(&format!("spool_dir = {:?}", directory.path()));
        let running = Box::pin(start(&config)).await.unwrap();
        assert!(!left.exists());
        running.shutdown().await;
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
