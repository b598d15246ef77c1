//! A child process that cannot outlive its parent.
//!
//! The command runs under a few lines of `sh` that hold the reading end of a pipe. Whatever ends the parent, an
//! exit, a panic or SIGKILL, closes the pipe, and the shell then stops the command and tidies up. So nothing has to
//! be dropped in time, and statics in tests are as safe as values.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _, Seek as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child as Process, Command};

/// How long a command may take to obey before it is left to the shell that watches it.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How many lines are shown of what a command said before it ended.
const LAST_WORDS: usize = 12;

/// `$1` is the directory to remove in the end, or nothing; the rest is the command.
///
/// A background command of a shell that is not interactive reads /dev/null and ignores SIGINT; the watchers' own
/// process group keeps Ctrl-C in a terminal from reaching them before the parent has decided what to do.
/// Some servers send SIGTERM to their whole group when they end; the shell has more to do then.
const WATCHDOG: &str = r#"
remove=$1; shift
trap : TERM
exec 3<&0
"$@" </dev/null 3<&- & command=$!
{ read -r _ <&3; kill -TERM "$command"; } 2>/dev/null & watch=$!
exec 3<&-
while wait "$command"; status=$?; kill -0 "$command" 2>/dev/null; do :; done
kill "$watch" 2>/dev/null
[ -z "$remove" ] || rm -rf -- "$remove"
exit "$status"
"#;

/// What to run, and what to tidy up after it.
#[derive(Debug)]
pub struct Builder {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    output: Option<PathBuf>,
    remove: OsString,
}

impl Builder {
    /// Runs this program, found in `PATH` unless it has a slash.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            arguments: vec![program.as_ref().to_owned()],
            environment: Vec::new(),
            output: None,
            remove: OsString::new(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Writes what the command prints to a file; otherwise it is lost.
    #[must_use]
    pub fn output(mut self, file: impl AsRef<Path>) -> Self {
        self.output = Some(file.as_ref().to_owned());
        self
    }

    /// Removes a directory when the command has ended, however that came about.
    #[must_use]
    pub fn remove_afterwards(mut self, directory: impl AsRef<Path>) -> Self {
        directory.as_ref().as_os_str().clone_into(&mut self.remove);
        self
    }

    /// Starts the command.
    ///
    /// # Errors
    /// When there is no `sh` or the output file cannot be written. A command that does not exist is an exit with 127.
    pub fn start(self) -> io::Result<Child> {
        let log = match self.output {
            Some(path) => {
                let mut options = File::options();
                Some(options.create(true).append(true).read(true).open(path)?)
            }
            None => None,
        };
        let output = || match &log {
            Some(file) => file.try_clone().map(Stdio::from),
            None => Ok(Stdio::null()),
        };
        let mut process = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(self.remove)
            .args(self.arguments)
            .envs(self.environment)
            .stdin(Stdio::piped())
            .stdout(output()?)
            .stderr(output()?)
            .process_group(0)
            .spawn()?;
        let life = match process.stdin.take() {
            Some(pipe) => pipe.into_owned_fd()?,
            None => return Err(io::Error::other("the child has no standard input")),
        };
        Ok(Child { process, life, log })
    }
}

/// A running command; dropped, it is told to stop and not waited for.
#[derive(Debug)]
pub struct Child {
    process: Process,
    life: OwnedFd,
    log: Option<File>,
}

impl Child {
    /// The last lines of its output, which can be read even when the file is removed already.
    pub fn last_words(&mut self) -> String {
        let mut text = String::new();
        if let Some(log) = &mut self.log {
            // Half of the text is better than no text.
            log.rewind().ok();
            log.read_to_string(&mut text).ok();
        }
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// As `waitpid`.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// Waits until the command ends by itself.
    ///
    /// # Errors
    /// As `waitpid`.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Ends the command, and all that it has started and that has stayed in its process group, as a power failure does: nobody
    /// can finish anything, and the directory that was to be removed stays.
    ///
    /// # Errors
    /// As `waitpid`, and when there is no `sh`.
    pub async fn kill(mut self) -> io::Result<()> {
        if let Some(group) = self.process.id() {
            let kill = ["-c", "kill -s KILL -- \"-$0\"", &group.to_string()];
            Command::new("/bin/sh").args(kill).status().await?;
        }
        self.process.wait().await.map(drop)
    }

    /// Tells it to stop and waits until the command has ended and its directory is removed.
    ///
    /// # Errors
    /// As `waitpid`, and `TimedOut` after ten seconds.
    pub async fn stop(self) -> io::Result<ExitStatus> {
        let Self {
            mut process, life, ..
        } = self;
        drop(life);
        tokio::time::timeout(STOP_PATIENCE, process.wait())
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the command does not stop"))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command that says when it is there.
    async fn started(script: &str, directory: &Path) -> Child {
        let ready = directory.join("ready");
        let script = format!("trap 'exit 7' TERM; touch '{}'; {script}", ready.display());
        let child = Builder::new("/bin/sh")
            .argument("-c")
            .argument(script)
            .remove_afterwards(directory)
            .start()
            .unwrap();
        // Its directory may be gone again already.
        while !ready.exists() && directory.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child
    }

    #[tokio::test]
    async fn a_command_that_is_stopped_takes_its_directory_along() {
        let directory = tempfile::tempdir().unwrap().keep();
        let child = started("sleep 60 & wait", &directory).await;
        let status = child.stop().await.unwrap();
        assert_eq!(status.code(), Some(7));
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn a_command_that_is_dropped_ends_soon() {
        let directory = tempfile::tempdir().unwrap().keep();
        drop(started("sleep 60 & wait", &directory).await);
        while directory.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_command_that_is_killed_takes_its_children_along() {
        let directory = tempfile::tempdir().unwrap();
        let (pipe, open) = (directory.path().join("pipe"), directory.path().join("open"));
        let script = format!(
            "mkfifo '{0}'; (exec 3>'{0}'; touch '{1}'; exec sleep 60) & wait",
            pipe.display(),
            open.display()
        );
        let child = started(&script, directory.path()).await;
        let there = async |path: &Path| {
            while !path.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        there(&pipe).await;
        let read = tokio::task::spawn_blocking(move || std::fs::read(pipe));
        there(&open).await;
        child.kill().await.unwrap();
        // It ends when the last who could write to it has.
        assert_eq!(read.await.unwrap().unwrap(), b"");
        assert!(directory.path().exists());
    }

    #[tokio::test]
    async fn a_command_that_kills_its_group_is_tidied_up_after() {
        let directory = tempfile::tempdir().unwrap().keep();
        let mut child = started("kill -TERM 0; sleep 60 & wait", &directory).await;
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn a_command_that_ends_by_itself_leaves_its_status_and_its_last_words() {
        let directory = tempfile::tempdir().unwrap().keep();
        let builder = Builder::new("/bin/sh")
            .argument("-c")
            .argument("echo some; echo words >&2; exit 3")
            .output(directory.join("log"))
            .remove_afterwards(&directory);
        let mut child = builder.start().unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
        assert_eq!(
            child.ended().unwrap().and_then(|status| status.code()),
            Some(3)
        );
        assert_eq!(child.last_words(), "some\nwords");
    }
}
