//! Moves and copies cut off: the connection at any byte, answers lost, the bridge killed. Each message is there once, under its id, and a
//! request that is repeated ends as if nothing had happened.

use std::collections::BTreeMap;

use cpm_bridge::task;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::{
    objects::below_box,
    support::{
        bridge::Bridge,
        dovecot::{self, Account},
        http::{Answer, Client},
        process::Process,
        proxy::{Fault, Proxy, Seen, Trap},
    },
};

/// Cases at a time.
const AT_ONCE: usize = 16;
/// So many cuts of one command each way.
const CUTS: usize = 14;

/// A box with A and B, a bridge of some kind in front of it, and three objects in A of which two look alike.
struct Scene {
    account: Account,
    client: Client,
    /// Below the box.
    ids: Vec<String>,
    target: String,
}

/// Fills the box: before anything is put between it and the bridge.
async fn fill(account: &Account) {
    let mut witness = account.witness().await;
    for mailbox in ["A", "B"] {
        witness.command(&format!("CREATE {mailbox}")).await.ok();
    }
    for subject in ["one", "two", "two"] {
        let message =
            format!("Subject: {subject}\r\nDate: Fri, 17 Jul 2026 10:00:00 +0000\r\n\r\nx\r\n");
        let date = Some("17-Jul-2026 10:00:00 +0000");
        witness
            .append("A", message.as_bytes(), "\\Seen", date)
            .await;
    }
    witness
        .append("B", b"Subject: other\r\n\r\nx\r\n", "", None)
        .await;
}

impl Scene {
    async fn new(account: Account, client: Client) -> Self {
        let mut scene = Self {
            account,
            client,
            ids: Vec::new(),
            target: String::new(),
        };
        scene.target = scene.folder("/B").await;
        scene.ids = scene.listed("/A").await;
        assert_eq!(scene.ids.len(), 3);
        scene
    }

    fn url(&self, resource: &str) -> String {
        let box_id = self.account.box_id().replace('+', "%2B");
        format!("/nms/v1/cpm/{box_id}/{resource}")
    }

