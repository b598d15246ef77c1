//! Objects that are gone, as the box remembers them.

use std::{net::SocketAddr, sync::Arc};

use cpm_bridge::{
    config::{Config, DeletedObjects},
    identity::{Credentials, Secret},
    nms::{self, Urls},
    state::{FileState, MemoryState, State},
    store::{
        Account, Budget, FolderQuery, ListFilter, Objects, Operation, Precondition, Relocating,
        Relocation, Store,
    },
};

use serde_json::json;

use crate::support::{
    bridge::Bridge,
    courier, cyrus, dovecot,
    proxy::Proxy,
    repertoire::Repertoire,
    witness::{Witness, quoted},
};

const MANY: usize = 1000;

/// A box as the service opens it.
pub(crate) struct Opened {
    pub(crate) account: Account,
    pub(crate) urls: Urls,
    imap: SocketAddr,
    pub(crate) login: String,
}

impl Opened {
    async fn new(
        imap: SocketAddr,
        login: &str,
        deleted: DeletedObjects,
        state: Arc<dyn State>,
    ) -> Self {
        let toml = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[[stores]]\nname = \"cpm\"\nhost = \"{}\"\nport = {}\ntls = \"off\"\n",
            imap.ip(),
            imap.port()
        );
        let mut config = Config::from_toml(&toml).unwrap();
        config.objects.deleted = deleted;
        let store = Store::new(
            &config.stores[0],
            &config.objects,
            &config.search,
            state,
            Budget::new(1 << 20),
        )
        .unwrap();
        let rules = config.stores[0].box_rules().unwrap();
        let (box_id, login) = rules.accept(&format!("tel:{login}")).unwrap();
        let credentials = Credentials {
            login: login.clone(),
            password: Secret::new("secret"),
        };
        let account = store.open(&box_id, credentials).await.unwrap();
        let urls = Urls::new("http://x", "cpm", &format!("tel:{login}"));
        Self {
            account,
            urls,
            imap,
            login,
        }
    }

    pub(crate) async fn in_memory(imap: SocketAddr, login: &str) -> Self {
        let state = Arc::new(MemoryState::new());
        Self::new(imap, login, DeletedObjects::Show, state).await
    }

    pub(crate) async fn witness(&self) -> Witness {
        Witness::login(self.imap, &self.login).await
    }

    /// URLs of the objects of a folder, newest first.
    pub(crate) async fn objects(&self, path: &str) -> Vec<String> {
        let id = self.folder_id(path).await;
        let query = FolderQuery {
            list: ListFilter::Objects,
            max_entries: MANY,
            ..FolderQuery::default()
        };
        let folder = self.account.folder(&self.urls, &id, &query).await.unwrap();
        let objects = folder.objects.unwrap().object_reference;
        objects
            .into_iter()
            .map(|object| object.resource_url)
            .collect()
    }

    fn id(&self, url: &str) -> String {
        self.urls.object_id(url).unwrap()
    }

    pub(crate) async fn vanished(&self, most: usize) -> Vec<String> {
        let list = self.account.vanished(&self.urls, most).await.unwrap();
        list.object_reference
            .into_iter()
            .map(|object| object.resource_url)
            .collect()
    }

    async fn change(&self, urls: &[&String], operation: Operation) {
        let named = urls.iter().map(|url| nms::Named {
            resource_url: Some((*url).clone()),
        });
        let objects = Objects::Named(named.collect());
        let items = self
            .account
            .change_objects(&self.urls, objects, operation, MANY);
        assert!(items.await.unwrap().iter().all(Result::is_ok));
    }

    pub(crate) async fn folder_id(&self, path: &str) -> String {
        let paths = [path.to_owned()];
        let found = self.account.folders_by_path(&self.urls, &paths);
        let reference = found.await.unwrap().remove(0).unwrap();
        self.urls.folder_id(&reference.resource_url).unwrap()
    }
}

/// Messages of INBOX and of a folder.
async fn fill(opened: &Opened, folder: &str, count: usize) {
    let mut witness = opened.witness().await;
    witness.command(&format!("CREATE {}", quoted(folder))).await;
    for mailbox in ["INBOX", folder] {
        for number in 0..count {
            // Cyrus takes the same message only so often.
            let message = format!("Subject: {number}\r\n\r\nbody\r\n");
            witness.append(mailbox, message.as_bytes(), "", None).await;
        }
    }
}

