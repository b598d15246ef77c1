//! Servers that cannot be reached, do not want us, or do not let this user in.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{OFFERS, WORDS, bridge, no, offer, told};
use crate::support::{
    bridge::Bridge,
    repertoire::Repertoire,
    scripted::{Script, Scripted},
};

const ANYTHING: &str = "folders/operations/pathToId";
const LOGIN: &str = "AUTHENTICATE PLAIN *";

#[tokio::test]
async fn a_login_is_told_by_its_code() {
    for (refusal, expected) in [
        (no("[AUTHENTICATIONFAILED]"), &["401 SVC2003"][..]),
        (no("[EXPIRED]"), &["401 SVC2003"]),
        (no(""), &["401 SVC2003"]),
        (no("[X-UNHEARD-OF]"), &["401 SVC2003"]),
        (no("[AUTHORIZATIONFAILED]"), &["403 POL0001 NotAuthorized"]),
        (no("[LIMIT]"), &["503 SVC2001"]),
        (no("[UNAVAILABLE]"), &["503 SVC2001"]),
        (no("[INUSE]"), &["503 SVC2001"]),
        // Nobody knows whether the password was right: it must not count as wrong.
        (no("[SERVERBUG]"), &["502 SVC0001 502", "503 SVC2001"]),
        (no("[CONTACTADMIN]"), &["502 SVC0001 502", "503 SVC2001"]),
        ("<close>".to_owned(), &["503 SVC2001"]),
        ("<reset>".to_owned(), &["503 SVC2001"]),
        (format!("* BYE {WORDS}\n<close>"), &["503 SVC2001"]),
    ] {
        let store = Repertoire::start("store.txt").await;
        store.answer(LOGIN, &refusal);
        let bridge = bridge("login_refused", &store).await;
        let told = told(&bridge.get(ANYTHING).await);
        assert!(
            expected.contains(&told.as_str()),
            "{refusal}: {told}, not {expected:?}"
        );
    }
}

/// Nobody has looked at the password.
#[tokio::test]
async fn a_login_that_is_not_understood_is_a_fault_of_ours() {
    let store = Repertoire::start("store.txt").await;
    store.answer(LOGIN, &format!("{{tag}} BAD {WORDS}"));
    let bridge = bridge("login_not_understood", &store).await;
    assert_eq!(told(&bridge.get(ANYTHING).await), "500 SVC0001 500");
}

