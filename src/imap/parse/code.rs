//! Response codes: what stands in the brackets of a status response (RFC 9051 §7.1, RFC 5530).

use super::super::response::Code;
use super::cursor::{Cursor, number_set, object_id, text};

/// Reads the inside of the brackets; `None` when there is nothing in them.
pub(super) fn code(inside: &[u8]) -> Option<Code> {
    let mut cursor = Cursor::new(inside, 1);
    let name = cursor.name()?;
    let code = plain(&name).or_else(|| with_data(&name, &mut cursor));
    Some(code.unwrap_or_else(|| Code::Other(super::name_for_logs(&name))))
}

/// Codes that are complete with their name; data behind it (`BADCHARSET (UTF-8)`) is not of use here.
fn plain(name: &str) -> Option<Code> {
    Some(match name {
        "ALERT" => Code::Alert,
        "ALREADYEXISTS" => Code::AlreadyExists,
        "AUTHENTICATIONFAILED" => Code::AuthenticationFailed,
        "AUTHORIZATIONFAILED" => Code::AuthorizationFailed,
        "BADCHARSET" => Code::BadCharset,
        "BADURL" => Code::BadUrl,
        "CANNOT" => Code::Cannot,
        "CLIENTBUG" => Code::ClientBug,
        "CLOSED" => Code::Closed,
        "CONTACTADMIN" => Code::ContactAdmin,
        "CORRUPTION" => Code::Corruption,
        "EXPIRED" => Code::Expired,
        "EXPUNGEISSUED" => Code::ExpungeIssued,
        "HASCHILDREN" => Code::HasChildren,
        "INUSE" => Code::InUse,
        "LIMIT" => Code::Limit,
        "NOMODSEQ" => Code::NoModSeq,
        "NONEXISTENT" => Code::NonExistent,
        "NOPERM" => Code::NoPerm,
        "OVERQUOTA" => Code::OverQuota,
        "PARSE" => Code::Parse,
        "PRIVACYREQUIRED" => Code::PrivacyRequired,
        "READ-ONLY" => Code::ReadOnly,
        "READ-WRITE" => Code::ReadWrite,
        "SERVERBUG" => Code::ServerBug,
        "TOOBIG" => Code::TooBig,
        "TRYCREATE" => Code::TryCreate,
        "UIDNOTSTICKY" => Code::UidNotSticky,
        "UNAVAILABLE" => Code::Unavailable,
        "UNKNOWN-CTE" => Code::UnknownCte,
        _ => return None,
    })
}

/// Codes that mean nothing without their data; `None` also when that does not parse.
fn with_data(name: &str, cursor: &mut Cursor<'_>) -> Option<Code> {
    Some(match name {
        "APPENDUID" => Code::AppendUid(cursor.number()?, number_set(cursor.word()?)?),
        "CAPABILITY" => Code::Capability(super::atoms(cursor)),
        "COPYUID" => Code::CopyUid(
            cursor.number()?,
            number_set(cursor.word()?)?,
            number_set(cursor.word()?)?,
        ),
        "HIGHESTMODSEQ" => Code::HighestModSeq(cursor.number()?),
        "MAILBOXID" => {
            cursor.accept(b'(');
            Code::MailboxId(object_id(cursor.word()?)?)
        }
        "MODIFIED" => Code::Modified(number_set(cursor.word()?)?),
        "PERMANENTFLAGS" => Code::PermanentFlags(permanent_flags(cursor)?),
        "UIDNEXT" => Code::UidNext(cursor.number()?),
        "UIDVALIDITY" => Code::UidValidity(cursor.number()?),
        _ => return None,
    })
}

/// The list, or its words where a server forgets the parentheses.
fn permanent_flags(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
    cursor.skip_spaces();
    if cursor.peek() == Some(b'(') {
        return cursor.words();
    }
    let mut flags = Vec::new();
    while let Some(word) = cursor.word() {
        flags.push(text(word).into_owned());
    }
    Some(flags)
}
