//! The byte stream under async-imap: frames, bounds and parses what the server sends, and shows async-imap only harmless stand-ins.
//!
//! imap-proto, which async-imap hands every byte to, ends a session at the first response it does not know, panics on some,
//! overflows the stack on nested ones, and needs quadratic time for long lines. So it never sees a byte of the server's. For every response
//! async-imap gets one short line of the same kind (`* OK x`, `+ `, or the tag with its OK, NO or BAD), and the response itself,
//! read by `imap::parse`, waits in order: after each `read_response()` that gave something, [`Guard::pop`] gives exactly one.
//!
//! Invariants:
//! * it reads from the socket only when polled, at most [`READ_SIZE`] bytes at a time, and only when async-imap was given all that is complete;
//! * memory follows the bytes that came, never a size that was announced;
//! * a crossed bound ends the stream with a [`Violation`], which stays;
//! * an end of the stream inside a response is an error, between responses it is the end.

mod frame;
mod search;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use self::frame::{Framed, Framer, SMALLEST_READ};
use super::response::{Response, Status, Tagged};

/// The most that is read from the socket at once.
pub const READ_SIZE: usize = 64 * 1024;
/// How many responses may wait to be popped: as long as async-imap logs in by itself, some do.
const WAITING: usize = 1024;

/// Bounds for what a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one response outside its literals.
    pub line: usize,
    /// Bytes of one literal.
    pub literal: usize,
    /// Bytes of one response.
    pub response: usize,
    /// MIME parts inside each other. Deeper structure is left out; parentheses ten times as deep are a violation.
    pub depth: usize,
    /// Bytes of one SEARCH, SORT, ESEARCH or VANISHED response, which the other bounds do not hold for.
    pub search: usize,
    /// Bytes of all responses to one command, held by whoever runs it.
    pub command: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 1024 * 1024,
            literal: 4 * 1024 * 1024,
            response: 16 * 1024 * 1024,
            depth: 100,
            search: 64 * 1024 * 1024,
            command: 128 * 1024 * 1024,
        }
    }
}

/// A bound of [`Limits`], or of the guard itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// [`Limits::line`]
    Line,
    /// [`Limits::literal`]
    Literal,
    /// [`Limits::response`]
    Response,
    /// [`Limits::depth`]
    Depth,
    /// [`Limits::search`]
    Search,
    /// Too much came that nobody popped.
    Waiting,
}

/// The server crossed a bound. It is inside the [`io::Error`] that ends the connection; see [`Violation::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's response crosses a bound: {what:?}")]
pub struct Violation {
    /// Which bound.
    pub what: Bound,
}

impl Violation {
    /// The violation that an error of the stream reports, if it is one.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<Violation> for io::Error {
    fn from(violation: Violation) -> Self {
        Self::new(io::ErrorKind::InvalidData, violation)
    }
}

/// See the module.
pub struct Guard<T> {
    io: T,
    framer: Framer,
    /// Shown to async-imap, not popped yet; each with the bytes it took on the wire.
    waiting: VecDeque<Framed>,
    /// Bytes of all that waits.
    waiting_size: usize,
    /// Bytes of all that was popped, from the beginning.
    taken: u64,
    /// What async-imap has still to read of the last stand-in.
    shown: Vec<u8>,
    shown_at: usize,
    violation: Option<Violation>,
}

impl<T> Guard<T> {
    /// Guards a connection, from its greeting on.
    #[must_use]
    pub fn new(io: T, limits: Limits) -> Self {
        Self {
            io,
            framer: Framer::new(limits),
            waiting: VecDeque::new(),
            waiting_size: 0,
            taken: 0,
            shown: Vec::new(),
            shown_at: 0,
            violation: None,
        }
    }

    /// The oldest response that async-imap was shown and that was not taken yet.
    pub fn pop(&mut self) -> Option<Response> {
        let framed = self.waiting.pop_front()?;
        self.waiting_size = self.waiting_size.saturating_sub(framed.size);
        self.taken = self.taken.saturating_add(framed.size as u64);
        Some(framed.response)
    }

