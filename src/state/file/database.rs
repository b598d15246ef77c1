//! What the file holds, and how it is read and written. Schema 2:
//!
//! | table | key | value |
//! |---|---|---|
//! | `cpm-bridge` | `schema`, `reserved` | number of the schema, highest value that may have been given out |
//! | `revisions` | key of the entity | digest, value |
//! | `aliases` | key of what is shown | time in µs, key of what is found, shown, found |
//! | `offsets` | key of what is shown | what its `lastModSeq` is above what the store counts, where it is |
//! | `moves` | key of the move | time in µs, key of the account, id, from, to, (UIDNEXT, HIGHESTMODSEQ), objects |
//! | `correlated` | key of the creation | time in µs, digest, nonce, folder, outcome (object, path) |
//! | `made` | key of the folder | time in µs |
//! | `graves` | key of the object | time in µs, key of the account, object |
//! | `notes` | key of the note | number of its kind, content |
//!
//! Keys are those of `state::key`. An object of a move takes 28 octets: UID, identity, last `lastModSeq`. Schema 1 had neither `offsets` nor
//! `moves`; such a file is read, and has schema 2 from the first transaction on. A new schema gets the next number, and `load` a step from
//! the one before. A table that older versions do not know and can do without is none: where it is missing it is empty (`made`,
//! `graves`, `notes`).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    TableError, WriteTransaction,
};

use super::{
    journal::{Batch, Kept, Write},
    open::OpenError,
};
use crate::state::{
    Correlated, Move, Moving, NoteKind, Outcome,
    graves::Grave,
    key::Key,
    records::{Alias, Intent, Made, Records, first_counter, oldest, oldest_grave},
    revisions::{HIGHEST, Shown},
};

/// The newest schema this version knows.
const SCHEMA: u64 = 2;
/// The oldest one it reads.
const OLDEST_SCHEMA: u64 = 1;
/// Octets of an object of a move.
const MOVING: usize = 28;

type KeyBytes = &'static [u8; 16];
type StoredOutcome = Option<(&'static [u8], &'static str)>;
type StoredCreation = (
    i64,
    &'static [u8; 32],
    &'static str,
    &'static [u8],
    StoredOutcome,
);
type StoredGrave = (i64, KeyBytes, &'static [u8]);
type StoredAlias = (i64, KeyBytes, &'static [u8], &'static [u8]);
type StoredMove = (
    i64,
    KeyBytes,
    KeyBytes,
    &'static [u8],
    &'static [u8],
    (u32, u64),
    &'static [u8],
);

const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("cpm-bridge");
const REVISIONS: TableDefinition<'_, KeyBytes, (u64, u64)> = TableDefinition::new("revisions");
const ALIASES: TableDefinition<'_, KeyBytes, StoredAlias> = TableDefinition::new("aliases");
const OFFSETS: TableDefinition<'_, KeyBytes, u64> = TableDefinition::new("offsets");
const MOVES: TableDefinition<'_, KeyBytes, StoredMove> = TableDefinition::new("moves");
const CORRELATED: TableDefinition<'_, KeyBytes, StoredCreation> =
    TableDefinition::new("correlated");
const MADE: TableDefinition<'_, KeyBytes, i64> = TableDefinition::new("made");
const NOTES: TableDefinition<'_, KeyBytes, (u8, &[u8])> = TableDefinition::new("notes");
const GRAVES: TableDefinition<'_, KeyBytes, StoredGrave> = TableDefinition::new("graves");

/// What a file held.
pub(super) struct Loaded {
    pub(super) records: Records,
    pub(super) notes: Vec<(NoteKind, Vec<u8>)>,
    /// What the first transaction has to write: values reserved, and records removed that are too old or too many.
    pub(super) first: Batch,
    /// Whether the schema is not the newest.
    pub(super) is_old: bool,
}

/// Makes the tables in an empty file.
pub(super) fn prepare(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut about = transaction.open_table(ABOUT)?;
        about.insert("schema", SCHEMA)?;
        about.insert("reserved", 0)?;
        transaction.open_table(REVISIONS)?;
        transaction.open_table(ALIASES)?;
        transaction.open_table(OFFSETS)?;
        transaction.open_table(MOVES)?;
        transaction.open_table(CORRELATED)?;
        transaction.open_table(MADE)?;
        transaction.open_table(GRAVES)?;
        transaction.open_table(NOTES)?;
    }
    Ok(transaction.commit()?)
}

