//! Connections of the operator's beside those of the owner's.

use super::*;
use crate::identity::Operator;

const BY_OPERATOR: &str = "ana*bridge";

/// A pool of this cap that nobody has logged in to.
fn pool(store: &Store, cap: usize) -> Arc<Pool> {
    let operator = Operator::MasterUser(credentials("bridge"));
    let server =
        server_of(store, 100, LONG).with_operator(Arc::new(operator), tls::client(None).unwrap());
    Arc::new(Pool::for_login(Arc::new(server), cap, "ana"))
}

fn now(store: &Store, login: &str) -> usize {
    store.seen().now.get(login).copied().unwrap_or_default()
}

#[tokio::test]
async fn what_the_operator_has_lent_out_ends_when_it_is_given_back_after_a_proof() {
    let store = Store::start(messages(1)).await;
    let pool = pool(&store, 4);
    pool.connect().await.unwrap();
    let lent = pool.lease(Lane::Small, None, 0).await.unwrap();
    pool.prove(credentials("ana")).await.unwrap();
    lent.run(Command::new("LIST")).await.unwrap();
    assert_eq!(now(&store, BY_OPERATOR), 1);
    drop(lent);
    until(|| now(&store, BY_OPERATOR) == 0).await;
    fetch(&pool, 1).await.unwrap();
    assert_eq!(now(&store, "ana"), 1);
}

#[tokio::test]
async fn what_the_operator_is_opening_during_a_proof_is_not_used() {
    let store = Store::start(Behaviour {
        takes: Duration::from_millis(100),
        ..messages(1)
    })
    .await;
    let pool = pool(&store, 4);
    let opening = {
        let pool = Arc::clone(&pool);
        task::spawn(async move { pool.connect().await })
    };
    until(|| now(&store, BY_OPERATOR) == 1).await;
    pool.prove(credentials("ana")).await.unwrap();
    opening.await.unwrap().unwrap();
    until(|| now(&store, BY_OPERATOR) == 0).await;
    fetch(&pool, 1).await.unwrap();
    until(|| pool.state().is_settled()).await;
    assert_eq!(store.seen().most_of_all, 2);
}

#[tokio::test]
async fn a_proof_makes_room_for_itself_among_the_operators_connections() {
    let store = Store::start(messages(1)).await;
    let pool = pool(&store, 1);
    pool.connect().await.unwrap();
    pool.prove(credentials("ana")).await.unwrap();
    assert_eq!(store.seen().most_of_all, 1);
    assert!(pool.has_credentials());
}

#[tokio::test]
async fn whoever_waits_when_the_owner_is_refused_gets_a_connection_of_the_operators() {
    let store = Store::start(messages(1)).await;
    let pool = pool(&store, 2);
    pool.prove(credentials("ana")).await.unwrap();
    pool.close().await;
    store.change(|behaviour| behaviour.refuse_one = Some("ana"));
    let outcomes = join_all((0..20).map(|_| pool.read(Command::new("LIST")))).await;
    for outcome in outcomes {
        outcome.unwrap();
    }
    assert!(!pool.has_credentials());
    let refused = pool.prove(credentials("ana")).await;
    assert!(matches!(refused, Err(Error::Login(_))), "{refused:?}");
    until(|| pool.state().is_settled()).await;
}
