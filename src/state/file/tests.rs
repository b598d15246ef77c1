//! What only a file does: to outlive the process, to fail, to be somebody else's.

use std::{
    fs::{self, OpenOptions, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        LazyLock,
        atomic::{AtomicU8, Ordering},
    },
};

use chrono::TimeDelta;
use proptest::prelude::*;
use redb::{Builder, StorageBackend, TableDefinition, backends::FileBackend};
use tokio::runtime;

use super::*;
use crate::state::{
    BURIED_FOR, CORRELATED_FOR,
    graves::Grave,
    records,
    tests::{a_move, creation, in_file, moved, outcome},
};

fn path(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("state.redb")
}

/// Everything in a directory.
fn names(directory: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

async fn refusal(path: &Path) -> OpenError {
    FileState::open(path).await.unwrap_err()
}

fn note(name: &str, content: Option<&str>) -> Note {
    Note {
        kind: NoteKind::Entry,
        scope: "a".to_owned(),
        name: name.into(),
        content: content.map(|content| content.as_bytes().to_vec()),
        awaited: false,
    }
}

#[tokio::test]
async fn notes_outlive_a_restart_and_are_handed_over_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    let state = in_file(&file).await;
    let of = |name: &str, kind| Note {
        kind,
        ..note(name, Some(name))
    };
    state.keep(vec![
        of("one", NoteKind::Entry),
        of("two", NoteKind::Channel),
    ]);
    state.keep(vec![note("one", Some("another")), note("gone", Some("x"))]);
    state.keep(vec![note("gone", None)]);
    assert_eq!(state.take_kept(), []);
    drop(state);

    let state = in_file(&file).await;
    let mut kept = state.take_kept();
    kept.sort_by_key(|(kind, _)| kind.number());
    let expected = [
        (NoteKind::Channel, b"two".to_vec()),
        (NoteKind::Entry, b"another".to_vec()),
    ];
    assert_eq!(kept, expected);
    assert_eq!(state.take_kept(), []);
}

#[tokio::test]
async fn everything_outlives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    let state = in_file(&file).await;
    let shown = state.revision("a", b"x", 1).value;
    state.alias("a", b"first", b"second");
    state.alias("a", b"gone", b"away");
    state.alias("a", b"gone", b"gone");
    let mut done = creation("nonce");
    done.outcome = Some(outcome());
    state.correlate("a", b"done", done.clone());
    state.correlate("a", b"intent", creation("other"));
    state.correlate("a", b"failed", creation("third"));
    state.forget_correlated("a", b"failed");
    let made = DateTime::from_timestamp_micros(7).unwrap();
    state.made("a", b"x", made);
    state.bury("a", &[b"first".to_vec(), b"second".to_vec()]);
    state.intend_move("a", a_move(1));
    state.intend_move("a", a_move(2));
    state.conclude_move("a", &[2; 16], &[moved(b"object", b"there", 1 << 40)]);
    drop(state);

    let state = in_file(&file).await;
    assert_eq!(state.revision("a", b"x", 1).value, shown);
    assert!(state.revision("a", b"x", 2).value > shown);
    assert_eq!(state.found("a", b"first").as_deref(), Some(&b"second"[..]));
    assert_eq!(state.shown("a", b"second").as_deref(), Some(&b"first"[..]));
    assert_eq!(state.found("a", b"gone"), None);
    assert_eq!(state.shown("a", b"away"), None);
    assert_eq!(state.correlated("a", b"done"), Some(done));
    assert_eq!(state.correlated("a", b"intent").unwrap().nonce, "other");
    assert_eq!(state.correlated("a", b"failed"), None);
    assert_eq!(state.made_at("a", b"x"), Some(made));
    assert_eq!(state.buried("a", 9), [&b"second"[..], b"first"]);
    let left = state.moves("a");
    assert_eq!(left.len(), 1);
    let expected = Move {
        at: left[0].at,
        ..a_move(1)
    };
    assert_eq!(left, [expected]);
    assert_eq!(state.found("a", b"object").as_deref(), Some(&b"there"[..]));
    assert_eq!(state.offset("a", b"object"), 1 << 40);
    state.conclude_move("a", &[1; 16], &[moved(b"object", b"here", 0)]);
    drop(state);

    let state = in_file(&file).await;
    assert_eq!(state.moves("a"), []);
    assert_eq!(state.offset("a", b"object"), 0);
}

