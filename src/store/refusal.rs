//! Why the store refused: by the response code, else by asking once what is there and what is allowed (RFC 5530 codes are
//! optional, and most servers send few). Never by text.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use std::{slice, time::Duration};

use tokio::time::sleep;

use super::{Account, Error, id::MailboxKey};
use crate::imap::{
    self, Command, Flag, MailboxName,
    pool::Lease,
    response::{Code, Untagged},
};

/// When a mailbox that is listed is tried again: a session of Dovecot may not know at once of a RENAME in another that a LIST
/// has shown already.
const LAGS: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(500),
];

/// Why a mailbox was not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// For this reason.
    Because(Error),
    /// It has another name by now.
    Elsewhere,
    /// It is listed, and may be opened as far as anybody says: it is worth trying again after [`LAGS`], and then it is this.
    Perhaps(Error),
}

/// How long a mailbox is tried again that was refused, or was not where it had just been.
#[derive(Debug)]
pub(super) struct Patience {
    lags: slice::Iter<'static, Duration>,
    /// How often it may still be elsewhere.
    moves: usize,
}

impl Patience {
    /// For a mailbox that may move so often.
    pub(super) fn new(moves: usize) -> Self {
        Self {
            lags: LAGS.iter(),
            moves,
        }
    }

    /// Waits until it is worth trying again.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) async fn after(&mut self, refused: Refused) -> Result<(), Error> {
        match refused {
            Refused::Because(error) => Err(error),
            Refused::Elsewhere => {
                let left = self.moves.checked_sub(1);
                self.moves = left.ok_or_else(renamed_all_the_time)?;
                Ok(())
            }
            Refused::Perhaps(error) => self.lag().await.then_some(()).ok_or(error),
        }
    }

    /// Waits for what a session may not know yet; false when that has been done often enough.
    pub(super) async fn lag(&mut self) -> bool {
        let Some(lag) = self.lags.next() else {
            return false;
        };
        sleep(*lag).await;
        true
    }
}

/// A mailbox that is followed no longer.
pub(super) fn renamed_all_the_time() -> Error {
    Error::Unavailable("the folder is renamed all the time".to_owned())
}

/// What an operation needs to be allowed (RFC 4314 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Read,
    Seen,
    Write,
    DeleteMessage,
    Expunge,
    Insert,
    CreateMailbox,
    DeleteMailbox,
}

impl Right {
    /// The right that changing a flag takes (RFC 4314 §4).
    pub(super) fn to_change(flag: &Flag) -> Self {
        if flag.is("\\Seen") {
            Self::Seen
        } else if flag.is("\\Deleted") {
            Self::DeleteMessage
        } else {
            Self::Write
        }
    }

    /// Whether it is among the letters of MYRIGHTS. Servers of RFC 2086 say `c` and `d`; those that say more say them too, of whoever
    /// has part of what they stand for (RFC 4314 §2.1.1).
    fn is_in(self, letters: &str) -> bool {
        let newer = letters.contains(['k', 'x', 't', 'e']);
        let any = match (self, newer) {
            (Self::Read, _) => "r",
            (Self::Seen, _) => "s",
            (Self::Write, _) => "w",
            (Self::Insert, _) => "i",
            (Self::DeleteMessage, true) => "t",
            (Self::Expunge, true) => "e",
            (Self::DeleteMessage | Self::Expunge, false) => "d",
            (Self::CreateMailbox, true) => "k",
            (Self::CreateMailbox, false) => "c",
            (Self::DeleteMailbox, true) => "x",
            (Self::DeleteMailbox, false) => "dc",
        };
        letters.contains(|letter| any.contains(letter))
    }
}

impl Account {
    /// A mailbox of the tree that was not opened.
    pub(super) async fn refused_to_open(
        &self,
        key: &MailboxKey,
        mailbox: &MailboxName,
        code: Option<Code>,
    ) -> Refused {
        match code {
            Some(Code::NonExistent) | None => {}
            Some(code) => return Refused::Because(by_code("EXAMINE", code)),
        }
        let tree = match self.fresh_tree().await {
            Ok(tree) => tree,
            Err(error) => return Refused::Because(error),
        };
        match tree.path(key).and_then(|path| tree.node(path)) {
            None => return Refused::Because(Error::NotFound),
            Some(node) if node.mailbox != *mailbox => return Refused::Elsewhere,
            Some(_) => {}
        }
        if self.lacks(None, mailbox, Right::Read).await {
            return Refused::Because(Error::Forbidden);
        }
        Refused::Perhaps(if code.is_some() {
            Error::NotFound
        } else {
            Error::Upstream("EXAMINE refused without a reason".to_owned())
        })
    }

    /// A command in an open mailbox that was refused, or did nothing in spite of its OK.
    pub(super) async fn refused_change(
        &self,
        lease: &Lease,
        mailbox: &MailboxName,
        right: Right,
        refusal: Option<imap::Error>,
    ) -> Error {
        match refusal {
            Some(imap::Error::No {
                command,
                code: Some(code),
            }) => return by_code(command, code),
            Some(imap::Error::No { code: None, .. }) | None => {}
            Some(other) => return other.into(),
        }
        if self.lacks(Some(lease), mailbox, right).await {
            Error::Forbidden
        } else {
            Error::Upstream("a change was refused without a reason".to_owned())
        }
    }

    /// Whether the store says that the user has not this right in a mailbox. Who cannot be asked has not said so.
    pub(super) async fn lacks(
        &self,
        lease: Option<&Lease>,
        mailbox: &MailboxName,
        right: Right,
    ) -> bool {
        if !self
            .pool
            .capabilities()
            .is_ok_and(|capabilities| capabilities.acl())
        {
            return false;
        }
        let command = Command::new("MYRIGHTS").mailbox(mailbox);
        let outcome = match lease {
            Some(lease) => lease.run(command).await,
            None => self.pool.read(command).await,
        };
        let untagged = outcome.map_or_else(|_| Vec::new(), |completion| completion.untagged);
        untagged
            .into_iter()
            .any(|data| matches!(data, Untagged::MyRights(letters) if !right.is_in(&letters)))
    }
}

/// A code to a command that takes no name from the client: what would blame one is the store's fault here.
pub(super) fn by_code(command: &'static str, code: Code) -> Error {
    let refusal = imap::Error::No {
        command,
        code: Some(code),
    };
    match Error::from(refusal) {
        Error::InvalidInput(_) | Error::Conflict(..) => {
            Error::Upstream(format!("{command} refused with an odd code"))
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_found_in_the_letters_of_both_generations() {
        assert!(Right::Expunge.is_in("lrswipekxtea"));
        assert!(!Right::Expunge.is_in("lrswt"));
        assert!(Right::Expunge.is_in("acdilrsw"));
        assert!(!Right::Expunge.is_in("lrswitpkxacd"));
        assert!(!Right::CreateMailbox.is_in("lr"));
        assert!(!Right::Read.is_in(""));
    }

    #[test]
    fn a_code_that_would_blame_the_client_blames_the_store() {
        assert!(matches!(
            by_code("EXAMINE", Code::Cannot),
            Error::Upstream(_)
        ));
        assert_eq!(by_code("STORE", Code::NoPerm), Error::Forbidden);
        assert!(matches!(
            by_code("EXAMINE", Code::Unavailable),
            Error::Unavailable(_)
        ));
    }
}
