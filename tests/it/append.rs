//! APPEND on the wire: what is sent, when, and what is known about it when the connection breaks.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::DateTime;
use cpm_bridge::{
    config::TlsMode,
    identity::{Credentials, Secret},
    imap::{
        Error, Expected, Flag, MailboxName, Pool, Server, connect::Endpoint, connection::Message,
        guard::Limits, response::Code,
    },
    tls,
};
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::support::scripted::{Script, Scripted};

async fn pool(server: &Scripted) -> Arc<Pool> {
    pool_that_waits(server, Duration::from_secs(20)).await
}

/// So long for an answer.
async fn pool_that_waits(server: &Scripted, command_timeout: Duration) -> Arc<Pool> {
    pool_with(server, command_timeout, Limits::default()).await
}

async fn pool_with(server: &Scripted, command_timeout: Duration, limits: Limits) -> Arc<Pool> {
    let endpoint = Endpoint {
        store: "cpm".into(),
        host: server.address().ip().to_string(),
        port: server.address().port(),
        tls: TlsMode::Off,
        tls_config: tls::client(None).unwrap(),
        connect_timeout: Duration::from_secs(20),
        command_timeout,
        idle_timeout: Duration::from_secs(60),
        limits,
    };
    let server = Server::new(endpoint, 4, Duration::from_secs(20));
    let pool = Arc::new(Pool::new(Arc::new(server), 4));
    let credentials = Credentials {
        login: "u".to_owned(),
        password: Secret::new("p"),
    };
    pool.prove(credentials).await.unwrap();
    pool
}

fn login(capabilities: &str) -> Script {
    Script::new()
        .send("* OK [CAPABILITY IMAP4rev1] ready")
        .expect("{tag} LOGIN *")
        .send(&format!(
            "{{tag}} OK [CAPABILITY IMAP4rev1 {capabilities}] in"
        ))
}

