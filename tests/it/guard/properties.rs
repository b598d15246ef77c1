//! For any bytes: no panic, an end, one response popped for each read; and the same responses for any cutting into reads.

use std::pin::Pin;
use std::task::{Context, Poll};

use async_imap::Client;
use cpm_bridge::imap::guard::{Guard, Limits, Violation};
use cpm_bridge::imap::response::Response;
use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that gives its bytes in pieces of these sizes, again and again, and never waits.
#[derive(Debug)]
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    sizes: Vec<usize>,
    reads: usize,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let size = self.sizes[self.reads % self.sizes.len()];
        let end = self.bytes.len().min(self.at + size.min(buffer.remaining()));
        buffer.put_slice(&self.bytes[self.at..end]);
        self.at = end;
        self.reads += 1;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[derive(Debug, PartialEq)]
enum End {
    Closed,
    Violation(Violation),
    Error(std::io::ErrorKind),
}

fn read_all(bytes: &[u8], sizes: Vec<usize>) -> (Vec<Response>, End) {
    let limits = Limits {
        line: 300,
        literal: 200,
        response: 600,
        depth: 4,
        search: 400,
        ..Limits::default()
    };
    let stream = Pieces {
        bytes: bytes.to_vec(),
        at: 0,
        sizes,
        reads: 0,
    };
    let mut client = Client::new(Guard::new(stream, limits));
    let mut responses = Vec::new();
    loop {
        let end = match client
            .read_response()
            .now_or_never()
            .expect("it never waits")
        {
            Ok(Some(_)) => {
                responses.push(client.get_mut().pop().expect("one response a read"));
                assert_eq!(client.get_mut().pop(), None);
                assert!(responses.len() <= bytes.len());
                continue;
            }
            Ok(None) => End::Closed,
            Err(error) => Violation::of(&error).map_or(End::Error(error.kind()), End::Violation),
        };
        return (responses, end);
    }
}

/// Pieces of what servers say, whole and broken.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "* OK [UIDNEXT 4] next\r\n",
        "* OK [ALERT]\u{e9}\r\n",
        "A0001 OK [COPYUID 1 2:3 4:5] done\r\n",
        "A0002 NO {5}\r\n",
        "+ go\r\n",
        "* SEARCH 1 2 3 (MODSEQ 9)\r\n",
        "* SEARCH",
        "* SORT ",
        " 17 4294967296 x",
        "* ESEARCH (TAG \"a\") UID ALL 1:3,5\r\n",
        "* VANISHED (EARLIER) 3:1\r\n",
        "* LIST (\\HasNoChildren) \"/\" {3}\r\na\"b\r\n",
        "* STATUS a (MESSAGES 1 MAILBOXID (\u{1}))\r\n",
        "* 1 FETCH (UID 3 BODY[TEXT] {7}\r\n)\r\n* (\"",
        " FLAGS (\\Seen))\r\n",
        "* 2 FETCH (BINARY[1.2]<3> ~{2}\r\n\0\0 MODSEQ (3))\n",
        "* 3 FETCH (BODYSTRUCTURE (((\"a\" \"b\" NIL NIL NIL \"7bit\" 1) \"mixed\") \"mixed\"))\r\n",
        "(((((((((((",
        ")))",
        "\"",
        "{12}\r\n",
        "{12+}\n",
        "{99999999999999999999}",
        "\r\n",
        "\n",
        "* ",
        "\r",
    ])
    .prop_map(|text| text.as_bytes().to_vec());
    let bytes = prop::collection::vec(any::<u8>(), 0..20);
    let spaces = (0_usize..120).prop_map(|count| vec![b' '; count]);
    prop_oneof![12 => known, 2 => bytes, 1 => spaces]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(fragment(), 0..30).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_cutting_gives_the_same_responses(bytes in stream(), sizes in prop::collection::vec(1_usize..40, 1..10)) {
        prop_assert_eq!(read_all(&bytes, sizes), read_all(&bytes, vec![usize::MAX]));
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        read_all(&bytes, vec![7]);
    }

    #[test]
    fn a_good_answer_after_anything_is_still_read(bytes in stream()) {
        // Whatever the fragments left open ends with this many bytes and a line end, or with a violation.
        let tail = "x".repeat(250) + "\r\n* 77 EXISTS\r\n";
        let (responses, end) = read_all(&[&bytes, tail.as_bytes()].concat(), vec![13]);
        let seen = responses.last() == Some(&Response::Untagged(cpm_bridge::imap::response::Untagged::Exists(77)));
        prop_assert!(seen || end != End::Closed, "{:?} {:?}", responses, end);
    }
}
