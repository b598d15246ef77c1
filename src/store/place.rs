//! Putting a message into a folder exactly once: what came of an APPEND is found out from the store before anything is sent again.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use std::time::Duration;

use chrono::TimeDelta;

use super::{
    Account, Error, Precondition,
    flags::shown,
    letter::Letter,
    objects::found,
    parent::Target,
    refusal::{Right, by_code},
};
use crate::{
    clock,
    imap::{
        self, Command, Completion, Flag,
        response::{Code, Untagged},
    },
    state::Correlated,
};

/// Header that finds a message again whose APPEND was not answered.
pub(super) const NONCE: &str = "X-NMS-Nonce";
/// When the store is asked, after a lost answer: a server may still be writing when its connection is gone.
pub(super) const LOOKS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1000),
    Duration::from_millis(2000),
];
/// How long after it was sent a message may come to light: as long as all looks take.
pub(super) const SETTLED: TimeDelta = TimeDelta::milliseconds(3500);
/// How often what was not sent is sent anew.
const ATTEMPTS: usize = 3;

/// A message that is not known to be stored.
#[derive(Debug, Clone)]
pub(super) struct Lost {
    pub(super) error: Error,
    /// Whether it may be there all the same.
    pub(super) unknown: bool,
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        Self {
            error,
            unknown: false,
        }
    }
}

impl Account {
    /// Stores a message; the UID it got, in the folder it went to.
    pub(super) async fn place(
        &self,
        mut target: Target,
        letter: &mut Letter,
    ) -> Result<(Target, u32), Lost> {
        let capabilities = self.pool.capabilities().map_err(Error::from)?;
        if capabilities
            .append_limit()
            .is_some_and(|most| letter.octets > most)
        {
            return Err(Error::TooLarge.into());
        }
        let mut error = Error::Unavailable("the message could not be sent".to_owned());
        for _ in 0..ATTEMPTS {
            let Some(message) = letter.message() else {
                break;
            };
            match self.pool.append(&target.mailbox, vec![message]).await {
                Ok(completion) => {
                    let nonces = std::slice::from_ref(&letter.nonce);
                    let uid = first(self.placed(&mut target, completion, nonces).await)?;
                    return Ok((target, uid));
                }
                Err(error) if error.leaves_open() => {
                    let nonces = std::slice::from_ref(&letter.nonce);
                    let uid = first(self.look_for(&target, nonces, error).await)?;
                    return Ok((target, uid));
                }
                Err(refusal) => {
                    error = self
                        .not_appended(&mut target, &letter.flags, letter.octets, refusal)
                        .await?
                }
            }
            if !letter.is_there() {
                break;
            }
        }
        Err(error.into())
    }

    /// Why nothing was appended, when it may be tried again; an error when that is no use.
    async fn not_appended(
        &self,
        target: &mut Target,
        flags: &[Flag],
        octets: u64,
        refusal: imap::Error,
    ) -> Result<Error, Error> {
        match refusal {
            imap::Error::Unsent => Ok(refusal.into()),
            // RFC 9051 §7.1: it is gone since the tree was read.
            imap::Error::No {
                code: Some(Code::TryCreate | Code::NonExistent),
                ..
            } => {
                *target = self.target_again(target).await?;
                Ok(Error::Unavailable("the folder was made anew".to_owned()))
            }
            refusal => Err(self.refused_append(target, flags, octets, refusal).await),
        }
    }