fn message(pieces: &[&'static str], octets: usize) -> Message {
    let pieces: Vec<io::Result<Bytes>> = pieces
        .iter()
        .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
        .collect();
    Message {
        flags: vec![Flag::parse("\\Seen").unwrap(), Flag::parse("$x").unwrap()],
        internal_date: DateTime::parse_from_rfc3339("2026-07-01T10:20:30+02:00").unwrap(),
        octets: u64::try_from(octets).unwrap(),
        body: stream::iter(pieces).boxed(),
    }
}

fn inbox() -> MailboxName {
    MailboxName::from_wire("INBOX")
}

const HEAD: &str = "APPEND \"INBOX\" (\\Seen $x) \" 1-Jul-2026 10:20:30 +0200\"";

#[tokio::test]
async fn a_literal_is_asked_for_where_the_server_has_no_literal_plus() {
    let script = login("UIDPLUS")
        .expect(&format!("{{tag}} {HEAD} {{5}}"))
        .send("+ go on")
        .expect_literal()
        .expect("")
        .send("* 3 EXISTS")
        .send("{tag} OK [APPENDUID 7 3] done");
    let server = Scripted::start(vec![script]).await;
    let pool = pool(&server).await;
    let done = pool
        .append(&inbox(), vec![message(&["he", "", "llo"], 5)])
        .await
        .unwrap();
    assert_eq!(done.code, Some(Code::AppendUid(7, vec![3..=3])));
    server.assert_played().await;
}

#[tokio::test]
async fn with_literal_plus_small_messages_are_sent_at_once_and_several_by_one_command() {
    let script = login("LITERAL+ MULTIAPPEND UIDPLUS")
        .expect(&format!("{{tag}} {HEAD} {{2+}}"))
        .expect_literal()
        .expect(" (\\Seen $x) \" 1-Jul-2026 10:20:30 +0200\" {3+}")
        .expect_literal()
        .expect("")
        .send("{tag} OK [APPENDUID 7 3:4] done");
    let server = Scripted::start(vec![script]).await;
    let pool = pool(&server).await;
    let both = vec![message(&["ab"], 2), message(&["cde"], 3)];
    let done = pool.append(&inbox(), both).await.unwrap();
    assert_eq!(done.code, Some(Code::AppendUid(7, vec![3..=4])));
    server.assert_played().await;
}

#[tokio::test]
async fn back_to_back_commands_have_an_outcome_each() {
    let script = login("LITERAL+ UIDPLUS")
        .expect(&format!("{{tag1}} {HEAD} {{2+}}"))
        .expect_literal()
        .expect("")
        .expect(&format!("{{tag2}} {HEAD} {{2+}}"))
        .expect_literal()
        .expect("")
        .send("{tag1} NO [OVERQUOTA] full")
        .send("{tag2} OK [APPENDUID 7 4] done")
        .expect("{tag} NOOP")
        .send("{tag} OK done");
    let server = Scripted::start(vec![script]).await;
    let pool = pool(&server).await;
    let both = vec![message(&["ab"], 2), message(&["cd"], 2)];
    let outcomes = pool.append_each(&inbox(), both).await.unwrap();
    assert_eq!(
        outcomes[0].as_ref().err(),
        Some(&Error::No {
            command: "APPEND",
            code: Some(Code::OverQuota)
        })
    );
    assert_eq!(
        outcomes[1].as_ref().unwrap().code,
        Some(Code::AppendUid(7, vec![4..=4]))
    );
    // The connection is as good as before.
    pool.read(cpm_bridge::imap::Command::new("NOOP"))
        .await
        .unwrap();
    server.assert_played().await;
}

#[tokio::test]
async fn a_refusal_before_the_literal_costs_no_octet_and_no_connection() {
    let script = login("")
        .expect("{tag} APPEND *")
        .send("{tag} NO [TRYCREATE] no such mailbox")
        .expect("{tag} NOOP")
        .send("{tag} OK done");
    let server = Scripted::start(vec![script]).await;
    let pool = pool(&server).await;
    let refused = pool.append(&inbox(), vec![message(&["hello"], 5)]).await;
    assert_eq!(
        refused.err(),
        Some(Error::No {
            command: "APPEND",
            code: Some(Code::TryCreate)
        })
    );
    pool.read(cpm_bridge::imap::Command::new("NOOP"))
        .await
        .unwrap();
    server.assert_played().await;
}

#[tokio::test]
async fn a_mailbox_that_is_open_for_reading_is_left_when_it_is_refused() {
    let append = |script: Script| script.expect(&format!("{{tag}} {HEAD} {{5}}"));
    let opened = |script: Script| {
        script
            .expect("{tag} EXAMINE \"INBOX\"")
            .send("* OK [UIDVALIDITY 7] uids")
            .send("{tag} OK [READ-ONLY] open")
            .expect("{tag} NOOP")
            .send("{tag} OK done")
    };
    let script = append(opened(login("UIDPLUS")))
        .send("{tag} NO Current box is selected READ-ONLY.")
        .expect("{tag} CLOSE")
        .send("{tag} OK done");
    let script = append(script)
        .send("+ go on")
        .expect_literal()
        .expect("")
        .send("{tag} OK [APPENDUID 7 3] done");
    // With a code the server says what else it is, and with no mailbox open it is something else.
    let script = append(opened(script)).send("{tag} NO [OVERQUOTA] full");
    let script = script.expect("{tag} CLOSE").send("{tag} OK done");
    let script = script.expect("{tag} NOOP").send("{tag} OK done");
    let script = append(script).send("{tag} NO why ever");
    let server = Scripted::start(vec![script]).await;
    let pool = pool(&server).await;
    let read = async || {
        let expected = Expected {
            uid_validity: 7,
            mailbox_id: None,
        };
        let command = cpm_bridge::imap::Command::new("NOOP");
        let read = pool.read_in(&inbox(), &expected, command).await;
        assert!(read.unwrap().is_some());
    };
    let append = async || pool.append(&inbox(), vec![message(&["hello"], 5)]).await;
    let refused = |code| Error::No {
        command: "APPEND",
        code,
    };
    read().await;
    let done = append().await.unwrap();
    assert_eq!(done.code, Some(Code::AppendUid(7, vec![3..=3])));
    read().await;
    let full = append().await.err();
    assert_eq!(full, Some(refused(Some(Code::OverQuota))));
    pool.write(&[]).await.unwrap();
    assert_eq!(append().await.err(), Some(refused(None)));
    server.assert_played().await;
}

#[tokio::test]
async fn a_connection_at_rest_leaves_its_mailbox() {
    for (capabilities, left) in [("UNSELECT", "UNSELECT"), ("", "CLOSE")] {
        let opened = |script: Script| {
            script
                .expect("{tag} EXAMINE \"INBOX\"")
                .send("* OK [UIDVALIDITY 7] uids")
                .send("{tag} OK [READ-ONLY] open")
                .expect("{tag} NOOP")
                .send("{tag} OK done")
        };
        let script = opened(login(capabilities))
            .expect(&format!("{{tag}} {left}"))
            .send("{tag} OK done");
        let server = Scripted::start(vec![opened(script)]).await;
        let pool = pool(&server).await;
        for rest in [Duration::from_secs(2), Duration::ZERO] {
            let expected = Expected {
                uid_validity: 7,
                mailbox_id: None,
            };
            let command = cpm_bridge::imap::Command::new("NOOP");
            let read = pool.read_in(&inbox(), &expected, command).await;
            assert!(read.unwrap().is_some());
            tokio::time::sleep(rest).await;
        }
        server.assert_played().await;
    }
}

#[tokio::test]
async fn a_server_that_might_read_mail_as_commands_is_left() {
    let noop = |script: Script| script.expect("{tag} NOOP").send("{tag} OK done");
    let unasked = login("LITERAL+")
        .expect(&format!("{{tag}} {HEAD} {{5+}}"))
        .expect_literal()
        .expect("")
        .send("{tag} BAD what is that")
        .stall();
    let asked = login("")
        .expect(&format!("{{tag}} {HEAD} {{5}}"))
        .send("{tag} BAD what is that");
    for (scripts, connections) in [(vec![unasked, noop(login(""))], 2), (vec![noop(asked)], 1)] {
        let server = Scripted::start(scripts).await;
        let pool = pool(&server).await;
        let refused = pool.append(&inbox(), vec![message(&["hello"], 5)]).await;
        assert_eq!(refused.err(), Some(Error::Bad("APPEND")), "{connections}");
        pool.read(cpm_bridge::imap::Command::new("NOOP"))
            .await
            .unwrap();
        server.assert_played().await;
    }
}

#[tokio::test]
async fn what_a_server_might_stumble_over_is_followed_by_nothing_unasked() {
    let many = format!("$x {}", "k".repeat(190)).repeat(22);
    for flags in ["\\Junk", "\\Seen \\Read-Report-Sent", many.trim()] {
        let script = login("LITERAL+ MULTIAPPEND UIDPLUS")
            .expect("{tag} APPEND \"INBOX\" (*) \"*\" {5}")
            .send("+ go on")
            .expect_literal()
            .expect(" (\\Seen $x) \"*\" {2+}")
            .expect_literal()
            .expect("")
            .send("{tag} OK [APPENDUID 7 3:4] done");
        let server = Scripted::start(vec![script]).await;
        let pool = pool(&server).await;
        let mut odd = message(&["hello"], 5);
        odd.flags = flags
            .split(' ')
            .map(|flag| Flag::parse(flag).unwrap())
            .collect();
        let messages = vec![odd, message(&["ab"], 2)];
        pool.append(&inbox(), messages).await.unwrap();
        server.assert_played().await;
    }
}

#[tokio::test]
async fn a_message_that_breaks_off_or_grows_is_never_completed() {
    for (pieces, octets) in [(&["he"][..], 5), (&["hello", "!"][..], 5)] {
        let script = login("LITERAL+")
            .expect(&format!("{{tag}} {HEAD} {{{octets}+}}"))
            .stall();
        let server = Scripted::start(vec![script]).await;
        let pool = pool(&server).await;
        let outcome = pool.append(&inbox(), vec![message(pieces, octets)]).await;
        assert_eq!(outcome.err(), Some(Error::Unsent));
        // The server sees the end of the connection inside the command.
        server.assert_played().await;
    }
}

#[tokio::test]
async fn only_what_was_sent_whole_has_an_unknown_outcome() {
    let invited = |script: Script| script.expect("{tag} APPEND *").send("+ go on");
    for (script, outcome) in [
        (login("").expect("{tag} APPEND *").close(), Error::Unsent),
        (
            invited(login("")).expect_literal().expect("").close(),
            Error::Closed,
        ),
        (
            invited(login(""))
                .expect_literal()
                .expect("")
                .send("* BYE now")
                .close(),
            Error::Closed,
        ),
        (
            invited(login(""))
                .expect_literal()
                .expect("")
                .send(&format!("* OK {}", "x".repeat(2 << 20)))
                .stall(),
            Error::Protocol("the server's response crosses a bound: Line".to_owned()),
        ),
    ] {
        let server = Scripted::start(vec![script]).await;
        let pool = pool(&server).await;
        let result = pool.append(&inbox(), vec![message(&["hello"], 5)]).await;
        assert_eq!(outcome.leaves_open(), outcome != Error::Unsent);
        assert_eq!(result.err(), Some(outcome));
        server.assert_played().await;
    }
}

#[tokio::test]
async fn back_to_back_answers_may_come_in_any_order() {
    let one = |tag: u8| {
        Script::new()
            .expect(&format!("{{tag{tag}}} {HEAD} {{2+}}"))
            .expect_literal()
            .expect("")
    };
    let script = login("LITERAL+ UIDPLUS")
        .then(one(1))
        .then(one(2))
        .send("{tag2} OK [APPENDUID 7 3] done")
        .send("{tag1} OK [APPENDUID 7 4] done");
    let server = Scripted::start(vec![script]).await;
    let pool = pool(&server).await;
    let both = vec![message(&["ab"], 2), message(&["cd"], 2)];
    let outcomes = pool.append_each(&inbox(), both).await.unwrap();
    let codes: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap().code)
        .collect();
    let uid = |uid| Some(Code::AppendUid(7, vec![uid..=uid]));
    assert_eq!(codes, [uid(4), uid(3)]);
    server.assert_played().await;
}

