//! What a server says, as typed values (RFC 9051 §7 and the extensions in use).
//!
//! These values are made by the guard straight from the bytes, because imap-proto ends a session at the first line it
//! does not know (`ESEARCH`, `NAMESPACE`, `STATUS` with `MAILBOXID`, …), panics on some, and does not unescape quoted strings.

use std::ops::RangeInclusive;

use bytes::Bytes;

use super::MailboxName;

/// One response, whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// `* …`
    Untagged(Untagged),
    /// `A0001 OK …`
    Tagged(Tagged),
    /// `+ …`
    Continuation,
}

/// The last line of a command's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Tagged {
    /// The tag of the command.
    pub tag: String,
    /// How it went.
    pub status: Status,
    /// The response code in brackets.
    pub code: Option<Code>,
    /// Human text; for logs only, and cut to a bound.
    pub text: String,
}

/// The condition of a status response (RFC 9051 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done, or information.
    Ok,
    /// Refused or failed.
    No,
    /// Not understood.
    Bad,
    /// Greeting of an authenticated connection.
    PreAuth,
    /// The server is closing.
    Bye,
}

/// A response code (RFC 9051 §7.1, RFC 5530, and the codes of the extensions in use).
#[derive(Debug, Clone, PartialEq)]
pub enum Code {
    /// `ALERT`
    Alert,
    /// `ALREADYEXISTS`
    AlreadyExists,
    /// `APPENDUID` (RFC 4315 §3): UIDVALIDITY and UIDs.
    AppendUid(u32, Vec<RangeInclusive<u32>>),
    /// `AUTHENTICATIONFAILED`
    AuthenticationFailed,
    /// `AUTHORIZATIONFAILED`
    AuthorizationFailed,
    /// `BADCHARSET`
    BadCharset,
    /// `BADURL`
    BadUrl,
    /// `CANNOT`
    Cannot,
    /// `CAPABILITY`
    Capability(Vec<String>),
    /// `CLIENTBUG`
    ClientBug,
    /// `CLOSED` (RFC 7162 §3.2.11)
    Closed,
    /// `CONTACTADMIN`
    ContactAdmin,
    /// `COPYUID` (RFC 4315 §3): UIDVALIDITY, source UIDs, target UIDs.
    CopyUid(u32, Vec<RangeInclusive<u32>>, Vec<RangeInclusive<u32>>),
    /// `CORRUPTION`
    Corruption,
    /// `EXPIRED`
    Expired,
    /// `EXPUNGEISSUED`
    ExpungeIssued,
    /// `HASCHILDREN`
    HasChildren,
    /// `HIGHESTMODSEQ` (RFC 7162 §3.1.2.1)
    HighestModSeq(u64),
    /// `INUSE`
    InUse,
    /// `LIMIT`
    Limit,
    /// `MAILBOXID` (RFC 8474 §4.2)
    MailboxId(String),
    /// `MODIFIED` (RFC 7162 §3.1.3): the UIDs that were not stored.
    Modified(Vec<RangeInclusive<u32>>),
    /// `NOMODSEQ` (RFC 7162 §3.1.2.2)
    NoModSeq,
    /// `NONEXISTENT`
    NonExistent,
    /// `NOPERM`
    NoPerm,
    /// `OVERQUOTA`
    OverQuota,
    /// `PARSE`
    Parse,
    /// `PERMANENTFLAGS`
    PermanentFlags(Vec<String>),
    /// `PRIVACYREQUIRED`
    PrivacyRequired,
    /// `READ-ONLY`
    ReadOnly,
    /// `READ-WRITE`
    ReadWrite,
    /// `SERVERBUG`
    ServerBug,
    /// `TOOBIG`
    TooBig,
    /// `TRYCREATE`
    TryCreate,
    /// `UIDNEXT`
    UidNext(u32),
    /// `UIDNOTSTICKY`
    UidNotSticky,
    /// `UIDVALIDITY`
    UidValidity(u32),
    /// `UNAVAILABLE`
    Unavailable,
    /// `UNKNOWN-CTE` (RFC 9051 §7.1)
    UnknownCte,
    /// Any other code: its name in upper case.
    Other(String),
}