/// Makes a file of an older schema one of the newest; for one that was read.
pub(super) fn upgrade(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        transaction.open_table(ABOUT)?.insert("schema", SCHEMA)?;
        transaction.open_table(OFFSETS)?;
        transaction.open_table(MOVES)?;
    }
    Ok(transaction.commit()?)
}

/// The schema of a file, if it is ours and the schema known.
pub(super) fn recognise(transaction: &ReadTransaction) -> Result<u64, OpenError> {
    let about = transaction.open_table(ABOUT).map_err(redb::Error::from)?;
    let schema = about.get("schema").map_err(redb::Error::from)?;
    match schema.map(|schema| schema.value()) {
        Some(known @ OLDEST_SCHEMA..=SCHEMA) => Ok(known),
        Some(found) if found > SCHEMA => Err(OpenError::Newer {
            found,
            known: SCHEMA,
        }),
        Some(_) | None => Err(OpenError::Foreign),
    }
}

/// Reads everything.
pub(super) fn load(database: &Database, now: DateTime<Utc>) -> Result<Loaded, OpenError> {
    let transaction = database.begin_read().map_err(redb::Error::from)?;
    let schema = recognise(&transaction)?;
    let about = transaction.open_table(ABOUT).map_err(redb::Error::from)?;
    let reserved = about.get("reserved").map_err(redb::Error::from)?;
    let reserved = reserved
        .map(|reserved| reserved.value())
        .filter(|reserved| *reserved <= HIGHEST)
        .ok_or_else(|| damaged("no reserved values"))?;
    let counter = first_counter(now).max(reserved);
    let mut loaded = Loaded {
        records: Records::new(counter),
        notes: Vec::new(),
        first: Batch::reserving(counter),
        is_old: schema < SCHEMA,
    };
    loaded.revisions(&transaction, reserved)?;
    loaded.aliases(&transaction)?;
    if !loaded.is_old {
        loaded.moves(&transaction)?;
    }
    loaded.creations(&transaction, now)?;
    loaded.made(&transaction)?;
    loaded.graves(&transaction, now)?;
    loaded.notes(&transaction)?;
    Ok(loaded)
}

impl Loaded {
    fn revisions(&mut self, transaction: &ReadTransaction, reserved: u64) -> Result<(), OpenError> {
        let table = transaction
            .open_table(REVISIONS)
            .map_err(redb::Error::from)?;
        for entry in table.iter().map_err(redb::Error::from)? {
            let (key, stored) = entry.map_err(redb::Error::from)?;
            let (digest, value) = stored.value();
            if value > reserved {
                return Err(damaged("a counter above the values reserved"));
            }
            let shown = Shown { digest, value };
            let forgotten = self.records.revisions.remember(*key.value(), shown);
            forgotten
                .into_iter()
                .for_each(|key| self.first.remove_revision(key));
        }
        Ok(())
    }

    fn aliases(&mut self, transaction: &ReadTransaction) -> Result<(), OpenError> {
        let table = transaction.open_table(ALIASES).map_err(redb::Error::from)?;
        let offsets = match self.is_old {
            true => None,
            false => Some(transaction.open_table(OFFSETS).map_err(redb::Error::from)?),
        };
        for entry in table.iter().map_err(redb::Error::from)? {
            let (key, stored) = entry.map_err(redb::Error::from)?;
            let (at, found_key, shown, found) = stored.value();
            let offset = offsets.as_ref().map(|offsets| offsets.get(key.value()));
            let offset = offset.transpose().map_err(redb::Error::from)?.flatten();
            let alias = Alias {
                at,
                found_key: *found_key,
                shown: shown.to_vec(),
                found: found.to_vec(),
                offset: offset.map_or(0, |offset| offset.value()),
            };
            let forgotten = self.records.remember_alias(*key.value(), Arc::new(alias));
            self.first
                .aliases
                .extend(forgotten.into_iter().map(|key| (key, None)));
        }
        Ok(())
    }

    fn moves(&mut self, transaction: &ReadTransaction) -> Result<(), OpenError> {
        let table = transaction.open_table(MOVES).map_err(redb::Error::from)?;
        for entry in table.iter().map_err(redb::Error::from)? {
            let (key, stored) = entry.map_err(redb::Error::from)?;
            let (at, account, id, from, to, (uid_next, mod_seq), objects) = stored.value();
            let intent = Intent {
                account: *account,
                moving: Move {
                    id: *id,
                    from: from.to_vec(),
                    to: to.to_vec(),
                    uid_next,
                    mod_seq,
                    objects: moving(objects).ok_or_else(|| damaged("a move"))?,
                    at: DateTime::from_timestamp_micros(at).ok_or_else(|| damaged("a time"))?,
                },
            };
            let forgotten = self.records.remember_move(*key.value(), Arc::new(intent));
            self.first
                .moves
                .extend(forgotten.into_iter().map(|key| (key, None)));
        }
        Ok(())
    }

