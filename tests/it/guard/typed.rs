//! async-imap's typed calls say success where the server refused or was gone; the raw surface over the guard has the evidence.

use async_imap::Session;
use cpm_bridge::imap::response::{Code, Response, Status, Untagged};
use futures_util::TryStreamExt;
use tokio::io::DuplexStream;

use super::{bypassed, guarded, next, run};

/// The status and code a command ends with, read raw.
async fn raw(reply: &[u8]) -> (Status, Option<Code>) {
    let (_, tagged) = run(&mut guarded(&[reply]).await, "X").await;
    (tagged.status, tagged.code)
}

async fn fetch(session: &mut Session<DuplexStream>) -> async_imap::error::Result<usize> {
    let items: Vec<_> = session.uid_fetch("1:*", "UID").await?.try_collect().await?;
    Ok(items.len())
}

#[tokio::test]
async fn a_refused_fetch_is_no_empty_fetch() {
    let reply = b"TAG NO [UNAVAILABLE] later\r\n";
    assert_eq!(fetch(&mut bypassed(&[reply]).await).await.unwrap(), 0);
    assert_eq!(raw(reply).await, (Status::No, Some(Code::Unavailable)));
}

#[tokio::test]
async fn a_refused_store_is_no_empty_store() {
    let reply = b"TAG NO [NOPERM] no\r\n";
    let mut session = bypassed(&[reply]).await;
    let stored: Vec<_> = session
        .uid_store("1", "+FLAGS (x)")
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(stored.len(), 0);
    assert_eq!(raw(reply).await, (Status::No, Some(Code::NoPerm)));
}

#[tokio::test]
async fn a_search_that_is_not_understood_is_no_empty_search() {
    let reply = b"TAG BAD what\r\n";
    let found = bypassed(&[reply]).await.uid_search("X").await.unwrap();
    assert!(found.is_empty());
    assert_eq!(raw(reply).await, (Status::Bad, None));
}

#[tokio::test]
async fn a_connection_lost_in_an_answer_is_no_short_answer() {
    let search = b"* SEARCH 1 2\r\n<close>";
    let found = bypassed(&[search]).await.uid_search("ALL").await.unwrap();
    assert_eq!(found.len(), 2);
    let mut session = guarded(&[search]).await;
    session.run_command("X").await.unwrap();
    assert!(matches!(
        next(&mut session).await,
        Ok(Some(Response::Untagged(Untagged::Search { .. })))
    ));
    assert!(matches!(next(&mut session).await, Ok(None)));

    let lines = b"* 1 FETCH (UID 1)\r\n<close>";
    assert_eq!(fetch(&mut bypassed(&[lines]).await).await.unwrap(), 1);
}

#[tokio::test]
async fn a_connection_lost_in_a_response_is_an_error() {
    for cut in [
        &b"* SEARCH 1 2<close>"[..],
        b"* SE<close>",
        b"* 1 FETCH (BODY[] {5}\r\nab<close>",
    ] {
        let mut session = guarded(&[cut]).await;
        session.run_command("X").await.unwrap();
        for _ in 0..2 {
            let error = next(&mut session).await;
            // The first error is the guard's, and async-imap reads no more after one.
            match error {
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof),
                Ok(response) => assert_eq!(response, None),
            }
        }
    }
}

#[tokio::test]
async fn a_dead_session_does_nothing_successfully() {
    let mut session = bypassed(&[b"* BYE\r\n<close>"]).await;
    session.noop().await.unwrap();
    // As long as the bytes of the command still find a buffer, it goes on so.
    assert!(session.read_response().await.unwrap().is_none());

    let mut session = guarded(&[b"* BYE\r\n<close>"]).await;
    session.run_command("NOOP").await.unwrap();
    let bye = next(&mut session).await.unwrap();
    assert!(matches!(
        bye,
        Some(Response::Untagged(Untagged::Status {
            status: Status::Bye,
            ..
        }))
    ));
    assert_eq!(next(&mut session).await.unwrap(), None);
}

#[tokio::test]
async fn a_session_that_broke_off_stays_dead() {
    let mut session = bypassed(&[b"* FOO\r\n", b"TAG NO\r\n"]).await;
    session.noop().await.unwrap_err();
    session.noop().await.unwrap();
}

