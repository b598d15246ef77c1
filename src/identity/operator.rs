//! The operator identity of a store: a login of the bridge's own that opens the boxes of others.

use std::sync::Arc;

use super::{Credentials, Secret, template::is_login};

/// Who the bridge is when it opens a box without its owner's password.
#[derive(Debug, Clone)]
pub enum Operator {
    /// SASL PLAIN with the box's login as authorization identity (RFC 4616 §2).
    AuthorizationIdentity(Credentials),
    /// The login name `box*operator`, with the operator's password (Dovecot's master users).
    MasterUser(Credentials),
    /// SASL EXTERNAL (RFC 4422 appendix A): the connection's TLS certificate says who the operator is.
    External,
}

/// How a connection logs in to a box.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// As its owner.
    Owner(Credentials),
    /// By the operator.
    Operator(ByOperator),
}

/// A box to be opened by the operator. Its login cannot be taken for anything but a user's name.
#[derive(Debug, Clone)]
pub struct ByOperator {
    operator: Arc<Operator>,
    login: String,
}

impl Operator {
    /// Whether its name cannot be taken for anything but a user's.
    #[must_use]
    pub fn is_name(user: &str) -> bool {
        is_login(user)
    }

    /// Whether a server may overlook which box is meant, and open the operator's own instead: Courier does.
    #[must_use]
    pub fn can_be_overlooked(&self) -> bool {
        match self {
            Self::AuthorizationIdentity(_) | Self::External => true,
            // A name that the server does not split is one that nobody has.
            Self::MasterUser(_) => false,
        }
    }
}

impl ByOperator {
    /// `None` for what is no login a store may see, wherever it comes from: controls, `/`, `..`, `*`, `%`, nothing at all.
    #[must_use]
    pub fn new(operator: Arc<Operator>, login: &str) -> Option<Self> {
        let login = is_login(login).then(|| login.to_owned())?;
        Some(Self { operator, login })
    }

    /// Who opens it.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Whose box it is.
    #[must_use]
    pub fn login(&self) -> &str {
        &self.login
    }

    /// What a plain login presents for `box*operator`; `None` for the other methods.
    #[must_use]
    pub fn master_login(&self) -> Option<(String, &Secret)> {
        match &*self.operator {
            Operator::MasterUser(Credentials { login, password }) => {
                Some((format!("{}*{login}", self.login), password))
            }
            Operator::AuthorizationIdentity(_) | Operator::External => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator() -> Arc<Operator> {
        Arc::new(Operator::MasterUser(Credentials {
            login: "bridge".to_owned(),
            password: Secret::new("hunter2"),
        }))
    }

    #[test]
    fn the_operator_opens_no_name_that_a_store_may_misread() {
        for login in [
            "",
            ".",
            "..",
            "../../etc",
            "a/b",
            "+1555*cyrus",
            "*",
            "%u",
            "+1555\r\n",
            "+1555\0",
            "\u{85}",
            &"1".repeat(321),
        ] {
            assert!(ByOperator::new(operator(), login).is_none(), "{login:?}");
        }
        for login in ["+15550100", "tel:+15550100", "ana@example.org", "a.b"] {
            assert!(ByOperator::new(operator(), login).is_some(), "{login:?}");
        }
    }

    #[test]
    fn debug_of_the_operator_shows_no_password() {
        let by_operator = ByOperator::new(operator(), "+15550100").unwrap();
        let shown = format!("{:?}", Authentication::Operator(by_operator));
        assert!(
            shown.contains("bridge") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
