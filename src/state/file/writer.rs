//! The thread that writes, and what it shares with those who ask.

use std::{
    io, mem,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use redb::Database;
use tokio::sync::{oneshot, watch};
use tracing::{error, info};

use super::{
    database,
    journal::{Batch, Journal},
    open::{self, Identity, OpenError},
};
use crate::{
    clock,
    state::{Error, NoteKind, records::Records},
};

/// How long changes that nobody waits for are gathered.
const GATHER: Duration = Duration::from_millis(100);
/// After how long a full disk is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What callers and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    /// There is something to write, or an end.
    work: Condvar,
    progress: watch::Sender<Progress>,
}

#[derive(Debug)]
struct Inner {
    records: Records,
    journal: Journal,
    /// Notes of the process before, until they are asked for.
    notes: Vec<(NoteKind, Vec<u8>)>,
    stopping: bool,
}

/// How far the writer has come.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Number of the last transaction in the file.
    written: u64,
    /// Why no more are written.
    failure: Option<Error>,
    /// The file is closed.
    ended: bool,
}

/// Opens the file and reads it, in the thread that will write it.
pub(super) async fn start(
    path: PathBuf,
    open: impl FnOnce(&Path) -> Result<(Database, Identity), OpenError> + Send + 'static,
) -> Result<(Arc<Shared>, JoinHandle<()>), OpenError> {
    let (tell, opened) = oneshot::channel();
    let writer = thread::Builder::new()
        .name("state".to_owned())
        .spawn(move || match open(&path).and_then(load) {
            Ok((database, shared, identity)) => {
                let shared = Arc::new(shared);
                let _end = End(&shared);
                // Nobody may wait for the file any more.
                if tell.send(Ok(Arc::clone(&shared))).is_ok() {
                    write_on(&shared, database, &path, identity);
                }
            }
            Err(error) => drop(tell.send(Err(error))),
        })?;
    let shared = opened
        .await
        .unwrap_or_else(|_| Err(OpenError::Damaged("reading it failed".to_owned())))?;
    Ok((shared, writer))
}

fn load(
    (database, identity): (Database, Identity),
) -> Result<(Database, Shared, Identity), OpenError> {
    let loaded = database::load(&database, clock::now())?;
    if loaded.is_old {
        database::upgrade(&database)?;
    }
    database::write(&database, &loaded.first)?;
    let inner = Inner {
        records: loaded.records,
        notes: loaded.notes,
        journal: Journal::new(loaded.first.reserved.unwrap_or_default()),
        stopping: false,
    };
    let shared = Shared {
        inner: Mutex::new(inner),
        work: Condvar::new(),
        progress: watch::Sender::default(),
    };
    Ok((database, shared, identity))
}

fn write_on(shared: &Shared, mut database: Database, path: &Path, identity: Identity) {
    while let Some(batch) = shared.next() {
        let Err(failure) = database::write(&database, &batch) else {
            shared.written();
            continue;
        };
        error!(path = %path.display(), error = %failure, "state cannot be written");
        drop(database);
        shared.failed(&failure);
        let again = is_full(&failure).then(|| until_writable(shared, path, identity));
        let Some(writable) = again.flatten() else {
            return;
        };
        database = writable;
        info!(path = %path.display(), "state can be opened again");
    }
    if let Err(failure) = database.close() {
        error!(path = %path.display(), error = %failure, "the state file was not closed well");
    }
}

