//! Objects: show, delete, find by path.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use super::{
    Account, Error,
    id::fingerprint,
    locate::Located,
    refusal::Right,
    structure::{Seen, Structure, changing, flags_only, seen},
};
use crate::{
    config::DeletedObjects,
    imap::{
        self, Command, Flag, UidSet,
        capability::Deletion,
        pool::Lease,
        response::{ExtendedSearch, Untagged},
    },
    nms, task,
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

    /// Takes the object away for good, and only it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] when the store lets it be flagged but not expunged (the flag is taken back),
    /// [`Error::Unsupported`] when others' flagged messages would go with it.
    pub async fn delete_object(&self, id: &str) -> Result<(), Error> {
        let (account, id) = (self.clone(), id.to_owned());
        finish(task::spawn(async move {
            Box::pin(account.delete_now(&id)).await
        }))
        .await
    }

    pub(super) async fn delete_now(&self, id: &str) -> Result<(), Error> {
        let (located, lease, _) = self.write_object(id).await?;
        let before = self.flags_in(&lease, &located).await?;
        self.visible(&before.flags)?;
        match self.expunge(&lease, &located, &before).await {
            // The connection may have been lost before or after: both steps can be taken again, and what is gone is gone.
            Err(error @ (Error::Unavailable(_) | Error::Timeout)) => {
                drop(lease);
                self.delete_rest(id, &before).await.map_err(|_| error)
            }
            outcome => outcome,
        }
    }

    /// The rest of a removal that was cut off: the object was there when it began.
    async fn delete_rest(&self, id: &str, before: &Seen) -> Result<(), Error> {
        let (located, lease, _) = match self.write_object(id).await {
            Err(Error::NotFound) => return Ok(()),
            found => found?,
        };
        match self.flags_in(&lease, &located).await {
            Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => self.expunge(&lease, &located, before).await,
        }
    }

    /// Flags a message `\Deleted` and expunges it alone; the evidence is that it is no longer there.
    pub(super) async fn expunge(
        &self,
        lease: &Lease,
        located: &Located,
        before: &Seen,
    ) -> Result<(), Error> {
        let one = UidSet::one(located.uid);
        let deletion = self.pool.capabilities()?.deletion();
        if deletion == Deletion::GuardedExpunge {
            // RFC 9051 §6.4.3: EXPUNGE takes every message flagged so, also those that others have flagged.
            let flagged = search(lease, Command::new("UID SEARCH").atom("DELETED")).await?;
            if flagged.iter().any(|uid| *uid != located.uid) {
                return Err(Error::Unsupported("DeleteObject".to_owned()));
            }
        }
        let deleted = [Flag::parse("\\Deleted").map_err(|_| Error::Internal("flag".to_owned()))?];
        let store = |sign: &'static str| {
            Command::new("UID STORE")
                .uids(&one)
                .atom(sign)
                .flags(&deleted)
        };
        let mailbox = &located.mailbox;
        if let Err(refusal) = lease.run(store("+FLAGS")).await {
            let right = Right::DeleteMessage;
            return Err(self
                .refused_change(lease, mailbox, right, Some(refusal))
                .await);
        }
        let expunge = match deletion {
            Deletion::UidExpunge => Command::new("UID EXPUNGE").uids(&one),
            Deletion::GuardedExpunge => Command::new("EXPUNGE"),
        };
        let outcome = lease.run(expunge).await;
        if let Err(error @ (imap::Error::Closed | imap::Error::Timeout)) = outcome {
            return Err(error.into());
        }
        match self.flags_in(lease, located).await {
            Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                // RFC 4314 §4: the right to flag is not the right to expunge. Nothing half-done is left.
                if !before
                    .flags
                    .iter()
                    .any(|flag| flag.eq_ignore_ascii_case("\\Deleted"))
                {
                    lease.run(store("-FLAGS")).await?;
                }
                Err(self
                    .refused_change(lease, mailbox, Right::Expunge, outcome.err())
                    .await)
            }
        }
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

    /// MODSEQ where there is one; else a counter that rises when the flags are others than those shown last.
    pub(super) async fn last_mod_seq(&self, located: &Located, seen: &Seen) -> Result<u64, Error> {
        if let Some(mod_seq) = seen.mod_seq {
            return Ok(mod_seq);
        }
        let mut flags: Vec<String> = seen
            .flags
            .iter()
            // \Recent comes and goes with sessions: it is no change.
            .filter(|flag| !flag.eq_ignore_ascii_case("\\Recent"))
            .map(|flag| flag.to_ascii_lowercase())
            .collect();
        flags.sort();
        let mut entity = self.shown_key(&located.key).to_bytes();
        entity.extend_from_slice(&located.uid.to_be_bytes());
        let digest = fingerprint(flags.join(" ").as_bytes());
        let state = &self.store.state;
        Ok(state.last_mod_seq(&self.scope(), &entity, digest).await?)
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