const OFFSETS: TableDefinition<'_, &[u8; 16], u64> = TableDefinition::new("offsets");
type StoredMove = (
    i64,
    &'static [u8; 16],
    &'static [u8; 16],
    &'static [u8],
    &'static [u8],
    (u32, u64),
    &'static [u8],
);
const MOVES: TableDefinition<'_, &[u8; 16], StoredMove> = TableDefinition::new("moves");

#[tokio::test]
async fn a_file_of_schema_1_is_read_and_becomes_one_of_schema_2() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    let state = in_file(&file).await;
    state.alias("a", b"first", b"second");
    drop(state);
    let database = Database::open(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    let about: TableDefinition<'_, &str, u64> = TableDefinition::new("cpm-bridge");
    let mut table = transaction.open_table(about).unwrap();
    table.insert("schema", 1).unwrap();
    drop(table);
    assert!(transaction.delete_table(OFFSETS).unwrap());
    assert!(transaction.delete_table(MOVES).unwrap());
    transaction.commit().unwrap();
    drop(database);

    assert_eq!(check(&file), Ok(()));
    let state = in_file(&file).await;
    assert_eq!(state.found("a", b"first").as_deref(), Some(&b"second"[..]));
    state.intend_move("a", a_move(1));
    drop(state);
    let state = in_file(&file).await;
    assert_eq!(state.moves("a").len(), 1);
}

#[tokio::test]
async fn a_move_that_is_none_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    for objects in [&[0; 27][..], &[0; 29]] {
        drop(in_file(&file).await);
        let database = Database::open(&file).unwrap();
        let transaction = database.begin_write().unwrap();
        let mut table = transaction.open_table(MOVES).unwrap();
        let stored = (0, &[1; 16], &[2; 16], &b"x"[..], &b"y"[..], (1, 1), objects);
        table.insert(&[3; 16], stored).unwrap();
        drop(table);
        transaction.commit().unwrap();
        drop(database);
        let damaged = OpenError::Damaged("a move".to_owned());
        assert_eq!(refusal(&file).await, damaged);
        fs::remove_file(&file).unwrap();
    }
}

/// Files of this schema were made before these tables were.
#[tokio::test]
async fn a_file_without_the_younger_tables_gets_them() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    drop(in_file(&file).await);
    let (database, _) = open::open(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    for table in ["made", "graves"] {
        let table: redb::TableDefinition<'_, &[u8; 16], i64> = redb::TableDefinition::new(table);
        assert!(transaction.delete_table(table).unwrap_or(true));
    }
    transaction.commit().unwrap();
    drop(database);
    for round in 1..=2 {
        let state = in_file(&file).await;
        assert_eq!(state.buried("a", 9).len(), round - 1);
        state.bury("a", &[vec![u8::try_from(round).unwrap()]]);
        state.made("a", b"x", clock::now());
    }
}

#[tokio::test]
async fn deletions_of_last_month_are_removed_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    let grave = |at: DateTime<Utc>| {
        Some(Arc::new(Grave {
            at: at.timestamp_micros(),
            account: [0; 16],
            object: Vec::new(),
        }))
    };
    let mut batch = journal::Batch::default();
    let old = clock::now() - BURIED_FOR;
    batch.graves.insert([1; 16], grave(old));
    batch.graves.insert([2; 16], grave(clock::now()));
    let (database, _) = open::open(&file).unwrap();
    database::write(&database, &batch).unwrap();
    drop(database);
    let expired = || {
        let (database, _) = open::open(&file).unwrap();
        let first = database::load(&database, clock::now()).unwrap().first;
        first.graves.len()
    };
    assert_eq!(expired(), 1);
    drop(in_file(&file).await);
    assert_eq!(expired(), 0);
}

