//! The search for folders: on the attributes they are shown with, by path unless another order is asked for.

use super::{
    criteria::{Criterion, Query, SortKind, Subject},
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
        Account, Error, FolderQuery, ListFilter, folders::shown_path, id::MailboxKey, tree::Tree,
    },
};

/// Folders are no messages of any mailbox.
const NO_MAILBOX: MailboxKey = MailboxKey::UidValidity(0);

/// A folder that is meant.
struct Found {
    position: Position,
    attributes: nms::AttributeList,
}

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
        let mut found = self.found(&tree, &scope, &query).await?;
        if let Some(after) = after {
            found.retain(|found| after.compare(&found.position, &query.sort).is_lt());
        }
        found.sort_by(|one, other| one.position.compare(&other.position, &query.sort));
        let more = found.len() > room;
        found.truncate(room);
        let next = found.last().filter(|_| more).map(|found| Cursor {
            position: found.position.clone(),
            passed: None,
            snapshot: None,
        });
        let cursor = next
            .map(|next| next.write(&self.seal, digest))
            .transpose()?;
        let mut folder = Vec::with_capacity(found.len());
        for found in found {
            let shown = if asks_for_roots(&query) && tree.is_root(&found.position.path) {
                let named = named(&query);
                self.root(urls, &tree, &found.position.path, named, granted)
                    .await?
            } else {
                self.folder_of(urls, &tree, found).await?
            };
            folder.extend(shown);
        }
        Ok(nms::FolderList { folder, cursor })
    }

    /// The folders that are meant, in no particular order.
    async fn found(&self, tree: &Tree, scope: &Scope, query: &Query) -> Result<Vec<Found>, Error> {
        let others = tree.subtree("").map(|(path, _)| path);
        let others = others.filter(|path| !tree.is_root(path));
        let roots = tree.roots().into_iter();
        let paths: Vec<&str> = roots
            .chain(others)
            .filter(|path| scope.is_above(path))
            .collect();
        let attributes = self.folder_attributes(tree, &paths, &named(query)).await?;
        let found = |(path, attributes): (&str, nms::AttributeList)| {
            let shown = as_shown(&attributes);
            let mut known = Known::new(path, &NO_MAILBOX, 0);
            known.attributes = Some(&shown);
            is_meant(query, &known).unwrap_or(false).then(|| Found {
                position: Position {
                    keys: keys(&query.sort, &shown),
                    path: path.to_owned(),
                    uid: 0,
                },
                attributes,
            })
        };
        let all = paths.into_iter().zip(attributes);
        Ok(all.filter_map(found).collect())
    }

    /// Contract §4.6: a root that is searched for is shown with its children.
    async fn root(
        &self,
        urls: &nms::Urls,
        tree: &Tree,
        path: &str,
        attributes: Vec<String>,
        granted: usize,
    ) -> Result<Option<nms::Folder>, Error> {
        let Some(id) = self.folder_text(tree, path) else {
            return Ok(None);
        };
        let query = FolderQuery {
            list: ListFilter::All,
            max_entries: granted,
            path: true,
            attributes,
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
        found: Found,
    ) -> Result<Option<nms::Folder>, Error> {
        let path = found.position.path.as_str();
        let Some(id) = self.folder_text(tree, path) else {
            return Ok(None);
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        Ok(Some(nms::Folder {
            parent_folder: self.parent(tree, path).map(|parent| urls.folder(&parent)),
            attributes: found.attributes,
            resource_url: Some(urls.folder(&id)),
            path: Some(shown_path(path)),
            name: Some(name.to_owned()),
            last_mod_seq: Some(self.folder_mod_seq(tree, path).await?),
            ..nms::Folder::default()
        }))
    }
}

/// Names of attributes that are asked for, so that they are counted where they have to be.
fn named(query: &Query) -> Vec<String> {
    let criteria = query
        .criteria
        .iter()
        .filter_map(|criterion| match criterion {
            Criterion::Attribute { name, .. } => Some(name.clone()),
            Criterion::Everything
            | Criterion::Date(..)
            | Criterion::AllTextAttributes(_)
            | Criterion::WholeWord(_)
            | Criterion::Flag(..)
            | Criterion::CreatedObjects(_)
            | Criterion::Below(_)
            | Criterion::Party(_) => None,
        });
    let sort = query.sort.iter().filter_map(|sort| match &sort.kind {
        SortKind::Attribute(name) => Some(name.clone()),
        SortKind::Date => None,
    });
    criteria.chain(sort).collect()
}

/// The same for what is held against criteria.
fn as_shown(attributes: &nms::AttributeList) -> Vec<Attribute> {
    let attribute = |attribute: &nms::Attribute| Attribute {
        name: attribute.name.clone(),
        values: attribute.value.clone(),
    };
    attributes.attribute.iter().map(attribute).collect()
}

fn asks_for_roots(query: &Query) -> bool {
    query.criteria.iter().any(|criterion| {
        matches!(criterion, Criterion::Attribute { name, value, .. }
            if name.eq_ignore_ascii_case("Root") && value == "Yes")
    })
}
