//! Objects: show, find by path.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use super::{
    Account, Error,
    id::{MailboxKey, ObjectId, fingerprint},
    locate::Located,
    structure::{Seen, Structure, changing, flags_only, seen},
};
use crate::{
    config::DeletedObjects,
    imap::{
        Command,
        pool::Lease,
        response::{ExtendedSearch, Untagged},
    },
    nms,
};

/// UIDs of one search that are kept; mailboxes are smaller.
const MOST_FOUND: usize = 10_000_000;

impl Account {
    /// The object with its attributes, flags and list of parts.
    ///
    /// # Errors
    /// [`Error::NotFound`], and what the store's answers mean.
    pub async fn object(&self, urls: &nms::Urls, id: &str) -> Result<nms::Object, Error> {
        let (located, structure, seen) = self.structure(id).await?;
        self.visible(&seen.flags)?;
        self.shown(urls, id, &located, &structure, &seen).await
    }

    /// An object as its GET shows it.
    pub(super) async fn shown(
        &self,
        urls: &nms::Urls,
        id: &str,
        located: &Located,
        structure: &Structure,
        seen: &Seen,
    ) -> Result<nms::Object, Error> {
        let attribute = structure
            .attributes
            .iter()
            .map(|attribute| nms::Attribute {
                name: attribute.name.clone(),
                value: attribute.values.clone(),
            })
            .collect();
        Ok(nms::Object {
            parent_folder: Some(urls.folder(&located.folder)),
            attributes: nms::AttributeList { attribute },
            flags: self.flag_list(urls, id, &seen.flags),
            resource_url: Some(urls.object(id)),
            path: Some(format!("{}/{id}", located.path)),
            payload_url: structure.has_payload.then(|| urls.payload(id)),
            payload_part: listed(structure, urls, id),
            last_mod_seq: Some(self.last_mod_seq(located, seen).await?),
            correlation_id: structure.correlation_id.clone(),
            correlation_tag: structure.correlation_tag.clone(),
        })
    }

    /// The reference of the object of that path.
    ///
    /// # Errors
    /// [`Error::MalformedPath`], [`Error::UnknownPath`].
    pub async fn object_by_path(
        &self,
        urls: &nms::Urls,
        path: &str,
    ) -> Result<nms::Reference, Error> {
        let unknown = || Error::UnknownPath(path.to_owned());
        let (folder, id) = well_formed(path)?.rsplit_once('/').ok_or_else(unknown)?;
        let (located, seen) = match self.seen(id).await {
            Err(Error::NotFound) => return Err(unknown()),
            found => found?,
        };
        self.visible(&seen.flags).map_err(|_| unknown())?;
        if located.path != folder {
            return Err(unknown());
        }
        Ok(nms::Reference {
            resource_url: urls.object(id),
            path: Some(Some(path.to_owned())),
        })
    }

    /// Whether an object with these flags is there for REST.
    pub(super) fn visible(&self, flags: &[String]) -> Result<(), Error> {
        let hidden = self.store.objects.deleted != DeletedObjects::Show
            && flags
                .iter()
                .any(|flag| flag.eq_ignore_ascii_case("\\Deleted"));
        if hidden { Err(Error::NotFound) } else { Ok(()) }
    }

    /// MODSEQ where there is one, above whatever was shown before the object was moved; else a counter that rises when flags or place are
    /// others than those shown last.
    pub(super) async fn last_mod_seq(&self, located: &Located, seen: &Seen) -> Result<u64, Error> {
        let (scope, id) = (self.scope(), located.id.to_bytes());
        let state = &self.store.state;
        if let Some(mod_seq) = seen.mod_seq {
            return Ok(mod_seq.saturating_add(state.offset(&scope, &id)));
        }
        let digest = self.state_digest(&located.id, &located.key, &seen.flags);
        Ok(state.last_mod_seq(&scope, &id, digest).await?)
    }

    /// A digest of what a change of is a change of the object: its flags, and its place if that is not where it was made.
    pub(super) fn state_digest(&self, id: &ObjectId, key: &MailboxKey, flags: &[String]) -> u64 {
        let mut flags: Vec<String> = flags
            .iter()
            // \Recent comes and goes with sessions: it is no change.
            .filter(|flag| !flag.eq_ignore_ascii_case("\\Recent"))
            .map(|flag| flag.to_ascii_lowercase())
            .collect();
        flags.sort();
        let mut shown = flags.join(" ").into_bytes();
        let parent = self.shown_key(key);
        if parent != id.mailbox {
            shown.extend_from_slice(&parent.to_bytes());
        }
        fingerprint(&shown)
    }

    /// Flags and MODSEQ of an object in the session that will write, so that they are what the write meets.
    pub(super) async fn flags_in(&self, lease: &Lease, located: &Located) -> Result<Seen, Error> {
        let items = changing(lease.has_mod_seq());
        let completion = lease.run(flags_only(located, &items)).await?;
        seen(completion, located.uid, &items)
    }
}

/// Waits for work that must not end with the request that caused it.
pub(super) async fn finish<T>(task: tokio::task::JoinHandle<Result<T, Error>>) -> Result<T, Error> {
    task.await
        .unwrap_or_else(|error| Err(Error::Internal(format!("a write ended early: {error}"))))
}

/// UIDs of a search, in no particular order.
pub(super) async fn search(lease: &Lease, command: Command) -> Result<Vec<u32>, Error> {
    Ok(found(lease.run(command).await?.untagged))
}

/// UIDs in SEARCH and ESEARCH answers. Zero is none (RFC 9051 §9, `uniqueid`).
pub(super) fn found(untagged: Vec<Untagged>) -> Vec<u32> {
    let mut uids = Vec::new();
    for data in untagged {
        match data {
            Untagged::Search { numbers, .. } if uids.is_empty() => uids = numbers,
            Untagged::Search { numbers, .. } => uids.extend(numbers),
            Untagged::ExtendedSearch(ExtendedSearch { all, .. }) => {
                // A range costs a server nothing to say: what it stands for is bounded here.
                let room = MOST_FOUND.saturating_sub(uids.len());
                uids.extend(all.into_iter().flatten().take(room));
            }
            _ => {}
        }
    }
    uids.retain(|uid| *uid != 0);
    uids
}

/// A path as the contract has it: starts with `/`, no empty level.
pub(super) fn well_formed(path: &str) -> Result<&str, Error> {
    let levels = path
        .strip_prefix('/')
        .ok_or_else(|| Error::MalformedPath(path.to_owned()))?;
    if levels.split('/').any(str::is_empty) {
        return Err(Error::MalformedPath(path.to_owned()));
    }
    Ok(path)
}

fn listed(structure: &Structure, urls: &nms::Urls, id: &str) -> Vec<nms::PayloadPartInfo> {
    structure
        .parts
        .iter()
        .map(|part| nms::PayloadPartInfo {
            content_type: part.content_type.clone(),
            content_id: part.content_id.clone(),
            content_location: part.content_location.clone(),
            size: part.size,
            href: urls.payload_part(id, &part.id),
            content_disposition: part.content_disposition.clone(),
        })
        .collect()
}
