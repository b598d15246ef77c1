//! Objects of folders to which a RENAME gives new UIDs: Courier counts them anew, from 1 on and without gaps.
//!
//! What is known of the messages before is found again after, each by its identity, and keeps its id by an alias of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Account, Error,
    id::ObjectId,
    identity::{Identity, matched},
    tree::Tree,
};
use crate::{imap::capability::MailboxIdentity, state::Moving};

/// Most objects of a folder that keep their ids, the newest.
const MOST: usize = 10_000;

/// The messages of the folder that is renamed, and of those below it.
#[derive(Debug, Default)]
pub(super) struct Numbered(Vec<Folder>);

#[derive(Debug)]
struct Folder {
    /// Its path, behind that of the one that is renamed.
    below: String,
    validity: u32,
    messages: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    id: ObjectId,
    uid: u32,
    identity: Identity,
}

impl Account {
    /// The messages of a folder that will be renamed, and of all below it, where the store may give them other UIDs.
    pub(super) async fn numbered(&self, tree: &Tree, path: &str) -> Result<Numbered, Error> {
        let mut numbered = Numbered::default();
        if self.pool.capabilities()?.mailbox_identity() != MailboxIdentity::Name {
            return Ok(numbered);
        }
        for (below, node) in tree.subtree(path) {
            let messages = match self.all_messages(node, MOST).await {
                // One that may be renamed and not be looked into: nobody knows an id of what is in it.
                Err(error) if !error.is_for_now() => {
                    tracing::warn!(%error, "what is in a folder that will be renamed cannot be read");
                    continue;
                }
                messages => messages?,
            };
            let known = messages.into_iter().map(|(uid, identity)| Known {
                id: self.id_of(self.place_at(&node.key, uid)),
                uid,
                identity,
            });
            numbered.0.push(Folder {
                below: below[path.len()..].to_owned(),
                validity: node.key.validity(),
                messages: known.collect(),
            });
        }
        Ok(numbered)
    }

    /// Makes aliases for those that have other UIDs now. The folders' own are there already.
    pub(super) async fn keep_object_ids(
        &self,
        before: Numbered,
        after: &Tree,
        path: &str,
    ) -> Result<(), Error> {
        for folder in before.0 {
            let node = after.node(&format!("{path}{}", folder.below));
            let renumbered = node.filter(|node| node.key.validity() != folder.validity);
            let Some(node) = renumbered.filter(|_| !folder.messages.is_empty()) else {
                continue;
            };
            let moving = |known: &Known| Moving {
                uid: known.uid,
                identity: known.identity,
                last_mod_seq: 0,
            };
            let objects: Vec<Moving> = folder.messages.iter().map(moving).collect();
            let now = self.all_messages(node, MOST).await?;
            let mut found = BTreeMap::new();
            matched(&objects, &BTreeSet::new(), &now, &mut found);
            for known in folder.messages {
                let Some(uid) = found.get(&known.uid) else {
                    continue;
                };
                let place = self.place_at(&node.key, *uid);
                self.store
                    .state
                    .alias(&self.scope(), &known.id.to_bytes(), &place.to_bytes());
            }
        }
        Ok(())
    }
}
