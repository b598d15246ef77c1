//! A connection that only waits for the server to say that something has changed: NOTIFY (RFC 5465) for all mailboxes, or IDLE
//! (RFC 2177) for one.
//!
//! * What the server says is a reason to look and nothing more: it may say too much, too little or the same again.
//! * It counts in the caps of its account and of the server, and gives way to accounts that need a connection.
//! * What rings while nobody listens is kept, once for each mailbox, and for all of them when there are too many.
//! * What the bridge writes itself rings too, on a bell of the pool's: a server need not tell those who did it, or anybody at all.
//! * A server that has fallen silent for good is found out when NOOP, or DONE, is not answered in time.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    MailboxName,
    connection::{Connection, Selected},
    error::Error,
    response::Untagged,
};

/// Mailboxes that are told apart; beyond that it is quicker to look at all.
const MOST_MAILBOXES: usize = 256;
/// Messages of a mailbox that are told apart.
const MOST_MESSAGES: usize = 4096;

/// What has rung since it was asked for last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rings {
    /// In these mailboxes something may have changed: with these messages, or `None` with any.
    pub mailboxes: BTreeMap<MailboxName, Option<BTreeSet<u32>>>,
    /// Anything may have changed, the tree of mailboxes too.
    pub all: bool,
}

impl Rings {
    /// Whether nothing has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mailboxes.is_empty() && !self.all
    }

    /// Something may have changed in a mailbox.
    pub fn add(&mut self, mailbox: MailboxName, messages: Option<BTreeSet<u32>>) {
        if !self.mailboxes.contains_key(&mailbox) && self.mailboxes.len() >= MOST_MAILBOXES {
            self.all = true;
            return;
        }
        let entry = self.mailboxes.entry(mailbox);
        let known = entry.or_insert_with(|| Some(BTreeSet::new()));
        *known = match (known.take(), messages) {
            (Some(mut known), Some(messages)) => {
                known.extend(messages);
                (known.len() <= MOST_MESSAGES).then_some(known)
            }
            (_, _) => None,
        };
    }

    /// The same for all that has rung elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.all |= other.all;
        for (mailbox, messages) in other.mailboxes {
            self.add(mailbox, messages);
        }
    }
}

/// How a doorbell hears of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listening {
    /// NOTIFY: of all mailboxes of the user, and of the tree.
    Notify,
    /// IDLE: of this mailbox alone.
    Idle(MailboxName),
}

/// Between those who ring and the one who listens.
#[derive(Debug, Default)]
pub struct Bell {
    state: Mutex<BellState>,
    rung: Notify,
    /// Whether anybody has ever listened: what rings before is nobody's concern.
    heard: AtomicBool,
}

#[derive(Debug, Default)]
struct BellState {
    rings: Rings,
    ended: bool,
}

impl Bell {
    /// Waits until something rings; `None` when nothing will any more. Nothing is lost when this is dropped half-way.
    pub async fn rung(&self) -> Option<Rings> {
        loop {
            {
                let mut state = self.state();
                if !state.rings.is_empty() {
                    return Some(mem::take(&mut state.rings));
                }
                if state.ended {
                    return None;
                }
            }
            self.rung.notified().await;
        }
    }