#[tokio::test]
async fn only_a_refusal_is_remembered() {
    for trouble in [
        no("[LIMIT]"),
        no("[UNAVAILABLE]"),
        format!("* BYE {WORDS}\n<close>"),
        "<close>".to_owned(),
    ] {
        let store = Repertoire::start("store.txt").await;
        offer(&store, OFFERS);
        store.answer_times(1, LOGIN, &trouble);
        let bridge = bridge("login_trouble", &store).await;
        assert_eq!(
            told(&bridge.get(ANYTHING).await),
            "503 SVC2001",
            "{trouble}"
        );
        assert_eq!(told(&bridge.get(ANYTHING).await), "200", "{trouble}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_greet_properly_is_away_and_hears_no_password() {
    for greeting in [
        format!("* BYE {WORDS}\n<close>"),
        format!("* BYE [ALERT] {WORDS}"),
        format!("* PREAUTH [CAPABILITY IMAP4rev1] {WORDS}"),
        format!("* NO {WORDS}"),
        format!("HTTP/1.1 400 Bad Request\n{WORDS}"),
        "<close>".to_owned(),
        "<reset>".to_owned(),
        String::new() + "S-raw: \\xff\\x00\\xfe\\r\\n",
        "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS] no login without TLS".to_owned(),
        "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=CRAM-MD5 AUTH=XOAUTH2] nothing we have"
            .to_owned(),
    ] {
        let store = Repertoire::start("store.txt").await;
        store.greet(&greeting);
        let bridge = bridge("greeting", &store).await;
        assert_eq!(
            told(&bridge.get(ANYTHING).await),
            "503 SVC2001",
            "{greeting}"
        );
        assert_eq!(store.received("AUTHENTICATE *"), [""; 0], "{greeting}");
        assert_eq!(store.received("LOGIN *"), [""; 0], "{greeting}");
        // Operators are told why.
        let ready = bridge.admin().get("/readyz").await;
        if greeting.starts_with("* BYE") {
            assert_eq!(ready.status, 503);
            assert!(
                ready.text().starts_with("store/cpm down: "),
                "{}",
                ready.text()
            );
        }
    }
}

#[tokio::test]
async fn a_server_that_greets_with_silence_is_away() {
    let store = Repertoire::start("store.txt").await;
    store.greet("<stall>");
    let bridge = Bridge::builder("silent_greeting")
        .store(store.address())
        .store_setting("connect_timeout = 1")
        .start()
        .await;
    assert_eq!(told(&bridge.get(ANYTHING).await), "503 SVC2001");
}

/// A server that offers nothing in its greeting is asked, before the login and after it.
#[tokio::test]
async fn capabilities_that_nobody_announces_are_asked_for() {
    let bridge_login = Bridge::builder("capabilities_by_command");
    let token = BASE64_STANDARD.encode(format!("\0{}\0secret", bridge_login.login()));
    let script = Script::new()
        .send("* OK hello")
        .expect("{tag} CAPABILITY")
        .send("* CAPABILITY IMAP4rev1 AUTH=PLAIN")
        .send("{tag} OK done")
        .expect("{tag} AUTHENTICATE PLAIN")
        .send("+ ")
        .expect(&token)
        .send("{tag} OK in")
        .expect("{tag} CAPABILITY")
        .send("* CAPABILITY IMAP4rev1 NAMESPACE")
        .send("{tag} OK done")
        .expect("{tag} NAMESPACE")
        .send("* NAMESPACE ((\"\" \".\")) NIL NIL")
        .send("{tag} OK done")
        .expect("{tag} LIST \"\" \"*\"")
        .send("{tag} OK done");
    let server = Scripted::start(vec![script]).await;
    let bridge = bridge_login.store(server.address()).start().await;
    assert_eq!(told(&bridge.get(ANYTHING).await), "200");
    server.assert_played().await;
}

/// What was announced before the login does not hold after it: such a server would answer BAD to LIST … RETURN.
#[tokio::test]
async fn capabilities_are_those_after_the_login() {
    let script = Script::new()
        .send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN LIST-STATUS NAMESPACE ID] hello")
        .expect("{tag} AUTHENTICATE PLAIN *")
        .send("* CAPABILITY IMAP4rev1")
        .send("{tag} OK in")
        .expect("{tag} LIST \"\" \"\"")
        .send("* LIST (\\Noselect) \"/\" \"\"")
        .send("{tag} OK done")
        .expect("{tag} LIST \"\" \"*\"")
        .send("{tag} OK done");
    let server = Scripted::start(vec![script]).await;
    let bridge = Bridge::builder("capabilities_after_login")
        .store(server.address())
        .start()
        .await;
    assert_eq!(told(&bridge.get(ANYTHING).await), "200");
    server.assert_played().await;
}

/// Cyrus announces LOGINDISABLED after the login too; it means nothing any more.
#[tokio::test]
async fn a_server_without_sasl_is_logged_in_to_with_login() {
    let store = Repertoire::start("store.txt").await;
    store.greet("* OK [CAPABILITY IMAP4rev1] hello");
    store.answer(
        "LOGIN *",
        &format!("{{tag}} OK [CAPABILITY {OFFERS} LOGINDISABLED] in"),
    );
    let bridge = bridge("login_command", &store).await;
    for _ in 0..2 {
        assert_eq!(told(&bridge.get(ANYTHING).await), "200");
    }
    let logins = store.received("LOGIN *");
    assert_eq!(
        logins,
        [format!("LOGIN \"{}\" \"secret\"", bridge.account.login)]
    );
    store.answer("LOGIN *", &no("[AUTHENTICATIONFAILED]"));
    let wrong = bridge.client.basic(&bridge.account.login, "wr\"on\\g");
    let answer = wrong.get(&bridge.target(ANYTHING)).await;
    assert_eq!(told(&answer), "401 SVC2003");
    let last = store.received("LOGIN *").pop().unwrap();
    assert!(last.ends_with(" \"wr\\\"on\\\\g\""), "{last}");
}

#[tokio::test]
async fn a_password_beyond_ascii_reaches_the_login_command_unharmed() {
    let store = Repertoire::start("store.txt").await;
    store.greet("* OK [CAPABILITY IMAP4rev1] hello");
    store.answer("LOGIN *", &format!("{{tag}} OK [CAPABILITY {OFFERS}] in"));
    let bridge = bridge("password_beyond_ascii", &store).await;
    let client = bridge.client.basic(&bridge.account.login, "pässwörd");
    assert_eq!(told(&client.get(&bridge.target(ANYTHING)).await), "200");
    let login = store.received("LOGIN *").remove(0);
    assert!(login.contains("pässwörd"), "{login}");
}

#[tokio::test]
async fn a_login_that_fails_on_a_later_connection_is_told_by_its_code() {
    for (refusal, expected) in [
        (no("[LIMIT]"), "503 SVC2001"),
        (no("[UNAVAILABLE]"), "503 SVC2001"),
        // The password was changed meanwhile.
        (no("[AUTHENTICATIONFAILED]"), "401 SVC2003"),
    ] {
        let store = Repertoire::start("store.txt").await;
        offer(&store, OFFERS);
        let bridge = bridge("later_login", &store).await;
        assert_eq!(told(&bridge.get(ANYTHING).await), "200");
        store.answer(LOGIN, &refusal);
        store.answer("LIST *", "<close>");
        store.answer("NAMESPACE", "<close>");
        assert_eq!(told(&bridge.get(ANYTHING).await), expected, "{refusal}");
    }
}