    /// UIDs of what an APPEND stored, in the order of its messages: as APPENDUID says (RFC 4315 §3), else as the store finds the nonces.
    pub(super) async fn placed(
        &self,
        target: &mut Target,
        completion: Completion,
        nonces: &[String],
    ) -> Vec<Result<u32, Lost>> {
        if let Some(Code::AppendUid(uid_validity, ranges)) = completion.code {
            if uid_validity != target.expected.uid_validity {
                // The mailbox was made anew between the look at the tree and the APPEND.
                match self.target_again(target).await {
                    Ok(again) => *target = again,
                    Err(error) => return vec![Err(unknown(error)); nonces.len()],
                }
            }
            let uids: Vec<u32> = ranges
                .into_iter()
                .flatten()
                .take(nonces.len() + 1)
                .collect();
            if uid_validity == target.expected.uid_validity && uids.len() == nonces.len() {
                return uids.into_iter().map(Ok).collect();
            }
        }
        let found = self.look(target, nonces, &LOOKS).await.into_iter();
        found
            .map(|found| found.map_err(unknown)?.ok_or_else(no_effect))
            .collect()
    }

    /// What became of messages whose APPEND was sent whole and not answered, which is the error. Nothing is sent again here.
    pub(super) async fn look_for(
        &self,
        target: &Target,
        nonces: &[String],
        error: imap::Error,
    ) -> Vec<Result<u32, Lost>> {
        let error = Error::from(error);
        let found = self.look(target, nonces, &LOOKS).await.into_iter();
        found
            .map(|found| {
                found
                    .map_err(unknown)?
                    .ok_or_else(|| unknown(error.clone()))
            })
            .collect()
    }

    /// The message of an intent that has no outcome, if it was stored. While it may still be on its way it is waited for.
    pub(super) async fn look_again(
        &self,
        target: &Target,
        intent: &Correlated,
    ) -> Result<Option<u32>, Error> {
        // What an earlier process sent was sent before this one began.
        let sent = intent.at.max(self.store.since);
        let settled = sent.checked_add_signed(SETTLED).unwrap_or(sent);
        let looks = if clock::now() < settled {
            &LOOKS[..]
        } else {
            &LOOKS[..1]
        };
        let nonces = std::slice::from_ref(&intent.nonce);
        let found = self.look(target, nonces, looks).await;
        found.into_iter().next().unwrap_or(Ok(None))
    }

    /// Asks for messages by their nonces until all are found, once after each wait.
    async fn look(
        &self,
        target: &Target,
        nonces: &[String],
        waits: &[Duration],
    ) -> Vec<Result<Option<u32>, Error>> {
        let mut found: Vec<Result<Option<u32>, Error>> = vec![Ok(None); nonces.len()];
        for wait in waits {
            tokio::time::sleep(*wait).await;
            let mut failure = None;
            for (nonce, found) in nonces.iter().zip(&mut found) {
                if let Some(error) = &failure {
                    // Who cannot be asked about one cannot be asked about the next.
                    *found = Err(Error::clone(error));
                } else if !matches!(found, Ok(Some(_))) {
                    *found = self.find_nonce(target, nonce).await;
                    failure = found.as_ref().err().cloned();
                }
            }
            if found.iter().all(|found| matches!(found, Ok(Some(_)))) {
                break;
            }
        }
        found
    }

    /// After an attempt that nobody knew the outcome of: when it has come to an end all the same, the second is one too many.
    /// The UID of the one that stays.
    pub(super) async fn only_one(&self, target: &Target, nonce: &str, uid: u32) -> u32 {
        let first = match self.find_nonce(target, nonce).await {
            Ok(Some(first)) if first < uid => first,
            Ok(_) => return uid,
            Err(error) => {
                tracing::warn!(%error, "whether a message is there twice could not be asked");
                return uid;
            }
        };
        // Others may have copied the first; the one that is ours alone is the one just made.
        let second = self.object_text(&target.key, uid);
        if let Err(error) = self.delete_now(&second, &Precondition::default()).await {
            tracing::warn!(%error, "a message is there twice");
        }
        first
    }

