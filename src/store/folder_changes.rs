//! Folders made, renamed and removed. The evidence is a fresh LIST, never a tagged OK alone: Courier says OK to the RENAME of
//! a folder that is not there.

use std::sync::Arc;

use tokio::{sync::MutexGuard, time::timeout};

use super::{
    Account, Error,
    folders::{resolved, shown_path},
    id::MailboxKey,
    objects::finish,
    refusal::{Right, renamed_all_the_time},
    tree::{Node, Tree},
};
use crate::{
    imap::{self, Command, MailboxName, pool::Lease, response::Code},
    nms, task,
};

/// How often a removal is tried anew when folders appear below meanwhile.
const ATTEMPTS: usize = 3;
/// Longest folder name, in bytes of UTF-8; servers stop at 255 or below.
const LONGEST_NAME: usize = 1000;

impl Account {
    /// Makes a folder below one that exists.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for the name, the unknown parent's URL or path, or both or none of them; [`Error::Conflict`].
    pub async fn create_folder(
        &self,
        urls: &nms::Urls,
        folder: &nms::NewFolder,
    ) -> Result<nms::Reference, Error> {
        let (account, urls, folder) = (self.clone(), urls.clone(), folder.clone());
        finish(task::spawn(async move {
            Box::pin(account.create_now(&urls, &folder)).await
        }))
        .await
    }

    async fn create_now(
        &self,
        urls: &nms::Urls,
        folder: &nms::NewFolder,
    ) -> Result<nms::Reference, Error> {
        let _turn = self.turn_to_change().await?;
        let name = folder.name.as_deref().ok_or_else(|| invalid("name"))?;
        valid_name(name)?;
        let tree = self.fresh_tree().await?;
        let parent = self.new_parent(&tree, urls, folder)?;
        let path = format!("{parent}/{name}");
        if exists(&tree, &path) {
            return Err(Error::Conflict(name.to_owned(), "name".to_owned()));
        }
        let mailbox = mailbox_of(&tree, &path).ok_or_else(|| invalid("name"))?;
        let lease = self.pool.write(&[]).await?;
        let outcome = lease.run(Command::new("CREATE").mailbox(&mailbox)).await;
        drop(lease);
        let created = self.tree_after(&outcome).await?;
        match outcome {
            Ok(_) => {}
            Err(imap::Error::No { code, .. }) => {
                return Err(self.explain(&created, &path, name, None, code).await);
            }
            // Whether it was done before the connection was lost is there to be seen.
            Err(imap::Error::Closed | imap::Error::Timeout) if created.node(&path).is_some() => {}
            Err(error) => return Err(error.into()),
        }
        let id = self
            .folder_text(&created, &path)
            .filter(|_| created.node(&path).is_some());
        // Taken with an OK and not listed: the server keeps another name than it was given.
        let id = id.ok_or_else(|| invalid("name"))?;
        self.note_made(&tree, &created, &path);
        Ok(nms::Reference {
            resource_url: urls.folder(&id),
            path: Some(shown_path(&path)),
        })
    }

    /// The path of the folder above a new one.
    fn new_parent(
        &self,
        tree: &Tree,
        urls: &nms::Urls,
        folder: &nms::NewFolder,
    ) -> Result<String, Error> {
        let missing = || Error::InvalidInput("Parent folder (missing)".to_owned());
        match (&folder.parent_folder, &folder.parent_folder_path) {
            (Some(url), None) => {
                let id = urls
                    .folder_id(url)
                    .and_then(|id| self.seal.read_folder(&id));
                id.and_then(|id| self.folder_path(tree, &id))
                    .ok_or_else(|| Error::InvalidInput(url.clone()))
            }
            (None, Some(path)) => match resolved(tree, path) {
                Ok(Some(path)) => Ok(path),
                Ok(None) if outside(tree, path) => Err(Error::CreationForbidden(path.clone())),
                Ok(None) | Err(_) => Err(Error::InvalidInput(path.clone())),
            },
            (None, None) | (Some(_), Some(_)) => Err(missing()),
        }
    }

