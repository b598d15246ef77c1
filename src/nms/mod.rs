//! The contract as types: what goes over the wire, and nothing about how it is fetched.
//!
//! Serde only: no I/O, no async, no IMAP, no HTTP library.

pub mod channel;
pub mod creation;
pub mod encode;
pub mod event;
pub mod fault;
pub mod folder;
pub mod object;
pub mod operations;
pub mod search;
pub mod subscription;
mod tolerant;
pub mod url;
mod xml;

pub use channel::*;
pub use creation::{NewObject, NewObjectList, Parent};
pub use event::*;
pub use fault::{Exception, Fault, Link, RequestError};
pub use folder::*;
pub use object::*;
pub use operations::*;
pub use search::*;
pub use subscription::*;
pub use url::{ChannelUrls, Urls};
