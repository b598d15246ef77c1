//! APPEND: messages go to the server as they come, and are never held whole.
//!
//! * What was announced is what is sent: a message that breaks off, or grows, ends the connection inside the literal, and the server
//!   has stored nothing (RFC 9051 §6.3.12: APPEND takes effect as a whole or not at all).
//! * Mail is never read as commands: what a server might stumble over before a literal is not followed by one unasked
//!   ([`Message::goes_unasked`]), and one that stumbles all the same is left.
//! * Whether all of it was sent is told apart ([`Error::Unsent`] against [`Error::Closed`], [`Error::Timeout`] and [`Error::Protocol`]): only
//!   then the outcome can be unknown ([`Error::leaves_open`]).
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked: what is not named does not matter here"
)]

use std::{collections::HashMap, fmt, io};

use bytes::Bytes;
use chrono::{DateTime, FixedOffset};
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout, timeout_at},
};

use super::{Driver, finish};
use crate::imap::{
    MailboxName,
    command::Command,
    connect::next,
    connection::Completion,
    error::Error,
    flag::Flag,
    response::{Response, Status, Tagged},
};

/// Up to this size a literal need not be asked for where the server has LITERAL+; a larger one is, so that a server without room
/// says so before it is sent.
const UNASKED: u64 = 64 * 1024;
/// Octets of flags that any server takes in one line.
const FEW_FLAGS: usize = 4096;

/// What APPEND stores.
pub struct Message {
    /// Flags; without `\Recent`.
    pub flags: Vec<Flag>,
    /// INTERNALDATE, in whole seconds.
    pub internal_date: DateTime<FixedOffset>,
    /// Octets, exactly.
    pub octets: u64,
    /// The octets in pieces, with a bound of its own on the wait for each; an error gives the message up.
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

impl Message {
    /// Whether its literal may be sent without asking, where the server has LITERAL+.
    ///
    /// Not when the server could take what stands before it for a mistake in the command: Dovecot 2.3 answers BAD then and goes on to
    /// read the mail as commands, though RFC 7888 §4 has it read past the literal. A system flag it does not know is such a mistake.
    #[must_use]
    pub fn goes_unasked(&self) -> bool {
        let octets: usize = self.flags.iter().map(|flag| flag.as_str().len() + 1).sum();
        let all_known = self.flags.iter().all(|flag| !flag.is_extension());
        self.octets <= UNASKED && octets <= FEW_FLAGS && all_known
    }
}

/// No content: it is other people's mail.
impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Message")
            .field("octets", &self.octets)
            .finish_non_exhaustive()
    }
}

