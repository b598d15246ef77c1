//! Flags set or taken away, of one object or of many in a mailbox, and why that is refused.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use std::collections::BTreeMap;

use super::{
    Account, Error,
    flags::{as_kept, holds, is_kept, shown, without_effect},
    refusal::Right,
    sets::{Flags, Open, Outcomes, all, flags_of, sets_of},
};
use crate::{
    config::DeletedObjects,
    imap::{
        self, Command, Flag,
        response::{Code, Untagged},
    },
};

/// How often a change that another client has overtaken is tried anew.
pub(super) const ATTEMPTS: usize = 3;

/// Flags that are set, or taken away.
#[derive(Debug, Clone)]
pub(super) struct Marking {
    pub(super) add: bool,
    pub(super) flags: Vec<Flag>,
}

impl Marking {
    fn sign(&self) -> &'static str {
        if self.add { "+FLAGS" } else { "-FLAGS" }
    }

    /// The first flag that is not as it should be.
    fn missed(&self, now: &[String]) -> Option<&Flag> {
        without_effect(&self.flags, now, self.add)
    }
}

/// Messages that are not as they should be yet, each with the flag that is not.
type Left = BTreeMap<u32, Flag>;

impl Account {
    /// Changes flags of messages of one mailbox: a FETCH that shows what is to be done, a STORE that does it, both for as many as a
    /// command line has room for. What the STORE's answer does not show is asked for.
    pub(super) async fn mark(&self, open: &Open, uids: &[u32], marking: &Marking) -> Outcomes {
        let mut outcomes = Outcomes::new();
        let before = match self.present(open, uids, &mut outcomes).await {
            Ok(before) => before,
            Err(error) => return all(uids.iter().copied(), &error),
        };
        let mut left = Left::new();
        for (uid, flags) in &before {
            match marking.missed(flags) {
                Some(flag) => drop(left.insert(*uid, flag.clone())),
                None => drop(outcomes.insert(*uid, Ok(false))),
            }
        }
        if left.is_empty() {
            return outcomes;
        }
        let present: Vec<String> = before.values().flatten().cloned().collect();
        let marking = Marking {
            flags: as_kept(&open.selected, &present, marking.flags.clone()),
            ..*marking
        };
        if marking.add
            && let Err(error) = self.keepable(open, &marking.flags).await
        {
            outcomes.extend(all(left.into_keys(), &error));
            return outcomes;
        }
        let mut changed = Vec::new();
        for _ in 0..ATTEMPTS {
            if left.is_empty() {
                break;
            }
            let once = self.mark_once(open, left, &marking, &mut outcomes).await;
            changed.extend(once.changed);
            left = once.left;
        }
        if let Some(flag) = left.values().next() {
            let error = self.refused_flag(open, Some(flag.clone())).await;
            outcomes.extend(all(left.into_keys(), &error));
        }
        outcomes.extend(changed.iter().map(|uid| (*uid, Ok(true))));
        self.after(open, &before, &marking, &changed, &mut outcomes)
            .await;
        outcomes
    }

