//! Messages taken away from where they were copied from (RFC 6851 §3.3), and only they.

use std::collections::BTreeSet;

use super::super::{Account, Error, objects::search, refusal::Right};
use crate::imap::{self, Command, Flag, MailboxName, UidSet, capability::Deletion, pool::Lease};

/// Those that are still there, and why.
pub(super) type Stayed = (BTreeSet<u32>, Error);

impl Account {
    /// Whether messages of the mailbox that is open for writing can be taken away.
    ///
    /// # Errors
    /// [`Error::Forbidden`], or [`Error::Unsupported`] when others' flagged messages would go with them.
    pub(super) async fn may_delete(
        &self,
        lease: &Lease,
        mailbox: &MailboxName,
        uids: &[u32],
    ) -> Result<(), Error> {
        for right in [Right::DeleteMessage, Right::Expunge] {
            if self.lacks(Some(lease), mailbox, right).await {
                return Err(Error::Forbidden);
            }
        }
        self.flagged(lease, uids).await.map(drop)
    }

    /// Takes messages away from the mailbox that is open for writing; the evidence is that they are no longer there. The flag is
    /// taken back from those that are.
    ///
    /// # Errors
    /// When it is not known what became of them.
    pub(super) async fn delete_messages(
        &self,
        lease: &Lease,
        mailbox: &MailboxName,
        uids: &[u32],
    ) -> Result<Option<Stayed>, Error> {
        let all = || uids.iter().copied().collect();
        let before = match self.flagged(lease, uids).await {
            Err(error @ Error::Unsupported(_)) => return Ok(Some((all(), error))),
            before => before?,
        };
        let set: UidSet = uids.iter().copied().collect();
        let deleted = [Flag::parse("\\Deleted").map_err(|_| Error::Internal("flag".to_owned()))?];
        let store = |set: &UidSet, sign: &'static str| {
            Command::new("UID STORE")
                .uids(set)
                .atom(sign)
                .flags(&deleted)
        };
        if let Err(refusal) = lease.run(store(&set, "+FLAGS.SILENT")).await {
            if refusal.leaves_open() {
                return Err(refusal.into());
            }
            let right = Right::DeleteMessage;
            let error = self.refused_change(lease, mailbox, right, Some(refusal));
            return Ok(Some((all(), error.await)));
        }
        let expunge = match self.pool.capabilities()?.deletion() {
            Deletion::UidExpunge => Command::new("UID EXPUNGE").uids(&set),
            Deletion::GuardedExpunge => Command::new("EXPUNGE"),
        };
        let outcome = lease.run(expunge).await;
        if let Err(error) = &outcome
            && error.leaves_open()
        {
            return Err(error.clone().into());
        }
        let left = still_there(lease, uids).await?;
        if left.is_empty() {
            return Ok(None);
        }
        // RFC 4314 §4: the right to flag is not the right to expunge. Nothing half-done is left.
        let unflagged: UidSet = left.difference(&before).copied().collect();
        if !unflagged.is_empty() {
            lease.run(store(&unflagged, "-FLAGS.SILENT")).await?;
        }
        let error = self.refused_change(lease, mailbox, Right::Expunge, outcome.err());
        Ok(Some((left, error.await)))
    }

    /// Those that are flagged `\Deleted` already.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when others are, and would go with them (RFC 9051 §6.4.3).
    async fn flagged(&self, lease: &Lease, uids: &[u32]) -> Result<BTreeSet<u32>, Error> {
        let guarded = self.pool.capabilities()?.deletion() == Deletion::GuardedExpunge;
        let command = Command::new("UID SEARCH").atom("DELETED");
        let command = match guarded {
            true => command,
            false => command.atom("UID").uids(&uids.iter().copied().collect()),
        };
        let flagged = search(lease, command).await?;
        let foreign = flagged.iter().any(|uid| !uids.contains(uid));
        if guarded && foreign {
            return Err(Error::Unsupported("MoveToFolder".to_owned()));
        }
        Ok(flagged.into_iter().collect())
    }
}

/// Which of these messages the open mailbox has.
pub(super) async fn still_there(lease: &Lease, uids: &[u32]) -> Result<BTreeSet<u32>, imap::Error> {
    let command = Command::new("UID SEARCH")
        .atom("UID")
        .uids(&uids.iter().copied().collect());
    let found = super::super::objects::found(lease.run(command).await?.untagged);
    Ok(found.into_iter().filter(|uid| uids.contains(uid)).collect())
}
