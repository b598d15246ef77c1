//! The service inside this process, for the demo and the tests: the one place where they meet `serve`.

use std::net::SocketAddr;

/// A running service.
#[derive(Debug)]
pub struct Service {
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Where it serves `/livez`, `/readyz` and `/metrics`.
    pub admin: SocketAddr,
}

impl Service {
    #[cfg(test)]
    pub(super) fn at(http: SocketAddr, admin: SocketAddr) -> Self {
        Self { http, admin }
    }

    /// Waits until it ends by itself, which it should not, and says why.
    pub async fn ended(&mut self) -> anyhow::Error {
        std::future::pending().await
    }

    /// Drains it and waits for its end.
    ///
    /// # Errors
    /// When it does not end in order.
    #[expect(clippy::unused_async, reason = "serve is not there yet")]
    pub async fn stop(self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Starts it with a configuration and returns when it listens.
///
/// # Errors
/// When the configuration is refused or an address is in use.
#[expect(clippy::unused_async, reason = "serve is not there yet")]
pub async fn start(configuration: String) -> anyhow::Result<Service> {
    anyhow::bail!("serve is not there yet; it would get:\n{configuration}")
}
