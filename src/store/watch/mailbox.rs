//! What has changed in one mailbox since it was seen last.

use std::collections::{BTreeMap, BTreeSet};

use super::picture::Pictured;
use crate::{
    imap::{
        self, Command, Expected, Item, MailboxName, Selected, UidSet, fetched::all_by_uid,
        pool::Lease, response::Fetch,
    },
    message::Header,
    store::{
        Account, Error,
        id::fingerprint,
        objects::{found, search},
        sets::sets_of,
    },
};

/// What correlates an object with what its client knows.
const CORRELATION: Item =
    Item::HeaderFields("X-NMS-CORRELATION-ID X-NMS-CORRELATION-TAG IMDN-MESSAGE-ID");

/// Most messages that may have gone from a mailbox since it was made, when it is seen first.
const NEW: u64 = 100;

/// A mailbox as it is now.
#[derive(Debug)]
pub(super) struct Read {
    /// Its `standing` is still to be said.
    pub(super) now: Pictured,
    /// What is new or other than it was, by UID.
    pub(super) changed: BTreeMap<u32, Message>,
    /// What is gone.
    pub(super) gone: UidSet,
}

/// A message as it is now.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) flags: Vec<String>,
    pub(super) mod_seq: Option<u64>,
    pub(super) correlation_id: Option<String>,
    pub(super) correlation_tag: Option<String>,
}