    /// The UID of the message with that nonce.
    pub(super) async fn find_nonce(
        &self,
        target: &Target,
        nonce: &str,
    ) -> Result<Option<u32>, Error> {
        let command = Command::new("UID SEARCH")
            .atom("HEADER")
            .string(NONCE)
            .string(nonce);
        let read = self
            .pool
            .read_in(&target.mailbox, &target.expected, command)
            .await;
        match read {
            // A copy of it that somebody made has the same nonce, and a higher UID (RFC 9051 §2.3.1.1).
            Ok(Some((_, completion))) => Ok(found(completion.untagged).into_iter().min()),
            Ok(None) => Ok(None),
            Err(imap::Error::No {
                command: "EXAMINE",
                code: Some(Code::NonExistent),
            }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// An APPEND that was refused: by its code, else by right, by quota, or by a flag (house: NO without a code).
    async fn refused_append(
        &self,
        target: &Target,
        flags: &[Flag],
        octets: u64,
        refusal: imap::Error,
    ) -> Error {
        match refusal {
            imap::Error::No {
                command,
                code: Some(code @ (Code::Cannot | Code::Limit)),
            } => match self.unlisted_flag(target, flags).await {
                Some(flag) => Error::Unsupported(flag),
                None => by_code(command, code),
            },
            imap::Error::No { code: None, .. } => {
                if self.lacks(None, &target.mailbox, Right::Insert).await {
                    Error::Forbidden
                } else if self.is_full(target, octets).await {
                    Error::QuotaExceeded
                } else if let Some(flag) = self.unlisted_flag(target, flags).await {
                    Error::Unsupported(flag)
                } else {
                    Error::Upstream("APPEND refused without a reason".to_owned())
                }
            }
            // RFC 9051 §2.3.2: the backslash is the server's, and so servers take a flag they do not know for a mistake in the command.
            imap::Error::Bad(_) => match self.unlisted_flag(target, flags).await {
                Some(flag) => Error::Unsupported(flag),
                None => refusal.into(),
            },
            other => other.into(),
        }
    }

    /// A flag of the message that the mailbox does not have yet, as clients know it.
    async fn unlisted_flag(&self, target: &Target, flags: &[Flag]) -> Option<String> {
        let command = Command::new("NOOP");
        let read = self
            .pool
            .read_in(&target.mailbox, &target.expected, command)
            .await;
        let selected = read.ok().flatten().map(|(selected, _)| selected);
        // Who cannot be asked is likely to know none but its own.
        let listed = |flag: &&Flag| match &selected {
            Some(selected) => selected.flags.iter().any(|listed| flag.is(listed)),
            None => !flag.is_extension(),
        };
        let unlisted = flags.iter().find(|flag| !listed(flag))?;
        Some(shown(unlisted.as_str()))
    }

    /// Whether the store says that nothing more goes into the mailbox (RFC 9208 §4.1.2).
    pub(super) async fn is_full(&self, target: &Target, octets: u64) -> bool {
        if !self
            .pool
            .capabilities()
            .is_ok_and(|capabilities| capabilities.quota())
        {
            return false;
        }
        let command = Command::new("GETQUOTAROOT").mailbox(&target.mailbox);
        let untagged = self
            .pool
            .read(command)
            .await
            .map_or_else(|_| Vec::new(), |completion| completion.untagged);
        untagged.iter().any(|data| {
            matches!(data, Untagged::Quota(resources)
                if resources.iter().any(|resource| has_no_room(resource, octets)))
        })
    }
}

/// STORAGE is counted in units of 1024 octets (RFC 9208 §5.1).
fn has_no_room((name, usage, limit): &(String, u64, u64), octets: u64) -> bool {
    let more = match name.as_str() {
        "STORAGE" => octets.div_ceil(1024),
        "MESSAGE" => 1,
        _ => return false,
    };
    usage.saturating_add(more) > *limit
}

/// What became of the one message that was asked about.
pub(super) fn first(placed: impl IntoIterator<Item = Result<u32, Lost>>) -> Result<u32, Lost> {
    placed
        .into_iter()
        .next()
        .unwrap_or_else(|| Err(no_effect()))
}

/// A tagged OK, and no message.
fn no_effect() -> Lost {
    unknown(Error::Upstream("APPEND without effect".to_owned()))
}

fn unknown(error: Error) -> Lost {
    Lost {
        error,
        unknown: true,
    }
}
