//! A pool against a store that counts.

mod operator;
mod store;
mod stress;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use self::store::{Behaviour, Store};
use super::*;
use crate::{
    config::TlsMode,
    identity::Secret,
    imap::{connect::Endpoint, guard::Limits},
    task, tls,
};

/// For what must end by itself.
const LONG: Duration = Duration::from_secs(60);

fn server(store: &Store, connections: usize, wait: Duration) -> Arc<Server> {
    Arc::new(server_of(store, connections, wait))
}

fn server_of(store: &Store, connections: usize, wait: Duration) -> Server {
    let endpoint = Endpoint {
        store: "test".into(),
        host: store.address.ip().to_string(),
        port: store.address.port(),
        tls: TlsMode::Off,
        tls_config: tls::client(None).unwrap(),
        connect_timeout: LONG,
        command_timeout: LONG,
        idle_timeout: LONG,
        limits: Limits::default(),
    };
    Server::new(endpoint, connections, wait)
}

fn credentials(login: &str) -> Credentials {
    Credentials {
        login: login.to_owned(),
        password: Secret::new("secret"),
    }
}

/// A pool of this cap that has logged in.
async fn pool(store: &Store, cap: usize) -> Arc<Pool> {
    let pool = Arc::new(Pool::new(server(store, 100, LONG), cap));
    pool.prove(credentials("ana")).await.unwrap();
    pool
}

fn inbox() -> (MailboxName, Expected) {
    let expected = Expected {
        uid_validity: 1,
        mailbox_id: None,
    };
    (MailboxName::from_wire("INBOX"), expected)
}

fn flags() -> Arc<[Item]> {
    Arc::new([Item::Fixed("UID FLAGS")])
}

/// The flags of a message; `None` when there is no such message.
async fn fetch(pool: &Arc<Pool>, uid: u32) -> Result<Option<Vec<String>>, Error> {
    let (mailbox, expected) = inbox();
    let found = pool.fetch(&mailbox, &expected, uid, flags()).await?;
    Ok(found
        .expect("the mailbox expected")
        .and_then(|fetch| fetch.flags))
}

fn flag(uid: u32) -> Option<Vec<String>> {
    Some(vec![format!("f{uid}")])
}

/// Fetches that wait together, with one that is held before them and let go when they are there.
async fn together(
    store: &Store,
    pool: &Arc<Pool>,
    uids: &[u32],
) -> Vec<Result<Option<Vec<String>>, Error>> {
    fetch(pool, 1).await.unwrap();
    store.hold();
    let first = {
        let pool = Arc::clone(pool);
        task::spawn(async move { fetch(&pool, 1).await })
    };
    until(|| pool.state().leased == 1).await;
    let waiting = uids.iter().map(|uid| fetch(pool, *uid));
    let let_go = async {
        until(|| pool.fetches.waiting() == uids.len()).await;
        store.let_go();
    };
    let (outcomes, ()) = tokio::join!(join_all(waiting), let_go);
    first.await.unwrap().unwrap();
    outcomes
}

async fn until(mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, wait).await.expect("it never came to that");
}

fn messages(last_uid: u32) -> Behaviour {
    Behaviour {
        last_uid,
        ..Behaviour::default()
    }
}

#[tokio::test]
async fn fetches_that_wait_are_one_command_and_each_gets_its_own() {
    let store = Store::start(messages(2000)).await;
    let pool = pool(&store, 1).await;
    let uids: Vec<u32> = (1..=500).map(|uid| uid * 3).collect();
    let outcomes = together(&store, &pool, &uids).await;
    for (uid, outcome) in uids.iter().zip(outcomes) {
        assert_eq!(outcome, Ok(flag(*uid)));
    }
    // The one that opened the mailbox, the one that was held, and one for all the others.
    assert_eq!(store.seen().commands("UID FETCH").len(), 3);
}

