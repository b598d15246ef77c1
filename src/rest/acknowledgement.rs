//! Whether an answer to a poll has arrived, as far as this side of a connection can know (product: acknowledgement): it has not when it
//! was not written whole, or when its connection has ended in an error since.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::http::{Body, BodyError};
use crate::notify::Receipt;

/// Answers of one connection that are told when it fails; older ones have been judged by then.
const MOST: usize = 256;

/// One connection, for the answers that were given on it.
#[derive(Debug, Clone, Default)]
pub struct Connection(Arc<Mutex<Given>>);

/// What a connection goes on with after its last request, when that was an upgrade.
pub type Conversation = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct Given {
    receipts: Vec<Receipt>,
    conversation: Option<Conversation>,
}

impl fmt::Debug for Given {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Given");
        shown
            .field("receipts", &self.receipts)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// What is to be done with it once its upgrade has been answered; there may be nothing.
    #[must_use]
    pub fn conversation(&self) -> Option<Conversation> {
        self.given().conversation.take()
    }

    pub(super) fn goes_on(&self, conversation: Conversation) {
        self.given().conversation = Some(conversation);
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has ended in an error.
    pub fn failed(&self) {
        self.given().receipts.iter().for_each(Receipt::lost);
    }

    fn carries(&self, receipt: Receipt) {
        let receipts = &mut self.given().receipts;
        receipts.retain(Receipt::is_awaited);
        if receipts.len() >= MOST {
            receipts.remove(0);
        }
        receipts.push(receipt);
    }
}

/// A body that says when all of it was taken.
struct Receipted {
    body: Body,
    receipt: Receipt,
}

/// An answer whose receipt, if it has one, is told of what becomes of it.
pub(super) fn receipted(
    mut response: Response<Body>,
    connection: Option<&Connection>,
) -> Response<Body> {
    let Some(receipt) = response.extensions_mut().remove::<Receipt>() else {
        return response;
    };
    if let Some(connection) = connection {
        connection.carries(receipt.clone());
    }
    response.map(|body| Receipted { body, receipt }.boxed_unsync())
}

impl HttpBody for Receipted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if self.body.is_end_stream() || matches!(polled, Poll::Ready(None)) {
            self.receipt.written();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
