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
    /// The login of the operator, for the box of another, was refused: the code tells why.
    #[error("login of the operator refused: {}", .0.as_ref().map_or("no code".to_owned(), |code| format!("{code:?}")))]
    Operator(Option<Code>),
    /// The operator was let in, but it is not certain that it is in the box that is meant: why.
    #[error("the operator may be in another box than the one that is meant: {0}")]
    Overlooked(Doubt),
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

/// Why a session of the operator's need not be in the box that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Its INBOX may be that of the operator.
    #[error("the INBOX cannot be told from the operator's own")]
    Alike,
    /// Its INBOX cannot be read: there is none, or the operator has no right to it.
    #[error("the INBOX cannot be read")]
    Unreadable,
    /// Nor can that of the operator itself, although it has one.
    #[error("the operator's own INBOX cannot be read")]
    OwnUnreadable,
    /// The server is another one each time.
    #[error("servers take turns at this address")]
    Turns,
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
            | Self::Operator(_)
            | Self::Overlooked(_)
            | Self::Unsupported(_)
            | Self::Argument
            | Self::Busy => false,
        }
    }

    /// Whether a login was refused for what was presented, so that presenting it again makes no sense; not for a limit or
    /// because the server could not check it now.
    #[must_use]
    pub fn refuses_login(&self) -> bool {
        let (Self::Login(code) | Self::Operator(code)) = self else {
            return false;
        };
        !matches!(
            code,
            Some(
                Code::Limit
                    | Code::Unavailable
                    | Code::InUse
                    | Code::ServerBug
                    | Code::ContactAdmin
            )
        )
    }
}
