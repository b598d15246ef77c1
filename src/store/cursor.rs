//! Where a listing goes on: after its last key, never at an offset, so that what comes and goes meanwhile shifts nothing.

use super::{
    Error, ListFilter,
    id::{Seal, fingerprint},
};

/// The last key of a page of a folder's children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cursor {
    /// The last folder's name; objects are still to come if they were asked for.
    Folder(String),
    /// The last object's UID; objects come newest first.
    Object(u32),
}

/// Binds a cursor to the listing it came from.
fn purpose(folder: &str, list: ListFilter) -> String {
    format!("cursor {list:?} {folder}")
}

impl Cursor {
    /// Writes a cursor for a listing of that folder.
    pub(super) fn write(&self, seal: &Seal, folder: &str, list: ListFilter) -> String {
        let (kind, key) = match self {
            Self::Folder(name) => (1, name.as_bytes().to_vec()),
            Self::Object(uid) => (2, uid.to_be_bytes().to_vec()),
        };
        seal.write(&purpose(folder, list), &[&[kind][..], &key].concat())
    }

    /// Reads a cursor; one that is none of this listing is invalid input.
    pub(super) fn read(
        text: &str,
        seal: &Seal,
        folder: &str,
        list: ListFilter,
    ) -> Result<Self, Error> {
        let invalid = || Error::InvalidInput("fromCursor".to_owned());
        let bytes = seal
            .read(&purpose(folder, list), text)
            .ok_or_else(invalid)?;
        match bytes.split_first() {
            Some((1, name)) => String::from_utf8(name.to_vec())
                .map(Self::Folder)
                .map_err(|_| invalid()),
            Some((2, uid)) => Ok(Self::Object(u32::from_be_bytes(
                uid.try_into().map_err(|_| invalid())?,
            ))),
            _ => Err(invalid()),
        }
    }
}

/// A digest of several texts, none of which can run into the next.
pub(super) fn digest_of(texts: &[&str]) -> u64 {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    fingerprint(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_listing() {
        let seal = Seal::new("cpm", "tel:+15550100");
        let text = Cursor::Object(7).write(&seal, "f", ListFilter::All);
        assert_eq!(
            Cursor::read(&text, &seal, "f", ListFilter::All),
            Ok(Cursor::Object(7))
        );
        let invalid = Err(Error::InvalidInput("fromCursor".to_owned()));
        assert_eq!(Cursor::read(&text, &seal, "g", ListFilter::All), invalid);
        assert_eq!(
            Cursor::read(&text, &seal, "f", ListFilter::Objects),
            invalid
        );
        assert_eq!(
            Cursor::read("garbage", &seal, "f", ListFilter::All),
            invalid
        );
        let other = Seal::new("cpm", "tel:+15550101");
        assert_eq!(Cursor::read(&text, &other, "f", ListFilter::All), invalid);
    }
}
