//! HTTP/2 streams whose clients must take what is sent to them: by flow control (RFC 9113 §5.2) one of them can hold an answer
//! for ever on a connection that is well otherwise, and hyper waits as long.
//!
//! hyper gives each stream to an executor and asks for the next frame of a body when the last one is on its way. So here a stream runs
//! beside a watch over when that was, and is dropped, which resets it, when it was too long ago.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use hyper::{
    body::{Body as HttpBody, Frame, SizeHint},
    rt::Executor,
};
use tokio::time::{Instant, sleep};
use tracing::debug;

use crate::{
    rest::{Body, BodyError},
    task,
};

/// Octets that are given away at once: what a slow client takes of a large frame is seen.
const PIECE: usize = 16 << 10;
/// Octets of the last piece of a frame. hyper is done with a stream that was given its last octets, though its client may not have
/// taken them: these few are beyond all bounds, so they are a copy that keeps nothing else alive.
const LAST: usize = 4 << 10;

tokio::task_local! {
    static TAKING: Arc<Taking>;
}

/// Runs streams, each in a task of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams {
    most: Duration,
}

/// How a client takes an answer.
#[derive(Debug, Default)]
struct Taking {
    /// When something was given away, while nothing more has been asked for.
    given: Mutex<Option<Instant>>,
}

/// A body whose client is watched.
struct Watched {
    body: Body,
    /// What is left of a frame.
    rest: Bytes,
    taking: Arc<Taking>,
}

impl Streams {
    /// Streams whose clients may take nothing for so long.
    pub(super) fn new(most: Duration) -> Self {
        Self { most }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        let taking = Arc::<Taking>::default();
        let (most, watched) = (self.most, Arc::clone(&taking));
        task::spawn(TAKING.scope(taking, async move {
            tokio::select! {
                _ = stream => {}
                () = watched.too_long(most) => debug!("stream reset: its client takes nothing"),
            }
        }));
    }
}

/// An answer whose client is watched, if it is on a stream.
pub(super) fn watched(response: Response<Body>) -> Response<Body> {
    let Ok(taking) = TAKING.try_with(Arc::clone) else {
        return response;
    };
    response.map(|body| {
        let watched = Watched {
            body,
            rest: Bytes::new(),
            taking,
        };
        watched.boxed_unsync()
    })
}

impl Taking {
    fn note(&self, given: Option<Instant>) {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = given;
    }

    /// Waits until something was given away so long ago, or a quarter longer.
    async fn too_long(&self, most: Duration) {
        loop {
            sleep(most / 4).await;
            let given = *self.given.lock().unwrap_or_else(PoisonError::into_inner);
            if given.is_some_and(|given| given.elapsed() >= most) {
                return;
            }
        }
    }
}

impl Watched {
    fn piece(&mut self) -> Bytes {
        match self.rest.len() {
            length if length > PIECE + LAST => self.rest.split_to(PIECE),
            length if length > LAST => self.rest.split_to(length - LAST),
            _ => Bytes::copy_from_slice(&std::mem::take(&mut self.rest)),
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.taking.note(None);
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = self.piece();
        self.taking.note(Some(Instant::now()));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let more = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let hint = self.body.size_hint();
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower().saturating_add(more));
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper.saturating_add(more));
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicBool, Ordering},
    };

    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;

    const MOST: Duration = Duration::from_secs(60);

    fn body(frames: Vec<Vec<u8>>) -> Body {
        let frames = frames
            .into_iter()
            .map(|bytes| Ok::<_, Infallible>(Frame::data(Bytes::from(bytes))));
        let body = StreamBody::new(stream::iter(frames));
        body.map_err(|never| match never {}).boxed_unsync()
    }

    async fn next(body: &mut Body) -> Option<Bytes> {
        Some(body.frame().await?.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn a_watched_body_is_the_same_in_small_pieces_and_its_ends_are_copies() {
        let frames: Vec<Vec<u8>> = [
            0,
            1,
            LAST,
            LAST + 1,
            PIECE + LAST,
            PIECE + LAST + 1,
            100_000,
        ]
        .map(|length| {
            (0..length)
                .map(|at| u8::try_from(at % 251).unwrap())
                .collect()
        })
        .to_vec();
        let own = Arc::<Taking>::default();
        let response = Response::new(body(frames.clone()));
        let mut watched = TAKING.sync_scope(own, || watched(response)).into_body();
        for frame in frames {
            let frame = Bytes::from(frame);
            let mut joined = Vec::new();
            while joined.len() < frame.len() {
                let left = frame.len() - joined.len();
                let piece = next(&mut watched).await.unwrap();
                assert!(piece.len() <= PIECE && (piece.len() < left || left <= LAST));
                joined.extend_from_slice(&piece);
            }
            if frame.is_empty() {
                assert_eq!(next(&mut watched).await.unwrap(), frame);
            }
            assert_eq!(joined, frame);
        }
        assert_eq!(next(&mut watched).await, None);
    }

    /// Runs a stream that takes this many pieces of three with such a pause after each, then none: whether it was dropped
    /// within ten times the bound.
    async fn is_reset(pieces: usize, pause: Duration) -> bool {
        let ended = Arc::new(AtomicBool::new(false));
        struct Told(Arc<AtomicBool>);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let told = Told(Arc::clone(&ended));
        Streams::new(MOST).execute(async move {
            let _told = told;
            let response = watched(Response::new(body(vec![vec![0]; 3])));
            let mut body = response.into_body();
            for _ in 0..pieces {
                next(&mut body).await;
                sleep(pause).await;
            }
            std::future::pending::<()>().await;
        });
        sleep(MOST * 10).await;
        ended.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_reset_when_it_takes_no_piece_for_too_long() {
        assert!(is_reset(1, MOST * 2).await);
        assert!(is_reset(2, MOST / 2).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_waits_for_us_is_not_reset() {
        // No answer has begun, and one that has come to its end.
        assert!(!is_reset(0, MOST).await);
        assert!(!is_reset(4, MOST / 2).await);
    }
}