    /// Gives a folder another name where it is; its id, those of all below it and of their objects stay.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::RenameForbidden`] for INBOX and roots, [`Error::InvalidInput`] `name`, [`Error::Conflict`].
    pub async fn rename_folder(&self, id: &str, name: &str) -> Result<String, Error> {
        let (account, id, name) = (self.clone(), id.to_owned(), name.to_owned());
        finish(task::spawn(async move {
            Box::pin(account.rename_now(&id, &name)).await
        }))
        .await
    }

    async fn rename_now(&self, id: &str, name: &str) -> Result<String, Error> {
        let _turn = self.turn_to_change().await?;
        valid_name(name)?;
        for _ in 0..ATTEMPTS {
            let (tree, path) = self.folder_in_turn(id).await?;
            if self.is_system(&tree, &path) {
                return Err(Error::RenameForbidden);
            }
            let (parent, old_name) = path.rsplit_once('/').ok_or(Error::NotFound)?;
            if old_name == name {
                // Perhaps asked again because the aliases could not be kept at first.
                self.store.state.commit().await?;
                return Ok(name.to_owned());
            }
            let target = format!("{parent}/{name}");
            if self.rename_once(&tree, &path, &target, name).await? {
                return Ok(name.to_owned());
            }
            // Another client has renamed it: where it is now is found by its id, or it is gone.
        }
        Err(renamed_all_the_time())
    }

    /// One RENAME; false when the folder is no longer there.
    pub(super) async fn rename_once(
        &self,
        tree: &Tree,
        path: &str,
        target: &str,
        name: &str,
    ) -> Result<bool, Error> {
        if exists(tree, target) {
            return Err(Error::Conflict(name.to_owned(), "name".to_owned()));
        }
        let node = tree.node(path).ok_or(Error::NotFound)?;
        let mailbox = mailbox_of(tree, target).ok_or_else(|| invalid("name"))?;
        let numbered = self.numbered(tree, path).await?;
        let lease = self.pool.write(&mailboxes(tree, path)).await?;
        let outcome = lease
            .run(
                Command::new("RENAME")
                    .mailbox(&node.mailbox)
                    .mailbox(&mailbox),
            )
            .await;
        drop(lease);
        let renamed = self.tree_after(&outcome).await?;
        let gone = renamed.node(path).is_none();
        let done = renamed.node(target).is_some();
        match outcome {
            Ok(_) if done => {}
            Ok(_) if gone => return Ok(false),
            Ok(_) => return Err(Error::Upstream("RENAME without effect".to_owned())),
            Err(imap::Error::Closed | imap::Error::Timeout) if done && gone => {}
            Err(imap::Error::No { .. }) if gone => return Ok(false),
            Err(imap::Error::No { code, .. }) => {
                return Err(self
                    .explain(&renamed, target, name, Some(&node.mailbox), code)
                    .await);
            }
            Err(error) => return Err(error.into()),
        }
        self.keep_ids(tree, path, &renamed, target);
        let kept = self.keep_object_ids(numbered, &renamed, target).await;
        self.store.state.commit().await?;
        kept.map(|()| true)
    }

