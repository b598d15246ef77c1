//! Objects taken away for good, one or many of a mailbox, and nothing else with them.

use std::collections::BTreeSet;

use super::{
    Account, Error, Precondition,
    objects::{finish, search},
    refusal::Right,
    sets::{Flags, Open, Outcomes, all, flags_of, sets_of},
};
use crate::{
    imap::{self, Command, Flag, UidSet, capability::Deletion, response::Code},
    task,
};

/// What keeps a mailbox from being expunged, as far as is known when it is tried.
type Refusal = Option<imap::Error>;

impl Account {
    /// Takes the object away for good, and only it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] when the store lets it be flagged but not expunged (the flag is taken back),
    /// [`Error::Unsupported`] when others' flagged messages would go with it, [`Error::PreconditionFailed`].
    pub async fn delete_object(&self, id: &str, precondition: Precondition) -> Result<(), Error> {
        let (account, id) = (self.clone(), id.to_owned());
        finish(task::spawn(async move {
            let attempt = || Box::pin(account.delete_now(&id, &precondition));
            account.where_it_is(&id, attempt).await
        }))
        .await
    }

    pub(super) async fn delete_now(
        &self,
        id: &str,
        precondition: &Precondition,
    ) -> Result<(), Error> {
        let open = self.open_for(id).await?;
        let uid = open.located.uid;
        let mut since = None;
        if !precondition.is_empty() {
            let seen = self.flags_in(&open.lease, &open.located).await?;
            self.visible(&seen.flags)?;
            since = self.as_demanded(precondition, &open.located, &seen).await?;
        }
        let outcome = self.remove(id, open, &[uid], since).await.remove(&uid);
        outcome.unwrap_or(Err(Error::NotFound)).map(drop)
    }

    /// Takes messages of a mailbox away that was opened by the object of that id; if one is given, only those whose MODSEQ is not
    /// above it.
    pub(super) async fn remove(
        &self,
        id: &str,
        open: Open,
        uids: &[u32],
        unchanged_since: Option<u64>,
    ) -> Outcomes {
        let mut outcomes = Outcomes::new();
        let before = match self.present(&open, uids, &mut outcomes).await {
            Ok(before) => before,
            Err(error) => return all(uids.iter().copied(), &error),
        };
        outcomes.extend(self.expunge(&open, &before, unchanged_since).await);
        // The connection may have been lost before or after: both steps can be taken again, and what is gone is gone.
        let cut: Flags = before
            .into_iter()
            .filter(|(uid, _)| {
                let outcome = outcomes.get(uid);
                matches!(outcome, Some(Err(Error::Unavailable(_) | Error::Timeout)))
            })
            .collect();
        if !cut.is_empty() {
            let key = open.located.key.clone();
            drop(open);
            let rest = self.open_for(id).await;
            // Under another key it need not be the same mailbox, and the UIDs could be others'.
            let rest = rest.map(|open| (open.located.key == key).then_some(open));
            let conditional = unchanged_since.is_some();
            self.remove_rest(rest, &cut, conditional, &mut outcomes)
                .await;
        }
        outcomes
    }

    /// The rest of a removal that was cut off: the objects were there when it began.
    async fn remove_rest(
        &self,
        open: Result<Option<Open>, Error>,
        cut: &Flags,
        conditional: bool,
        outcomes: &mut Outcomes,
    ) {
        let uids: Vec<u32> = cut.keys().copied().collect();
        let open = match open {
            Ok(Some(open)) => open,
            Err(Error::NotFound) => {
                outcomes.extend(uids.into_iter().map(|uid| (uid, Ok(true))));
                return;
            }
            Ok(None) | Err(_) => return,
        };
        let Ok(there) = flags_of(&open.lease, &uids).await else {
            return;
        };
        let is_there = |uid: &u32| there.contains_key(uid);
        let gone = uids.iter().filter(|uid| !is_there(uid));
        outcomes.extend(gone.map(|uid| (*uid, Ok(true))));
        // What another client has changed may have been changed before the removal began.
        let unchanged = |(uid, before): &(&u32, &Vec<String>)| {
            there
                .get(uid)
                .is_some_and(|now| !conditional || differ_by_deleted(before, now))
        };
        let doomed = cut.iter().filter(unchanged);
        let doomed: Flags = doomed.map(|(uid, flags)| (*uid, flags.clone())).collect();
        let again = self.expunge(&open, &doomed, None).await;
        // What has failed twice failed as it did at first.
        outcomes.extend(again.into_iter().filter(|(_, outcome)| outcome.is_ok()));
    }

