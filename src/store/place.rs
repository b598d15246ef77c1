//! Putting a message into a folder exactly once: what came of an APPEND is found out from the store before anything is sent again.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use std::time::Duration;

use super::{
    Account, Error,
    flags::shown,
    letter::Letter,
    objects::found,
    parent::Target,
    refusal::{Right, by_code},
};
use crate::imap::{
    self, Command, Completion, Flag,
    response::{Code, Untagged},
};

/// Header that finds a message again whose APPEND was not answered.
pub(super) const NONCE: &str = "X-NMS-Nonce";
/// When the store is asked, after a lost answer: a server may still be writing when its connection is gone.
const LOOKS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1000),
    Duration::from_millis(2000),
];
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
                    let uids = self
                        .placed(&mut target, completion, std::slice::from_ref(&letter.nonce))
                        .await?;
                    let uid = uids.first().copied().flatten();
                    let uid = uid.ok_or_else(|| Lost {
                        error: Error::Upstream("APPEND without effect".to_owned()),
                        unknown: true,
                    })?;
                    return Ok((target, uid));
                }
                Err(imap::Error::Closed | imap::Error::Timeout) => {
                    return self.look_for(target, &letter.nonce).await;
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
    ) -> Result<Vec<Option<u32>>, Lost> {
        if let Some(Code::AppendUid(uid_validity, ranges)) = completion.code {
            if uid_validity != target.expected.uid_validity {
                // The mailbox was made anew between the look at the tree and the APPEND.
                *target = self.target_again(target).await.map_err(unknown)?;
            }
            let uids: Vec<u32> = ranges
                .into_iter()
                .flatten()
                .take(nonces.len() + 1)
                .collect();
            if uid_validity == target.expected.uid_validity && uids.len() == nonces.len() {
                return Ok(uids.into_iter().map(Some).collect());
            }
        }
        let mut uids = Vec::with_capacity(nonces.len());
        for nonce in nonces {
            uids.push(self.find_nonce(target, nonce).await.map_err(unknown)?);
        }
        Ok(uids)
    }

    /// What became of a message whose APPEND was sent whole and not answered. Nothing is sent again here.
    pub(super) async fn look_for(
        &self,
        target: Target,
        nonce: &str,
    ) -> Result<(Target, u32), Lost> {
        let mut error = Error::Unavailable("the store did not answer APPEND".to_owned());
        for wait in LOOKS {
            tokio::time::sleep(wait).await;
            match self.find_nonce(&target, nonce).await {
                Ok(Some(uid)) => return Ok((target, uid)),
                Ok(None) => {}
                Err(reason) => error = reason,
            }
        }
        Err(unknown(error))
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
            Ok(Some((_, completion))) => Ok(found(completion.untagged).into_iter().max()),
            Ok(None) => Ok(None),
            Err(imap::Error::No {
                command: "EXAMINE",
                code: None | Some(Code::NonExistent),
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
        let (selected, _) = read.ok().flatten()?;
        let listed = |flag: &&Flag| selected.flags.iter().any(|listed| flag.is(listed));
        let unlisted = flags.iter().find(|flag| !listed(flag))?;
        Some(shown(unlisted.as_str()))
    }

    /// Whether the store says that nothing more goes into the mailbox (RFC 9208 §4.1.2).
    async fn is_full(&self, target: &Target, octets: u64) -> bool {
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

fn unknown(error: Error) -> Lost {
    Lost {
        error,
        unknown: true,
    }
}