    fn creations(
        &mut self,
        transaction: &ReadTransaction,
        now: DateTime<Utc>,
    ) -> Result<(), OpenError> {
        let table = transaction
            .open_table(CORRELATED)
            .map_err(redb::Error::from)?;
        let oldest = oldest(now);
        for entry in table.iter().map_err(redb::Error::from)? {
            let (key, stored) = entry.map_err(redb::Error::from)?;
            let key: Key = *key.value();
            let (at, digest, nonce, folder, outcome) = stored.value();
            let at = DateTime::from_timestamp_micros(at).ok_or_else(|| damaged("a time"))?;
            if at < oldest {
                self.first.correlated.insert(key, None);
                continue;
            }
            let record = Correlated {
                digest: *digest,
                nonce: nonce.to_owned(),
                folder: folder.to_vec(),
                outcome: outcome.map(|(object, path)| Outcome {
                    object: object.to_vec(),
                    path: path.to_owned(),
                }),
                at,
            };
            let forgotten = self.records.remember_creation(key, Arc::new(record));
            self.first
                .correlated
                .extend(forgotten.into_iter().map(|key| (key, None)));
        }
        Ok(())
    }
}

impl Loaded {
    fn made(&mut self, transaction: &ReadTransaction) -> Result<(), OpenError> {
        let Some(table) = younger(transaction, MADE)? else {
            return Ok(());
        };
        for entry in table.iter().map_err(redb::Error::from)? {
            let (key, at) = entry.map_err(redb::Error::from)?;
            let forgotten = self.records.remember_made(*key.value(), Made(at.value()));
            self.first
                .made
                .extend(forgotten.into_iter().map(|key| (key, None)));
        }
        Ok(())
    }

    fn graves(
        &mut self,
        transaction: &ReadTransaction,
        now: DateTime<Utc>,
    ) -> Result<(), OpenError> {
        let Some(table) = younger(transaction, GRAVES)? else {
            return Ok(());
        };
        let oldest = oldest_grave(now);
        for entry in table.iter().map_err(redb::Error::from)? {
            let (key, stored) = entry.map_err(redb::Error::from)?;
            let (at, account, object) = stored.value();
            if at < oldest {
                self.first.graves.insert(*key.value(), None);
                continue;
            }
            let grave = Grave {
                at,
                account: *account,
                object: object.to_vec(),
            };
            let forgotten = self.records.remember_grave(*key.value(), Arc::new(grave));
            self.first
                .graves
                .extend(forgotten.into_iter().map(|key| (key, None)));
        }
        Ok(())
    }
}

impl Loaded {
    fn notes(&mut self, transaction: &ReadTransaction) -> Result<(), OpenError> {
        let Some(table) = younger(transaction, NOTES)? else {
            return Ok(());
        };
        for entry in table.iter().map_err(redb::Error::from)? {
            let (_, stored) = entry.map_err(redb::Error::from)?;
            let (kind, content) = stored.value();
            let kind = NoteKind::of_number(kind).ok_or_else(|| damaged("a kind of note"))?;
            self.notes.push((kind, content.to_vec()));
        }
        Ok(())
    }
}

/// A table that a file of an older version has not.
fn younger<K: redb::Key + 'static, V: redb::Value + 'static>(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, OpenError> {
    match transaction.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(redb::Error::from(error).into()),
    }
}

