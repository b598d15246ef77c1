//! From an id to the mailbox it means now, and back: aliases first (`aliases`), then the tree, then a fresh tree.

use std::{
    collections::BTreeSet,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use super::{
    Account, Error,
    id::{FolderId, MailboxKey, ObjectId},
    measure::asked,
    refusal::{Patience, Refused, renamed_all_the_time},
    tree::{Node, Tree},
};
use crate::imap::{
    self, Expected, Item, MailboxName, Selected,
    pool::Lease,
    response::{Code, Fetch},
};

/// How long is waited for a mailbox to be listed once only, each time, in milliseconds; after that it is believed that two are alike.
const LISTED_TWICE: [u64; 8] = [50, 100, 200, 200, 200, 200, 200, 200];
/// After so many of these what was listed so each time is believed.
const BELIEVED: usize = 3;

/// Where an object is.
#[derive(Debug, Clone)]
pub(super) struct Located {
    /// What it is known by.
    pub(super) id: ObjectId,
    /// Path of its folder.
    pub(super) path: String,
    /// Id of its folder, as text.
    pub(super) folder: String,
    pub(super) mailbox: MailboxName,
    pub(super) expected: Expected,
    /// The mailbox as it is found now; the id may name it as it was.
    pub(super) key: MailboxKey,
    pub(super) uid: u32,
}

impl Account {
    /// The tree, at most a few seconds old.
    pub(super) async fn tree(&self) -> Result<Arc<Tree>, Error> {
        let mut known = true;
        let read = async {
            known = false;
            self.read_tree().await.map(Arc::new)
        };
        let tree = self
            .store
            .trees
            .try_get_with_by_ref(&self.login, read)
            .await;
        asked("trees", known);
        tree.map_err(|error: Arc<Error>| (*error).clone())
    }

    /// The tree as it is now.
    pub(super) async fn fresh_tree(&self) -> Result<Arc<Tree>, Error> {
        let tree = Arc::new(self.read_tree().await?);
        self.store
            .trees
            .insert(self.login.clone(), Arc::clone(&tree))
            .await;
        Ok(tree)
    }

    async fn read_tree(&self) -> Result<Tree, Error> {
        let read = || Tree::read(&self.pool, &self.shared.naming, &self.store.roots);
        let mut tree = read().await?;
        // In the middle of a RENAME a mailbox may be listed under both names: other ones each time while others rename.
        let mut each_time = tree.alike().clone();
        for (waited, pause) in LISTED_TWICE.into_iter().enumerate() {
            let believed = waited >= BELIEVED && each_time.is_superset(tree.alike());
            if believed || self.alike().is_superset(tree.alike()) {
                break;
            }
            sleep(Duration::from_millis(pause)).await;
            tree = read().await?;
            each_time.retain(|value| tree.alike().contains(value));
        }
        self.alike().clone_from(tree.alike());
        if let Ok(_turn) = self.shared.changing.try_lock() {
            self.tell_apart(&tree).await?;
        }
        Ok(tree)
    }

    fn alike(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        let alike = &self.shared.alike;
        alike.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of a folder id in a tree.
    pub(super) fn folder_path(&self, tree: &Tree, id: &FolderId) -> Option<String> {
        match id {
            FolderId::Root => tree.is_root("").then(String::new),
            FolderId::NamedRoot(_) => tree
                .roots()
                .into_iter()
                .find(|root| FolderId::named_root(root) == *id)
                .map(str::to_owned),
            FolderId::Mailbox(key) => {
                let path = tree.path(&self.found_key(key)?)?;
                // A mailbox that is a configured root is known by the root's id only.
                (!tree.is_root(path)).then(|| path.to_owned())
            }
        }
    }

    /// The id a folder of the tree is shown with.
    pub(super) fn shown_folder(&self, tree: &Tree, path: &str) -> Option<FolderId> {
        Some(match tree.folder_id(path)? {
            FolderId::Mailbox(key) => FolderId::Mailbox(self.shown_key(&key)),
            root @ (FolderId::Root | FolderId::NamedRoot(_)) => root,
        })
    }

    /// The same as text for URLs.
    pub(super) fn folder_text(&self, tree: &Tree, path: &str) -> Option<String> {
        self.shown_folder(tree, path)
            .map(|id| self.seal.folder(&id))
    }

    /// Fetches from an object; `None` when its mailbox has no such message. When the tree at hand turns out to be old, a
    /// fresh one is read once; when it is on its way to another folder, it is looked for there.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the id is none, or its mailbox is gone or another by now.
    pub(super) async fn read_object(
        &self,
        id: &str,
        items: Arc<[Item]>,
    ) -> Result<(Located, Option<Fetch>), Error> {
        let id = self.seal.read_object(id).ok_or(Error::NotFound)?;
        let mut place = self.place_of(&id);
        loop {
            let outcome = self.read_where_it_is(&id, &items).await;
            if !matches!(outcome, Ok((_, None)) | Err(Error::NotFound)) {
                return outcome;
            }
            if !self.moved_since(&id, place.as_ref()).await? {
                return outcome;
            }
            place = self.place_of(&id);
        }
    }

    async fn read_where_it_is(
        &self,
        id: &ObjectId,
        items: &Arc<[Item]>,
    ) -> Result<(Located, Option<Fetch>), Error> {
        let mut finding = self.finding(id.clone());
        loop {
            let located = finding.next(self).await?;
            let (mailbox, expected) = (&located.mailbox, &located.expected);
            let fetch = || {
                self.pool
                    .fetch(mailbox, expected, located.uid, Arc::clone(items))
            };
            let mut outcome = fetch().await;
            // RFC 5530 §3: it may have been expunged, and who asks again is told so.
            if let Err(imap::Error::No {
                code: Some(Code::ExpungeIssued),
                ..
            }) = outcome
            {
                outcome = fetch().await;
            }
            if let Some(found) = finding.judge(located, outcome)? {
                return Ok(found);
            }
        }
    }

    /// Opens the mailbox of an object for writing.
    ///
    /// # Errors
    /// As for [`Self::read_object`].
    pub(super) async fn write_object(&self, id: &str) -> Result<(Located, Lease, Selected), Error> {
        let id = self.seal.read_object(id).ok_or(Error::NotFound)?;
        let mut finding = self.finding(id);
        loop {
            let located = finding.next(self).await?;
            let outcome = self
                .pool
                .write_in(&located.mailbox, &located.expected)
                .await;
            if let Some((located, (lease, selected))) = finding.judge(located, outcome)? {
                return Ok((located, lease, selected));
            }
        }
    }

    /// Where an object is that was somewhere else a moment ago. For who has the turn to change folders.
    ///
    /// # Errors
    /// [`Error::NotFound`] when its mailbox is gone.
    pub(super) async fn located_again(&self, located: &Located) -> Result<Located, Error> {
        let tree = self.fresh_tree().await?;
        self.locate(&tree, &located.id).ok_or(Error::NotFound)
    }

    /// Looks for the mailbox of an object.
    #[expect(
        clippy::unused_self,
        reason = "reads like the other questions about an account"
    )]
    pub(super) fn finding(&self, object: ObjectId) -> Finding<'_> {
        Finding {
            object,
            trees: 0,
            patience: Patience::new(MOST_TREES),
            turn: None,
            last: None,
            refused: None,
        }
    }

    /// Where an object is according to a tree.
    pub(super) fn locate(&self, tree: &Tree, object: &ObjectId) -> Option<Located> {
        let place = self.place_of(object)?;
        let key = self.mailbox_of_place(&place.mailbox)?;
        let path = tree.path(&key)?;
        let Node {
            mailbox, expected, ..
        } = tree.node(path)?;
        let expected = expected.clone()?;
        Some(Located {
            id: object.clone(),
            path: path.to_owned(),
            folder: self.folder_text(tree, path)?,
            mailbox: mailbox.clone(),
            expected,
            key,
            uid: place.uid,
        })
    }
}

