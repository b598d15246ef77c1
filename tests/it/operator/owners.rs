//! Owners and the operator in one pool.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use cpm_bridge::{
    store::{Account, Error, Store},
    task,
};
use tokio::time::timeout;

use super::{Opener, box_id, credentials, objects, store};
use crate::support::{dovecot, repertoire::Repertoire};

const BOX: &str = "+15550100";

fn by_owner(password: &str) -> String {
    let message = format!("\0{BOX}\0{password}");
    format!("AUTHENTICATE PLAIN {}", BASE64_STANDARD.encode(message))
}

fn by_operator() -> String {
    let message = format!("\0{BOX}*bridge\0masterpass");
    format!("AUTHENTICATE PLAIN {}", BASE64_STANDARD.encode(message))
}

/// The box opened by a request of its owner's.
async fn by_request(store: &Arc<Store>, password: &str) -> Result<Account, Error> {
    store.open(&box_id(BOX), credentials(BOX, password)).await
}

const REFUSED: &str = "{tag} NO [AUTHENTICATIONFAILED] no";

#[tokio::test]
async fn without_operator_and_credentials_work_waits_for_the_owner() {
    let account = dovecot::account("work_waits_for_the_owner");
    let store = store(account.imap, "off", "");
    assert!(!store.has_operator());
    let box_id = box_id(&account.login);
    let outside = store.open_outside(&box_id, &account.login).await;
    assert_eq!(outside.unwrap_err(), Error::Unauthenticated);

    let waiting = {
        let (store, login) = (Arc::clone(&store), account.login.clone());
        task::spawn(async move { store.proved(&login).await })
    };
    let wrong = store.open(&box_id, credentials(&account.login, "wrong"));
    assert_eq!(wrong.await.unwrap_err(), Error::Unauthenticated);
    assert!(!waiting.is_finished());
    let proof = store.open(&box_id, credentials(&account.login, "secret"));
    proof.await.unwrap();
    timeout(Duration::from_secs(10), waiting)
        .await
        .unwrap()
        .unwrap();
    let outside = store.open_outside(&box_id, &account.login).await.unwrap();
    assert_eq!(objects(&outside, &account.login).await, Ok(0));
    // Whoever comes later need not wait.
    store.proved(&account.login).await;
}

#[tokio::test]
async fn an_owner_never_works_on_a_connection_of_the_operators() {
    let server = Repertoire::start("store.txt").await;
    let opener = Opener::new(server.address(), "master");
    let outside = opener.open(BOX).await.unwrap();
    objects(&outside, BOX).await.unwrap();
    assert_eq!(server.received("LOGOUT").len(), 0);
    let own = by_request(&opener.store, "secret");
    let own = own.await.unwrap();
    server.until_received("LOGOUT").await;
    objects(&own, BOX).await.unwrap();
    objects(&outside, BOX).await.unwrap();
    assert_eq!(server.received(&by_operator()).len(), 1);
    assert_eq!(server.received(&by_owner("secret")).len(), 1);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn where_the_owners_password_is_no_longer_good_the_operator_goes_on() {
    let server = Repertoire::start("store.txt").await;
    let opener = Opener::new(server.address(), "master");
    let own = by_request(&opener.store, "secret");
    own.await.unwrap();
    opener.store.close().await;
    server.answer(&by_owner("secret"), REFUSED);
    let outside = opener.open(BOX).await.unwrap();
    objects(&outside, BOX).await.unwrap();
    assert_eq!(server.received(&by_owner("secret")).len(), 2);
    assert_eq!(server.received(&by_operator()).len(), 1);
    // A proof from before then is none any more: the request would run on what the operator has opened.
    let own = by_request(&opener.store, "secret");
    assert_eq!(own.await.unwrap_err(), Error::Unauthenticated);
    let own = by_request(&opener.store, "new");
    own.await.unwrap();
}

#[tokio::test]
async fn without_operator_a_password_that_is_no_longer_good_is_told_once_and_forgotten() {
    let server = Repertoire::start("store.txt").await;
    let store = store(server.address(), "off", "");
    let own = by_request(&store, "secret");
    own.await.unwrap();
    store.close().await;
    server.answer(&by_owner("secret"), REFUSED);
    let outside = store.open_outside(&box_id(BOX), BOX).await.unwrap();
    assert_eq!(objects(&outside, BOX).await, Err(Error::Unauthenticated));
    for _ in 0..3 {
        let outside = store.open_outside(&box_id(BOX), BOX).await;
        assert_eq!(outside.unwrap_err(), Error::Unauthenticated);
    }
    assert_eq!(server.received(&by_owner("secret")).len(), 2);
    let (waiting, proof) = tokio::join!(
        timeout(Duration::from_secs(10), store.proved(BOX)),
        by_request(&store, "new")
    );
    waiting.unwrap();
    proof.unwrap();
    assert_eq!(objects(&outside, BOX).await, Ok(2));
}
