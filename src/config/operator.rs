//! `operator` in `[[stores]]`: who opens boxes without their owners' passwords.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Error, TlsMode};
use crate::identity::Operator;

/// The operator identity of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperatorConfig {
    /// Its own login; with [`OperatorMethod::External`] the certificate says it.
    pub user: Option<String>,
    /// File with its password.
    pub password_file: Option<PathBuf>,
    /// How it opens a box.
    pub method: OperatorMethod,
    /// PEM file with its certificate and the chain, for [`OperatorMethod::External`] only.
    pub certificate: Option<PathBuf>,
    /// PEM file with the certificate's key.
    pub key: Option<PathBuf>,
}

/// How the operator opens a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum OperatorMethod {
    /// SASL PLAIN with the box's login as authorization identity.
    #[default]
    Authzid,
    /// The login `box*user`, as Dovecot's master users have it.
    Master,
    /// SASL EXTERNAL with the box's login as authorization identity.
    External,
}

impl OperatorConfig {
    /// The files it names.
    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let password = self.password_file.iter_mut();
        password.chain(&mut self.certificate).chain(&mut self.key)
    }

    pub(super) fn validate(&self, key: &str, tls: TlsMode) -> Result<(), Error> {
        let mistake = |name: &str, reason: &str| Err(Error::value(format!("{key}.{name}"), reason));
        let by_certificate = self.method == OperatorMethod::External;
        for (name, file, needed) in [
            ("password_file", &self.password_file, !by_certificate),
            ("certificate", &self.certificate, by_certificate),
            ("key", &self.key, by_certificate),
        ] {
            match file {
                Some(_) if !needed => return mistake(name, "not used by this method"),
                Some(path) if !path.as_os_str().is_empty() => {}
                None if !needed => {}
                Some(_) | None => return mistake(name, "missing: the name of a file"),
            }
        }
        match &self.user {
            Some(_) if by_certificate => mistake("user", "not used by this method"),
            Some(user) if Operator::is_name(user) => Ok(()),
            None if by_certificate && tls != TlsMode::Off => Ok(()),
            None if by_certificate => mistake("method", "external needs TLS to show a certificate"),
            Some(_) | None => mistake(
                "user",
                "expected a login without controls, `/`, `*`, `%` or `..`",
            ),
        }
    }
}