    async fn get(&self, resource: &str) -> Value {
        // A store that was away is asked again after a moment.
        let mut answer = self.client.get(&self.url(resource)).await;
        for _ in 0..200 {
            if answer.status != 503 {
                return answer.expect(200).json();
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            answer = self.client.get(&self.url(resource)).await;
        }
        panic!("{} {resource}: {answer:?}", self.account.login)
    }

    async fn folder(&self, path: &str) -> String {
        let resource = format!("folders/operations/pathToId?path={path}");
        below_box(&self.get(&resource).await["reference"]["resourceURL"])
    }

    async fn listed(&self, path: &str) -> Vec<String> {
        let folder = self.folder(path).await;
        let listed = self.get(&format!("{folder}?listFilter=Objects")).await;
        let objects = listed["folder"]["objects"]["objectReference"].as_array();
        let id = |object: &Value| below_box(&object["resourceURL"]);
        objects.unwrap().iter().map(id).collect()
    }

    fn body(&self) -> Value {
        let url = |id: &String| json!({"resourceURL": self.url(id)});
        let objects: Vec<Value> = self.ids.iter().map(url).collect();
        json!({"targetSourceRef": {
            "targetRef": {"resourceURL": self.url(&self.target)},
            "sourceRefs": {"objects": {"objectReference": objects}},
        }})
    }

    async fn ask(&self, operation: &str) -> Vec<Option<String>> {
        let resource = format!("folders/operations/{operation}ToFolder");
        let answer = self.client.post(&self.url(&resource), &self.body()).await;
        outcomes(&answer, self.ids.len())
    }

    /// Subjects in a mailbox, as a direct session sees them; those of the fixture alone.
    async fn subjects(&self, mailbox: &str) -> Vec<String> {
        let mut witness = self.account.witness().await;
        witness.examine(mailbox).await;
        let command = "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])";
        let reply = witness.command(command).await;
        let literals = reply.untagged.iter().flat_map(|line| &line.literals);
        let subject = |literal: &Vec<u8>| {
            let text = String::from_utf8_lossy(literal);
            text.trim().trim_start_matches("Subject: ").to_owned()
        };
        let mut subjects: Vec<String> = literals.map(subject).collect();
        subjects.retain(|subject| subject != "other");
        subjects.sort();
        subjects
    }

    /// Whatever was answered, nothing is lost or doubled; and again, it ends well.
    async fn is_moved_once(&self, case: &str, first: &[Option<String>]) {
        // Ids are shown only when all that was cut off has come to an end.
        let there = self.listed("/B").await;
        let mut all = self.subjects("A").await;
        all.extend(self.subjects("B").await);
        all.sort();
        assert_eq!(all, ["one", "two", "two"], "{case}");
        for (id, outcome) in self.ids.iter().zip(first) {
            let object = self.get(id).await;
            let path = object["object"]["path"].as_str().unwrap();
            if let Some(moved) = outcome {
                assert_eq!(moved, id, "{case}");
                assert!(path.starts_with("/B/"), "{case}: {path}");
                assert!(there.contains(id), "{case}");
            }
            let flags = object["object"]["flags"]["flag"].to_string();
            assert!(
                flags.contains("Seen") && !flags.contains("Deleted"),
                "{case}: {flags}"
            );
        }
        let again = self.ask("move").await;
        let expected: Vec<Option<String>> = self.ids.iter().cloned().map(Some).collect();
        assert_eq!(again, expected, "{case}");
        assert!(self.subjects("A").await.is_empty(), "{case}");
        assert_eq!(self.subjects("B").await, ["one", "two", "two"], "{case}");
        let there = self.listed("/B").await;
        assert_eq!(there.len(), 4, "{case}");
        assert!(self.ids.iter().all(|id| there.contains(id)), "{case}");
    }

    /// What was said to have been copied was, once; nothing was copied twice.
    async fn is_copied_once(&self, case: &str, first: &[Option<String>]) {
        let copies = self.subjects("B").await;
        let said = first.iter().flatten().count();
        assert!(
            copies.len() >= said && copies.len() <= 3,
            "{case}: {copies:?}"
        );
        for copy in first.iter().flatten() {
            assert!(!self.ids.contains(copy), "{case}");
            self.get(copy).await;
        }
        assert_eq!(self.subjects("A").await, ["one", "two", "two"], "{case}");
    }
}

/// The object of each entry that went well. The whole may have failed, or nothing have come at all.
fn outcomes(answer: &Answer, count: usize) -> Vec<Option<String>> {
    if answer.status != 200 {
        assert!(answer.status >= 500, "{answer:?}");
        return vec![None; count];
    }
    let answer = answer.json();
    let items = answer["bulkResponseList"]["response"]
        .as_array()
        .unwrap()
        .iter();
    let outcome = |item: &Value| match item["code"].as_u64() {
        Some(200) => Some(below_box(&item["success"]["resourceURL"])),
        Some(500..) => None,
        _ => panic!("{item}"),
    };
    items.map(outcome).collect()
}

/// A way of moving, and one command of it.
#[derive(Debug, Clone, Copy)]
struct Way {
    name: &'static str,
    operation: &'static str,
    command: &'static str,
    hidden: &'static [&'static str],
    file: bool,
}

impl Way {
    async fn start(&self, case: &str) -> (Bridge, Proxy, Scene, Option<tempfile::TempDir>) {
        let mut builder = Bridge::builder(case).store_setting("command_timeout = 3");
        fill(builder.account()).await;
        let proxy = Proxy::hiding(builder.imap(), self.hidden).await;
        let directory = self.file.then(|| {
            let scratch = env!("CARGO_TARGET_TMPDIR");
            tempfile::tempdir_in(scratch).unwrap()
        });
        if let Some(directory) = &directory {
            let file = directory.path().join("state");
            builder = builder.setting(&format!("[state]\nurl = \"file:{}\"", file.display()));
        }
        let bridge = builder.store(proxy.address()).start().await;
        let scene = Scene::new(bridge.account.clone(), bridge.client.clone()).await;
        (bridge, proxy, scene, directory)
    }

