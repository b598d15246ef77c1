//! The scripted server.

use crate::support::{
    scripted::{Script, Scripted},
    witness::Witness,
};

#[tokio::test]
async fn a_transcript_is_played_and_its_tags_are_the_clients() {
    let server = Scripted::start(vec![Script::file("login.txt").stall()]).await;
    let mut witness = Witness::connect(server.address()).await;
    let reply = witness.command("LOGIN somebody secret").await.ok();
    assert!(reply.status.ends_with("Logged in"));
    assert_eq!(
        server.mismatches().await,
        ["connection 1: not played to its end"]
    );
}

#[tokio::test]
async fn raw_bytes_and_literals_pass_in_both_directions() {
    let script = Script::parse(
        "# both directions\n\
         S: * OK hi\n\
         C: {tag} APPEND \"INBOX\" () {*}\n\
         S: + go\n\
         C: <literal>\n\
         C: \n\
         S-raw: * 1 FETCH (BODY[] {3}\\r\\na\\x00b)\\r\\n\n\
         S: {tag} OK [APPENDUID 7 9] done\n\
         S: <close>\n",
    );
    let server = Scripted::start(vec![script]).await;
    let mut witness = Witness::connect(server.address()).await;
    let reply = witness
        .command_with_literal("APPEND \"INBOX\" () ", b"a\r\nb", "")
        .await
        .ok();
    assert_eq!(reply.literal(), b"a\0b");
    server.assert_played().await;
}

#[tokio::test]
async fn what_the_script_does_not_expect_is_reported() {
    let script = Script::new().send("* OK hi").expect("{tag} NOOP");
    let server = Scripted::start(vec![script.clone(), script]).await;
    for command in ["x LOGOUT\r\n", "x NOOP\r\n"] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(server.address())
            .await
            .unwrap();
        stream.write_all(command.as_bytes()).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    }
    let mismatches = server.mismatches().await;
    assert_eq!(mismatches.len(), 1, "{mismatches:?}");
    assert!(
        mismatches[0].starts_with("connection 1: step 2,"),
        "{mismatches:?}"
    );
    assert!(
        mismatches[0].ends_with(r#"the client said "x LOGOUT""#),
        "{mismatches:?}"
    );
}

#[tokio::test]
async fn a_star_stands_for_any_text_and_the_rest_has_to_be_there() {
    let plays = async |pattern: &str, line: &str| {
        let (mut client, server) = tokio::io::duplex(1024);
        let line = format!("{line}\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut client, line.as_bytes())
            .await
            .unwrap();
        Script::new().expect(pattern).play(server).await.is_ok()
    };
    assert!(plays("{tag} FETCH 1:* (FLAGS)", "a FETCH 1:9 (FLAGS)").await);
    assert!(plays("{tag} FETCH * *", "a FETCH 1 (FLAGS)").await);
    assert!(!plays("{tag} FETCH *", "a UID FETCH 1").await);
    assert!(!plays("{tag} *FLAGS*)", "a FETCH 1 (UID)").await);
    assert!(!plays("a*a", "a").await);
}

#[tokio::test]
async fn two_commands_under_way_keep_their_tags_apart() {
    let script = Script::new()
        .expect("{tag1} ONE")
        .expect("{tag2} TWO")
        .send("{tag2} OK")
        .send("{tag1} OK");
    let (mut client, server) = tokio::io::duplex(1024);
    tokio::io::AsyncWriteExt::write_all(&mut client, b"a ONE\r\nb TWO\r\n")
        .await
        .unwrap();
    script.play(server).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut client, &mut answer)
        .await
        .unwrap();
    assert_eq!(answer, "b OK\r\na OK\r\n");
}

#[test]
#[should_panic(expected = "not a step: X: what")]
fn a_line_that_is_no_step_is_refused() {
    Script::parse("include: login.txt\nX: what");
}

#[tokio::test]
async fn bytes_can_be_sent_from_the_builder() {
    let (mut client, server) = tokio::io::duplex(1024);
    let script = Script::new().send_raw(b"\xff").expect_literal();
    let error = script.play(server).await.unwrap_err();
    assert!(error.ends_with("none was announced"), "{error}");
    assert_eq!(
        tokio::io::AsyncReadExt::read_u8(&mut client).await.unwrap(),
        0xff
    );
}
