//! Why something about notifications cannot be done.

use crate::{state, store};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such channel or subscription, or it is over.
    #[error("no such channel or subscription")]
    NotFound,
    /// A part of the request that makes no sense; its name.
    #[error("invalid {0}")]
    InvalidInput(String),
    /// Something else has been made under this correlator; the correlator and its member.
    #[error("{1} {0} is taken")]
    Conflict(String, String),
    /// The box has as many of these as it may; the code of the fault.
    #[error("{0}")]
    TooMany(&'static str),
    /// There is no such type of channel; the type.
    #[error("no channels of type {0}")]
    ChannelType(String),
    /// Something that is not to be had; its name.
    #[error("{0} is not available")]
    Unsupported(&'static str),
    /// Another poll has come (contract §8.3).
    #[error("another poll has come")]
    Superseded,
    /// What the store's answers mean.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What has to outlive the process cannot be kept.
    #[error(transparent)]
    State(#[from] state::Error),
}
