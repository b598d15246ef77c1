//! The box as NMS sees it, done with IMAP: the only layer that speaks both vocabularies.

pub mod error;
pub mod id;
mod names;
mod tree;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

pub use error::Error;

use crate::{
    identity::{BoxId, Credentials},
    nms,
};

/// One configured store: its server, its accounts, its caches.
#[derive(Debug)]
pub struct Store {}

/// One box, opened by credentials the store has accepted; cheap to clone.
#[derive(Debug, Clone)]
pub struct Account {}

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

/// Bytes on their way to the client, in the order of the payload. The channel is bounded: who reads slowly slows the store.
#[derive(Debug)]
pub struct Payload {
    /// Media type with its parameters.
    pub content_type: String,
    /// Octets that will come, when known exactly.
    pub length: Option<u64>,
    /// The bytes; an error ends the stream, and the answer must be cut off.
    pub chunks: mpsc::Receiver<Result<Bytes, Error>>,
}

impl Store {
    /// Proves the credentials against the store (or against a proof that is young enough) and opens the box.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the store refuses, [`Error::Unavailable`], [`Error::Busy`] or [`Error::Timeout`] when it cannot be asked.
    pub async fn open(
        self: &Arc<Self>,
        _box_id: &BoxId,
        _credentials: Credentials,
    ) -> Result<Account, Error> {
        Err(Error::NotFound)
    }
}

#[expect(clippy::missing_errors_doc, missing_docs, reason = "outline")]
impl Account {
    pub async fn object(&self, _urls: &nms::Urls, _id: &str) -> Result<nms::Object, Error> {
        Err(Error::NotFound)
    }
    pub async fn delete_object(&self, _id: &str) -> Result<(), Error> {
        Err(Error::NotFound)
    }
    pub async fn flags(&self, _urls: &nms::Urls, _id: &str) -> Result<nms::FlagList, Error> {
        Err(Error::NotFound)
    }
    pub async fn put_flags(
        &self,
        _urls: &nms::Urls,
        _id: &str,
        _flags: &[String],
    ) -> Result<nms::FlagList, Error> {
        Err(Error::NotFound)
    }
    /// Whether the flag is set.
    pub async fn flag(&self, _id: &str, _flag: &str) -> Result<bool, Error> {
        Err(Error::NotFound)
    }
    /// True when newly set, false when it was set already.
    pub async fn put_flag(&self, _id: &str, _flag: &str) -> Result<bool, Error> {
        Err(Error::NotFound)
    }
    /// True when it was set.
    pub async fn delete_flag(&self, _id: &str, _flag: &str) -> Result<bool, Error> {
        Err(Error::NotFound)
    }
    pub async fn payload(&self, _id: &str) -> Result<Payload, Error> {
        Err(Error::NotFound)
    }
    pub async fn payload_part(&self, _id: &str, _part: &str) -> Result<Payload, Error> {
        Err(Error::NotFound)
    }
    /// `UnknownPath` for a path without an object, `MalformedPath` for one that is none.
    pub async fn object_by_path(
        &self,
        _urls: &nms::Urls,
        _path: &str,
    ) -> Result<nms::Reference, Error> {
        Err(Error::NotFound)
    }
    pub async fn folder(
        &self,
        _urls: &nms::Urls,
        _id: &str,
        _query: &FolderQuery,
    ) -> Result<nms::Folder, Error> {
        Err(Error::NotFound)
    }
    pub async fn create_folder(
        &self,
        _urls: &nms::Urls,
        _folder: &nms::NewFolder,
    ) -> Result<nms::Reference, Error> {
        Err(Error::NotFound)
    }
    pub async fn folder_name(&self, _id: &str) -> Result<String, Error> {
        Err(Error::NotFound)
    }
    pub async fn rename_folder(&self, _id: &str, _name: &str) -> Result<String, Error> {
        Err(Error::NotFound)
    }
    pub async fn delete_folder(&self, _id: &str) -> Result<(), Error> {
        Err(Error::NotFound)
    }
    /// Without a path: the only root, else [`Error::PathRequired`].
    pub async fn folder_by_path(
        &self,
        _urls: &nms::Urls,
        _path: Option<&str>,
    ) -> Result<nms::Reference, Error> {
        Err(Error::NotFound)
    }
}
