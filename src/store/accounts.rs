//! Accounts: opened by a request with credentials, or for work outside of one.
//!
//! * An account is keyed by its login, never by credentials, and there is one of each: whoever holds one, a request or work that
//!   goes on beside them, shares its pool with all others, even when it has left the cache.
//! * Work outside a request runs on what the owner has proved last, as long as the store takes it, else by the store's operator. The
//!   operator is sent to no login but those its caller knows to exist: some stores make a mailbox for any name it presents.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OnceCell, watch};

use super::{Account, Error, Store, id::Seal, measure::asked, names::Naming, prove::Proving};
use crate::{
    identity::{BoxId, Credentials, is_login},
    imap::Pool,
};

/// What all that is done under one login shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) pool: Arc<Pool>,
    pub(super) proving: Proving,
    /// Rung when credentials were proved.
    pub(super) proved: watch::Sender<()>,
    /// Folders are changed one request at a time.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// Objects are copied and moved one request at a time. Who has both turns has taken this one first.
    pub(super) moving: tokio::sync::Mutex<()>,
    /// How mailbox names are put together, once asked.
    pub(super) naming: OnceCell<Naming>,
    /// UIDVALIDITYs that several mailboxes have, and not only because one of them is being renamed.
    pub(super) alike: Mutex<BTreeSet<u32>>,
    login: String,
    held: Held,
}

/// All accounts that anybody holds, by login.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Mutex<HashMap<String, Weak<Shared>>>>);

impl Held {
    /// The account of a login, made if nobody holds it.
    fn of(&self, login: &str, pool: impl FnOnce() -> Pool) -> Arc<Shared> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = held.get(login).and_then(Weak::upgrade) {
            return shared;
        }
        let shared = Arc::new(Shared {
            pool: Arc::new(pool()),
            proving: Proving::default(),
            proved: watch::Sender::new(()),
            changing: tokio::sync::Mutex::new(()),
            moving: tokio::sync::Mutex::new(()),
            naming: OnceCell::new(),
            alike: Mutex::default(),
            login: login.to_owned(),
            held: self.clone(),
        });
        held.insert(login.to_owned(), Arc::downgrade(&shared));
        shared
    }

    pub(super) fn all(&self) -> Vec<Arc<Shared>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.values().filter_map(Weak::upgrade).collect()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut held = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another may have been made since the last who held this one let it go.
        if held
            .get(&self.login)
            .is_some_and(|other| other.strong_count() == 0)
        {
            held.remove(&self.login);
        }
    }
}

impl Store {
    /// Proves the credentials against the store (or against a proof that is young enough) and opens the box.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the store refuses, [`Error::Unavailable`], [`Error::Busy`] or [`Error::Timeout`] when it cannot be asked.
    pub async fn open(
        self: &Arc<Self>,
        box_id: &BoxId,
        credentials: Credentials,
    ) -> Result<Account, Error> {
        let shared = self.shared(&credentials.login).await;
        self.prove(&shared, credentials).await?;
        self.account(shared, box_id).await
    }

    /// Whether work outside a request needs no credentials of the box's owner.
    #[must_use]
    pub fn has_operator(&self) -> bool {
        self.server.has_operator()
    }

    /// Opens the box for work outside a request: with what the owner has proved last in this process, else by the operator.
    ///
    /// The login has to be one that was proved by credentials of its own, now or in an earlier process: some stores make a mailbox
    /// for any name that an operator presents.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] without an operator when nobody has proved credentials yet, or the store does not take them any
    /// more: [`Self::proved`] tells when to try again. [`Error::Forbidden`] when the operator may not open this box or the login is
    /// none a store may see, [`Error::Upstream`] when it is refused otherwise or need not be in the right box,
    /// [`Error::Unavailable`], [`Error::Busy`] or [`Error::Timeout`] when the store cannot be asked.
    pub async fn open_outside(
        self: &Arc<Self>,
        box_id: &BoxId,
        login: &str,
    ) -> Result<Account, Error> {
        if !is_login(login) {
            return Err(Error::Forbidden);
        }
        let shared = self.shared(login).await;
        shared.pool.connect().await?;
        self.account(shared, box_id).await
    }

    /// Waits until the owner of this login has proved credentials that the store, as far as is known, still takes.
    pub async fn proved(&self, login: &str) {
        let shared = self.shared(login).await;
        let mut rung = shared.proved.subscribe();
        while !shared.pool.has_credentials() {
            // The sender lives as long as `shared`.
            if rung.changed().await.is_err() {
                return;
            }
        }
    }

    async fn shared(&self, login: &str) -> Arc<Shared> {
        let mut known = true;
        let pool = || {
            let server = Arc::clone(&self.server);
            Pool::for_login(server, self.connections_per_account, login)
        };
        let shared = self
            .accounts
            .get_with_by_ref(login, async {
                known = false;
                self.held.of(login, pool)
            })
            .await;
        asked("accounts", known);
        shared
    }

    async fn account(
        self: &Arc<Self>,
        shared: Arc<Shared>,
        box_id: &BoxId,
    ) -> Result<Account, Error> {
        let account = Account {
            store: Arc::clone(self),
            login: shared.login.clone(),
            pool: Arc::clone(&shared.pool),
            shared,
            seal: Seal::new(&self.name, box_id.as_str()),
        };
        account.finish_moves().await?;
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::StoreConfig, store::connection};

    #[test]
    fn an_account_is_one_as_long_as_anybody_holds_it() {
        let server = Arc::new(connection::server(&StoreConfig::default()).unwrap());
        let held = Held::default();
        let of = |login: &str| held.of(login, || Pool::new(Arc::clone(&server), 1));
        let first = of("ana");
        assert!(Arc::ptr_eq(&first, &of("ana")));
        assert!(!Arc::ptr_eq(&first, &of("bob")));
        assert_eq!(held.all().len(), 1);
        let gone = Arc::downgrade(&first);
        drop(first);
        assert!(gone.upgrade().is_none());
        assert!(held.0.lock().unwrap().is_empty());
        // The one before it leaves late: it does not take the new one with it.
        let late = of("ana");
        let again = {
            let again = Held::default().of("ana", || Pool::new(Arc::clone(&server), 1));
            held.0
                .lock()
                .unwrap()
                .insert("ana".to_owned(), Arc::downgrade(&again));
            again
        };
        drop(late);
        assert!(Arc::ptr_eq(&again, &of("ana")));
    }
}
