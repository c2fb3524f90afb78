//! Whom TLS connections trust: the host's roots, and those of a file beside them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::read_public_file;

/// Longest file of roots that is read; the usual system bundle takes 220 KB.
const ROOTS_MAX_BYTES: u64 = 8 << 20;

/// Why roots cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file cannot be read.
    #[error("`{}`: cannot read: {cause}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The file has no certificates, or one that is no root.
    #[error("`{}`: expected certificates in PEM: {cause}", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was found.
        cause: String,
    },
    /// The crypto provider lacks TLS 1.2 or 1.3.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Trusts the host's roots, and those of a file beside them.
///
/// # Errors
/// See `RootsError`.
pub fn trust(ca_file: Option<&Path>) -> Result<Arc<rustls::ClientConfig>, RootsError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "a root of the host could not be read");
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca_file {
        add(&mut roots, path)?;
    }
    config(roots)
}

/// Trusts the certificates of a text in PEM and nothing else; `place` names it where it is wrong.
///
/// # Errors
/// See `RootsError`.
pub(crate) fn trust_only(
    pem: &[u8],
    place: &Path,
) -> Result<Arc<rustls::ClientConfig>, RootsError> {
    let mut roots = RootCertStore::empty();
    add_all(&mut roots, pem, place)?;
    config(roots)
}

/// Trusts nobody.
pub(super) fn trust_nobody() -> Result<Arc<rustls::ClientConfig>, RootsError> {
    config(RootCertStore::empty())
}

fn config(roots: RootCertStore) -> Result<Arc<rustls::ClientConfig>, RootsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), RootsError> {
    let pem = read_public_file(path, ROOTS_MAX_BYTES).map_err(|flaw| RootsError::Read {
        path: path.to_owned(),
        cause: format!("expected {}, found {}", flaw.expected, flaw.found),
    })?;
    add_all(roots, &pem, path)
}

fn add_all(roots: &mut RootCertStore, pem: &[u8], path: &Path) -> Result<(), RootsError> {
    let failed = |cause: String| RootsError::Pem {
        path: path.to_owned(),
        cause,
    };
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        let added = roots.add(certificate);
        added.map_err(|error| failed(error.to_string()))?;
        found += 1;
    }
    if found == 0 {
        return Err(failed("found none".to_owned()));
    }
    Ok(())
}