impl Code {
    /// Whether it says why something was refused. What is not known counts as none (RFC 9051 §7.1), and so does what only
    /// informs.
    #[must_use]
    pub fn is_reason(&self) -> bool {
        match self {
            Self::Alert
            | Self::AppendUid(..)
            | Self::Capability(_)
            | Self::Closed
            | Self::CopyUid(..)
            | Self::HighestModSeq(_)
            | Self::MailboxId(_)
            | Self::Modified(_)
            | Self::NoModSeq
            | Self::PermanentFlags(_)
            | Self::ReadOnly
            | Self::ReadWrite
            | Self::UidNext(_)
            | Self::UidNotSticky
            | Self::UidValidity(_)
            | Self::Other(_) => false,
            Self::AlreadyExists
            | Self::AuthenticationFailed
            | Self::AuthorizationFailed
            | Self::BadCharset
            | Self::BadUrl
            | Self::Cannot
            | Self::ClientBug
            | Self::ContactAdmin
            | Self::Corruption
            | Self::Expired
            | Self::ExpungeIssued
            | Self::HasChildren
            | Self::InUse
            | Self::Limit
            | Self::NonExistent
            | Self::NoPerm
            | Self::OverQuota
            | Self::Parse
            | Self::PrivacyRequired
            | Self::ServerBug
            | Self::TooBig
            | Self::TryCreate
            | Self::Unavailable
            | Self::UnknownCte => true,
        }
    }
}

/// Data without a tag.
#[derive(Debug, Clone, PartialEq)]
pub enum Untagged {
    /// `* OK`, `* NO`, `* BAD`, `* PREAUTH`, `* BYE`
    Status {
        /// Which of them.
        status: Status,
        /// The response code in brackets.
        code: Option<Code>,
        /// Human text, cut to a bound.
        text: String,
    },
    /// `* CAPABILITY`
    Capability(Vec<String>),
    /// `* ENABLED`
    Enabled(Vec<String>),
    /// `* LIST` (and `LSUB`)
    List(ListEntry),
    /// `* STATUS`
    MailboxStatus(MailboxStatus),
    /// `* SEARCH` and `* SORT`: numbers in the server's order. One long line may come as several of these.
    Search {
        /// UIDs or sequence numbers, as the command asked.
        numbers: Vec<u32>,
        /// RFC 7162 §3.1.5
        mod_seq: Option<u64>,
    },
    /// `* ESEARCH` (RFC 4731)
    ExtendedSearch(ExtendedSearch),
    /// `* n EXISTS`
    Exists(u32),
    /// `* n RECENT`
    Recent(u32),
    /// `* n EXPUNGE`
    Expunge(u32),
    /// `* VANISHED` (RFC 7162 §3.2.10)
    Vanished {
        /// Whether `(EARLIER)` was said.
        earlier: bool,
        /// UIDs.
        uids: Vec<RangeInclusive<u32>>,
    },
    /// `* n FETCH`
    Fetch(Box<Fetch>),
    /// `* FLAGS`
    Flags(Vec<String>),
    /// `* NAMESPACE` (RFC 2342)
    Namespace(Namespace),
    /// `* MYRIGHTS` (RFC 4314 §3.8): the letters.
    MyRights(String),
    /// `* QUOTA` (RFC 9208 §4.2.1): each resource with its usage and its limit.
    Quota(Vec<(String, u64, u64)>),
    /// `* ID` (RFC 2971)
    Id(Vec<(String, Option<String>)>),
    /// Anything else, or a known name with data that does not parse: the name in upper case.
    Other(String),
}

/// A line of LIST.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListEntry {
    /// Attributes such as `\Noselect`, as sent.
    pub attributes: Vec<String>,
    /// Hierarchy separator; `None` for NIL.
    pub separator: Option<u8>,
    /// The mailbox.
    pub mailbox: Option<MailboxName>,
    /// RFC 5465 §5.4: the name before a rename.
    pub old_name: Option<MailboxName>,
}

impl ListEntry {
    /// Whether an attribute is there, in any case.
    #[must_use]
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes
            .iter()
            .any(|present| present.eq_ignore_ascii_case(attribute))
    }
}

