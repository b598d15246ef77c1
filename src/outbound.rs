//! HTTP to others. The one place where this service asks anybody but an IMAP store, and where it must not become a tool
//! against the network it stands in (server-side request forgery).
//!
//! * [`Callback`] is the door for what a *client* names, a notifyURL of its own. It leads only to hosts and ports that the
//!   operator listed (`notifications.callback_allow`), and never to a special address (loopback, private, link-local …)
//!   that is not listed as such.
//! * A name is resolved once, each address is judged after that, and the connection goes to an address that was judged:
//!   what the name says a moment later changes nothing (DNS rebinding).
//! * Nothing is followed: a redirect is a status like any other. No proxy of the environment is used.
//! * A URL is never logged and is in no error, for its path and query may be a secret: host and port only.
//! * Every wait, every answer and the number of connections are bounded, for each host below that of all, so that a host
//!   that is slow takes nothing from the others.

mod address;
mod exchange;
mod slots;
mod target;

use std::{future::Future, io, net::IpAddr, path::Path, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::rustls::ClientConfig;

use self::{slots::Slots, target::Target};
use crate::{
    config::{CallbackTarget, Host},
    tls,
};

pub use self::target::Refused;

/// Most addresses of one name that are tried.
const ADDRESSES: usize = 4;

/// The longest waits of one request.
#[derive(Debug, Clone, Copy)]
struct Waits {
    /// For a connection that may be opened.
    slot: Duration,
    /// From then on until the answer's head.
    total: Duration,
    /// For the name, for one address, and for TLS.
    step: Duration,
}

const WAITS: Waits = Waits {
    slot: Duration::from_secs(30),
    total: Duration::from_secs(30),
    step: Duration::from_secs(10),
};

/// Asks what addresses a name has.
type Resolve = fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Sends what clients want to have sent to places of their own. Clones share their connections' limits.
#[derive(Clone)]
pub struct Callback {
    allow: Arc<[CallbackTarget]>,
    tls: Arc<ClientConfig>,
    slots: Arc<Slots>,
    resolve: Resolve,
    waits: Waits,
}

/// Why nothing came back. Whatever it is, the other side may have got the request once it was connected to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL may not be called.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It may be called, and there was no answer.
    #[error("{at}: {failure}")]
    Failed {
        /// Host and port.
        at: String,
        /// Why.
        failure: Failure,
    },
}

/// Why a host that may be called did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Too many requests, to this host or to all, are under way; this one was not sent.
    #[error("too many requests are under way")]
    Busy,
    /// Its name cannot be resolved.
    #[error("name: {0}")]
    Resolve(io::Error),
    /// Its name has no address, or only special ones (private, loopback …) that are not listed as such.
    #[error("the name has no address that may be called")]
    Address,
    /// No connection to any of its addresses.
    #[error("connect: {0}")]
    Connect(io::Error),
    /// No TLS with it, or its certificate is not for it.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// What was to be sent is no HTTP request.
    #[error("request: {0}")]
    Request(http::Error),
    /// The connection broke, or what came is no HTTP answer or has too large a head.
    #[error("answer: {0}")]
    Answer(hyper::Error),
    /// A wait was too long; this is what for.
    #[error("timed out waiting for {0}")]
    TimedOut(&'static str),
}

