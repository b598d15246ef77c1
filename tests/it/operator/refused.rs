//! Operators that are refused, and names they are not sent to.

use cpm_bridge::store::Error;

use super::Opener;
use crate::support::{dovecot, repertoire::Repertoire, turnstile::Turnstile};

const LOGIN: &str = "AUTHENTICATE PLAIN *";

/// What comes of opening a box where all logins are answered so.
async fn told(refusal: &str) -> Error {
    let server = Repertoire::start("store.txt").await;
    server.answer(LOGIN, refusal);
    let opener = Opener::new(server.address(), "master");
    opener.open("+15550100").await.unwrap_err()
}

#[tokio::test]
async fn a_refused_operator_is_never_a_mistake_of_the_clients() {
    for code in ["", "[AUTHENTICATIONFAILED]", "[EXPIRED]", "[X-UNHEARD-OF]"] {
        let error = told(&format!("{{tag}} NO {code} no")).await;
        assert!(matches!(error, Error::Upstream(_)), "{code}: {error}");
    }
    assert_eq!(
        told("{tag} NO [AUTHORIZATIONFAILED] no").await,
        Error::Forbidden
    );
    assert_eq!(told("{tag} NO [LIMIT] no").await, Error::Busy);
    let error = told("{tag} NO [UNAVAILABLE] no").await;
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_wrong_password_of_the_operator_is_not_tried_for_every_box() {
    let turnstile = Turnstile::start(dovecot::shared().imap()).await;
    let opener = Opener::with(turnstile.address(), "master", "wrong", "");
    for number in 0..6 {
        let error = opener.open(&format!("+1555123{number}")).await.unwrap_err();
        assert!(matches!(error, Error::Upstream(_)), "{error}");
        let again = opener.open(&format!("+1555123{number}")).await.unwrap_err();
        assert_eq!(again, error);
    }
    assert_eq!(turnstile.count().commands("AUTHENTICATE PLAIN"), 2);
}

#[tokio::test]
async fn a_box_that_the_operator_may_not_open_keeps_it_from_no_other() {
    let server = Repertoire::start("store.txt").await;
    let opener = Opener::new(server.address(), "master");
    server.answer_times(3, LOGIN, "{tag} NO [AUTHORIZATIONFAILED] no");
    for login in ["+1", "+2", "+3"] {
        assert_eq!(opener.open(login).await.unwrap_err(), Error::Forbidden);
    }
    opener.open("+4").await.unwrap();
}

#[tokio::test]
async fn names_that_a_store_may_misread_are_refused_before_any_login() {
    let server = Repertoire::start("store.txt").await;
    for method in ["authzid", "master"] {
        let opener = Opener::new(server.address(), method);
        for login in [
            "",
            "..",
            "../../etc",
            "a/b",
            "+1*cyrus",
            "%u",
            "+1\r\n",
            "+1\0",
        ] {
            let box_id = super::box_id("+15550100");
            let outcome = opener.store.open_outside(&box_id, login).await;
            assert_eq!(outcome.unwrap_err(), Error::Forbidden, "{login:?}");
        }
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn without_plain_an_operator_cannot_name_a_box() {
    let server = Repertoire::start("store.txt").await;
    server.greet("* OK [CAPABILITY IMAP4rev1 SASL-IR] ready");
    server.answer("LOGIN *", "{tag} OK in");
    let opener = Opener::new(server.address(), "authzid");
    let error = opener.open("+15550100").await.unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(reason) if reason.contains("AUTH=PLAIN")),
        "{error}"
    );
    assert!(server.received("*LOGIN*").is_empty());
}

#[tokio::test]
async fn a_master_user_comes_in_by_login_too() {
    let server = Repertoire::start("store.txt").await;
    server.greet("* OK [CAPABILITY IMAP4rev1 LITERAL+] ready");
    server.answer(
        "LOGIN \"+15550100*bridge\" \"masterpass\"",
        "{tag} OK [CAPABILITY IMAP4rev1 NAMESPACE UIDPLUS LIST-STATUS] in",
    );
    let opener = Opener::new(server.address(), "master");
    opener.open("+15550100").await.unwrap();
    server.assert_all_known();
}