#[tokio::test]
async fn more_than_fit_one_line_go_out_as_several_and_in_batches() {
    let store = Store::start(messages(100_000)).await;
    let pool = pool(&store, 1).await;
    let uids: Vec<u32> = (1..=2500).map(|uid| uid * 30).collect();
    let outcomes = together(&store, &pool, &uids).await;
    assert!(
        outcomes
            .iter()
            .zip(&uids)
            .all(|(outcome, uid)| *outcome == Ok(flag(*uid)))
    );
    let seen = store.seen();
    let fetches = seen.commands("UID FETCH");
    assert!(fetches.iter().all(|command| command.len() < 8300));
    let longest = seen.packets.iter().map(Vec::len).max();
    assert_eq!(
        longest,
        Some(2),
        "a thousand UIDs of five digits are one line, with its NOOP"
    );
    assert_eq!(fetches.len(), 2 + 3);
}

#[tokio::test]
async fn what_one_message_spoils_is_spoilt_for_its_reader_only() {
    let store = Store::start(messages(100)).await;
    let pool = pool(&store, 1).await;
    store.change(|behaviour| behaviour.poison = Some(37));
    let uids: Vec<u32> = (2..=60).chain([37, 38]).collect();
    let outcomes = together(&store, &pool, &uids).await;
    for (uid, outcome) in uids.iter().zip(outcomes) {
        match outcome {
            Err(Error::No {
                command: "UID FETCH",
                ..
            }) => assert_eq!(*uid, 37),
            outcome => assert_eq!(outcome, Ok(flag(*uid))),
        }
    }
    assert!(store.seen().commands("UID FETCH").len() < 20);
    assert_eq!(store.seen().most_of_one, 1);
}

#[tokio::test]
async fn who_leaves_takes_nothing_from_the_others() {
    let store = Store::start(messages(100)).await;
    let pool = pool(&store, 1).await;
    fetch(&pool, 1).await.unwrap();
    store.hold();
    let spawn = |uid| {
        let pool = Arc::clone(&pool);
        task::spawn(async move { fetch(&pool, uid).await })
    };
    let alone = spawn(1);
    until(|| pool.state().leased == 1).await;
    let waiting: Vec<_> = (2..10).map(spawn).collect();
    until(|| pool.fetches.waiting() == 8).await;
    // The one whose command is under way, the first of those that wait, and one in their middle.
    for leaving in [&alone, &waiting[0], &waiting[4]] {
        leaving.abort();
    }
    until(|| alone.is_finished() && waiting[0].is_finished()).await;
    store.let_go();
    for (uid, outcome) in (2..).zip(waiting) {
        match outcome.await {
            Ok(outcome) => assert_eq!(outcome, Ok(flag(uid))),
            Err(left) => assert!(left.is_cancelled() && [2, 6].contains(&uid)),
        }
    }
    assert_eq!(store.seen().accepted, 1);
    until(|| pool.state().idle.len() == 1).await;
}

#[tokio::test]
async fn a_read_is_one_packet_and_a_miss_is_looked_at_twice() {
    let store = Store::start(messages(5)).await;
    let pool = pool(&store, 1).await;
    assert_eq!(fetch(&pool, 5).await, Ok(flag(5)));
    assert_eq!(fetch(&pool, 4).await, Ok(flag(4)));
    // It has come since, and a server may fetch before it looks for what is new.
    store.change(|behaviour| behaviour.last_uid = 6);
    assert_eq!(fetch(&pool, 6).await, Ok(flag(6)));
    assert_eq!(fetch(&pool, 7).await, Ok(None));
    let fetch = |uid: u32| format!("UID FETCH {uid} (UID FLAGS)");
    let noop = || "NOOP".to_owned();
    assert_eq!(
        store.seen().packets,
        [
            vec!["EXAMINE \"INBOX\"".to_owned()],
            vec![fetch(5)],
            vec![noop(), fetch(4)],
            vec![noop(), fetch(6)],
            vec![noop(), fetch(6)],
            vec![noop(), fetch(7)],
            vec![noop(), fetch(7)],
        ]
    );
}

