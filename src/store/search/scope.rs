//! Where a search looks: the folders of its scope, in order, without those that have no messages.

use super::{dates::Counted, folder::Folder};
use crate::{
    imap::capability::Listing,
    nms::{self, SelectionCriteria},
    store::{
        Account, Error,
        census::Census,
        folders::resolved,
        locate::Located,
        tree::{Node, Tree},
    },
};

/// Folders from which on it is worth asking which of them are empty.
const MANY: usize = 8;

/// The folder a search is bound to, and whether what is below it is searched too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    /// Path; `None` for the whole box.
    path: Option<String>,
    recursive: bool,
    /// Its id as text, empty for the whole box: what a cursor is bound to, whatever URL the folder was named with.
    pub(super) id: String,
}

impl Scope {
    /// Whether a path is in it.
    pub(super) fn has(&self, path: &str) -> bool {
        match (&self.path, self.recursive) {
            (None, _) => true,
            (Some(scope), true) => crate::store::tree::is_within(path, scope),
            (Some(scope), false) => path == scope,
        }
    }

    /// Whether a folder is in it: one below the folder that is the scope, or directly below.
    pub(super) fn is_above(&self, path: &str) -> bool {
        let Some(scope) = &self.path else {
            return true;
        };
        let below = path
            .strip_prefix(scope.as_str())
            .and_then(|rest| rest.strip_prefix('/'));
        below.is_some_and(|below| self.recursive || !below.contains('/'))
    }

    /// Whether it may be more than one folder.
    fn is_wide(&self) -> bool {
        self.path.is_none() || self.recursive
    }
}

impl Account {
    /// The scope that criteria name.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the URL or path that is none here, or `searchScope` without either.
    pub(super) fn scope_of(
        &self,
        tree: &Tree,
        urls: &nms::Urls,
        asked: &SelectionCriteria,
    ) -> Result<Scope, Error> {
        let recursive = asked.non_recursive_scope != Some(true);
        let Some(scope) = &asked.search_scope else {
            return Ok(Scope {
                path: None,
                // There is no scope to be left out of.
                recursive: true,
                id: String::new(),
            });
        };
        let url = scope.resource_url.as_deref().filter(|url| !url.is_empty());
        let unknown = |named: &str| Error::InvalidInput(named.to_owned());
        let path = match (url, scope.path.as_deref()) {
            (Some(url), _) => {
                let id = urls.folder_id(url).ok_or_else(|| unknown(url))?;
                let id = self.seal.read_folder(&id).ok_or_else(|| unknown(url))?;
                self.folder_path(tree, &id).ok_or_else(|| unknown(url))?
            }
            (None, Some(path)) => resolved(tree, path)
                .ok()
                .flatten()
                .ok_or_else(|| unknown(path))?,
            (None, None) => return Err(unknown("searchScope")),
        };
        Ok(Scope {
            id: self.folder_text(tree, &path).unwrap_or_default(),
            path: Some(path),
            recursive,
        })
    }

    /// The folders of a scope that have messages, by path. What is not known to be empty counts as not empty.
    pub(super) fn folders_in(&self, tree: &Tree, scope: &Scope, census: &Census) -> Vec<Folder> {
        let inside = tree.subtree("").filter(|(path, _)| scope.has(path));
        let folder = |(path, node): (&str, &Node)| {
            let status = census.of(node);
            if status.is_some_and(|status| status.messages == Some(0)) {
                return None;
            }
            Some(Folder {
                path: path.to_owned(),
                counted: status.and_then(|status| {
                    Some(Counted {
                        uid_next: status.uid_next?,
                        messages: status.messages?,
                    })
                }),
                at: self.folder_at(tree, path, node)?,
            })
        };
        inside.filter_map(folder).collect()
    }

    /// Where a folder is; the UID means nothing.
    pub(super) fn folder_at(&self, tree: &Tree, path: &str, node: &Node) -> Option<Located> {
        Some(Located {
            id: self.id_of(self.place_at(&node.key, 0)),
            path: path.to_owned(),
            folder: self.folder_text(tree, path)?,
            mailbox: node.mailbox.clone(),
            expected: node.expected.clone()?,
            key: node.key.clone(),
            uid: 0,
        })
    }

    /// How much there is in each mailbox, when that is `needed` or spares more than it costs; else nothing is said.
    pub(super) async fn census(
        &self,
        tree: &Tree,
        scope: &Scope,
        needed: bool,
    ) -> Result<Census, Error> {
        let listing = self.pool.capabilities()?.listing();
        let many = scope.is_wide() && tree.subtree("").nth(MANY).is_some();
        let is_cheap = listing == Listing::WithStatus;
        if needed || (many && is_cheap) {
            Census::take(&self.pool, tree).await
        } else {
            Ok(Census::default())
        }
    }
}
