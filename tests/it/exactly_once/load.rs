//! The store killed again and again under a mixed load: what was answered with success is there once, and nothing is there twice.
//!
//! A run is made of its seed, which it prints; `CPM_BRIDGE_TEST_SEED` takes it up again, as far as the machine lets it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use cpm_bridge::{
    demo::dovecot::{Dovecot, Error, Options},
    task,
};
use serde_json::json;
use tokio::time::Instant;

use super::{
    numbers::Numbers,
    upload::{Kind, Outcome, Upload, subjects_in, target},
};
use crate::{
    objects::below_box,
    support::{
        bridge::Bridge,
        dovecot::Account,
        http::{Answer, Client},
    },
};

const WORKERS: u64 = 6;
const FOLDERS: [&str; 3] = ["/INBOX", "/Default/tel:+15550101", "/Default/a/b"];
/// What a store that comes and goes can make of any request (product §4).
const BROKEN: [u16; 3] = [502, 503, 504];

/// What the box must hold of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Made, and nobody has tried to delete it.
    There,
    /// Deleted.
    Gone,
    /// Nobody was told.
    Unknown,
}

/// What a worker knows in the end.
#[derive(Debug, Default)]
struct Known {
    objects: BTreeMap<String, Fate>,
    folders: Vec<String>,
    statuses: BTreeMap<(&'static str, u16), usize>,
}

struct Load {
    client: Client,
    account: Account,
    over: AtomicBool,
    /// Objects made by all.
    made: AtomicU32,
}

/// One client, which knows its own objects and nobody else's.
struct Worker {
    load: Arc<Load>,
    name: String,
    numbers: Numbers,
    count: u32,
    /// Objects by Subject, and where they are.
    own: Vec<(String, String)>,
    /// Uploads with keys that may be asked for again.
    open: Vec<Upload>,
    known: Known,
}

impl Worker {
    async fn work(mut self) -> Known {
        while !self.load.over.load(Ordering::Relaxed) {
            match self.numbers.below(20) {
                0..4 => self.create(Kind::One, false).await,
                4..8 => self.create(Kind::One, true).await,
                8 => self.create(Kind::Streamed, false).await,
                9 => self.create(Kind::Spooled, true).await,
                10 => self.create(Kind::Bulk, false).await,
                11..13 => self.create(Kind::Bulk, true).await,
                13 => self.repeat().await,
                14..16 => self.get().await,
                16 => self.flag().await,
                17 => self.delete().await,
                18 => self.create_folder().await,
                _ => self.list().await,
            }
        }
        // Whoever has a key gets what was asked for in the end.
        while !self.open.is_empty() {
            self.repeat().await;
        }
        self.known
    }

    fn new_name(&mut self) -> String {
        self.count += 1;
        format!("{}-{}", self.name, self.count)
    }

    fn note(&mut self, what: &'static str, answer: &Answer, allowed: &[u16]) -> u16 {
        let status = answer.status;
        *self.known.statuses.entry((what, status)).or_default() += 1;
        let text = String::from_utf8_lossy(&answer.body);
        let documented = allowed.contains(&status) || BROKEN.contains(&status);
        assert!(documented, "{what}: {status} {text}");
        status
    }

    async fn create(&mut self, kind: Kind, has_keys: bool) {
        let folder = FOLDERS[self.numbers.below(FOLDERS.len())];
        let upload = Upload::new(kind, &self.new_name())
            .to(folder)
            .at_a_dying_store();
        let upload = if has_keys {
            upload
        } else {
            upload.without_keys()
        };
        self.send(upload).await;
    }

    async fn repeat(&mut self) {
        if !self.open.is_empty() {
            let any = self.numbers.below(self.open.len());
            let upload = self.open.swap_remove(any);
            self.send(upload).await;
        }
    }

    async fn send(&mut self, upload: Upload) {
        let request = upload.request(&self.load.client, &self.load.account);
        let answer = request.send().await;
        self.note("create", &answer, &[200, 201]);
        let outcomes = upload.outcomes(&answer);
        for (subject, outcome) in upload.subjects.iter().zip(&outcomes) {
            self.learn(subject, outcome);
        }
        if upload.has_keys() && outcomes.iter().any(Result::is_err) {
            self.open.push(upload);
        }
    }