#[tokio::test]
async fn another_mailbox_of_that_name_is_not_read_from() {
    let store = Store::start(messages(5)).await;
    let pool = pool(&store, 1).await;
    let (mailbox, mut expected) = inbox();
    expected.uid_validity = 2;
    let found = pool.fetch(&mailbox, &expected, 1, flags()).await;
    assert_eq!(found, Ok(None));
    assert!(store.seen().commands("UID FETCH").is_empty());
}

#[tokio::test]
async fn transfers_leave_a_connection_to_small_commands() {
    for (cap, transfers) in [(4, 3), (2, 1), (1, 1)] {
        let store = Store::start(messages(5)).await;
        let server = server(&store, 100, Duration::from_millis(200));
        let pool = Arc::new(Pool::new(server, cap));
        pool.prove(credentials("ana")).await.unwrap();
        let mut held = Vec::new();
        loop {
            match pool.lease(Lane::Bulk, None, 0).await {
                Ok(lease) => held.push(lease),
                Err(error) => {
                    assert_eq!(error, Error::Busy);
                    break;
                }
            }
        }
        assert_eq!(held.len(), transfers, "of {cap}");
        let small = pool.read(Command::new("LIST")).await;
        assert_eq!(small.is_ok(), cap > 1, "of {cap}");
        held.pop();
        pool.read(Command::new("LIST")).await.unwrap();
        assert!(store.seen().most_of_one <= cap);
    }
}

#[tokio::test]
async fn a_transfer_that_may_not_begin_yet_does_not_hold_up_what_came_after_it() {
    let store = Store::start(messages(5)).await;
    let pool = pool(&store, 2).await;
    let held = pool.lease(Lane::Bulk, None, 0).await.unwrap();
    let waiting = {
        let pool = Arc::clone(&pool);
        task::spawn(async move { pool.lease(Lane::Bulk, None, 0).await })
    };
    until(|| pool.state().waiting() == 1).await;
    for _ in 0..10 {
        assert_eq!(fetch(&pool, 3).await, Ok(flag(3)));
    }
    drop(held);
    drop(waiting.await.unwrap().unwrap());
}

#[tokio::test]
async fn a_store_with_a_smaller_cap_is_found_out_and_lived_with() {
    for mute in [false, true] {
        let store = Store::start(Behaviour {
            limit: Some(2),
            mute,
            takes: Duration::from_millis(2),
            ..messages(100)
        })
        .await;
        let mut server = Arc::into_inner(server(&store, 100, LONG)).unwrap();
        server.set_command_timeout(Duration::from_millis(300));
        let pool = Arc::new(Pool::new(Arc::new(server), 4));
        pool.prove(credentials("ana")).await.unwrap();
        let work = (0..50).map(|_| pool.read(Command::new("LIST")));
        for outcome in join_all(work).await {
            outcome.unwrap();
        }
        let accepted = store.seen().accepted;
        assert!((2..=4).contains(&accepted), "{accepted}");
        // A fresh proof makes room for itself.
        pool.prove(credentials("ana")).await.unwrap();
        assert!(store.seen().most_of_one <= 2);
    }
}

#[tokio::test]
async fn a_limit_without_any_other_connection_is_busy() {
    let store = Store::start(Behaviour {
        limit: Some(0),
        ..messages(1)
    })
    .await;
    let pool = Arc::new(Pool::new(server(&store, 100, LONG), 4));
    let refused = Error::Login(Some(Code::Limit));
    assert_eq!(pool.prove(credentials("ana")).await, Err(refused.clone()));
    store.change(|behaviour| behaviour.limit = None);
    pool.prove(credentials("ana")).await.unwrap();
    pool.close().await;
    store.change(|behaviour| behaviour.limit = Some(0));
    let outcomes = join_all((0..20).map(|_| pool.read(Command::new("LIST")))).await;
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err(), refused);
    }
    store.change(|behaviour| behaviour.limit = None);
    pool.read(Command::new("LIST")).await.unwrap();
}

