//! The operator on real servers.

use super::{Opener, fill, objects};
use crate::{
    cli,
    support::{courier, cyrus, dovecot, turnstile::Turnstile, witness::Witness},
};

#[tokio::test]
async fn dovecots_operator_opens_the_box_it_names_and_no_other() {
    let account = dovecot::account("dovecots_operator");
    let other = dovecot::account("dovecots_operator_other");
    fill(&mut account.witness().await, 2).await;
    fill(&mut other.witness().await, 1).await;
    for method in ["authzid", "master"] {
        let opener = Opener::new(account.imap, method);
        assert!(opener.store.has_operator());
        for (login, count) in [(&account.login, 2), (&other.login, 1)] {
            let opened = opener.open(login).await.unwrap();
            assert_eq!(objects(&opened, login).await, Ok(count), "{method}");
        }
    }
}

#[tokio::test]
async fn what_the_operator_finds_as_itself_is_asked_once() {
    let turnstile = Turnstile::start(dovecot::shared().imap()).await;
    let opener = Opener::new(turnstile.address(), "authzid");
    for number in 0..3 {
        let account = dovecot::account(&format!("asked_once_{number}"));
        opener.open(&account.login).await.unwrap();
    }
    assert_eq!(turnstile.count().commands("AUTHENTICATE PLAIN"), 4);
}

#[tokio::test]
async fn all_that_is_opened_at_once_asks_once() {
    let turnstile = Turnstile::start(dovecot::shared().imap()).await;
    let opener = Opener::with(
        turnstile.address(),
        "authzid",
        "masterpass",
        "max_connections = 2",
    );
    let accounts: Vec<_> = (0..8).map(|_| dovecot::account("at_once")).collect();
    let opened = accounts.iter().map(|account| opener.open(&account.login));
    for outcome in futures_util::future::join_all(opened).await {
        outcome.unwrap();
    }
    let count = turnstile.count();
    assert_eq!(count.commands("AUTHENTICATE PLAIN"), 9);
    assert!(count.most <= 2, "{} connections", count.most);
}

#[tokio::test]
async fn cyrus_lets_a_proxy_server_into_the_box_it_names() {
    let server = cyrus::start().await;
    let login = "+15550100";
    fill(&mut Witness::login(server.imap, login).await, 2).await;
    let opener = Opener::with(server.imap, "authzid", "secret", "");
    let opened = opener.open(login).await.unwrap();
    assert_eq!(objects(&opened, login).await, Ok(2));
    server.stop().await;
}

#[tokio::test]
async fn courier_lets_the_operator_into_its_own_box_and_is_found_out() {
    let server = courier::start_with_plain().await;
    let mut own = Witness::login(server.imap, "bridge").await;
    fill(&mut own, 1).await;
    let state = own
        .command("STATUS INBOX (MESSAGES RECENT UNSEEN UIDNEXT)")
        .await;
    let state = state.ok().texts().join(" ");
    for login in ["+15550100", "+15550101"] {
        let opener = Opener::with(server.imap, "authzid", "secret", "");
        let error = opener.open(login).await.unwrap_err();
        assert!(
            matches!(&error, cpm_bridge::store::Error::Upstream(reason) if reason.contains("operator's own")),
            "{error}"
        );
    }
    let after = own
        .command("STATUS INBOX (MESSAGES RECENT UNSEEN UIDNEXT)")
        .await;
    assert_eq!(after.ok().texts().join(" "), state);
    server.stop().await;
}

#[tokio::test]
async fn check_config_logs_in_with_the_operator_where_a_box_is_named() {
    let account = dovecot::account("check_config_operator");
    account.witness().await;
    let check = async |password: &str, more: &[&str]| {
        let text = format!(
            "[[stores]]\nname = \"cpm\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"off\"\n\
             operator = {{ user = \"bridge\", password_file = \"operator\" }}\n",
            account.imap.port()
        );
        let (directory, file) = cli::configuration(&text);
        std::fs::write(directory.path().join("operator"), password).unwrap();
        let arguments = [&["check-config", &file, "--connect"], more].concat();
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        let run = move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let _directory = directory;
            cli::run(&arguments)
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let box_id = account.box_id();
    let (code, text) = check("masterpass\n", &[]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("login"), "{text}");
    let (code, text) = check("masterpass\n", &["--user", &box_id]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.ends_with("store/cpm operator login ok\n"), "{text}");
    let (code, text) = check("wrong\n", &["--user", &box_id]).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("store/cpm operator login failed: ") && !text.contains("wrong"),
        "{text}"
    );
    let (code, text) = check("", &[]).await;
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("stores[0].operator.password_file: "),
        "{text}"
    );
}
