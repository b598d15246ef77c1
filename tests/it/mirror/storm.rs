//! A strict mirror in a storm: foreign changes and changes through REST at random, while the bridge and its store are killed now and
//! then. In the end the mirror, which has seen REST only, is what a direct IMAP session sees.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cpm_bridge::{
    demo::dovecot::{Dovecot, Error, Options},
    task,
};
use serde_json::json;
use tokio::{task::JoinHandle, time::Instant};

use super::{
    changes::{Foreigner, Neighbour, Session},
    rest::Rest,
    strict::{Counts, Mirror, View, id_of},
    truth::Contents,
};
use crate::{
    exactly_once::{load::seed, numbers::Numbers},
    support::{dovecot::Account, process::Process},
};

/// Foreign sessions.
const FOREIGNERS: usize = 3;
/// How long after the last change the mirror may still be behind.
const PATIENCE: Duration = Duration::from_secs(40);

/// What a storm is made of.
#[derive(Debug, Clone, Copy)]
struct Weather {
    /// Changes, of all together.
    changes: usize,
    /// How often the bridge, and how often the store is killed.
    kills: usize,
    /// Whether the bridge's state outlives it.
    file: bool,
    /// Of so many lists the client loses one; 0: of none.
    loses: usize,
}

/// The bridge and its store, each a process of its own.
struct Place {
    directory: tempfile::TempDir,
    account: Account,
    dovecot: Option<Dovecot>,
    bridge: Option<Process>,
    rest: Rest,
    file: bool,
}

impl Place {
    async fn new(file: bool) -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut account = Account {
            login: "+15550100".to_owned(),
            imap: "127.0.0.1:0".parse().unwrap(),
        };
        let dovecot = started(directory.path(), &account).await;
        account.imap = dovecot.imap();
        let bridge = bridge(directory.path(), &account, file);
        Self {
            rest: Rest::new(&account.box_id(), bridge.client(&account)),
            directory,
            account,
            dovecot: Some(dovecot),
            bridge: Some(bridge),
            file,
        }
    }

    async fn kill_store(&mut self, away: Duration) {
        self.dovecot.take().unwrap().kill().await.unwrap();
        tokio::time::sleep(away).await;
        self.dovecot = Some(started(self.directory.path(), &self.account).await);
    }

    async fn kill_bridge(&mut self, away: Duration) {
        self.bridge.take().unwrap().kill();
        tokio::time::sleep(away).await;
        let bridge = bridge(self.directory.path(), &self.account, self.file);
        self.rest.is_at(bridge.client(&self.account));
        self.bridge = Some(bridge);
    }
}