/// What the bridge deletes, whichever way, the newest first.
async fn remembers_what_it_deletes(opened: &Opened, folder: &str, path: &str) {
    fill(opened, folder, 4).await;
    assert_eq!(opened.vanished(MANY).await, [""; 0]);
    let inbox = opened.objects("/INBOX").await;
    let other = opened.objects(path).await;
    opened
        .account
        .delete_object(&opened.id(&inbox[3]), Precondition::default())
        .await
        .unwrap();
    opened
        .change(&[&other[1], &inbox[1]], Operation::Delete)
        .await;
    let gone = opened.vanished(MANY).await;
    assert_eq!(gone.len(), 3);
    assert_eq!(gone[2], inbox[3]);
    assert!(gone[..2].contains(&other[1]) && gone[..2].contains(&inbox[1]));
    // With the folder go its objects.
    let id = opened.folder_id(path).await;
    opened.account.delete_folder(&id).await.unwrap();
    let gone = opened.vanished(MANY).await;
    assert_eq!(gone.len(), 6);
    for left in [0, 2, 3] {
        assert!(gone[..3].contains(&other[left]), "{gone:?}");
    }
    assert_eq!(opened.vanished(2).await, gone[..2]);
    assert_eq!(opened.vanished(0).await, [""; 0]);
    for there in [0, 2] {
        assert!(!gone.contains(&inbox[there]));
    }
}

/// What others expunge, where the store tells of it.
async fn finds_what_others_expunged(opened: &Opened, folder: &str, path: &str) {
    fill(opened, folder, 30).await;
    let inbox = opened.objects("/INBOX").await;
    let other = opened.objects(path).await;
    let mut witness = opened.witness().await;
    for mailbox in ["INBOX".to_owned(), quoted(folder)] {
        witness.command(&format!("SELECT {mailbox}")).await.ok();
        witness
            .command("STORE 3,11:14,30 +FLAGS (\\Deleted)")
            .await
            .ok();
        witness.command("EXPUNGE").await.ok();
    }
    opened
        .account
        .delete_object(&opened.id(&inbox[1]), Precondition::default())
        .await
        .unwrap();
    let gone = opened.vanished(MANY).await;
    assert_eq!(gone.first(), Some(&inbox[1]), "the bridge knows when");
    let expected = [0, 16, 17, 18, 19, 27];
    for objects in [&inbox, &other] {
        let of_one: Vec<&String> = gone[1..]
            .iter()
            .filter(|url| objects.contains(url))
            .collect();
        let expected: Vec<&String> = expected.iter().map(|at| &objects[*at]).collect();
        assert_eq!(
            of_one, expected,
            "the newest first, and nothing that is there"
        );
    }
    assert_eq!(gone.len(), 13);
    assert_eq!(opened.vanished(4).await, gone[..4]);
    // The connection that was told so is used as before.
    let left = opened.objects("/INBOX").await;
    assert_eq!(left.len(), 23);
    let mut witness = opened.witness().await;
    witness.command("SELECT INBOX").await.ok();
    witness.command("STORE 1 +FLAGS (\\Deleted)").await.ok();
    witness.command("EXPUNGE").await.ok();
    opened
        .change(
            &[&left[0], &left[1]],
            Operation::AddFlags(vec!["\\Seen".to_owned()]),
        )
        .await;
    let now = opened.objects("/INBOX").await;
    assert_eq!(now, left[..22]);
    assert_eq!(opened.vanished(MANY).await.len(), 14);
}

#[tokio::test]
async fn what_is_deleted_through_the_bridge_is_remembered() {
    let account = dovecot::account("vanished_bridge");
    // Without QRESYNC nobody else can tell.
    let proxy = Proxy::hiding(account.imap, &["QRESYNC"]).await;
    let opened = Opened::in_memory(proxy.address(), &account.login).await;
    remembers_what_it_deletes(&opened, "Old/deep", "/Old/deep").await;
}

#[tokio::test]
async fn dovecot_tells_of_what_others_expunged() {
    let account = dovecot::account("vanished_foreign");
    let opened = Opened::in_memory(account.imap, &account.login).await;
    finds_what_others_expunged(&opened, "Old/deep", "/Old/deep").await;
}

