//! Logins of the operator for the boxes of others, and the certainty that it is in the right one.
//!
//! * A server may overlook the authorization identity and let the operator into a box of its own with the same OK (Courier does; so
//!   do proxies that read the rest of the SASL message). Its name is no help: a proxy passes on that of the server behind it.
//! * So before the first of these logins the operator logs in as itself. Who is refused for having no such login cannot be let into
//!   it by mistake either. Where it has an INBOX, each session for another's box must show another one; in any case it must show one.
//! * What is in doubt is refused: an INBOX that cannot be read, one that happens to be alike, a refusal that may be of the moment.
//!   A box in which nothing may be read (Dovecot's ACLs for master users) would look like one from which all was deleted.
//! * Both logins are made one after the other within what is held for the one connection, so the caps hold.
//! * What is known is believed as long as the server offers the same before a login, logins for boxes succeed, and some time has not
//!   passed. Asking costs a failed login where the operator has no box, for which Dovecot lets whoever comes next wait for seconds.
//! * After two logins in a row that were refused, of any boxes, nobody tries for a while.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::ClientConfig;
use tracing::warn;

use super::Server;
use crate::{
    identity::{Authentication, ByOperator, Operator},
    imap::{
        capability::Capabilities,
        connect::{self, Greeted, Inbox, Proof, Session},
        error::{Doubt, Error},
        response::Code,
    },
};

/// How long it is believed what the operator finds as itself.
const BELIEVED: Duration = Duration::from_secs(3600);
/// How long nobody tries after [`MOST_REFUSALS`].
const PAUSE: Duration = Duration::from_secs(60);
/// Refused logins in a row after which nobody tries for a while.
const MOST_REFUSALS: u32 = 2;

/// What is shared by the operator's logins on one server.
#[derive(Debug)]
pub(super) struct Door {
    operator: Arc<Operator>,
    /// Shows the operator's certificate, if that is how it comes in.
    tls_config: Arc<ClientConfig>,
    /// Held by who asks what the operator finds as itself.
    asking: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    itself: Option<Itself>,
    refusals: u32,
    /// Until when nobody tries, and what is said instead.
    paused: Option<(Instant, Error)>,
}

/// What the operator finds when it logs in as itself.
#[derive(Debug, Clone)]
struct Itself {
    /// What the server offered before the login.
    server: Capabilities,
    inbox: Option<Inbox>,
    until: Instant,
    /// Whether a login for a box has succeeded since.
    confirmed: bool,
}

impl Door {
    pub(super) fn new(operator: Arc<Operator>, tls_config: Arc<ClientConfig>) -> Self {
        Self {
            operator,
            tls_config,
            asking: tokio::sync::Mutex::new(()),
            known: Mutex::default(),
        }
    }

    pub(super) fn operator(&self) -> &Arc<Operator> {
        &self.operator
    }

    /// Whether somebody may try.
    fn pass(&self) -> Result<(), Error> {
        let known = self.known();
        let paused = known.paused.as_ref();
        match paused.filter(|(until, _)| Instant::now() < *until) {
            Some((_, refusal)) => Err(refusal.clone()),
            None => Ok(()),
        }
    }

    /// What the operator has found as itself on the server that greets so: its INBOX, or that there is no such login.
    fn itself(&self, greeted: &Greeted) -> Option<Option<Inbox>> {
        let known = self.known();
        let same = |itself: &&Itself| {
            itself.server == *greeted.capabilities() && Instant::now() < itself.until
        };
        let itself = known.itself.as_ref().filter(same)?;
        Some(itself.inbox.clone())
    }

    fn learn(&self, server: Capabilities, inbox: Option<Inbox>) {
        self.known().itself = Some(Itself {
            server,
            inbox,
            until: Instant::now() + BELIEVED,
            confirmed: false,
        });
    }