    /// Folders of an account are changed one request at a time: who comes second finds what the first has made of them.
    pub(super) async fn turn_to_change(&self) -> Result<MutexGuard<'_, ()>, Error> {
        timeout(self.store.server.wait(), self.shared.changing.lock())
            .await
            .map_err(|_| Error::Busy)
    }

    /// The tree after a change; when it cannot be had, what was wrong with the change is the better reason.
    pub(super) async fn tree_after<T>(
        &self,
        outcome: &Result<T, imap::Error>,
    ) -> Result<Arc<Tree>, Error> {
        let tree = self.fresh_tree().await;
        match (tree, outcome) {
            (Err(_), Err(error)) => Err(error.clone().into()),
            (tree, _) => tree,
        }
    }

    /// Where the server's own marks do not find a folder again after a rename, an alias does; it outlives the process. Others rename too:
    /// what was somewhere else before is another folder, and what has the UIDVALIDITY it had will be found by that.
    fn keep_ids(&self, before: &Tree, path: &str, after: &Tree, target: &str) {
        let kept: Vec<(MailboxKey, MailboxKey)> = before
            .subtree(path)
            .filter_map(|(old, node)| {
                let new = after.node(&format!("{target}{}", &old[path.len()..]))?;
                let another = before.path(&new.key).is_some_and(|other| other != old);
                let by_itself = new.key.is_by_uid_validity(&node.key);
                (!another && !by_itself).then_some(())?;
                Some((self.shown_key(&node.key), new.key.clone()))
            })
            .collect();
        for (shown, found) in kept {
            self.store
                .state
                .alias(&self.scope(), &shown.to_bytes(), &found.to_bytes());
        }
    }

    /// Removes a folder, all below it and all objects in them.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::SystemFolder`] for INBOX and roots, [`Error::Forbidden`], [`Error::Conflict`] when folders keep
    /// appearing below it.
    pub async fn delete_folder(&self, id: &str) -> Result<(), Error> {
        let (account, id) = (self.clone(), id.to_owned());
        finish(task::spawn(async move {
            Box::pin(account.remove_now(&id)).await
        }))
        .await
    }

    async fn remove_now(&self, id: &str) -> Result<(), Error> {
        let _turn = self.turn_to_change().await?;
        let (tree, path) = self.folder_in_turn(id).await?;
        if self.is_system(&tree, &path) {
            return Err(Error::SystemFolder);
        }
        let objects = self.doomed(&tree, &path).await;
        self.remove_tree(tree, path).await?;
        for (key, uids) in objects {
            self.bury(&key, uids);
        }
        Ok(())
    }

    async fn remove_tree(&self, mut tree: Arc<Tree>, path: String) -> Result<(), Error> {
        let doomed = tree.node(&path).map(|node| node.key.clone());
        let mut refused = None;
        for _ in 0..ATTEMPTS {
            let lease = self.pool.write(&mailboxes(&tree, &path)).await?;
            let outcome = remove_all(&lease, &tree, &path).await;
            drop(lease);
            tree = self.tree_after(&outcome).await?;
            let Some(node) = tree.node(&path) else {
                return Ok(());
            };
            let selectable = node.expected.is_some();
            let another = selectable && doomed.as_ref() != Some(&node.key);
            refused = match outcome {
                // A mailbox of that name that others have made meanwhile: nobody has asked to remove that one.
                Ok(None) | Err(imap::Error::Closed | imap::Error::Timeout) if another => {
                    return Ok(());
                }
                Ok(refused) if another => {
                    return Err(self.not_deleted(path, refused).await);
                }
                Ok(None) if selectable => {
                    return Err(Error::Upstream("DELETE without effect".to_owned()));
                }
                Ok(refused) => refused,
                // What is left goes in the next pass.
                Err(imap::Error::Closed | imap::Error::Timeout) => None,
                Err(error) => return Err(error.into()),
            };
        }
        Err(self.not_deleted(path, refused).await)
    }

    /// Why a folder is still there.
    async fn not_deleted(&self, path: String, refused: Option<Refusal>) -> Error {
        match refused {
            Some((_, Some(code))) => imap::Error::No {
                command: "DELETE",
                code: Some(code),
            }
            .into(),
            Some((mailbox, None)) if self.lacks(None, &mailbox, Right::DeleteMailbox).await => {
                Error::Forbidden
            }
            Some((_, None)) => Error::Upstream("DELETE refused without a reason".to_owned()),
            None => Error::Conflict(path, "name".to_owned()),
        }
    }

    /// INBOX and roots stay as they are.
    #[expect(
        clippy::unused_self,
        reason = "reads like the other questions about an account"
    )]
    pub(super) fn is_system(&self, tree: &Tree, path: &str) -> bool {
        tree.is_root(path) || tree.node(path).is_some_and(|node| node.mailbox.is_inbox())
    }

    /// Why a CREATE, or the RENAME of a mailbox, was refused: by its code, else by what is there now (RFC 5530 codes are optional)
    /// and what is allowed (RFC 4314 §4: k above the new name, x on the old mailbox).
    pub(super) async fn explain(
        &self,
        tree: &Tree,
        path: &str,
        name: &str,
        renamed: Option<&MailboxName>,
        code: Option<Code>,
    ) -> Error {
        let conflict = || Error::Conflict(name.to_owned(), "name".to_owned());
        match code {
            Some(Code::AlreadyExists) => conflict(),
            Some(Code::NoPerm) => Error::Forbidden,
            Some(Code::Cannot) => invalid("name"),
            Some(code) => imap::Error::No {
                command: "CREATE",
                code: Some(code),
            }
            .into(),
            None if exists(tree, path) => conflict(),
            None => {
                let parent = path
                    .rsplit_once('/')
                    .and_then(|(parent, _)| tree.node(parent));
                let above = parent.map(|parent| (&parent.mailbox, Right::CreateMailbox));
                let old = renamed.map(|mailbox| (mailbox, Right::DeleteMailbox));
                for (mailbox, right) in above.into_iter().chain(old) {
                    if self.lacks(None, mailbox, right).await {
                        return Error::Forbidden;
                    }
                }
                invalid("name")
            }
        }
    }
}

