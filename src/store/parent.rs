//! The folder that a new object goes to: found, or made with all that is missing above it (contract §3.3).

use std::sync::Arc;

use super::{
    Account, Error,
    folder_changes::{mailbox_of, outside, valid_name},
    id::{FolderId, MailboxKey},
    objects::well_formed,
    tree::{Node, Tree},
};
use crate::{
    imap::{self, Command, Expected, MailboxName, response::Code},
    nms,
};

/// Most levels of a folder that is made, and most bytes of its path: a client's slip must not fill the store with folders.
const MOST_LEVELS: usize = 64;
const LONGEST_PATH: usize = 4096;

/// A folder that takes objects.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) path: String,
    pub(super) mailbox: MailboxName,
    pub(super) expected: Expected,
    pub(super) key: MailboxKey,
    /// What the client called it, for errors.
    pub(super) given: String,
    /// Whether it may be made when it is gone again.
    pub(super) makes: bool,
}

/// A parent as the client names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Parent {
    /// `parentFolder`: a URL.
    Url(String),
    /// `parentFolderPath`, or the default folder: made if need be.
    Path(String),
}

impl Account {
    /// What the object says of its parent.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for both, or for a path with controls or malformed levels.
    pub(super) fn parent_named(&self, object: &nms::NewObject) -> Result<Parent, Error> {
        match object
            .parent()
            .map_err(|malformed| Error::InvalidInput(malformed.part))?
        {
            nms::Parent::Url(url) => Ok(Parent::Url(url.to_owned())),
            nms::Parent::Path(path) if path.chars().any(char::is_control) => {
                Err(Error::InvalidInput("parentFolderPath".to_owned()))
            }
            nms::Parent::Path(path) => Ok(Parent::Path(path.to_owned())),
            nms::Parent::Unsaid => Ok(Parent::Path(format!("/{}", self.store.default_folder))),
        }
    }

    /// The folder of a parent.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the URL or path that is unknown or malformed, [`Error::CreationForbidden`] for the root that is the whole
    /// box and for what is outside all roots, and why a missing folder could not be made.
    pub(super) async fn target(&self, urls: &nms::Urls, parent: &Parent) -> Result<Target, Error> {
        match parent {
            Parent::Url(url) => {
                let unknown = || Error::InvalidInput(url.clone());
                let text = urls.folder_id(url).ok_or_else(unknown)?;
                let id = self.seal.read_folder(&text).ok_or_else(unknown)?;
                let tree = self.tree().await?;
                let (tree, path) = match self.folder_path(&tree, &id) {
                    Some(path) => (tree, path),
                    None => match self.folder_now(&text).await {
                        Err(Error::NotFound) => return Err(unknown()),
                        found => found?,
                    },
                };
                self.selectable(&tree, &path, url, false).await
            }
            Parent::Path(given) => {
                if matches!(given.as_str(), "" | "/") {
                    return Err(Error::CreationForbidden(given.clone()));
                }
                let malformed = |_| Error::InvalidInput(given.clone());
                let path = with_inbox(well_formed(given).map_err(malformed)?);
                for level in path[1..].split('/') {
                    valid_name(level).map_err(malformed)?;
                }
                let tree = self.tree().await?;
                if outside(&tree, &path) {
                    return Err(Error::CreationForbidden(given.clone()));
                }
                self.selectable(&tree, &path, given, true).await
            }
        }
    }

    /// The folder of a URL, as it is.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the URL when it is unknown.
    pub(super) async fn folder_of_url(
        &self,
        urls: &nms::Urls,
        url: &str,
    ) -> Result<(Arc<Tree>, String), Error> {
        let unknown = || Error::InvalidInput(url.to_owned());
        let id = urls.folder_id(url).ok_or_else(unknown)?;
        let id = self.seal.read_folder(&id).ok_or_else(unknown)?;
        let mut tree = self.tree().await?;
        if self.folder_path(&tree, &id).is_none() {
            tree = self.fresh_tree().await?;
        }
        let path = self.folder_path(&tree, &id).ok_or_else(unknown)?;
        Ok((tree, path))
    }

    /// The folder of a path, made and made selectable if need be.
    pub(super) async fn selectable(
        &self,
        tree: &Tree,
        path: &str,
        given: &str,
        makes: bool,
    ) -> Result<Target, Error> {
        if path.is_empty() {
            return Err(Error::CreationForbidden(given.to_owned()));
        }
        if let Some(target) = target_in(tree, path, given, makes) {
            return Ok(target);
        }
        // Who comes second finds what the first has made.
        let _turn = self.turn_to_change().await?;
        let tree = self.fresh_tree().await?;
        if let Some(target) = target_in(&tree, path, given, makes) {
            return Ok(target);
        }
        let tree = self.made(&tree, path, given).await?;
        target_in(&tree, path, given, makes)
            .ok_or_else(|| Error::Upstream("a folder that was made is not there".to_owned()))
    }

