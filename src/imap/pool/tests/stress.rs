//! Many accounts, few connections, and everything that can happen to them.

use tokio::task::JoinSet;

use super::*;

/// No connection, permit or place in a queue is lost: all that is open is at rest.
async fn settled(server: &Arc<Server>, pools: &[Arc<Pool>], connections: usize) {
    let open = || pools.iter().map(|pool| pool.state().open).sum::<usize>();
    until(|| {
        let at_rest = |pool: &Arc<Pool>| {
            let state = pool.state();
            state.is_settled() && pool.fetches.waiting() == 0
        };
        pools.iter().all(at_rest) && server.free() + open() == connections
    })
    .await;
}

async fn proved(server: &Arc<Server>, accounts: usize, cap: usize) -> Vec<Arc<Pool>> {
    let pools: Vec<_> = (0..accounts)
        .map(|_| Arc::new(Pool::new(Arc::clone(server), cap)))
        .collect();
    let proofs = pools
        .iter()
        .enumerate()
        .map(|(number, pool)| pool.prove(credentials(&format!("user{number}"))));
    for outcome in join_all(proofs).await {
        outcome.unwrap();
    }
    pools
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_accounts_share_twenty_connections_and_none_goes_without() {
    let store = Store::start(Behaviour {
        takes: Duration::from_millis(1),
        ..messages(1000)
    })
    .await;
    let server = server(&store, 20, LONG);
    let pools = proved(&server, 100, 4).await;
    let mut work = JoinSet::new();
    for pool in &pools {
        for client in 0..6 {
            let pool = Arc::clone(pool);
            work.spawn(async move {
                for round in 0..20 {
                    let uid = 1 + client * 20 + round;
                    if client == 0 {
                        pool.read(Command::new("LIST")).await.map(drop)?;
                    } else {
                        assert_eq!(fetch(&pool, uid).await?, flag(uid));
                    }
                }
                Ok::<_, Error>(())
            });
        }
    }
    while let Some(outcome) = work.join_next().await {
        outcome.unwrap().unwrap();
    }
    let seen = store.seen();
    assert!(seen.most_of_one <= 4, "{}", seen.most_of_one);
    assert!(seen.most_of_all <= 20, "{}", seen.most_of_all);
    settled(&server, &pools, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_clients_leave_and_the_store_hangs_up_and_has_limits() {
    let store = Store::start(Behaviour {
        takes: Duration::from_millis(1),
        hang_up: Some(13),
        limit: Some(3),
        poison: Some(7),
        ..messages(50)
    })
    .await;
    let server = server(&store, 10, Duration::from_millis(500));
    let pools = {
        store.change(|behaviour| behaviour.hang_up = None);
        let pools = proved(&server, 8, 4).await;
        store.change(|behaviour| behaviour.hang_up = Some(13));
        pools
    };
    let mut work = JoinSet::new();
    for (number, pool) in pools.iter().cycle().take(400).enumerate() {
        let pool = Arc::clone(pool);
        let uid = u32::try_from(number % 60).unwrap() + 1;
        let patience = Duration::from_millis(u64::try_from(number % 7).unwrap() * 4);
        let leaves = number % 3 == 0;
        work.spawn(async move {
            let (mailbox, expected) = inbox();
            let one = async {
                match number % 5 {
                    0 => drop(pool.lease(Lane::Bulk, None, 0).await),
                    1 => drop(pool.write_in(&mailbox, &expected).await),
                    2 => drop(
                        pool.prove(credentials(&format!("user{}", number % 8)))
                            .await,
                    ),
                    _ => match fetch(&pool, uid).await {
                        Ok(found) => assert_eq!(found, flag(uid).filter(|_| uid <= 50)),
                        Err(Error::Closed | Error::Busy | Error::No { .. } | Error::Login(_)) => {}
                        Err(error) => panic!("{error}"),
                    },
                }
            };
            if leaves {
                let _ = timeout(patience, one).await;
            } else {
                one.await;
            }
        });
    }
    while let Some(outcome) = work.join_next().await {
        outcome.unwrap();
    }
    let seen = store.seen();
    assert!(seen.most_of_one <= 3, "{}", seen.most_of_one);
    assert!(seen.most_of_all <= 10, "{}", seen.most_of_all);
    settled(&server, &pools, 10).await;
    store.change(|behaviour| behaviour.hang_up = None);
    for pool in &pools {
        assert_eq!(fetch(pool, 3).await, Ok(flag(3)));
    }
}
