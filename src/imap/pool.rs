//! The connections of one account: few, reused, bounded.
//!
//! * Never more connections than the account's cap and the server's cap allow, idle ones included.
//! * A connection that has the wanted mailbox open comes first, then one with none open, then any, then a new one.
//! * Who finds none free waits for a bounded time, then is told [`Error::Busy`].
//! * A read that met a closed connection is run once more on a fresh one; a write never is.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    MailboxName,
    capability::Capabilities,
    command::Command,
    connect::{self, Endpoint},
    connection::{Completion, Connection, Expected, Message, Mode, Selected, Yielding},
    error::Error,
};
use crate::{identity::Credentials, task};

/// One IMAP server and what its accounts share: the cap on all connections.
#[derive(Debug)]
pub struct Server {
    endpoint: Endpoint,
    permits: Arc<Semaphore>,
    pressure: Arc<Notify>,
    wait: Duration,
}

impl Server {
    /// `connections` is the cap on all connections, `wait` the longest wait for one of them.
    #[must_use]
    pub fn new(endpoint: Endpoint, connections: usize, wait: Duration) -> Self {
        Self {
            endpoint,
            permits: Arc::new(Semaphore::new(connections)),
            pressure: Arc::new(Notify::new()),
            wait,
        }
    }

    /// Connects, reads the greeting and takes leave.
    ///
    /// # Errors
    /// [`Error::Connect`] with the reason.
    pub async fn probe(&self) -> Result<Capabilities, Error> {
        connect::probe(&self.endpoint).await
    }

    async fn connect(&self, credentials: &Credentials) -> Result<Connection, Error> {
        let permit = self.permit().await?;
        let yielding = Yielding {
            pressure: Arc::clone(&self.pressure),
        };
        // Boxed: the handshake's state is large and lives only here.
        Box::pin(Connection::open(
            &self.endpoint,
            credentials,
            yielding,
            permit,
        ))
        .await
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        // Some other account's connection at rest gives way.
        self.pressure.notify_one();
        timeout(self.wait, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| Error::Busy)?
            .map_err(|_| Error::Busy)
    }
}

