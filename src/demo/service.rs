//! The service inside this process, for the demo and the tests: the one place where they meet `serve`.

use std::net::SocketAddr;

use crate::{
    config::Config,
    serve::{self, Running},
};

/// A running service.
#[derive(Debug)]
pub struct Service {
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Where it serves `/livez` and `/readyz`.
    pub admin: SocketAddr,
    running: Running,
}

impl Service {
    /// Drains it and waits for its end.
    pub async fn stop(self) {
        self.running.shutdown().await;
    }
}

/// Starts it with a configuration and returns when it listens.
///
/// # Errors
/// When the configuration is refused or an address is in use.
pub async fn start(configuration: &str) -> anyhow::Result<Service> {
    let config = Config::from_toml(configuration)?;
    let running = Box::pin(serve::start(&config)).await?;
    Ok(Service {
        http: running.http,
        admin: running.admin,
        running,
    })
}
