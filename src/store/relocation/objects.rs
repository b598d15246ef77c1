//! Objects copied or moved in sets: one command for all of a mailbox, and what it said of each.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::sleep;

use super::{
    super::{
        Account, Error,
        id::ObjectId,
        identity::{elsewhere, matched, sets},
        locate::Located,
        parent::Target,
        place::LOOKS,
        refusal::{Right, by_code},
    },
    Item, Relocating, no_url,
    sources::{Found, Group, rounds},
};
use crate::{
    clock,
    imap::{
        self, Command, MailboxName, UidSet,
        capability::Moving as Way,
        copied::copied,
        pool::Lease,
        response::{Code, Untagged},
    },
    nms,
    state::{Move, Moving},
};

/// What became of the messages of one set.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// New UIDs by old ones.
    pub(super) done: BTreeMap<u32, u32>,
    /// What is known not to be done, or not known at all.
    pub(super) failed: BTreeSet<u32>,
    /// Why. What is neither done nor failed was not there.
    pub(super) error: Option<Error>,
}

/// A mailbox just before something is put there.
struct Before {
    uid_next: u32,
    mod_seq: u64,
}

impl Account {
    /// Copies or moves objects: one outcome each, in their order.
    pub(super) async fn relocate_objects(
        &self,
        urls: &nms::Urls,
        kind: Relocating,
        target: &str,
        named: &[Option<String>],
    ) -> Vec<Item> {
        let unknown = |url: &Option<String>| match url {
            Some(url) => Err(Error::InvalidInput(url.clone())),
            None => Err(no_url()),
        };
        let mut items: Vec<Item> = named.iter().map(unknown).collect();
        let id = |url: &Option<String>| self.seal.read_object(&urls.object_id(url.as_deref()?)?);
        let ids = named.iter().map(id).enumerate();
        let ids: Vec<(usize, ObjectId)> = ids.filter_map(|(at, id)| Some((at, id?))).collect();
        if ids.is_empty() {
            return items;
        }
        let outcome = Box::pin(self.relocate_known(urls, kind, target, &ids, &mut items)).await;
        if let Err(error) = outcome {
            // Of those that it was not yet said of.
            for (at, _) in ids {
                if let Err(Error::InvalidInput(_)) = items[at] {
                    items[at] = Err(error.clone());
                }
            }
        }
        items
    }

    /// # Errors
    /// Why no more can be done.
    async fn relocate_known(
        &self,
        urls: &nms::Urls,
        kind: Relocating,
        url: &str,
        ids: &[(usize, ObjectId)],
        items: &mut [Item],
    ) -> Result<(), Error> {
        let _turn = self.turn_to_move().await?;
        for round in rounds(kind, ids) {
            let mut groups = Vec::new();
            for group in self.by_mailbox(round) {
                let entries: Vec<usize> = group
                    .iter()
                    .flat_map(|(source, _)| source.entries.clone())
                    .collect();
                match self.looked_at(group).await {
                    Ok(group) => groups.push(group),
                    Err(Error::NotFound) => {}
                    Err(error) if error.is_for_now() => return Err(error),
                    Err(error) => set(items, &entries, &Err(error)),
                }
            }
            groups.retain(|group| !group.found.is_empty());
            if groups.is_empty() {
                continue;
            }
            // Not before there is something to put there.
            let (tree, path) = self.folder_of_url(urls, url).await?;
            let target = self.selectable(&tree, &path, url, false).await?;
            for group in groups {
                self.relocate_group(urls, kind, &target, group, items)
                    .await?;
            }
        }
        Ok(())
    }

    async fn relocate_group(
        &self,
        urls: &nms::Urls,
        kind: Relocating,
        target: &Target,
        group: Group,
        items: &mut [Item],
    ) -> Result<(), Error> {
        let Group { located, found } = group;
        let stays = kind == Relocating::Move && located.key == target.key;
        if stays {
            // Perhaps asked again because the aliases could not be kept at first.
            self.store.state.commit().await?;
        }
        let uids: Vec<u32> = found.iter().map(|found| found.uid).collect();
        for uids in sets(&uids) {
            let some: Vec<&Found> = found
                .iter()
                .filter(|found| uids.binary_search(&found.uid).is_ok())
                .collect();
            let outcome = if stays {
                Ok(Outcome {
                    done: uids.iter().map(|uid| (*uid, *uid)).collect(),
                    ..Outcome::default()
                })
            } else {
                match kind {
                    Relocating::Copy => self.copy_set(&located, target, &some).await,
                    Relocating::Move => self.move_set(&located, target, &some).await,
                }
            };
            let outcome = outcome.unwrap_or_else(|error| Outcome {
                failed: uids.iter().copied().collect(),
                error: Some(error),
                ..Outcome::default()
            });
            for found in some {
                let item = match (outcome.done.get(&found.uid), &outcome.error) {
                    (Some(uid), _) => Ok(self.relocated(urls, kind, target, found, *uid)),
                    (None, Some(error)) if outcome.failed.contains(&found.uid) => {
                        Err(error.clone())
                    }
                    // It was there when it was looked at: a bad source by now.
                    (None, _) => continue,
                };
                set(items, &found.source.entries, &item);
            }
            if let Some(error) = outcome.error.filter(Error::is_for_now) {
                return Err(error);
            }
        }
        Ok(())
    }

