//! Connections on their way, for those who wait.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::Instant};

use super::{
    Pool,
    slots::Slot,
    state::{Opener, State},
};
use crate::{
    identity::Authentication,
    imap::{
        connection::Connection,
        error::Error,
        response::Code,
        server::{Need, Purpose},
    },
    task,
};

/// How long a server's smaller cap is believed; then one more connection is tried.
const CEILING_LIMIT: Duration = Duration::from_secs(60);
/// The same when it only did not answer: so does one that has no process left for the login.
const CEILING_MUTE: Duration = Duration::from_secs(10);
/// The same when it could not be reached at all.
const CEILING_AWAY: Duration = Duration::from_secs(1);

/// How long the operator does not ask again for a box that it could not open.
const REFUSAL_OF_OPERATOR: Duration = Duration::from_secs(60);

/// A connection on its way; one that is dropped half-way was lost.
pub(super) struct Opening {
    pool: Arc<Pool>,
    began: Instant,
    /// The last place in the queue then: whoever came later does not share a failure.
    last: u64,
    over: bool,
}

impl Opening {
    /// Goes on in a task of its own.
    pub(super) fn begin(self, slot: Slot) {
        // Without a runtime the process is ending, and nobody waits.
        if Handle::try_current().is_ok() {
            task::spawn(async move {
                let outcome = self.pool.open(slot).await;
                self.end(outcome);
            });
        }
    }

    fn end(mut self, outcome: Result<(Connection, Opener), Error>) {
        self.over = true;
        match outcome {
            Ok((connection, opener)) => {
                self.pool.state().has_ended(self.began);
                self.pool.enter(connection, opener);
            }
            Err(error) => self.pool.not_opened(&self, &error),
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.over {
            self.pool.not_opened(self, &Error::Closed);
        }
    }
}

impl Pool {
    /// The server allows no more connections than there are, if there are any: whether there are.
    pub(super) fn limited(&self) -> bool {
        self.state().limited(CEILING_LIMIT)
    }

    /// Makes room for one more.
    pub(super) fn new_opening(self: &Arc<Self>, state: &mut State) -> (Opening, Slot) {
        let opening = Opening {
            pool: Arc::clone(self),
            began: Instant::now(),
            last: state.places,
            over: false,
        };
        state.opening.push(opening.began);
        (opening, self.new_slot(state))
    }

    /// How a connection is opened now, and who does it.
    ///
    /// # Errors
    /// [`Error::Login`] before anybody has proved anything, without an operator; what the operator was told a moment ago.
    pub(super) fn authentication(&self) -> Result<(Authentication, Opener), Error> {
        let state = self.state();
        if let Some((proof, credentials)) = &state.owner {
            let authentication = Authentication::Owner(credentials.clone());
            return Ok((authentication, Opener::Owner(*proof)));
        }
        let refused = state.operator_refused.as_ref();
        if let Some((refusal, _)) = refused.filter(|(_, until)| Instant::now() < *until) {
            return Err(refusal.clone());
        }
        let by_operator = self.by_operator.clone().ok_or(Error::Login(None))?;
        Ok((Authentication::Operator(by_operator), Opener::Operator))
    }

    async fn open(self: &Arc<Self>, slot: Slot) -> Result<(Connection, Opener), Error> {
        let deadline = Instant::now() + self.server.wait();
        let needed = || {
            let state = self.state();
            state.wanted(state.allowed(self.cap)) > 0
        };
        self.open_with_what_there_is(slot, self.need(), needed, deadline)
            .await
    }

    /// Opens a connection as the owner, else by the operator.
    ///
    /// # Errors
    /// As for [`Self::authentication`], and what comes of the login; [`Error::Busy`] when that is refused and there is something
    /// else to present by now.
    pub(super) async fn open_with_what_there_is(
        &self,
        slot: Slot,
        need: Need,
        needed: impl Fn() -> bool,
        deadline: Instant,
    ) -> Result<(Connection, Opener), Error> {
        let (authentication, opener) = self.authentication()?;
        let purpose = Purpose::Work;
        let open = self
            .server
            .open(slot, need, &authentication, purpose, needed, deadline);
        // Boxed: the handshake's state is large and lives only here.
        match Box::pin(open).await {
            Ok(connection) => Ok((connection, opener)),
            Err(error) if error.refuses_login() || matches!(error, Error::Overlooked(_)) => {
                self.state().refused(opener, &error, REFUSAL_OF_OPERATOR);
                match self.authentication() {
                    // Those who wait get another, opened with what there is now.
                    Ok((_, other)) if other != opener => Err(Error::Busy),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// A connection for those who wait came to nothing. While there are others they wait for those.
    fn not_opened(self: &Arc<Self>, opening: &Opening, error: &Error) {
        let todo = {
            let mut state = self.state();
            state.has_ended(opening.began);
            let refusals = match error {
                Error::Login(Some(Code::Limit)) | Error::Operator(Some(Code::Limit))
                    if state.limited(CEILING_LIMIT) =>
                {
                    Vec::new()
                }
                Error::Timeout | Error::Closed | Error::Protocol(_)
                    if state.limited(CEILING_MUTE) =>
                {
                    Vec::new()
                }
                Error::Connect(_) if state.usable() > 0 => {
                    state.limited(CEILING_AWAY);
                    Vec::new()
                }
                // Only the time is up, and theirs will be soon.
                Error::Busy => Vec::new(),
                Error::Login(Some(Code::Limit))
                | Error::Operator(Some(Code::Limit))
                | Error::Timeout
                | Error::Closed
                | Error::Protocol(_)
                | Error::Connect(_) => state.refuse(opening.last, error),
                // The same would be said to everybody.
                Error::Login(_)
                | Error::Operator(_)
                | Error::Overlooked(_)
                | Error::No { .. }
                | Error::Bad(_)
                | Error::Unsent
                | Error::Unsupported(_)
                | Error::Argument => state.refuse(u64::MAX, error),
            };
            self.settle(&mut state, refusals)
        };
        self.carry_out(todo);
    }
}
