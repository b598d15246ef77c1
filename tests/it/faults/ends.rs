//! Connections that end in the middle of a command, and servers that fall silent: a read is tried once more on a fresh
//! connection, a write is not.

use serde_json::json;

use super::{OFFERS, Play, WORDS, bridge, offer, told};
use crate::{objects::folder_of, support::repertoire::Repertoire};

/// How a connection can end before the tagged answer.
fn endings() -> [String; 4] {
    [
        "<close>".to_owned(),
        "<reset>".to_owned(),
        format!("* BYE [UNAVAILABLE] {WORDS}\n<close>"),
        format!("* BYE {WORDS}\n<close>"),
    ]
}

#[tokio::test]
async fn a_read_that_is_cut_off_once_succeeds() {
    for ending in endings() {
        for command in [
            "EXAMINE \"INBOX\"",
            "UID FETCH 7 *BODY*",
            "UID FETCH 7 (UID FLAGS*",
        ] {
            let play = Play::start("read_cut_once").await;
            play.store.answer_times(1, command, &ending);
            for rest in ["", "/flags", "/payload"] {
                assert_eq!(
                    play.ask("GET", &format!("{}{rest}", play.object)).await,
                    "200",
                    "{command} {ending}"
                );
            }
            play.store.assert_all_known();
        }
        for command in ["LIST \"\" \"*\"*", "NAMESPACE", "UID SEARCH *"] {
            let play = Play::start("read_cut_once").await;
            play.store.answer_times(1, command, &ending);
            let folder = folder_of(&play.bridge, "/INBOX").await;
            let told = play.ask("GET", &format!("{folder}?listFilter=All")).await;
            assert_eq!(told, "200", "{command} {ending}");
        }
    }
}

