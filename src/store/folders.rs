//! Folders: show, list, find by path.

use std::sync::Arc;

use super::{
    Account, Error, FolderQuery, ListFilter,
    cursor::{Cursor, digest_of},
    id::FolderId,
    objects::{found, well_formed},
    refusal::{Patience, Refused},
    tree::Tree,
};
use crate::{
    config::DeletedObjects,
    imap::{self, Command, UidSet},
    nms,
};

/// How often a folder is looked for anew that is not where it was a moment ago.
const MOST_MOVES: usize = 4;

impl Account {
    /// The folder, with as many of its children as were asked for.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::InvalidInput`] `fromCursor`.
    pub async fn folder(
        &self,
        urls: &nms::Urls,
        id: &str,
        query: &FolderQuery,
    ) -> Result<nms::Folder, Error> {
        let cursor = match (&query.from_cursor, query.list) {
            (_, ListFilter::None) | (None, _) => None,
            (Some(text), list) => Some(Cursor::read(text, &self.seal, id, list)?),
        };
        let mut turn = None;
        let mut patience = Patience::new(MOST_MOVES);
        let (tree, path, page) = loop {
            let (tree, path) = if turn.is_none() {
                self.folder_now(id).await?
            } else {
                self.folder_in_turn(id).await?
            };
            match self.page(&tree, &path, query, cursor.clone()).await? {
                Ok(page) => break (tree, path, page),
                // Renamed, or made anew, between the look at the tree and the look into it.
                Err(refused) => patience.after(refused).await?,
            }
            if turn.is_none() {
                // The bridge itself renames nothing meanwhile.
                turn = Some(self.turn_to_change().await?);
            }
        };
        // What is counted may take its time: others need not wait for it.
        drop(turn);
        let mut attributes = self
            .folder_attributes(&tree, &[&path], &query.attributes)
            .await?;
        // An object that has just come from elsewhere is shown by the id it had there.
        if !page.objects.is_empty() {
            self.settled().await?;
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let mut folder = nms::Folder {
            parent_folder: self.parent(&tree, &path).map(|parent| urls.folder(&parent)),
            attributes: attributes.pop().unwrap_or_default(),
            resource_url: Some(urls.folder(id)),
            path: query.path.then(|| shown_path(&path)),
            name: Some(name.to_owned()),
            last_mod_seq: Some(self.folder_mod_seq(&tree, &path).await?),
            cursor: page
                .next
                .map(|cursor| cursor.write(&self.seal, id, query.list)),
            ..nms::Folder::default()
        };
        let reference = |resource_url: String, child: String| nms::Reference {
            resource_url,
            path: query.path.then_some(Some(child)),
        };
        if matches!(query.list, ListFilter::Subfolders | ListFilter::All) {
            let folders = page.folders.into_iter().filter_map(|child| {
                Some(reference(
                    urls.folder(&self.folder_text(&tree, &child)?),
                    child,
                ))
            });
            folder.sub_folders = Some(nms::FolderReferenceList {
                folder_reference: folders.collect(),
            });
        }
        if matches!(query.list, ListFilter::Objects | ListFilter::All) {
            let key = tree.node(&path).map(|node| &node.key);
            let uids = page.objects.into_iter();
            let ids = uids.filter_map(|uid| Some(self.object_text(key?, uid)));
            let objects = ids.map(|id| reference(urls.object(&id), format!("{path}/{id}")));
            folder.objects = Some(nms::ObjectReferenceList {
                object_reference: objects.collect(),
            });
        }
        Ok(folder)
    }

    /// Its name; "" for a root that is the whole box.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn folder_name(&self, id: &str) -> Result<String, Error> {
        let (_, path) = self.folder_now(id).await?;
        Ok(path.rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// The reference of the only root.
    ///
    /// # Errors
    /// [`Error::PathRequired`] when there are several.
    pub async fn only_root(&self, urls: &nms::Urls) -> Result<nms::Reference, Error> {
        let tree = self.fresh_tree().await?;
        match tree.roots()[..] {
            [root] => self.reference(&tree, urls, root),
            _ => Err(Error::PathRequired),
        }
    }

    /// The references of the folders of these paths, in order, all of one moment.
    ///
    /// # Errors
    /// Of the store; for each path [`Error::MalformedPath`], [`Error::UnknownPath`].
    pub async fn folders_by_path(
        &self,
        urls: &nms::Urls,
        paths: &[String],
    ) -> Result<Vec<Result<nms::Reference, Error>>, Error> {
        let tree = self.fresh_tree().await?;
        let found = paths.iter().map(|path| {
            let resolved = resolved(&tree, path)?;
            let known = resolved.ok_or_else(|| Error::UnknownPath(path.clone()))?;
            self.reference(&tree, urls, &known)
        });
        Ok(found.collect())
    }

    fn reference(
        &self,
        tree: &Tree,
        urls: &nms::Urls,
        path: &str,
    ) -> Result<nms::Reference, Error> {
        let id = self
            .folder_text(tree, path)
            .ok_or_else(|| Error::UnknownPath(path.to_owned()))?;
        Ok(nms::Reference {
            resource_url: urls.folder(&id),
            path: Some(shown_path(path)),
        })
    }

    /// The folder of an id in a tree as it is now.
    pub(super) async fn folder_now(&self, id: &str) -> Result<(Arc<Tree>, String), Error> {
        match self.folder_in_turn(id).await {
            // In the middle of a RENAME a mailbox may be listed under neither name.
            Err(Error::NotFound) if self.seal.read_folder(id).is_some() => {
                let _turn = self.turn_to_change().await?;
                self.folder_in_turn(id).await
            }
            found => found,
        }
    }

    /// The same for who changes folders, and has the turn to.
    pub(super) async fn folder_in_turn(&self, id: &str) -> Result<(Arc<Tree>, String), Error> {
        let id = self.seal.read_folder(id).ok_or(Error::NotFound)?;
        let tree = self.fresh_tree().await?;
        let path = self.folder_path(&tree, &id).ok_or(Error::NotFound)?;
        Ok((tree, path))
    }

    /// The id of the folder above, as text; none above a root.
    pub(super) fn parent(&self, tree: &Tree, path: &str) -> Option<String> {
        if tree.is_root(path) {
            return None;
        }
        self.folder_text(tree, path.rsplit_once('/')?.0)
    }

    /// A counter that rises when name or parent are others than those shown last.
    pub(super) async fn folder_mod_seq(&self, tree: &Tree, path: &str) -> Result<u64, Error> {
        let (entity, digest) = self.folder_entity(tree, path);
        let state = &self.store.state;
        Ok(state.last_mod_seq(&self.scope(), &entity, digest).await?)
    }

    /// As what a folder is known to the state, and a digest of its name and parent.
    pub(super) fn folder_entity(&self, tree: &Tree, path: &str) -> (Vec<u8>, u64) {
        let entity = self
            .shown_folder(tree, path)
            .map_or_else(Vec::new, |id: FolderId| id.to_bytes());
        let name = path.rsplit('/').next().unwrap_or_default();
        let parent = self.parent(tree, path).unwrap_or_default();
        (entity, digest_of(&[name, &parent]))
    }

    /// Subfolders by name, then objects newest UID first; one cursor over both. [`Refused`] when its mailbox cannot be
    /// looked into.
    async fn page(
        &self,
        tree: &Tree,
        path: &str,
        query: &FolderQuery,
        cursor: Option<Cursor>,
    ) -> Result<Result<Page, Refused>, Error> {
        let mut page = Page::default();
        let mut room = query.max_entries;
        if matches!(query.list, ListFilter::Subfolders | ListFilter::All)
            && !matches!(cursor, Some(Cursor::Object(_)))
        {
            let after = match &cursor {
                Some(Cursor::Folder(name)) => Some(name.as_str()),
                _ => None,
            };
            let mut children = tree.children(path, after).peekable();
            while room > 0 && children.peek().is_some() {
                page.folders
                    .extend(children.next().map(|(child, _)| child.to_owned()));
                room -= 1;
            }
            if children.peek().is_some() {
                page.next = page
                    .folders
                    .last()
                    .and_then(|last| last.rsplit('/').next())
                    .map(|name| Cursor::Folder(name.to_owned()));
                return Ok(Ok(page));
            }
        }
        if matches!(query.list, ListFilter::Objects | ListFilter::All) {
            let before = match cursor {
                Some(Cursor::Object(uid)) => Some(uid),
                _ => None,
            };
            let refused = self
                .page_of_objects(tree, path, before, room, &mut page)
                .await?;
            if let Some(refused) = refused {
                return Ok(Err(refused));
            }
        }
        Ok(Ok(page))
    }

    /// Adds objects to a page, unless their mailbox cannot be looked into.
    async fn page_of_objects(
        &self,
        tree: &Tree,
        path: &str,
        before: Option<u32>,
        room: usize,
        page: &mut Page,
    ) -> Result<Option<Refused>, Error> {
        let Some(node) = tree.node(path) else {
            return Ok(None);
        };
        let Some(expected) = &node.expected else {
            return Ok(None);
        };
        let command = self.list_objects(before)?;
        let uids = match command {
            Some(command) => match self.pool.read_in(&node.mailbox, expected, command).await {
                Ok(Some((_, completion))) => found(completion.untagged),
                Ok(None) => return Ok(Some(Refused::Elsewhere)),
                Err(imap::Error::No {
                    command: "EXAMINE",
                    code,
                }) => {
                    let refused = self.refused_to_open(&node.key, &node.mailbox, code);
                    return Ok(Some(refused.await));
                }
                Err(error) => return Err(error.into()),
            },
            None => Vec::new(),
        };
        // RFC 9051 §9: a range that ends below its start is read the other way round, so what is too new is left out here.
        let mut uids: Vec<u32> = uids
            .into_iter()
            .filter(|uid| before.is_none_or(|before| *uid < before))
            .collect();
        uids.sort_unstable_by(|one, other| other.cmp(one));
        uids.dedup();
        let more = uids.len() > room;
        uids.truncate(room);
        if more {
            page.next = match (uids.last(), page.folders.last()) {
                (Some(last), _) => Some(Cursor::Object(*last)),
                (None, Some(folder)) => folder
                    .rsplit('/')
                    .next()
                    .map(|name| Cursor::Folder(name.to_owned())),
                (None, None) => None,
            };
        }
        page.objects = uids;
        Ok(None)
    }

    /// The search for the objects of a folder; `None` when nothing can be left.
    fn list_objects(&self, before: Option<u32>) -> Result<Option<Command>, Error> {
        let mut command = Command::new("UID SEARCH");
        if self.pool.capabilities()?.extended_search() {
            command = command.atom("RETURN (ALL)");
        }
        command = match before {
            None => command.atom("ALL"),
            Some(0 | 1) => return Ok(None),
            Some(before) => command.atom("UID").uids(&UidSet::up_to(before - 1)),
        };
        if self.store.objects.deleted != DeletedObjects::Show {
            command = command.atom("UNDELETED");
        }
        Ok(Some(command))
    }
}

/// One answer's worth of children.
#[derive(Debug, Default)]
struct Page {
    /// Paths.
    folders: Vec<String>,
    /// UIDs.
    objects: Vec<u32>,
    next: Option<Cursor>,
}

/// The path of a folder that exists; `/` and the empty path mean a root that is the whole box.
pub(super) fn resolved(tree: &Tree, path: &str) -> Result<Option<String>, Error> {
    if matches!(path, "" | "/") {
        return Ok(tree.is_root("").then(String::new));
    }
    let path = well_formed(path)?;
    Ok((tree.node(path).is_some() || tree.is_root(path)).then(|| path.to_owned()))
}

/// Contract §6.1: the path of a root that is the whole box is `null`.
pub(super) fn shown_path(path: &str) -> Option<String> {
    (!path.is_empty()).then(|| path.to_owned())
}