    async fn check(&self, scene: &Scene, case: &str, first: &[Option<String>]) {
        match self.operation {
            "move" => scene.is_moved_once(case, first).await,
            _ => scene.is_copied_once(case, first).await,
        }
    }

    /// What passes when nothing breaks.
    async fn undisturbed(&self) -> Seen {
        let (_bridge, proxy, scene, _directory) = self.start(self.name).await;
        proxy.lay(self.command, Trap::Watch, Fault::None);
        let outcomes = scene.ask(self.operation).await;
        let seen = proxy.seen();
        assert!(
            outcomes.iter().all(Option::is_some),
            "{self:?} {outcomes:?}"
        );
        self.check(&scene, self.name, &outcomes).await;
        seen
    }

    /// Cuts of one command, both ways, all over it and at its ends.
    async fn is_proof(self) {
        let seen = self.undisturbed().await;
        let (said, answered) = (line_end(&seen.said, b"C"), line_end(&seen.answered, b"C"));
        assert!(said > 5 && answered > 5, "{self:?} {seen:?}");
        let said = thinned(said).into_iter().map(Trap::CutSaid);
        let answered = thinned(answered).into_iter().map(Trap::CutAnswered);
        let traps = said
            .chain(answered)
            .chain([Trap::DropTaggedOk, Trap::DropAnswered]);
        let cases = traps.enumerate().map(|(number, trap)| {
            // Half of the stores come back at once, half of them later.
            let then = [Fault::None, Fault::Away][number % 2].clone();
            task::spawn(self.is_proof_against(trap, then))
        });
        let mut cases = stream::iter(cases).buffer_unordered(AT_ONCE);
        let mut count = BTreeMap::new();
        while let Some(sprung) = cases.next().await {
            *count.entry(sprung.unwrap()).or_insert(0) += 1;
        }
        let [sprung, not] = [true, false].map(|sprung| count.get(&sprung).copied().unwrap_or(0));
        assert!(
            sprung > 3 * not,
            "the cuts were not where they should be: {count:?}"
        );
    }

    async fn is_proof_against(self, trap: Trap, then: Fault) -> bool {
        let case = format!("{} {trap:?} {then:?}", self.name);
        let (_bridge, proxy, scene, _directory) = self.start(&case).await;
        proxy.lay(self.command, trap, then);
        let first = scene.ask(self.operation).await;
        let sprung = proxy.has_sprung();
        proxy.heal();
        self.check(&scene, &case, &first).await;
        sprung
    }
}

/// Where the first line ends that begins with the tag of a command: what follows is of others.
fn line_end(text: &[u8], tag: &[u8]) -> usize {
    let mut end = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        if line.starts_with(tag) {
            break;
        }
    }
    end
}

fn thinned(length: usize) -> Vec<usize> {
    const LAST: usize = 4;
    let step = length.div_ceil(CUTS - LAST).max(1);
    let (first, last) = (0..length).split_at_last(LAST);
    first.step_by(step).chain(last).collect()
}

/// A range in two.
trait SplitAtLast {
    fn split_at_last(self, last: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>);
}

impl SplitAtLast for std::ops::Range<usize> {
    fn split_at_last(self, last: usize) -> (Self, Self) {
        let middle = self.end.saturating_sub(last).max(self.start);
        (self.start..middle, middle..self.end)
    }
}