/// Writes a transaction; it is on the disk when this returns.
pub(super) fn write(database: &Database, batch: &Batch) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    if let Some(reserved) = batch.reserved {
        transaction
            .open_table(ABOUT)?
            .insert("reserved", reserved)?;
    }
    if !batch.revisions.is_empty() {
        let mut table = transaction.open_table(REVISIONS)?;
        for (key, Write { shown, .. }) in &batch.revisions {
            match shown {
                Some(shown) => drop(table.insert(key, (shown.digest, shown.value))?),
                None => drop(table.remove(key)?),
            }
        }
    }
    if !batch.aliases.is_empty() {
        let mut table = transaction.open_table(ALIASES)?;
        let mut offsets = transaction.open_table(OFFSETS)?;
        for (key, alias) in &batch.aliases {
            match alias {
                Some(alias) => drop(table.insert(key, stored_alias(alias))?),
                None => drop(table.remove(key)?),
            }
            match alias.as_ref().filter(|alias| alias.offset > 0) {
                Some(alias) => drop(offsets.insert(key, alias.offset)?),
                None => drop(offsets.remove(key)?),
            }
        }
    }
    if !batch.moves.is_empty() {
        let mut table = transaction.open_table(MOVES)?;
        for (key, intent) in &batch.moves {
            match intent {
                Some(intent) => {
                    let objects = stored_moving(&intent.moving.objects);
                    drop(table.insert(key, stored_move(intent, &objects))?);
                }
                None => drop(table.remove(key)?),
            }
        }
    }
    if !batch.correlated.is_empty() {
        let mut table = transaction.open_table(CORRELATED)?;
        for (key, record) in &batch.correlated {
            match record {
                Some(record) => drop(table.insert(key, stored_creation(record))?),
                None => drop(table.remove(key)?),
            }
        }
    }
    if !batch.made.is_empty() {
        let mut table = transaction.open_table(MADE)?;
        for (key, made) in &batch.made {
            match made {
                Some(Made(at)) => drop(table.insert(key, at)?),
                None => drop(table.remove(key)?),
            }
        }
    }
    if !batch.graves.is_empty() {
        let mut table = transaction.open_table(GRAVES)?;
        for (key, grave) in &batch.graves {
            match grave {
                Some(grave) => {
                    drop(table.insert(key, (grave.at, &grave.account, &grave.object[..]))?);
                }
                None => drop(table.remove(key)?),
            }
        }
    }
    write_notes(&transaction, batch)?;
    Ok(transaction.commit()?)
}

fn write_notes(transaction: &WriteTransaction, batch: &Batch) -> Result<(), redb::Error> {
    if batch.notes.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(NOTES)?;
    for (key, note) in &batch.notes {
        match note {
            Some(Kept { kind, content }) => {
                drop(table.insert(key, (kind.number(), &content[..]))?);
            }
            None => drop(table.remove(key)?),
        }
    }
    Ok(())
}

fn stored_alias(alias: &Alias) -> (i64, &Key, &[u8], &[u8]) {
    (alias.at, &alias.found_key, &alias.shown, &alias.found)
}

type Intended<'a> = (
    i64,
    &'a Key,
    &'a [u8; 16],
    &'a [u8],
    &'a [u8],
    (u32, u64),
    &'a [u8],
);

fn stored_move<'a>(intent: &'a Intent, objects: &'a [u8]) -> Intended<'a> {
    let moving = &intent.moving;
    (
        moving.at.timestamp_micros(),
        &intent.account,
        &moving.id,
        &moving.from,
        &moving.to,
        (moving.uid_next, moving.mod_seq),
        objects,
    )
}

fn stored_moving(objects: &[Moving]) -> Vec<u8> {
    let octets = |object: &Moving| {
        [
            &object.uid.to_be_bytes()[..],
            &object.identity,
            &object.last_mod_seq.to_be_bytes(),
        ]
        .concat()
    };
    objects.iter().flat_map(octets).collect()
}

/// `None` when the octets are no objects.
fn moving(octets: &[u8]) -> Option<Vec<Moving>> {
    let (objects, rest) = octets.as_chunks::<MOVING>();
    let object = |octets: &[u8; MOVING]| {
        Some(Moving {
            uid: u32::from_be_bytes(octets[..4].try_into().ok()?),
            identity: octets[4..20].try_into().ok()?,
            last_mod_seq: u64::from_be_bytes(octets[20..].try_into().ok()?),
        })
    };
    let objects = objects.iter().map(object).collect();
    rest.is_empty().then_some(objects).flatten()
}

type Creation<'a> = (
    i64,
    &'a [u8; 32],
    &'a str,
    &'a [u8],
    Option<(&'a [u8], &'a str)>,
);

fn stored_creation(record: &Correlated) -> Creation<'_> {
    (
        record.at.timestamp_micros(),
        &record.digest,
        &record.nonce,
        &record.folder,
        record
            .outcome
            .as_ref()
            .map(|outcome| (&outcome.object[..], &outcome.path[..])),
    )
}

fn damaged(what: &str) -> OpenError {
    OpenError::Damaged(what.to_owned())
}
