//! Folders that the store refuses to make, rename or remove, or says it has.

use serde_json::json;

use super::{OFFERS, Play, bridge, no, offer, told};
use crate::{
    objects::folder_of,
    support::{bridge::Bridge, repertoire::Repertoire},
};

const ALL: &str = "LIST \"\" \"*\" RETURN *";

/// What the store lists from now on.
fn list(play: &Play, mailboxes: &[(&str, u32)]) {
    play.store.answer(ALL, &listed(mailboxes));
    for (name, _) in mailboxes {
        let line = format!("* LIST () \"/\" \"{name}\"\n{{tag}} OK done");
        play.store.answer(&format!("LIST \"\" \"{name}\"*"), &line);
    }
}

async fn create(play: &Play) -> String {
    let body = json!({"folder": {"parentFolderPath": "/Work", "name": "New"}});
    told(&play.bridge.post("folders", &body).await)
}

async fn rename(play: &Play) -> String {
    let folder = folder_of(&play.bridge, "/Work").await;
    told(
        &play
            .bridge
            .put(&format!("{folder}/folderName"), &json!({"name": "New"}))
            .await,
    )
}

async fn remove(play: &Play) -> String {
    let folder = folder_of(&play.bridge, "/Work").await;
    play.ask("DELETE", &folder).await
}

#[tokio::test]
async fn a_folder_that_is_not_made_for_a_reason_is_told_by_that_reason() {
    for (code, expected) in [
        ("[ALREADYEXISTS]", "409 SVC0005 New name"),
        ("[NOPERM]", "403 POL0001 NotAuthorized"),
        ("[AUTHORIZATIONFAILED]", "403 POL0001 NotAuthorized"),
        ("[CANNOT]", "400 SVC0002 name"),
        ("[OVERQUOTA]", "403 POL0001 OverQuota"),
        ("[LIMIT]", "503 SVC2001"),
        ("[UNAVAILABLE]", "503 SVC2001"),
        ("[INUSE]", "503 SVC2001"),
        ("[SERVERBUG]", "502 SVC0001 502"),
        ("[CONTACTADMIN]", "502 SVC0001 502"),
        ("[CLIENTBUG]", "500 SVC0001 500"),
    ] {
        let play = Play::start("create_refused").await;
        play.store.answer("CREATE *", &no(code));
        assert_eq!(create(&play).await, expected, "CREATE {code}");
        play.store.answer("RENAME *", &no(code));
        assert_eq!(rename(&play).await, expected, "RENAME {code}");
        assert_eq!(play.store.received("CREATE *"), ["CREATE \"Work/New\""]);
        assert_eq!(play.store.received("RENAME *"), ["RENAME \"Work\" \"New\""]);
    }
}

#[tokio::test]
async fn a_folder_that_is_not_made_without_a_reason_is_asked_about() {
    let refusing = async |rights: &str| {
        let play = Play::start("create_refused_without_a_reason").await;
        play.allow("Work", rights);
        play.store.answer("CREATE *", &no(""));
        play
    };
    let play = refusing("lrswipkxtea").await;
    assert_eq!(create(&play).await, "400 SVC0002 name");
    let play = refusing("lrswi").await;
    assert_eq!(
        create(&play).await,
        "403 POL0001 NotAuthorized",
        "k is missing"
    );

    let play = refusing("lrswipkxtea").await;
    list(&play, &[("INBOX", 11), ("Work", 12), ("Work/New", 13)]);
    play.store.answer_times(
        1,
        ALL,
        "* LIST () \"/\" \"INBOX\"\n* STATUS \"INBOX\" (UIDVALIDITY 11)\n* LIST () \"/\" \"Work\"\n* STATUS \"Work\" (UIDVALIDITY 12)\n{tag} OK",
    );
    assert_eq!(
        create(&play).await,
        "409 SVC0005 New name",
        "another client was quicker"
    );
}

/// A store that refuses to rename `/Work`, the resource that asks for it, and how the store lists its folders before.
async fn refusing_to_rename(rights: &str) -> (Play, String, &'static str) {
    let play = Play::start("rename_refused_without_a_reason").await;
    let folder = folder_of(&play.bridge, "/Work").await;
    play.allow("Work", rights);
    play.store.answer("RENAME *", &no(""));
    let before = "* LIST () \"/\" \"Work\"\n* STATUS \"Work\" (UIDVALIDITY 12)\n{tag} OK";
    (play, format!("{folder}/folderName"), before)
}

#[tokio::test]
async fn a_folder_that_is_not_renamed_without_a_reason_is_asked_about() {
    let body = json!({"name": "New"});
    let (play, name, _) = refusing_to_rename("lrswipkxtea").await;
    assert_eq!(
        told(&play.bridge.put(&name, &body).await),
        "400 SVC0002 name"
    );

    let (play, name, before) = refusing_to_rename("lrswipkxtea").await;
    list(&play, &[("Work", 12), ("New", 13)]);
    play.store.answer_times(1, ALL, before);
    assert_eq!(
        told(&play.bridge.put(&name, &body).await),
        "409 SVC0005 New name"
    );

    let (play, name, before) = refusing_to_rename("lrswipkxtea").await;
    play.lose("Work");
    play.store.answer_times(1, ALL, before);
    assert_eq!(
        told(&play.bridge.put(&name, &body).await),
        "404 SVC0004 Request-URI"
    );
}