/// The connections of one account.
#[derive(Debug)]
pub struct Pool {
    server: Arc<Server>,
    credentials: Mutex<Option<Credentials>>,
    capabilities: Mutex<Option<Arc<Capabilities>>>,
    cap: usize,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// A pool without connections; nothing is opened before [`Self::prove`].
    #[must_use]
    pub fn new(server: Arc<Server>, cap: usize) -> Self {
        Self {
            server,
            credentials: Mutex::new(None),
            capabilities: Mutex::new(None),
            cap,
            permits: Arc::new(Semaphore::new(cap)),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Logs in afresh: the proof that the credentials are good. The connection stays for the work to come, and the
    /// credentials for the connections to come.
    ///
    /// # Errors
    /// [`Error::Login`] when the server refuses them; else why it could not be asked.
    pub async fn prove(&self, credentials: Credentials) -> Result<(), Error> {
        let _permit = self.permit().await?;
        self.make_room().await;
        let connection = self.connect(&credentials).await?;
        *self
            .credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(credentials);
        connection.park();
        self.idle().push(connection);
        Ok(())
    }

    /// What the server can do for this account, as the last login showed.
    ///
    /// # Errors
    /// [`Error::Login`] before anybody has logged in.
    pub fn capabilities(&self) -> Result<Arc<Capabilities>, Error> {
        self.capabilities
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or(Error::Login(None))
    }

    /// Runs a command that needs no mailbox, such as LIST or STATUS. It must change nothing: it may be run twice.
    ///
    /// # Errors
    /// As for [`Connection::run`], and [`Error::Busy`].
    pub async fn read(self: &Arc<Self>, command: Command) -> Result<Completion, Error> {
        let lease = self.lease(None, false).await?;
        match lease.run(command.clone()).await {
            Err(Error::Closed) => {}
            outcome => return outcome,
        }
        drop(lease);
        self.lease(None, true).await?.run(command).await
    }

    /// Examines a mailbox and runs a command in it that changes nothing: it may be run twice. `None` when it is not
    /// the mailbox expected; nothing was run then.
    ///
    /// # Errors
    /// As for [`Connection::run`], and [`Error::Busy`].
    pub async fn read_in(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        expected: &Expected,
        command: Command,
    ) -> Result<Option<(Selected, Completion)>, Error> {
        let lease = self.lease(Some(mailbox), false).await?;
        match lease.examine(mailbox, expected, command.clone()).await {
            Err(Error::Closed) => {}
            outcome => return outcome,
        }
        drop(lease);
        self.lease(Some(mailbox), true)
            .await?
            .examine(mailbox, expected, command)
            .await
    }

    /// Appends messages to a mailbox, once; several only where the server has MULTIAPPEND (RFC 3502).
    ///
    /// # Errors
    /// As for [`Connection::append`], and [`Error::Busy`].
    pub async fn append(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Result<Completion, Error> {
        self.lease(None, false)
            .await?
            .append(mailbox, messages)
            .await
    }

    /// A connection with the mailbox open for writing, `None` when it is not the mailbox expected. Only this step is repeated
    /// when the connection found was closed.
    ///
    /// # Errors
    /// As for [`Connection::run`], and [`Error::Busy`].
    pub async fn write_in(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        expected: &Expected,
    ) -> Result<Option<(Lease, Selected)>, Error> {
        let mut lease = self.lease(Some(mailbox), false).await?;
        let selected = match lease.open_mailbox(mailbox, expected, Mode::Select).await {
            Err(Error::Closed) => {
                drop(lease);
                lease = self.lease(Some(mailbox), true).await?;
                lease.open_mailbox(mailbox, expected, Mode::Select).await?
            }
            outcome => outcome?,
        };
        Ok(expected.is(&selected).then_some((lease, selected)))
    }

    /// A connection for commands that change the tree of mailboxes, alive a moment ago and with none open. Those at rest
    /// leave the mailboxes that are `affected`, lest they stand in the way.
    ///
    /// # Errors
    /// As for [`Connection::run`], and [`Error::Busy`].
    pub async fn write(self: &Arc<Self>, affected: &[MailboxName]) -> Result<Lease, Error> {
        let mut lease = self.lease(None, false).await?;
        let probe = async |lease: &Lease| {
            lease.connection()?.leave_mailbox().await?;
            lease.run(Command::new("NOOP")).await
        };
        if let Err(Error::Closed | Error::No { .. }) = probe(&lease).await {
            drop(lease);
            lease = self.lease(None, true).await?;
        }
        let (inside, outside): (Vec<_>, Vec<_>) = std::mem::take(&mut *self.idle())
            .into_iter()
            .partition(|connection| affected.iter().any(|mailbox| connection.has_open(mailbox)));
        self.idle().extend(outside);
        for connection in inside {
            connection.close().await;
        }
        Ok(lease)
    }

    /// Logs out on every connection at rest.
    pub async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle());
        futures_util::future::join_all(idle.iter().map(Connection::close)).await;
    }

    /// Waits for the right to use a connection, and finds or makes one. A fresh one was not open before.
    async fn lease(
        self: &Arc<Self>,
        mailbox: Option<&MailboxName>,
        fresh: bool,
    ) -> Result<Lease, Error> {
        let permit = self.permit().await?;
        if fresh {
            self.make_room().await;
        } else if let Some(connection) = self.take(mailbox) {
            return Ok(Lease::new(self, connection, permit));
        }
        let credentials = self
            .credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let credentials = credentials.ok_or(Error::Login(None))?;
        let connection = self.connect(&credentials).await?;
        Ok(Lease::new(self, connection, permit))
    }

    async fn connect(&self, credentials: &Credentials) -> Result<Connection, Error> {
        let connection = self.server.connect(credentials).await?;
        let capabilities = Arc::clone(connection.capabilities());
        *self
            .capabilities
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(capabilities);
        Ok(connection)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        timeout(self.server.wait, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| Error::Busy)?
            .map_err(|_| Error::Busy)
    }

    /// The idle connection that suits best.
    fn take(&self, mailbox: Option<&MailboxName>) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|connection| !connection.is_closed());
        let wanted = mailbox.and_then(|mailbox| {
            idle.iter()
                .position(|connection| connection.has_open(mailbox))
        });
        // The last one parked is the least likely to be closed for its age.
        wanted
            .or_else(|| idle.len().checked_sub(1))
            .map(|at| idle.remove(at))
    }

    /// Closes an idle connection when a new one beside it would be one too many. The caller holds a permit.
    async fn make_room(&self) {
        let leased = self.cap - self.permits.available_permits();
        let excess = {
            let mut idle = self.idle();
            idle.retain(|connection| !connection.is_closed());
            if idle.len() + leased > self.cap && !idle.is_empty() {
                Some(idle.remove(0))
            } else {
                None
            }
        };
        if let Some(connection) = excess {
            connection.close().await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to use a connection; it goes back to rest when this is dropped.
#[derive(Debug)]
pub struct Lease {
    pool: Arc<Pool>,
    connection: Option<Connection>,
    permit: Option<OwnedSemaphorePermit>,
    in_flight: AtomicBool,
}

impl Lease {
    fn new(pool: &Arc<Pool>, connection: Connection, permit: OwnedSemaphorePermit) -> Self {
        let pool = Arc::clone(pool);
        Self {
            pool,
            connection: Some(connection),
            permit: Some(permit),
            in_flight: AtomicBool::new(false),
        }
    }

    /// Runs a command once.
    ///
    /// # Errors
    /// As for [`Connection::run`].
    pub async fn run(&self, command: Command) -> Result<Completion, Error> {
        self.in_flight.store(true, Ordering::Relaxed);
        let outcome = self.connection()?.run(command).await;
        self.in_flight.store(false, Ordering::Relaxed);
        outcome
    }

    /// Appends messages once.
    ///
    /// # Errors
    /// As for [`Connection::append`].
    pub async fn append(
        &self,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Result<Completion, Error> {
        self.in_flight.store(true, Ordering::Relaxed);
        let outcome = self.connection()?.append(mailbox, messages).await;
        self.in_flight.store(false, Ordering::Relaxed);
        outcome
    }

    /// Opens a mailbox.
    ///
    /// # Errors
    /// As for [`Connection::open_mailbox`].
    pub async fn open_mailbox(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        mode: Mode,
    ) -> Result<Selected, Error> {
        self.in_flight.store(true, Ordering::Relaxed);
        let outcome = self
            .connection()?
            .open_mailbox(mailbox, expected, mode)
            .await;
        self.in_flight.store(false, Ordering::Relaxed);
        outcome
    }

    async fn examine(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        command: Command,
    ) -> Result<Option<(Selected, Completion)>, Error> {
        let selected = self.open_mailbox(mailbox, expected, Mode::Examine).await?;
        if !expected.is(&selected) {
            return Ok(None);
        }
        let completion = self.run(command).await?;
        Ok(Some((selected, completion)))
    }

    fn connection(&self) -> Result<&Connection, Error> {
        self.connection.as_ref().ok_or(Error::Closed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self
            .connection
            .take()
            .filter(|connection| !connection.is_closed())
        else {
            return;
        };
        let permit = self.permit.take();
        if !self.in_flight.load(Ordering::Relaxed) {
            connection.park();
            self.pool.idle().push(connection);
            return;
        }
        // Whoever asked has left while the server still works on it: nobody else shall wait behind that unknowingly.
        let pool = Arc::clone(&self.pool);
        if Handle::try_current().is_ok() {
            task::spawn(async move {
                connection.rest().await;
                pool.idle().push(connection);
                drop(permit);
            });
        }
    }
}
