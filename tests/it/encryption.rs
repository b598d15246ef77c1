//! TLS to the store, and what is not said without it.

use cpm_bridge::demo::dovecot::Tls;

use crate::support::{
    bridge::Bridge,
    dovecot,
    scripted::{Script, Scripted},
};

/// A store with a certificate of its own, and the file of who signed it.
async fn store() -> (cpm_bridge::demo::dovecot::Dovecot, tempfile::NamedTempFile) {
    let certified =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
            .unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certified.cert.pem()).unwrap();
    let tls = Tls {
        certificate: certified.cert.pem(),
        key: certified.signing_key.serialize_pem(),
    };
    (
        dovecot::start(|options| options.tls = Some(tls)).await,
        file,
    )
}

#[tokio::test]
async fn implicit_tls_and_starttls_work_with_the_authority_given_and_with_no_other() {
    let (server, authority) = store().await;
    let trusted = format!("tls_ca = {:?}", authority.path());
    for (mode, address) in [
        ("implicit", server.imaps().unwrap()),
        ("starttls", server.imap()),
    ] {
        let bridge = Bridge::builder("encryption")
            .store(address)
            .tls(mode)
            .store_setting(&trusted)
            .start()
            .await;
        bridge.get("folders/operations/pathToId").await.expect(200);
        let bridge = Bridge::builder("encryption_untrusted")
            .store(address)
            .tls(mode)
            .start()
            .await;
        bridge.get("folders/operations/pathToId").await.expect(503);
        let ready = bridge.admin().get("/readyz").await.expect(503);
        assert!(
            ready.text().starts_with("store/cpm down: "),
            "{}",
            ready.text()
        );
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn without_starttls_nothing_secret_is_said() {
    let script = Script::new().send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready");
    let server = Scripted::start(vec![script]).await;
    let bridge = Bridge::builder("stripped")
        .store(server.address())
        .tls("starttls")
        .start()
        .await;
    bridge.get("folders/operations/pathToId").await.expect(503);
    server.assert_played().await;
}

#[tokio::test]
async fn plain_text_behind_starttls_is_refused() {
    let script = Script::new()
        .send("* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready")
        .expect("{tag} STARTTLS")
        .send_raw(b"A0001 OK begin\r\n* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] injected\r\n");
    let server = Scripted::start(vec![script]).await;
    let bridge = Bridge::builder("injected")
        .store(server.address())
        .tls("starttls")
        .start()
        .await;
    bridge.get("folders/operations/pathToId").await.expect(503);
    server.assert_played().await;
}

#[tokio::test]
async fn the_login_takes_the_way_the_server_offers() {
    for (capabilities, lines) in [
        ("IMAP4rev1", vec!["{tag} LOGIN \"*\" \"secret\""]),
        (
            "IMAP4rev1 AUTH=PLAIN SASL-IR",
            vec!["{tag} AUTHENTICATE PLAIN *"],
        ),
        (
            "IMAP4rev1 AUTH=PLAIN LOGINDISABLED",
            vec!["{tag} AUTHENTICATE PLAIN", "*"],
        ),
    ] {
        let mut script = Script::new().send(&format!("* OK [CAPABILITY {capabilities}] ready"));
        for (index, line) in lines.iter().enumerate() {
            script = if index > 0 {
                script.send("+ ").expect(line)
            } else {
                script.expect(line)
            };
        }
        let script = script.send("{tag} NO [AUTHENTICATIONFAILED] no");
        let server = Scripted::start(vec![script]).await;
        let bridge = Bridge::builder("ways_to_log_in")
            .store(server.address())
            .start()
            .await;
        bridge.get("folders/operations/pathToId").await.expect(401);
        server.assert_played().await;
    }
    for greeting in [
        "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready",
        "* PREAUTH [CAPABILITY IMAP4rev1] hello",
        "* BYE busy",
        "HTTP/1.1 400 Bad Request",
    ] {
        let server = Scripted::start(vec![Script::new().send(greeting)]).await;
        let bridge = Bridge::builder("no_way_to_log_in")
            .store(server.address())
            .start()
            .await;
        bridge.get("folders/operations/pathToId").await.expect(503);
        server.assert_played().await;
    }
}
