//! A private Dovecot, for the demo and for the tests.
//!
//! - Everything it writes is below one directory; it listens on one address; it ends with its [`Dovecot`] value.
//! - It needs no privileges. As root its mail processes run as user `mail`, as anybody else all of it runs as them.
//! - Any login name is a user, with [`PASSWORD`]. [`OPERATOR`] may log in for anybody.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
};

use super::child;

/// The password of every user.
pub const PASSWORD: &str = "secret";
/// The operator: SASL PLAIN with an authorization identity, or `LOGIN user*bridge`.
pub const OPERATOR: (&str, &str) = ("bridge", "masterpass");

const TEMPLATE: &str = include_str!("../../fixtures/dovecot/dovecot.conf");
/// The longest socket name Dovecot makes below its directory is about 30 bytes, and a socket's path has room for 107.
const LONGEST_DIRECTORY: usize = 70;
const START_PATIENCE: Duration = Duration::from_secs(15);

/// Why Dovecot does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not installed.
    #[error("dovecot is not installed; install it with: apt-get install dovecot-imapd")]
    Missing,
    /// Another version, whose configuration files are different.
    #[error("dovecot 2.3 is needed, but this is {0}")]
    Version(String),
    /// The directory cannot be used.
    #[error("{path}: {reason}")]
    Directory {
        /// Which.
        path: String,
        /// Why not.
        reason: String,
    },
    /// Somebody else listens there.
    #[error("cannot listen on {address}: {source}")]
    Busy {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// It ended or fell silent before its first greeting; the end of its log.
    #[error("dovecot does not start:\n{0}")]
    Start(String),
    /// It ended while it was needed; the end of its log.
    #[error("dovecot has ended:\n{0}")]
    Ended(String),
    /// A file or a process could not be made.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A certificate and its key, PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// How to start it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it keeps everything; made if it is not there.
    pub directory: PathBuf,
    /// Whether the directory is removed in the end.
    pub remove_directory: bool,
    /// Where it listens; port 0 for any free one.
    pub listen: SocketAddr,
    /// With a certificate it also offers STARTTLS, and TLS from the first byte on a free port.
    pub tls: Option<Tls>,
    /// The hierarchy separator.
    pub separator: char,
    /// How long the answer to a wrong password takes.
    pub failure_delay: Duration,
    /// More settings, in Dovecot's own words, which overrule the others.
    pub extra: String,
}

impl Options {
    /// Loopback, any port, no TLS, `/`, and quick answers to wrong passwords.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            remove_directory: false,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            separator: '/',
            failure_delay: Duration::ZERO,
            extra: String::new(),
        }
    }
}

/// A running Dovecot; dropped, it ends soon.
#[derive(Debug)]
pub struct Dovecot {
    imap: SocketAddr,
    imaps: Option<SocketAddr>,
    directory: PathBuf,
    child: child::Child,
}