    fn learn(&mut self, subject: &str, outcome: &Outcome) {
        let before = self.known.objects.get(subject).copied();
        match (outcome, before) {
            (Ok(url), None | Some(Fate::Unknown)) => {
                let object = below_box(&json!(url));
                self.own.push((subject.to_owned(), object));
                self.known.objects.insert(subject.to_owned(), Fate::There);
                self.load.made.fetch_add(1, Ordering::Relaxed);
            }
            (Err(_), None) => {
                self.known.objects.insert(subject.to_owned(), Fate::Unknown);
            }
            // An outcome that is known stays: of several objects with keys only some were made before.
            (Ok(_), Some(Fate::There | Fate::Gone)) | (Err(_), Some(_)) => {}
        }
    }

    /// One of its objects that are there for all it knows.
    fn any_own(&mut self) -> Option<(usize, String)> {
        let any = self.own.len().checked_sub(1)?;
        let index = self.numbers.below(any + 1);
        Some((index, self.own[index].1.clone()))
    }

    async fn request(&self, method: &str, resource: &str) -> Answer {
        let target = target(&self.load.account, resource);
        let request = self.load.client.request(method, &target);
        request.header("Accept", "*/*").send().await
    }

    async fn get(&mut self) {
        if let Some((_, object)) = self.any_own() {
            let answer = self.request("GET", &object).await;
            self.note("get", &answer, &[200]);
            let answer = self.request("GET", &format!("{object}/payload")).await;
            self.note("payload", &answer, &[200]);
        }
    }

    async fn flag(&mut self) {
        if let Some((_, object)) = self.any_own() {
            let flag = format!("{object}/flags/%5CFlagged");
            let answer = self.request("PUT", &flag).await;
            self.note("flag", &answer, &[201, 204]);
        }
    }

    async fn delete(&mut self) {
        if let Some((index, object)) = self.any_own() {
            let (subject, _) = self.own.swap_remove(index);
            let answer = self.request("DELETE", &object).await;
            let status = self.note("delete", &answer, &[204]);
            let fate = if status == 204 {
                Fate::Gone
            } else {
                Fate::Unknown
            };
            self.known.objects.insert(subject, fate);
        }
    }

    async fn create_folder(&mut self) {
        let name = self.new_name();
        let folder = json!({"folder": {"parentFolderPath": "/Default", "name": name}});
        let target = target(&self.load.account, "folders");
        let answer = self.load.client.post(&target, &folder).await;
        // 404 is the parent's, until the first object makes it.
        if self.note("folder", &answer, &[201, 404, 400]) == 201 {
            self.known.folders.push(format!("Default/{name}"));
        }
    }

    async fn list(&mut self) {
        let folder = FOLDERS[self.numbers.below(FOLDERS.len())];
        let resource = format!(
            "folders/operations/pathToId?path={}",
            folder.replace('+', "%2B")
        );
        let answer = self.request("GET", &resource).await;
        if self.note("path", &answer, &[200, 404]) == 200 {
            let folder = below_box(&answer.json()["reference"]["resourceURL"]);
            let listing = format!("{folder}?listFilter=All");
            let answer = self.request("GET", &listing).await;
            self.note("list", &answer, &[200]);
        }
    }
}

/// A store that can be killed, at one address and in one directory.
struct Killed {
    directory: tempfile::TempDir,
    dovecot: Option<Dovecot>,
}

impl Killed {
    async fn start() -> Self {
        let mut killed = Self {
            directory: tempfile::Builder::new()
                .prefix("cpm-once-")
                .tempdir()
                .unwrap(),
            dovecot: None,
        };
        let any = "127.0.0.1:0".parse().unwrap();
        killed.start_at(any).await;
        killed
    }

