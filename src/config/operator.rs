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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, StoreConfig};

    const STORE: &str = "[[stores]]\nname = \"cpm\"\nhost = \"127.0.0.1\"\n";

    fn store(lines: &str) -> StoreConfig {
        let config = Config::from_toml(&format!("{STORE}{lines}\n")).unwrap();
        config.stores.into_iter().next().unwrap()
    }

    /// The mistake in a file with one good store and these lines in its section.
    fn mistake(lines: &str) -> String {
        let text = format!("{STORE}{lines}\n");
        Config::from_toml(&text).unwrap_err().to_string()
    }

    #[test]
    fn an_operator_is_a_name_and_a_password_or_a_certificate() {
        let operator = |text: &str| store(&format!("operator = {{ {text} }}")).operator.unwrap();
        let by_password = operator("user = \"bridge\", password_file = \"p\"");
        assert_eq!(by_password.method, OperatorMethod::Authzid);
        let master = operator("user = \"bridge\", password_file = \"p\", method = \"master\"");
        assert_eq!(master.method, OperatorMethod::Master);
        let external = operator("method = \"external\", certificate = \"c\", key = \"k\"");
        assert_eq!(external.user, None);
        assert_eq!(store("").operator, None);
    }

    #[test]
    fn mistakes_in_an_operator_name_their_key() {
        for (text, expected) in [
            ("password_file = \"p\"", "user: expected a login"),
            (
                "user = \"\", password_file = \"p\"",
                "user: expected a login",
            ),
            (
                "user = \"a*b\", password_file = \"p\"",
                "user: expected a login",
            ),
            (
                "user = \"a\\n\", password_file = \"p\"",
                "user: expected a login",
            ),
            ("user = \"bridge\"", "password_file: missing"),
            (
                "user = \"bridge\", password_file = \"\"",
                "password_file: missing",
            ),
            (
                "user = \"bridge\", password_file = \"p\", key = \"k\"",
                "key: not used by this method",
            ),
            (
                "method = \"external\", user = \"bridge\", certificate = \"c\", key = \"k\"",
                "user: not used by this method",
            ),
            (
                "method = \"external\", password_file = \"p\", certificate = \"c\", key = \"k\"",
                "password_file: not used by this method",
            ),
            ("method = \"external\", key = \"k\"", "certificate: missing"),
            ("method = \"external\", certificate = \"c\"", "key: missing"),
        ] {
            let message = mistake(&format!("operator = {{ {text} }}"));
            let expected = format!("stores[0].operator.{expected}");
            assert!(message.starts_with(&expected), "{text}: {message}");
        }
        let message = mistake(
            "tls = \"off\"\noperator = { method = \"external\", certificate = \"c\", key = \"k\" }",
        );
        assert!(
            message.starts_with("stores[0].operator.method: external needs TLS"),
            "{message}"
        );
        let message = mistake("operator = { user = \"bridge\", password = \"p\" }");
        assert!(
            message.contains("line 4, column 31: unknown key `password`"),
            "{message}"
        );
    }

    #[test]
    fn the_files_of_an_operator_are_relative_to_the_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cpm.toml");
        let operator = "operator = { user = \"bridge\", password_file = \"secrets/operator\" }";
        std::fs::write(&path, format!("{STORE}{operator}\n")).unwrap();
        let config = Config::load(&path).unwrap();
        let operator = config.stores[0].operator.clone().unwrap();
        assert_eq!(
            operator.password_file,
            Some(directory.path().join("secrets/operator"))
        );
    }
}