#[tokio::test]
async fn cyrus_tells_of_what_others_expunged() {
    let server = cyrus::start().await;
    let opened = Opened::in_memory(server.imap, "+15550100").await;
    finds_what_others_expunged(&opened, "Old", "/Old").await;
    server.stop().await;
}

#[tokio::test]
async fn on_courier_what_the_bridge_deleted_is_remembered() {
    let server = courier::start().await;
    let opened = Opened::in_memory(server.imap, "+15550100").await;
    remembers_what_it_deletes(&opened, "INBOX.Old", "/Old").await;
    server.stop().await;
}

/// An object is gone from where it was, and is not gone; deleted later, it is known by the id it kept.
async fn knows_moved_objects(opened: &Opened, folder: &str, path: &str) {
    fill(opened, folder, 4).await;
    let inbox = opened.objects("/INBOX").await;
    let target = opened.urls.folder(&opened.folder_id(path).await);
    let relocation = Relocation {
        kind: Relocating::Move,
        target,
        folders: Vec::new(),
        objects: inbox[..3].iter().cloned().map(Some).collect(),
    };
    let moved = opened
        .account
        .relocate(&opened.urls, relocation)
        .await
        .unwrap();
    assert!(moved.iter().all(Result::is_ok), "{moved:?}");
    assert_eq!(opened.vanished(MANY).await, [""; 0]);
    opened.change(&[&inbox[1]], Operation::Delete).await;
    assert_eq!(opened.vanished(MANY).await, inbox[1..2]);
    let mut witness = opened.witness().await;
    witness
        .command(&format!("SELECT {}", quoted(folder)))
        .await
        .ok();
    // Five and six are left of the three that came.
    witness.command("STORE 1:* +FLAGS (\\Deleted)").await.ok();
    witness.command("EXPUNGE").await.ok();
    let gone = opened.vanished(MANY).await;
    assert_eq!(gone.len(), 1 + 4 + 2, "{gone:?}");
    for at in [0, 2] {
        assert!(gone.contains(&inbox[at]), "{gone:?}");
    }
    assert!(!gone.contains(&inbox[3]));
}

