//! Where bytes wait that came from outside and whose length is known only at their end.
//!
//! * Memory holds at most the limit for one writer; the rest is in one file, so one descriptor, however many pieces there are.
//! * A file has no name from the moment it exists, its mode is 0600: it is gone with its last reader, also when the process
//!   is killed. Only a kill between making it and taking its name away leaves one, empty; [`Spool::sweep`] removes it.
//! * Nothing here blocks the runtime: files are written and read on the threads for blocking work, a piece at a time.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    mem,
    ops::Range,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::task::spawn_blocking;

/// Begins the name of every file, for as long as it has one.
const PREFIX: &str = "cpm-bridge-spool-";
/// Octets in the longest piece that is read.
const PIECE: u64 = 64 * 1024;

/// A directory for what does not fit into memory.
#[derive(Debug, Clone)]
pub struct Spool {
    directory: Arc<Path>,
    memory_limit: usize,
}

/// Takes bytes until their end is known.
#[derive(Debug)]
pub struct SpoolWriter {
    spool: Spool,
    /// What the file does not have yet.
    buffer: Vec<u8>,
    file: Option<Arc<File>>,
    /// Octets in the file.
    written: u64,
}

/// Bytes that came in; cheap to clone, readable from anywhere and any number of times.
#[derive(Debug, Clone)]
pub struct Blob {
    place: Place,
    range: Range<u64>,
}

#[derive(Debug, Clone)]
enum Place {
    Memory(Bytes),
    File(Arc<File>),
}

impl Spool {
    /// A spool in a directory that exists; `memory_limit` is how many octets one writer keeps in memory, at least one.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn new(directory: PathBuf, memory_limit: usize) -> io::Result<Self> {
        nameless(&directory)?;
        Ok(Self {
            directory: directory.into(),
            memory_limit: memory_limit.max(1),
        })
    }

    /// Removes what a killed process left: names that begin as ours do. Another process that made such a file at this
    /// very moment has it open already and does not miss the name.
    ///
    /// # Errors
    /// When the directory cannot be read. A file that cannot be removed stays: it is another user's.
    pub fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Octets that one writer keeps in memory.
    #[must_use]
    pub fn memory_limit(&self) -> usize {
        self.memory_limit
    }

    /// Begins a run of bytes. Dropping the writer drops them.
    #[must_use]
    pub fn writer(&self) -> SpoolWriter {
        SpoolWriter {
            spool: self.clone(),
            buffer: Vec::new(),
            file: None,
            written: 0,
        }
    }
}

impl SpoolWriter {
    /// Appends bytes; waits for the disk when memory is full.
    ///
    /// # Errors
    /// When the file cannot be made or written, as on a full disk. The writer is of no further use then.
    pub async fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = self.spool.memory_limit.saturating_sub(self.buffer.len());
            if room == 0 {
                self.flush().await?;
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Octets taken so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.written + length(self.buffer.len())
    }

    /// Whether nothing has been taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the run.
    ///
    /// # Errors
    /// As for [`SpoolWriter::push`].
    pub async fn finish(mut self) -> io::Result<Blob> {
        let range = 0..self.len();
        if self.file.is_some() {
            self.flush().await?;
        }
        let place = match self.file {
            Some(file) => Place::File(file),
            None => Place::Memory(self.buffer.into()),
        };
        Ok(Blob { place, range })
    }

    /// Moves what is in memory to the file, which is made for the first time.
    async fn flush(&mut self) -> io::Result<()> {
        let buffer = mem::take(&mut self.buffer);
        let file = self.file.clone();
        let directory = Arc::clone(&self.spool.directory);
        let (file, mut buffer) = blocking(move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(nameless(&directory)?),
            };
            (&*file).write_all(&buffer)?;
            Ok((file, buffer))
        })
        .await?;
        self.written += length(buffer.len());
        buffer.clear();
        self.buffer = buffer;
        self.file = Some(file);
        Ok(())
    }
}

impl Blob {
    /// Octets.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A part of it, as a blob; what lies beyond its end is left out.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let within = |at: u64| self.range.start.saturating_add(at).min(self.range.end);
        let start = within(range.start);
        Self {
            place: self.place.clone(),
            range: start..within(range.end).max(start),
        }
    }

    /// The octets of a range in pieces of at most 64 KiB.
    ///
    /// # Errors
    /// The stream ends in [`io::ErrorKind::UnexpectedEof`] where the range lies beyond the end: who announced its length
    /// must not take less for the whole. Otherwise in what the disk says.
    pub fn read(
        &self,
        range: Range<u64>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
        let blob = self.slice(range.clone());
        let missing = range.end.saturating_sub(range.start) - blob.len();
        Box::pin(stream::try_unfold(blob, move |mut blob| async move {
            if blob.is_empty() {
                let complete = missing == 0;
                return complete
                    .then_some(None)
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
            }
            let piece = blob.slice(0..PIECE);
            blob.range.start = piece.range.end;
            Ok(Some((piece.bytes().await?, blob)))
        }))
    }

    /// All its octets.
    async fn bytes(&self) -> io::Result<Bytes> {
        let too_much = |_| io::Error::from(io::ErrorKind::OutOfMemory);
        let start = self.range.start;
        match self.place.clone() {
            Place::Memory(bytes) => {
                let start = usize::try_from(start).map_err(too_much)?;
                let end = usize::try_from(self.range.end).map_err(too_much)?;
                Ok(bytes.slice(start..end))
            }
            Place::File(file) => {
                let length = usize::try_from(self.len()).map_err(too_much)?;
                blocking(move || {
                    let mut bytes = vec![0; length];
                    file.read_exact_at(&mut bytes, start)?;
                    Ok(bytes.into())
                })
                .await
            }
        }
    }
}

