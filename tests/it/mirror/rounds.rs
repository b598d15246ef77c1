//! A client that only searches, held after each round against what a direct IMAP session sees: foreign changes and changes through REST
//! at random, and once the bridge is killed in between.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    changes::{Foreigner, Neighbour, Session},
    rest::Rest,
    simplified::Simplified,
    truth::Contents,
};
use crate::{
    exactly_once::{load::seed, numbers::Numbers},
    support::{
        bridge::Bridge,
        dovecot::{self, Account},
        process::Process,
    },
};

const ROUNDS: usize = 16;
/// Changes between two rounds, half of them foreign.
const CHANGES: usize = 16;
/// The round before which the bridge is killed.
const KILLED: usize = 8;

/// What is there, but for flags.
async fn truth(account: &Account) -> Contents {
    Contents::read(account).await.without_flags()
}

fn start(directory: &tempfile::TempDir, account: &Account) -> Process {
    let file = directory.path().join("state");
    let settings = format!("[state]\nurl = \"file:{}\"\n", file.display());
    Process::start(account.imap, &settings)
}

/// The client as it is when it has read again what was moved through the bridge, of which nobody tells it; then folders have as many
/// objects as it believes, or something in them is gone.
async fn reads_moved(client: &Simplified, moved: &BTreeSet<String>) -> Contents {
    let mut reader = client.clone();
    for id in moved {
        if reader.knows(id) {
            reader.read(id).await;
        }
    }
    reader.read_missing().await;
    reader.contents()
}

/// What happens between two rounds.
async fn change(account: &Account, foreigner: &mut Foreigner, neighbour: &mut Neighbour) {
    let open = async || Session::open(account.imap, &account.login).await.unwrap();
    let mut session = open().await;
    for _ in 0..CHANGES {
        if foreigner.numbers.below(2) == 0 {
            neighbour.change().await;
        } else if foreigner.change(&mut session).await.is_none() {
            // Dovecot ends a session whose mailbox somebody deletes.
            session = open().await;
        }
    }
}