impl Callback {
    /// A client that calls the hosts and ports listed. For `https` it trusts the system's certificate authorities and, if
    /// given, those of a PEM file.
    ///
    /// # Errors
    /// When that file cannot be used.
    pub fn new(allow: &[CallbackTarget], extra_roots: Option<&Path>) -> Result<Self, tls::Error> {
        let mut config = ClientConfig::clone(&*tls::client(extra_roots)?);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            allow: allow.into(),
            tls: Arc::new(config),
            slots: Arc::default(),
            resolve: system,
            waits: WAITS,
        })
    }

    /// Whether a client may name this URL at all: `http` or `https`, at most 2048 characters, without user information and
    /// fragment, its host and port listed. Nobody is asked for it; what a name resolves to is looked at when it is called.
    ///
    /// # Errors
    /// Why not.
    pub fn permits(&self, url: &str) -> Result<(), Refused> {
        self.permitted(url).map(|_| ())
    }

    /// POSTs the body and says the status of the answer, also if it is a redirect or an error; its body does not matter.
    /// Takes no longer than about a minute.
    ///
    /// # Errors
    /// When the URL may not be called or there is no answer.
    pub async fn post(
        &self,
        url: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<StatusCode, Error> {
        let target = self.permitted(url)?;
        let sent = self.send(&target, content_type, body).await;
        sent.map_err(|failure| Error::Failed {
            at: target.to_string(),
            failure,
        })
    }

    fn permitted(&self, url: &str) -> Result<Target, Refused> {
        let target = Target::of(url)?;
        if !self.lists(&target, &target.host) {
            return Err(Refused::NotListed);
        }
        Ok(target)
    }

    /// Whether this host is listed with the target's port.
    fn lists(&self, target: &Target, host: &Host) -> bool {
        self.allow.iter().any(|entry| {
            entry.host == *host && entry.ports.contain(target.port, target.port_of_scheme())
        })
    }

    async fn send(
        &self,
        target: &Target,
        content_type: &str,
        body: Bytes,
    ) -> Result<StatusCode, Failure> {
        let request = target.post(content_type, body).map_err(Failure::Request)?;
        let room = timeout(self.waits.slot, self.slots.take(&target.host)).await;
        let _slot = room.ok().flatten().ok_or(Failure::Busy)?;
        let deadline = Instant::now() + self.waits.total;
        let stream = self.connect(target, deadline).await?;
        if target.secure {
            let (config, host) = (self.tls.clone(), &target.host);
            let handshake = exchange::handshake(config, host, stream);
            let stream = self.step(deadline, "TLS", handshake).await?;
            let stream = stream.map_err(Failure::Tls)?;
            return exchange::answer(stream, request, deadline).await;
        }
        exchange::answer(stream, request, deadline).await
    }

    /// A connection to one of the host's addresses that may be called.
    async fn connect(&self, target: &Target, deadline: Instant) -> Result<TcpStream, Failure> {
        let mut failure = Failure::Address;
        for address in self.addresses(target, deadline).await? {
            let connecting = TcpStream::connect((address, target.port));
            match self.step(deadline, "a connection", connecting).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).map_err(Failure::Connect)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = Failure::Connect(error),
                Err(timed_out) => failure = timed_out,
            }
        }
        Err(failure)
    }

    /// The host's addresses, those that may not be called left out.
    async fn addresses(&self, target: &Target, deadline: Instant) -> Result<Vec<IpAddr>, Failure> {
        let name = match &target.host {
            Host::Name(name) => name,
            Host::Address(address) => return Ok(vec![*address]),
        };
        let resolving = (self.resolve)(name.clone());
        let found = self.step(deadline, "the name", resolving).await?;
        let callable = found
            .map_err(Failure::Resolve)?
            .into_iter()
            .map(|address| address.to_canonical())
            .filter(|address| self.may_be_called(target, *address))
            .take(ADDRESSES);
        Ok(callable.collect())
    }

    /// A special address is called only when it is listed itself, or when it is loopback and the name that is listed
    /// means that.
    fn may_be_called(&self, target: &Target, address: IpAddr) -> bool {
        address::is_public(address)
            || (target.host.is_localhost() && address.is_loopback())
            || self.lists(target, &Host::Address(address))
    }

    /// One step on the way to an answer.
    async fn step<F: Future>(
        &self,
        deadline: Instant,
        what: &'static str,
        step: F,
    ) -> Result<F::Output, Failure> {
        let until = deadline.min(Instant::now() + self.waits.step);
        timeout_at(until, step)
            .await
            .map_err(|_| Failure::TimedOut(what))
    }
}

fn system(name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
    Box::pin(async move {
        let found = lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    })
}

#[cfg(test)]
mod tests;
