//! Searches, and fetches of the many messages that they find: in the bulk lane, so that small commands find a connection.

use std::{collections::BTreeMap, sync::Arc};

use tracing::warn;

use super::{
    Lane, Lease, Pool,
    fetches::{SPLITS, Wanted, ends_connection, may_be_one_message},
};
use crate::imap::{
    MailboxName,
    command::{Command, Item},
    connection::{Completion, Expected, Mode, Selected},
    error::Error,
    response::Fetch,
};

impl Pool {
    /// Examines a mailbox and runs the command that fits what it turns out to be, if there is one: it comes back with what was said
    /// beside it. It must change nothing: it may be run twice. `None` when it is not the mailbox expected; inside it, when there was
    /// nothing to run.
    ///
    /// # Errors
    /// As for [`Lease::run`], and [`Error::Busy`].
    pub async fn search_in<T>(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        expected: &Expected,
        command: impl Fn(&Selected) -> Option<(Command, T)>,
    ) -> Result<Option<Option<(Completion, T)>>, Error> {
        let lease = self.lease(Lane::Bulk, Some(mailbox), 0).await?;
        match search_on(&lease, mailbox, expected, &command).await {
            Err(Error::Closed) => {}
            outcome => return outcome,
        }
        let newest = self.newest();
        drop(lease);
        let lease = self.lease(Lane::Bulk, Some(mailbox), newest).await?;
        search_on(&lease, mailbox, expected, &command).await
    }

    /// Fetches from many messages; how many at a time is the caller's to bound. Those that are not there are left out, and so is
    /// one that the server cannot tell about. `None` when it is not the mailbox expected.
    ///
    /// # Errors
    /// As for [`Lease::run`], and [`Error::Busy`].
    pub async fn fetch_many(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        expected: &Expected,
        uids: &[u32],
        items: Arc<[Item]>,
    ) -> Result<Option<BTreeMap<u32, Fetch>>, Error> {
        let wanted = Wanted::new(mailbox, expected, items);
        let mut uids = uids.to_vec();
        uids.sort_unstable();
        uids.dedup();
        let mut sets = vec![uids];
        let mut found = BTreeMap::new();
        let mut lease: Option<Lease> = None;
        let mut splits = 0;
        while let Some(mut set) = sets.pop() {
            if set.is_empty() {
                continue;
            }
            let connection = match lease.take() {
                Some(lease) => lease,
                None => self.lease(Lane::Bulk, Some(mailbox), 0).await?,
            };
            let (left, outcome) = self.look(connection, Lane::Bulk, &wanted, &set).await;
            lease = left.filter(|_| !outcome.as_ref().is_err_and(ends_connection));
            match outcome {
                Ok(Some(mut messages)) => found.append(&mut messages),
                Ok(None) => return Ok(None),
                Err(error) if may_be_one_message(&error) && set.len() > 1 && splits < SPLITS => {
                    splits += 1;
                    sets.push(set.split_off(set.len() / 2));
                    sets.push(set);
                }
                Err(error) if may_be_one_message(&error) && set.len() == 1 => {
                    warn!(%error, "a message cannot be read and is left out");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(found))
    }
}

async fn search_on<T>(
    lease: &Lease,
    mailbox: &MailboxName,
    expected: &Expected,
    command: impl Fn(&Selected) -> Option<(Command, T)>,
) -> Result<Option<Option<(Completion, T)>>, Error> {
    let selected = lease.open_mailbox(mailbox, expected, Mode::Examine).await?;
    if !expected.is(&selected) {
        return Ok(None);
    }
    match command(&selected) {
        Some((command, beside)) => Ok(Some(Some((lease.run(command).await?, beside)))),
        None => Ok(Some(None)),
    }
}
