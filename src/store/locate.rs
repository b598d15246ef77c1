//! From an id to the mailbox it means now, and back: aliases first, then the tree, then a fresh tree.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use std::sync::Arc;

use super::{
    Account, Error,
    id::{FolderId, MailboxKey, ObjectId},
    tree::{Node, Tree},
};
use crate::imap::{self, Command, Completion, Expected, MailboxName, Selected, pool::Lease};

/// Where an object is.
#[derive(Debug, Clone)]
pub(super) struct Located {
    /// Path of its folder.
    pub(super) path: String,
    pub(super) mailbox: MailboxName,
    pub(super) expected: Expected,
    /// The mailbox as it is found now; the id may name it as it was.
    pub(super) key: MailboxKey,
    pub(super) uid: u32,
}

impl Account {
    /// The tree, at most a few seconds old.
    pub(super) async fn tree(&self) -> Result<Arc<Tree>, Error> {
        let read = async {
            Tree::read(&self.pool, &self.store.roots)
                .await
                .map(Arc::new)
        };
        let tree = self
            .store
            .trees
            .try_get_with_by_ref(&self.login, read)
            .await;
        tree.map_err(|error: Arc<Error>| (*error).clone())
    }

    /// The tree as it is now.
    pub(super) async fn fresh_tree(&self) -> Result<Arc<Tree>, Error> {
        let tree = Arc::new(Tree::read(&self.pool, &self.store.roots).await?);
        self.store
            .trees
            .insert(self.login.clone(), Arc::clone(&tree))
            .await;
        Ok(tree)
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
            root => root,
        })
    }

    /// The same as text for URLs.
    pub(super) fn folder_text(&self, tree: &Tree, path: &str) -> Option<String> {
        self.shown_folder(tree, path)
            .map(|id| self.seal.folder(&id))
    }

    /// The id an object is shown with.
    pub(super) fn object_text(&self, key: &MailboxKey, uid: u32) -> String {
        self.seal.object(&ObjectId {
            mailbox: self.shown_key(key),
            uid,
        })
    }

    pub(super) fn shown_key(&self, found: &MailboxKey) -> MailboxKey {
        let shown = self.store.state.shown(&self.scope(), &found.to_bytes());
        shown
            .and_then(|bytes| MailboxKey::from_bytes(&bytes))
            .unwrap_or_else(|| found.clone())
    }

    /// What to look for in the tree; `None` when another folder has taken this key's place and is shown differently.
    fn found_key(&self, shown: &MailboxKey) -> Option<MailboxKey> {
        let bytes = shown.to_bytes();
        if let Some(found) = self.store.state.found(&self.scope(), &bytes) {
            return MailboxKey::from_bytes(&found);
        }
        let taken = self
            .store
            .state
            .shown(&self.scope(), &bytes)
            .is_some_and(|other| other != bytes);
        (!taken).then(|| shown.clone())
    }

    /// Store and login: the scope of what the state remembers.
    pub(super) fn scope(&self) -> String {
        format!("{}/{}", self.store.name, self.login)
    }

    /// Runs a command that changes nothing in the mailbox of an object. When the tree at hand turns out to be old, a fresh one is read once.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the id is none, or its mailbox is gone or another by now.
    pub(super) async fn read_object(
        &self,
        id: &str,
        command: impl Fn(&Located) -> Command,
    ) -> Result<(Located, Selected, Completion), Error> {
        let object = self.seal.read_object(id).ok_or(Error::NotFound)?;
        for fresh in [false, true] {
            let tree = if fresh {
                self.fresh_tree().await?
            } else {
                self.tree().await?
            };
            let Some(located) = self.locate(&tree, &object) else {
                continue;
            };
            match self
                .pool
                .read_in(&located.mailbox, &located.expected, command(&located))
                .await
            {
                Ok(Some((selected, completion))) => return Ok((located, selected, completion)),
                // EXAMINE refused, or another mailbox than expected: it was renamed or deleted meanwhile.
                Ok(None)
                | Err(imap::Error::No {
                    command: "EXAMINE", ..
                }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::NotFound)
    }

    /// Opens the mailbox of an object for writing.
    ///
    /// # Errors
    /// As for [`Self::read_object`].
    pub(super) async fn write_object(&self, id: &str) -> Result<(Located, Lease, Selected), Error> {
        let object = self.seal.read_object(id).ok_or(Error::NotFound)?;
        for fresh in [false, true] {
            let tree = if fresh {
                self.fresh_tree().await?
            } else {
                self.tree().await?
            };
            let Some(located) = self.locate(&tree, &object) else {
                continue;
            };
            match self
                .pool
                .write_in(&located.mailbox, &located.expected)
                .await
            {
                Ok(Some((lease, selected))) => return Ok((located, lease, selected)),
                Ok(None)
                | Err(imap::Error::No {
                    command: "SELECT", ..
                }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::NotFound)
    }

    fn locate(&self, tree: &Tree, object: &ObjectId) -> Option<Located> {
        let key = self.found_key(&object.mailbox)?;
        let path = tree.path(&key)?;
        let Node {
            mailbox, expected, ..
        } = tree.node(path)?;
        let expected = expected.clone()?;
        Some(Located {
            path: path.to_owned(),
            mailbox: mailbox.clone(),
            expected,
            key,
            uid: object.uid,
        })
    }
}
