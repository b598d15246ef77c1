//! How much there is in each mailbox, asked apart from the tree: Cyrus 3.6 sends random bytes as MAILBOXID beside anything but
//! UIDVALIDITY.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

use std::{collections::HashMap, sync::Arc};

use super::{
    Error,
    tree::{Node, Tree},
};
use crate::imap::{
    self, Command, MailboxName, Pool,
    capability::Listing,
    response::{Code, MailboxStatus, Untagged},
};

/// What STATUS says of each mailbox: MESSAGES, UIDNEXT, UIDVALIDITY and, where there is one, HIGHESTMODSEQ. What is gone, or may not be read, is not in it.
#[derive(Debug, Default)]
pub(super) struct Census(HashMap<MailboxName, MailboxStatus>);

impl Census {
    /// Asks about all mailboxes of a tree, by one command where the store has LIST-STATUS (RFC 5819).
    ///
    /// # Errors
    /// What the store's answers mean.
    pub(super) async fn take(pool: &Arc<Pool>, tree: &Tree) -> Result<Self, Error> {
        let mut census = Self::default();
        if pool.capabilities()?.listing() == Listing::WithStatus {
            let items = if pool.capabilities()?.mod_seq() {
                "RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))"
            } else {
                "RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY))"
            };
            let command = Command::new("LIST").string("").string("*").atom(items);
            census.add(pool.read_outside(command).await?.untagged);
            return Ok(census);
        }
        let items = if pool.capabilities()?.mod_seq() {
            "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"
        } else {
            "(MESSAGES UIDNEXT UIDVALIDITY)"
        };
        let nodes = tree.subtree("").map(|(_, node)| node);
        for node in nodes.filter(|node| node.expected.is_some()) {
            let command = Command::new("STATUS").mailbox(&node.mailbox);
            let command = command.atom(items);
            match pool.read_outside(command).await {
                Ok(completion) => census.add(completion.untagged),
                Err(imap::Error::No {
                    code: None | Some(Code::NonExistent | Code::NoPerm),
                    ..
                }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(census)
    }

    fn add(&mut self, said: Vec<Untagged>) {
        self.0
            .extend(said.into_iter().filter_map(|data| match data {
                Untagged::MailboxStatus(status) => Some((status.mailbox.clone()?, status)),
                _ => None,
            }));
    }

    /// What is said of a mailbox, if it is that one.
    pub(super) fn of(&self, node: &Node) -> Option<&MailboxStatus> {
        let status = self.0.get(&node.mailbox)?;
        let same = status.uid_validity == Some(node.expected.as_ref()?.uid_validity);
        same.then_some(status)
    }
}
