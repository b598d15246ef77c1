//! Real servers, seen by the witness, directly and through the proxy.

use std::time::Duration;

use cpm_bridge::demo::dovecot::{Dovecot, Options, Tls};
use tokio::time::timeout;

use crate::support::{
    dovecot,
    proxy::{Fault, Proxy, Trap},
    witness::Witness,
};

#[tokio::test]
async fn a_message_appended_by_the_witness_is_fetched_as_it_was() {
    let account = dovecot::account("a_message_appended_by_the_witness_is_fetched_as_it_was");
    let message = b"Subject: x\r\n\r\nbody {3}\r\n";
    let mut writer = account.witness().await;
    let date = Some("01-Feb-2026 03:04:05 +0000");
    let uid = writer.append("INBOX", message, r"\Seen $Mine", date).await;

    let mut reader = account.witness().await;
    assert_eq!(reader.examine("INBOX").await, 1);
    assert_eq!(reader.message(uid).await, message);
    let flags = reader.flags(uid).await;
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    assert_eq!(flags, ["$Mine", r"\Recent", r"\Seen"]);
    assert_eq!(reader.search(r"SEEN").await, [uid]);
}

#[tokio::test]
async fn accounts_do_not_see_each_other() {
    let one = dovecot::account("accounts_do_not_see_each_other");
    let other = dovecot::account("accounts_do_not_see_each_other");
    assert_ne!(one.box_id(), other.box_id());
    let message = b"Subject: x\r\n\r\nbody\r\n";
    one.witness().await.append("INBOX", message, "", None).await;
    assert_eq!(other.witness().await.examine("INBOX").await, 0);
}

#[tokio::test]
async fn idle_pushes_a_message_another_session_appends() {
    let account = dovecot::account("idle_pushes_a_message_another_session_appends");
    let mut watcher = account.witness().await;
    watcher.examine("INBOX").await;
    watcher.send("w9 IDLE").await;
    assert_eq!(watcher.response().await.text, "+ idling");
    let message = b"Subject: x\r\n\r\nbody\r\n";
    account
        .witness()
        .await
        .append("INBOX", message, "", None)
        .await;
    assert_eq!(watcher.response().await.text, "* 1 EXISTS");
}