    /// One attempt: what has changed, and what is still as it was. What has failed is in the outcomes.
    async fn mark_once(
        &self,
        open: &Open,
        mut left: Left,
        marking: &Marking,
        outcomes: &mut Outcomes,
    ) -> Marked {
        let mut changed = Vec::new();
        let mut refusal = None;
        for set in sets_of(left.keys().copied()) {
            let command = Command::new("UID STORE").uids(&set);
            let command = command.atom(marking.sign()).flags(&marking.flags);
            match open.lease.run(command).await {
                Ok(completion) => changed.extend(done(completion.untagged, &mut left, marking)),
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        if let Some(error @ (imap::Error::Closed | imap::Error::Timeout)) = refusal {
            // Nobody can say what became of it, and nobody is left to ask.
            outcomes.extend(all(left.into_keys(), &error.into()));
            let left = Left::new();
            return Marked { changed, left };
        }
        if !left.is_empty() {
            // A STORE's answer need not show what it did (RFC 9051 §6.4.6).
            let unshown: Vec<u32> = left.keys().copied().collect();
            match flags_of(&open.lease, &unshown).await {
                Ok(now) => changed.extend(judged(&now, &mut left, marking, outcomes)),
                Err(error) => {
                    let error = refusal.take().map_or(error, Error::from);
                    outcomes.extend(all(std::mem::take(&mut left).into_keys(), &error));
                }
            }
        }
        if let Some(refusal) = refusal
            && !left.is_empty()
        {
            let error = self
                .refused_store(open, marking.add, &marking.flags, refusal)
                .await;
            outcomes.extend(all(std::mem::take(&mut left).into_keys(), &error));
        }
        Marked { changed, left }
    }

    /// `objects.deleted = "purge"`: objects that have just been flagged `\Deleted` here go; what others flagged stays.
    pub(super) async fn after(
        &self,
        open: &Open,
        before: &Flags,
        marking: &Marking,
        changed: &[u32],
        outcomes: &mut Outcomes,
    ) {
        let deletes = marking.add && marking.flags.iter().any(|flag| flag.is("\\Deleted"));
        if !deletes || self.store.objects.deleted != DeletedObjects::Purge {
            return;
        }
        let doomed: Flags = before
            .iter()
            .filter(|(uid, flags)| changed.contains(uid) && !holds(flags, "\\Deleted"))
            .map(|(uid, flags)| (*uid, flags.clone()))
            .collect();
        outcomes.extend(self.expunge(open, &doomed, None).await);
    }

    /// Whether the mailbox can keep flags: PERMANENTFLAGS lists them, or `\*` for keywords (RFC 9051 §7.1). What a user has no
    /// right to is not listed either.
    pub(super) async fn keepable(&self, open: &Open, flags: &[Flag]) -> Result<(), Error> {
        if open.selected.read_only {
            return Err(Error::Forbidden);
        }
        let Some(flag) = flags.iter().find(|flag| !is_kept(&open.selected, flag)) else {
            return Ok(());
        };
        let mailbox = &open.located.mailbox;
        if self
            .lacks(Some(&open.lease), mailbox, Right::to_change(flag))
            .await
        {
            return Err(Error::Forbidden);
        }
        Err(Error::Unsupported(shown(flag.as_str())))
    }

    /// Dovecot says OK to a flag one may not set, and leaves it.
    pub(super) async fn refused_flag(&self, open: &Open, flag: Option<Flag>) -> Error {
        let right = flag.as_ref().map_or(Right::Write, Right::to_change);
        self.refused_change(&open.lease, &open.located.mailbox, right, None)
            .await
    }

    /// A STORE that is refused: by right, or because the mailbox can keep no more keywords.
    pub(super) async fn refused_store(
        &self,
        open: &Open,
        add: bool,
        flags: &[Flag],
        refusal: imap::Error,
    ) -> Error {
        let unlisted = flags.iter().find(|flag| {
            let listed = open.selected.flags.iter().any(|listed| flag.is(listed));
            add && !flag.as_str().starts_with('\\') && !listed
        });
        let Some(first) = unlisted.or(flags.first()) else {
            return refusal.into();
        };
        let coded = matches!(
            refusal,
            imap::Error::No {
                code: Some(Code::Cannot | Code::Limit),
                ..
            }
        );
        let codeless = matches!(refusal, imap::Error::No { code: None, .. });
        if coded {
            return Error::Unsupported(shown(first.as_str()));
        }
        let right = Right::to_change(first);
        let mailbox = &open.located.mailbox;
        match self
            .refused_change(&open.lease, mailbox, right, Some(refusal))
            .await
        {
            // Cyrus keeps a hundred keywords and says NO without a code to the next.
            Error::Upstream(_) if codeless && unlisted.is_some() => {
                Error::Unsupported(shown(first.as_str()))
            }
            error => error,
        }
    }
}

/// What an attempt has come to.
struct Marked {
    changed: Vec<u32>,
    left: Left,
}

/// Those of which the answer itself shows that it was done, whatever others do to them afterwards.
fn done(untagged: Vec<Untagged>, left: &mut Left, marking: &Marking) -> Vec<u32> {
    let mut changed = Vec::new();
    for data in untagged {
        if let Untagged::Fetch(fetch) = data
            && let (Some(uid), Some(flags)) = (fetch.uid, &fetch.flags)
            && marking.missed(flags).is_none()
            && left.remove(&uid).is_some()
        {
            changed.push(uid);
        }
    }
    changed
}

/// Those that are as they should be now; those that are gone have that as their outcome.
fn judged(now: &Flags, left: &mut Left, marking: &Marking, outcomes: &mut Outcomes) -> Vec<u32> {
    let mut changed = Vec::new();
    left.retain(|uid, flag| {
        let Some(flags) = now.get(uid) else {
            outcomes.insert(*uid, Err(Error::NotFound));
            return false;
        };
        match marking.missed(flags) {
            Some(missed) => {
                *flag = missed.clone();
                true
            }
            None => {
                changed.push(*uid);
                false
            }
        }
    });
    changed
}
