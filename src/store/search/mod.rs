//! Search: objects and folders that meet criteria (contract §4).
//!
//! * What is asked is validated whole before the store is asked anything (`criteria`).
//! * A folder is asked by one SEARCH that finds at least what is meant (`plan`); what is found is held against the contract's meaning on what
//!   the object shows (`matching`), so that a search never disagrees with a GET.
//! * Order is the bridge's own (`order`), a cursor is the last key looked at, and nothing is kept between requests but what cannot change
//!   (`dates`, structures).
//! * A request looks at a bounded number of messages; then the page ends early (`walk`).

mod created;
mod criteria;
mod dates;
mod filter;
mod folder;
mod folders;
mod look;
mod matching;
mod order;
mod passed;
mod plan;
mod scope;
mod selected;
mod texts;
mod walk;

use std::sync::Arc;

pub(super) use self::dates::Dates;
use self::{
    created::Snapshot,
    criteria::{Query, Rules, Subject},
    order::Cursor,
    scope::Scope,
};
pub use self::{
    criteria::{asks_for_vanished, max_entries},
    filter::Filter,
};
use super::{Account, Error, cursor::digest_of, tree::Tree};
use crate::nms::{self, SelectionCriteria};

impl Account {
    /// A page of the objects that meet the criteria, at most `granted` of them, each as its GET shows it.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] and [`Error::InvalidValue`] for what is wrong with the criteria (contract §4), [`Error::Unsupported`] for a preset
    /// that is not known and refused, and for an order of more objects than are ordered.
    pub async fn search_objects(
        &self,
        urls: &nms::Urls,
        asked: &SelectionCriteria,
        granted: usize,
    ) -> Result<nms::ObjectList, Error> {
        let room = max_entries(asked, granted)?;
        let query = self.query(asked, Subject::Objects)?;
        let (tree, scope) = self.searched(urls, asked).await?;
        let digest = digest(asked, &scope);
        let cursor = asked.from_cursor.as_deref();
        let cursor = cursor
            .map(|text| Cursor::read(text, &self.seal, digest, query.sort.len()))
            .transpose()?;
        let known = cursor.as_ref().and_then(|cursor| cursor.snapshot.clone());
        let needs_snapshot = query.asks_for_created() && known.is_none();
        let census = self.census(&tree, &scope, needs_snapshot).await?;
        let snapshot = query
            .asks_for_created()
            .then(|| known.unwrap_or_else(|| Snapshot::of(&tree, &census)));
        let folders = self.folders_in(&tree, &scope, &census);
        let mut page = if query.sort.is_empty() {
            self.walk(&query, folders, cursor.as_ref(), room).await?
        } else {
            let after = cursor.as_ref().map(|cursor| &cursor.position);
            self.walk_sorted(&query, folders, after, room).await?
        };
        let mut object = Vec::with_capacity(page.hits.len());
        if !page.hits.is_empty() {
            // An object that has just come from elsewhere is shown by the id it had there.
            self.settled().await?;
        }
        for hit in &mut page.hits {
            hit.located.id = self.id_of(self.place_at(&hit.located.key, hit.located.uid));
            let id = self.seal.object(&hit.located.id);
            let shown = self.shown(urls, &id, &hit.located, &hit.structure, &hit.seen);
            object.push(shown.await?);
        }
        let creation_cursor = snapshot.as_ref().map(|snapshot| snapshot.write(&self.seal));
        let passed = page.passed;
        let next = page.next.map(|position| Cursor {
            position,
            passed,
            snapshot,
        });
        let cursor = next
            .map(|next| next.write(&self.seal, digest))
            .transpose()?;
        Ok(nms::ObjectList {
            object,
            cursor,
            creation_cursor,
        })
    }

    fn query(&self, asked: &SelectionCriteria, subject: Subject) -> Result<Query, Error> {
        let rules = Rules {
            subject,
            unknown_preset: self.store.search.unknown_preset,
            seal: &self.seal,
        };
        Query::read(asked, rules)
    }

    /// The tree as it is now, and where in it the criteria look.
    async fn searched(
        &self,
        urls: &nms::Urls,
        asked: &SelectionCriteria,
    ) -> Result<(Arc<Tree>, Scope), Error> {
        let tree = self.fresh_tree().await?;
        match self.scope_of(&tree, urls, asked) {
            // In the middle of a RENAME a mailbox may be listed under neither name.
            Err(_) if self.may_be_renamed(urls, asked) => {
                let _turn = self.turn_to_change().await?;
                let tree = self.fresh_tree().await?;
                let scope = self.scope_of(&tree, urls, asked)?;
                Ok((tree, scope))
            }
            scope => Ok((tree, scope?)),
        }
    }

    /// Whether the scope is an id of this box.
    fn may_be_renamed(&self, urls: &nms::Urls, asked: &SelectionCriteria) -> bool {
        let scope = asked.search_scope.as_ref();
        let url = scope.and_then(|scope| scope.resource_url.as_deref());
        url.and_then(|url| urls.folder_id(url))
            .is_some_and(|id| self.seal.read_folder(&id).is_some())
    }
}

/// What a cursor is bound to: criteria, scope and order as they were asked for.
fn digest(asked: &SelectionCriteria, scope: &Scope) -> u64 {
    digest_of(&[
        &format!("{:?}", asked.search_criteria),
        &scope.id,
        &format!("{:?}", asked.non_recursive_scope == Some(true)),
        &format!("{:?}", asked.sort()),
    ])
}