#[tokio::test]
async fn credentials_that_are_no_longer_good_are_tried_once_for_all_who_wait() {
    let store = Store::start(messages(1)).await;
    let pool = pool(&store, 1).await;
    pool.close().await;
    store.change(|behaviour| behaviour.refuse = true);
    let outcomes = join_all((0..50).map(|_| pool.read(Command::new("LIST")))).await;
    for outcome in outcomes {
        assert!(matches!(
            outcome,
            Err(Error::Login(Some(Code::AuthenticationFailed)))
        ));
    }
    assert_eq!(store.seen().accepted, 2);
}

#[tokio::test]
async fn a_store_that_is_away_costs_few_connections_and_is_found_at_once() {
    let store = Store::start(messages(9)).await;
    let (address, pool) = (store.address, pool(&store, 4).await);
    pool.close().await;
    drop(store);
    until(|| std::net::TcpStream::connect(address).is_err()).await;
    let outcomes = join_all((0..100).map(|_| pool.read(Command::new("LIST")))).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Err(Error::Connect(_))))
    );

    // What answers the port now counts who knocks, and shuts the door.
    let door = tokio::net::TcpListener::bind(address).await.unwrap();
    let knocks = std::cell::Cell::new(0);
    let shutting = async {
        loop {
            drop(door.accept().await);
            knocks.set(knocks.get() + 1);
        }
    };
    let asking = async {
        for _ in 0..5 {
            for outcome in join_all((0..100).map(|_| pool.read(Command::new("LIST")))).await {
                assert!(matches!(outcome, Err(Error::Connect(_))));
            }
        }
    };
    tokio::select! {
        () = shutting => {}
        () = asking => {}
    }
    // Each time one try for those who came before it, and one for those who came during it.
    assert!((1..=15).contains(&knocks.get()), "{}", knocks.get());
    drop(door);

    let _store = Store::start_at(address, messages(9)).await;
    let returned = Instant::now();
    assert_eq!(fetch(&pool, 9).await, Ok(flag(9)));
    // A second, and what a busy machine adds.
    assert!(returned.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_connection_at_rest_gives_way_to_another_account() {
    let store = Store::start(messages(9)).await;
    let server = server(&store, 1, LONG);
    let mut last = None;
    for login in ["ana", "bo", "cy"] {
        let pool = Arc::new(Pool::new(Arc::clone(&server), 4));
        let began = Instant::now();
        pool.prove(credentials(login)).await.unwrap();
        assert_eq!(fetch(&pool, 1).await, Ok(flag(1)));
        assert!(began.elapsed() < Duration::from_secs(5));
        last = Some(pool);
    }
    // Its own only connection gives way to a fresh proof as well.
    last.unwrap().prove(credentials("cy")).await.unwrap();
    assert_eq!(store.seen().most_of_all, 1);
}

#[tokio::test]
async fn whoever_has_rested_the_longest_gives_way_first() {
    let store = Store::start(messages(9)).await;
    let server = server(&store, 2, LONG);
    let open = async |login| {
        let pool = Arc::new(Pool::new(Arc::clone(&server), 4));
        pool.prove(credentials(login)).await.unwrap();
        pool
    };
    let (ana, bo) = (open("ana").await, open("bo").await);
    assert_eq!(fetch(&ana, 1).await, Ok(flag(1)));
    let cy = open("cy").await;
    let now = store.seen().now;
    assert_eq!([now["ana"], now["bo"], now["cy"]], [1, 0, 1]);
    // Whoever has given way comes back when it is needed.
    for pool in [&bo, &ana, &cy] {
        assert_eq!(fetch(pool, 2).await, Ok(flag(2)));
    }
    assert_eq!(store.seen().most_of_all, 2);
}
