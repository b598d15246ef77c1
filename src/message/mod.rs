//! What a CPM object is, from bytes: header, transfer encodings, character sets, CPIM, IMDN and the attributes made of them;
//! and the way back, from attributes and attachments to a message (`scan`, then `compose`).
//!
//! - No I/O and no async; the value types are this room's own, `store` turns them into `nms`.
//! - Every function takes any bytes: broken, cut off, hostile. What cannot be read is left out, never a panic.
//! - Every result has a bound: fields, parts, depth, and output never more than a small multiple of the input.
//! - Nothing is trusted that the bytes say about themselves: no Content-Length, no DTD, no transfer encoding of a multipart.

pub mod attributes;
pub mod compose;
pub mod cpim;
pub mod encoding;
pub mod header;
pub mod imdn;
mod multipart;
mod parameters;
pub mod scan;
pub mod text;
mod words;

#[cfg(test)]
mod fixtures;

pub use attributes::{Attribute, attributes};
pub use compose::{Composed, Draft, Entity, compose};
pub use cpim::{Cpim, CpimPart};
pub use encoding::{Decoder, TransferEncoding, decode};
pub use header::Header;
pub use imdn::Imdn;
pub use multipart::{EntityPart, parts};
pub use parameters::{ContentType, decoded as decoded_parameters, in_ascii};
pub use scan::{EntityScan, FoundOf, needs_scan};
pub use text::text;
