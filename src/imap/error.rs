//! What the server or the wire did.

use super::response::Code;

/// A command that did not succeed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// NO: refused, with the response code if there was one (RFC 5530 makes them optional). Names the command.
    #[error("{command} refused: {}", code.as_ref().map_or("no code".to_owned(), |code| format!("{code:?}")))]
    No {
        /// The command, without arguments.
        command: &'static str,
        /// The response code.
        code: Option<Code>,
    },
    /// BAD: not understood, so a fault of ours. Names the command.
    #[error("{0} not understood by the server")]
    Bad(&'static str),
    /// BYE, end of stream or reset, after the command may have reached the server.
    #[error("connection closed by the server")]
    Closed,
    /// The connection ended, or the message to append broke off, before all of it was sent: nothing was stored.
    #[error("not all of the message could be sent")]
    Unsent,
    /// No answer within the deadline; the connection is gone.
    #[error("no answer within the deadline")]
    Timeout,
    /// No connection could be made: name, route, TLS, certificate, greeting, capability. For operators, not for clients.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The login was refused: the code tells why.
    #[error("login refused: {}", .0.as_ref().map_or("no code".to_owned(), |code| format!("{code:?}")))]
    Login(Option<Code>),
    /// The server cannot do it, seen from its capabilities before anything was sent.
    #[error("the server lacks {0}")]
    Unsupported(&'static str),
    /// An argument that cannot be sent; nothing was sent.
    #[error("an argument cannot be sent")]
    Argument,
    /// The server broke a bound or the grammar: what it did.
    #[error("the server misbehaved: {0}")]
    Protocol(String),
    /// All connections allowed are in use, and none came free in time.
    #[error("no connection free")]
    Busy,
}

impl Error {
    /// Whether a command that changes something may have been carried out all the same: all of it was sent, and no answer came
    /// that can be believed.
    #[must_use]
    pub fn leaves_open(&self) -> bool {
        match self {
            Self::Closed | Self::Timeout | Self::Protocol(_) => true,
            Self::No { .. }
            | Self::Bad(_)
            | Self::Unsent
            | Self::Connect(_)
            | Self::Login(_)
            | Self::Unsupported(_)
            | Self::Argument
            | Self::Busy => false,
        }
    }
}