    /// From now on what rings is kept until somebody asks.
    pub fn listen(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Nobody asks any more.
    pub fn ignore(&self) {
        self.heard.store(false, Ordering::Relaxed);
        self.state().rings = Rings::default();
    }

    /// Whether what rings is kept.
    pub(super) fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Rings, if anybody has ever listened.
    pub(super) fn ring(&self, rings: Rings) {
        if self.is_heard() && !rings.is_empty() {
            self.state().rings.merge(rings);
            self.rung.notify_one();
        }
    }

    /// Takes in what the server has said, with this mailbox open.
    pub(super) fn hear(&self, data: &Untagged, open: Option<&Selected>) {
        let mailbox = match data {
            Untagged::MailboxStatus(status) => status.mailbox.clone(),
            Untagged::Exists(_)
            | Untagged::Recent(_)
            | Untagged::Expunge(_)
            | Untagged::Vanished { .. }
            | Untagged::Fetch(_) => open.map(|selected| selected.mailbox.clone()),
            Untagged::List(_) => None,
            // Nothing of these is about mail.
            Untagged::Status { .. }
            | Untagged::Capability(_)
            | Untagged::Enabled(_)
            | Untagged::Search { .. }
            | Untagged::ExtendedSearch(_)
            | Untagged::Flags(_)
            | Untagged::Namespace(_)
            | Untagged::MyRights(_)
            | Untagged::Quota(_)
            | Untagged::Id(_)
            | Untagged::Other(_) => return,
        };
        let mut rings = Rings::default();
        match mailbox {
            Some(mailbox) => rings.add(mailbox, None),
            None => rings.all = true,
        }
        self.ring(rings);
    }

    /// Nothing will be heard any more.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.rung.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, BellState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module. The connection ends when this is dropped.
#[derive(Debug)]
pub struct Doorbell {
    connection: Connection,
    bell: Arc<Bell>,
    /// Silence after which the server is asked whether it is there.
    period: Duration,
    listening: Listening,
}

impl Doorbell {
    /// Listens to all mailboxes where the server has NOTIFY and does not refuse it, else to this one.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when it has IDLE neither; why the mailbox cannot be opened; as for [`Connection::run`].
    pub(super) async fn start(
        connection: Connection,
        mailbox: MailboxName,
        period: Duration,
    ) -> Result<Self, Error> {
        let mut doorbell = Self {
            connection,
            bell: Arc::default(),
            period,
            listening: Listening::Notify,
        };
        doorbell.bell.listen();
        if doorbell.connection.capabilities().notify() {
            match doorbell.listen(Listening::Notify).await {
                // RFC 5465 §5: BADEVENT and the like; nothing is set then.
                Err(Error::No { .. } | Error::Bad(_)) => {}
                outcome => return outcome.map(|()| doorbell),
            }
        }
        if !doorbell.connection.capabilities().idle() {
            return Err(Error::Unsupported("IDLE"));
        }
        doorbell.listen(Listening::Idle(mailbox)).await?;
        Ok(doorbell)
    }

    /// How it hears of changes.
    #[must_use]
    pub fn listening(&self) -> &Listening {
        &self.listening
    }

    /// Listens to another mailbox from now on, if it is one that is listened to. What changes in between is heard of neither
    /// there nor here: who calls this looks at both afterwards.
    ///
    /// # Errors
    /// Why the mailbox cannot be opened; it listens to nothing then.
    pub async fn listen_to(&mut self, mailbox: &MailboxName) -> Result<(), Error> {
        match &self.listening {
            Listening::Idle(open) if open != mailbox => {
                self.listen(Listening::Idle(mailbox.clone())).await
            }
            Listening::Idle(_) | Listening::Notify => Ok(()),
        }
    }

    async fn listen(&mut self, listening: Listening) -> Result<(), Error> {
        let bell = Arc::clone(&self.bell);
        let listen = self.connection.listen(listening.clone(), bell, self.period);
        listen.await?;
        self.listening = listening;
        Ok(())
    }

    /// Waits until something rings; `None` when the connection has ended. Nothing is lost when this is dropped half-way.
    pub async fn rung(&self) -> Option<Rings> {
        self.bell.rung().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::response::{ListEntry, MailboxStatus};

    fn status(name: &str) -> Untagged {
        Untagged::MailboxStatus(MailboxStatus {
            mailbox: Some(MailboxName::from_wire(name)),
            ..MailboxStatus::default()
        })
    }

    #[test]
    fn a_thousand_mailboxes_are_all_of_them() {
        let bell = Bell::default();
        bell.listen();
        for number in 0..1000 {
            bell.hear(&status(&number.to_string()), None);
        }
        let state = bell.state();
        assert!(state.rings.all);
        assert_eq!(state.rings.mailboxes.len(), MOST_MAILBOXES);
    }

    #[test]
    fn some_messages_and_any_are_any() {
        let mailbox = || MailboxName::from_wire("a");
        let some = |uids: &[u32]| Some(uids.iter().copied().collect::<BTreeSet<u32>>());
        let mut rings = Rings::default();
        rings.add(mailbox(), some(&[1]));
        rings.add(mailbox(), some(&[2]));
        assert_eq!(rings.mailboxes[&mailbox()], some(&[1, 2]));
        rings.add(mailbox(), None);
        rings.add(mailbox(), some(&[3]));
        assert_eq!(rings.mailboxes[&mailbox()], None);
        let many: BTreeSet<u32> = (1..=5000).collect();
        rings.add(MailboxName::from_wire("b"), Some(many));
        assert_eq!(rings.mailboxes[&MailboxName::from_wire("b")], None);
    }

    #[test]
    fn what_nobody_listens_to_is_not_kept() {
        let bell = Bell::default();
        bell.hear(&status("a"), None);
        assert!(bell.state().rings.is_empty());
        bell.listen();
        bell.hear(&status("a"), None);
        bell.ignore();
        assert!(bell.state().rings.is_empty());
    }

    #[test]
    fn what_is_not_about_mail_does_not_ring() {
        let bell = Bell::default();
        bell.listen();
        bell.hear(&Untagged::Flags(Vec::new()), None);
        bell.hear(&Untagged::Enabled(Vec::new()), None);
        assert!(bell.state().rings.is_empty());
        bell.hear(&Untagged::List(ListEntry::default()), None);
        assert!(bell.state().rings.all);
    }
}