    fn relocated(
        &self,
        urls: &nms::Urls,
        kind: Relocating,
        target: &Target,
        found: &Found,
        uid: u32,
    ) -> nms::Reference {
        let id = match kind {
            Relocating::Copy => self.object_text(&target.key, uid),
            Relocating::Move => self.seal.object(&found.source.id),
        };
        nms::Reference {
            resource_url: urls.object(&id),
            path: Some(Some(format!("{}/{id}", target.path))),
        }
    }

    /// Copies messages of one mailbox, once.
    async fn copy_set(
        &self,
        from: &Located,
        target: &Target,
        found: &[&Found],
    ) -> Result<Outcome, Error> {
        let objects = moving(found);
        let uids: Vec<u32> = objects.iter().map(|object| object.uid).collect();
        let opened = self.pool.examine_in(&from.mailbox, &from.expected).await?;
        let (lease, _) = opened.ok_or_else(elsewhere)?;
        let before = match self.before(&lease, target).await? {
            Ok(before) => before,
            Err(refusal) => return Err(self.refused(None, target, found, refusal, lease).await),
        };
        let sent = lease.run(relocation("UID COPY", &uids, target)).await;
        let (mut copies, waits, error) = match sent {
            Ok(done) => {
                let copies = copied(&done, &uids, target.expected.uid_validity);
                // Who says it of one says it of all that were there.
                let waits = if copies.is_empty() { 1 } else { 0 };
                (copies, &LOOKS[..waits], None)
            }
            Err(error) if error.leaves_open() => {
                (BTreeMap::new(), &LOOKS[..], Some(Error::from(error)))
            }
            Err(refusal) => return Err(self.refused(None, target, found, refusal, lease).await),
        };
        drop(lease);
        let there = uids.iter().copied().collect();
        for wait in waits {
            sleep(*wait).await;
            let new = self.new_messages(target, before.uid_next, most(&objects));
            matched(&objects, &there, &new.await?, &mut copies);
            if copies.len() == uids.len() {
                break;
            }
        }
        Ok(Outcome {
            failed: match error {
                Some(_) => there,
                None => BTreeSet::new(),
            },
            done: copies,
            error,
        })
    }

    /// Moves messages of one mailbox, once. Its intent is in the state before anything is sent.
    async fn move_set(
        &self,
        from: &Located,
        target: &Target,
        found: &[&Found],
    ) -> Result<Outcome, Error> {
        let objects = moving(found);
        let uids: Vec<u32> = objects.iter().map(|object| object.uid).collect();
        let way = self.pool.capabilities()?.moving();
        let opened = self.pool.write_in(&from.mailbox, &from.expected).await?;
        let (lease, selected) = opened.ok_or_else(elsewhere)?;
        if selected.read_only {
            return Err(Error::Forbidden);
        }
        if way == Way::CopyThenDelete {
            self.may_delete(&lease, &from.mailbox, &uids).await?;
        }
        let before = match self.before(&lease, target).await? {
            Ok(before) => before,
            Err(refusal) => {
                let from = Some(&from.mailbox);
                return Err(self.refused(from, target, found, refusal, lease).await);
            }
        };
        let intent = Move {
            id: *uuid::Uuid::new_v4().as_bytes(),
            from: self.place_key(&from.key).to_bytes(),
            to: self.place_key(&target.key).to_bytes(),
            uid_next: before.uid_next,
            mod_seq: before.mod_seq,
            objects,
            at: clock::now(),
        };
        self.intend_move(&intent).await?;
        let command = match way {
            Way::Move => "UID MOVE",
            Way::CopyThenDelete => "UID COPY",
        };
        let sent = lease.run(relocation(command, &uids, target)).await;
        let mut copies = BTreeMap::new();
        let unmoved = match sent {
            Ok(done) => {
                copies = copied(&done, &uids, target.expected.uid_validity);
                drop(lease);
                None
            }
            Err(error) if error.leaves_open() => {
                drop(lease);
                Some(Unmoved::Unknown(error.into()))
            }
            Err(refusal) => {
                let from = Some(&from.mailbox);
                let refused = self.refused(from, target, found, refusal, lease).await;
                Some(Unmoved::Refused(refused))
            }
        };
        if way == Way::Move && copies.len() == uids.len() {
            self.conclude_move(&intent, &copies, &BTreeSet::new());
            self.store.state.commit().await?;
            return Ok(Outcome {
                done: copies,
                ..Outcome::default()
            });
        }
        self.moved(&intent, from, target, copies, unmoved).await
    }