#[tokio::test]
async fn a_read_that_is_cut_off_twice_is_unavailable_and_not_tried_a_third_time() {
    for ending in endings() {
        for command in ["EXAMINE \"INBOX\"", "UID FETCH 7 *"] {
            let play = Play::start("read_cut_twice").await;
            play.store.answer(command, &ending);
            let before = play.store.received(command).len();
            let told = play.ask("GET", &format!("{}/flags", play.object)).await;
            assert_eq!(told, "503 SVC2001", "{command} {ending}");
            let attempts = play.store.received(command).len() - before;
            assert_eq!(attempts, 2, "{command} {ending}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_inside_a_literal_is_read_again_whole() {
    let play = Play::start("literal_cut").await;
    play.store.answer_times(
        1,
        "UID FETCH 7 *BODY*",
        "S-raw: * 1 FETCH (UID 7 FLAGS () MODSEQ (70) BODY[]<0> {75}\\r\\nSubject: on\n<close>",
    );
    let object = play.bridge.get(&play.object).await.expect(200).json();
    let attributes = object["object"]["attributes"]["attribute"]
        .as_array()
        .unwrap();
    assert!(
        attributes.contains(&json!({"name": "Subject", "value": ["one"]})),
        "{object}"
    );
    // The same in the middle of a payload's window.
    play.store.answer_times(
        1,
        "UID FETCH 7 *BODY.PEEK[]<68.7>*",
        "S-raw: * 1 FETCH (UID 7 BODY[]<68> {7}\\r\\npay\n* BYE\n<close>",
    );
    let payload = play
        .bridge
        .get(&format!("{}/payload", play.object))
        .await
        .expect(200);
    assert_eq!(payload.text(), "payload");
}

#[tokio::test]
async fn a_flag_whose_store_is_cut_off_is_not_stored_again() {
    for ending in endings() {
        for (method, flag) in [("PUT", "%5CSeen"), ("DELETE", "%5CAnswered")] {
            let play = Play::start("store_cut").await;
            play.store.answer("UID STORE *", &ending);
            let told = play
                .ask(method, &format!("{}/flags/{flag}", play.object))
                .await;
            assert_eq!(told, "503 SVC2001", "{ending}");
            assert_eq!(play.store.received("UID STORE *").len(), 1, "{ending}");
            // The bridge goes on with another connection.
            play.bridge
                .get(&format!("{}/flags", play.object))
                .await
                .expect(200);
        }
        let play = Play::start("store_cut").await;
        play.store.answer("UID STORE *", &ending);
        let body = json!({"flagList": {"flag": ["\\Seen"]}});
        let answer = play
            .bridge
            .put(&format!("{}/flags", play.object), &body)
            .await;
        assert_eq!(told(&answer), "503 SVC2001");
        assert_eq!(play.store.received("UID STORE *").len(), 1, "{ending}");
    }
}

/// Until the STORE nothing has changed, so a connection that turns out to be dead costs nothing.
#[tokio::test]
async fn a_write_whose_select_is_cut_off_goes_on_with_a_fresh_connection() {
    for ending in endings() {
        let play = Play::start("select_cut").await;
        play.store.answer_times(1, "SELECT \"INBOX\"", &ending);
        play.store.answer(
            "UID FETCH 7 *",
            "* 1 FETCH (UID 7 FLAGS (\\Seen) MODSEQ (71))\n{tag} OK done",
        );
        play.store.answer_times(
            1,
            "UID FETCH 7 *",
            "* 1 FETCH (UID 7 FLAGS () MODSEQ (70))\n{tag} OK done",
        );
        let told = play
            .ask("PUT", &format!("{}/flags/%5CSeen", play.object))
            .await;
        assert_eq!(told, "201", "{ending}");
        assert_eq!(play.store.received("UID STORE *").len(), 1, "{ending}");
    }
}

#[tokio::test]
async fn a_folder_whose_making_is_cut_off_is_not_made_twice() {
    for ending in endings() {
        let play = Play::start("create_cut").await;
        play.store.answer("CREATE *", &ending);
        let body = json!({"folder": {"parentFolderPath": "/Work", "name": "New"}});
        assert_eq!(
            told(&play.bridge.post("folders", &body).await),
            "503 SVC2001"
        );
        assert_eq!(play.store.received("CREATE *").len(), 1, "{ending}");

        let name = format!("{}/folderName", folder_of(&play.bridge, "/Work").await);
        play.store.answer("RENAME *", &ending);
        let answer = play.bridge.put(&name, &json!({"name": "New"})).await;
        assert_eq!(told(&answer), "503 SVC2001");
        assert_eq!(play.store.received("RENAME *").len(), 1, "{ending}");
    }
}

/// What was done before the answer got lost is there to be seen.
#[tokio::test]
async fn a_folder_that_is_made_although_the_answer_got_lost_is_made() {
    let play = Play::start("create_answer_lost").await;
    let all = "LIST \"\" \"*\" RETURN *";
    let line = |name: &str, uid_validity: u32| {
        format!("* LIST () \"/\" \"{name}\"\n* STATUS \"{name}\" (UIDVALIDITY {uid_validity})\n")
    };
    play.store.answer("CREATE *", "<close>");
    play.store.answer(
        all,
        &format!("{}{}{{tag}} OK", line("Work", 12), line("Work/New", 13)),
    );
    play.store
        .answer_times(1, all, &format!("{}{{tag}} OK", line("Work", 12)));
    let body = json!({"folder": {"parentFolderPath": "/Work", "name": "New"}});
    assert_eq!(told(&play.bridge.post("folders", &body).await), "201");
    assert_eq!(play.store.received("CREATE *").len(), 1);
}

/// Both steps of a deletion may be taken again: it ends whole, or is told as not done.
#[tokio::test]
async fn a_deletion_that_is_cut_off_is_not_left_in_the_middle() {
    for ending in endings() {
        for command in ["UID STORE *", "UID EXPUNGE *"] {
            let play = Play::start("deletion_cut").await;
            play.store.answer_times(1, command, &ending);
            // Gone once it was expunged.
            let there = "* 1 FETCH (UID 7 FLAGS (\\Deleted) MODSEQ (71))\n{tag} OK";
            play.store.answer("UID FETCH 7 *", "{tag} OK done");
            play.store.answer_times(2, "UID FETCH 7 *", there);
            let told = play.ask("DELETE", &play.object).await;
            assert_eq!(told, "204", "{command} {ending}");
            assert!(!play.store.received("UID EXPUNGE 7").is_empty());
        }
        let play = Play::start("deletion_cut").await;
        play.store.answer("UID EXPUNGE *", &ending);
        assert_eq!(
            play.ask("DELETE", &play.object).await,
            "503 SVC2001",
            "{ending}"
        );
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_in_a_command_is_too_slow() {
    let silent = async |command: &str, method: &str, rest: &str| {
        let store = Repertoire::start("store.txt").await;
        offer(&store, OFFERS);
        let bridge = crate::support::bridge::Bridge::builder("silent")
            .store(store.address())
            .store_setting("command_timeout = 1")
            .start()
            .await;
        let object = crate::objects::objects_of(&bridge, "/INBOX")
            .await
            .remove(1);
        // The connection leaves INBOX.
        crate::objects::objects_of(&bridge, "/Work").await;
        let folder = folder_of(&bridge, "/Work").await;
        store.answer(command, "* OK wait\n<stall>");
        let resource = rest
            .replace("{object}", &object)
            .replace("{folder}", &folder);
        let request = bridge.request(method, &resource);
        let request = match method {
            "POST" => request.json(&json!({"folder": {"parentFolderPath": "/", "name": "New"}})),
            "PUT" if resource.ends_with("folderName") => request.json(&json!({"name": "New"})),
            _ => request,
        };
        let answer = request.send().await;
        assert_eq!(told(&answer), "504 SVC0001 504", "{command}");
        store.received(command).len()
    };
    // Each waits for its deadline, all at the same time.
    let reads = [
        silent("EXAMINE \"INBOX\"", "GET", "{object}"),
        silent("UID FETCH 7 *", "GET", "{object}/flags"),
        silent("UID FETCH 7 *BODY*", "GET", "{object}/payload"),
        silent("LIST \"\" \"*\"*", "GET", "folders/operations/pathToId"),
        silent("SELECT \"INBOX\"", "PUT", "{object}/flags/%5CSeen"),
        silent("UID STORE *", "PUT", "{object}/flags/%5CSeen"),
        silent("UID STORE *", "DELETE", "{object}/flags/%5CAnswered"),
        silent("CREATE *", "POST", "folders"),
        silent("RENAME *", "PUT", "{folder}/folderName"),
    ];
    let attempts = futures_util::future::join_all(reads).await;
    assert_eq!(attempts[4..], [1, 1, 1, 1, 1], "a write is sent once");
}

#[tokio::test]
async fn a_server_that_falls_silent_at_the_login_is_too_slow() {
    let store = Repertoire::start("store.txt").await;
    store.answer("AUTHENTICATE PLAIN *", "<stall>");
    let bridge = crate::support::bridge::Bridge::builder("silent_login")
        .store(store.address())
        .store_setting("command_timeout = 1")
        .start()
        .await;
    let answer = bridge.get("folders/operations/pathToId").await;
    assert_eq!(told(&answer), "504 SVC0001 504");
}

#[tokio::test]
async fn a_connection_that_ended_while_it_was_at_rest_is_not_noticed_by_the_client() {
    let store = Repertoire::start("store.txt").await;
    offer(&store, OFFERS);
    let bridge = bridge("ended_at_rest", &store).await;
    // RFC 9051 §7.1.5: a server may say BYE at any time, for instance because a client has been idle.
    store.answer_times(
        1,
        "LIST \"\" \"*\" RETURN *",
        "* LIST () \"/\" \"INBOX\"\n* STATUS \"INBOX\" (UIDVALIDITY 11)\n{tag} OK done\n* BYE idle\n<close>",
    );
    for _ in 0..4 {
        assert_eq!(
            told(&bridge.get("folders/operations/pathToId").await),
            "200"
        );
    }
    store.assert_all_known();
}

#[tokio::test]
async fn a_request_for_which_no_connection_comes_free_in_time_is_told_so() {
    let store = Repertoire::start("store.txt").await;
    offer(&store, OFFERS);
    let bridge = crate::support::bridge::Bridge::builder("busy")
        .store(store.address())
        .store_setting("max_connections_per_account = 1\npool_timeout = 1")
        .start()
        .await;
    let object = crate::objects::objects_of(&bridge, "/INBOX")
        .await
        .remove(1);
    store.answer("UID FETCH 7 *", "<stall>");
    let stalled = bridge.request("GET", &format!("{object}/flags"));
    let stalled = cpm_bridge::task::spawn(async move { stalled.send().await });
    store.until_received("UID FETCH 7 *").await;
    let answer = bridge.get("folders/operations/pathToId").await;
    assert_eq!(told(&answer), "503 SVC2001");
    assert_eq!(store.connections(), 1, "the cap is kept");
    stalled.abort();
}
