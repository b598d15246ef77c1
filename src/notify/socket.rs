//! A channel over a WebSocket (contract §8.4), seen as frames in both directions.
//!
//! * A frame carries one list. Behind each goes a ping: the list is taken when its pong comes, since a client answers in order
//!   (RFC 6455 §5.5.3). What was not taken comes again on the next connection, under the same index.
//! * Of one subscription one list is on its way at a time.
//! * One connection of a channel at a time: the older of two is closed when the newer one opens.
//! * Whoever does not answer a ping in time is gone. Nothing is read from a client that does not take its answers.

use std::{collections::VecDeque, convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    BoxKey, Error, Notifications,
    channel::Channel,
    channels::{AGAIN, Found, Turn},
    measure,
};
use crate::nms::{
    ChannelType, ClientFrame, ConnAck, Notification, NotificationList, encode::Format,
};

/// How long a client is left in peace, and how long it may take to answer.
const QUIET: Duration = Duration::from_secs(30);
/// How long a client may take to say goodbye.
const LEAVE: Duration = Duration::from_secs(5);

/// What is sent to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A document.
    Text(String),
    /// Comes back as [`Heard::Pong`] when all before it has arrived.
    Ping([u8; 8]),
    /// The last one.
    Close(Closing),
}

/// What comes from a client. Fragments are put together, and pings answered, before it comes here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// In UTF-8.
    Text(Bytes),
    /// With what the ping had in it.
    Pong(Bytes),
    /// Its answer is to be sent before more is read.
    Ping,
    /// No document is in that.
    Binary,
}

/// Why there are no more frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A frame or message that is larger than is taken.
    TooLarge,
    /// A text that is none.
    NotText,
    /// What RFC 6455 forbids.
    Protocol,
    /// The connection has ended.
    Gone,
}

/// Why the server closes a connection. Codes from 4000 on are this service's own, after the status that a poll would get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The service ends; another may be there already.
    Draining,
    /// What RFC 6455 forbids.
    Protocol,
    /// A binary frame.
    Binary,
    /// A text that is no UTF-8.
    NotText,
    /// A message that is larger than is taken.
    TooLarge,
    /// Nothing can be told at present.
    Unavailable,
    /// The channel has ended.
    Ended,
    /// A ping was not answered.
    Silent,
    /// Another connection has been opened.
    Superseded,
}

/// A channel whose client may be connected.
#[derive(Debug)]
pub struct Socket {
    room: Arc<Notifications>,
    channel: Arc<Channel>,
    format: Format,
}

impl Closing {
    /// As it is sent (RFC 6455 §7.4).
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Draining => 1001,
            Self::Protocol => 1002,
            Self::Binary => 1003,
            Self::NotText => 1007,
            Self::TooLarge => 1009,
            Self::Unavailable => 1013,
            Self::Ended => 4404,
            Self::Silent => 4408,
            Self::Superseded => 4409,
        }
    }

    /// For people.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Draining => "the service ends",
            Self::Protocol => "not as RFC 6455 has it",
            Self::Binary => "no document is binary",
            Self::NotText => "not UTF-8",
            Self::TooLarge => "too large",
            Self::Unavailable => "try again later",
            Self::Ended => "the channel has ended",
            Self::Silent => "no answer to a ping",
            Self::Superseded => "another connection was opened",
        }
    }
}

/// Lists, and what else has to be answered, in the order in which they were sent.
struct OnWay {
    /// Of the ping that was sent last.
    number: u64,
    lists: VecDeque<(u64, (BoxKey, String), u64)>,
    /// The ping that is waited for, and until when.
    awaited: Option<(u64, Instant)>,
    /// When all was answered last.
    quiet_since: Instant,
}

