//! The search for folders: on the attributes they are shown with, by path unless another order is asked for.

use super::{
    criteria::{Criterion, Query, Subject},
    digest,
    matching::{Known, is_meant},
    max_entries,
    order::{Cursor, Position, keys},
    scope::Scope,
};
use crate::{
    message::Attribute,
    nms::{self, SelectionCriteria},
    store::{
        Account, Error, FolderQuery, ListFilter,
        folders::{attributes, shown_path},
        id::MailboxKey,
        tree::Tree,
    },
};

/// Folders are no messages of any mailbox.
const NO_MAILBOX: MailboxKey = MailboxKey::UidValidity(0);

impl Account {
    /// A page of the folders that meet the criteria, at most `granted` of them. Roots that are searched for come with their children.
    ///
    /// # Errors
    /// As for [`Self::search_objects`].
    pub async fn search_folders(
        &self,
        urls: &nms::Urls,
        asked: &SelectionCriteria,
        granted: usize,
    ) -> Result<nms::FolderList, Error> {
        let room = max_entries(asked, granted)?;
        let query = self.query(asked, Subject::Folders)?;
        let (tree, scope) = self.searched(urls, asked).await?;
        let digest = digest(asked, &scope);
        let cursor = asked.from_cursor.as_deref();
        let after = cursor
            .map(|text| Cursor::read(text, &self.seal, digest, query.sort.len()))
            .transpose()?
            .map(|cursor| cursor.position);
        let mut found = found(&tree, &scope, &query);
        if let Some(after) = after {
            found.retain(|position| after.compare(position, &query.sort).is_lt());
        }
        found.sort_by(|one, other| one.compare(other, &query.sort));
        let more = found.len() > room;
        found.truncate(room);
        let next = found.last().filter(|_| more).map(|position| Cursor {
            position: position.clone(),
            snapshot: None,
        });
        let cursor = next
            .map(|next| next.write(&self.seal, digest))
            .transpose()?;
        let mut folder = Vec::with_capacity(found.len());
        for position in &found {
            let shown = if asks_for_roots(&query) && tree.is_root(&position.path) {
                self.root(urls, &tree, &position.path, granted).await?
            } else {
                self.folder_of(urls, &tree, &position.path).await?
            };
            folder.extend(shown);
        }
        Ok(nms::FolderList { folder, cursor })
    }

    /// Contract §4.6: a root that is searched for is shown with its children.
    async fn root(
        &self,
        urls: &nms::Urls,
        tree: &Tree,
        path: &str,
        granted: usize,
    ) -> Result<Option<nms::Folder>, Error> {
        let Some(id) = self.folder_text(tree, path) else {
            return Ok(None);
        };
        let query = FolderQuery {
            list: ListFilter::All,
            max_entries: granted,
            path: true,
            ..FolderQuery::default()
        };
        match self.folder(urls, &id, &query).await {
            Ok(folder) => Ok(Some(folder)),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A folder as it is found, without its children.
    async fn folder_of(
        &self,
        urls: &nms::Urls,
        tree: &Tree,
        path: &str,
    ) -> Result<Option<nms::Folder>, Error> {
        let Some(id) = self.folder_text(tree, path) else {
            return Ok(None);
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        Ok(Some(nms::Folder {
            parent_folder: self.parent(tree, path).map(|parent| urls.folder(&parent)),
            attributes: attributes(tree, path, name),
            resource_url: Some(urls.folder(&id)),
            path: Some(shown_path(path)),
            name: Some(name.to_owned()),
            last_mod_seq: Some(self.folder_mod_seq(tree, path).await?),
            ..nms::Folder::default()
        }))
    }
}

/// The folders that are meant, in no particular order.
fn found(tree: &Tree, scope: &Scope, query: &Query) -> Vec<Position> {
    let roots = tree.roots().into_iter();
    let others = tree.subtree("").map(|(path, _)| path);
    let others = others.filter(|path| !tree.is_root(path));
    let position = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let shown = attributes(tree, path, name).attribute;
        let shown: Vec<Attribute> = shown
            .into_iter()
            .map(|attribute| Attribute {
                name: attribute.name,
                values: attribute.value,
            })
            .collect();
        let mut known = Known::new(path, &NO_MAILBOX, 0);
        known.attributes = Some(&shown);
        is_meant(query, &known).unwrap_or(false).then(|| Position {
            keys: keys(&query.sort, &shown),
            path: path.to_owned(),
            uid: 0,
        })
    };
    roots
        .chain(others)
        .filter(|path| scope.is_above(path))
        .filter_map(position)
        .collect()
}

fn asks_for_roots(query: &Query) -> bool {
    query.criteria.iter().any(|criterion| {
        matches!(criterion, Criterion::Attribute { name, value, .. }
            if name.eq_ignore_ascii_case("Root") && value == "Yes")
    })
}