/// RFC 4314 §4: RENAME needs x on the old mailbox, not only k above the new one.
#[tokio::test]
async fn a_folder_that_may_not_be_removed_may_not_be_renamed() {
    let (play, name, _) = refusing_to_rename("lrswik").await;
    let answer = play.bridge.put(&name, &json!({"name": "New"})).await;
    assert_eq!(told(&answer), "403 POL0001 NotAuthorized");
}

#[tokio::test]
async fn a_folder_that_is_gone_for_the_store_is_not_found() {
    let play = Play::start("rename_of_nothing").await;
    let name = format!("{}/folderName", folder_of(&play.bridge, "/Work").await);
    let before = "* LIST () \"/\" \"Work\"\n* STATUS \"Work\" (UIDVALIDITY 12)\n{tag} OK";
    play.store.answer("RENAME *", &no("[NONEXISTENT]"));
    play.lose("Work");
    play.store.answer_times(1, ALL, before);
    let answer = play.bridge.put(&name, &json!({"name": "New"})).await;
    assert_eq!(told(&answer), "404 SVC0004 Request-URI");
}

/// Courier says OK to the RENAME of a folder that is not there.
#[tokio::test]
async fn an_ok_to_a_rename_proves_nothing() {
    let play = Play::start("rename_without_effect").await;
    let name = format!("{}/folderName", folder_of(&play.bridge, "/Work").await);
    play.store.answer("RENAME *", "{tag} OK done");
    let body = json!({"name": "New"});
    assert_eq!(
        told(&play.bridge.put(&name, &body).await),
        "502 SVC0001 502"
    );
    play.bridge.get(&name).await.expect(200);

    play.lose("Work");
    let before = "* LIST () \"/\" \"Work\"\n* STATUS \"Work\" (UIDVALIDITY 12)\n{tag} OK";
    play.store.answer_times(1, ALL, before);
    assert_eq!(
        told(&play.bridge.put(&name, &body).await),
        "404 SVC0004 Request-URI"
    );
    assert_eq!(play.store.received("RENAME *").len(), 2);
}

/// A store that says it is Dovecot, which gives each mailbox a UIDVALIDITY of its own.
async fn dovecot(test: &str) -> (Repertoire, Bridge) {
    let store = Repertoire::start("store.txt").await;
    offer(&store, &format!("{OFFERS} ID"));
    store.answer("ID *", "* ID (\"name\" \"Dovecot\")\n{tag} OK");
    let bridge = bridge(test, &store).await;
    (store, bridge)
}

fn listed(mailboxes: &[(&str, u32)]) -> String {
    let lines = mailboxes.iter().map(|(name, uid_validity)| {
        format!("* LIST () \"/\" \"{name}\"\n* STATUS \"{name}\" (UIDVALIDITY {uid_validity})\n")
    });
    lines.collect::<String>() + "{tag} OK done"
}

/// While another client renames it a mailbox may be listed under both names.
#[tokio::test]
async fn a_folder_that_is_listed_twice_for_a_moment_keeps_its_id() {
    let (store, bridge) = dovecot("listed_twice").await;
    let folder = folder_of(&bridge, "/Work").await;
    store.answer("RENAME *", "{tag} OK done");
    store.answer(ALL, &listed(&[("New", 12)]));
    store.answer_times(1, ALL, &listed(&[("New", 12), ("Third", 12)]));
    store.answer_times(1, ALL, &listed(&[("Work", 12)]));
    let before = store.received(ALL).len();
    let body = json!({"name": "New"});
    bridge
        .put(&format!("{folder}/folderName"), &body)
        .await
        .expect(200);
    assert_eq!(store.received(ALL).len() - before, 3);
    assert_eq!(folder_of(&bridge, "/New").await, folder);
    bridge.get(&folder).await.expect(200);
}

/// Others are, each time, while other clients rename one after the other: none of them has been copied.
#[tokio::test]
async fn folders_that_are_listed_twice_in_turn_keep_their_ids() {
    let (store, bridge) = dovecot("listed_twice_in_turn").await;
    let [work, other] = [("Work", 12), ("Other", 13)];
    store.answer(ALL, &listed(&[work, other]));
    let folder = folder_of(&bridge, "/Other").await;
    for _ in 0..2 {
        store.answer_times(1, ALL, &listed(&[work, other, ("Third", 13)]));
        store.answer_times(1, ALL, &listed(&[work, other, ("Third", 12)]));
    }
    let before = store.received(ALL).len();
    assert_eq!(folder_of(&bridge, "/Other").await, folder);
    assert_eq!(store.received(ALL).len() - before, 5);
}

