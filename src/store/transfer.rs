//! Octets on their way from the store to a client: windows of a partial FETCH, decoded, as fast as the client takes them and no
//! faster.
//!
//! * Each window is a request of its own, so that a download holds no connection while its client is slow.
//! * One window is with the client while the next is read, and no more; all count against the budget of the process.
//! * Windows begin small and grow with the client's pace: who takes nothing holds little.
//! * The first window is read before anything is answered; an error later on cuts the answer off.

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Account, Error,
    budget::Room,
    locate::Located,
    payload::{SMALL_WINDOW, Stored},
};
use crate::{
    imap::SectionName,
    message::{Decoder, TransferEncoding},
    task,
};

/// Octets of the first window, and of each one when there is little room.
const SMALLEST: u64 = SMALL_WINDOW;
/// Octets of a window for a client that takes all there is.
const LARGEST: u64 = 1 << 20;
/// A client that takes a window within this time gets larger ones.
const QUICK: Duration = Duration::from_millis(250);
/// A client that needs longer than this gets smaller ones.
const SLOW: Duration = Duration::from_secs(1);

/// What is read, and what is done to it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    section: SectionName,
    /// Where the octets begin and, when that is known exactly, end.
    start: u64,
    end: Option<u64>,
    /// Removed first.
    outer: TransferEncoding,
    /// Cut out then.
    range: Option<Range<u64>>,
    /// Removed last.
    inner: TransferEncoding,
}

impl Source {
    /// All of what is stored, decoded. Where octets of an encoding end is left to the store to say.
    pub(super) fn new(stored: &Stored, encoding: TransferEncoding) -> Self {
        let octets = stored
            .octets
            .filter(|_| encoding == TransferEncoding::Identity);
        Self {
            section: stored.section.clone(),
            start: stored.start,
            end: octets.map(|octets| stored.start.saturating_add(octets)),
            outer: encoding,
            range: None,
            inner: TransferEncoding::Identity,
        }
    }

    /// Decoded octets from here to there, or to their end, decoded again.
    pub(super) fn within(self, start: u64, end: Option<u64>, inner: TransferEncoding) -> Self {
        if self.outer != TransferEncoding::Identity {
            return Self {
                range: Some(start..end.unwrap_or(u64::MAX)),
                inner,
                ..self
            };
        }
        // They are stored as they are.
        let end = end.map(|end| self.start.saturating_add(end)).or(self.end);
        Self {
            start: self.start.saturating_add(start),
            end,
            inner,
            ..self
        }
    }

    /// Some of the octets of a source whose length is known. Of what is stored as it is served nothing else is read; of what is
    /// encoded all that is before them has to be.
    pub(super) fn part(self, range: Range<u64>) -> Self {
        let from = self.range.as_ref().map_or(0, |range| range.start);
        let end = from.saturating_add(range.end);
        let inner = self.inner;
        self.within(from.saturating_add(range.start), Some(end), inner)
    }
}

impl Account {
    /// Starts a transfer: its first octets are there already. Whoever drops the receiver ends it.
    ///
    /// # Errors
    /// What reading the first window fails with; [`Error::Busy`] when there is no room for it.
    pub(super) async fn transfer(
        &self,
        located: Located,
        source: Source,
    ) -> Result<mpsc::Receiver<Result<Bytes, Error>>, Error> {
        let mut reader = Reader::new(self.clone(), located, source);
        let first = reader.next().await?;
        let (sender, chunks) = mpsc::channel(1);
        if let Some(first) = first {
            // The channel has room for it.
            let _ = sender.try_send(Ok(first));
            task::spawn(Box::pin(reader.pass_on(sender)));
        }
        Ok(chunks)
    }
}

/// Reads a source window by window.
struct Reader {
    account: Account,
    located: Located,
    source: Source,
    offset: u64,
    /// Octets of the next window.
    window: u64,
    ended: bool,
    /// Octets after the outer decoder that were passed on or skipped.
    decoded: u64,
    outer: Option<Decoder>,
    inner: Option<Decoder>,
}

