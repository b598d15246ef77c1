//! Waiting for what the server says unasked: NOTIFY, or IDLE in the open mailbox.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use super::{Driver, Mode, next};
use crate::imap::{
    command::Command,
    doorbell::{Bell, Listening},
    error::Error,
    response::{Response, Status},
};

/// RFC 5465 §5: what the user has, and what becomes of it. Without a `selected` clause a mailbox that is open is silent, so none
/// is. `FlagChange` comes as STATUS with HIGHESTMODSEQ once QRESYNC is enabled.
const EVENTS: &str = "SET (personal (MessageNew MessageExpunge FlagChange MailboxName))";

/// What a connection listens with.
pub(super) struct Ear {
    pub(super) bell: Arc<Bell>,
    period: Duration,
    /// When the server was last known to be there.
    since: Instant,
    /// Tag of the IDLE that is under way.
    idle: Option<String>,
}

impl Ear {
    /// Until when silence is no reason to ask.
    pub(super) fn patience(&self) -> Instant {
        self.since + self.period
    }
}

impl Driver {
    pub(super) async fn listen(
        &mut self,
        listening: Listening,
        bell: Arc<Bell>,
        period: Duration,
    ) -> Result<(), Error> {
        match listening {
            Listening::Notify => {
                // RFC 5465 §5.1: STATUS has HIGHESTMODSEQ only for who knows what it is.
                if self.vanished {
                    let enable = Command::new("ENABLE").atom("QRESYNC");
                    self.execute(&enable).await?;
                }
                // One SET for each connection: after a second one Dovecot 2.3 tells things only when something else wakes it.
                self.execute(&Command::new("NOTIFY").atom(EVENTS)).await?;
            }
            Listening::Idle(mailbox) => {
                self.reopen(mailbox, Mode::Examine).await?;
            }
        }
        let ear = Ear {
            bell,
            period,
            since: Instant::now(),
            idle: None,
        };
        self.ear = Some(ear);
        if self.selection.is_some() {
            self.idle().await?;
        }
        Ok(())
    }

    /// Asks a server that has been silent whether it is there, and listens on.
    pub(super) async fn listen_anew(&mut self) -> Result<(), Error> {
        let idles = self.ear.as_ref().is_some_and(|ear| ear.idle.is_some());
        if idles {
            // RFC 2177 §3: a server may log out who idles for half an hour.
            self.done().await?;
            self.idle().await?;
        } else {
            self.execute(&Command::new("NOOP")).await?;
        }
        if let Some(ear) = &mut self.ear {
            ear.since = Instant::now();
        }
        Ok(())
    }

    /// Whether this is the tag of the IDLE under way.
    pub(super) fn idles_as(&self, tag: &str) -> bool {
        let idle = self.ear.as_ref().and_then(|ear| ear.idle.as_deref());
        idle == Some(tag)
    }

    /// Before anything else is done. What NOTIFY has set stays set; who asks for more does not listen for a while.
    pub(super) async fn listen_no_more(&mut self) -> Result<(), Error> {
        self.done().await
    }

    /// RFC 2177 §3: the server answers IDLE with a continuation, and then only with what changes.
    async fn idle(&mut self) -> Result<(), Error> {
        let command = Command::new("IDLE");
        let segments = command.segments(self.literal_plus);
        let first = segments.first().ok_or(Error::Argument)?;
        let tag = self.send_first(first).await?;
        let deadline = self.command_timeout;
        let continued = async {
            loop {
                match next(&mut self.session).await? {
                    Response::Continuation => return Ok(()),
                    Response::Tagged(tagged) if tagged.tag == tag => {
                        return Err(Error::Bad("IDLE"));
                    }
                    Response::Tagged(_) => {}
                    Response::Untagged(data) => self.observe(&data),
                }
            }
        };
        timeout(deadline, continued)
            .await
            .unwrap_or(Err(Error::Timeout))?;
        if let Some(ear) = &mut self.ear {
            ear.idle = Some(tag);
        }
        Ok(())
    }

    /// Ends an IDLE that is under way.
    async fn done(&mut self) -> Result<(), Error> {
        let Some(tag) = self.ear.as_mut().and_then(|ear| ear.idle.take()) else {
            return Ok(());
        };
        self.send(b"DONE".to_vec(), true).await?;
        let deadline = self.command_timeout;
        let ended = async {
            loop {
                match next(&mut self.session).await? {
                    Response::Tagged(tagged) if tagged.tag == tag => {
                        return match tagged.status {
                            Status::Ok => Ok(()),
                            Status::No | Status::Bad | Status::PreAuth | Status::Bye => {
                                Err(Error::Bad("IDLE"))
                            }
                        };
                    }
                    Response::Tagged(_) | Response::Continuation => {}
                    Response::Untagged(data) => self.observe(&data),
                }
            }
        };
        timeout(deadline, ended)
            .await
            .unwrap_or(Err(Error::Timeout))
    }
}