    /// Makes a folder and all that is missing above it. The folder itself comes first, so that a name which the store does not take
    /// leaves nothing behind.
    pub(super) async fn made(
        &self,
        before: &Tree,
        path: &str,
        given: &str,
    ) -> Result<Arc<Tree>, Error> {
        let levels = path.match_indices('/').skip(1).map(|(end, _)| &path[..end]);
        if levels.clone().count() >= MOST_LEVELS || path.len() > LONGEST_PATH {
            return Err(Error::InvalidInput(given.to_owned()));
        }
        // What was only a name before stays one until an object is put there.
        let missing = |level: &&str| before.node(level).is_none() && !outside(before, level);
        let above: Vec<&str> = levels.filter(missing).collect();
        let (mut tree, refusal) = self.make(before, path).await?;
        // RFC 9051 §6.3.4: a server should make what is above, and not every one does.
        let unexplained = matches!(refusal, Some(imap::Error::No { code: None, .. }));
        if !is_open(&tree, path) && (above.is_empty() || !unexplained) {
            return Err(self.not_made(&tree, path, given, refusal).await);
        }
        for level in above.into_iter().chain([path]) {
            if is_open(&tree, level) {
                continue;
            }
            let (now, refusal) = self.make(before, level).await?;
            if !is_open(&now, level) {
                return Err(self.not_made(&now, level, given, refusal).await);
            }
            tree = now;
        }
        Ok(tree)
    }

    /// Creates one mailbox, and looks what is there then: the tree, and how the command failed if it did. A name that only had others
    /// below it keeps its id (product: ids).
    async fn make(
        &self,
        before: &Tree,
        path: &str,
    ) -> Result<(Arc<Tree>, Option<imap::Error>), Error> {
        let Some(mailbox) = mailbox_of(before, path) else {
            let cannot = imap::Error::No {
                command: "CREATE",
                code: Some(Code::Cannot),
            };
            return Ok((self.tree().await?, Some(cannot)));
        };
        let lease = self.pool.write(&[]).await?;
        let outcome = lease.run(Command::new("CREATE").mailbox(&mailbox)).await;
        drop(lease);
        let tree = self.fresh_tree().await?;
        self.note_made(before, &tree, path);
        if let (Some(known), Some(made)) = (before.node(path), tree.node(path))
            && made.expected.is_some()
            && before.path(&made.key).is_none()
        {
            let shown = self.shown_key(&known.key);
            self.store
                .state
                .alias(&self.scope(), &shown.to_bytes(), &made.key.to_bytes());
            self.store.state.commit().await?;
        }
        Ok((tree, outcome.err()))
    }

    /// Why a folder is not there after CREATE.
    async fn not_made(
        &self,
        tree: &Tree,
        path: &str,
        given: &str,
        refusal: Option<imap::Error>,
    ) -> Error {
        let error = match refusal {
            Some(imap::Error::No { code, .. }) => self.explain(tree, path, "", None, code).await,
            Some(error) => return error.into(),
            // Taken with an OK and not listed: the server keeps another name than it was given.
            None => return Error::InvalidInput(given.to_owned()),
        };
        if matches!(error, Error::InvalidInput(_) | Error::Conflict(..)) {
            Error::InvalidInput(given.to_owned())
        } else {
            error
        }
    }

    /// The folder known by this key in the state, if it is still there.
    pub(super) async fn target_of_key(&self, key: &[u8]) -> Result<Option<Target>, Error> {
        let Some(key) = MailboxKey::from_bytes(key) else {
            return Ok(None);
        };
        let tree = self.fresh_tree().await?;
        let path = self.folder_path(&tree, &FolderId::Mailbox(key.clone()));
        // A root has no id of its own kind, but its mailbox has this key.
        let path = path.or_else(|| tree.path(&key).map(str::to_owned));
        Ok(path.and_then(|path| target_in(&tree, &path, &path, false)))
    }

    /// The folder after the store has said that it is gone.
    pub(super) async fn target_again(&self, target: &Target) -> Result<Target, Error> {
        let tree = self.fresh_tree().await?;
        if !target.makes
            && tree
                .node(&target.path)
                .is_none_or(|node| node.key != target.key)
        {
            return Err(Error::InvalidInput(target.given.clone()));
        }
        self.selectable(&tree, &target.path, &target.given, target.makes)
            .await
    }
}

/// Whether a folder is there that can be opened.
fn is_open(tree: &Tree, path: &str) -> bool {
    tree.node(path).is_some_and(|node| node.expected.is_some())
}

pub(super) fn target_in(tree: &Tree, path: &str, given: &str, makes: bool) -> Option<Target> {
    let Node {
        mailbox,
        expected,
        key,
        ..
    } = tree.node(path)?;
    Some(Target {
        path: path.to_owned(),
        mailbox: mailbox.clone(),
        expected: expected.clone()?,
        key: key.clone(),
        given: given.to_owned(),
        makes,
    })
}

/// INBOX has one spelling (RFC 9051 §5.1), also where others are below it.
fn with_inbox(path: &str) -> String {
    let (first, rest) = path[1..].split_once('/').map_or_else(
        || (&path[1..], String::new()),
        |(first, rest)| (first, format!("/{rest}")),
    );
    if first.eq_ignore_ascii_case("INBOX") {
        format!("/INBOX{rest}")
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_is_found_in_any_spelling() {
        assert_eq!(with_inbox("/inbox"), "/INBOX");
        assert_eq!(with_inbox("/Inbox/a/b"), "/INBOX/a/b");
        assert_eq!(with_inbox("/inboxes"), "/inboxes");
    }
}
