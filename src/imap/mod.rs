//! Speaks IMAP to one server, in IMAP's own words: mailbox, message, keyword.
//!
//! Invariants:
//! * nothing that comes from outside reaches the wire but through [`command::Command`], which quotes, and refuses NUL;
//! * nothing that comes from the server reaches async-imap but through [`guard::Guard`], which bounds, frames and parses it;
//! * a tagged NO, a BAD, a BYE and a closed connection are errors, never an empty result;
//! * one task owns one connection ([`connection`]): a caller that leaves never leaves half a command behind.

pub mod capability;
pub mod command;
pub mod connect;
pub mod connection;
pub mod copied;
pub mod doorbell;
pub mod error;
pub mod fetched;
pub mod flag;
pub mod guard;
pub mod mailbox;
mod measure;
mod parse;
pub mod pool;
pub mod response;
mod server;
pub mod uid_set;

pub use capability::Capabilities;
pub use command::{Command, Item, SectionName};
pub use connection::{Completion, Expected, Selected};
pub use doorbell::{Bell, Doorbell, Listening, Rings};
pub use error::{Doubt, Error};
pub use flag::Flag;
pub use mailbox::MailboxName;
pub use pool::{Lane, Pool};
pub use server::Server;
pub use uid_set::UidSet;