/// A file that loses its name at once, so that it lives no longer than its descriptors.
fn nameless(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!("{PREFIX}{}", uuid::Uuid::new_v4()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    match fs::remove_file(&path) {
        // Another process swept.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(file),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

fn length(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use futures_util::TryStreamExt;
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    const LIMIT: usize = 64 * 1024;

    fn spool() -> (TempDir, Spool) {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path().to_owned(), LIMIT).unwrap();
        (directory, spool)
    }

    async fn blob(spool: &Spool, pieces: &[&[u8]]) -> Blob {
        let mut writer = spool.writer();
        for piece in pieces {
            writer.push(piece).await.unwrap();
        }
        writer.finish().await.unwrap()
    }

    async fn read(blob: &Blob, range: Range<u64>) -> io::Result<Vec<u8>> {
        let pieces: Vec<Bytes> = blob.read(range).try_collect().await?;
        assert!(
            pieces
                .iter()
                .all(|piece| (1..=LIMIT).contains(&piece.len()))
        );
        Ok(pieces.concat())
    }

    fn counted(length: usize) -> Vec<u8> {
        (0..length)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect()
    }

    fn names(directory: &TempDir) -> usize {
        fs::read_dir(directory.path()).unwrap().count()
    }

    #[tokio::test]
    async fn what_fits_stays_in_memory_and_one_octet_more_does_not() {
        let (_directory, spool) = spool();
        let bytes = counted(LIMIT + 1);
        let fits = blob(&spool, &[&bytes[..LIMIT]]).await;
        assert!(matches!(fits.place, Place::Memory(_)));
        assert_eq!(read(&fits, 0..fits.len()).await.unwrap(), bytes[..LIMIT]);
        let larger = blob(&spool, &[&bytes[..LIMIT], &bytes[LIMIT..]]).await;
        assert!(matches!(larger.place, Place::File(_)));
        assert_eq!(read(&larger, 0..larger.len()).await.unwrap(), bytes);
        let nothing = blob(&spool, &[]).await;
        assert!(nothing.is_empty() && read(&nothing, 0..0).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_file_is_private_and_has_no_name() {
        let (directory, spool) = spool();
        let blob = blob(&spool, &[&counted(LIMIT * 3)]).await;
        let Place::File(file) = &blob.place else {
            panic!("in memory");
        };
        let metadata = file.metadata().unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o600);
        assert_eq!(metadata.nlink(), 0);
        assert_eq!(names(&directory), 0);
    }

    #[tokio::test]
    async fn a_range_beyond_the_end_fails_after_what_there_is() {
        let (_directory, spool) = spool();
        for length in [10, LIMIT + 10] {
            let blob = blob(&spool, &[&counted(length)]).await;
            let beyond = blob.len() + 1;
            let failed = read(&blob, 0..beyond).await.unwrap_err();
            assert_eq!(failed.kind(), io::ErrorKind::UnexpectedEof);
            let failed = read(&blob, u64::MAX - 1..u64::MAX).await.unwrap_err();
            assert_eq!(failed.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[tokio::test]
    async fn slices_read_at_the_same_time_do_not_disturb_each_other() {
        let (_directory, spool) = spool();
        let bytes = counted(LIMIT * 5);
        let whole = blob(&spool, &[&bytes]).await;
        let middle = whole.slice(1000..300_000);
        drop(spool);
        let readers = (0..8).map(|_| read(&middle, 7..200_000));
        for read in futures_util::future::join_all(readers).await {
            assert_eq!(read.unwrap(), bytes[1007..201_000]);
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error_and_leaves_nothing() {
        // Every write there fails with ENOSPC.
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (directory, spool) = spool();
        let mut writer = spool.writer();
        writer.file = Some(Arc::new(full));
        writer.push(&counted(LIMIT)).await.unwrap();
        let failed = writer.push(b"x").await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
        assert_eq!(names(&directory), 0);
    }

    #[test]
    fn a_directory_without_room_for_files_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let missing = Spool::new(directory.path().join("missing"), LIMIT).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_names_that_begin_as_ours_are_swept() {
        let (directory, spool) = spool();
        for name in ["cpm-bridge-spool-1", "cpm-bridge.redb", "other"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join("cpm-bridge-spool-directory")).unwrap();
        spool.sweep().unwrap();
        assert_eq!(names(&directory), 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_cutting_gives_the_same_bytes(cuts in proptest::collection::vec(0..9_usize, 0..40), from in 0..100_u64, to in 0..100_u64, limit in 0..20_usize) {
            let bytes = counted(cuts.iter().sum());
            let directory = tempfile::tempdir().unwrap();
            let spool = Spool::new(directory.path().to_owned(), limit).unwrap();
            let limit = limit.max(1);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut writer = spool.writer();
                let mut rest = &bytes[..];
                for cut in cuts {
                    writer.push(&rest[..cut]).await.unwrap();
                    assert!(writer.buffer.len() <= limit);
                    rest = &rest[cut..];
                }
                let blob = writer.finish().await.unwrap();
                let inside = blob.slice(from..to);
                let end = usize::try_from(to).unwrap().min(bytes.len());
                let start = usize::try_from(from).unwrap().min(end);
                assert_eq!(read(&blob, 0..blob.len()).await.unwrap(), bytes);
                assert_eq!(read(&inside, 0..inside.len()).await.unwrap(), &bytes[start..end]);
            });
        }
    }
}
