//! Courier IMAP, unpacked and started for one test. Any login name is a user, with the usual password.
//!
//! Its `imapd` speaks for one connection after the login. What comes before, in Courier, needs a daemon, a user
//! database and root, all with paths compiled in; here it is a few lines in Courier's words ([`Front`]), so that any
//! user can run the tests, in a container too.

use std::{
    collections::HashMap,
    ffi::OsString,
    net::SocketAddr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use cpm_bridge::{
    demo::child::{Builder, Child},
    task,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinHandle,
};

use super::{started, unpacked::Tree};

const GREETING: &str = "* OK [CAPABILITY IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT \
                        THREAD=REFERENCES SORT QUOTA IDLE ACL ACL2=UNION ENABLE UTF8=ACCEPT] Courier-IMAP ready. \
                        Copyright 1998-2019 Double Precision, Inc.  See COPYING for distribution information.\r\n";
/// As in Debian's /etc/courier/imapd, where they differ from what is compiled in.
const SETTINGS: [(&str, &str); 9] = [
    ("PROTOCOL", "IMAP"),
    (
        "IMAP_CAPABILITY",
        "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE",
    ),
    ("IMAP_ACL", "1"),
    ("IMAP_KEYWORDS", "1"),
    ("IMAP_USELOCKS", "1"),
    ("IMAP_ENHANCEDIDLE", "1"),
    ("IMAP_IDLE_TIMEOUT", "60"),
    ("TCPREMOTEIP", "127.0.0.1"),
    ("TCPREMOTEPORT", "1"),
];

/// A running server.
pub(crate) struct Courier {
    pub(crate) imap: SocketAddr,
    listening: JoinHandle<()>,
    /// The file change notifier, whose directory is everybody's.
    gamin: Child,
}

/// What stands before `imapd`.
struct Front {
    imapd: PathBuf,
    directory: PathBuf,
    libraries: OsString,
    notifier: String,
    plain: bool,
}

/// Starts it; panics, and says what is missing, where that cannot be.
pub(crate) async fn start() -> Courier {
    start_with(false).await
}

/// The same with AUTHENTICATE PLAIN, where Courier overlooks the authorization identity.
pub(crate) async fn start_with_plain() -> Courier {
    start_with(true).await
}

async fn start_with(plain: bool) -> Courier {
    let packages = ["courier-imap", "courier-base", "courier-authlib"];
    let unpacking = move || Tree::of("courier", &packages);
    let tree = tokio::task::spawn_blocking(unpacking).await.unwrap();
    let directory = started::directory("courier");
    let notifier = directory
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let gamin = gamin(&tree, &notifier)
        .environment("LD_LIBRARY_PATH", tree.libraries())
        .output(directory.join("log"))
        .remove_afterwards(&directory)
        .start()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let imap = listener.local_addr().unwrap();
    let front = Arc::new(Front {
        imapd: tree.path("usr/bin/imapd"),
        libraries: tree.libraries(),
        directory,
        notifier,
        plain,
    });
    let listening = task::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let front = Arc::clone(&front);
            task::spawn(async move { front.converse(stream).await.ok() });
        }
    });
    Courier {
        imap,
        listening,
        gamin,
    }
}

/// Newer systems ask the kernel instead and have no such server; then something else holds its place.
fn gamin(tree: &Tree, notifier: &str) -> Builder {
    let program = tree.path("usr/libexec/gam_server");
    if program.exists() {
        Builder::new(program)
            .argument("--notimeout")
            .argument(notifier)
    } else {
        Builder::new("sleep").argument("infinity")
    }
}

impl Courier {
    /// Stops it and waits until its directory is gone; sessions end with their clients.
    pub(crate) async fn stop(self) {
        self.listening.abort();
        self.gamin.stop().await.unwrap();
    }
}

impl Front {
    /// Everything up to a successful LOGIN, then `imapd`.
    async fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let greeting = match self.plain {
            true => GREETING.replace(" ENABLE", " AUTH=PLAIN ENABLE"),
            false => GREETING.to_owned(),
        };
        stream.write_all(greeting.as_bytes()).await?;
        loop {
            let line = read_line(&mut stream).await?;
            let mut words = words(&line).into_iter();
            let tag = words.next().unwrap_or_default();
            let command = words.next().unwrap_or_default().to_ascii_uppercase();
            let answer = match command.as_str() {
                "LOGIN" => match (words.next(), words.next().as_deref()) {
                    (Some(user), Some("secret")) => return self.serve(stream, &tag, &user).await,
                    _ => "NO Login failed.",
                },
                "AUTHENTICATE" if self.plain => {
                    stream.write_all(b"+ \r\n").await?;
                    let response = read_line(&mut stream).await?;
                    let response = BASE64_STANDARD.decode(response).unwrap_or_default();
                    let response = String::from_utf8_lossy(&response);
                    match response.split('\0').collect::<Vec<_>>()[..] {
                        [_, user, "secret"] => return self.serve(stream, &tag, user).await,
                        _ => "NO Login failed.",
                    }
                }
                "CAPABILITY" => {
                    let list = greeting.split(['[', ']']).nth(1).unwrap_or_default();
                    stream.write_all(format!("* {list}\r\n").as_bytes()).await?;
                    "OK CAPABILITY completed"
                }
                "NOOP" => "OK NOOP completed",
                "LOGOUT" => {
                    let bye = format!(
                        "* BYE Courier-IMAP server shutting down\r\n{tag} OK LOGOUT completed\r\n"
                    );
                    return stream.write_all(bye.as_bytes()).await;
                }
                _ => "NO Error in IMAP command received by server.",
            };
            stream
                .write_all(format!("{tag} {answer}\r\n").as_bytes())
                .await?;
        }
    }

    /// Hands the connection over; `imapd` itself says that the login went well.
    async fn serve(&self, stream: TcpStream, tag: &str, user: &str) -> std::io::Result<()> {
        let home = self.home(user)?;
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        let stream = OwnedFd::from(stream);
        let log = std::fs::File::options()
            .append(true)
            .open(self.directory.join("log"))?;
        let mut imapd = Command::new(&self.imapd);
        imapd
            .arg("Maildir")
            .current_dir(&home)
            .env_clear()
            .envs(HashMap::from(SETTINGS))
            .env("HOME", &home)
            .env("LD_LIBRARY_PATH", &self.libraries)
            .env("GAM_CLIENT_ID", &self.notifier)
            .env("AUTHENTICATED", user)
            .env("IMAPLOGINTAG", tag)
            .stdin(Stdio::from(stream.try_clone()?))
            .stdout(Stdio::from(stream))
            .stderr(Stdio::from(log));
        let mut running = imapd.spawn()?;
        // The command holds the connection, which has to end with the child.
        drop(imapd);
        running.wait().await.map(drop)
    }

    fn home(&self, user: &str) -> std::io::Result<PathBuf> {
        let digits: String = user.bytes().map(|byte| format!("{byte:02x}")).collect();
        let home = self.directory.join("mail").join(digits);
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(Path::new(&home).join("Maildir").join(part))?;
        }
        Ok(home)
    }
}

/// Reads no byte beyond the line: what follows belongs to `imapd`.
async fn read_line(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// Atoms and quoted strings.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for character in line.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => {
                escaped = true;
                continue;
            }
            '"' => {
                quoted = !quoted;
                continue;
            }
            ' ' if !quoted => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        words.last_mut().unwrap().push(character);
    }
    words
}
