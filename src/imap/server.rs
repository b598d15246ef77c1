//! One IMAP server: what all of its accounts share when a connection is opened.
//!
//! * Never more connections than its cap, those included that are being opened or closed.
//! * After an outage connections come back a bounded number at a time; while it lasts, hardly any are tried ([`reach`]).
//! * Connections at rest give way to accounts that need one ([`permits`]).
//! * No session that the operator has opened is handed out before it is certain whose box it is in ([`operator`]).

mod operator;
mod permits;
mod reach;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_rustls::rustls::ClientConfig;

pub(super) use self::permits::{AccountNumber, Need};
use self::{
    operator::Door,
    permits::{Permit, Permits},
    reach::Reach,
};
use super::{
    capability::Capabilities,
    connect::{self, Endpoint, Greeted, Proof, Session},
    connection::Connection,
    error::Error,
    measure::{Commands, Connections, Doing, Presence},
    pool::Slot,
};
use crate::identity::{Authentication, Operator};

/// Logins under way at a time with credentials that have been proved. Such a login is quick unless the server labours.
const LOGINS: usize = 32;

/// One IMAP server and what its accounts share: the cap on all connections, and whether it can be reached.
#[derive(Debug)]
pub struct Server {
    endpoint: Endpoint,
    permits: Arc<Permits>,
    reach: Reach,
    logins: Semaphore,
    /// Credentials nobody has proved may keep a server busy for seconds each: they never take all connections.
    proofs: Semaphore,
    gauges: Connections,
    /// What the last session could do, which as good as all can: kept once.
    capabilities: Mutex<Arc<Capabilities>>,
    wait: Duration,
    /// By which the operator comes in.
    door: Option<Door>,
}

/// Why a connection is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To learn whether credentials are good.
    Proof,
    /// To work with credentials that were.
    Work,
}

/// What a connection takes of the account and of the server, given back when it is gone: to other accounts first.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) presence: Arc<Presence>,
    permit: Permit,
    slot: Slot,
}

impl Held {
    /// Where it counts.
    pub(super) fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Waits until a connection is needed and none is left, and this one, at rest for longer than others, is to end.
    pub(super) async fn wanted(&self) {
        self.permit.wanted().await;
    }
}

impl Server {
    /// `connections` is the cap on all connections, `wait` the longest wait for one of them.
    #[must_use]
    pub fn new(endpoint: Endpoint, connections: usize, wait: Duration) -> Self {
        Self {
            gauges: Connections::new(&endpoint.store),
            endpoint,
            permits: Permits::new(connections),
            reach: Reach::new(),
            logins: Semaphore::new(LOGINS),
            proofs: Semaphore::new((connections / 2).max(1)),
            capabilities: Mutex::default(),
            wait,
            door: None,
        }
    }

    /// The same with an operator, whose connections are made with a TLS configuration of its own.
    #[must_use]
    pub fn with_operator(self, operator: Arc<Operator>, tls_config: Arc<ClientConfig>) -> Self {
        let door = Some(Door::new(operator, tls_config));
        Self { door, ..self }
    }

    /// Whether somebody may open the boxes of others.
    #[must_use]
    pub fn has_operator(&self) -> bool {
        self.door.is_some()
    }

    /// Who may open the boxes of others.
    pub(super) fn operator(&self) -> Option<&Arc<Operator>> {
        self.door.as_ref().map(Door::operator)
    }

    /// The longest wait for a connection.
    #[must_use]
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Connects, reads the greeting and takes leave.
    ///
    /// # Errors
    /// [`Error::Connect`] with the reason.
    pub async fn probe(&self) -> Result<Capabilities, Error> {
        connect::probe(&self.endpoint).await
    }

    /// Its name in metrics.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.endpoint.store
    }

    /// Whether a connection of this account that is not needed should be closed rather than kept.
    pub(super) fn wanted_beside(&self, account: AccountNumber) -> bool {
        self.permits.wanted_beside(account)
    }

    /// Whether another account has no connection and waits for one.
    pub(super) fn starving_beside(&self, account: AccountNumber) -> bool {
        self.permits.starving_beside(account)
    }

    /// Opens a connection of an account, if it is still `needed` once there is room. Waiting ends at the deadline; what the
    /// server is asked has its own time.
    ///
    /// # Errors
    /// [`Error::Busy`] at the deadline, or without need; [`Error::Connect`] when the server cannot be reached, as this or another
    /// account has found; [`Error::Login`] or [`Error::Operator`] when it refuses, [`Error::Overlooked`] when it need not be the box
    /// that is meant; [`Error::Timeout`] and [`Error::Closed`] during the login.
    pub(super) async fn open(
        &self,
        slot: Slot,
        need: Need,
        authentication: &Authentication,
        purpose: Purpose,
        needed: impl Fn() -> bool,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let logins = match purpose {
            Purpose::Proof => &self.proofs,
            Purpose::Work => &self.logins,
        };
        // Who would only wait for the outcome of another's try does so without taking anything.
        self.reach.pass(deadline).await?;
        let permit = self.permits.acquire(slot.account(), need, deadline).await?;
        if !needed() {
            return Err(Error::Busy);
        }
        let presence = Arc::new(self.gauges.enter());
        let mut held = Held {
            presence,
            permit,
            slot,
        };
        let _login = timeout_at(deadline, logins.acquire())
            .await
            .map_err(|_| Error::Busy)?;
        let (session, capabilities) = match (authentication, &self.door) {
            (Authentication::Owner(_), _) => {
                let greeted = self.greet(&self.endpoint.tls_config, deadline).await?;
                self.log_in(greeted, &Proof::of(authentication)).await?
            }
            (Authentication::Operator(by_operator), Some(door)) => {
                self.open_by_operator(door, by_operator, deadline).await?
            }
            (Authentication::Operator(_), None) => return Err(Error::Operator(None)),
        };
        held.presence.set(Doing::Busy);
        held.slot.fill();
        Ok(Connection::start(
            &self.endpoint,
            session,
            self.shared(capabilities),
            held,
        ))
    }

    /// These, or the same that are kept already.
    fn shared(&self, capabilities: Capabilities) -> Arc<Capabilities> {
        let last = self.capabilities.lock();
        let mut last = last.unwrap_or_else(PoisonError::into_inner);
        if **last != capabilities {
            *last = Arc::new(capabilities);
        }
        Arc::clone(&last)
    }

    async fn log_in(
        &self,
        greeted: Greeted,
        proof: &Proof,
    ) -> Result<(Session, Capabilities), Error> {
        let started = Instant::now();
        let outcome = connect::login(&self.endpoint, greeted, proof).await;
        Commands::new(self.name()).record("LOGIN", &outcome, started.elapsed());
        outcome
    }

    async fn greet(
        &self,
        tls_config: &Arc<ClientConfig>,
        deadline: Instant,
    ) -> Result<Greeted, Error> {
        let turn = self.reach.turn(deadline).await?;
        let outcome = connect::greet(&self.endpoint, tls_config).await;
        match &outcome {
            Ok(_) => turn.succeeded(),
            Err(error) => turn.failed(error),
        }
        outcome
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.permits.free()
    }

    #[cfg(test)]
    pub(super) fn set_command_timeout(&mut self, timeout: Duration) {
        self.endpoint.command_timeout = timeout;
    }
}
