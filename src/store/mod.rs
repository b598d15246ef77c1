//! The box as NMS sees it, done with IMAP: the only layer that speaks both vocabularies.
//!
//! * Mailbox is folder, message is object, keyword is flag: the translation happens here and nowhere else.
//! * Success is reported on evidence from the store, never on a tagged OK alone.
//! * What changes the store runs in a task of its own: a client that hangs up leaves nothing half-done.
//! * Caches hold what IMAP promises never to change, or what is young enough; all are declared and bounded here.

mod accounts;
mod aliases;
mod beginning;
mod budget;
mod bulk;
mod census;
mod connection;
mod counts;
mod create;
mod cursor;
pub mod error;
mod flags;
mod folder_changes;
mod folders;
pub mod id;
mod identity;
mod letter;
mod locate;
mod many;
mod marking;
mod measure;
mod names;
mod objects;
mod parent;
mod parts;
mod payload;
mod place;
mod precondition;
mod prove;
mod refusal;
mod relocation;
mod removal;
mod renumbered;
mod search;
mod sets;
mod structure;
mod transfer;
mod tree;
mod turns;
mod vanished;
mod watch;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use moka::future::Cache;

pub use budget::Budget;
pub use connection::{UnusableFile, check_files};
pub use create::Creation;
pub use error::Error;
pub use letter::{Attachment, AttachmentBytes, EntityScan, FoundOf, Octets, needs_scan};
pub use many::{Objects, Operation};
pub use payload::Payload;
pub use precondition::{Precondition, Revisions};
pub use relocation::{Relocating, Relocation};
pub use search::{Filter, asks_for_vanished, max_entries};
pub use watch::{
    AGAIN, Bell, Change, Doorbell, FolderNow, Gone, LOOKS, Listening, Looked, ObjectNow, Picture,
    Rings,
};

use crate::{
    clock,
    config::{ObjectsConfig, SearchConfig, StoreConfig},
    imap::{Capabilities, Pool, Server},
    state::State,
};
use accounts::{Held, Shared};
use id::{MailboxKey, Seal};
use measure::leaves;
use prove::Proof;
use search::Dates;
use structure::Structure;
use tree::Tree;
use turns::Turns;

/// How long a proof of credentials holds before the store is asked again, so that a changed password ends access.
const PROOF: Duration = Duration::from_secs(600);
/// How long a refusal is remembered: a client that repeats a wrong password costs the store one attempt, not a storm.
const REFUSAL: Duration = Duration::from_secs(5);
/// How long an account without requests keeps its pool.
const ACCOUNT_IDLE: Duration = Duration::from_secs(1800);
/// How long a folder tree serves requests for objects; requests about folders always read a new one.
const TREE_AGE: Duration = Duration::from_secs(5);
/// Most accounts with a pool.
const MOST_ACCOUNTS: u64 = 100_000;
/// Bytes of folder trees kept.
const TREES: u64 = 64 << 20;
/// Bytes of message structures kept.
const STRUCTURES: u64 = 128 << 20;
/// Bytes of dates kept: twelve for a message.
const DATES: u64 = 64 << 20;

/// One configured store: its server, its accounts, its caches.
#[derive(Debug)]
pub struct Store {
    name: String,
    roots: Vec<String>,
    default_folder: String,
    objects: ObjectsConfig,
    search: SearchConfig,
    connections_per_account: usize,
    server: Arc<Server>,
    state: Arc<dyn State>,
    accounts: Cache<String, Arc<Shared>>,
    /// The same and those that only work outside of requests still holds.
    held: Held,
    proofs: Cache<Proof, ()>,
    refusals: Cache<Proof, Error>,
    trees: Cache<String, Arc<Tree>>,
    structures: Cache<(String, MailboxKey, u32), Arc<Structure>>,
    /// Of the messages of a mailbox.
    dates: Cache<(String, MailboxKey), Arc<Dates>>,
    budget: Budget,
    /// Creations with the same key, one after the other.
    turns: Turns,
    /// When it was made: what an earlier process was doing it did before.
    since: DateTime<Utc>,
}

