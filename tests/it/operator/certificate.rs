//! The operator that is known by its certificate.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use cpm_bridge::{
    config::TlsMode,
    demo::dovecot::Tls,
    identity::Operator,
    imap::{Error, Pool, Server, connect::Endpoint, guard::Limits},
    tls,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::{box_id, fill, objects, store};
use crate::support::{
    dovecot,
    repertoire::Repertoire,
    scripted::{Script, Scripted},
    witness::Witness,
};

const BOX: &str = "+15550100";
/// The same in base64.
const ENCODED: &str = "KzE1NTUwMTAw";

/// `ca.pem`, and `bridge.pem` with its key in `bridge.key`, signed by it.
fn write_certificates(directory: &Path) {
    let write = |name: &str, text: String| std::fs::write(directory.join(name), text).unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "authority");
    let authority_key = KeyPair::generate().unwrap();
    let certificate = authority.self_signed(&authority_key).unwrap();
    write("ca.pem", certificate.pem());
    let issuer = Issuer::new(authority, authority_key);
    let mut bridge = CertificateParams::new(Vec::new()).unwrap();
    bridge.distinguished_name = rcgen::DistinguishedName::new();
    bridge.distinguished_name.push(DnType::CommonName, "bridge");
    let key = KeyPair::generate().unwrap();
    write("bridge.pem", bridge.signed_by(&key, &issuer).unwrap().pem());
    write("bridge.key", key.serialize_pem());
}

#[tokio::test]
async fn dovecots_operator_comes_in_with_its_certificate() {
    let directory = tempfile::tempdir().unwrap();
    write_certificates(directory.path());
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(directory.path().join("store.pem"), own.cert.pem()).unwrap();
    let server = dovecot::start(|options| {
        options.tls = Some(Tls {
            certificate: own.cert.pem(),
            key: own.signing_key.serialize_pem(),
        });
        options.extra = format!(
            "auth_mechanisms = plain login external\nauth_ssl_username_from_cert = yes\n\
             ssl_ca = <{}\nssl_verify_client_cert = yes\nssl_require_crl = no\n\
             passdb {{\n  driver = static\n  master = yes\n  mechanisms = external\n  args = nopassword=y\n}}\n",
            directory.path().join("ca.pem").display()
        );
    })
    .await;
    fill(&mut Witness::login(server.imap(), BOX).await, 2).await;
    let file = |name: &str| directory.path().join(name);
    for (tls, address) in [
        ("implicit", server.imaps().unwrap()),
        ("starttls", server.imap()),
    ] {
        let settings = format!(
            "tls_ca = {:?}\noperator = {{ method = \"external\", certificate = {:?}, key = {:?} }}\n",
            file("store.pem"),
            file("bridge.pem"),
            file("bridge.key")
        );
        let store = store(address, tls, &settings);
        let opened = store.open_outside(&box_id(BOX), BOX).await.unwrap();
        assert_eq!(objects(&opened, BOX).await, Ok(2), "{tls}");
    }
    server.stop().await.unwrap();
}

/// A pool in front of a server that need not ask for a certificate to be played.
fn pool(server: SocketAddr) -> Arc<Pool> {
    let endpoint = Endpoint {
        store: "cpm".into(),
        host: server.ip().to_string(),
        port: server.port(),
        tls: TlsMode::Off,
        tls_config: tls::client(None).unwrap(),
        connect_timeout: Duration::from_secs(30),
        command_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(300),
        limits: Limits::default(),
    };
    let server = Server::new(endpoint, 10, Duration::from_secs(30))
        .with_operator(Arc::new(Operator::External), tls::client(None).unwrap());
    Arc::new(Pool::for_login(Arc::new(server), 4, BOX))
}

#[tokio::test]
async fn a_certificate_names_the_box_in_an_initial_response() {
    let server = Repertoire::start("store.txt").await;
    server.greet("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=EXTERNAL] ready");
    let refusal = "{tag} NO [AUTHENTICATIONFAILED] no such user";
    server.answer("AUTHENTICATE EXTERNAL =", refusal);
    server.answer(
        &format!("AUTHENTICATE EXTERNAL {ENCODED}"),
        "{tag} OK [CAPABILITY IMAP4rev1] in",
    );
    pool(server.address()).connect().await.unwrap();
    server.assert_all_known();
}

#[tokio::test]
async fn a_certificate_names_the_box_when_it_is_asked() {
    let asked = Script::new()
        .send("* OK [CAPABILITY IMAP4rev1 AUTH=EXTERNAL] ready")
        .expect("{tag} AUTHENTICATE EXTERNAL")
        .send("+ ");
    let itself = asked
        .clone()
        .expect("")
        .send("{tag} NO [AUTHENTICATIONFAILED] no such user");
    let for_box = asked
        .expect(ENCODED)
        .send("{tag} OK [CAPABILITY IMAP4rev1] in")
        .expect("{tag} STATUS \"INBOX\" (UIDVALIDITY)")
        .send("* STATUS INBOX (UIDVALIDITY 1)")
        .send("{tag} OK done");
    let server = Scripted::start(vec![itself, for_box]).await;
    pool(server.address()).connect().await.unwrap();
    server.assert_played().await;
}

#[tokio::test]
async fn a_server_that_overlooks_the_box_is_found_out_here_too() {
    let server = Repertoire::start("store.txt").await;
    server.greet("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=EXTERNAL] ready");
    server.answer(
        "AUTHENTICATE EXTERNAL *",
        "{tag} OK [CAPABILITY IMAP4rev1] in",
    );
    let outcome = pool(server.address()).connect().await;
    assert!(matches!(outcome, Err(Error::Overlooked(_))), "{outcome:?}");
}

#[tokio::test]
async fn without_external_a_certificate_says_nothing() {
    let server = Repertoire::start("store.txt").await;
    let outcome = pool(server.address()).connect().await;
    assert!(matches!(outcome, Err(Error::Connect(_))), "{outcome:?}");
    assert!(server.received("AUTHENTICATE *").is_empty());
}