async fn started(directory: &Path, account: &Account) -> Dovecot {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut options = Options::new(directory.join("store"));
        options.listen = account.imap;
        match Dovecot::start(options).await {
            Ok(dovecot) => return dovecot,
            // Somebody's outgoing connection has the port for a while.
            Err(Error::Busy { .. } | Error::Start(_)) if Instant::now() < deadline => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn bridge(directory: &Path, account: &Account, file: bool) -> Process {
    let url = match file {
        true => format!("file:{}", directory.join("state").display()),
        false => "memory:".to_owned(),
    };
    let settings = format!("[state]\nurl = \"{url}\"\n[notifications]\nlong_poll = 5\npoll = 10\n");
    Process::start(account.imap, &settings)
}

/// Counts changes down, for all who make them.
#[derive(Debug, Clone)]
struct Left(Arc<AtomicUsize>);

impl Left {
    fn take(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// Changes do not come as fast as they can, so that there is something between them.
async fn pause(numbers: &mut Numbers) {
    tokio::time::sleep(Duration::from_millis(numbers.below(50) as u64)).await;
}

async fn work_by_imap(mut foreigner: Foreigner, account: Account, left: Left) {
    let mut session = None;
    while left.take() {
        pause(&mut foreigner.numbers).await;
        loop {
            session = match session {
                Some(session) => Some(session),
                None => Session::open(account.imap, &account.login).await,
            };
            if let Some(open) = &mut session
                && foreigner.change(open).await.is_some()
            {
                break;
            }
            session = None;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn work_by_rest(mut neighbour: Neighbour, left: Left) {
    while left.take() {
        pause(&mut neighbour.numbers).await;
        while neighbour.change().await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Everybody who makes changes, until none is left to be made.
fn workers(place: &Place, numbers: &mut Numbers, left: &Left) -> Vec<JoinHandle<()>> {
    let mut workers: Vec<_> = (0..FOREIGNERS)
        .map(|number| {
            let foreigner = Foreigner {
                diary: place.rest.diary.clone(),
                name: format!("f{number}"),
                numbers: Numbers::new(numbers.next()),
                count: 0,
            };
            task::spawn(work_by_imap(foreigner, place.account.clone(), left.clone()))
        })
        .collect();
    let neighbour = Neighbour {
        rest: place.rest.clone(),
        name: "r".to_owned(),
        numbers: Numbers::new(numbers.next()),
        count: 0,
        moved: BTreeSet::new(),
    };
    workers.push(task::spawn(work_by_rest(neighbour, left.clone())));
    workers
}

/// Kills the bridge and its store, so often each, at any moment of the first nine tenths of the changes.
async fn kill(place: &mut Place, numbers: &mut Numbers, weather: Weather, left: &Left) {
    let mut kills: Vec<(usize, bool)> = (0..weather.kills * 2)
        .map(|kill| (numbers.below(weather.changes * 9 / 10), kill % 2 == 0))
        .collect();
    kills.sort_unstable();
    while let Some((at, store)) = kills.pop() {
        // Nothing counts down when those who make changes have ended in a failure.
        let begun = Instant::now();
        while left.0.load(Ordering::Relaxed) > at {
            tokio::time::sleep(Duration::from_millis(3)).await;
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "nothing happens any more"
            );
        }
        // Not always between two changes.
        tokio::time::sleep(Duration::from_millis(numbers.below(60) as u64)).await;
        let away = Duration::from_millis(numbers.below(300) as u64);
        if store {
            place.rest.diary.note("the store is killed");
            place.kill_store(away).await;
        } else {
            place.rest.diary.note("the bridge is killed");
            place.kill_bridge(away).await;
        }
    }
}

/// Waits until the mirror is what is there; how long that has taken.
async fn in_step(
    place: &mut Place,
    view: &Mutex<View>,
    following: &mut JoinHandle<()>,
) -> Duration {
    let quiet = Instant::now();
    let mut equal_since = None;
    loop {
        if following.is_finished() {
            (&mut *following).await.unwrap();
        }
        let truth = Contents::read(&place.account).await;
        let mirrored = view.lock().unwrap().contents();
        if truth == mirrored {
            let since: &mut Instant = equal_since.get_or_insert_with(Instant::now);
            // What comes now would be something that has not happened.
            if since.elapsed() > Duration::from_millis(1500) {
                return *since - quiet;
            }
        } else {
            equal_since = None;
        }
        if quiet.elapsed() > PATIENCE {
            let log = place.bridge.take().unwrap().stop();
            std::fs::write(place.directory.path().join("bridge.log"), log).unwrap();
            place
                .rest
                .diary
                .write(&place.directory.path().join("diary.log"));
            place.directory.disable_cleanup(true);
            panic!(
                "missing: {:#?}\ninvented: {:#?}\nsee {}",
                truth.without(&mirrored),
                mirrored.without(&truth),
                place.directory.path().display()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How many objects are said to have vanished; none of them is there.
async fn vanished(place: &Place, view: &Mutex<View>) -> usize {
    let criterion = json!({"criterion": [{"type": "VanishedObjects", "value": ""}]});
    let asked = json!({"selectionCriteria": {"maxEntries": 500, "searchCriteria": criterion}});
    let resource = "objects/operations/search";
    let answer = place.rest.insist("POST", resource, &asked).await;
    let list = answer.expect(200).json()["objectReferenceList"].take();
    let gone = list["objectReference"].as_array().unwrap();
    for object in gone {
        let id = id_of(&object["resourceURL"]);
        assert!(!view.lock().unwrap().has(&id), "{id} is there");
    }
    gone.len()
}

/// Lets it storm; what the mirror was told.
async fn storm(weather: Weather) -> Counts {
    let mut numbers = Numbers::new(seed());
    let mut place = Place::new(weather.file).await;
    let loses = (weather.loses > 0).then(|| (weather.loses, Numbers::new(numbers.next())));
    let mirror = Mirror::new(place.rest.clone(), loses).await;
    let view = mirror.view();
    let mut following = task::spawn(mirror.follow());
    let begun = Instant::now();
    let left = Left(Arc::new(AtomicUsize::new(weather.changes)));
    let workers = workers(&place, &mut numbers, &left);
    kill(&mut place, &mut numbers, weather, &left).await;
    for worker in workers {
        worker.await.unwrap();
    }
    let stormed = begun.elapsed();
    let behind = in_step(&mut place, &view, &mut following).await;
    let (folders, messages) = view.lock().unwrap().contents().count();
    let counts = view.lock().unwrap().counts;
    let vanished = vanished(&place, &view).await;
    eprintln!(
        "{stormed:?}, {folders} folders, {messages} messages, {vanished} vanished, {behind:?} behind, {counts:?}"
    );
    following.abort();
    place.bridge.take().unwrap().stop();
    place.dovecot.take().unwrap().stop().await.unwrap();
    counts
}

/// As many changes as the environment says, else these.
fn changes(usual: usize) -> usize {
    let given = std::env::var("CPM_BRIDGE_TEST_CHANGES").ok();
    given.map_or(usual, |given| given.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_is_in_step_after_a_storm() {
    let weather = Weather {
        changes: changes(300),
        kills: 2,
        file: true,
        loses: 0,
    };
    assert_eq!(storm(weather).await.resets, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_that_loses_lists_is_in_step_after_a_storm() {
    let weather = Weather {
        changes: changes(200),
        kills: 1,
        file: true,
        loses: 20,
    };
    assert_eq!(storm(weather).await.resets, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_is_in_step_after_a_storm_that_takes_the_state_along() {
    let weather = Weather {
        changes: changes(200),
        kills: 2,
        file: false,
        loses: 0,
    };
    // Ids that lived by an alias are gone with the process: then the box is to be read anew.
    let counts = storm(weather).await;
    assert!(counts.resets < counts.subscriptions, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: five thousand changes, and ten kills"]
async fn a_mirror_is_in_step_after_a_great_storm() {
    let weather = Weather {
        changes: changes(5000),
        kills: 5,
        file: true,
        loses: 0,
    };
    assert_eq!(storm(weather).await.resets, 0);
}