/// One box, opened by credentials the store has accepted, or by its operator; cheap to clone.
#[derive(Debug, Clone)]
pub struct Account {
    store: Arc<Store>,
    login: String,
    shared: Arc<Shared>,
    pool: Arc<Pool>,
    seal: Seal,
}

/// What a `GET folder` asks for (contract §6.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderQuery {
    /// Which children are listed.
    pub list: ListFilter,
    /// Most children in this answer, 1 to `limits.page`.
    pub max_entries: usize,
    /// Where to go on.
    pub from_cursor: Option<String>,
    /// Whether paths are shown.
    pub path: bool,
    /// Names asked for with `attrFilter`.
    pub attributes: Vec<String>,
}

/// Which child lists a `GET folder` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListFilter {
    /// None (the default when the parameter is absent).
    #[default]
    None,
    /// Child folders.
    Subfolders,
    /// Objects.
    Objects,
    /// Both.
    All,
}

impl Store {
    /// Prepares a store; nothing is connected before the first request. What goes out to clients is counted against `budget`.
    ///
    /// # Errors
    /// When a file that the section names cannot be used.
    pub fn new(
        config: &StoreConfig,
        objects: &ObjectsConfig,
        search: &SearchConfig,
        state: Arc<dyn State>,
        budget: Budget,
    ) -> Result<Arc<Self>, UnusableFile> {
        let server = Arc::new(connection::server(config)?);
        measure::announce();
        let weight = |weight: usize| u32::try_from(weight).unwrap_or(u32::MAX);
        Ok(Arc::new(Self {
            name: config.name.clone(),
            roots: config.roots.clone(),
            default_folder: config.default_folder.clone(),
            objects: objects.clone(),
            search: search.clone(),
            connections_per_account: config.max_connections_per_account,
            server,
            state,
            held: Held::default(),
            accounts: Cache::builder()
                .max_capacity(MOST_ACCOUNTS)
                .time_to_idle(ACCOUNT_IDLE)
                .eviction_listener(leaves("accounts"))
                .build(),
            proofs: Cache::builder()
                .max_capacity(MOST_ACCOUNTS)
                .time_to_live(PROOF)
                .eviction_listener(leaves("proofs"))
                .build(),
            refusals: Cache::builder()
                .max_capacity(MOST_ACCOUNTS)
                .time_to_live(REFUSAL)
                .eviction_listener(leaves("refusals"))
                .build(),
            trees: Cache::builder()
                .max_capacity(TREES)
                .weigher(move |_, tree: &Arc<Tree>| weight(tree.weight()))
                .time_to_live(TREE_AGE)
                .eviction_listener(leaves("trees"))
                .build(),
            structures: Cache::builder()
                .max_capacity(STRUCTURES)
                .weigher(move |_, structure: &Arc<Structure>| weight(structure.weight()))
                .eviction_listener(leaves("structures"))
                .build(),
            dates: Cache::builder()
                .max_capacity(DATES)
                .weigher(move |_, dates: &Arc<Dates>| weight(dates.weight()))
                .eviction_listener(leaves("dates"))
                .build(),
            budget,
            turns: Turns::default(),
            since: clock::now(),
        }))
    }

    /// Its name in URLs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the server answers with a greeting; what it can do before login.
    ///
    /// # Errors
    /// The reason, for operators.
    pub async fn health(&self) -> Result<Capabilities, String> {
        self.server.probe().await.map_err(|error| error.to_string())
    }

    /// Logs out of the store on every connection that is at rest.
    pub async fn close(&self) {
        let accounts = self.held.all();
        futures_util::future::join_all(accounts.iter().map(|shared| shared.pool.close())).await;
    }
}
