//! What a store's section says about how its server is reached and who opens boxes there, with the files it names.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use crate::{
    config::{OperatorMethod, StoreConfig},
    identity::{Credentials, Operator, Secret},
    imap::{Server, connect::Endpoint, guard::Limits},
    tls,
};

/// Longest password of an operator, in octets, with the end of its line.
const LONGEST_PASSWORD: u64 = 4096;

/// A file that the section names and that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct UnusableFile {
    /// The key below the section, such as `tls_ca`.
    pub key: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads the files that a store's section names.
///
/// # Errors
/// The first one that cannot be used.
pub fn check_files(config: &StoreConfig) -> Result<(), UnusableFile> {
    server(config).map(drop)
}

/// The server of a store; nothing is connected.
///
/// # Errors
/// The first file that cannot be used.
pub(super) fn server(config: &StoreConfig) -> Result<Server, UnusableFile> {
    let tls_config = tls::client(config.tls_ca.as_deref()).map_err(unusable("tls_ca"))?;
    let operator = operator(config)?;
    let endpoint = Endpoint {
        store: config.name.as_str().into(),
        host: config.host.clone(),
        port: config.port,
        tls: config.tls,
        tls_config: Arc::clone(&tls_config),
        connect_timeout: Duration::from_secs(config.connect_timeout),
        command_timeout: Duration::from_secs(config.command_timeout),
        idle_timeout: Duration::from_secs(config.idle_timeout),
        limits: Limits::default(),
    };
    let wait = Duration::from_secs(config.pool_timeout);
    let server = Server::new(endpoint, config.max_connections, wait);
    let Some(operator) = operator else {
        return Ok(server);
    };
    // Nobody but the operator shows its certificate.
    let settings = config.operator.as_ref();
    let files =
        settings.and_then(|settings| settings.certificate.as_ref().zip(settings.key.as_ref()));
    let tls_config = match files {
        Some((certificate, key)) => {
            tls::client_with_certificate(config.tls_ca.as_deref(), certificate, key)
                .map_err(unusable("operator.certificate"))?
        }
        None => tls_config,
    };
    Ok(server.with_operator(Arc::new(operator), tls_config))
}

fn operator(config: &StoreConfig) -> Result<Option<Operator>, UnusableFile> {
    let Some(settings) = &config.operator else {
        return Ok(None);
    };
    let credentials = || {
        let file = settings.password_file.as_deref().unwrap_or(Path::new(""));
        let password = password(file).map_err(|reason| UnusableFile {
            key: "operator.password_file",
            reason: format!("{}: {reason}", file.display()),
        })?;
        Ok(Credentials {
            login: settings.user.clone().unwrap_or_default(),
            password,
        })
    };
    let operator = match settings.method {
        OperatorMethod::Authzid => Operator::AuthorizationIdentity(credentials()?),
        OperatorMethod::Master => Operator::MasterUser(credentials()?),
        OperatorMethod::External => Operator::External,
    };
    Ok(Some(operator))
}

/// The password in a file, without the end of its line.
fn password(path: &Path) -> Result<Secret, String> {
    let mut text = String::new();
    let read = |text: &mut String| -> io::Result<usize> {
        let file = File::open(path)?;
        file.take(LONGEST_PASSWORD + 1).read_to_string(text)
    };
    let octets = read(&mut text).map_err(|error| error.to_string())?;
    if octets as u64 > LONGEST_PASSWORD {
        return Err("too long for a password".to_owned());
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err("no password in it".to_owned());
    }
    if line.chars().any(char::is_control) {
        return Err("a control character in the password, or more than one line".to_owned());
    }
    Ok(Secret::new(line))
}

fn unusable(key: &'static str) -> impl Fn(tls::Error) -> UnusableFile {
    move |error| UnusableFile {
        key,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        password(file.path()).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn the_end_of_the_line_is_not_part_of_the_password() {
        for content in ["hunter 2", "hunter 2\n", "hunter 2\r\n"] {
            assert_eq!(read(content.as_bytes()).unwrap(), "hunter 2");
        }
        assert_eq!(read(" pass\u{f6} \n".as_bytes()).unwrap(), " pass\u{f6} ");
    }

    #[test]
    fn what_is_no_password_is_refused() {
        for content in ["", "\n", "\r\n", "a\n\n", "a\nb\n", "a\tb", "a\0", "\u{85}"] {
            assert!(read(content.as_bytes()).is_err(), "{content:?}");
        }
        assert!(read(b"\xff\n").is_err());
        assert!(read(&[b'x'; 4097]).is_err());
        assert!(password(Path::new("/nonexistent/password")).is_err());
        assert!(password(Path::new("/")).is_err());
    }
}