/// A mailbox that was not deleted, and the code that came with the refusal.
type Refusal = (MailboxName, Option<Code>);

/// One pass, children before their parents; the last refusal of a folder that can be opened.
async fn remove_all(
    lease: &Lease,
    tree: &Tree,
    path: &str,
) -> Result<Option<Refusal>, imap::Error> {
    let mut refused = None;
    let doomed: Vec<&Node> = tree.subtree(path).map(|(_, node)| node).rev().collect();
    for node in doomed {
        match lease
            .run(Command::new("DELETE").mailbox(&node.mailbox))
            .await
        {
            Ok(_) => {}
            // A name that held nothing but others goes with the last of them, on some servers.
            Err(imap::Error::No { .. }) if node.expected.is_none() => {}
            Err(imap::Error::No { code, .. }) => refused = Some((node.mailbox.clone(), code)),
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

/// A folder and all below it, by the server's names.
fn mailboxes(tree: &Tree, path: &str) -> Vec<MailboxName> {
    tree.subtree(path)
        .map(|(_, node)| node.mailbox.clone())
        .collect()
}

pub(super) fn mailbox_of(tree: &Tree, path: &str) -> Option<MailboxName> {
    let levels: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    tree.naming.mailbox(&levels)
}

/// Whether the path is taken; INBOX is so in any case (RFC 9051 §5.1).
pub(super) fn exists(tree: &Tree, path: &str) -> bool {
    tree.node(path).is_some() || tree.is_root(path) || path.eq_ignore_ascii_case("/INBOX")
}

/// Whether a path is outside all configured roots.
pub(super) fn outside(tree: &Tree, path: &str) -> bool {
    !tree
        .roots()
        .into_iter()
        .any(|root| super::tree::is_within(path, root))
}

/// A name that can be one level of a path, and that no server can mistake for something else.
pub(super) fn valid_name(name: &str) -> Result<(), Error> {
    let odd = name.is_empty()
        || name.len() > LONGEST_NAME
        || name
            .chars()
            .any(|character| character == '/' || character.is_control())
        || matches!(name, "." | "..");
    if odd { Err(invalid("name")) } else { Ok(()) }
}

pub(super) fn invalid(member: &str) -> Error {
    Error::InvalidInput(member.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_level_of_a_path_are_refused() {
        for name in [
            "", "a/b", "a\rb", "a\nb", "a\0b", "a\u{7f}b", ".", "..", "\t",
        ] {
            assert_eq!(valid_name(name), Err(invalid("name")), "{name:?}");
        }
        for name in ["tel:+15550100", "a b", "台北", "a.b", "%", "*", "&"] {
            assert_eq!(valid_name(name), Ok(()), "{name:?}");
        }
    }
}