impl Reader {
    fn new(account: Account, located: Located, source: Source) -> Self {
        let decoder =
            |encoding| (encoding != TransferEncoding::Identity).then(|| Decoder::new(encoding));
        Self {
            account,
            located,
            offset: source.start,
            window: SMALLEST,
            ended: false,
            decoded: 0,
            outer: decoder(source.outer),
            inner: decoder(source.inner),
            source,
        }
    }

    /// Reads on whenever the client has begun to take what was read last.
    async fn pass_on(mut self, sender: mpsc::Sender<Result<Bytes, Error>>) {
        loop {
            let offered = Instant::now();
            // A closed channel: the client has gone.
            let Ok(place) = sender.reserve().await else {
                return;
            };
            self.keep_pace(offered.elapsed());
            match self.next().await {
                Ok(Some(chunk)) => place.send(Ok(chunk)),
                Ok(None) => return,
                Err(error) => return place.send(Err(error)),
            }
        }
    }

    fn keep_pace(&mut self, taken_after: Duration) {
        if taken_after <= QUICK {
            self.window = (self.window * 2).min(LARGEST);
        } else if taken_after > SLOW {
            self.window = (self.window / 2).max(SMALLEST);
        }
    }

    /// The next octets for the client; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.ended {
            let (window, room) = self.read().await?;
            let bytes = self.decode(window);
            if !bytes.is_empty() {
                return Ok(Some(room.hold(bytes)));
            }
        }
        Ok(None)
    }

    /// The next window and the room it takes.
    async fn read(&mut self) -> Result<(Bytes, Room), Error> {
        let left = self
            .source
            .end
            .map_or(u64::MAX, |end| end.saturating_sub(self.offset));
        let budget = &self.account.store.budget;
        let room = budget.room_now(self.window.min(left));
        let wanted = match room {
            Some(_) => self.window.min(left),
            None => SMALLEST.min(left),
        };
        let room = match room {
            Some(room) => room,
            None => self.account.room(wanted).await?,
        };
        if wanted == 0 {
            self.ended = true;
            return Ok((Bytes::new(), room));
        }
        let window = self
            .account
            .window(&mut self.located, &self.source.section, self.offset, wanted)
            .await?;
        let got = u64::try_from(window.len()).unwrap_or(u64::MAX);
        self.offset = self.offset.saturating_add(got);
        self.ended = got < wanted || got == left;
        if got < wanted && self.source.end.is_some() {
            // Never a whole answer.
            let what = "a section is shorter than its structure says";
            return Err(Error::Upstream(what.to_owned()));
        }
        Ok((window, room))
    }

    fn decode(&mut self, window: Bytes) -> Bytes {
        let ended = self.ended;
        let decoded = through(&mut self.outer, window, ended);
        let cut = match &self.source.range {
            None => decoded,
            Some(range) => {
                let start = self.decoded;
                let length = u64::try_from(decoded.len()).unwrap_or(u64::MAX);
                self.decoded += length;
                let within = |position: u64| {
                    usize::try_from(position.saturating_sub(start).min(length))
                        .unwrap_or(usize::MAX)
                };
                if self.decoded >= range.end {
                    self.ended = true;
                }
                decoded.slice(within(range.start)..within(range.end))
            }
        };
        let ended = self.ended;
        through(&mut self.inner, cut, ended)
    }
}

/// Through a decoder if there is one, and out of it at the end.
fn through(decoder: &mut Option<Decoder>, bytes: Bytes, ended: bool) -> Bytes {
    let Some(stage) = decoder else { return bytes };
    let mut decoded = stage.push(&bytes);
    if ended && let Some(stage) = decoder.take() {
        decoded.extend_from_slice(&stage.finish());
    }
    Bytes::from(decoded)
}