impl Dovecot {
    /// Starts it and waits for its first greeting.
    ///
    /// # Errors
    /// See [`Error`]; nothing is left running.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let program = installed()?;
        let directory = prepare(&options.directory)?;
        let imap = free_address(options.listen)?;
        let imaps = match options.tls {
            Some(_) => Some(free_address(SocketAddr::new(imap.ip(), 0))?),
            None => None,
        };
        let configuration = write_configuration(&options, &directory, imap, imaps)?;
        let mut builder = child::Builder::new(program)
            .argument("-F")
            .argument("-c")
            .argument(configuration)
            .output(directory.join("dovecot.out"));
        if options.remove_directory {
            builder = builder.remove_afterwards(&directory);
        }
        let mut dovecot = Self {
            imap,
            imaps,
            directory,
            child: builder.start()?,
        };
        dovecot.await_greeting().await?;
        Ok(dovecot)
    }

    /// Where it speaks IMAP.
    #[must_use]
    pub fn imap(&self) -> SocketAddr {
        self.imap
    }

    /// Where it speaks IMAP inside TLS, if it was given a certificate.
    #[must_use]
    pub fn imaps(&self) -> Option<SocketAddr> {
        self.imaps
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Limits the storage of one login that has not been used yet.
    ///
    /// # Errors
    /// When the file of special users cannot be written.
    pub fn limit_storage(&self, login: &str, kilobytes: u32) -> io::Result<()> {
        let mut users = std::fs::File::options()
            .append(true)
            .open(self.directory.join("users.passwd"))?;
        writeln!(
            users,
            "{login}:::::::userdb_quota_rule=*:storage={kilobytes}k"
        )
    }

    /// Waits until it ends by itself, which it should not.
    pub async fn ended(&mut self) -> Error {
        match self.child.wait().await {
            Ok(_) => Error::Ended(self.last_words()),
            Err(error) => Error::Io(error),
        }
    }

    /// Stops it and waits until it, and the directory that was to be removed, are gone.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(self) -> io::Result<()> {
        self.child.stop().await.map(drop)
    }

    async fn await_greeting(&mut self) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + START_PATIENCE;
        loop {
            if let Ok(Ok(())) =
                tokio::time::timeout(Duration::from_secs(5), greeting(self.imap)).await
            {
                return Ok(());
            }
            let over = tokio::time::Instant::now() > deadline;
            if over || self.child.ended()?.is_some() {
                return Err(Error::Start(self.last_words()));
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    fn last_words(&self) -> String {
        let mut words = String::new();
        for file in ["dovecot.out", "dovecot.log"] {
            let text = std::fs::read_to_string(self.directory.join(file)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            words.push_str(&lines[lines.len().saturating_sub(8)..].join("\n"));
        }
        words
    }
}

async fn greeting(address: SocketAddr) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(TcpStream::connect(address).await?)
        .read_line(&mut line)
        .await?;
    if line.starts_with("* OK") {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// The program, if it is there and of the version the template is written for.
fn installed() -> Result<PathBuf, Error> {
    // An ordinary user's PATH often lacks the directory Debian puts it in.
    let program = ["/usr/sbin/dovecot", "/usr/local/sbin/dovecot"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from("dovecot"));
    let output = Command::new(&program)
        .arg("--version")
        .output()
        .map_err(|_| Error::Missing)?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !version.starts_with("2.3.") {
        return Err(Error::Version(version));
    }
    let imap = Path::new("/usr/lib/dovecot/imap");
    if program.starts_with("/usr/sbin") && !imap.exists() {
        return Err(Error::Missing);
    }
    Ok(program)
}

/// Makes the directory and what belongs into it, and returns its real path.
fn prepare(directory: &Path) -> Result<PathBuf, Error> {
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

/// The port itself is given back before Dovecot takes it: nobody else is likely to ask in between, and if
/// somebody does, Dovecot says so and ends.
fn free_address(wanted: SocketAddr) -> Result<SocketAddr, Error> {
    std::net::TcpListener::bind(wanted)
        .and_then(|listener| listener.local_addr())
        .map_err(|source| Error::Busy {
            address: wanted,
            source,
        })
}

fn write_configuration(
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
    use super::*;

    #[test]
    fn every_placeholder_of_the_template_is_filled() {
        let directory = tempfile::tempdir().unwrap();
        let options = Options::new(directory.path());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 10143));
        let path = write_configuration(&options, directory.path(), address, None).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let left: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#') && line.contains('@'))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let other = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = other.local_addr().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::new(directory.path());
        options.listen = address;
        let error = Dovecot::start(options).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    #[tokio::test]
    async fn a_setting_dovecot_does_not_know_is_reported_with_its_words() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::new(directory.path());
        options.extra = "no_such_setting = yes".to_owned();
        let error = Dovecot::start(options).await.unwrap_err();
        assert!(error.to_string().contains("no_such_setting"), "{error}");
    }
}
