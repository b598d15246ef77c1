//! The directory of a private Dovecot and the configuration in it.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use super::{Error, OPERATOR, Options, PASSWORD};

const TEMPLATE: &str = include_str!("../../../fixtures/dovecot/dovecot.conf");
/// The longest socket name Dovecot makes below its directory is about 30 bytes, and a socket's path has room for 107.
const LONGEST_DIRECTORY: usize = 70;

/// Makes the directory and what belongs into it, and returns its real path.
pub(super) fn prepare(directory: &Path) -> Result<PathBuf, Error> {
    for part in ["run", "mail", "acl"] {
        let path = directory.join(part);
        std::fs::create_dir_all(&path).map_err(|error| refused(&path, &error))?;
    }
    let directory = directory
        .canonicalize()
        .map_err(|error| refused(directory, &error))?;
    let text = directory
        .to_str()
        .ok_or_else(|| refused(&directory, &"the name is not UTF-8"))?;
    if text.len() > LONGEST_DIRECTORY {
        return Err(refused(&directory, &"too long a name for sockets below it"));
    }
    // They would be syntax in Dovecot's configuration.
    if text.contains([' ', '"', '#', '%', '{', '}', '$', ':', '\'', '\\', '=']) {
        return Err(refused(&directory, &"the name has a special character"));
    }
    if is_root()? {
        open_to_mail(&directory)?;
    }
    Ok(directory)
}

fn refused(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Directory {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

fn is_root() -> io::Result<bool> {
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

/// As root, mail is written by user `mail`, who has to be able to get there.
fn open_to_mail(directory: &Path) -> Result<(), Error> {
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))?;
    for ancestor in directory.ancestors() {
        if std::fs::metadata(ancestor)?.permissions().mode() & 0o001 == 0 {
            let reason = "user mail, who writes the mail when root starts this, cannot enter it";
            return Err(refused(ancestor, &reason));
        }
    }
    let (user, group) = mail_owner()?;
    for part in ["mail", "acl"] {
        let path = directory.join(part);
        std::os::unix::fs::chown(&path, user.parse().ok(), group.parse().ok())
            .map_err(|error| refused(&path, &error))?;
    }
    Ok(())
}

pub(super) fn write(
    options: &Options,
    directory: &Path,
    imap: SocketAddr,
    imaps: Option<SocketAddr>,
) -> Result<PathBuf, Error> {
    let root = is_root()?;
    let (uid, gid) = mail_owner()?;
    let internal_user = if root {
        String::new()
    } else {
        let user = id("-un")?;
        let group = id("-gn")?;
        format!(
            "default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}"
        )
    };
    let tls = match &options.tls {
        None => "ssl = no".to_owned(),
        Some(tls) => {
            let certificate = directory.join("certificate.pem");
            let key = directory.join("key.pem");
            write_private(&certificate, &tls.certificate)?;
            write_private(&key, &tls.key)?;
            format!(
                "ssl = yes\nssl_cert = <{}\nssl_key = <{}",
                certificate.display(),
                key.display()
            )
        }
    };
    let values = BTreeMap::from([
        ("directory", directory.display().to_string()),
        ("address", imap.ip().to_string()),
        ("port", imap.port().to_string()),
        // Port 0 switches the listener off.
        ("tls_port", imaps.map_or(0, |at| at.port()).to_string()),
        ("tls", tls),
        ("internal_user", internal_user),
        // Without root nobody may change the root directory.
        ("no_chroot", if root { "" } else { "chroot =" }.to_owned()),
        ("mail_uid", uid),
        ("mail_gid", gid),
        ("separator", options.separator.to_string()),
        (
            "failure_delay",
            format!("{} msecs", options.failure_delay.as_millis()),
        ),
        ("password", PASSWORD.to_owned()),
    ]);
    write_private(
        &directory.join("master.passwd"),
        &format!("{}:{{PLAIN}}{}\n", OPERATOR.0, OPERATOR.1),
    )?;
    write_private(&directory.join("users.passwd"), "")?;
    if root {
        for file in ["master.passwd", "users.passwd"] {
            // Read by Dovecot's auth process, which is not root.
            let readable = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(directory.join(file), readable)?;
        }
    }
    let path = directory.join("dovecot.conf");
    write_private(&path, &(fill(TEMPLATE, &values) + &options.extra + "\n"))?;
    Ok(path)
}

fn fill(template: &str, values: &BTreeMap<&str, String>) -> String {
    let mut text = template.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), value);
    }
    text
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Numeric user and group of the mail files.
fn mail_owner() -> io::Result<(String, String)> {
    if is_root()? {
        return Ok((id_of("mail", "-u")?, id_of("mail", "-g")?));
    }
    Ok((id("-u")?, id("-g")?))
}

fn id(what: &str) -> io::Result<String> {
    run_id(&[what])
}

fn id_of(user: &str, what: &str) -> io::Result<String> {
    run_id(&[what, user])
}

fn run_id(arguments: &[&str]) -> io::Result<String> {
    let output = Command::new("id").args(arguments).output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(reason));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn every_placeholder_of_the_template_is_filled() {
        let directory = tempfile::tempdir().unwrap();
        let options = Options::new(directory.path());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 10143));
        let path = write(&options, directory.path(), address, None).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let left: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#') && line.contains('@'))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
