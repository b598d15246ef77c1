//! Looking at candidates: what is shown of each is read, many by one command, and held against the query.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tracing::warn;

use super::{
    criteria::Query,
    folder::Folder,
    matching::{Known, is_meant},
};
use crate::{
    imap::{Item, response::Fetch},
    store::{
        Account, Error,
        id::MailboxKey,
        locate::Located,
        structure::{Seen, Structure, changing, everything},
    },
};

/// Messages of one command when their first octets come along.
const COLD: usize = 32;
/// The same when it is only flags.
const WARM: usize = 500;

/// An object that was looked at.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) located: Located,
    pub(super) structure: Arc<Structure>,
    pub(super) seen: Seen,
}

impl Account {
    /// What these objects of a folder show, in their order; those that are gone, or cannot be read, are left out.
    pub(super) async fn look_at(
        &self,
        folder: &mut Folder,
        uids: &[u32],
    ) -> Result<Vec<Hit>, Error> {
        let mod_seq = self.pool.capabilities()?.mod_seq();
        let mut known = HashMap::new();
        let (mut warm, mut cold) = (Vec::new(), Vec::new());
        for uid in uids {
            match self.known_structure(&folder.at.key, *uid).await {
                Some(structure) => {
                    known.insert(*uid, structure);
                    warm.push(*uid);
                }
                None => cold.push(*uid),
            }
        }
        let mut hits = BTreeMap::new();
        let changing: Arc<[Item]> = changing(mod_seq).into();
        for some in warm.chunks(WARM) {
            for (uid, fetch) in self.fetch_in(folder, some, &changing).await? {
                if let (Some(structure), Some(seen)) = (known.remove(&uid), Seen::new(fetch)) {
                    let located = self.located_in(folder, uid);
                    let hit = Hit {
                        located,
                        structure,
                        seen,
                    };
                    hits.insert(uid, hit);
                }
            }
        }
        let everything = everything(mod_seq);
        for some in cold.chunks(COLD) {
            for (uid, fetch) in self.fetch_in(folder, some, &everything).await? {
                if let Some(hit) = self.read_cold(folder, uid, fetch).await? {
                    hits.insert(uid, hit);
                }
            }
        }
        Ok(uids.iter().filter_map(|uid| hits.remove(uid)).collect())
    }

    /// Where an object was made, as far as the query asks for that.
    pub(super) fn born(&self, query: &Query, folder: &Folder, uid: u32) -> (MailboxKey, u32) {
        if query.asks_for_created() {
            self.made_at(&folder.at.key, uid)
        } else {
            (folder.at.key.clone(), uid)
        }
    }

    fn located_in(&self, folder: &Folder, uid: u32) -> Located {
        Located {
            id: self.id_of(self.place_at(&folder.at.key, uid)),
            uid,
            ..folder.at.clone()
        }
    }

    async fn read_cold(
        &self,
        folder: &Folder,
        uid: u32,
        fetch: Fetch,
    ) -> Result<Option<Hit>, Error> {
        let Some(mut seen) = Seen::new(fetch) else {
            return Ok(None);
        };
        let fetch = std::mem::take(&mut seen.fetch);
        let mut located = self.located_in(folder, uid);
        match self.structure_of(&mut located, fetch).await {
            Ok(structure) => Ok(Some(Hit {
                located,
                structure,
                seen,
            })),
            Err(Error::NotFound) => Ok(None),
            Err(error) if error.is_for_now() => Err(error),
            // One message that cannot be read is no reason to show no other.
            Err(error) => {
                warn!(%error, "a message cannot be shown and is left out");
                Ok(None)
            }
        }
    }

    /// Whether an object is meant; its texts are read only if nothing else decides.
    pub(super) async fn is_hit(
        &self,
        query: &Query,
        path: &str,
        hit: &mut Hit,
    ) -> Result<bool, Error> {
        if self.visible(&hit.seen.flags).is_err() {
            return Ok(false);
        }
        let (key, uid) = self.made_at(&hit.located.key, hit.located.uid);
        let structure = Arc::clone(&hit.structure);
        let mut known = Known::new(path, &key, uid);
        known.attributes = Some(&structure.attributes);
        known.flags = Some(&hit.seen.flags);
        if let Some(meant) = is_meant(query, &known) {
            return Ok(meant);
        }
        let texts = self.texts(&mut hit.located, &structure).await?;
        known.texts = Some(&texts);
        Ok(is_meant(query, &known).unwrap_or(false))
    }
}