#[tokio::test]
async fn counters_go_on_above_what_any_process_may_have_given_out() {
    let directory = tempfile::tempdir().unwrap();
    // A process whose clock was an hour ahead.
    let ahead = records::first_counter(clock::now() + TimeDelta::hours(1));
    let (database, _) = open::open(&path(&directory)).unwrap();
    database::write(&database, &journal::Batch::reserving(ahead)).unwrap();
    drop(database);
    let mut highest = ahead;
    for round in 0..3 {
        let state = in_file(&path(&directory)).await;
        for number in 0..1000_u64 {
            let value = state.revision("a", &number.to_be_bytes(), round).value;
            assert!(value > highest, "{value} {highest}");
            highest = value;
        }
    }
}

#[tokio::test]
async fn creations_of_yesterday_are_removed_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    let expired = || {
        let (database, _) = open::open(&file).unwrap();
        let first = database::load(&database, clock::now()).unwrap().first;
        first.correlated.len()
    };
    let mut old = creation("nonce");
    old.at -= CORRELATED_FOR + TimeDelta::seconds(1);
    let mut batch = journal::Batch::default();
    batch.correlated.insert([1; 16], Some(Arc::new(old)));
    let young = Arc::new(creation("nonce"));
    batch.correlated.insert([2; 16], Some(young));
    let (database, _) = open::open(&file).unwrap();
    database::write(&database, &batch).unwrap();
    drop(database);
    assert_eq!(expired(), 1);
    drop(in_file(&file).await);
    assert_eq!(expired(), 0);
}

#[tokio::test]
async fn a_revision_is_settled_unless_the_file_may_hold_another() {
    let directory = tempfile::tempdir().unwrap();
    let state = in_file(&path(&directory)).await;
    assert!(state.revision("a", b"x", 1).settled);
    assert!(state.revision("a", b"x", 1).settled);
    assert!(!state.revision("a", b"x", 2).settled);
    assert!(!state.revision("a", b"x", 2).settled, "whoever asks");
    assert!(state.revision("a", b"y", 1).settled);
    state.commit().await.unwrap();
    assert!(state.revision("a", b"x", 2).settled);
    drop(state);
    let state = in_file(&path(&directory)).await;
    assert!(state.revision("a", b"x", 2).settled);
    assert!(!state.revision("a", b"x", 3).settled);
}

#[tokio::test]
async fn a_new_file_is_for_its_owner_alone_and_one_open_to_others_is_tightened() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    drop(in_file(&file).await);
    assert_eq!(mode(), 0o600);
    assert_eq!(names(&directory), ["state.redb"]);
    fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
    assert_eq!(check(&file), Ok(()));
    assert_eq!(mode(), 0o664, "a check changes nothing");
    drop(in_file(&file).await);
    assert_eq!(mode(), 0o600);
}

#[tokio::test]
async fn a_second_opening_is_refused_and_disturbs_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let state = in_file(&path(&directory)).await;
    assert_eq!(refusal(&path(&directory)).await, OpenError::InUse);
    assert_eq!(check(&path(&directory)), Ok(()));
    state.alias("a", b"first", b"second");
    assert_eq!(state.commit().await, Ok(()));
    assert_eq!(state.close().await, Ok(()));
    // Closed, and not yet dropped.
    in_file(&path(&directory)).await;
    assert_eq!(state.commit().await, Err(Error::Closed));
}

#[tokio::test]
async fn two_that_make_the_file_at_once_do_not_both_have_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    let opened = futures_util::future::join_all((0..8).map(|_| FileState::open(&file))).await;
    let refused: Vec<_> = opened.iter().filter_map(|one| one.as_ref().err()).collect();
    assert_eq!(refused, [&OpenError::InUse; 7]);
    assert_eq!(names(&directory), ["state.redb"]);
}