#[tokio::test]
async fn a_full_account_refuses_with_overquota() {
    let account = dovecot::account("a_full_account_refuses_with_overquota");
    account.limit_storage(1).await;
    let message = [b"Subject: x\r\n\r\n".as_slice(), &[b'x'; 4096]].concat();
    let mut witness = account.witness().await;
    let reply = witness
        .command_with_literal("APPEND INBOX ", &message, "")
        .await;
    assert!(reply.status.starts_with("NO [OVERQUOTA]"), "{reply:?}");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_delays_nobody() {
    let account = dovecot::account("a_wrong_password_is_refused_and_delays_nobody");
    let mut stranger = Witness::connect(account.imap).await;
    let reply = stranger.command("LOGIN +15550100 wrong").await;
    assert!(
        reply.status.starts_with("NO [AUTHENTICATIONFAILED]"),
        "{reply:?}"
    );
    timeout(Duration::from_secs(2), account.witness())
        .await
        .unwrap();
}

#[tokio::test]
async fn another_separator_and_tls_are_served_by_a_server_of_its_own() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let tls = Tls {
        certificate: certified.cert.pem(),
        key: certified.signing_key.serialize_pem(),
    };
    let server = dovecot::start(|options| {
        options.separator = '.';
        options.tls = Some(tls);
    })
    .await;
    let mut witness = Witness::login(server.imap(), "+15550100").await;
    let reply = witness.command("LIST \"\" \"\"").await.ok();
    assert_eq!(reply.texts(), [r#"* LIST (\Noselect) "." """#]);
    let capability = Witness::connect(server.imap())
        .await
        .command("CAPABILITY")
        .await;
    assert!(
        capability.texts()[0].contains(" STARTTLS"),
        "{capability:?}"
    );
    tokio::net::TcpStream::connect(server.imaps().unwrap())
        .await
        .unwrap();

    let directory = server.directory().to_owned();
    server.stop().await.unwrap();
    assert!(!directory.exists());
}

#[tokio::test]
async fn the_proxy_is_transparent_until_it_is_told_otherwise() {
    let account = dovecot::account("the_proxy_is_transparent_until_it_is_told_otherwise");
    let proxy = Proxy::start(account.imap).await;
    let mut witness = Witness::login(proxy.address(), &account.login).await;
    witness.command("NOOP").await.ok();
    proxy.set(Fault::Delay(Duration::from_millis(5)));
    witness.command("NOOP").await.ok();
    proxy.set(Fault::Drip);
    witness.command("NOOP").await.ok();
    proxy.set(Fault::Split);
    witness.command("NOOP").await.ok();
    proxy.set(Fault::HalfOpen);
    let silence = timeout(Duration::from_millis(200), witness.command("NOOP")).await;
    assert!(silence.is_err());
}

#[tokio::test]
async fn the_proxy_cuts_after_so_many_bytes() {
    let account = dovecot::account("the_proxy_cuts_after_so_many_bytes");
    let proxy = Proxy::start(account.imap).await;
    proxy.set(Fault::CutAfter(4));
    let bytes = read_all(&proxy, "").await;
    assert_eq!(bytes, "* OK");
}

#[tokio::test]
async fn the_proxy_keeps_a_tagged_ok_to_itself() {
    let account = dovecot::account("the_proxy_keeps_a_tagged_ok_to_itself");
    let proxy = Proxy::start(account.imap).await;
    proxy.set(Fault::CutBeforeTaggedOk);
    let bytes = read_all(&proxy, "x CAPABILITY\r\n").await;
    assert!(bytes.contains("* CAPABILITY "), "{bytes}");
    assert!(!bytes.contains("x OK"), "{bytes}");
}

#[tokio::test]
async fn the_proxy_cuts_after_so_many_bytes_of_the_clients() {
    let account = dovecot::account("the_proxy_cuts_after_so_many_bytes_of_the_clients");
    let proxy = Proxy::start(account.imap).await;
    let whole = "x CAPABILITY\r\n";
    proxy.set(Fault::CutSaidAfter(whole.len()));
    let bytes = read_all(&proxy, &format!("{whole}y LOGOUT\r\n")).await;
    assert!(!bytes.contains("y OK"), "{bytes}");
    proxy.set(Fault::Away);
    assert_eq!(read_all(&proxy, "").await, "");
}

#[tokio::test]
async fn a_trap_is_for_one_command() {
    let account = dovecot::account("a_trap_is_for_one_command");
    let proxy = Proxy::start(account.imap).await;
    let commands = "x NOOP\r\ny CAPABILITY\r\nz LOGOUT\r\n";
    let ask = async |trap, then| {
        proxy.lay("CAPABILITY", trap, then);
        let text = read_all(&proxy, commands).await;
        assert_eq!(proxy.has_sprung(), trap != Trap::Watch);
        assert!(proxy.has_sprung() || text.contains("z OK"), "{text}");
        let seen = proxy.seen();
        (seen.said, String::from_utf8(seen.answered).unwrap())
    };
    let (said, answered) = ask(Trap::Watch, Fault::None).await;
    assert_eq!(said, b"y CAPABILITY\r\nz LOGOUT\r\n");
    assert!(answered.contains("y OK"), "{answered}");
    let (said, _) = ask(Trap::CutSaid(3), Fault::None).await;
    assert_eq!(said, b"y C");
    let (_, answered) = ask(Trap::CutAnswered(3), Fault::Away).await;
    assert_eq!(answered.len(), 3);
    assert_eq!(read_all(&proxy, commands).await, "", "it is away");
    proxy.heal();
    assert!(read_all(&proxy, commands).await.contains("z OK"));
}

#[tokio::test]
async fn what_a_trap_holds_back_comes_when_it_is_released() {
    let account = dovecot::account("what_a_trap_holds_back_comes_when_it_is_released");
    let proxy = Proxy::start(account.imap).await;
    proxy.lay("CAPABILITY", Trap::HoldSaid(3), Fault::None);
    let all = read_all(&proxy, "x CAPABILITY\r\ny LOGOUT\r\n");
    let release = async {
        proxy.sprung().await;
        assert_eq!(proxy.seen().said, b"x C");
        proxy.release();
    };
    let (text, ()) = tokio::join!(all, release);
    assert!(text.contains("x OK") && text.contains("y OK"), "{text}");

    proxy.lay("CAPABILITY", Trap::DropTaggedOk, Fault::None);
    let mut witness = Witness::connect(proxy.address()).await;
    let silence = timeout(Duration::from_millis(200), witness.command("CAPABILITY")).await;
    assert!(silence.is_err() && proxy.has_sprung());
    let answered = String::from_utf8(proxy.seen().answered).unwrap();
    assert!(
        answered.starts_with("* CAPABILITY ") && !answered.contains(" OK "),
        "{answered}"
    );
}

#[tokio::test]
async fn the_proxy_hides_capabilities() {
    let account = dovecot::account("the_proxy_hides_capabilities");
    let proxy = Proxy::hiding(account.imap, &["UIDPLUS"]).await;
    let mut witness = Witness::login(proxy.address(), &account.login).await;
    let reply = witness.command("CAPABILITY").await.ok();
    let text = reply.texts()[0];
    assert!(
        text.contains(" MULTIAPPEND ") && !text.contains("UIDPLUS"),
        "{text}"
    );
    let uid = witness.append("INBOX", b"Subject: x\r\n\r\n", "", None);
    assert_eq!(uid.await, 0);
}

async fn read_all(proxy: &Proxy, command: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(proxy.address())
        .await
        .unwrap();
    // A connection that is cut may end in a reset.
    stream.write_all(command.as_bytes()).await.ok();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_directory_that_was_kept_serves_its_mail_again() {
    let directory = tempfile::tempdir().unwrap();
    let start = async || {
        let options = Options::new(directory.path());
        Dovecot::start(options).await.unwrap()
    };
    let server = start().await;
    let mut witness = Witness::login(server.imap(), "+15550100").await;
    let message = b"Subject: x\r\n\r\nbody\r\n";
    witness.append("INBOX", message, "", None).await;
    server.stop().await.unwrap();

    let server = start().await;
    let mut witness = Witness::login(server.imap(), "+15550100").await;
    assert_eq!(witness.examine("INBOX").await, 1);
    server.stop().await.unwrap();
}