#[tokio::test]
async fn an_untagged_line_before_the_continuation_of_append_is_data() {
    let reply = b"* 4 EXISTS\r\n+ go\r\n";
    let mut session = bypassed(&[reply]).await;
    session.append("INBOX", None, None, b"x").await.unwrap_err();
    let mut session = guarded(&[reply]).await;
    session.run_command("APPEND INBOX {1}").await.unwrap();
    let data = next(&mut session).await.unwrap();
    assert_eq!(data, Some(Response::Untagged(Untagged::Exists(4))));
    assert_eq!(
        next(&mut session).await.unwrap(),
        Some(Response::Continuation)
    );
}

#[tokio::test]
async fn a_refused_append_keeps_its_code() {
    let reply = b"TAG NO [TRYCREATE] no such mailbox\r\n";
    let error = bypassed(&[reply])
        .await
        .append("a", None, None, b"x")
        .await
        .unwrap_err();
    assert!(matches!(error, async_imap::error::Error::Append), "{error}");
    assert_eq!(raw(reply).await, (Status::No, Some(Code::TryCreate)));
}

#[tokio::test]
async fn new_uids_are_not_thrown_away() {
    let reply = b"TAG OK [COPYUID 7 1:2 11:12] copied\r\n";
    let () = bypassed(&[reply]).await.uid_copy("1:2", "a").await.unwrap();
    assert_eq!(
        raw(reply).await,
        (
            Status::Ok,
            Some(Code::CopyUid(7, vec![1..=2], vec![11..=12]))
        )
    );
    let reply = b"TAG OK [APPENDUID 7 13] appended\r\n";
    assert_eq!(
        raw(reply).await,
        (Status::Ok, Some(Code::AppendUid(7, vec![13..=13])))
    );
}

#[tokio::test]
async fn a_refused_idle_ends() {
    let reply = b"TAG NO not now\r\n";
    let mut idle = bypassed(&[reply]).await.idle();
    let turns = async {
        // Enough for the peer, on this one thread, to have said all it will ever say.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        result = idle.init() => panic!("it ended: {result:?}"),
        () = turns => {}
    }
    drop(idle);
    assert_eq!(raw(reply).await, (Status::No, None));
}

#[tokio::test]
async fn a_connection_lost_in_idle_is_not_an_interrupt() {
    let reply = b"+ idling\r\n<close>";
    let mut idle = bypassed(&[reply]).await.idle();
    idle.init().await.unwrap();
    let (wait, _stop) = idle.wait();
    let answer = wait.await.unwrap();
    assert!(
        matches!(
            answer,
            async_imap::extensions::idle::IdleResponse::ManualInterrupt
        ),
        "{answer:?}"
    );
    let mut session = guarded(&[reply]).await;
    session.run_command("IDLE").await.unwrap();
    assert_eq!(
        next(&mut session).await.unwrap(),
        Some(Response::Continuation)
    );
    assert_eq!(next(&mut session).await.unwrap(), None);
}

#[tokio::test]
async fn a_refusal_of_another_command_is_not_ones_own() {
    let reply = b"Z9 NO other\r\nTAG OK done\r\n";
    bypassed(&[reply]).await.create("a").await.unwrap_err();
    let mut session = guarded(&[reply]).await;
    session.run_command("CREATE a").await.unwrap();
    for (tag, status) in [("Z9", Status::No), ("A0002", Status::Ok)] {
        let Some(Response::Tagged(tagged)) = next(&mut session).await.unwrap() else {
            panic!()
        };
        assert_eq!((tagged.tag.as_str(), tagged.status), (tag, status));
    }
}

#[tokio::test]
async fn no_unsolicited_response_is_dropped() {
    let reply = ["* 1 EXPUNGE\r\n".repeat(150).as_bytes(), b"TAG OK\r\n"].concat();
    let mut session = bypassed(&[&reply]).await;
    session.noop().await.unwrap();
    assert_eq!(session.unsolicited_responses.len(), 100);
    let (untagged, _) = run(&mut guarded(&[&reply]).await, "NOOP").await;
    assert_eq!(untagged, vec![Untagged::Expunge(1); 150]);
}

#[tokio::test]
async fn the_order_of_a_sort_is_kept() {
    let (untagged, _) = run(&mut guarded(&[b"* SORT 9 2 5\r\nTAG OK\r\n"]).await, "SORT").await;
    assert_eq!(
        untagged,
        [Untagged::Search {
            numbers: vec![9, 2, 5],
            mod_seq: None
        }]
    );
}