/// Whether somebody wants a folder removed: with it goes what the store remembers of its expunges, and on a foreign DELETE all of it.
fn removes_folder(diary: &str) -> bool {
    diary.contains(" f DELETE ") || diary.contains(" r DELETE folders/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_only_searches_holds_what_is_there_after_each_round() {
    let mut numbers = Numbers::new(seed());
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let account = dovecot::account("only_searches");
    let mut bridge = start(&directory, &account);
    let rest = Rest::new(&account.box_id(), bridge.client(&account));
    let mut foreigner = Foreigner {
        diary: rest.diary.clone(),
        name: "f".to_owned(),
        numbers: Numbers::new(numbers.next()),
        count: 0,
    };
    let mut neighbour = Neighbour {
        rest: rest.clone(),
        name: "r".to_owned(),
        numbers: Numbers::new(numbers.next()),
        count: 0,
        moved: BTreeSet::new(),
    };
    let mut client = Simplified::new(rest.clone()).await;
    for round in 0..ROUNDS {
        if round == KILLED {
            bridge.kill();
            bridge = start(&directory, &account);
            rest.is_at(bridge.client(&account));
        }
        let written = rest.diary.text().len();
        change(&account, &mut foreigner, &mut neighbour).await;
        client.untold.clear();
        client.synchronise().await;
        if !removes_folder(&rest.diary.text()[written..]) {
            let untold: Vec<_> = client.untold.difference(&neighbour.moved).collect();
            assert!(
                untold.is_empty(),
                "round {round}: {untold:?}\n{}",
                rest.diary.text()
            );
        }
        rest.diary.note(&format!("round {round}"));
        let mirrored = reads_moved(&client, &neighbour.moved).await;
        let truth = truth(&account).await;
        let (missing, invented) = (truth.without(&mirrored), mirrored.without(&truth));
        assert!(
            missing.is_empty() && invented.is_empty(),
            "round {round}: missing {missing:#?}\ninvented {invented:#?}\n{}",
            rest.diary.text()
        );
    }
    let (folders, messages) = client.contents().count();
    eprintln!(
        "{folders} folders, {messages} messages, {} moved",
        neighbour.moved.len()
    );
    bridge.stop();
}

fn message(correlation: &str) -> Vec<u8> {
    format!("IMDN-Message-ID: {correlation}\r\n\r\nbody\r\n").into_bytes()
}

/// What comes and goes, in whichever way, without its being read once more.
#[tokio::test]
async fn a_client_that_only_searches_is_told_what_was_created_and_what_vanished() {
    let bridge = Bridge::builder("is_told")
        .folder("B")
        .folder("C")
        .start()
        .await;
    let mut witness = bridge.witness().await;
    for (mailbox, correlation) in [("INBOX", "1"), ("INBOX", "2"), ("INBOX", "3"), ("C", "4")] {
        let message = message(correlation);
        witness.append(mailbox, &message, "", None).await;
    }
    let rest = Rest::new(&bridge.account.box_id(), bridge.client.clone());
    let mut client = Simplified::new(rest).await;
    assert_eq!(client.contents(), truth(&bridge.account).await);
    let moved = client.ids("2");
    // By another IMAP client: an expunge, a creation, and a move, which is one of each.
    witness.command("SELECT INBOX").await.ok();
    witness.command("STORE 1 +FLAGS (\\Deleted)").await.ok();
    witness.command("EXPUNGE").await.ok();
    witness.append("B", &message("5"), "", None).await;
    witness.command("MOVE 1 B").await.ok();
    // Through the bridge: an object, and a folder with all that is in it.
    bridge
        .delete(&format!("objects/{}", client.ids("3")[0]))
        .await
        .expect(204);
    let folder = crate::objects::folder_of(&bridge, "/C").await;
    bridge.delete(&folder).await.expect(204);
    client.synchronise().await;
    assert_eq!(client.contents(), truth(&bridge.account).await);
    assert_eq!(client.untold, BTreeSet::new());
    assert_eq!(client.ids("2").len(), 1);
    assert_ne!(client.ids("2"), moved);
}

/// It reads what is missing from where it believed it to be.
#[tokio::test]
async fn a_client_that_only_searches_finds_out_what_it_was_not_told() {
    let bridge = Bridge::builder("not_told")
        .folder("A/below")
        .folder("B")
        .folder("C")
        .start()
        .await;
    let mut witness = bridge.witness().await;
    witness.command("CREATE A").await;
    for (mailbox, correlation) in [
        ("A", "1"),
        ("B", "2"),
        ("C", "3"),
        ("INBOX", "4"),
        ("INBOX", "5"),
    ] {
        let message = message(correlation);
        witness.append(mailbox, &message, "", None).await;
    }
    let rest = Rest::new(&bridge.account.box_id(), bridge.client.clone());
    let mut client = Simplified::new(rest).await;
    let relocate = async |id: &str, to: &str| {
        let target = crate::objects::folder_of(&bridge, to).await;
        let asked = json!({"targetSourceRef": {
            "targetRef": {"resourceURL": bridge.target(&target)},
            "sourceRefs": {"objects": {"objectReference": [
                {"resourceURL": bridge.target(&format!("objects/{id}"))},
            ]}},
        }});
        let moved = bridge.post("folders/operations/moveToFolder", &asked).await;
        let moved = moved.expect(200).json()["bulkResponseList"]["response"][0]["code"].take();
        assert_eq!(moved, 200);
    };
    // Folders that another IMAP client removes: of one a name is left, since there is something below it.
    witness.command("DELETE A").await.ok();
    let gone = [client.ids("1"), client.ids("2")].concat();
    witness.command("DELETE B").await.ok();
    relocate(&client.ids("4")[0], "/C").await;
    let before = client.ids("4");
    client.synchronise().await;
    assert_eq!(client.contents(), truth(&bridge.account).await);
    assert_eq!(client.untold, gone.into_iter().collect());
    assert_eq!(client.ids("4"), before);
    // One goes and another comes: the count is what it was, and only who reads an object sees where it is.
    relocate(&client.ids("5")[0], "/C").await;
    relocate(&client.ids("3")[0], "/INBOX").await;
    client.synchronise().await;
    assert_ne!(client.contents(), truth(&bridge.account).await);
    for id in [client.ids("3"), client.ids("5")].concat() {
        client.read(&id).await;
    }
    assert_eq!(client.contents(), truth(&bridge.account).await);
}
