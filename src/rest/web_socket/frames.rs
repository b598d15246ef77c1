//! The frames of an upgraded connection as notifications see them. Masks, fragments, pongs and the answer to a close are the library's.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use crate::notify::{Broken, Heard, Said};

/// Octets of a message from a client; it has little to say.
const MESSAGE: usize = 64 << 10;
/// Octets that are read at once: as a rule a pong.
const READ: usize = 1 << 10;
/// Octets that wait for the connection; more than a list and its ping ever are.
const WRITE: usize = 16 << 20;

/// See the module.
pub(super) struct Frames(WebSocketStream<TokioIo<Upgraded>>);

impl Frames {
    pub(super) async fn new(upgraded: Upgraded) -> Self {
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE)
            .max_message_size(Some(MESSAGE))
            .max_frame_size(Some(MESSAGE));
        let io = TokioIo::new(upgraded);
        Self(WebSocketStream::from_raw_socket(io, Role::Server, Some(limits)).await)
    }
}

impl Stream for Frames {
    type Item = Result<Heard, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let heard = match ready!(Pin::new(&mut self.0).poll_next(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => Err(broken(&error)),
                Some(Ok(Message::Text(text))) => Ok(Heard::Text(text.into())),
                Some(Ok(Message::Binary(_))) => Ok(Heard::Binary),
                Some(Ok(Message::Ping(_))) => Ok(Heard::Ping),
                Some(Ok(Message::Pong(content))) => Ok(Heard::Pong(content)),
                // Answered by the library, and the end after that; raw frames it only writes.
                Some(Ok(Message::Close(_) | Message::Frame(_))) => continue,
            };
            return Poll::Ready(Some(heard));
        }
    }
}

impl Sink<Said> for Frames {
    type Error = Broken;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let polled = Pin::new(&mut self.0).poll_ready(context);
        polled.map_err(|error| broken(&error))
    }

    fn start_send(mut self: Pin<&mut Self>, said: Said) -> Result<(), Broken> {
        let message = match said {
            Said::Text(text) => Message::Text(text.into()),
            Said::Ping(content) => Message::Ping(Bytes::copy_from_slice(&content)),
            Said::Close(closing) => Message::Close(Some(CloseFrame {
                code: closing.code().into(),
                reason: closing.reason().into(),
            })),
        };
        let sent = Pin::new(&mut self.0).start_send(message);
        sent.map_err(|error| broken(&error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let polled = Pin::new(&mut self.0).poll_flush(context);
        polled.map_err(|error| broken(&error))
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let polled = Pin::new(&mut self.0).poll_close(context);
        polled.map_err(|error| broken(&error))
    }
}

fn broken(error: &Error) -> Broken {
    match error {
        Error::Capacity(_) => Broken::TooLarge,
        Error::Utf8(_) => Broken::NotText,
        Error::Protocol(_) => Broken::Protocol,
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::WriteBufferFull(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => Broken::Gone,
    }
}
