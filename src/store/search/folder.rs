//! One folder of a search: found again when it is renamed meanwhile, and passed over when it is gone.

use std::{collections::BTreeMap, sync::Arc};

use tracing::warn;

use super::{
    criteria::Query,
    dates::Counted,
    plan::{Place, Plan},
};
use crate::{
    config::DeletedObjects,
    imap::{self, Command, Item, Selected, UidSet, response::Fetch},
    store::{
        Account, Error,
        locate::Located,
        objects::found,
        refusal::{Patience, Refused},
    },
};

/// How often a folder is followed that is renamed all the time.
const MOST_MOVES: usize = 4;

/// A folder in the scope of a search.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    /// Its path when the search began, which is its place in the order.
    pub(super) path: String,
    /// Where it is; the UID means nothing.
    pub(super) at: Located,
    /// What was said of it a moment ago, where it was asked.
    pub(super) counted: Option<Counted>,
}

/// What a folder has that may be meant.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Newest first.
    pub(super) uids: Vec<u32>,
    /// Whether all of them are meant, as far as the store knows.
    pub(super) exact: bool,
    /// Whether these are all messages there are.
    pub(super) all: bool,
}

impl Folder {
    /// What is known of it before it is opened.
    fn place<'a>(&'a self, flags: Option<&'a [String]>) -> Place<'a> {
        Place {
            path: &self.path,
            key: &self.at.key,
            flags,
            uid_next: self.counted.map(|counted| counted.uid_next),
        }
    }

    /// Whether something in it can be meant, as far as that is known without opening it.
    pub(super) fn may_have(&self, query: &Query) -> bool {
        Plan::new(query, self.place(None)).is_some()
    }
}

impl Account {
    /// What a folder has for a query, of the UIDs below a bound; nothing when it is gone.
    pub(super) async fn candidates(
        &self,
        folder: &mut Folder,
        query: &Query,
        below: Option<u32>,
    ) -> Result<Candidates, Error> {
        if matches!(below, Some(0 | 1)) {
            return Ok(Candidates::default());
        }
        let extended = self.pool.capabilities()?.extended_search();
        let hides = self.store.objects.deleted != DeletedObjects::Show;
        let mut patience = Patience::new(MOST_MOVES);
        loop {
            let command = |selected: &Selected| {
                if selected.exists == 0 {
                    return None;
                }
                let plan = Plan::new(query, folder.place(Some(&selected.flags)))?;
                let mut command = Command::new("UID SEARCH");
                if extended {
                    command = command.atom("RETURN (ALL)");
                }
                if let Some(below) = below {
                    command = command.atom("UID").uids(&UidSet::up_to(below - 1));
                }
                if hides {
                    command = command.atom("UNDELETED");
                }
                let all = below.is_none() && !hides && plan.is_for_all();
                Some((plan.add_to(command), (plan.exact, all)))
            };
            let (mailbox, expected) = (&folder.at.mailbox, &folder.at.expected);
            let outcome = self.pool.search_in(mailbox, expected, command).await;
            let refusal = match outcome {
                Ok(Some(None)) => return Ok(Candidates::default()),
                Ok(Some(Some((completion, (exact, all))))) => {
                    return Ok(Candidates {
                        uids: newest_first(found(completion.untagged), below),
                        exact,
                        all,
                    });
                }
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if !self
                .is_worth_another_try(folder, &mut patience, refusal)
                .await?
            {
                return Ok(Candidates::default());
            }
        }
    }

    /// Fetches from messages of a folder; those that are gone are left out, all of them when the folder is.
    pub(super) async fn fetch_in(
        &self,
        folder: &mut Folder,
        uids: &[u32],
        items: &Arc<[Item]>,
    ) -> Result<BTreeMap<u32, Fetch>, Error> {
        let mut patience = Patience::new(MOST_MOVES);
        loop {
            let (mailbox, expected) = (&folder.at.mailbox, &folder.at.expected);
            let items = Arc::clone(items);
            let outcome = self.pool.fetch_many(mailbox, expected, uids, items).await;
            let refusal = match outcome {
                Ok(Some(fetched)) => return Ok(fetched),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if !self
                .is_worth_another_try(folder, &mut patience, refusal)
                .await?
            {
                return Ok(BTreeMap::new());
            }
        }
    }

    /// After a folder was refused, or was another one: whether it may be had now. What may not be read by this user is passed over as
    /// what is gone is.
    async fn is_worth_another_try(
        &self,
        folder: &mut Folder,
        patience: &mut Patience,
        refusal: Option<imap::Error>,
    ) -> Result<bool, Error> {
        let at = &folder.at;
        let refused = match refusal {
            None => Refused::Elsewhere,
            Some(imap::Error::No {
                command: "EXAMINE",
                code,
            }) => self.refused_to_open(&at.key, &at.mailbox, code).await,
            Some(error) => return Err(error.into()),
        };
        let (moved, unexplained) = match &refused {
            Refused::Because(Error::NotFound | Error::Forbidden) => return Ok(false),
            Refused::Because(_) => (false, false),
            Refused::Elsewhere => (true, false),
            Refused::Perhaps(_) => (false, true),
        };
        match patience.after(refused).await {
            Ok(()) => {}
            Err(error) if unexplained => {
                warn!(%error, "a folder cannot be opened and is left out");
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        if !moved {
            return Ok(true);
        }
        let tree = self.fresh_tree().await?;
        let path = tree.path(&folder.at.key);
        let found = path.and_then(|path| self.folder_at(&tree, path, tree.node(path)?));
        let is_there = found.is_some();
        folder.at = found.unwrap_or_else(|| folder.at.clone());
        Ok(is_there)
    }
}

/// UIDs below a bound, newest first, each once: a server may read a set the other way round (RFC 9051 §9).
fn newest_first(mut uids: Vec<u32>, below: Option<u32>) -> Vec<u32> {
    uids.retain(|uid| below.is_none_or(|below| *uid < below));
    uids.sort_unstable_by(|one, other| other.cmp(one));
    uids.dedup();
    uids
}