/// Mailboxes that were copied as files stay alike: names tell them apart, and nobody waits for that to end more than once.
#[tokio::test]
async fn mailboxes_that_stay_alike_are_told_apart_by_name() {
    let (store, bridge) = dovecot("alike").await;
    store.answer(ALL, &listed(&[("Work", 12), ("Copy", 12)]));
    let folders = [
        folder_of(&bridge, "/Work").await,
        folder_of(&bridge, "/Copy").await,
    ];
    assert_ne!(folders[0], folders[1]);
    let lists = || store.received(ALL).len();
    let first = lists();
    assert!((4..=5).contains(&first), "{first}");
    bridge.get(&folders[1]).await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(5200)).await;
    assert_eq!(folder_of(&bridge, "/Copy").await, folders[1]);
    assert!((1..=2).contains(&(lists() - first)), "{}", lists());
}

#[tokio::test]
async fn an_ok_to_a_create_proves_nothing() {
    let play = Play::start("create_without_effect").await;
    play.store.answer("CREATE *", "{tag} OK done");
    let told = create(&play).await;
    assert_eq!(
        told, "400 SVC0002 name",
        "the store keeps another name than it was given"
    );
}

#[tokio::test]
async fn a_folder_that_is_not_removed_for_a_reason_is_told_by_that_reason() {
    for (code, expected) in [
        ("[NOPERM]", "403 POL0001 NotAuthorized"),
        ("[INUSE]", "503 SVC2001"),
        ("[UNAVAILABLE]", "503 SVC2001"),
        ("[SERVERBUG]", "502 SVC0001 502"),
        ("[HASCHILDREN]", "409 SVC0005"),
        ("[CLIENTBUG]", "500 SVC0001 500"),
    ] {
        let play = Play::start("delete_refused").await;
        play.store.answer("DELETE *", &no(code));
        let told = remove(&play).await;
        assert!(told.starts_with(expected), "{code}: {told}");
        folder_of(&play.bridge, "/Work").await;
    }
}

/// RFC 4314 §4: DELETE needs x.
#[tokio::test]
async fn a_folder_that_is_not_removed_without_a_reason_is_asked_about() {
    for (offers, rights, expected) in [
        (OFFERS.to_owned(), "lrswipkxtea", "502 SVC0001 502"),
        (OFFERS.to_owned(), "lrswite", "403 POL0001 NotAuthorized"),
        (OFFERS.replace(" ACL", ""), "", "502 SVC0001 502"),
    ] {
        let play = Play::offering("delete_refused_without_a_reason", &offers).await;
        play.allow("Work", rights);
        play.store.answer("DELETE *", &no(""));
        assert_eq!(remove(&play).await, expected, "{offers} {rights}");
        let asked = play.store.received("MYRIGHTS *").len();
        assert_eq!(asked > 0, offers.contains("ACL"), "{offers}");
    }
}

#[tokio::test]
async fn a_folder_that_stays_after_an_ok_is_not_removed() {
    let play = Play::start("delete_without_effect").await;
    play.store.answer("DELETE *", "{tag} OK done");
    assert_eq!(remove(&play).await, "502 SVC0001 502");
    folder_of(&play.bridge, "/Work").await;
}

#[tokio::test]
async fn a_folder_that_another_client_removed_first_is_gone() {
    for code in ["[NONEXISTENT]", ""] {
        let play = Play::start("deleted_by_another").await;
        let folder = folder_of(&play.bridge, "/Work").await;
        play.store.answer("DELETE *", &no(code));
        play.lose("Work");
        let before = "* LIST () \"/\" \"Work\"\n* STATUS \"Work\" (UIDVALIDITY 12)\n{tag} OK";
        play.store.answer_times(1, ALL, before);
        let told = play.ask("DELETE", &folder).await;
        // Gone is what was wanted; that it was not this request is no matter.
        assert!(
            told == "204" || told == "404 SVC0004 Request-URI",
            "{code}: {told}"
        );
        assert_eq!(play.ask("GET", &folder).await, "404 SVC0004 Request-URI");
    }
}

/// A conversation that comes back while it is being removed is another one: nobody has asked to remove that.
#[tokio::test]
async fn a_folder_that_is_made_anew_meanwhile_is_not_removed() {
    let play = Play::start("made_anew").await;
    let folder = folder_of(&play.bridge, "/Work").await;
    list(&play, &[("INBOX", 11), ("Work", 99)]);
    let before = "* LIST () \"/\" \"Work\"\n* STATUS \"Work\" (UIDVALIDITY 12)\n{tag} OK";
    play.store.answer_times(1, ALL, before);
    play.store.answer("DELETE *", "{tag} OK done");
    assert_eq!(play.ask("DELETE", &folder).await, "204");
    assert_eq!(play.store.received("DELETE *"), ["DELETE \"Work\""]);
}
