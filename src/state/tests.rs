//! What both state stores do alike.

use std::path::Path;

use super::*;
use crate::clock;

/// One of each kind; the file goes with the directory.
async fn both() -> (tempfile::TempDir, [Box<dyn State>; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let file = in_file(&directory.path().join("state")).await;
    (directory, [Box::new(MemoryState::new()), Box::new(file)])
}

pub(super) async fn in_file(path: &Path) -> FileState {
    FileState::open(path).await.unwrap()
}

pub(super) fn creation(nonce: &str) -> Correlated {
    let now = clock::now().timestamp_micros();
    Correlated {
        digest: [7; 32],
        nonce: nonce.to_owned(),
        folder: vec![1, 0, 0, 0, 9],
        outcome: None,
        at: DateTime::from_timestamp_micros(now).unwrap(),
    }
}

pub(super) fn outcome() -> Outcome {
    Outcome {
        object: vec![1, 0, 0, 0, 9, 0, 0, 0, 1],
        path: "/Default/台北/id".to_owned(),
    }
}

#[tokio::test]
async fn a_revision_stays_until_its_digest_changes_and_then_rises() {
    let (_directory, states) = both().await;
    for state in states {
        let before = u64::try_from(clock::now().timestamp_micros()).unwrap();
        let first = state.revision("a", b"x", 1).value;
        assert!(first > before - 1_000_000, "{first} {before}");
        assert_eq!(state.revision("a", b"x", 1).value, first);
        let second = state.revision("a", b"x", 2).value;
        assert!(second > first);
        assert!(state.revision("a", b"x", 1).value > second);
        assert!(state.revision("b", b"x", 2).value > second);
        assert!(second < 1 << 53);
    }
}

#[tokio::test]
async fn last_mod_seq_is_the_revision() {
    let (_directory, states) = both().await;
    for state in states {
        for digest in [1, 1, 2, 1] {
            let shown = state.last_mod_seq("a", b"x", digest).await.unwrap();
            assert_eq!(state.revision("a", b"x", digest).value, shown);
        }
    }
}

#[tokio::test]
async fn an_alias_leads_both_ways_and_follows_the_last_rename() {
    let (_directory, states) = both().await;
    for state in states {
        state.alias("a", b"first", b"second");
        state.alias("a", b"first", b"third");
        assert_eq!(state.found("a", b"first").as_deref(), Some(&b"third"[..]));
        assert_eq!(state.shown("a", b"third").as_deref(), Some(&b"first"[..]));
        assert_eq!(state.shown("a", b"second"), None);
        assert_eq!(state.found("b", b"first"), None);
    }
}

#[tokio::test]
async fn what_is_found_is_shown_as_one_thing() {
    let (_directory, states) = both().await;
    for state in states {
        state.alias("a", b"first", b"place");
        state.alias("a", b"other", b"place");
        assert_eq!(state.found("a", b"first"), None);
        assert_eq!(state.shown("a", b"place").as_deref(), Some(&b"other"[..]));
    }
}

#[tokio::test]
async fn going_back_to_the_own_name_needs_no_alias() {
    let (_directory, states) = both().await;
    for state in states {
        state.alias("a", b"first", b"second");
        state.alias("a", b"first", b"first");
        assert_eq!(state.found("a", b"first"), None);
        assert_eq!(state.shown("a", b"second"), None);
    }
}

pub(super) fn a_move(id: u8) -> Move {
    let now = clock::now().timestamp_micros();
    let object = |uid: u32| Moving {
        uid,
        identity: [9; 16],
        last_mod_seq: u64::from(uid) + 40,
    };
    Move {
        id: [id; 16],
        from: vec![1, 0, 0, 0, 9],
        to: vec![1, 0, 0, 0, 8],
        uid_next: 17,
        mod_seq: 1 << 40,
        objects: vec![object(3), object(u32::MAX)],
        at: DateTime::from_timestamp_micros(now + i64::from(id) * 1_000_000).unwrap(),
    }
}

pub(super) fn moved(shown: &[u8], found: &[u8], offset: u64) -> Moved {
    Moved {
        shown: shown.to_vec(),
        found: found.to_vec(),
        offset,
    }
}

#[tokio::test]
async fn moves_are_known_in_their_order_until_it_is_said_what_came_of_them() {
    let (_directory, states) = both().await;
    for state in states {
        assert_eq!(state.moves("a"), []);
        for id in [2, 1] {
            state.intend_move("a", a_move(id));
        }
        let known: Vec<MoveId> = state.moves("a").iter().map(|known| known.id).collect();
        assert_eq!(known, [[1; 16], [2; 16]]);
        assert_eq!(state.moves("b"), []);
        state.conclude_move("b", &[1; 16], &[]);
        assert_eq!(state.moves("a").len(), 2);
        let aliases = [moved(b"first", b"there", 7), moved(b"second", b"here", 0)];
        state.conclude_move("a", &[1; 16], &aliases);
        assert_eq!(state.moves("a").len(), 1);
        assert_eq!(state.found("a", b"first").as_deref(), Some(&b"there"[..]));
        assert_eq!(state.shown("a", b"here").as_deref(), Some(&b"second"[..]));
        state.conclude_move("a", &[2; 16], &[]);
        assert_eq!(state.moves("a"), []);
    }
}

#[tokio::test]
async fn an_offset_is_that_of_the_last_move() {
    let (_directory, states) = both().await;
    for state in states {
        assert_eq!(state.offset("a", b"first"), 0);
        for offset in [7, 9, 0] {
            state.conclude_move("a", &[1; 16], &[moved(b"first", b"there", offset)]);
            assert_eq!(state.offset("a", b"first"), offset);
            assert_eq!(state.offset("a", b"there"), 0);
        }
    }
}

#[tokio::test]
async fn a_creation_is_known_by_account_and_key_until_it_is_forgotten() {
    let (_directory, states) = both().await;
    for state in states {
        assert_eq!(state.correlated("a", b"key"), None);
        let intent = creation("nonce");
        state.correlate("a", b"key", intent.clone());
        assert_eq!(state.correlated("a", b"key").as_ref(), Some(&intent));
        let done = Correlated {
            outcome: Some(outcome()),
            ..intent
        };
        state.correlate("a", b"key", done.clone());
        assert_eq!(state.correlated("a", b"key"), Some(done));
        assert_eq!(state.correlated("b", b"key"), None);
        state.forget_correlated("a", b"other");
        state.forget_correlated("a", b"key");
        assert_eq!(state.correlated("a", b"key"), None);
    }
}

#[tokio::test]
async fn a_creation_is_forgotten_after_a_day() {
    let (_directory, states) = both().await;
    for state in states {
        for (key, age, known) in [
            (b"young", CORRELATED_FOR - TimeDelta::minutes(1), true),
            (b"older", CORRELATED_FOR + TimeDelta::seconds(1), false),
        ] {
            let mut record = creation("nonce");
            record.at -= age;
            state.correlate("a", key, record);
            assert_eq!(state.correlated("a", key).is_some(), known, "{age}");
        }
    }
}

#[tokio::test]
async fn what_was_said_can_be_waited_for_and_the_state_closed() {
    let (_directory, states) = both().await;
    for state in states {
        state.alias("a", b"first", b"second");
        state.correlate("a", b"key", creation("nonce"));
        assert_eq!(state.commit().await, Ok(()));
        assert_eq!(state.commit().await, Ok(()));
        assert_eq!(state.close().await, Ok(()));
        assert_eq!(state.close().await, Ok(()));
        assert_eq!(state.found("a", b"first").as_deref(), Some(&b"second"[..]));
    }
}

/// The caller is generic over what it is given: an `Arc` goes round in the service.
#[tokio::test]
async fn states_are_shared_between_tasks() {
    let (_directory, states) = both().await;
    for state in states {
        let state: std::sync::Arc<dyn State> = state.into();
        let tasks = (0..50_u64).map(|number| {
            let state = std::sync::Arc::clone(&state);
            crate::task::spawn(async move {
                let name = number.to_be_bytes();
                state.alias("a", &name, b"x");
                state.alias("a", &name, &[&name[..], b"moved"].concat());
                state.commit().await.unwrap();
                state.last_mod_seq("a", &name, number).await.unwrap()
            })
        });
        let mut values = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            values.push(task.await.unwrap());
        }
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), 50);
        let first = 0_u64.to_be_bytes();
        assert!(state.found("a", &first).is_some());
    }
}
