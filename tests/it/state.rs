//! State in a file: what a kill leaves of it, and which files are refused.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, Permissions},
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use cpm_bridge::state::{Correlated, FileState, State};
use serde_json::{Value, json};

use crate::{
    cli::{Service, configuration, run, send, serving},
    objects::below_box,
    support::{
        courier, dovecot,
        http::Client,
        witness::{Witness, quoted},
    },
};

const STORE: &str = "[[stores]]\nname = \"cpm\"\nhost = \"127.0.0.1\"\nport = 1\ntls = \"off\"\n";
const LISTEN: &str = "[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
const FILE: &str = "[state]\nurl = \"file:state.redb\"\n";

/// A process of the service in front of a box; a killed one is followed by another with the same state.
struct Bridge {
    file: String,
    login: String,
    service: Service,
    client: Client,
    _directory: tempfile::TempDir,
    /// The `lastModSeq` shown last, by resource.
    shown: BTreeMap<String, u64>,
}

impl Bridge {
    fn start(imap: SocketAddr, login: &str) -> Self {
        let port = format!("port = {}\n", imap.port());
        let store = STORE.replace("port = 1\n", &port);
        let (directory, file) = configuration(&format!("{LISTEN}{FILE}{store}"));
        let (service, address) = serving(&file);
        Self {
            client: Client::new(address.parse().unwrap()).basic(login, "secret"),
            file,
            login: login.to_owned(),
            service,
            _directory: directory,
            shown: BTreeMap::new(),
        }
    }

    /// SIGKILL, and a new process.
    fn kill_and_start(&mut self) {
        self.service.0.kill().unwrap();
        self.service.0.wait().unwrap();
        self.start_anew();
    }

    fn start_anew(&mut self) {
        let (service, address) = serving(&self.file);
        self.service = service;
        self.client = Client::new(address.parse().unwrap()).basic(&self.login, "secret");
    }

    fn target(&self, resource: &str) -> String {
        let login = self.login.replace('+', "%2B");
        format!("/nms/v1/cpm/tel:{login}/{resource}")
    }

    async fn get(&self, resource: &str) -> Value {
        let answer = self.client.get(&self.target(resource)).await;
        answer.expect(200).json()
    }

    async fn folder(&self, path: &str) -> String {
        let resource = format!("folders/operations/pathToId?path={path}");
        below_box(&self.get(&resource).await["reference"]["resourceURL"])
    }

    async fn object(&self, folder: &str) -> String {
        let listed = self.get(&format!("{folder}?listFilter=Objects")).await;
        below_box(&listed["folder"]["objects"]["objectReference"][0]["resourceURL"])
    }

    async fn rename(&self, folder: &str, name: &str) {
        let target = self.target(&format!("{folder}/folderName"));
        let renamed = self.client.put(&target, &json!({"name": name})).await;
        assert_eq!(renamed.expect(200).json(), json!({"name": name}));
    }

    /// The path of a folder or an object, whose `lastModSeq` has not fallen; and whether it has risen.
    async fn look_at(&mut self, resource: &str) -> (String, bool) {
        let answer = self.get(&format!("{resource}?path=Yes")).await;
        let entity = answer.as_object().unwrap().values().next().unwrap();
        let now = entity["lastModSeq"].as_u64().unwrap();
        let before = self.shown.insert(resource.to_owned(), now).unwrap_or(0);
        assert!(now >= before, "{resource}: {now} after {before}");
        (entity["path"].as_str().unwrap().to_owned(), now > before)
    }

    /// All that has an id, on the path it ought to be found at.
    async fn look_at_all(&mut self, name: &str, folders: &[String; 3], objects: &[String; 2]) {
        for (folder, below) in folders.iter().zip(["", "/none", "/none/deep"]) {
            assert_eq!(self.look_at(folder).await.0, format!("/{name}{below}"));
        }
        for (object, below) in objects.iter().zip(["/", "/none/deep/"]) {
            let (path, _) = self.look_at(object).await;
            assert!(path.starts_with(&format!("/{name}{below}")), "{path}");
        }
    }
}

