//! Who: box ids, logins, credentials and the template that leads from one to the other. No I/O.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

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

/// What is presented to the store's LOGIN.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// IMAP login name.
    pub login: String,
    /// Its password.
    pub password: Secret,
}

/// The owner of a box, in canonical spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BoxId {
    canonical: String,
}

impl BoxId {
    /// Canonical spelling, such as `tel:+15550100`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.canonical
    }
}