#[tokio::test]
async fn a_file_that_is_something_else_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    for content in [&b""[..], b"x", &[0; 100_000], b"[http]\nlisten = 1\n"] {
        fs::write(&file, content).unwrap();
        assert_eq!(check(&file), Err(OpenError::Foreign));
        assert_eq!(refusal(&file).await, OpenError::Foreign);
        assert_eq!(fs::read(&file).unwrap(), content);
    }
    fs::remove_file(&file).unwrap();
    let other: TableDefinition<'_, u64, u64> = TableDefinition::new("cpm-bridge");
    for table in [other, TableDefinition::new("other")] {
        let database = Database::create(&file).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(table).unwrap();
        transaction.commit().unwrap();
        drop(database);
        assert_eq!(check(&file), Err(OpenError::Foreign));
        assert_eq!(refusal(&file).await, OpenError::Foreign);
        fs::remove_file(&file).unwrap();
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_named_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    drop(in_file(&file).await);
    let about: TableDefinition<'_, &str, u64> = TableDefinition::new("cpm-bridge");
    for (schema, refused) in [
        (7, OpenError::Newer { found: 7, known: 2 }),
        (0, OpenError::Foreign),
    ] {
        let database = Database::open(&file).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction
            .open_table(about)
            .unwrap()
            .insert("schema", schema)
            .unwrap();
        transaction.commit().unwrap();
        drop(database);
        assert_eq!(check(&file), Err(refused.clone()));
        assert_eq!(refusal(&file).await, refused);
    }
}

#[tokio::test]
async fn what_cannot_be_opened_or_made_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let no_directory = OpenError::Unusable(format!("{} is no directory", missing.display()));
    assert_eq!(check(&missing.join("state")), Err(no_directory.clone()));
    assert_eq!(refusal(&missing.join("state")).await, no_directory);
    assert!(matches!(
        check(directory.path()),
        Err(OpenError::Unusable(_))
    ));
    assert!(matches!(
        refusal(directory.path()).await,
        OpenError::Unusable(_)
    ));
    assert_eq!(check(&path(&directory)), Ok(()));
    assert_eq!(names(&directory), Vec::<String>::new(), "nothing is made");
}

/// A file with a bit of everything.
fn filled() -> &'static [u8] {
    static FILLED: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let directory = tempfile::tempdir().unwrap();
        let file = path(&directory);
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let state = in_file(&file).await;
            for number in 0..2000_u64 {
                let name = number.to_be_bytes();
                assert!(state.revision("a", &name, number).settled);
                state.alias("a", &name, &[&name[..], b"moved"].concat());
                state.correlate("a", &name, creation("nonce"));
            }
        });
        fs::read(&file).unwrap()
    });
    &FILLED
}

#[test]
fn a_file_that_ends_early_or_was_overwritten_is_damaged_or_foreign() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    let whole = filled();
    let refusal = || open::open(&file).unwrap_err();
    for end in [1, 8, 100, 511, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..end]).unwrap();
        let error = refusal();
        assert!(
            matches!(error, OpenError::Damaged(_) | OpenError::Foreign),
            "{end}: {error:?}"
        );
        assert!(
            fs::read(&file).unwrap() == whole[..end],
            "{end} left as it was"
        );
    }
    let mut overwritten = whole.to_vec();
    overwritten[4096..].fill(0xff);
    fs::write(&file, &overwritten).unwrap();
    assert!(matches!(refusal(), OpenError::Damaged(_)));
    assert!(fs::read(&file).unwrap() == overwritten, "left as it was");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is flipped is found, or was of no account; it never brings the process down.
    #[test]
    fn a_file_with_wrong_bits_is_refused_or_whole(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let file = path(&directory);
            let mut bytes = filled().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            fs::write(&file, &bytes).unwrap();
            let _ = check(&file);
            match FileState::open(&file).await {
                Ok(state) => for number in 0..2000_u64 {
                    let name = number.to_be_bytes();
                    assert_eq!(state.found("a", &name), Some([&name[..], b"moved"].concat()));
                },
                Err(OpenError::Damaged(_) | OpenError::Foreign) => {
                    assert!(fs::read(&file).unwrap() == bytes, "left as it was");
                }
                Err(error) => panic!("{error:?}"),
            }
        });
    }
}

const WORKS: u8 = 0;
const FULL: u8 = 1;
const BROKEN: u8 = 2;

