//! Where an object goes (contract §2.3, §3.3).

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Form, Made, assert_refused, made};
use crate::{
    objects::folder_of,
    support::{
        bridge::Bridge,
        http::{Answer, Request},
        proxy::Proxy,
        scripted::{Script, Scripted},
        witness::{Witness, quoted},
    },
};

/// An object with these members, for this request.
fn asked(request: Request, members: &Value) -> Request {
    Form::new(&json!({"object": members})).on(request)
}

async fn ask(bridge: &Bridge, members: &Value) -> Answer {
    asked(bridge.request("POST", "objects"), members)
        .send()
        .await
}

async fn create(bridge: &Bridge, members: &Value) -> Made {
    made(ask(bridge, members).await)
}

fn url(bridge: &Bridge, resource: &str) -> String {
    let target = bridge.target(resource);
    format!("http://{}{target}", bridge.client.address())
}

/// All mailboxes, and whether each can be selected.
async fn mailboxes(witness: &mut Witness) -> BTreeMap<String, bool> {
    let reply = witness.command("LIST \"\" *").await.ok();
    let listed = reply.texts().into_iter();
    listed
        .filter_map(|text| {
            let (attributes, name) = text.strip_prefix("* LIST (")?.split_once(") \"/\" ")?;
            let open = !attributes.contains("\\Noselect");
            Some((name.trim_matches('"').to_owned(), open))
        })
        .collect()
}

#[tokio::test]
async fn a_folder_is_named_by_any_url_of_it() {
    let bridge = Bridge::builder("parent_url").folder("a/b").start().await;
    let folder = folder_of(&bridge, "/a/b").await;
    let other = url(&bridge, &folder)
        .replace("tel:%2B", "tel%3A+")
        .replace("127.0.0.1", "nms.example.net");
    let query = format!("{}?path=Yes", url(&bridge, &folder));
    for url in [url(&bridge, &folder), other, query] {
        let made = create(&bridge, &json!({"parentFolder": url})).await;
        assert_eq!(made.folder, "/a/b", "{url}");
        let object = bridge.get(&made.object).await.expect(200).json();
        let parent = object["object"]["parentFolder"].as_str().unwrap();
        assert!(parent.ends_with(&bridge.target(&folder)));
    }
    assert_eq!(bridge.imap_count("a/b").await, 3);
    bridge.stop().await;
}

#[tokio::test]
async fn an_unknown_folder_is_named_and_nothing_is_made() {
    let bridge = Bridge::builder("unknown_parent").start().await;
    let stranger = Bridge::builder("unknown_parent_other").start().await;
    let theirs = folder_of(&stranger, "/INBOX").await;
    let inbox = folder_of(&bridge, "/INBOX").await;
    let object = create(&bridge, &json!({})).await.object;
    for unknown in [
        url(&bridge, "folders/none"),
        url(&bridge, &theirs),
        url(&stranger, &theirs),
        url(&bridge, &inbox).replace("/cpm/", "/other/"),
        url(&bridge, &object),
        url(&bridge, ""),
        "folders".to_owned(),
        "/INBOX".to_owned(),
        String::new(),
    ] {
        let answer = ask(&bridge, &json!({"parentFolder": unknown})).await;
        assert_refused(&answer, 400, "SVC0002", &[&unknown]);
    }
    let both = json!({"parentFolder": url(&bridge, &inbox), "parentFolderPath": "/INBOX"});
    let answer = ask(&bridge, &both).await;
    assert_refused(&answer, 400, "SVC0002", &["parentFolder"]);
    let mut witness = bridge.witness().await;
    assert_eq!(witness.examine("INBOX").await, 1);
    assert_eq!(mailboxes(&mut witness).await.len(), 1);
    assert_eq!(stranger.imap_count("INBOX").await, 0);
    bridge.stop().await;
    stranger.stop().await;
}

