//! Proofs of credentials: by a LOGIN, which requests with the same credentials share, or by one that is young enough.
//!
//! * One proof of an account at a time: guesses queue up behind each other, not in the pool.
//! * A proof runs in a task of its own: who leaves costs the others nothing, and what came of it is known afterwards.
//! * Nobody waits longer than for a connection, whatever it is that is waited for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::{FutureExt, future::BoxFuture, future::Shared as SharedFuture};
use tokio::time::timeout;

use super::{Error, Store, accounts::Shared, measure::asked};
use crate::{identity::Credentials, task};

/// SHA-256 of login and password; kept instead of them.
pub(super) type Proof = [u8; 32];

type Outcome = SharedFuture<BoxFuture<'static, Result<(), Error>>>;

/// The proofs of one account that are under way.
#[derive(Debug, Default)]
pub(super) struct Proving {
    turn: tokio::sync::Mutex<()>,
    under_way: Mutex<HashMap<Proof, Outcome>>,
}

impl Proving {
    fn under_way(&self) -> MutexGuard<'_, HashMap<Proof, Outcome>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a proof off the list when it is over, however it ends.
struct UnderWay {
    shared: Arc<Shared>,
    proof: Proof,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.shared.proving.under_way().remove(&self.proof);
    }
}

impl Store {
    /// Proves the credentials of an account.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the store refuses, [`Error::Unavailable`], [`Error::Busy`] or [`Error::Timeout`] when it cannot be asked.
    pub(super) async fn prove(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        credentials: Credentials,
    ) -> Result<(), Error> {
        let proof = proof_of(&credentials);
        // Without credentials in the pool the request would run on a connection of the operator's, or on none.
        let proved = self.proofs.contains_key(&proof) && shared.pool.has_credentials();
        asked("proofs", proved);
        if proved {
            return Ok(());
        }
        if let Some(refusal) = self.refusals.get(&proof).await {
            asked("refusals", true);
            return Err(refusal);
        }
        asked("refusals", false);
        let outcome = {
            let mut under_way = shared.proving.under_way();
            let begin = || self.begin(shared, proof, credentials);
            under_way.entry(proof).or_insert_with(begin).clone()
        };
        timeout(self.server.wait(), outcome)
            .await
            .unwrap_or(Err(Error::Busy))
    }

    fn begin(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        proof: Proof,
        credentials: Credentials,
    ) -> Outcome {
        let (store, shared) = (Arc::clone(self), Arc::clone(shared));
        let task = task::spawn(async move {
            let over = UnderWay { shared, proof };
            let proving = store.prove_now(&over.shared, proof, credentials);
            Box::pin(proving).await
        });
        let outcome = task.map(|outcome| {
            outcome.unwrap_or_else(|error| {
                Err(Error::Internal(format!("a proof ended early: {error}")))
            })
        });
        outcome.boxed().shared()
    }

    async fn prove_now(
        &self,
        shared: &Shared,
        proof: Proof,
        credentials: Credentials,
    ) -> Result<(), Error> {
        let _turn = timeout(self.server.wait(), shared.proving.turn.lock())
            .await
            .map_err(|_| Error::Busy)?;
        match shared.pool.prove(credentials).await.map_err(Error::from) {
            Ok(()) => {
                shared.proved.send_replace(());
                self.proofs.insert(proof, ()).await;
                Ok(())
            }
            Err(refusal @ (Error::Unauthenticated | Error::Forbidden)) => {
                self.refusals.insert(proof, refusal.clone()).await;
                Err(refusal)
            }
            Err(error) => Err(error),
        }
    }
}

fn proof_of(credentials: &Credentials) -> Proof {
    let mut input = (credentials.login.len() as u64).to_be_bytes().to_vec();
    input.extend_from_slice(credentials.login.as_bytes());
    input.extend_from_slice(credentials.password.expose().as_bytes());
    let digest = digest(&SHA256, &input);
    let mut proof = [0; 32];
    proof.copy_from_slice(digest.as_ref());
    proof
}
