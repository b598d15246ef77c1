//! The test process's own Dovecot, and an account on it for each test.

use std::{
    net::SocketAddr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cpm_bridge::demo::dovecot::{Dovecot, Options};
use tokio::runtime::Runtime;

use super::witness::Witness;

/// A login of its own for one test.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// The IMAP login, `+1555…`.
    pub(crate) login: String,
    /// The server.
    pub(crate) imap: SocketAddr,
}

impl Account {
    /// The box id, `tel:+1555…`.
    pub(crate) fn box_id(&self) -> String {
        format!("tel:{}", self.login)
    }

    /// Limits what it can hold. Dovecot looks at its file of users now and then only, so this waits until it has.
    pub(crate) async fn limit_storage(&self, kilobytes: u32) {
        shared().limit_storage(&self.login, kilobytes).unwrap();
        let limit = format!("(STORAGE 0 {kilobytes})");
        loop {
            let reply = self.witness().await.command("GETQUOTAROOT INBOX").await;
            if reply.texts().iter().any(|text| text.contains(&limit)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A direct session of this account.
    pub(crate) async fn witness(&self) -> Witness {
        Witness::login(self.imap, &self.login).await
    }
}

/// The server all tests of this process share, started by the first that asks.
///
/// It ends with the process (`demo::child`), and its directory goes with it.
pub(crate) fn shared() -> &'static Dovecot {
    // The runtime stays with the server: a test's own runtime ends with the test.
    static SHARED: OnceLock<(Dovecot, Runtime)> = OnceLock::new();
    let start = || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let dovecot = runtime.block_on(start(|_| {}));
        (dovecot, runtime)
    };
    // On a thread of its own because the caller may be inside a runtime.
    &SHARED
        .get_or_init(|| {
            std::thread::spawn(start)
                .join()
                .expect("the shared Dovecot")
        })
        .0
}

/// A server of the test's own, for another separator, TLS or other settings.
pub(crate) async fn start(change: impl FnOnce(&mut Options)) -> Dovecot {
    let directory = tempfile::Builder::new()
        .prefix("cpm-bridge-dovecot-")
        .tempdir()
        .unwrap()
        .keep();
    let mut options = Options::new(directory);
    options.remove_directory = true;
    change(&mut options);
    Dovecot::start(options)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// An account nobody else uses; the name says in Dovecot's log whose it is.
pub(crate) fn account(test: &str) -> Account {
    static NEXT: AtomicU32 = AtomicU32::new(100);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let login = format!("+1555{number:07}");
    eprintln!("{test} is {login}");
    Account {
        login,
        imap: shared().imap(),
    }
}
