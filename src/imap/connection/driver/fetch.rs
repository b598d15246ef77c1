//! Reads that cost one round trip: fetches go out in the same write as the NOOP that brings a mailbox up to date.
//!
//! A server may run such commands in any order (RFC 9051 §5.5), and Dovecot does: it fetches first, and looks for what is new
//! when all commands are done. So nothing here may depend on the order, and only UID FETCH goes this way. What is found
//! is true, and flags that NOOP finds changed come as further FETCH lines; that a message is *not* found is certain only
//! once a NOOP or EXAMINE was answered before the fetch was sent.

use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::{Driver, finish};
use crate::imap::{
    MailboxName,
    command::{Command, Item},
    connect::next,
    connection::{Completion, Expected, Mode},
    error::Error,
    measure::Loss,
    response::{Response, Untagged},
    uid_set::UidSet,
};

/// What is fetched, and of which messages.
#[derive(Debug)]
pub(in crate::imap) struct Wish {
    /// A command for each.
    pub(in crate::imap) sets: Vec<UidSet>,
    /// UID among them.
    pub(in crate::imap) items: Arc<[Item]>,
}

/// What fetches have brought.
#[derive(Debug)]
pub(in crate::imap) struct Looked {
    /// Untagged data of all commands in the server's order, NOOP's too.
    pub(in crate::imap) untagged: Vec<Untagged>,
    /// Whether what is not there was not in the mailbox: its view was new when the fetch was sent.
    pub(in crate::imap) fresh: bool,
    /// What was asked for: all that was wished for but what this mailbox does not have.
    pub(in crate::imap) items: Arc<[Item]>,
}

impl Driver {
    pub(super) async fn fetch(
        &mut self,
        mailbox: MailboxName,
        expected: &Expected,
        wish: Wish,
    ) -> Result<Option<Looked>, Error> {
        let open = self.selection.as_ref().is_some_and(|selected| {
            selected.mailbox == mailbox && selected.mode == Mode::Examine && expected.is(selected)
        });
        if !open && !expected.is(&self.reopen(mailbox, Mode::Examine).await?) {
            return Ok(None);
        }
        let items = self.askable(wish.items);
        let fetch = |set: &UidSet| Command::new("UID FETCH").uids(set).items(&items);
        let commands: Vec<Command> = open
            .then(|| Command::new("NOOP"))
            .into_iter()
            .chain(wish.sets.iter().map(fetch))
            .collect();
        let untagged = self.execute_together(&commands).await?;
        // RFC 9051 §7.1: UIDVALIDITY may be said anew at any time.
        let still = self
            .selection
            .as_ref()
            .is_some_and(|selected| expected.is(selected));
        Ok(still.then_some(Looked {
            untagged,
            fresh: !open,
            items,
        }))
    }

    /// RFC 7162 §3.1.2.2: where the mailbox has no MODSEQs, who asks for one is told BAD.
    fn askable(&self, items: Arc<[Item]>) -> Arc<[Item]> {
        let none = self
            .selection
            .as_ref()
            .is_some_and(|selected| selected.no_mod_seq);
        if none && items.contains(&Item::ModSeq) {
            let others = items.iter().filter(|item| **item != Item::ModSeq);
            return others.cloned().collect();
        }
        items
    }

    /// Runs commands that are sent in one write, under one deadline. All are answered before the first failure is told.
    async fn execute_together(&mut self, commands: &[Command]) -> Result<Vec<Untagged>, Error> {
        let started = Instant::now();
        let deadline = self.command_timeout;
        let outcome = timeout(deadline, self.exchange_together(commands, started))
            .await
            .unwrap_or(Err(Error::Timeout));
        // Answers are noted as they come; what ends the connection has none.
        if outcome
            .as_ref()
            .is_err_and(|error| Loss::of(error).is_some())
        {
            self.note("UID FETCH", &outcome, started);
        }
        outcome
    }

    async fn exchange_together(
        &mut self,
        commands: &[Command],
        started: Instant,
    ) -> Result<Vec<Untagged>, Error> {
        let mut waiting = Vec::with_capacity(commands.len());
        let mut written = Vec::new();
        for command in commands {
            let segments = command.segments(self.literal_plus);
            let ([segment], false) = (segments.as_slice(), command.is_refused()) else {
                return Err(Error::Argument);
            };
            let tag = self.next_tag();
            written.extend_from_slice(tag.as_bytes());
            written.push(b' ');
            written.extend_from_slice(&segment.bytes);
            written.extend_from_slice(b"\r\n");
            waiting.push((tag, command.name()));
        }
        self.taken_before = self.session.get_ref().taken();
        self.send(written, false).await?;
        let mut untagged = Vec::new();
        let mut failure = None;
        while !waiting.is_empty() {
            match next(&mut self.session).await? {
                Response::Tagged(tagged) => {
                    // A tag that is not ours answers nothing we asked.
                    let Some(at) = waiting.iter().position(|(tag, _)| *tag == tagged.tag) else {
                        continue;
                    };
                    let (_, name) = waiting.remove(at);
                    let outcome = finish(name, tagged, Completion::default());
                    self.note(name, &outcome, started);
                    failure = failure.or(outcome.err());
                }
                Response::Continuation => {}
                Response::Untagged(data) => self.keep(data, &mut untagged)?,
            }
        }
        failure.map_or(Ok(untagged), Err)
    }
}
