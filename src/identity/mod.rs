//! Who: box ids, logins, credentials and the template that leads from one to the other. No I/O.
//!
//! * A [`BoxId`] that exists is well formed and in canonical spelling: equal boxes compare equal.
//! * A login that comes out of a [`LoginTemplate`], or that the [`Operator`] is sent to, cannot be taken by a store for anything
//!   but a user's name.
//! * Two box ids that the [`BoxRules`] accept do not share a login by accident.

mod box_id;
mod operator;
mod rules;
mod template;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

pub use box_id::{BoxId, Malformed, Scheme};
pub use operator::{Authentication, ByOperator, Operator};
pub use rules::{BoxRules, Mistake};
pub use template::{LoginTemplate, is_login};

/// A password or token; `Debug` does not show it, `Display` does not exist, and memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(SecretString::from(secret.into()))
    }

    /// The secret itself; to be called only where it goes onto the wire or into a digest.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

/// A login with a password of its own, as it is presented to the store.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// IMAP login name.
    pub login: String,
    /// Its password.
    pub password: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_credentials_shows_no_password() {
        let credentials = Credentials {
            login: "+15550100".to_owned(),
            password: Secret::new("hunter2"),
        };
        let shown = format!("{credentials:?}");
        assert!(
            shown.contains("+15550100") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
