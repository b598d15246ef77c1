//! A server started for one test, in a directory of its own; it ends with the value or the process.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use cpm_bridge::demo::child::{Builder, Child};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    time::Instant,
};

/// A running server.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) imap: SocketAddr,
    directory: PathBuf,
    child: Child,
}

/// A new directory every user can enter.
pub(crate) fn directory(server: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::Builder::new()
        .prefix(&format!("cpm-bridge-{server}-"))
        .tempdir()
        .unwrap()
        .keep();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// A loopback address nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// The user and the group whose processes handle mail: ours, or `mail` when that would be root.
pub(crate) fn mail_owner() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self").unwrap();
    match own.uid() {
        // Debian's fixed numbers of user and group mail.
        0 => (8, 8),
        user => (user, own.gid()),
    }
}

/// Gives the mail processes everything below a directory, if they are not ours.
pub(crate) fn give_to_mail(path: &Path) {
    let (user, group) = mail_owner();
    std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    if path.is_dir() {
        for entry in path.read_dir().unwrap() {
            give_to_mail(&entry.unwrap().path());
        }
    }
}

impl Started {
    /// Starts the command and waits for a greeting; panics with the end of its log where none comes.
    pub(crate) async fn new(command: Builder, imap: SocketAddr, directory: PathBuf) -> Self {
        let command = command
            .output(directory.join("log"))
            .remove_afterwards(&directory);
        let mut started = Self {
            imap,
            child: command.start().unwrap(),
            directory,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !greets(imap).await {
            let ended = started.child.ended().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the server does not start ({ended:?}):\n{}",
                started.child.last_words()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        started
    }

    /// Stops it, waits until its directory is gone.
    pub(crate) async fn stop(self) {
        self.child.stop().await.unwrap();
        assert!(!self.directory.exists());
    }
}

async fn greets(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect(address).await else {
        return false;
    };
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line).await;
    read.is_ok() && line.starts_with("* OK")
}