/// Trees that are looked at, the one at hand included, for a mailbox that is renamed all the time.
const MOST_TREES: usize = 8;

/// Looking for the mailbox that an object's id means: in the tree at hand, then in a fresh one, then for as long as it moves.
pub(super) struct Finding<'a> {
    object: ObjectId,
    /// Trees looked at.
    trees: usize,
    patience: Patience,
    /// Taken when it was not where it had just been: the bridge itself renames nothing meanwhile.
    turn: Option<tokio::sync::MutexGuard<'a, ()>>,
    /// Where it was looked for last.
    last: Option<MailboxName>,
    /// The code with which it was refused there; else it was another mailbox.
    refused: Option<Option<Code>>,
}

impl<'a> Finding<'a> {
    /// Where the object may be.
    ///
    /// # Errors
    /// Why there is nowhere left to look.
    pub(super) async fn next(&mut self, account: &'a Account) -> Result<Located, Error> {
        while self.trees < MOST_TREES {
            let fresh = self.trees > 0;
            if self.trees > 1 && self.turn.is_none() {
                self.turn = Some(account.turn_to_change().await?);
            }
            let tree = if fresh {
                account.fresh_tree().await?
            } else {
                account.tree().await?
            };
            self.trees += 1;
            let Some(located) = account.locate(&tree, &self.object) else {
                if self.turn.is_some() {
                    return Err(Error::NotFound);
                }
                // In the middle of a RENAME a mailbox may be listed under neither name.
                continue;
            };
            // The first fresh tree is worth a look in any case; after that only another place is.
            let again = self.trees > 2 && self.last.as_ref() == Some(&located.mailbox);
            match self.refused.take().filter(|_| again) {
                None if again => return Err(Error::NotFound),
                None => return Ok(located),
                Some(code) => {
                    let refused = account.refused_to_open(&located.key, &located.mailbox, code);
                    let refused = refused.await;
                    let elsewhere = refused == Refused::Elsewhere;
                    self.patience.after(refused).await?;
                    if !elsewhere {
                        return Ok(located);
                    }
                }
            }
        }
        Err(renamed_all_the_time())
    }

    /// What came of opening that mailbox; `None` when it was not to be had.
    pub(super) fn judge<T>(
        &mut self,
        located: Located,
        outcome: Result<Option<T>, imap::Error>,
    ) -> Result<Option<(Located, T)>, Error> {
        self.refused = None;
        self.last = Some(located.mailbox.clone());
        match outcome {
            Ok(Some(opened)) => Ok(Some((located, opened))),
            // Renamed, or deleted and made anew.
            Ok(None) => Ok(None),
            // The same, or it is there and cannot be opened.
            Err(imap::Error::No {
                command: "EXAMINE" | "SELECT",
                code,
            }) => {
                self.refused = Some(code);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
