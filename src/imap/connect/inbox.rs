//! Whose box a session is in, as far as its INBOX tells.

use tokio::time::timeout;

use super::{Endpoint, Response, Session, drain};
use crate::imap::{capability::Capabilities, error::Error, response::Untagged};

/// What tells one INBOX from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::imap) struct Inbox {
    uid_validity: u32,
    mailbox_id: Option<String>,
}

impl Inbox {
    /// Whether these are certainly two: a mailbox has one UIDVALIDITY at a time (RFC 9051 §2.3.1.1). Two may have the same, and a
    /// MAILBOXID (RFC 8474) is no proof of two, as a server in use sends random ones at times; but one that is equal is not believed.
    pub(in crate::imap) fn is_another_than(&self, other: &Self) -> bool {
        let same_id = self.mailbox_id.is_some() && self.mailbox_id == other.mailbox_id;
        self.uid_validity != other.uid_validity && !same_id
    }
}

/// The INBOX of a session, which is not opened for it; `None` when the server does not tell.
///
/// # Errors
/// [`Error::Closed`] and [`Error::Timeout`].
pub(in crate::imap) async fn inbox(
    endpoint: &Endpoint,
    session: &mut Session,
    capabilities: &Capabilities,
) -> Result<Option<Inbox>, Error> {
    let command = if capabilities.mailbox_id() {
        "STATUS \"INBOX\" (UIDVALIDITY MAILBOXID)"
    } else {
        "STATUS \"INBOX\" (UIDVALIDITY)"
    };
    let Some(responses) = ask(endpoint, session, command).await? else {
        return Ok(None);
    };
    let found = responses.into_iter().find_map(|response| match response {
        Response::Untagged(Untagged::MailboxStatus(status)) => Some(Inbox {
            uid_validity: status.uid_validity.filter(|value| *value != 0)?,
            mailbox_id: status.mailbox_id,
        }),
        Response::Untagged(_) | Response::Tagged(_) | Response::Continuation => None,
    });
    Ok(found)
}

/// Whether the server says that a session has no INBOX, which is more than that it does not tell of it.
///
/// # Errors
/// [`Error::Closed`] and [`Error::Timeout`].
pub(in crate::imap) async fn has_no_inbox(
    endpoint: &Endpoint,
    session: &mut Session,
) -> Result<bool, Error> {
    let listed = |response: &Response| matches!(response, Response::Untagged(Untagged::List(_)));
    let responses = ask(endpoint, session, "LIST \"\" \"INBOX\"").await?;
    Ok(responses.is_some_and(|responses| !responses.iter().any(listed)))
}

/// `None` when the server refuses.
async fn ask(
    endpoint: &Endpoint,
    session: &mut Session,
    command: &str,
) -> Result<Option<Vec<Response>>, Error> {
    let asking = session.run_command_and_check_ok(command);
    let outcome = timeout(endpoint.command_timeout, asking)
        .await
        .map_err(|_| Error::Timeout)?;
    let responses = drain(session);
    let answered = responses
        .iter()
        .any(|response| matches!(response, Response::Tagged(_)));
    match outcome {
        Ok(()) => Ok(Some(responses)),
        Err(_) if answered => Ok(None),
        Err(_) => Err(Error::Closed),
    }
}