const MOVE: Way = Way {
    name: "move",
    operation: "move",
    command: "UID MOVE",
    hidden: &[],
    file: false,
};
const COPIED: Way = Way {
    name: "copied",
    command: "UID COPY",
    hidden: &["MOVE"],
    ..MOVE
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_cut_anywhere_moves_once() {
    MOVE.is_proof().await;
    let file = true;
    Way {
        file,
        name: "move_file",
        ..MOVE
    }
    .is_proof()
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_whose_uids_are_not_told_cut_anywhere_moves_once() {
    let hidden = &["UIDPLUS"];
    Way {
        hidden,
        name: "move_no_uidplus",
        ..MOVE
    }
    .is_proof()
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_move_each_step_cut_anywhere_moves_once() {
    COPIED.is_proof().await;
    for command in ["UID STORE", "UID EXPUNGE"] {
        Way {
            command,
            name: "copied_step",
            ..COPIED
        }
        .is_proof()
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_move_and_uidplus_each_step_cut_anywhere_moves_once() {
    let hidden = &["MOVE", "UIDPLUS"];
    for command in ["UID COPY", "UID STORE", "EXPUNGE"] {
        Way {
            command,
            hidden,
            name: "copied_no_uidplus",
            ..COPIED
        }
        .is_proof()
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_cut_anywhere_copies_once() {
    let copy = Way {
        operation: "copy",
        command: "UID COPY",
        name: "copy",
        ..MOVE
    };
    copy.is_proof().await;
    let hidden = &["UIDPLUS"];
    Way {
        hidden,
        name: "copy_no_uidplus",
        ..copy
    }
    .is_proof()
    .await;
}

/// The bridge killed when the trap springs, with its state in a file.
async fn is_survived(name: &str, hidden: &[&str], command: &'static str, trap: Trap) {
    let case = format!("{name} {command} {trap:?}");
    let account = dovecot::account(&case);
    fill(&account).await;
    let proxy = Proxy::hiding(account.imap, hidden).await;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let state = directory.path().join("state");
    let start = || {
        let settings = format!("[state]\nurl = \"file:{}\"\n", state.display());
        Process::start(proxy.address(), &settings)
    };
    let process = start();
    let before = Scene::new(account.clone(), process.client(&account)).await;
    proxy.lay(command, trap, Fault::None);
    let resource = before.url("folders/operations/moveToFolder");
    let request = before
        .client
        .request("POST", &resource)
        .json(&before.body())
        .encoded();
    let client = before.client.clone();
    let asking = task::spawn(async move { client.raw(&request).await });
    proxy.sprung().await;
    process.kill();
    assert_eq!(asking.await.unwrap(), b"", "it was killed too late");
    proxy.heal();
    let process = start();
    let after = Scene {
        client: process.client(&account),
        ..before
    };
    after.is_moved_once(&case, &[None, None, None]).await;
    process.stop();
    // Nothing is left to be done, and ids are what they were.
    let process = start();
    let after = Scene {
        client: process.client(&account),
        ..after
    };
    let there = after.listed("/B").await;
    assert!(after.ids.iter().all(|id| there.contains(id)), "{case}");
    process.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_a_move_is_survived() {
    for trap in [
        Trap::HoldSaid(0),
        Trap::HoldSaid(10),
        Trap::DropTaggedOk,
        Trap::DropAnswered,
    ] {
        is_survived("killed", &[], "UID MOVE", trap).await;
        is_survived("killed_no_uidplus", &["UIDPLUS"], "UID MOVE", trap).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_any_two_steps_is_survived() {
    for command in ["UID COPY", "UID STORE", "UID EXPUNGE"] {
        for trap in [Trap::HoldSaid(0), Trap::DropTaggedOk] {
            is_survived("killed_without_move", &["MOVE"], command, trap).await;
        }
    }
}

/// The store is still at it when the bridge has given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_comes_late_is_found_and_brought_to_an_end() {
    let (_bridge, proxy, scene, _directory) = MOVE.start("late").await;
    proxy.lay("UID MOVE", Trap::HoldSaid(0), Fault::None);
    let first = scene.ask("move").await;
    assert!(first.iter().all(Option::is_none), "{first:?}");
    assert_eq!(scene.listed("/B").await.len(), 1, "not yet");
    proxy.release();
    let mut witness = scene.account.witness().await;
    for _ in 0..200 {
        if witness.examine("B").await == 4 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(witness.examine("B").await, 4, "it does not come");
    scene.is_moved_once("late", &first).await;
}
