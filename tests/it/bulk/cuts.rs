//! Connections that end in the middle: nothing else changes, a removal is not left half-done, and who asks again gets there.

use super::{DELETE, UPDATE, fill, items, removal, update, urls};
use crate::{
    objects::objects_of,
    support::{
        bridge::Bridge,
        proxy::{Fault, Proxy, Trap},
    },
};

const TRAPS: [Trap; 5] = [
    Trap::CutSaid(1),
    Trap::CutSaid(20),
    Trap::CutAnswered(0),
    Trap::CutAnswered(30),
    Trap::DropTaggedOk,
];

/// Four of six objects in each of two folders, and a proxy before their store.
async fn cast(test: &str) -> (Proxy, Bridge, Vec<String>) {
    let builder = Bridge::builder(test);
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder
        .store(proxy.address())
        .store_setting("command_timeout = 1")
        .start()
        .await;
    let mut chosen = Vec::new();
    for mailbox in ["one", "two"] {
        fill(&bridge, mailbox, 6).await;
        let objects = objects_of(&bridge, &format!("/{mailbox}")).await;
        chosen.extend(urls(&bridge, &objects[..4]));
    }
    (proxy, bridge, chosen)
}

async fn left(bridge: &Bridge, keys: &str) -> Vec<Vec<u32>> {
    let mut witness = bridge.witness().await;
    let mut left = Vec::new();
    for mailbox in ["one", "two"] {
        witness.examine(mailbox).await;
        left.push(witness.search(keys).await);
    }
    left
}

#[tokio::test]
async fn a_removal_that_is_cut_off_is_taken_up_again() {
    for (number, command) in ["UID STORE", "UID EXPUNGE"].into_iter().enumerate() {
        for (at, trap) in TRAPS.into_iter().enumerate() {
            let (proxy, bridge, chosen) = cast(&format!("bulk_cut_{number}{at}")).await;
            let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
            proxy.lay(command, trap, Fault::None);
            let told = items(bridge.post(DELETE, &removal(&chosen)).await);
            assert!(proxy.has_sprung(), "{command} {trap:?}");
            assert!(
                told.iter().all(|item| item.starts_with("204 ")),
                "{command} {trap:?}: {told:?}"
            );
            assert_eq!(
                left(&bridge, "ALL").await,
                [[1, 2], [1, 2]],
                "{command} {trap:?}"
            );
            assert_eq!(left(&bridge, "DELETED").await, [[0; 0], [0; 0]]);
        }
    }
}

#[tokio::test]
async fn a_removal_that_is_cut_off_for_good_ends_when_it_is_asked_for_again() {
    for (number, command) in ["UID STORE", "UID EXPUNGE"].into_iter().enumerate() {
        let (proxy, bridge, chosen) = cast(&format!("bulk_away_{number}")).await;
        let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
        proxy.lay(command, Trap::CutAnswered(0), Fault::Away);
        let told = items(bridge.post(DELETE, &removal(&chosen)).await);
        assert!(
            told.iter().all(|item| item.starts_with("503 SVC2001")),
            "{told:?}"
        );
        assert_eq!(left(&bridge, "UID 1:2").await, [[1, 2], [1, 2]]);
        assert_eq!(left(&bridge, "ALL").await[1].len(), 6, "not tried");
        proxy.heal();
        let told = items(bridge.post(DELETE, &removal(&chosen)).await);
        let gone = if command == "UID EXPUNGE" {
            "404"
        } else {
            "204"
        };
        assert!(
            told[..4].iter().all(|item| item.starts_with(gone)),
            "{told:?}"
        );
        assert!(
            told[4..].iter().all(|item| item.starts_with("204 ")),
            "{told:?}"
        );
        assert_eq!(left(&bridge, "ALL").await, [[1, 2], [1, 2]]);
    }
}

#[tokio::test]
async fn a_change_that_is_cut_off_is_told_and_can_be_asked_for_again() {
    for (at, trap) in TRAPS.into_iter().enumerate() {
        let (proxy, bridge, chosen) = cast(&format!("bulk_flags_cut_{at}")).await;
        let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
        let body = update("AddFlag", &["\\Flagged"], &chosen);
        proxy.lay("UID STORE", trap, Fault::None);
        let told = items(bridge.post(UPDATE, &body).await);
        assert!(proxy.has_sprung(), "{trap:?}");
        let expected = if trap == Trap::DropTaggedOk {
            "504 SVC0001"
        } else {
            "503 SVC2001"
        };
        assert!(
            told.iter().all(|item| item.starts_with(expected)),
            "{trap:?}: {told:?}"
        );
        let told = items(bridge.post(UPDATE, &body).await);
        assert!(told.iter().all(|item| item.starts_with("200 ")), "{told:?}");
        let flagged = [[3, 4, 5, 6], [3, 4, 5, 6]];
        assert_eq!(left(&bridge, "FLAGGED").await, flagged);
    }
}

#[tokio::test]
async fn a_store_that_is_away_from_the_start_is_wrong_with_the_whole_request() {
    let (proxy, bridge, chosen) = cast("bulk_away").await;
    let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
    proxy.set(Fault::Away);
    for answer in [
        bridge.post(DELETE, &removal(&chosen)).await,
        bridge
            .post(UPDATE, &update("AddFlag", &["\\Seen"], &chosen))
            .await,
    ] {
        assert!(answer.header("retry-after").is_some());
        answer.expect(503);
    }
    proxy.heal();
    assert_eq!(left(&bridge, "UNSEEN").await, left(&bridge, "ALL").await);
}
