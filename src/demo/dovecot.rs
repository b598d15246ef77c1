//! A private Dovecot, for the demo and for the tests.
//!
//! - Everything it writes is below one directory; it listens on one address; it ends with its [`Dovecot`] value.
//! - It needs no privileges. As root its mail processes run as user `mail`, as anybody else all of it runs as them.
//! - Any login name is a user, with [`PASSWORD`]. [`OPERATOR`] may log in for anybody.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
};

use super::child;

mod configuration;

/// The password of every user.
pub const PASSWORD: &str = "secret";
/// The operator: SASL PLAIN with an authorization identity, or `LOGIN user*bridge`.
pub const OPERATOR: (&str, &str) = ("bridge", "masterpass");

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
    /// See [`Error`]; nothing is left running, and no directory that was to be removed.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let mut dovecot = Self::launch(&options).inspect_err(|_| {
            if options.remove_directory {
                // There is a better error to report than one from here.
                std::fs::remove_dir_all(&options.directory).ok();
            }
        })?;
        match dovecot.await_greeting().await {
            Ok(()) => Ok(dovecot),
            Err(error) => {
                dovecot.stop().await?;
                Err(error)
            }
        }
    }

    fn launch(options: &Options) -> Result<Self, Error> {
        let program = installed()?;
        let directory = configuration::prepare(&options.directory)?;
        let imap = free_address(options.listen)?;
        let imaps = match options.tls {
            Some(_) => Some(free_address(SocketAddr::new(imap.ip(), 0))?),
            None => None,
        };
        let configuration = configuration::write(options, &directory, imap, imaps)?;
        let mut builder = child::Builder::new(program)
            .argument("-F")
            .argument("-c")
            .argument(configuration)
            .output(directory.join("dovecot.log"));
        if options.remove_directory {
            builder = builder.remove_afterwards(&directory);
        }
        Ok(Self {
            imap,
            imaps,
            directory,
            child: builder.start()?,
        })
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
            Ok(_) => Error::Ended(self.child.last_words()),
            Err(error) => Error::Io(error),
        }
    }

    /// Ends all its processes as a power failure does; its directory stays. It can be started there again.
    ///
    /// # Errors
    /// When it does not end, or had not begun.
    pub async fn kill(self) -> io::Result<()> {
        self.child.kill().await?;
        // Until init has buried it, the next one would take it for running.
        std::fs::remove_file(self.directory.join("run/master.pid"))
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
                return Err(Error::Start(self.child.last_words()));
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let other = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = other.local_addr().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::new(directory.path());
        options.listen = address;
        options.remove_directory = true;
        let error = Dovecot::start(options).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert!(!directory.path().exists());
    }

    #[tokio::test]
    async fn a_setting_dovecot_does_not_know_is_reported_with_its_words() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::new(directory.path());
        options.extra = "no_such_setting = yes".to_owned();
        options.remove_directory = true;
        let error = Dovecot::start(options).await.unwrap_err();
        assert!(error.to_string().contains("no_such_setting"), "{error}");
        assert!(!directory.path().exists());
    }
}