impl OnWay {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            number: 0,
            lists: VecDeque::new(),
            awaited: None,
            quiet_since: now,
        }
    }

    /// The next ping.
    fn ping(&mut self) -> Said {
        self.number += 1;
        if self.awaited.is_none() {
            self.awaited = Some((self.number, Instant::now() + QUIET));
        }
        Said::Ping(self.number.to_be_bytes())
    }

    /// A pong: the lists that it shows to be taken. `None` for one that answers nothing.
    fn pong(&mut self, content: &[u8]) -> Option<Vec<(BoxKey, String, u64)>> {
        let number = u64::from_be_bytes(content.try_into().ok()?);
        let (awaited, _) = self.awaited?;
        if !(awaited..=self.number).contains(&number) {
            return None;
        }
        let now = Instant::now();
        self.quiet_since = now;
        self.awaited = (number < self.number).then(|| (number + 1, now + QUIET));
        let mut taken = Vec::new();
        while let Some((_, (key, id), index)) =
            self.lists.pop_front_if(|(list, ..)| *list <= number)
        {
            taken.push((key, id, index));
        }
        Some(taken)
    }

    /// Until when nothing is to be done.
    fn due(&self) -> Instant {
        let (_, until) = self.awaited.unwrap_or((0, self.quiet_since + QUIET));
        until
    }
}