impl Account {
    /// Looks into a mailbox; `None` when it is not the one that is meant, or cannot be opened.
    ///
    /// Where only these messages can be others, only they are asked for, as far as that is less work.
    pub(super) async fn read_mailbox(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        known: &Pictured,
        only: Option<&BTreeSet<u32>>,
    ) -> Result<Option<Read>, Error> {
        let opened = match self.pool.examine_anew(mailbox, expected).await {
            Ok(opened) => opened,
            Err(imap::Error::No { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let Some((lease, selected)) = opened else {
            return Ok(None);
        };
        let highest = selected.highest_mod_seq.filter(|_| lease.has_mod_seq());
        let mut whole = true;
        let read = match (highest, only) {
            (Some(highest), _) if highest > 0 => {
                self.read_since(&lease, known, &selected, highest).await?
            }
            (_, Some(only)) if known.mod_seq == 0 => {
                whole = false;
                self.read_only(&lease, known, only).await?
            }
            (_, _) => self.read_all(&lease, known, selected.exists).await?,
        };
        let mut read = read;
        let newest = read
            .now
            .uids
            .ranges()
            .last()
            .map_or(0, |range| *range.end());
        let next = selected.uid_next.unwrap_or(0).max(known.uid_next);
        read.now.uid_next = next.max(newest.saturating_add(1));
        if whole {
            // What has come and gone meanwhile may have been shown to somebody all the same.
            let first = known.uid_next.max(1);
            let come = UidSet::from_ranges([first..=read.now.uid_next.saturating_sub(1)]);
            let lost = come.without(&read.now.uids);
            // A mailbox of which so many are gone was not made a moment ago: what went before it was seen first is nobody's business.
            if known.uid_next > 0 || lost.count() <= NEW {
                let gone = read.gone.ranges().iter().chain(lost.ranges());
                read.gone = UidSet::from_ranges(gone.cloned());
            }
        }
        Ok(Some(read))
    }

    /// With MODSEQ (RFC 7162 §3.1.4.1): what has changed since, and from how many there are whether any is gone.
    async fn read_since(
        &self,
        lease: &Lease,
        known: &Pictured,
        selected: &Selected,
        highest: u64,
    ) -> Result<Read, Error> {
        let messages = selected.exists;
        // Lower than it was: its counting has begun anew, and nothing that was counted before means anything.
        let since = if known.mod_seq > highest {
            0
        } else {
            known.mod_seq
        };
        let items = [Item::Fixed("UID FLAGS"), Item::ModSeq, CORRELATION];
        let mut changed = BTreeMap::new();
        if messages > 0 && since < highest {
            let command = Command::new("UID FETCH")
                .uids(&UidSet::from_on(1))
                .items(&items);
            let command = if since > 0 {
                command.changed_since(since)
            } else {
                command
            };
            changed = all_by_uid(lease.run(command).await?.untagged)?;
        }
        // What came without being asked for may lack what was: it has changed all the same.
        changed.retain(|uid, fetch| fetch.flags.is_some() || !known.uids.contains(*uid));
        let come = changed
            .keys()
            .copied()
            .filter(|uid| !known.uids.contains(*uid));
        let all = UidSet::from_ranges(
            known
                .uids
                .ranges()
                .iter()
                .cloned()
                .chain(come.map(|uid| uid..=uid)),
        );
        let uids = if all.count() == u64::from(messages) {
            all
        } else {
            let there = self.uids_of(lease).await?;
            // What has come since is for the next look; what was there already, and is new, was not said to have changed.
            let come = there.without(&all);
            let next = selected.uid_next.unwrap_or(0);
            let unsaid = come.uids().take_while(|uid| *uid < next);
            for set in sets_of(unsaid.collect::<Vec<u32>>()) {
                let command = Command::new("UID FETCH").uids(&set).items(&items);
                changed.extend(all_by_uid(lease.run(command).await?.untagged)?);
            }
            there.without(&come.uids().skip_while(|uid| *uid < next).collect())
        };
        changed.retain(|uid, _| uids.contains(*uid));
        let now = Pictured {
            mod_seq: highest,
            uids,
            ..Pictured::default()
        };
        Ok(Read::new(known, now, messages_of(changed)))
    }

    /// Without MODSEQ: the flags of all, held against those they had.
    async fn read_all(
        &self,
        lease: &Lease,
        known: &Pictured,
        messages: u32,
    ) -> Result<Read, Error> {
        let mut there = BTreeMap::new();
        if messages > 0 {
            let items = [Item::Fixed("UID FLAGS")];
            let command = Command::new("UID FETCH")
                .uids(&UidSet::from_on(1))
                .items(&items);
            there = all_by_uid(lease.run(command).await?.untagged)?;
        }
        there.retain(|_, fetch| fetch.flags.is_some());
        let before = known.digests();
        let digest = |fetch: &Fetch| digest_of(fetch.flags.as_deref().unwrap_or_default());
        let now = Pictured {
            uids: there.keys().copied().collect(),
            flags: there.values().map(digest).collect(),
            ..Pictured::default()
        };
        there.retain(|uid, fetch| before.get(uid) != Some(&digest(fetch)));
        let changed = correlated(lease, there).await?;
        Ok(Read::new(known, now, changed))
    }

    /// Without MODSEQ, where only these can be others.
    async fn read_only(
        &self,
        lease: &Lease,
        known: &Pictured,
        only: &BTreeSet<u32>,
    ) -> Result<Read, Error> {
        let items = [Item::Fixed("UID FLAGS")];
        let mut there = BTreeMap::new();
        for set in sets_of(only.iter().copied()) {
            let command = Command::new("UID FETCH").uids(&set).items(&items);
            there.extend(all_by_uid(lease.run(command).await?.untagged)?);
        }
        there.retain(|uid, fetch| only.contains(uid) && fetch.flags.is_some());
        let mut digests = known.digests();
        let before = digests.clone();
        for uid in only {
            match there.get(uid).and_then(|fetch| fetch.flags.as_deref()) {
                Some(flags) => drop(digests.insert(*uid, digest_of(flags))),
                None => drop(digests.remove(uid)),
            }
        }
        there.retain(|uid, _| before.get(uid) != digests.get(uid));
        let now = Pictured {
            uids: digests.keys().copied().collect(),
            flags: digests.into_values().collect(),
            ..Pictured::default()
        };
        let changed = correlated(lease, there).await?;
        Ok(Read::new(known, now, changed))
    }

    /// All messages of the mailbox that is open.
    async fn uids_of(&self, lease: &Lease) -> Result<UidSet, Error> {
        let uids = search(lease, self.all_uids()?).await?;
        Ok(uids.into_iter().collect())
    }

    /// A mailbox of which nothing is told: what is in it, and how far it has come.
    pub(super) async fn read_silently(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
    ) -> Result<Option<Pictured>, Error> {
        let opened = match self.pool.examine_anew(mailbox, expected).await {
            Ok(opened) => opened,
            Err(imap::Error::No { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let Some((lease, selected)) = opened else {
            return Ok(None);
        };
        let highest = selected.highest_mod_seq.filter(|_| lease.has_mod_seq());
        let Some(highest) = highest.filter(|highest| *highest > 0) else {
            let nothing = Pictured::default();
            drop(lease);
            let read = self.read_mailbox(mailbox, expected, &nothing, None).await?;
            return Ok(read.map(|read| read.now));
        };
        let found = found(lease.run(self.all_uids()?).await?.untagged);
        let uids: UidSet = found.into_iter().collect();
        let newest = uids.ranges().last().map_or(0, |range| *range.end());
        let next = selected.uid_next.unwrap_or(0);
        Ok(Some(Pictured {
            mod_seq: highest,
            uid_next: next.max(newest.saturating_add(1)),
            uids,
            ..Pictured::default()
        }))
    }
}

impl Read {
    fn new(known: &Pictured, now: Pictured, changed: BTreeMap<u32, Message>) -> Self {
        Self {
            gone: known.uids.without(&now.uids),
            now,
            changed,
        }
    }
}

/// With their correlation, which the header has.
async fn correlated(
    lease: &Lease,
    mut messages: BTreeMap<u32, Fetch>,
) -> Result<BTreeMap<u32, Message>, Error> {
    let items = [Item::Fixed("UID"), CORRELATION];
    for set in sets_of(messages.keys().copied().collect::<Vec<u32>>()) {
        let command = Command::new("UID FETCH").uids(&set).items(&items);
        for (uid, fetch) in all_by_uid(lease.run(command).await?.untagged)? {
            if let Some(message) = messages.get_mut(&uid) {
                message.sections = fetch.sections;
            }
        }
    }
    Ok(messages_of(messages))
}

fn messages_of(fetched: BTreeMap<u32, Fetch>) -> BTreeMap<u32, Message> {
    let message = |fetch: Fetch| {
        let fields = fetch.header_fields();
        let bytes = fields.and_then(|section| section.bytes.clone());
        let header = Header::parse(&bytes.unwrap_or_default());
        Message {
            correlation_id: header.correlation_id(),
            correlation_tag: header.correlation_tag(),
            mod_seq: fetch.mod_seq,
            flags: fetch.flags.unwrap_or_default(),
        }
    };
    let fetched = fetched.into_iter();
    fetched.map(|(uid, fetch)| (uid, message(fetch))).collect()
}

/// A digest of flags, whatever their order and case; `\Recent` is no part of them. Never 0, which stands for none that are known.
pub(super) fn digest_of(flags: &[String]) -> u32 {
    let flags = flags.iter().map(|flag| flag.to_ascii_lowercase());
    let flags: BTreeSet<String> = flags.filter(|flag| flag != "\\recent").collect();
    let joined = flags.into_iter().collect::<Vec<_>>().join(" ");
    let [_, _, _, _, rest @ ..] = fingerprint(joined.as_bytes()).to_be_bytes();
    u32::from_be_bytes(rest).max(1)
}