/// Room can be made on a disk. What any other error leaves behind is for a start to find out.
fn is_full(failure: &redb::Error) -> bool {
    let redb::Error::Io(failure) = failure else {
        return false;
    };
    matches!(
        failure.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// After an error redb wants the file opened anew. `None` at the end of the process, or when it is another file.
fn until_writable(shared: &Shared, path: &Path, identity: Identity) -> Option<Database> {
    while shared.waits_for(RETRY) {
        match open::reopen(path, identity) {
            Ok(database) => return Some(database),
            Err(OpenError::Unusable(reason)) => {
                error!(path = %path.display(), reason, "state still cannot be opened");
            }
            Err(error) => {
                error!(path = %path.display(), %error, "state cannot be opened again");
                return None;
            }
        }
    }
    None
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer from memory.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Records) -> T) -> T {
        read(&self.inner().records)
    }

    /// The notes of the process before; once.
    pub(super) fn take_kept(&self) -> Vec<(NoteKind, Vec<u8>)> {
        mem::take(&mut self.inner().notes)
    }

    /// An answer from memory that may change it; the writer hears of it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Records, &mut Journal) -> T) -> T {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let before = inner.journal.status();
        let answer = change(&mut inner.records, &mut inner.journal);
        let after = inner.journal.status();
        if before != after {
            self.work.notify_one();
        }
        if after.lost && !before.lost {
            error!("state cannot be written as fast as it changes");
            self.fail("more changes wait than can be kept");
        }
        answer
    }

    /// Waits for the transaction that holds everything said so far.
    pub(super) async fn commit(&self) -> Result<(), Error> {
        let mut progress = self.progress.subscribe();
        let failed = |progress: &Progress| progress.failure.clone().map_or(Ok(()), Err);
        let wanted = self.inner().journal.want();
        let Some(wanted) = wanted else {
            return failed(&progress.borrow());
        };
        self.work.notify_one();
        let reached = progress
            .wait_for(|progress| progress.written >= wanted || progress.failure.is_some())
            .await
            .map_err(|_| Error::Closed)?;
        if reached.written >= wanted {
            return Ok(());
        }
        failed(&reached)
    }

    /// Lets the writer write what is there and end.
    pub(super) fn stop(&self) {
        self.inner().stopping = true;
        self.work.notify_one();
    }

    /// The same, and waits for it.
    pub(super) async fn close(&self) -> Result<(), Error> {
        self.stop();
        let mut progress = self.progress.subscribe();
        let ended = progress
            .wait_for(|progress| progress.ended)
            .await
            .map_err(|_| Error::Closed)?;
        match &ended.failure {
            None | Some(Error::Closed) => Ok(()),
            Some(failure) => Err(failure.clone()),
        }
    }

    /// The next transaction, when there is one; `None` at the end.
    fn next(&self) -> Option<Arc<Batch>> {
        let inner = self.inner();
        let inner = self
            .work
            .wait_while(inner, |inner| {
                let status = inner.journal.status();
                status.empty && !status.lost && !inner.stopping
            })
            .unwrap_or_else(PoisonError::into_inner);
        let (mut inner, _) = self
            .work
            .wait_timeout_while(inner, GATHER, |inner| {
                !inner.journal.status().wanted && !inner.stopping
            })
            .unwrap_or_else(PoisonError::into_inner);
        inner.journal.take()
    }

    fn written(&self) {
        let mut inner = self.inner();
        let written = inner.journal.written();
        let lost = inner.journal.status().lost;
        self.progress.send_modify(|progress| {
            progress.written = written;
            if !lost {
                progress.failure = None;
            }
        });
    }

    fn failed(&self, failure: &redb::Error) {
        self.inner().journal.failed();
        self.fail(&failure.to_string());
    }

    fn fail(&self, reason: &str) {
        self.progress.send_modify(|progress| {
            let failure = || Error::Unwritable(reason.to_owned());
            progress.failure.get_or_insert_with(failure);
        });
    }

    /// Whether the time passed without an end of the process.
    fn waits_for(&self, time: Duration) -> bool {
        let (inner, _) = self
            .work
            .wait_timeout_while(self.inner(), time, |inner| !inner.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        !inner.stopping
    }
}

/// Tells those who wait that nothing is written any more, however the thread ends.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("the writer ended early");
        }
        self.0.progress.send_modify(|progress| {
            progress.failure.get_or_insert(Error::Closed);
            progress.ended = true;
        });
    }
}