/// A folder, one below it that holds no objects, and one below that, renamed time and again with a kill after each.
async fn ids_outlive_kills(imap: SocketAddr, login: &str, prefix: &str, separator: &str) {
    let deep = format!("{prefix}old{separator}none{separator}deep");
    let mut witness = Witness::login(imap, login).await;
    for mailbox in [&format!("{prefix}old"), &deep] {
        let create = format!("CREATE {}", quoted(mailbox));
        witness.command(&create).await.ok();
        let message = b"Subject: x\r\n\r\nbody\r\n";
        witness.append(mailbox, message, "", None).await;
    }
    let mut bridge = Bridge::start(imap, login);
    let folders = [
        bridge.folder("/old").await,
        bridge.folder("/old/none").await,
        bridge.folder("/old/none/deep").await,
    ];
    let objects = [
        bridge.object(&folders[0]).await,
        bridge.object(&folders[2]).await,
    ];
    bridge.look_at_all("old", &folders, &objects).await;
    for name in ["new", "newer", "old"] {
        bridge.rename(&folders[0], name).await;
        bridge.kill_and_start();
        assert!(bridge.look_at(&folders[0]).await.1, "renamed");
        bridge.look_at_all(name, &folders, &objects).await;
        let below = bridge.target(&format!("{}/folderName", folders[1]));
        let again = bridge.client.put(&below, &json!({"name": "none"})).await;
        again.expect(200);
        // It was shown with another name before, so its counter is in the file, and nothing has changed it since.
        bridge.kill_and_start();
        assert!(!bridge.look_at(&folders[0]).await.1, "not renamed");
        bridge.look_at_all(name, &folders, &objects).await;
    }
    let seen = bridge.target(&format!("{}/flags/%5CSeen", objects[1]));
    bridge.client.request("PUT", &seen).send().await.expect(201);
    assert!(bridge.look_at(&objects[1]).await.1, "flagged");
    bridge.kill_and_start();
    assert!(!bridge.look_at(&objects[1]).await.1, "not flagged");
    // A stop in order keeps all of it.
    bridge.look_at_all("old", &folders, &objects).await;
    send(&bridge.service, "TERM");
    assert!(bridge.service.0.wait().unwrap().success());
    bridge.start_anew();
    for resource in folders.iter().chain(&objects) {
        assert!(!bridge.look_at(resource).await.1, "{resource} unchanged");
    }
}

#[tokio::test]
async fn ids_and_counters_outlive_kills_on_dovecot() {
    let account = dovecot::account("ids_and_counters_outlive_kills_on_dovecot");
    ids_outlive_kills(account.imap, &account.login, "", "/").await;
}

/// Which gives every folder another UIDVALIDITY with another name.
#[tokio::test]
async fn ids_and_counters_outlive_kills_on_courier() {
    let server = courier::start().await;
    ids_outlive_kills(server.imap, "+15550100", "INBOX.", ".").await;
    server.stop().await;
}

#[test]
fn a_second_process_is_refused_and_check_config_is_not() {
    let (directory, file) = configuration(&format!("{LISTEN}{FILE}{STORE}"));
    assert_eq!(run(&["check-config", &file]), (Some(0), "ok\n".to_owned()));
    assert!(
        !directory.path().join("state.redb").exists(),
        "checked only"
    );
    let (service, _) = serving(&file);
    let (code, text) = run(&["serve", "--config", &file]);
    assert_eq!(code, Some(1), "{text}");
    let path = directory.path().join("state.redb");
    assert!(
        text.contains(&format!(
            "state.url: {}: in use by another process\n",
            path.display()
        )),
        "{text}"
    );
    assert_eq!(run(&["check-config", &file]), (Some(0), "ok\n".to_owned()));
    drop(service);
    assert_eq!(run(&["check-config", &file]), (Some(0), "ok\n".to_owned()));
    serving(&file);
}

#[test]
fn a_file_that_cannot_be_used_is_2_and_says_why() {
    let refused = |file: &str, reason: &str| {
        for arguments in [&["check-config", file][..], &["serve", "--config", file]] {
            let (code, text) = run(arguments);
            assert_eq!(code, Some(2), "{text}");
            assert!(text.contains("state.url: "), "{text}");
            assert!(text.contains(reason), "{text}");
        }
    };
    let missing = FILE.replace("state.redb", "missing/state.redb");
    let (_directory, file) = configuration(&format!("{LISTEN}{missing}{STORE}"));
    refused(&file, "missing is no directory");
    let (directory, file) = configuration(&format!("{LISTEN}{FILE}{STORE}"));
    let path = directory.path().join("state.redb");
    fs::write(&path, "not what it should be").unwrap();
    refused(&file, "not a state file of cpm-bridge");
    fs::remove_file(&path).unwrap();
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let about: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("cpm-bridge");
    let mut table = transaction.open_table(about).unwrap();
    table.insert("schema", 3).unwrap();
    drop(table);
    transaction.commit().unwrap();
    drop(database);
    refused(
        &file,
        "made by a newer version: it has schema 3, known is up to 2",
    );
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused(&file, "directory");
}

#[test]
fn a_damaged_file_is_2_and_one_open_to_others_is_tightened() {
    let (directory, file) = configuration(&format!("{LISTEN}{FILE}{STORE}"));
    let path = directory.path().join("state.redb");
    let stop = || {
        let (mut service, _) = serving(&file);
        send(&service, "TERM");
        assert!(service.0.wait().unwrap().success());
    };
    stop();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    stop();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0x55);
    fs::write(&path, bytes).unwrap();
    let (code, text) = run(&["serve", "--config", &file]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("state.redb: damaged ("), "{text}");
}

/// Where the writing process finds its file.
const WRITES: &str = "CPM_BRIDGE_TEST_WRITES";
const ACCOUNTS: u64 = 8;
const KEYS: u64 = 20;