    /// Bytes of all responses popped since the connection began: what one command brought is the difference.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether anything came from the socket that was not popped.
    ///
    /// After the OK to STARTTLS was popped there must be nothing: it would be plaintext that someone put in front of the
    /// handshake (RFC 9051 §6.2.1).
    #[must_use]
    pub fn has_buffered(&self) -> bool {
        !self.waiting.is_empty() || !self.framer.is_between_responses()
    }

    /// The connection itself, for STARTTLS. What was read and not popped is lost.
    pub fn into_inner(self) -> T {
        self.io
    }

    /// The next complete response among the bytes at hand becomes the next that is shown.
    fn show_next(&mut self) -> Result<bool, Violation> {
        let Some(framed) = self.framer.next()? else {
            return Ok(false);
        };
        let size = self.waiting_size.saturating_add(framed.size);
        if !self.waiting.is_empty()
            && (self.waiting.len() >= WAITING || size > self.framer.limits().response)
        {
            return Err(Violation {
                what: Bound::Waiting,
            });
        }
        self.waiting_size = size;
        self.shown = stand_in(&framed.response);
        self.shown_at = 0;
        self.waiting.push_back(framed);
        Ok(true)
    }

    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let rest = self.shown.get(self.shown_at..).unwrap_or_default();
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..length).unwrap_or_default());
        self.shown_at += length;
        length > 0
    }
}

/// What async-imap sees in place of a response.
fn stand_in(response: &Response) -> Vec<u8> {
    match response {
        Response::Untagged(_) => b"* OK x\r\n".to_vec(),
        // `authenticate` decodes the text as base64; nothing is an empty challenge.
        Response::Continuation => b"+ \r\n".to_vec(),
        Response::Tagged(tagged) => tagged_stand_in(tagged),
    }
}

fn tagged_stand_in(tagged: &Tagged) -> Vec<u8> {
    let status = match tagged.status {
        Status::Ok => "OK",
        Status::No => "NO",
        Status::Bad | Status::PreAuth | Status::Bye => "BAD",
    };
    let is_plain =
        !tagged.tag.is_empty() && tagged.tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // async-imap's own tags are plain; another one only must not be taken for one of them.
    let tag = if is_plain { tagged.tag.as_str() } else { "X" };
    format!("{tag} {status} x\r\n").into_bytes()
}

impl<T: AsyncRead + Unpin> Guard<T> {
    /// Reads the beginning of a response; a connection that waits for one, as most do, holds no room for it.
    fn poll_first(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut octets = [MaybeUninit::uninit(); SMALLEST_READ];
        let mut room = ReadBuf::uninit(&mut octets);
        let Poll::Ready(outcome) = Pin::new(&mut self.io).poll_read(context, &mut room) else {
            self.framer.rest();
            return Poll::Pending;
        };
        outcome?;
        let read = room.filled();
        self.framer.put(read);
        Poll::Ready(Ok(read.len()))
    }

    fn poll_response(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if let Some(violation) = self.violation {
                return Poll::Ready(Err(violation.into()));
            }
            match self.show_next() {
                Ok(true) => return Poll::Ready(Ok(true)),
                Ok(false) => {}
                Err(violation) => {
                    self.violation = Some(violation);
                    continue;
                }
            }
            let read = if self.framer.is_between_responses() {
                ready!(self.poll_first(context))?
            } else {
                let mut room = self.framer.room().limit(READ_SIZE);
                // `read_buf` keeps nothing between polls: what is dropped when it is pending has read nothing.
                let read = ready!(pin!(self.io.read_buf(&mut room)).poll(context))?;
                self.framer.has_read(read);
                read
            };
            if read == 0 {
                return Poll::Ready(if self.framer.is_between_responses() {
                    Ok(false)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                });
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // One response a call: async-imap copies its buffer for each response it finds there.
        if !this.hand_out(buffer) && buffer.remaining() > 0 && ready!(this.poll_response(context))?
        {
            this.hand_out(buffer);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, buffer)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<T> fmt::Debug for Guard<T> {
    /// Nothing of what was sent: it is other people's mail.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Guard")
            .field("waiting", &self.waiting.len())
            .field("violation", &self.violation)
            .finish_non_exhaustive()
    }
}
