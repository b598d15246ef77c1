//! Courier IMAP, unpacked and started for one test, with the users [`USERS`].
//!
//! Its paths are compiled in, so it runs in a mount namespace (and a process namespace, which takes all of it along
//! when it ends): root may make one, other users where the kernel lets them have user namespaces.

use std::path::Path;

use cpm_bridge::demo::child::Builder;

use super::{
    started::{self, Started},
    unpacked::Tree,
};

/// Who can log in, with the usual password.
pub(crate) const USERS: [&str; 2] = ["+15550100", "tel:+15550100"];

const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/courier/run.sh");
/// `openssl passwd -1 -salt cpmbridge secret`
const PASSWORD: &str = "$1$cpmbridg$uV1LvlHS2pAG638Xmx7CQ/";

/// Starts it; panics, and says what is missing, where that cannot be.
pub(crate) async fn start() -> Started {
    let packages = [
        "courier-imap",
        "courier-base",
        "courier-authdaemon",
        "courier-authlib",
        "courier-authlib-userdb",
        "gamin",
    ];
    let unpacking = move || Tree::of("courier", &packages);
    let tree = tokio::task::spawn_blocking(unpacking).await.unwrap();
    let directory = started::directory("courier");
    let imap = started::free_address();
    configure(&directory, &tree);
    let mut command = Builder::new("unshare").stop_with("KILL");
    if started::mail_owner().0 != 8 {
        for argument in ["--user", "--map-current-user", "--keep-caps"] {
            command = command.argument(argument);
        }
    }
    let command = command
        .argument("--mount")
        .argument("--pid")
        .argument("--kill-child")
        .argument("sh")
        .argument(RUN)
        .argument(&directory)
        .argument(tree.path(""))
        .argument(imap.port().to_string())
        .environment("LD_LIBRARY_PATH", tree.libraries());
    Started::new(command, imap, directory).await
}

fn configure(directory: &Path, tree: &Tree) {
    let etc = directory.join("etc");
    copy(&tree.path("etc/courier"), &etc);
    let settings = "authmodulelist=\"authuserdb\"\nauthmodulelistorig=\"authuserdb\"\n\
                    daemons=2\nsubsystem=mail\nDEBUG_LOGIN=0\n";
    std::fs::write(etc.join("authdaemonrc"), settings).unwrap();
    let imapd = std::fs::read_to_string(etc.join("imapd")).unwrap();
    let more = "\nIMAP_ENHANCEDIDLE=1\nIMAP_EMPTYTRASH=\nIMAP_ACL=1\nIMAP_KEYWORDS=1\n";
    std::fs::write(etc.join("imapd"), imapd + more).unwrap();

    let (uid, gid) = started::mail_owner();
    let mut users = String::new();
    for (number, user) in USERS.iter().enumerate() {
        let home = directory.join(format!("mail/{number}"));
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(home.join("Maildir").join(part)).unwrap();
        }
        let home = home.display();
        users += &format!(
            "{user}\tuid={uid}|gid={gid}|home={home}|mail={home}/Maildir|imappw={PASSWORD}\n"
        );
    }
    started::give_to_mail(&directory.join("mail"));
    std::fs::write(etc.join("userdb"), users).unwrap();
    // makeuserdb refuses one that others can read.
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(etc.join("userdb"), private).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
