//! The repertoire.

use crate::support::{repertoire::Repertoire, witness::Witness};

#[tokio::test]
async fn of_several_answers_the_last_one_counts_as_often_as_it_is_meant() {
    let store = Repertoire::start("store.txt").await;
    store.answer("NOOP", "* OK a\n{tag} OK");
    store.answer_times(1, "NOOP", "* OK b\n{tag} OK");
    store.answer("NO*", "* OK c\n{tag} OK");
    store.withdraw("NO*");
    let mut witness = Witness::connect(store.address()).await;
    for said in ["* OK b", "* OK a", "* OK a"] {
        assert_eq!(witness.command("NOOP").await.ok().texts(), [said]);
    }
    store.until_received("NOOP").await;
    assert_eq!(store.received("NOOP").len(), 3);
    assert_eq!(store.connections(), 1);
    store.assert_all_known();
}

#[tokio::test]
async fn literals_are_asked_for_or_refused_and_stand_in_the_command() {
    let store = Repertoire::start("store.txt").await;
    store.answer("CREATE *", "{tag} OK");
    store.answer("DELETE *}", "{tag} NO not so long");
    let mut witness = Witness::connect(store.address()).await;
    witness
        .command_with_literal("CREATE ", b"a\r\nb", "")
        .await
        .ok();
    let refused = witness.command_with_literal("DELETE ", b"x", "").await;
    assert_eq!(refused.status, "NO not so long");
    assert_eq!(store.received("*"), ["CREATE {4}a\r\nb", "DELETE {1}"]);
}

#[tokio::test]
#[should_panic(expected = "no answer to [\"XNEVER\"]")]
async fn a_command_without_an_answer_is_reported() {
    let store = Repertoire::start("store.txt").await;
    let mut witness = Witness::connect(store.address()).await;
    let reply = witness.command("XNEVER").await;
    assert_eq!(reply.status, "BAD not in the repertoire");
    store.assert_all_known();
}

#[tokio::test]
async fn a_greeting_can_be_another() {
    let store = Repertoire::start("store.txt").await;
    store.greet("* OK first\n* OK second");
    let mut witness = Witness::connect(store.address()).await;
    assert_eq!(witness.response().await.text, "* OK second");
}

#[tokio::test]
async fn a_connection_can_be_reset() {
    let store = Repertoire::start("store.txt").await;
    store.answer("NOOP", "<reset>");
    let mut stream = tokio::net::TcpStream::connect(store.address())
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"a NOOP\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let ended = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert_eq!(
        ended.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
}