/// A line of STATUS; what the server left out is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MailboxStatus {
    /// The mailbox.
    pub mailbox: Option<MailboxName>,
    /// `MESSAGES`
    pub messages: Option<u32>,
    /// `UIDNEXT`
    pub uid_next: Option<u32>,
    /// `UIDVALIDITY`
    pub uid_validity: Option<u32>,
    /// `UNSEEN`
    pub unseen: Option<u32>,
    /// `HIGHESTMODSEQ`
    pub highest_mod_seq: Option<u64>,
    /// `MAILBOXID`, only when made of `[A-Za-z0-9_-]` (a server in use sends random bytes at times).
    pub mailbox_id: Option<String>,
    /// `SIZE`
    pub size: Option<u64>,
}

/// An answer to an extended SEARCH.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExtendedSearch {
    /// `(TAG "…")`
    pub tag: Option<String>,
    /// Whether the numbers are UIDs.
    pub uid: bool,
    /// `MIN`
    pub min: Option<u32>,
    /// `MAX`
    pub max: Option<u32>,
    /// `COUNT`
    pub count: Option<u32>,
    /// `ALL`, in the order sent.
    pub all: Vec<RangeInclusive<u32>>,
    /// `MODSEQ`
    pub mod_seq: Option<u64>,
}

/// The three kinds of namespace; each a prefix and a separator.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Namespace {
    /// The user's own.
    pub personal: Vec<(Vec<u8>, Option<u8>)>,
    /// Those of other users.
    pub other: Vec<(Vec<u8>, Option<u8>)>,
    /// Shared ones.
    pub shared: Vec<(Vec<u8>, Option<u8>)>,
}

/// What a FETCH line said about one message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fetch {
    /// Sequence number.
    pub number: u32,
    /// `UID`
    pub uid: Option<u32>,
    /// `FLAGS`, as sent.
    pub flags: Option<Vec<String>>,
    /// `MODSEQ`
    pub mod_seq: Option<u64>,
    /// `INTERNALDATE`, as sent.
    pub internal_date: Option<String>,
    /// `RFC822.SIZE`
    pub size: Option<u64>,
    /// `BODYSTRUCTURE`
    pub body_structure: Option<Result<BodyStructure, Unreadable>>,
    /// `BODY[…]` and `BINARY[…]`.
    pub sections: Vec<Section>,
    /// `BINARY.SIZE[…]`: section and octets after decoding.
    pub binary_sizes: Vec<(String, u64)>,
    /// `EMAILID` (RFC 8474)
    pub email_id: Option<String>,
}

/// It came, and is nested too deep or does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// Bytes of one section.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Whether it came as `BINARY[…]`, decoded.
    pub binary: bool,
    /// What stood in the brackets, upper-cased: `HEADER`, `TEXT`, `1.2`, `1.MIME`, or empty.
    pub name: String,
    /// `<n>`: where a partial answer starts.
    pub origin: Option<u64>,
    /// The bytes; `None` for NIL. Shared with the buffer they were read into.
    pub bytes: Option<Bytes>,
}

/// MIME structure (RFC 9051 §7.5.2), types and parameter names in lower case, strings unescaped.
#[derive(Debug, Clone, PartialEq)]
pub enum BodyStructure {
    /// A multipart.
    Multipart {
        /// Subtype, such as `related`.
        subtype: String,
        /// Parameters, where the server sent extension data.
        parameters: Vec<(String, String)>,
        /// The parts, in order.
        parts: Vec<BodyStructure>,
    },
    /// Anything else.
    Leaf(Box<Leaf>),
}

/// A body part that is no multipart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Leaf {
    /// Type, such as `text`.
    pub media_type: String,
    /// Subtype, such as `plain`.
    pub subtype: String,
    /// Parameters.
    pub parameters: Vec<(String, String)>,
    /// Content-ID as sent.
    pub id: Option<String>,
    /// Transfer encoding, in lower case.
    pub encoding: String,
    /// Octets, encoded.
    pub octets: u64,
    /// Content-Disposition: type and parameters.
    pub disposition: Option<(String, Vec<(String, String)>)>,
    /// Content-Location.
    pub location: Option<String>,
    /// The structure inside a `message/rfc822`.
    pub message: Option<BodyStructure>,
}
