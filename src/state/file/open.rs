//! From a path to an open file, and why not.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use redb::{Builder, Database, backends::FileBackend};

use super::database;

/// Bytes of pages kept in memory; answers do not come from them.
const CACHE: usize = 8 << 20;
/// For the owner alone.
const MODE: u32 = 0o600;

/// Why a state file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("in use by another process")]
    InUse,
    /// A newer version of this program made it.
    #[error("made by a newer version: it has schema {found}, known is up to {known}")]
    Newer {
        /// Its schema.
        found: u64,
        /// The newest one this version knows.
        known: u64,
    },
    /// It is something else.
    #[error("not a state file of cpm-bridge")]
    Foreign,
    /// It is a state file, and not as it was written.
    #[error(
        "damaged ({0}); without it aliases of what was renamed or moved are forgotten and counters start anew"
    )]
    Damaged(String),
    /// It cannot be opened, made or written.
    #[error("{0}")]
    Unusable(String),
}

/// Tells whether [`FileState::open`](super::FileState::open) can be expected to work, and changes nothing. A file that another
/// process has open is taken to be good.
///
/// # Errors
/// Why it would not.
pub fn check(path: &Path) -> Result<(), OpenError> {
    if existing(path)?.is_none() {
        let directory = directory(path);
        return match fs::metadata(directory) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) | Err(_) => Err(no_directory(directory)),
        };
    }
    without_panic(|| {
        let database = match Builder::new().set_cache_size(CACHE).open_read_only(path) {
            Ok(database) => database,
            // A file that was not closed is repaired when it is opened for writing.
            Err(redb::DatabaseError::DatabaseAlreadyOpen | redb::DatabaseError::RepairAborted) => {
                return Ok(());
            }
            Err(error) => return Err(redb::Error::from(error).into()),
        };
        let transaction = redb::ReadableDatabase::begin_read(&database);
        database::recognise(&transaction.map_err(redb::Error::from)?).map(drop)
    })
}

/// Opens a file, or makes it.
pub(super) fn open(path: &Path) -> Result<(Database, Identity), OpenError> {
    without_panic(|| match existing(path)? {
        Some(file) => {
            tighten(&file, path)?;
            let identity = identity_of(&file)?;
            Ok((opened(file)?, identity))
        }
        None => create(path),
    })
}

/// Opens the file that was open before; another one in its place is none of ours.
pub(super) fn reopen(path: &Path, identity: Identity) -> Result<Database, OpenError> {
    without_panic(|| {
        let file = existing(path)?.ok_or_else(|| OpenError::Unusable("it is gone".to_owned()))?;
        if identity_of(&file)? != identity {
            return Err(OpenError::Foreign);
        }
        opened(file)
    })
}

/// What tells a file from another: device and inode.
pub(super) type Identity = (u64, u64);

fn identity_of(file: &File) -> io::Result<Identity> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The file at a path, if there is one; it must be a plain one that has been written.
fn existing(path: &Path) -> Result<Option<File>, OpenError> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(OpenError::Unusable("not a plain file".to_owned()));
    }
    // An empty file would be taken for a new one, and half a new one after a kill for nothing.
    if metadata.len() == 0 {
        return Err(OpenError::Foreign);
    }
    Ok(Some(file))
}

fn tighten(file: &File, path: &Path) -> io::Result<()> {
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & !MODE != 0 {
        file.set_permissions(fs::Permissions::from_mode(MODE))?;
        let (path, found) = (path.display(), format!("{mode:o}"));
        tracing::warn!(%path, mode = found, "the state file was open to others; it has mode 600 now");
    }
    Ok(())
}

/// Under another name first: whatever ends the process, the path has a whole file or none. A second process that does
/// the same fails, because a link never replaces.
fn create(path: &Path) -> Result<(Database, Identity), OpenError> {
    let directory = directory(path);
    let new = new_name(path);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&new)
        .map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                no_directory(directory)
            } else {
                error.into()
            }
        })?;
    let identity = identity_of(&file)?;
    let made = opened(file).and_then(|database| {
        database::prepare(&database)?;
        match fs::hard_link(&new, path) {
            Ok(()) => Ok(database),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(OpenError::InUse),
            Err(error) => Err(error.into()),
        }
    });
    fs::remove_file(&new)?;
    let database = made?;
    File::open(directory)?.sync_all()?;
    Ok((database, identity))
}

/// Checks every page: what was changed behind our back, or by a bad disk, is found here and not in the middle of work.
fn opened(file: File) -> Result<Database, OpenError> {
    let backend = FileBackend::new(file).map_err(redb::Error::from)?;
    Ok(Builder::new()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true)
        .create_with_backend(backend)
        .map_err(redb::Error::from)?)
}

/// redb is written to answer with errors, and has asserts.
fn without_panic<T>(work: impl FnOnce() -> Result<T, OpenError>) -> Result<T, OpenError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(OpenError::Damaged("reading it failed".to_owned())))
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) | None => Path::new("."),
    }
}

fn no_directory(directory: &Path) -> OpenError {
    OpenError::Unusable(format!("{} is no directory", directory.display()))
}

fn new_name(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(format!(".{}.new", uuid::Uuid::new_v4()));
    name.into()
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Unusable(error.to_string())
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "errors of the library may grow in number, and kinds of I/O errors are many"
)]
impl From<redb::Error> for OpenError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::InUse,
            redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::UpgradeRequired(_) => Self::Foreign,
            redb::Error::Io(error) => match error.kind() {
                // No magic number.
                io::ErrorKind::InvalidData => Self::Foreign,
                io::ErrorKind::UnexpectedEof => Self::Damaged("it ends early".to_owned()),
                _ => error.into(),
            },
            redb::Error::Corrupted(what) => Self::Damaged(what),
            other => Self::Damaged(other.to_string()),
        }
    }
}
