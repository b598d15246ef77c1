//! The bridge as a process of its own, for what can only be seen from outside: its memory, its log, its end.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use super::{dovecot::Account, http::Client};

/// A running `cpm-bridge serve`; it does not outlive the value.
pub(crate) struct Process {
    child: Child,
    http: SocketAddr,
    admin: SocketAddr,
    log: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl Process {
    /// Starts the service in front of a store; `settings` are more lines of configuration, with their sections.
    pub(crate) fn start(store: SocketAddr, settings: &str) -> Self {
        Self::start_with_http(store, "", settings)
    }

    /// The same with lines of `[http]`.
    pub(crate) fn start_with_http(store: SocketAddr, http: &str, settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("cpm.toml");
        let configuration = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n{http}[admin]\nlisten = \"127.0.0.1:0\"\n\
             [[stores]]\nname = \"cpm\"\nhost = \"{}\"\nport = {}\ntls = \"off\"\n{settings}",
            store.ip(),
            store.port()
        );
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cpm-bridge"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CPM_BRIDGE__") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut log = String::new();
        let (http, admin) = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {log}"));
            log += &(line.unwrap() + "\n");
            let address = |name: &str| {
                let address = log.split(name).nth(1)?.split_whitespace().next()?;
                Some(address.parse().unwrap())
            };
            if let (Some(http), Some(admin)) = (address("http="), address("admin=")) {
                break (http, admin);
            }
        };
        let log = Arc::new(Mutex::new(log));
        let shared = Arc::clone(&log);
        // Read on, so that the service never waits for its log.
        let reading = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *shared.lock().unwrap() += &(line + "\n");
            }
        });
        Self {
            child,
            http,
            admin,
            log,
            reading: Some(reading),
            _directory: directory,
        }
    }

    /// A client with the credentials of an account.
    pub(crate) fn client(&self, account: &Account) -> Client {
        Client::new(self.http).basic(&account.login, "secret")
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        let answer = Client::new(self.admin).get("/metrics").await;
        answer.text().to_owned()
    }

    /// The most memory that was resident at any time, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// The memory that is resident now, in bytes.
    pub(crate) fn resident_memory(&self) -> u64 {
        self.memory("VmRSS:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
        kibibytes.unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Ends it as a power failure does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as an operator does and returns its log; panics unless it ends well.
    pub(crate) fn stop(mut self) -> String {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(sent.unwrap().success(), "it has ended already");
        let status = self.child.wait().unwrap();
        self.reading.take().unwrap().join().unwrap();
        let log = self.log.lock().unwrap().clone();
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