/// This test's own program once more, as a process that writes until it is killed.
fn writing(test: &str, file: &Path) -> Service {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("state::{test}"), "--nocapture"])
        .env(WRITES, file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    Service(command.spawn().unwrap())
}

/// What that process does: a line for each counter that may be shown, and for each round whose commit has returned.
fn write_until_killed(file: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let state: Box<dyn State> = Box::new(FileState::open(file).await.unwrap());
        let accounts = (0..ACCOUNTS).map(|account| write(&*state, account));
        futures_util::future::join_all(accounts).await;
    });
}

async fn write(state: &dyn State, account: u64) {
    let name = account.to_string();
    // Goes on where the last process was.
    let found = state.found(&name, b"round");
    let first = found.map_or(0, |found| number(&found) + 1);
    for round in first.. {
        let key = (round % KEYS).to_be_bytes();
        state.alias(&name, &key, &round.to_be_bytes().repeat(2));
        state.alias(&name, b"round", &round.to_be_bytes());
        state.correlate(&name, &key, creation(round));
        // One digest and the other in turn: each has been shown before.
        let digest = round / KEYS % 2;
        let value = state.last_mod_seq(&name, &key, digest).await.unwrap();
        say(&format!("shown {account} {round} {value}\n"));
        state.commit().await.unwrap();
        say(&format!("kept {account} {round} {round}\n"));
    }
}

/// In one piece, past the buffer of the standard output.
fn say(line: &str) {
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

fn creation(round: u64) -> Correlated {
    Correlated {
        digest: [0; 32],
        nonce: round.to_string(),
        folder: Vec::new(),
        outcome: None,
        at: chrono::Utc::now(),
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().unwrap())
}

/// What a process has said last, by account and key.
#[derive(Default)]
struct Said {
    shown: HashMap<(u64, u64), u64>,
    kept: HashMap<(u64, u64), u64>,
}

impl Said {
    /// Whether the line is one of the process, and not of the test harness around it.
    fn read(&mut self, line: &str) -> bool {
        let mut words = line.split_whitespace();
        let of = match words.next() {
            Some("shown") => &mut self.shown,
            Some("kept") => &mut self.kept,
            _ => return false,
        };
        let numbers: Vec<u64> = words.map(|number| number.parse().unwrap()).collect();
        let [account, round, value] = numbers[..] else {
            panic!("{line}");
        };
        of.insert((account, round % KEYS), value);
        true
    }
}

async fn assert_kept(file: &Path, said: &Said) {
    let state: Box<dyn State> = Box::new(FileState::open(file).await.unwrap());
    for ((account, key), round) in &said.kept {
        let (account, key) = (account.to_string(), key.to_be_bytes());
        let found = number(&state.found(&account, &key).unwrap());
        assert!(found >= *round, "alias {found} {round}");
        let nonce = state.correlated(&account, &key).unwrap().nonce;
        assert!(nonce.parse::<u64>().unwrap() >= *round, "{nonce} {round}");
    }
    for ((account, key), value) in &said.shown {
        let (account, key) = (account.to_string(), key.to_be_bytes());
        for digest in [0, 1] {
            let after = state.revision(&account, &key, digest).value;
            assert!(after >= *value, "counter {after} {value}");
        }
    }
}

#[test]
fn whatever_a_kill_interrupts_what_was_committed_is_there() {
    if let Some(file) = std::env::var_os(WRITES) {
        return write_until_killed(&PathBuf::from(file));
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut said = Said::default();
    for lines in [1, 500, 3, 200, 50, 1000, 10, 100] {
        let test = "whatever_a_kill_interrupts_what_was_committed_is_there";
        let mut process = writing(test, &file);
        let mut output = BufReader::new(process.0.stdout.take().unwrap());
        let mut seen = 0;
        while seen < lines {
            let line = whole_line(&mut output).expect("it goes on until it is killed");
            seen += usize::from(said.read(&line));
        }
        process.0.kill().unwrap();
        // What it had said by then counts too.
        while let Some(line) = whole_line(&mut output) {
            said.read(&line);
        }
        runtime.block_on(assert_kept(&file, &said));
    }
    assert_eq!(said.kept.len() as u64, ACCOUNTS * KEYS);
}

/// Not the one that the kill cut off.
fn whole_line(output: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line.ends_with('\n').then_some(line)
}

#[test]
fn a_kill_while_the_file_is_made_leaves_none_or_a_whole_one() {
    if let Some(file) = std::env::var_os(WRITES) {
        return write_until_killed(&PathBuf::from(file));
    }
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for time in 0..20 {
        let file = directory.path().join(time.to_string());
        let mut process = writing(
            "a_kill_while_the_file_is_made_leaves_none_or_a_whole_one",
            &file,
        );
        // Any moment will do.
        thread::sleep(Duration::from_millis(3 * time));
        process.0.kill().unwrap();
        process.0.wait().unwrap();
        runtime.block_on(async { FileState::open(&file).await.map(drop).unwrap() });
    }
}