    /// Flags messages `\Deleted` and expunges them alone, as many at once as a command line has room for; the evidence is that they
    /// are no longer there. The flags are those they had before.
    pub(super) async fn expunge(
        &self,
        open: &Open,
        doomed: &Flags,
        unchanged_since: Option<u64>,
    ) -> Outcomes {
        let mut outcomes = Outcomes::new();
        for set in sets_of(doomed.keys().copied()) {
            match self.expunge_set(open, &set, doomed, unchanged_since).await {
                Ok(there) => {
                    outcomes.extend(set.uids().map(|uid| (uid, Ok(true))));
                    outcomes.extend(there);
                }
                Err(error) => {
                    let is_for_now = error.is_for_now();
                    outcomes.extend(all(set.uids(), &error));
                    if is_for_now {
                        // Nor would it answer for the others, each after as long.
                        let others = doomed.keys().copied();
                        let others = others.filter(|uid| !outcomes.contains_key(uid));
                        let others = all(others.collect::<Vec<u32>>(), &error);
                        outcomes.extend(others);
                        break;
                    }
                }
            }
        }
        outcomes
    }

    /// Why those are still there that are.
    async fn expunge_set(
        &self,
        open: &Open,
        set: &UidSet,
        doomed: &Flags,
        unchanged_since: Option<u64>,
    ) -> Result<Outcomes, Error> {
        let lease = &open.lease;
        let deletion = self.pool.capabilities()?.deletion();
        if deletion == Deletion::GuardedExpunge {
            // RFC 9051 §6.4.3: EXPUNGE takes every message flagged so, also those that others have flagged.
            let flagged = search(lease, Command::new("UID SEARCH").atom("DELETED")).await?;
            if flagged.iter().any(|uid| !doomed.contains_key(uid)) {
                return Err(Error::Unsupported("DeleteObject".to_owned()));
            }
        }
        match lease.run(store("+FLAGS", set, unchanged_since)?).await {
            Ok(completion) if matches!(completion.code, Some(Code::Modified(_))) => {
                return Err(Error::PreconditionFailed);
            }
            Ok(_) => {}
            Err(refusal) => {
                let right = Right::DeleteMessage;
                return Err(self
                    .refused_change(lease, &open.located.mailbox, right, Some(refusal))
                    .await);
            }
        }
        let expunge = match deletion {
            Deletion::UidExpunge => Command::new("UID EXPUNGE").uids(set),
            Deletion::GuardedExpunge => Command::new("EXPUNGE"),
        };
        let refusal = match lease.run(expunge).await {
            Ok(_) => None,
            Err(error @ (imap::Error::Closed | imap::Error::Timeout)) => return Err(error.into()),
            Err(refusal) => Some(refusal),
        };
        let uids: Vec<u32> = set.uids().collect();
        let there = flags_of(lease, &uids).await?;
        if there.is_empty() {
            return Ok(Outcomes::new());
        }
        let error = self.take_back(open, &there, doomed, refusal).await?;
        Ok(all(there.into_keys(), &error))
    }

    /// RFC 4314 §4: the right to flag is not the right to expunge. Nothing half-done is left.
    async fn take_back(
        &self,
        open: &Open,
        there: &Flags,
        before: &Flags,
        refusal: Refusal,
    ) -> Result<Error, Error> {
        let unflagged = there.keys().copied().filter(|uid| {
            let flags = before.get(uid);
            flags.is_some_and(|flags| !is_deleted(flags))
        });
        for set in sets_of(unflagged) {
            open.lease.run(store("-FLAGS", &set, None)?).await?;
        }
        // Dovecot says OK to a flag one may not set, and leaves it.
        let flagged = refusal.is_some() || there.values().any(|flags| is_deleted(flags));
        let right = if flagged {
            Right::Expunge
        } else {
            Right::DeleteMessage
        };
        Ok(self
            .refused_change(&open.lease, &open.located.mailbox, right, refusal)
            .await)
    }
}

fn is_deleted(flags: &[String]) -> bool {
    flags
        .iter()
        .any(|flag| flag.eq_ignore_ascii_case("\\Deleted"))
}

/// Whether flags are the same but for `\Deleted`, which a removal sets.
fn differ_by_deleted(before: &[String], now: &[String]) -> bool {
    let others = |flags: &[String]| {
        let flags = flags.iter().map(|flag| flag.to_ascii_lowercase());
        let others = flags.filter(|flag| !matches!(flag.as_str(), "\\deleted" | "\\recent"));
        others.collect::<BTreeSet<String>>()
    };
    others(before) == others(now)
}

/// The STORE of `\Deleted`.
fn store(sign: &'static str, set: &UidSet, unchanged_since: Option<u64>) -> Result<Command, Error> {
    let deleted = [Flag::parse("\\Deleted").map_err(|_| Error::Internal("flag".to_owned()))?];
    let mut command = Command::new("UID STORE").uids(set);
    if let Some(mod_seq) = unchanged_since {
        command = command.unchanged_since(mod_seq);
    }
    Ok(command.atom(sign).flags(&deleted))
}