impl Driver {
    /// One APPEND; of several messages where the server has MULTIAPPEND (RFC 3502), which stores all or none.
    pub(super) async fn append(
        &mut self,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Result<Completion, Error> {
        let started = Instant::now();
        let outcome = self.append_whole(mailbox, messages).await;
        self.note("APPEND", &outcome, started);
        outcome
    }

    /// An APPEND for each message, sent back to back (RFC 9051 §5.5) where none needs to be asked for; one outcome each, in order.
    pub(super) async fn append_each(
        &mut self,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Vec<Result<Completion, Error>> {
        let started = Instant::now();
        let count = messages.len();
        let mut tags = Vec::with_capacity(count);
        let mut sent = self.still_there();
        for message in messages {
            if sent.is_err() {
                break;
            }
            let mut tag = String::new();
            sent = self.send_append(mailbox, message, &mut tag).await;
            if matches!(sent, Ok(()) | Err(Error::Closed)) {
                tags.push(tag);
            }
        }
        let mut outcomes = self.answers(&tags).await;
        self.out_of_step |= outcomes
            .iter()
            .any(|outcome| matches!(outcome, Err(Error::Bad(_))));
        outcomes.resize_with(count, || Err(Error::Unsent));
        outcomes
            .iter()
            .for_each(|outcome| self.note("APPEND", outcome, started));
        outcomes
    }

    /// What each command came to, in whatever order the server answers. After a loss there is nothing to wait for.
    async fn answers(&mut self, tags: &[String]) -> Vec<Result<Completion, Error>> {
        let mut answers: HashMap<String, Result<Completion, Error>> = HashMap::new();
        let mut lost = Error::Timeout;
        let mut deadline = Instant::now() + self.command_timeout;
        while answers.len() < tags.len() {
            match timeout_at(deadline, next(&mut self.session)).await {
                Ok(Ok(Response::Tagged(tagged))) if tags.contains(&tagged.tag) => {
                    deadline = Instant::now() + self.command_timeout;
                    let tag = tagged.tag.clone();
                    answers.insert(tag, finish("APPEND", tagged, Completion::default()));
                }
                Ok(Ok(Response::Untagged(data))) => self.observe(&data),
                Ok(Ok(Response::Tagged(_) | Response::Continuation)) => {}
                Ok(Err(error)) => {
                    lost = error;
                    break;
                }
                Err(_) => break,
            }
        }
        tags.iter()
            .map(|tag| answers.remove(tag).unwrap_or_else(|| Err(lost.clone())))
            .collect()
    }

    /// One APPEND whose literal is not asked for.
    async fn send_append(
        &mut self,
        mailbox: &MailboxName,
        message: Message,
        tag: &mut String,
    ) -> Result<(), Error> {
        let head = Command::new("APPEND").mailbox(mailbox);
        let head = head.message(&message.flags, message.internal_date, message.octets, true);
        // With LITERAL+ nothing in it is asked for either, so nothing is answered before the end.
        self.begin(&head, tag, false, &mut Completion::default())
            .await?;
        self.send_message(message).await?;
        self.end_line().await
    }

    async fn append_whole(
        &mut self,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Result<Completion, Error> {
        let mut completion = Completion::default();
        let mut tag = String::new();
        let mut unasked = false;
        self.still_there()?;
        for (index, message) in messages.into_iter().enumerate() {
            let asks = !(self.literal_plus && message.goes_unasked());
            let refusal = if index == 0 {
                let head = Command::new("APPEND").mailbox(mailbox);
                let head =
                    head.message(&message.flags, message.internal_date, message.octets, !asks);
                let refusal = self.begin(&head, &mut tag, asks, &mut completion).await?;
                if self.is_in_the_way(mailbox, refusal.as_ref()) {
                    self.leave().await.map_err(unsent)?;
                    self.begin(&head, &mut tag, asks, &mut completion).await?
                } else {
                    refusal
                }
            } else {
                let head = Command::new("").message(
                    &message.flags,
                    message.internal_date,
                    message.octets,
                    !asks,
                );
                self.go_on(&head, &tag, asks, &mut completion).await?
            };
            if let Some(tagged) = refusal {
                // The server does not want it, and nothing of this message was sent.
                self.out_of_step |= unasked && tagged.status == Status::Bad;
                return finish("APPEND", tagged, completion);
            }
            unasked |= !asks;
            self.send_message(message).await?;
        }
        self.end_line().await?;
        let answered = timeout(self.command_timeout, self.tagged(&tag, &mut completion)).await;
        let tagged = answered.map_err(|_| Error::Timeout)??;
        self.out_of_step |= unasked && tagged.status == Status::Bad;
        finish("APPEND", tagged, completion)
    }

    /// Whether the mailbox may have been refused because it is open here for reading: Courier appends to none that is.
    fn is_in_the_way(&self, mailbox: &MailboxName, refusal: Option<&Tagged>) -> bool {
        let examined = self.selection.as_ref();
        let examined =
            examined.is_some_and(|selected| selected.read_only && selected.mailbox == *mailbox);
        examined
            && refusal.is_some_and(|tagged| tagged.status == Status::No && tagged.code.is_none())
    }

    /// Takes in what the server has said meanwhile: a connection that has ended is noticed before anything is sent on it.
    fn still_there(&mut self) -> Result<(), Error> {
        while let Some(response) = next(&mut self.session).now_or_never() {
            if let Response::Untagged(data) = response.map_err(unsent)? {
                self.observe(&data);
            }
        }
        Ok(())
    }

    /// Sends the command up to its first literal of mail.
    async fn begin(
        &mut self,
        head: &Command,
        tag: &mut String,
        asks: bool,
        completion: &mut Completion,
    ) -> Result<Option<Tagged>, Error> {
        if head.is_refused() {
            return Err(Error::Argument);
        }
        let mut segments = head.segments(self.literal_plus).into_iter().peekable();
        let first = segments.next().ok_or(Error::Argument)?;
        *tag = self.send_first(&first).await.map_err(unsent)?;
        while let Some(segment) = segments.next() {
            if let Some(tagged) = self.invited(tag, completion).await? {
                return Ok(Some(tagged));
            }
            let last = segments.peek().is_none();
            self.send(segment.bytes, last).await.map_err(unsent)?;
        }
        if asks {
            self.invited(tag, completion).await
        } else {
            Ok(None)
        }
    }

    /// Announces a further message right after the literal of the one before (RFC 3502 §6.3.11).
    async fn go_on(
        &mut self,
        head: &Command,
        tag: &str,
        asks: bool,
        completion: &mut Completion,
    ) -> Result<Option<Tagged>, Error> {
        for segment in head.segments(self.literal_plus) {
            self.write(&segment.bytes, false).await?;
        }
        self.write(b"\r\n", asks).await?;
        if asks {
            self.invited(tag, completion).await
        } else {
            Ok(None)
        }
    }

    /// Exactly the octets that were announced.
    async fn send_message(&mut self, mut message: Message) -> Result<(), Error> {
        let mut left = message.octets;
        loop {
            // Not timed here: whoever gives the body bounds its silence, and says better what went wrong.
            let Some(piece) = message.body.next().await else {
                return if left == 0 {
                    Ok(())
                } else {
                    Err(Error::Unsent)
                };
            };
            let piece = piece.map_err(|_| Error::Unsent)?;
            left = u64::try_from(piece.len())
                .ok()
                .and_then(|length| left.checked_sub(length))
                .ok_or(Error::Unsent)?;
            self.write(&piece, false).await?;
        }
    }

    /// Ends the command. Some servers act on the CR alone, so when this fails nobody knows whether this one will.
    async fn end_line(&mut self) -> Result<(), Error> {
        self.write(b"\r\n", true).await.map_err(|_| Error::Closed)
    }

    async fn write(&mut self, bytes: &[u8], flush: bool) -> Result<(), Error> {
        let guard = self.session.get_mut();
        let write = async {
            guard.write_all(bytes).await?;
            if flush { guard.flush().await } else { Ok(()) }
        };
        match timeout(self.command_timeout, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Error::Unsent),
        }
    }

    /// Waits for `+`; the tagged line when that comes instead. What the server has not invited was not sent.
    async fn invited(
        &mut self,
        tag: &str,
        completion: &mut Completion,
    ) -> Result<Option<Tagged>, Error> {
        let deadline = self.command_timeout;
        let wait = async {
            loop {
                match next(&mut self.session).await? {
                    Response::Continuation => return Ok(None),
                    Response::Tagged(tagged) if tagged.tag == tag => return Ok(Some(tagged)),
                    Response::Tagged(_) => {}
                    Response::Untagged(data) => self.keep(data, &mut completion.untagged)?,
                }
            }
        };
        match timeout(deadline, wait).await {
            Ok(outcome) => outcome.map_err(unsent),
            Err(_) => Err(Error::Unsent),
        }
    }

    async fn tagged(&mut self, tag: &str, completion: &mut Completion) -> Result<Tagged, Error> {
        loop {
            match next(&mut self.session).await? {
                Response::Tagged(tagged) if tagged.tag == tag => return Ok(tagged),
                Response::Untagged(data) => self.keep(data, &mut completion.untagged)?,
                _ => {}
            }
        }
    }
}

/// Before the last octet was sent a lost connection has stored nothing.
fn unsent(error: Error) -> Error {
    match error {
        Error::Closed | Error::Timeout => Error::Unsent,
        other => other,
    }
}
