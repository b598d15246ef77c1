//! What is presented at a login, and how: AUTHENTICATE PLAIN and EXTERNAL, and LOGIN.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked: what is not named does not matter here"
)]

use async_imap::{Authenticator, Client};
use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Error, Guard, Response, Session, Status, Stream, Tagged, drain};
use crate::{
    identity::{Authentication, Credentials, Operator, Secret},
    imap::capability::Capabilities,
};

/// What is presented to a server.
#[derive(Debug)]
pub(in crate::imap) enum Proof {
    /// A name and its password: PLAIN where it is offered, else LOGIN.
    Password { login: String, password: Secret },
    /// The same for the box of another; nobody's for one's own.
    PasswordFor {
        authorization: String,
        credentials: Credentials,
    },
    /// The certificate that TLS has shown, for the box of another; nobody's for one's own.
    CertificateFor { authorization: String },
}

impl Proof {
    /// What opens a box.
    pub(in crate::imap) fn of(authentication: &Authentication) -> Self {
        let by_operator = match authentication {
            Authentication::Owner(Credentials { login, password }) => {
                return Self::password(login.clone(), password);
            }
            Authentication::Operator(by_operator) => by_operator,
        };
        match by_operator.master_login() {
            Some((login, password)) => Self::password(login, password),
            None => Self::of_operator(by_operator.operator(), by_operator.login()),
        }
    }

    /// What opens the operator's own box, if it has one.
    pub(in crate::imap) fn of_operator_alone(operator: &Operator) -> Self {
        Self::of_operator(operator, "")
    }

    fn of_operator(operator: &Operator, authorization: &str) -> Self {
        let authorization = authorization.to_owned();
        match operator {
            Operator::AuthorizationIdentity(credentials) | Operator::MasterUser(credentials) => {
                Self::PasswordFor {
                    authorization,
                    credentials: credentials.clone(),
                }
            }
            Operator::External => Self::CertificateFor { authorization },
        }
    }

    fn password(login: String, password: &Secret) -> Self {
        Self::Password {
            login,
            password: password.clone(),
        }
    }

    /// Whether it can be sent: a NUL would end a part of PLAIN early, and a line's end the line.
    fn can_be_sent(&self) -> bool {
        let parts = match self {
            Self::Password { login, password } => ["", login, password.expose()],
            Self::PasswordFor {
                authorization,
                credentials: Credentials { login, password },
            } => [authorization, login, password.expose()],
            Self::CertificateFor { authorization } => [authorization, "", ""],
        };
        !parts.iter().any(|part| part.contains(['\r', '\n', '\0']))
    }

    /// Mechanism and message; `None` where LOGIN is the way.
    fn message(
        &self,
        capabilities: &Capabilities,
    ) -> Result<Option<(&'static str, String)>, Error> {
        let lacks = |what: &str| Err(Error::Connect(format!("the server does not offer {what}")));
        // RFC 4616 §2: authorization identity, authentication identity, password.
        match self {
            Self::Password { login, password } if capabilities.plain() => {
                Ok(Some(("PLAIN", format!("\0{login}\0{}", password.expose()))))
            }
            Self::Password { .. } if capabilities.login_disabled() => {
                lacks("AUTH=PLAIN, nor LOGIN")
            }
            Self::Password { .. } => Ok(None),
            Self::PasswordFor { .. } if !capabilities.plain() => {
                lacks("AUTH=PLAIN, by which alone an operator names a box")
            }
            Self::PasswordFor {
                authorization,
                credentials: Credentials { login, password },
            } => {
                let message = format!("{authorization}\0{login}\0{}", password.expose());
                Ok(Some(("PLAIN", message)))
            }
            Self::CertificateFor { .. } if !capabilities.external() => lacks("AUTH=EXTERNAL"),
            // RFC 4422 appendix A.1: the authorization identity, or nothing.
            Self::CertificateFor { authorization } => Ok(Some(("EXTERNAL", authorization.clone()))),
        }
    }
}

/// Presents it.
///
/// # Errors
/// [`Error::Login`] when it is refused, [`Error::Connect`] when the server has no way for it.
pub(super) async fn authenticate(
    client: Client<Guard<Stream>>,
    capabilities: &Capabilities,
    proof: &Proof,
) -> Result<Session, Error> {
    if !proof.can_be_sent() {
        return Err(Error::Login(None));
    }
    let outcome = match (proof.message(capabilities)?, proof) {
        (Some((mechanism, message)), _) if capabilities.sasl_initial_response() => {
            let mechanism = format!("{mechanism} {}", initial(&message));
            client.authenticate(mechanism, Once(None)).await
        }
        (Some((mechanism, message)), _) => {
            client.authenticate(mechanism, Once(Some(message))).await
        }
        (None, Proof::Password { login, password }) => client.login(login, password.expose()).await,
        (None, Proof::PasswordFor { .. } | Proof::CertificateFor { .. }) => {
            return Err(Error::Login(None));
        }
    };
    outcome.map_err(|(_, mut client)| {
        // What async-imap makes of it has lost the code; the guard has kept the line itself.
        let refusal = drain(&mut client)
            .into_iter()
            .find_map(|response| match response {
                Response::Tagged(Tagged {
                    status: Status::No,
                    code,
                    ..
                }) => Some(Error::Login(code)),
                // Nobody has looked at the password.
                Response::Tagged(Tagged {
                    status: Status::Bad,
                    ..
                }) => Some(Error::Bad("LOGIN")),
                _ => None,
            });
        refusal.unwrap_or(Error::Closed)
    })
}

/// RFC 4959 §3: an initial response without octets is `=`.
fn initial(message: &str) -> String {
    match message {
        "" => "=".to_owned(),
        message => BASE64_STANDARD.encode(message),
    }
}

/// One message, and nothing to answer to a further challenge.
struct Once(Option<String>);

impl Authenticator for Once {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        self.0.take().unwrap_or_default()
    }
}