    async fn start_at(&mut self, address: SocketAddr) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.dovecot.is_none() {
            let mut options = Options::new(self.directory.path());
            options.listen = address;
            match Dovecot::start(options).await {
                Ok(dovecot) => self.dovecot = Some(dovecot),
                // Somebody's outgoing connection has the port for a while.
                Err(Error::Busy { .. } | Error::Start(_)) if Instant::now() < deadline => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Gone and back again: at once and dirty, or in order.
    async fn restart(&mut self, dirty: bool, away: Duration) {
        let dovecot = self.dovecot.take().unwrap();
        let address = dovecot.imap();
        if dirty {
            dovecot.kill().await.unwrap();
        } else {
            dovecot.stop().await.unwrap();
        }
        // This is how long it is away.
        tokio::time::sleep(away).await;
        self.start_at(address).await;
    }
}

pub(crate) fn seed() -> u64 {
    let given = std::env::var("CPM_BRIDGE_TEST_SEED").ok();
    let clock = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        u64::from(since.unwrap().subsec_nanos())
    };
    let seed = given.map_or_else(clock, |seed| seed.parse().unwrap());
    eprintln!("CPM_BRIDGE_TEST_SEED={seed}");
    seed
}

/// So many kills; after each return the bridge has so long to serve.
async fn holds_out(kills: u32, patience: Duration) {
    let mut numbers = Numbers::new(seed());
    let mut store = Killed::start().await;
    let address = store.dovecot.as_ref().unwrap().imap();
    let builder = Bridge::builder("load").store(address);
    let bridge = builder.start().await;
    let load = Arc::new(Load {
        client: bridge.client.clone(),
        account: Account {
            imap: address,
            ..bridge.account.clone()
        },
        over: AtomicBool::default(),
        made: AtomicU32::default(),
    });
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let worker = Worker {
                load: Arc::clone(&load),
                name: format!("w{number}"),
                numbers: Numbers::new(numbers.next()),
                count: 0,
                own: Vec::new(),
                open: Vec::new(),
                known: Known::default(),
            };
            task::spawn(worker.work())
        })
        .collect();
    for kill in 0..kills {
        let enough = load.made.load(Ordering::Relaxed) + 15;
        while load.made.load(Ordering::Relaxed) < enough {
            assert!(workers.iter().all(|worker| !worker.is_finished()));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut some = |most: usize| Duration::from_millis(numbers.below(most) as u64);
        // Not always at the end of a command.
        tokio::time::sleep(some(40)).await;
        let away = some(500);
        store.restart(kill % 2 == 0, away).await;
        let back = Instant::now();
        let root = target(&load.account, "folders/operations/pathToId");
        while load.client.get(&root).await.status != 200 {
            assert!(back.elapsed() < patience, "it does not serve again");
        }
        eprintln!("kill {kill}: back for {:?} when it serves", back.elapsed());
        assert!(back.elapsed() < patience, "{:?}", back.elapsed());
    }
    load.over.store(true, Ordering::Relaxed);
    let mut known = Vec::new();
    for worker in workers {
        known.push(worker.await.unwrap());
    }
    agrees(&load.account, &known).await;
    bridge.stop().await;
    store.dovecot.take().unwrap().stop().await.unwrap();
}

/// The box holds what the workers know.
async fn agrees(account: &Account, known: &[Known]) {
    let mut witness = account.witness().await;
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for folder in FOLDERS {
        for (subject, count) in subjects_in(&mut witness, &folder[1..]).await {
            *there.entry(subject).or_default() += count;
        }
    }
    let mut statuses: BTreeMap<(&str, u16), usize> = BTreeMap::new();
    for known in known {
        for (subject, fate) in &known.objects {
            let count = there.remove(subject).unwrap_or(0);
            let right = match fate {
                Fate::There => count == 1,
                Fate::Gone => count == 0,
                Fate::Unknown => count <= 1,
            };
            assert!(right, "{subject} is there {count} times, and was {fate:?}");
        }
        for folder in &known.folders {
            let reply = witness
                .command(&format!("LIST \"\" \"{folder}\""))
                .await
                .ok();
            assert_eq!(reply.texts().len(), 1, "{folder}");
        }
        for (answer, count) in &known.statuses {
            *statuses.entry(*answer).or_default() += count;
        }
    }
    assert_eq!(there, BTreeMap::new(), "nobody has asked for these");
    eprintln!("{statuses:?}");
    let kinds = |fate| {
        known
            .iter()
            .flat_map(|known| known.objects.values())
            .filter(|is| **is == fate)
            .count()
    };
    eprintln!(
        "{} there, {} gone, {} unknown",
        kinds(Fate::There),
        kinds(Fate::Gone),
        kinds(Fate::Unknown)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_dies_under_load_costs_nothing_and_doubles_nothing() {
    holds_out(4, Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: twenty kills, and a machine of its own for the second that the bridge has"]
async fn a_store_that_dies_twenty_times_costs_nothing_and_doubles_nothing() {
    holds_out(20, Duration::from_secs(1)).await;
}
