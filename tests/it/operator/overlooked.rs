//! Servers that need not have heeded which box was meant.

use base64::{Engine, prelude::BASE64_STANDARD};
use cpm_bridge::store::Error;

use super::Opener;
use crate::support::repertoire::Repertoire;

const BOX: &str = "+15550100";

/// AUTHENTICATE PLAIN for a box; nobody's for the operator's own.
fn login(authorization: &str) -> String {
    let message = format!("{authorization}\0bridge\0masterpass");
    format!("AUTHENTICATE PLAIN {}", BASE64_STANDARD.encode(message))
}

/// A server that lets the operator in as itself, and tells of two sessions, one after the other, what is given.
async fn server(of_the_operator: &str, of_the_box: &str) -> Repertoire {
    let server = Repertoire::start("store.txt").await;
    server.answer("STATUS \"INBOX\" *", of_the_box);
    server.answer_times(1, "STATUS \"INBOX\" *", of_the_operator);
    server
}

fn inbox(items: &str) -> String {
    format!("* STATUS \"INBOX\" ({items})\n{{tag}} OK done")
}

async fn outcome(server: &Repertoire) -> Result<(), Error> {
    let opener = Opener::new(server.address(), "authzid");
    opener.open(BOX).await.map(drop)
}

#[tokio::test]
async fn two_inboxes_that_differ_are_two_boxes() {
    let server = server(&inbox("UIDVALIDITY 10"), &inbox("UIDVALIDITY 11")).await;
    assert_eq!(outcome(&server).await, Ok(()));
    server.assert_all_known();
    assert_eq!(server.connections(), 2);
    assert_eq!(server.received(&login("")).len(), 1);
    assert_eq!(server.received(&login(BOX)).len(), 1);
}

#[tokio::test]
async fn what_need_not_be_another_box_is_refused() {
    let nothing = "{tag} OK done";
    let no = "{tag} NO [NONEXISTENT] none";
    for (of_the_operator, of_the_box) in [
        (inbox("UIDVALIDITY 10"), inbox("UIDVALIDITY 10")),
        (inbox("UIDVALIDITY 10"), nothing.to_owned()),
        (inbox("UIDVALIDITY 10"), no.to_owned()),
        (inbox("UIDVALIDITY 10"), inbox("MESSAGES 1")),
        (inbox("UIDVALIDITY 10"), inbox("UIDVALIDITY 0")),
        (nothing.to_owned(), inbox("UIDVALIDITY 11")),
        (no.to_owned(), inbox("UIDVALIDITY 11")),
        (
            inbox("UIDVALIDITY 10 MAILBOXID (m)"),
            inbox("UIDVALIDITY 11 MAILBOXID (m)"),
        ),
        (
            inbox("UIDVALIDITY 10 MAILBOXID (m)"),
            inbox("UIDVALIDITY 10 MAILBOXID (n)"),
        ),
    ] {
        let server = server(&of_the_operator, &of_the_box).await;
        let outcome = outcome(&server).await;
        assert!(
            matches!(outcome, Err(Error::Upstream(_))),
            "{of_the_operator} {of_the_box}: {outcome:?}"
        );
        assert!(server.received("NAMESPACE").is_empty());
    }
}

#[tokio::test]
async fn whoever_has_no_login_of_its_own_cannot_be_in_its_own_box() {
    let server = Repertoire::start("store.txt").await;
    server.answer(&login(""), "{tag} NO [AUTHENTICATIONFAILED] no such user");
    assert_eq!(outcome(&server).await, Ok(()));
    assert_eq!(server.received("STATUS *").len(), 1);
}

#[tokio::test]
async fn whoever_has_no_inbox_of_its_own_cannot_be_in_it() {
    let no = "{tag} NO Mailbox does not exist";
    for (listed, certain) in [
        ("{tag} OK done", true),
        ("{tag} NO no", false),
        ("* LIST () \"/\" INBOX\n{tag} OK done", false),
    ] {
        let server = server(no, &inbox("UIDVALIDITY 11")).await;
        server.answer_times(1, "LIST \"\" \"INBOX\"", listed);
        let outcome = outcome(&server).await;
        assert_eq!(outcome.is_ok(), certain, "{listed}: {outcome:?}");
    }
}

/// It may be of the moment, and the next login meant the operator's own box.
#[tokio::test]
async fn a_refusal_without_a_reason_proves_nothing() {
    for refusal in [
        "{tag} NO no",
        "{tag} NO [UNAVAILABLE] no",
        "{tag} NO [LIMIT] no",
        "<close>",
    ] {
        let server = Repertoire::start("store.txt").await;
        server.answer(&login(""), refusal);
        assert!(outcome(&server).await.is_err(), "{refusal}");
        assert!(server.received(&login(BOX)).is_empty(), "{refusal}");
    }
}

#[tokio::test]
async fn the_name_of_a_server_is_no_proof() {
    let server = Repertoire::start("store.txt").await;
    server.answer(
        "AUTHENTICATE PLAIN *",
        "{tag} OK [CAPABILITY IMAP4rev1 ID NAMESPACE LIST-STATUS] in",
    );
    server.answer("ID *", "* ID (\"name\" \"Dovecot\")\n{tag} OK done");
    assert!(matches!(outcome(&server).await, Err(Error::Upstream(_))));
}

/// As behind an address where two servers take turns.
#[tokio::test]
async fn what_was_found_on_another_server_does_not_count() {
    let server = Repertoire::start("store.txt").await;
    server.answer(&login(""), "{tag} NO [AUTHENTICATIONFAILED] no such user");
    let opener = Opener::new(server.address(), "authzid");
    opener.open(BOX).await.unwrap();
    server.greet("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN IDLE] ready");
    server.withdraw(&login(""));
    let error = opener.open("+15550101").await.unwrap_err();
    assert!(matches!(error, Error::Upstream(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_overlooks_it_is_left_alone_for_a_while() {
    let server = Repertoire::start("store.txt").await;
    let opener = Opener::new(server.address(), "authzid");
    for number in 0..10 {
        let error = opener.open(&format!("+1555{number}")).await.unwrap_err();
        assert!(matches!(error, Error::Upstream(_)), "{error}");
    }
    // Two boxes, and the operator's own before each of them.
    assert_eq!(server.connections(), 4);
}