    /// Takes in what has come of a login for a box.
    fn note(&self, store: &str, outcome: &Result<(Session, Capabilities), Error>) {
        let known = &mut *self.known();
        let error = match outcome {
            Ok(_) => {
                known.refusals = 0;
                known.paused = None;
                if let Some(itself) = &mut known.itself {
                    itself.confirmed = true;
                }
                return;
            }
            Err(error) => error,
        };
        // RFC 5530 §3: with AUTHORIZATIONFAILED it is about this box, not about the operator.
        let of_this_box = *error == Error::Operator(Some(Code::AuthorizationFailed));
        let of_this_box = of_this_box || *error == Error::Overlooked(Doubt::Unreadable);
        let doubt = matches!(error, Error::Overlooked(_));
        let of_all = (doubt || error.refuses_login()) && !of_this_box;
        // Whether the operator has a box may have changed with a refusal, and counts only once there was a success.
        known.itself.take_if(|itself| of_all || !itself.confirmed);
        if of_all || of_this_box {
            warn!(store, %error, "the operator does not open a box");
        }
        if of_all {
            known.refusals += 1;
            if known.refusals >= MOST_REFUSALS {
                known.paused = Some((Instant::now() + PAUSE, error.clone()));
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Opens a session in the box of another.
    ///
    /// # Errors
    /// [`Error::Operator`] when it is refused, [`Error::Overlooked`] when it need not be that box, and as for [`Server::open`].
    pub(super) async fn open_by_operator(
        &self,
        door: &Door,
        by_operator: &ByOperator,
        deadline: Instant,
    ) -> Result<(Session, Capabilities), Error> {
        door.pass()?;
        let outcome = match self.open_certainly(door, by_operator, deadline).await {
            Err(Error::Login(code)) => Err(Error::Operator(code)),
            outcome => outcome,
        };
        door.note(self.name(), &outcome);
        outcome
    }

    async fn open_certainly(
        &self,
        door: &Door,
        by_operator: &ByOperator,
        deadline: Instant,
    ) -> Result<(Session, Capabilities), Error> {
        let mut greeted = self.greet(&door.tls_config, deadline).await?;
        let mut itself = None;
        if door.operator.can_be_overlooked() {
            (greeted, itself) = self.compare_first(door, greeted, deadline).await?;
        }
        let authentication = Authentication::Operator(by_operator.clone());
        let (mut session, capabilities) = self.log_in(greeted, &Proof::of(&authentication)).await?;
        let found = connect::inbox(&self.endpoint, &mut session, &capabilities).await?;
        let doubt = match (found, itself) {
            (None, _) => Doubt::Unreadable,
            (Some(found), Some(itself)) if !found.is_another_than(&itself) => Doubt::Alike,
            (Some(_), _) => return Ok((session, capabilities)),
        };
        connect::leave(&mut session).await;
        Err(Error::Overlooked(doubt))
    }

    /// What the operator finds as itself, and a connection on which nobody has logged in yet.
    async fn compare_first(
        &self,
        door: &Door,
        greeted: Greeted,
        deadline: Instant,
    ) -> Result<(Greeted, Option<Inbox>), Error> {
        if let Some(itself) = door.itself(&greeted) {
            return Ok((greeted, itself));
        }
        let _asking = timeout_at(deadline, door.asking.lock())
            .await
            .map_err(|_| Error::Busy)?;
        // Somebody else has asked meanwhile.
        if let Some(itself) = door.itself(&greeted) {
            return Ok((greeted, itself));
        }
        let server = greeted.capabilities().clone();
        let itself = self.log_in_as_itself(door, greeted).await?;
        door.learn(server, itself);
        let greeted = self.greet(&door.tls_config, deadline).await?;
        let another = Error::Overlooked(Doubt::Turns);
        let itself = door.itself(&greeted).ok_or(another)?;
        Ok((greeted, itself))
    }

    /// The operator's own INBOX; `None` when it has none, or no login for itself at all, so that it cannot be let into it.
    async fn log_in_as_itself(
        &self,
        door: &Door,
        greeted: Greeted,
    ) -> Result<Option<Inbox>, Error> {
        let proof = Proof::of_operator_alone(&door.operator);
        let (mut session, capabilities) = match self.log_in(greeted, &proof).await {
            Ok(logged_in) => logged_in,
            // RFC 5530 §3: it is not for a passing trouble. Without a code it may be.
            Err(Error::Login(Some(Code::AuthenticationFailed | Code::AuthorizationFailed))) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let found = connect::inbox(&self.endpoint, &mut session, &capabilities).await?;
        // Cyrus makes no INBOX for its proxy servers.
        let none = found.is_none() && connect::has_no_inbox(&self.endpoint, &mut session).await?;
        connect::leave(&mut session).await;
        match found {
            None if !none => Err(Error::Overlooked(Doubt::OwnUnreadable)),
            found => Ok(found),
        }
    }
}