impl Notifications {
    /// The channel to which a client may be connected; `format` is what it is told in. Nothing happens to the channel before
    /// [`Socket::serve`].
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Unsupported`] at one that is polled.
    pub fn socket(
        self: &Arc<Self>,
        box_id: &str,
        id: &str,
        format: Format,
    ) -> Result<Socket, Error> {
        let channel = self.channel_of(Some(box_id), id)?;
        if channel.state().record.channel_type != ChannelType::WebSockets {
            return Err(Error::Unsupported("WebSockets"));
        }
        Ok(Socket {
            room: Arc::clone(self),
            channel,
            format,
        })
    }
}

impl Socket {
    /// Tells the client what there is to be told, until one of both ends it.
    pub async fn serve<F>(self, mut frames: F)
    where
        F: Stream<Item = Result<Heard, Broken>> + Sink<Said, Error = Broken> + Unpin + Send,
    {
        let open = measure::Open::new();
        let turn = Turn::take(&self.channel);
        self.room.used(&self.channel);
        let closing = self.until_closed(&mut frames, &turn.token).await;
        drop(turn);
        if let Some(closing) = closing {
            let farewell = async {
                frames.send(Said::Close(closing)).await?;
                while frames.next().await.transpose()?.is_some() {}
                Ok::<_, Broken>(())
            };
            // Gone either way.
            let _ = timeout(LEAVE, farewell).await;
        }
        drop(open);
    }

    /// Why the connection is to be closed; `None` when it is gone.
    async fn until_closed<F>(
        &self,
        frames: &mut F,
        superseded: &CancellationToken,
    ) -> Option<Closing>
    where
        F: Stream<Item = Result<Heard, Broken>> + Sink<Said, Error = Broken> + Unpin + Send,
    {
        tokio::select! {
            biased;
            () = self.channel.ended.cancelled() => Some(Closing::Ended),
            () = superseded.cancelled() => Some(Closing::Superseded),
            () = self.room.ending.cancelled() => Some(Closing::Draining),
            talked = self.talk(frames) => match talked {
                Err(closing) => closing,
            },
        }
    }

    /// Both directions, until there is a reason to close the connection, or it is gone.
    async fn talk<F>(&self, frames: &mut F) -> Result<Infallible, Option<Closing>>
    where
        F: Stream<Item = Result<Heard, Broken>> + Sink<Said, Error = Broken> + Unpin + Send,
    {
        let mut on_way = OnWay::new();
        let mut looks = Some(Instant::now());
        // Not begun again with each frame that comes: a filter may ask the store.
        let mut looking = None;
        loop {
            tokio::select! {
                heard = frames.next() => {
                    let heard = heard.unwrap_or(Err(Broken::Gone)).map_err(closing)?;
                    if self.hear(heard, &mut on_way, frames).await? {
                        looks = Some(Instant::now());
                    }
                }
                () = self.channel.wake.notified() => looks = Some(Instant::now()),
                () = at(looks), if looking.is_none() => {
                    looks = None;
                    let pending = on_way.lists.iter().map(|(_, of, _)| of.clone()).collect();
                    looking = Some(Box::pin(self.look(pending)));
                }
                found = finished(&mut looking) => {
                    looking = None;
                    let (found, failed) = found.map_err(|_| Some(Closing::Unavailable))?;
                    if !found.is_empty() {
                        looks = Some(Instant::now());
                    } else if failed {
                        looks = looks.or(Some(Instant::now() + AGAIN));
                    }
                    self.tell(found, &mut on_way, frames).await?;
                }
                () = sleep_until(on_way.due()) => {
                    if on_way.awaited.is_some() {
                        return Err(Some(Closing::Silent));
                    }
                    let ping = on_way.ping();
                    frames.send(ping).await.map_err(closing)?;
                }
            }
        }
    }

    async fn look(&self, pending: Vec<(BoxKey, String)>) -> Result<(Vec<Found>, bool), Error> {
        self.room.collect(&self.channel, &pending).await
    }

    /// Sends lists, each with the ping that asks whether it has arrived.
    async fn tell<F>(
        &self,
        found: Vec<Found>,
        on_way: &mut OnWay,
        frames: &mut F,
    ) -> Result<(), Option<Closing>>
    where
        F: Sink<Said, Error = Broken> + Unpin + Send,
    {
        for Found { key, list, record } in found {
            let desk = self.room.desks().get(&key).cloned();
            let Some(desk) = desk else { continue };
            let shown = Notification::EventList(list.shown(&record, &desk.seal));
            let text = written(
                self.format,
                "notificationList",
                &NotificationList(vec![shown]),
            );
            frames.feed(text).await.map_err(closing)?;
            let ping = on_way.ping();
            let of = (key, record.id);
            on_way.lists.push_back((on_way.number, of, list.index));
            frames.send(ping).await.map_err(closing)?;
        }
        Ok(())
    }

    /// Does what a frame asks for; whether there may be more to be told now.
    async fn hear<F>(
        &self,
        heard: Heard,
        on_way: &mut OnWay,
        frames: &mut F,
    ) -> Result<bool, Option<Closing>>
    where
        F: Sink<Said, Error = Broken> + Unpin + Send,
    {
        match heard {
            Heard::Text(document) => match ClientFrame::read(&document) {
                Some(ClientFrame::ConnCheck(_)) => {
                    let lifetime = self.room.used(&self.channel);
                    let acknowledgement = ConnAck {
                        channel_lifetime: Some(lifetime),
                    };
                    let text = written(Format::of(&document), "connAck", &acknowledgement);
                    frames.send(text).await.map_err(closing)?;
                }
                // Nobody has asked; what is none of the documents means nothing either.
                Some(ClientFrame::ConnAck) | None => {}
            },
            Heard::Pong(content) => {
                let Some(taken) = on_way.pong(&content) else {
                    return Ok(false);
                };
                self.room.used(&self.channel);
                self.room.taken(&taken);
                return Ok(!taken.is_empty());
            }
            Heard::Ping => frames.flush().await.map_err(closing)?,
            Heard::Binary => return Err(Some(Closing::Binary)),
        }
        Ok(false)
    }
}

/// What a client is told of a connection that cannot go on; nothing when it is gone.
fn closing(broken: Broken) -> Option<Closing> {
    match broken {
        Broken::TooLarge => Some(Closing::TooLarge),
        Broken::NotText => Some(Closing::NotText),
        Broken::Protocol => Some(Closing::Protocol),
        Broken::Gone => None,
    }
}

fn written<T: serde::Serialize>(format: Format, root: &str, value: &T) -> Said {
    // Both forms are written in UTF-8.
    Said::Text(String::from_utf8(format.write(root, value)).unwrap_or_default())
}

/// Waits until then; for ever when that is never.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What a future that may run comes to; it is not begun again when this is dropped.
async fn finished<F: Future>(running: &mut Option<Pin<Box<F>>>) -> F::Output {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