#[tokio::test]
async fn a_store_that_answers_no_more_is_waited_for_once() {
    const COUNT: usize = 30;
    let all = (0..COUNT).fold(login("LITERAL+"), |script, _| {
        script.expect("{tag} APPEND *").expect_literal().expect("")
    });
    let server = Scripted::start(vec![all.stall()]).await;
    let pool = pool_that_waits(&server, Duration::from_secs(1)).await;
    let messages = (0..COUNT).map(|_| message(&["ab"], 2)).collect();
    let started = Instant::now();
    let outcomes = pool.append_each(&inbox(), messages).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(15));
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::err).collect();
    assert_eq!(outcomes, vec![Some(Error::Timeout); COUNT]);
    server.assert_played().await;
}

#[tokio::test]
async fn what_is_said_to_an_append_without_end_is_not_kept() {
    let flood = vec!["* 3 EXISTS"; 40].join("\r\n");
    let asked = |script: Script| script.expect(&format!("{{tag}} {HEAD} {{5}}"));
    let before = asked(login("UIDPLUS")).send(&flood).stall();
    let after = asked(login("UIDPLUS"))
        .send("+ go on")
        .expect_literal()
        .expect("")
        .send(&flood)
        .stall();
    for script in [before, after] {
        let server = Scripted::start(vec![script]).await;
        let limits = Limits {
            command: 400,
            ..Limits::default()
        };
        let pool = pool_with(&server, Duration::from_secs(20), limits).await;
        let refused = pool.append(&inbox(), vec![message(&["hello"], 5)]).await;
        assert!(matches!(refused, Err(Error::Protocol(_))), "{refused:?}");
        server.assert_played().await;
    }
}
