//! Stores that say odd, incomplete or wrong things: what is shown is what they mean, or nothing, never something made up.

use serde_json::Value;

use super::{OFFERS, Play, bridge, offer, told};
use crate::{
    objects::{below_box, folder_of, objects_of},
    support::{bridge::Bridge, repertoire::Repertoire},
};

const ALL: &str = "LIST \"\" \"*\" RETURN *";

/// The names of the folders below the root, as the list of subfolders has them.
async fn folders(bridge: &Bridge) -> Vec<String> {
    let root = bridge
        .get("folders/operations/pathToId")
        .await
        .expect(200)
        .json();
    let root = below_box(&root["reference"]["resourceURL"]);
    let listed = bridge
        .get(&format!("{root}?listFilter=Subfolders&path=Yes"))
        .await
        .expect(200)
        .json();
    let references = listed["folder"]["subFolders"]["folderReference"]
        .as_array()
        .unwrap();
    let path = |reference: &Value| reference["path"].as_str().unwrap().to_owned();
    references.iter().map(path).collect()
}

/// Cyrus 3.6 sends random bytes as MAILBOXID now and then.
#[tokio::test]
async fn a_garbled_mailbox_id_hides_no_folder() {
    for garbage in [
        "\\xff\\x01\\xfe\"\\x7f",
        "(((",
        "\"",
        "\\x80\\x90)",
        "",
        "a b c",
        "NIL",
    ] {
        let store = Repertoire::start("store.txt").await;
        offer(&store, &format!("{OFFERS} OBJECTID"));
        store.answer(
            ALL,
            &format!(
                "* LIST () \"/\" \"INBOX\"\n\
                 S-raw: * STATUS \"INBOX\" (UIDVALIDITY 11 MAILBOXID ({garbage}))\\r\\n\n\
                 * LIST () \"/\" \"Work\"\n* STATUS \"Work\" (UIDVALIDITY 12 MAILBOXID (Fgood_1-x))\n{{tag}} OK done"
            ),
        );
        let bridge = bridge("garbled_mailbox_id", &store).await;
        assert_eq!(folders(&bridge).await, ["/INBOX", "/Work"], "{garbage}");
        let object = objects_of(&bridge, "/INBOX").await.remove(1);
        bridge.get(&object).await.expect(200);
        assert_eq!(
            objects_of(&bridge, "/INBOX").await[1],
            object,
            "ids are kept: {garbage}"
        );
    }
}

/// Courier answers a STATUS item that it does not know with OK and an empty list.
#[tokio::test]
async fn an_empty_status_hides_no_folder() {
    for status in [
        "* STATUS \"Work\" ()\n",
        "* STATUS \"Work\"\n",
        "* STATUS\n",
        "",
    ] {
        for offers in [OFFERS.to_owned(), OFFERS.replace(" LIST-STATUS", "")] {
            let store = Repertoire::start("store.txt").await;
            offer(&store, &offers);
            store.answer(
                ALL,
                &format!(
                    "* LIST () \"/\" \"INBOX\"\n* STATUS \"INBOX\" (UIDVALIDITY 11)\n\
                     * LIST () \"/\" \"Work\"\n{status}{{tag}} OK done"
                ),
            );
            store.answer("STATUS \"Work\" *", &format!("{status}{{tag}} OK done"));
            let bridge = bridge("empty_status", &store).await;
            assert_eq!(folders(&bridge).await, ["/INBOX", "/Work"], "{status}");
            assert_eq!(objects_of(&bridge, "/INBOX").await.len(), 2);
            let folder = folder_of(&bridge, "/Work").await;
            assert_eq!(told(&bridge.get(&folder).await), "200", "{status}");
        }
    }
}

