//! Cyrus IMAP, unpacked and started for one test. Any login name without a colon is a user, with the usual password.

use std::path::Path;

use cpm_bridge::{demo::child::Builder, task};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

use super::{
    started::{self, Started},
    unpacked::Tree,
};

const IMAPD_CONF: &str = include_str!("../../../fixtures/cyrus/imapd.conf");
const CYRUS_CONF: &str = include_str!("../../../fixtures/cyrus/cyrus.conf");

/// Starts it; panics, and says what is missing, where that cannot be.
pub(crate) async fn start() -> Started {
    let packages = [
        "cyrus-common",
        "cyrus-imapd",
        "libsasl2-modules",
        "libsasl2-modules-db",
    ];
    let unpacking = move || Tree::of("cyrus", &packages);
    let tree = tokio::task::spawn_blocking(unpacking).await.unwrap();
    let directory = started::directory("cyrus");
    let imap = started::free_address();
    configure(&directory, &tree, imap.port());
    serve_passwords(&directory);
    let command = Builder::new(tree.path("usr/lib/cyrus/bin/master"))
        .argument("-C")
        .argument(directory.join("imapd.conf"))
        .argument("-M")
        .argument(directory.join("cyrus.conf"))
        .argument("-p")
        .argument(directory.join("master.pid"))
        .environment("LD_LIBRARY_PATH", tree.libraries())
        .environment("SASL_PATH", sasl_path(&tree));
    Started::new(command, imap, directory).await
}

fn configure(directory: &Path, tree: &Tree, port: u16) {
    for part in [
        "db", "log", "msg", "proc", "quota", "socket", "user", "lock",
    ] {
        std::fs::create_dir_all(directory.join("conf").join(part)).unwrap();
    }
    for part in ["spool", "tmp"] {
        std::fs::create_dir(directory.join(part)).unwrap();
    }
    let user = match started::mail_owner().0 {
        8 => "mail".to_owned(),
        _ => name_of_this_user(),
    };
    for (name, template) in [("imapd.conf", IMAPD_CONF), ("cyrus.conf", CYRUS_CONF)] {
        let text = template
            .replace("@directory@", directory.to_str().unwrap())
            .replace("@bin@", tree.path("usr/lib/cyrus/bin").to_str().unwrap())
            .replace("@user@", &user)
            .replace("@port@", &port.to_string());
        std::fs::write(directory.join(name), text).unwrap();
    }
    started::give_to_mail(directory);
}

fn name_of_this_user() -> String {
    let output = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The mechanisms of the tree and, where they are installed, the system's.
fn sasl_path(tree: &Tree) -> std::ffi::OsString {
    let libraries = tree.libraries();
    let directories = std::env::split_paths(&libraries).map(|path| path.join("sasl2"));
    std::env::join_paths(directories).unwrap()
}

/// Stands in for saslauthd, so that no user has to be made beforehand.
fn serve_passwords(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let socket = directory.join("saslauthd");
    let listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    task::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            task::spawn(async move { judge(stream).await.ok() });
        }
    });
}

/// One question: user, password, service and realm, each after its length; and the answer in the same form.
async fn judge(mut stream: UnixStream) -> std::io::Result<()> {
    let mut words = Vec::new();
    for _ in 0..4 {
        let mut word = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut word).await?;
        words.push(word);
    }
    let answer: &[u8] = if words[1] == b"secret" {
        b"\0\x02OK"
    } else {
        b"\0\x02NO"
    };
    stream.write_all(answer).await
}