/// A disk that does what it is told to.
#[derive(Debug)]
struct Disk {
    file: FileBackend,
    does: Arc<AtomicU8>,
}

impl Disk {
    fn outcome(&self) -> io::Result<()> {
        match self.does.load(Ordering::SeqCst) {
            WORKS => Ok(()),
            FULL => Err(io::ErrorKind::StorageFull.into()),
            _ => Err(io::Error::other("the disk is broken")),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.outcome()?;
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.outcome()?;
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.outcome()?;
        self.file.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// A state on such a disk.
async fn on_disk(file: &Path) -> (FileState, Arc<AtomicU8>) {
    drop(in_file(file).await);
    let does = Arc::new(AtomicU8::new(WORKS));
    let told = Arc::clone(&does);
    let open = move |path: &Path| {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let (_, identity) = open::open(path)?;
        let backend = Disk {
            file: FileBackend::new(file).unwrap(),
            does: told,
        };
        let database = Builder::new().create_with_backend(backend).unwrap();
        Ok((database, identity))
    };
    (FileState::open_by(file, open).await.unwrap(), does)
}

#[tokio::test]
async fn a_write_that_fails_is_told_to_all_who_wait_and_to_all_who_come() {
    let directory = tempfile::tempdir().unwrap();
    let (state, does) = on_disk(&path(&directory)).await;
    let shown = state.revision("a", b"x", 1).value;
    state.alias("a", b"kept", b"moved");
    state.commit().await.unwrap();
    does.store(BROKEN, Ordering::SeqCst);
    state.alias("a", b"first", b"second");
    let unwritable = |outcome: &Result<(), Error>| matches!(outcome, Err(Error::Unwritable(_)));
    let outcomes = futures_util::future::join_all((0..10).map(|_| state.commit())).await;
    assert!(outcomes.iter().all(unwritable), "{outcomes:?}");
    does.store(WORKS, Ordering::SeqCst);
    assert!(unwritable(&state.commit().await), "and stays so");
    // Answers go on; what might be followed by a lower value is not given out.
    assert_eq!(state.found("a", b"first").as_deref(), Some(&b"second"[..]));
    let state: Box<dyn State> = Box::new(state);
    assert_eq!(state.last_mod_seq("a", b"x", 1).await, Ok(shown));
    assert!(state.last_mod_seq("a", b"y", 1).await.is_ok());
    assert!(state.last_mod_seq("a", b"x", 2).await.is_err());
    assert!(unwritable(&state.close().await));
    drop(state);
    let state = in_file(&path(&directory)).await;
    assert_eq!(state.found("a", b"kept").as_deref(), Some(&b"moved"[..]));
}

#[tokio::test]
async fn a_disk_that_has_room_again_is_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let (state, does) = on_disk(&path(&directory)).await;
    assert!(state.revision("a", b"x", 1).settled);
    does.store(FULL, Ordering::SeqCst);
    state.alias("a", b"first", b"second");
    state.correlate("a", b"key", creation("nonce"));
    assert!(!state.revision("a", b"x", 2).settled);
    assert!(state.commit().await.is_err());
    // What was opened anew is the file itself, which has room.
    while state.commit().await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let shown = state.revision("a", b"x", 2);
    assert!(shown.settled);
    drop(state);
    let state = in_file(&path(&directory)).await;
    assert_eq!(state.found("a", b"first").as_deref(), Some(&b"second"[..]));
    assert_eq!(state.correlated("a", b"key").unwrap().nonce, "nonce");
    assert_eq!(state.revision("a", b"x", 2).value, shown.value);
}

#[tokio::test]
async fn another_file_in_its_place_is_not_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = path(&directory);
    let (database, identity) = open::open(&file).unwrap();
    drop(database);
    assert!(open::reopen(&file, identity).is_ok());
    fs::rename(&file, directory.path().join("moved")).unwrap();
    let gone = open::reopen(&file, identity).unwrap_err();
    assert_eq!(gone, OpenError::Unusable("it is gone".to_owned()));
    drop(in_file(&file).await);
    let other = open::reopen(&file, identity).unwrap_err();
    assert_eq!(other, OpenError::Foreign);
}