#[tokio::test]
async fn missing_folders_are_made_once_though_many_ask_for_them() {
    let builder = Bridge::builder("made_once");
    let proxy = Proxy::recording(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let members = json!({"parentFolderPath": "/Default/tel:+15550101/Été & co/deep"});
    let asks = (0..50).map(|_| create(&bridge, &members));
    let made = join_all(asks).await;
    assert!(
        made.iter()
            .all(|made| made.folder == "/Default/tel:+15550101/Été & co/deep")
    );
    let mut witness = bridge.witness().await;
    let deep = "Default/tel:+15550101/&AMk-t&AOk- &- co/deep";
    assert_eq!(witness.examine(deep).await, 50);
    let levels = [
        "Default",
        "Default/tel:+15550101",
        "Default/tel:+15550101/&AMk-t&AOk- &- co",
        deep,
    ];
    let listed = mailboxes(&mut witness).await;
    let said = proxy.said().concat();
    let said = String::from_utf8_lossy(&said);
    for level in levels {
        assert_eq!(listed.get(level), Some(&true), "{listed:?}");
        let create = format!(" CREATE {}\r\n", quoted(level));
        assert_eq!(said.matches(&create).count(), 1, "{create}");
    }
    assert_eq!(listed.len(), 1 + levels.len());
    bridge.stop().await;
}

#[tokio::test]
async fn a_folder_of_any_name_is_made_and_found_again() {
    let bridge = Bridge::builder("odd_parents").start().await;
    for path in [
        "/tel:+15550101",
        "/a&b/&-/&AMk-",
        "/台北/ü",
        "/100%/*/\"q\"/\\",
        "/sip:ana;transport=tcp@example.org/f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "/{5}/[x]/(y)",
        "/x/~x/a.b",
    ] {
        for _ in 0..2 {
            let made = create(&bridge, &json!({"parentFolderPath": path})).await;
            assert_eq!(made.folder, path);
        }
        let folder = folder_of(&bridge, path).await;
        let by_url = create(&bridge, &json!({"parentFolder": url(&bridge, &folder)})).await;
        assert_eq!(by_url.folder, path);
    }
    bridge.stop().await;
}

#[tokio::test]
async fn inbox_has_one_spelling_and_no_folder_is_made_for_another() {
    let bridge = Bridge::builder("inbox_spelling").start().await;
    for path in ["/INBOX", "/inbox", "/Inbox"] {
        let made = create(&bridge, &json!({"parentFolderPath": path})).await;
        assert_eq!(made.folder, "/INBOX");
    }
    let mut witness = bridge.witness().await;
    assert_eq!(witness.examine("INBOX").await, 3);
    assert_eq!(mailboxes(&mut witness).await.len(), 1);
    bridge.stop().await;
}

#[tokio::test]
async fn an_object_without_a_parent_goes_to_the_default_folder() {
    let bridge = Bridge::builder("default_folder")
        .store_setting("default_folder = \"Incoming/new\"")
        .start()
        .await;
    for members in [
        json!({}),
        json!({"parentFolder": null, "parentFolderPath": null}),
    ] {
        assert_eq!(create(&bridge, &members).await.folder, "/Incoming/new");
    }
    assert_eq!(bridge.imap_count("Incoming/new").await, 2);
    assert_eq!(bridge.imap_count("Incoming").await, 0);
    bridge.stop().await;
}

#[tokio::test]
async fn nothing_goes_into_the_root_that_is_the_whole_box() {
    let bridge = Bridge::builder("whole_box").start().await;
    let root = bridge.get("folders/operations/pathToId").await.expect(200);
    let root = &root.json()["reference"]["resourceURL"];
    for (members, named) in [
        (json!({"parentFolderPath": "/"}), "/"),
        (json!({"parentFolderPath": ""}), ""),
        (json!({"parentFolder": root}), root.as_str().unwrap()),
    ] {
        let answer = ask(&bridge, &members).await;
        assert_refused(&answer, 403, "POL1031", &[named]);
    }
    bridge.stop().await;
}

#[tokio::test]
async fn with_configured_roots_nothing_goes_elsewhere() {
    let bridge = Bridge::builder("configured_roots")
        .folder("Elsewhere")
        .folder("Default/a")
        .store_setting(
            "roots = [\"Default\", \"RCSMessageStore\"]\ndefault_folder = \"Default/new\"",
        )
        .start()
        .await;
    for path in [
        "/Elsewhere",
        "/Elsewhere/x",
        "/New",
        "/Defaults",
        "/INBOX",
        "/",
        "",
    ] {
        let answer = ask(&bridge, &json!({"parentFolderPath": path})).await;
        assert_refused(&answer, 403, "POL1031", &[path]);
    }
    assert_eq!(create(&bridge, &json!({})).await.folder, "/Default/new");
    let default = url(&bridge, &folder_of(&bridge, "/Default").await);
    for (members, folder) in [
        (json!({"parentFolder": default}), "/Default"),
        (json!({"parentFolderPath": "/Default"}), "/Default"),
        (json!({"parentFolderPath": "/Default/a/b"}), "/Default/a/b"),
    ] {
        assert_eq!(create(&bridge, &members).await.folder, folder);
    }
    // One that the store lacks is shown, has an id, and is made when it is written to.
    let store = folder_of(&bridge, "/RCSMessageStore").await;
    let made = create(&bridge, &json!({"parentFolder": url(&bridge, &store)})).await;
    assert_eq!(made.folder, "/RCSMessageStore");
    assert_eq!(folder_of(&bridge, "/RCSMessageStore").await, store);
    let mut witness = bridge.witness().await;
    let listed = mailboxes(&mut witness).await;
    let names: Vec<&str> = listed.keys().map(String::as_str).collect();
    let expected = [
        "Default",
        "Default/a",
        "Default/a/b",
        "Default/new",
        "Elsewhere",
        "INBOX",
        "RCSMessageStore",
    ];
    assert_eq!(names, expected);
    assert!(listed.values().all(|open| *open), "{listed:?}");
    assert_eq!(witness.examine("Elsewhere").await, 0);
    bridge.stop().await;
}

#[tokio::test]
async fn a_folder_that_was_only_a_name_is_made_selectable_and_keeps_its_id() {
    let bridge = Bridge::builder("only_a_name").folder("a/b/c").start().await;
    let mut witness = bridge.witness().await;
    let before = mailboxes(&mut witness).await;
    assert_eq!(before.get("a"), Some(&false), "{before:?}");
    assert_eq!(before.get("a/b"), Some(&false), "{before:?}");
    let ids = async || {
        let (a, b, c) = ("/a", "/a/b", "/a/b/c");
        [
            folder_of(&bridge, a).await,
            folder_of(&bridge, b).await,
            folder_of(&bridge, c).await,
        ]
    };
    let known = ids().await;
    let into_b = json!({"parentFolder": url(&bridge, &known[1])});
    for _ in 0..2 {
        assert_eq!(create(&bridge, &into_b).await.folder, "/a/b");
        assert_eq!(ids().await, known);
    }
    let now = mailboxes(&mut witness).await;
    assert_eq!((now["a"], now["a/b"]), (false, true), "{now:?}");
    let into_a = json!({"parentFolderPath": "/a"});
    assert_eq!(create(&bridge, &into_a).await.folder, "/a");
    assert_eq!(ids().await, known);
    for id in &known {
        bridge
            .get(&format!("{id}?listFilter=All"))
            .await
            .expect(200);
    }
    assert_eq!(witness.examine("a/b").await, 2);
    assert_eq!(witness.examine("a").await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn a_folder_that_went_meanwhile_is_made_again_if_it_was_named_by_its_path() {
    let bridge = Bridge::builder("went_meanwhile").folder("a").start().await;
    let folder = url(&bridge, &folder_of(&bridge, "/a").await);
    let by_path = json!({"parentFolderPath": "/a"});
    create(&bridge, &by_path).await;
    bridge.witness().await.command("DELETE a").await.ok();
    // The bridge has seen the folder a moment ago, and finds out only now.
    let by_url = json!({"parentFolder": folder});
    let answer = ask(&bridge, &by_url).await;
    assert_refused(&answer, 400, "SVC0002", &[&folder]);
    assert_eq!(create(&bridge, &by_path).await.folder, "/a");
    assert_eq!(bridge.imap_count("a").await, 1);
    // The new one is another: what was in the old one is not found in it.
    let answer = ask(&bridge, &by_url).await;
    assert_refused(&answer, 400, "SVC0002", &[&folder]);
    bridge.stop().await;
}

#[tokio::test]
async fn a_path_that_cannot_be_made_leaves_no_folder_behind() {
    let bridge = Bridge::builder("bad_paths").start().await;
    let long = format!("/new/{}/x", "y".repeat(300));
    let wide = format!("/new/{}", "é".repeat(600));
    let deep = "/n".repeat(65);
    for path in [
        "new", "new/a", "//", "/new//a", "/new/", "/new/..", "/./new", &long, &wide, &deep,
    ] {
        let answer = ask(&bridge, &json!({"parentFolderPath": path})).await;
        assert_refused(&answer, 400, "SVC0002", &[path]);
    }
    for path in ["/new/a\r\nb", "/new/\0", "/new/\u{7f}", "/new/\u{85}", "\n"] {
        let answer = ask(&bridge, &json!({"parentFolderPath": path})).await;
        assert_refused(&answer, 400, "SVC0002", &["parentFolderPath"]);
    }
    let listed = mailboxes(&mut bridge.witness().await).await;
    assert_eq!(listed.keys().collect::<Vec<_>>(), ["INBOX"]);
    let deepest = "/n".repeat(64);
    let made = create(&bridge, &json!({"parentFolderPath": deepest})).await;
    assert_eq!(made.folder, deepest);
    bridge.stop().await;
}

/// A server on which nobody has any folders, up to the commands that make them.
fn bare() -> Script {
    let script = Script::new()
        .send("* OK [CAPABILITY IMAP4rev1] ready")
        .expect("{tag} LOGIN *")
        .send("{tag} OK [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS LIST-STATUS] in")
        .expect("{tag} LIST \"\" \"\"")
        .send("* LIST (\\Noselect) \"/\" \"\"")
        .send("{tag} OK done");
    // Once for what is known, and once more before anything is made.
    listing(listing(script, &[]), &[])
}

/// What is listed beside INBOX.
fn listing(script: Script, mailboxes: &[&str]) -> Script {
    let script = script.expect("{tag} LIST \"\" \"*\" RETURN (*)");
    let all = ["INBOX"].iter().chain(mailboxes);
    let script = all.fold(script, |script, mailbox| {
        let status = format!("* STATUS \"{mailbox}\" (UIDVALIDITY 7)");
        script
            .send(&format!("* LIST () \"/\" \"{mailbox}\""))
            .send(&status)
    });
    script.send("{tag} OK done")
}

/// CREATE, its answer, and what is listed then.
fn creating(script: Script, mailbox: &str, answer: &str, then: &[&str]) -> Script {
    let script = script.expect("{tag} NOOP").send("{tag} OK done");
    let create = format!("{{tag}} CREATE \"{mailbox}\"");
    listing(
        script.expect(&create).send(&format!("{{tag}} {answer}")),
        then,
    )
}

#[tokio::test]
async fn what_is_above_is_made_first_where_the_server_does_not_make_it() {
    let script = creating(bare(), "a/b/c", "NO no parent", &[]);
    let script = creating(script, "a", "OK done", &["a"]);
    let script = creating(script, "a/b", "OK done", &["a", "a/b"]);
    let script = creating(script, "a/b/c", "OK done", &["a", "a/b", "a/b/c"])
        .expect("{tag} APPEND \"a/b/c\" *")
        .expect_literal()
        .expect("")
        .send("{tag} OK [APPENDUID 7 1] done")
        .stall();
    let server = Scripted::start(vec![script]).await;
    let bridge = Bridge::builder("made_from_above").store(server.address());
    let bridge = bridge.start().await;
    let made = create(&bridge, &json!({"parentFolderPath": "/a/b/c"})).await;
    assert_eq!(made.folder, "/a/b/c");
    bridge.stop().await;
    server.assert_played().await;
}

#[tokio::test]
async fn a_name_that_the_server_does_not_take_ends_it_at_once() {
    for (answer, status, id, variable) in [
        ("NO [CANNOT] such a name", 400, "SVC0002", "/a/b/c"),
        ("NO [NOPERM] not yours", 403, "POL0001", "NotAuthorized"),
        ("NO [OVERQUOTA] enough", 403, "POL0001", "OverQuota"),
        ("OK but not really", 400, "SVC0002", "/a/b/c"),
    ] {
        let script = creating(bare(), "a/b/c", answer, &[]).stall();
        let server = Scripted::start(vec![script]).await;
        let bridge = Bridge::builder("not_made").store(server.address());
        let bridge = bridge.start().await;
        let answer = ask(&bridge, &json!({"parentFolderPath": "/a/b/c"})).await;
        assert_refused(&answer, status, id, &[variable]);
        bridge.stop().await;
        server.assert_played().await;
    }
}
