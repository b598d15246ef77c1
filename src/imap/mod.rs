//! Speaks IMAP to one server, in IMAP's own words: mailbox, message, keyword.
//!
//! Invariants:
//! * nothing that comes from outside reaches the wire but through [`command::Command`], which quotes, and refuses controls;
//! * nothing that comes from the server reaches async-imap but through [`guard::Guard`], which bounds, frames and parses it;
//! * a tagged NO, a BAD, a BYE and a closed connection are errors, never an empty result;
//! * one task owns one connection ([`connection`]): a caller that leaves never leaves half a command behind.

pub mod guard;
pub mod mailbox;
mod parse;
pub mod response;

pub use mailbox::MailboxName;