    /// What became of a move that the store has not said all of, or whose answer was lost.
    async fn moved(
        &self,
        intent: &Move,
        from: &Located,
        target: &Target,
        copies: BTreeMap<u32, u32>,
        unmoved: Option<Unmoved>,
    ) -> Result<Outcome, Error> {
        // What was answered can be seen at once.
        let waits = match unmoved {
            Some(Unmoved::Unknown(_)) => &LOOKS[..],
            Some(Unmoved::Refused(_)) | None => &LOOKS[..1],
        };
        let from = Target {
            path: from.path.clone(),
            mailbox: from.mailbox.clone(),
            expected: from.expected.clone(),
            key: from.key.clone(),
            given: String::new(),
            makes: false,
        };
        let resolved = self
            .resolved(Some(&from), Some(target), intent, copies, waits)
            .await?;
        // What the store has not said no to it may still be at.
        let (open, error) = match unmoved {
            Some(Unmoved::Unknown(error)) => (resolved.left.clone(), Some(error)),
            Some(Unmoved::Refused(error)) => (BTreeSet::new(), Some(error)),
            None => (BTreeSet::new(), None),
        };
        self.conclude_move(intent, &resolved.moved, &open);
        self.store.state.commit().await?;
        let without_effect = || Error::Upstream("MOVE without effect".to_owned());
        let failed = match error {
            // What is nowhere may be something else than it was: it is not said to have been moved.
            Some(_) => intent.objects.iter().map(|object| object.uid).collect(),
            None => resolved.left,
        };
        Ok(Outcome {
            done: resolved.moved,
            error: resolved
                .refused
                .or(error)
                .or_else(|| (!failed.is_empty()).then(without_effect)),
            failed,
        })
    }

    /// UIDNEXT and HIGHESTMODSEQ of the target (RFC 9051 §6.3.11, RFC 7162 §3.1.8); inside, how it was refused.
    async fn before(
        &self,
        lease: &Lease,
        target: &Target,
    ) -> Result<Result<Before, imap::Error>, Error> {
        let items = if self.pool.capabilities()?.mod_seq() {
            "(UIDVALIDITY UIDNEXT HIGHESTMODSEQ)"
        } else {
            "(UIDVALIDITY UIDNEXT)"
        };
        let command = Command::new("STATUS").mailbox(&target.mailbox).atom(items);
        let completion = match lease.run(command).await {
            Ok(completion) => completion,
            Err(refusal @ imap::Error::No { .. }) => return Ok(Err(refusal)),
            Err(error) => return Err(error.into()),
        };
        let status = completion
            .untagged
            .into_iter()
            .find_map(|data| match data {
                Untagged::MailboxStatus(status) if status.uid_next.is_some() => Some(status),
                _ => None,
            })
            .ok_or_else(|| Error::Upstream("STATUS without UIDNEXT".to_owned()))?;
        if status.uid_validity != Some(target.expected.uid_validity) {
            return Err(elsewhere());
        }
        Ok(Ok(Before {
            uid_next: status.uid_next.unwrap_or(1),
            mod_seq: status.highest_mod_seq.unwrap_or_default(),
        }))
    }

    async fn refused(
        &self,
        from: Option<&MailboxName>,
        target: &Target,
        found: &[&Found],
        refusal: imap::Error,
        lease: Lease,
    ) -> Error {
        drop(lease);
        let octets = found.iter().map(|found| found.octets).sum();
        self.refused_relocation(from, target, octets, refusal).await
    }

    /// Why nothing was copied or, `from` there, moved: by the code, else by right, else by quota.
    pub(super) async fn refused_relocation(
        &self,
        from: Option<&MailboxName>,
        target: &Target,
        octets: u64,
        refusal: imap::Error,
    ) -> Error {
        match refusal {
            imap::Error::No {
                code: Some(Code::TryCreate | Code::NonExistent),
                ..
            } => Error::InvalidInput(target.given.clone()),
            imap::Error::No {
                command,
                code: Some(code),
            } => by_code(command, code),
            imap::Error::No {
                command,
                code: None,
            } => {
                if self.lacks(None, &target.mailbox, Right::Insert).await {
                    return Error::Forbidden;
                }
                for right in [Right::DeleteMessage, Right::Expunge] {
                    if let Some(from) = from
                        && self.lacks(None, from, right).await
                    {
                        return Error::Forbidden;
                    }
                }
                if self.is_full(target, octets).await {
                    return Error::QuotaExceeded;
                }
                Error::Upstream(format!("{command} refused without a reason"))
            }
            other => other.into(),
        }
    }
}

/// Why a move may not have been done.
enum Unmoved {
    /// Its answer was lost.
    Unknown(Error),
    /// The store has said no.
    Refused(Error),
}

/// One outcome for several entries.
fn set(items: &mut [Item], entries: &[usize], item: &Item) {
    for entry in entries {
        items[*entry] = item.clone();
    }
}

fn relocation(command: &'static str, uids: &[u32], target: &Target) -> Command {
    let uids: UidSet = uids.iter().copied().collect();
    Command::new(command).uids(&uids).mailbox(&target.mailbox)
}

fn moving(found: &[&Found]) -> Vec<Moving> {
    let object = |found: &&Found| Moving {
        uid: found.uid,
        identity: found.identity,
        last_mod_seq: found.last_mod_seq,
    };
    found.iter().map(object).collect()
}

/// So many new messages are looked at: the copies, and what may have come before them meanwhile.
pub(super) fn most(objects: &[Moving]) -> usize {
    objects.len() + 1000
}