#[tokio::test]
async fn names_are_understood_as_atom_quoted_string_and_literal() {
    let store = Repertoire::start("store.txt").await;
    offer(&store, OFFERS);
    store.answer(
        ALL,
        "S-raw: * LIST (\\\\HasChildren) \"/\" {5}\\r\\nINBOX\\r\\n\n\
         S-raw: * STATUS INBOX (UIDVALIDITY 11)\\r\\n\n\
         S-raw: * LIST () \"/\" Work\\r\\n\n\
         S-raw: * STATUS {4}\\r\\nWork (UIDVALIDITY 12)\\r\\n\n\
         S-raw: * LIST () \"/\" \"a \\\\\"b\\\\\\\\\"\\r\\n\n\
         S-raw: * STATUS {5}\\r\\na \"b\\\\ (UIDVALIDITY 13)\\r\\n\n\
         S-raw: * LIST () \"/\" {6}\\r\\nx{5}yz\\r\\n\n\
         S-raw: * STATUS \"x{5}yz\" (UIDVALIDITY 14)\\r\\n\n\
         S-raw: * LIST () \"/\" {1}\\r\\n(\\r\\n\n\
         S-raw: * list () \"/\" \"low\"\\r\\n\n\
         {tag} OK done",
    );
    let bridge = bridge("names", &store).await;
    let expected = ["/(", "/INBOX", "/Work", "/a \"b\\", "/low", "/x{5}yz"];
    assert_eq!(folders(&bridge).await, expected);
    // The store gets each name back as it means it.
    for (path, command) in [
        ("/a \"b\\", "EXAMINE \"a \\\"b\\\\\""),
        ("/x{5}yz", "EXAMINE \"x{5}yz\""),
    ] {
        let folder = folder_of(&bridge, path).await;
        bridge.get(&format!("{folder}?listFilter=Objects")).await;
        assert_eq!(
            store.received("EXAMINE *").last().map(String::as_str),
            Some(command)
        );
    }
}

/// Neither modified UTF-7 nor anything a quoted string may hold, yet servers send it.
#[tokio::test]
async fn names_with_eight_bit_octets_are_shown_and_can_be_opened() {
    let store = Repertoire::start("store.txt").await;
    offer(&store, OFFERS);
    store.answer(
        ALL,
        "S-raw: * LIST () \"/\" \"caf\\xc3\\xa9\"\\r\\n\n\
         S-raw: * STATUS \"caf\\xc3\\xa9\" (UIDVALIDITY 21)\\r\\n\n\
         S-raw: * LIST () \"/\" \"latin\\xe9\"\\r\\n\n\
         S-raw: * STATUS {6}\\r\\nlatin\\xe9 (UIDVALIDITY 22)\\r\\n\n\
         {tag} OK done",
    );
    for (pattern, uid_validity) in [("EXAMINE {5+}caf*", 21), ("EXAMINE {6+}latin*", 22)] {
        store.answer(
            pattern,
            &format!(
                "* 2 EXISTS\n* OK [UIDVALIDITY {uid_validity}] valid\n{{tag}} OK [READ-ONLY] done"
            ),
        );
    }
    let bridge = bridge("eight_bit_names", &store).await;
    assert_eq!(folders(&bridge).await, ["/café", "/latin\u{fffd}"]);
    for path in ["/café", "/latin\u{fffd}"] {
        let object = objects_of(&bridge, path).await.remove(1);
        let object = bridge.get(&object).await.expect(200).json();
        assert!(object["object"]["path"].as_str().unwrap().starts_with(path));
    }
    store.assert_all_known();
}

#[tokio::test]
async fn a_mailbox_with_another_uid_validity_is_another_mailbox() {
    let play = Play::start("uid_validity").await;
    for name in ["EXAMINE", "SELECT"] {
        play.store.answer(
            &format!("{name} \"INBOX\""),
            "* 2 EXISTS\n* OK [UIDVALIDITY 99] valid\n{tag} OK done",
        );
    }
    // The folder tree still says 11: UIDVALIDITY changed between LIST and EXAMINE.
    for (method, rest) in [
        ("GET", ""),
        ("GET", "/flags"),
        ("GET", "/payload"),
        ("PUT", "/flags/%5CSeen"),
        ("DELETE", "/flags/%5CSeen"),
        ("DELETE", ""),
    ] {
        let told = play.ask(method, &format!("{}{rest}", play.object)).await;
        assert_eq!(told, "404 SVC0004 Request-URI", "{method} {rest}");
    }
    for command in ["UID FETCH *", "UID STORE *", "UID EXPUNGE *"] {
        assert_eq!(play.store.received(command), [""; 0], "{command}");
    }
}

#[tokio::test]
async fn a_mailbox_that_does_not_say_its_uid_validity_is_not_taken_for_the_one() {
    let play = Play::start("no_uid_validity").await;
    for name in ["EXAMINE", "SELECT"] {
        play.store
            .answer(&format!("{name} \"INBOX\""), "* 2 EXISTS\n{tag} OK done");
    }
    for (method, rest) in [("GET", ""), ("PUT", "/flags/%5CSeen"), ("DELETE", "")] {
        let told = play.ask(method, &format!("{}{rest}", play.object)).await;
        assert_eq!(told, "404 SVC0004 Request-URI", "{method} {rest}");
    }
    assert_eq!(play.store.received("UID STORE *"), [""; 0]);
}