#[tokio::test]
async fn what_was_moved_is_not_gone() {
    let account = dovecot::account("vanished_moved");
    let opened = Opened::in_memory(account.imap, &account.login).await;
    knows_moved_objects(&opened, "Old", "/Old").await;
    let server = cyrus::start().await;
    let opened = Opened::in_memory(server.imap, "+15550100").await;
    knows_moved_objects(&opened, "Old", "/Old").await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_purged_is_remembered_and_what_is_hidden_is_not_gone() {
    for (deleted, gone) in [
        (DeletedObjects::Purge, 2),
        (DeletedObjects::Hide, 0),
        (DeletedObjects::Show, 0),
    ] {
        let account = dovecot::account("vanished_purge");
        let state = Arc::new(MemoryState::new());
        let opened = Opened::new(account.imap, &account.login, deleted, state).await;
        fill(&opened, "x", 3).await;
        let inbox = opened.objects("/INBOX").await;
        let flag = || vec!["\\Deleted".to_owned()];
        opened
            .change(&[&inbox[0]], Operation::AddFlags(flag()))
            .await;
        opened
            .account
            .put_flag(&opened.id(&inbox[2]), "\\Deleted", Precondition::default())
            .await
            .unwrap();
        let expected = [inbox[2].clone(), inbox[0].clone()];
        assert_eq!(opened.vanished(MANY).await, expected[..gone], "{deleted:?}");
    }
}

/// Also when nobody has asked for it to be kept.
#[tokio::test]
async fn what_was_deleted_outlives_the_process() {
    let account = dovecot::account("vanished_file");
    let proxy = Proxy::hiding(account.imap, &["QRESYNC"]).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state");
    let open = async || {
        let state = Arc::new(FileState::open(&file).await.unwrap());
        Opened::new(proxy.address(), &account.login, DeletedObjects::Show, state).await
    };
    let opened = open().await;
    fill(&opened, "x", 2).await;
    let objects = opened.objects("/x").await;
    opened.change(&[&objects[1]], Operation::Delete).await;
    drop(opened);
    assert_eq!(open().await.vanished(MANY).await, objects[1..]);
}

/// A store with holes in INBOX that says this of them.
async fn scripted(vanished: &str) -> (Repertoire, Opened) {
    let store = Repertoire::start("store.txt").await;
    let offers = "IMAP4rev1 NAMESPACE UIDPLUS LIST-STATUS ESEARCH CONDSTORE QRESYNC ENABLE";
    let login = format!("{{tag}} OK [CAPABILITY {offers}] in");
    store.answer("AUTHENTICATE PLAIN *", &login);
    store.answer(
        "LIST \"\" \"*\" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))",
        "* LIST () \"/\" \"INBOX\"\n* STATUS \"INBOX\" (MESSAGES 2 UIDNEXT 12 UIDVALIDITY 11)\n\
         * LIST () \"/\" \"Work\"\n* STATUS \"Work\" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 12)\n{tag} OK",
    );
    store.answer("ENABLE QRESYNC", "* ENABLED QRESYNC\n{tag} OK");
    let answer = format!("{vanished}{{tag}} OK");
    store.answer(
        "UID FETCH 1:6,8,10:11 (UID) (CHANGEDSINCE 1 VANISHED)",
        &answer,
    );
    let opened = Opened::in_memory(store.address(), "+15550100").await;
    (store, opened)
}

/// UIDs of INBOX: an id ends with its UID and eight octets of check value.
fn uids(urls: &[String]) -> Vec<u8> {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let uid = |url: &String| {
        let id = url.rsplit('/').next().unwrap();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(id).unwrap();
        bytes[bytes.len() - 9]
    };
    urls.iter().map(uid).collect()
}

#[tokio::test]
async fn a_store_that_says_too_much_is_believed_as_far_as_can_be() {
    for (vanished, most, expected) in [
        (
            "* VANISHED (EARLIER) 1:4294967295\n",
            MANY,
            &[11, 10, 8, 6, 5, 4, 3, 2, 1][..],
        ),
        ("* VANISHED (EARLIER) 1:4294967295\n", 3, &[11, 10, 8]),
        (
            "* VANISHED (EARLIER) 4:9\n* VANISHED (EARLIER) 3:5\n",
            MANY,
            &[8, 6, 5, 4, 3],
        ),
        ("* VANISHED (EARLIER) 12:900\n", MANY, &[]),
        (
            "* VANISHED (EARLIER) x\n* 1 FETCH (UID 7 MODSEQ (5))\n",
            MANY,
            &[],
        ),
        ("", MANY, &[]),
    ] {
        let (store, opened) = scripted(vanished).await;
        assert_eq!(uids(&opened.vanished(most).await), expected, "{vanished}");
        store.assert_all_known();
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_meanwhile_is_replaced_once() {
    for (times, found) in [(1, true), (2, false)] {
        let (store, opened) = scripted("* VANISHED (EARLIER) 3\n").await;
        store.answer_times(times, "UID FETCH *", "<close>");
        let outcome = opened.account.vanished(&opened.urls, MANY).await;
        assert_eq!(outcome.is_ok(), found, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_search_for_vanished_objects_is_answered_with_references() {
    let bridge = Bridge::builder("vanished_search")
        .message("INBOX", "f01-sms-in.eml")
        .message("INBOX", "f05-mms-plain.eml")
        .message("INBOX", "f09-chat-textplain.eml")
        .start()
        .await;
    let search = async |most: u32| {
        let criteria = json!({"criterion": [{"type": "VanishedObjects", "value": ""}]});
        let body = json!({"selectionCriteria": {"maxEntries": most, "searchCriteria": criteria}});
        let answer = bridge
            .post("objects/operations/search", &body)
            .await
            .expect(200);
        let list = answer.json()["objectReferenceList"]["objectReference"].clone();
        let urls = list.as_array().unwrap().iter();
        let below = urls.map(|reference| crate::objects::below_box(&reference["resourceURL"]));
        below.collect::<Vec<String>>()
    };
    assert_eq!(search(10).await, [""; 0]);
    let objects = crate::objects::objects_of(&bridge, "/INBOX").await;
    for object in [&objects[0], &objects[2]] {
        bridge.delete(object).await.expect(204);
    }
    let gone = [objects[2].clone(), objects[0].clone()];
    assert_eq!(search(10).await, gone);
    assert_eq!(search(1).await, gone[..1]);
}
