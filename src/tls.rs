//! TLS: the provider, the trusted roots and the configurations made from them.

use std::{path::Path, sync::Arc};

use tokio_rustls::rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, ServerConfig,
    client::{Resumption, WantsClientCert},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Why a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate file that cannot be read or holds no certificate.
    #[error("{path}: {reason}")]
    Certificate {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// rustls does not accept the configuration.
    #[error(transparent)]
    Rustls(#[from] tokio_rustls::rustls::Error),
}

/// A client configuration that trusts the system's roots and, if given, those of a PEM file.
///
/// # Errors
/// [`Error::Certificate`] when `extra_roots` cannot be read or holds no usable certificate.
pub fn client(extra_roots: Option<&Path>) -> Result<Arc<ClientConfig>, Error> {
    let config = trusting(extra_roots)?.with_no_client_auth();
    Ok(Arc::new(config))
}

/// The same, showing a certificate with its chain to the server that asks; both files are PEM.
///
/// # Errors
/// As for [`client`], and [`Error::Certificate`] or [`Error::Rustls`] for a certificate or key that cannot be used.
pub fn client_with_certificate(
    extra_roots: Option<&Path>,
    certificate: &Path,
    key: &Path,
) -> Result<Arc<ClientConfig>, Error> {
    let (chain, key) = identity(certificate, key)?;
    let mut config = trusting(extra_roots)?.with_client_auth_cert(chain, key)?;
    // Servers on OpenSSL that ask for a certificate break off a session that is resumed (Dovecot 2.3: "session id context
    // uninitialized").
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn trusting(
    extra_roots: Option<&Path>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = extra_roots {
        let refused = |reason: String| Error::Certificate {
            path: path.display().to_string(),
            reason,
        };
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))?;
        let mut added = 0_usize;
        for certificate in certificates {
            roots.add(certificate.map_err(|error| refused(error.to_string()))?)?;
            added += 1;
        }
        if added == 0 {
            return Err(refused("no certificate in it".to_owned()));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(config)
}

/// A server configuration for HTTP/1.1 and HTTP/2 from a certificate chain and its key, both PEM.
///
/// # Errors
/// [`Error::Certificate`] for a file that cannot be used, [`Error::Rustls`] when key and certificate do not fit.
pub fn server(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Error> {
    let (chain, key) = identity(certificate, key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A certificate with its chain, and its key.
fn identity(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let refused = |path: &Path, reason: String| Error::Certificate {
        path: path.display().to_string(),
        reason,
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused(certificate, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| refused(key, error.to_string()))?;
    Ok((chain, key))
}
