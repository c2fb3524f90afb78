//! Makes the session's programs trust the proxy, besides all that they trust already.
//!
//! No one variable covers every driver, so each gets its own file: the certificates of what the caller had set, or else
//! the host's roots, and our CA at the end. The caller writes the files; the daemon, which is root, reads nothing that a caller names.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use rustix::fs::OFlags;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{java, leftover};
use crate::cli::tell::tell;
use crate::id::SessionId;

/// Where hosts keep their roots, in one file. Source: Go, crypto/x509/root_linux.go.
const HOST_ROOTS: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Longest file of roots that is taken over.
const ROOTS_MAX_BYTES: u64 = 16 << 20;

/// Longest line of a certificate's text (RFC 7468 section 2).
const PEM_LINE: usize = 64;

/// Variables that name folders of the caller's own.
pub(super) const OWN_PLACES: [&str; 2] = ["XDG_RUNTIME_DIR", "TMPDIR"];

/// Every file that is written for a session; nothing else is removed from a folder that was left over.
const FILES: [&str; 5] = [
    "requests.pem",
    "curl.pem",
    "ssl.pem",
    "node.pem",
    "java.jks",
];

/// The variables of a session, and the files they name; these go when it is dropped.
#[derive(Debug)]
pub(in crate::cli) struct Trust {
    folder: PathBuf,
    /// Says that this launcher lives, to those that remove what dead ones left.
    _held: OwnedFd,
    /// Whether the files go when this is dropped.
    goes: bool,
    /// What is set for the command.
    pub(super) variables: Vec<(&'static str, OsString)>,
    /// What the user should know.
    pub(in crate::cli) warnings: Vec<String>,
}

impl Trust {
    /// Writes the files that make `ca` trusted, beside what the `caller`'s variables name. It is a text of the proxy's: its
    /// certificates are taken over, and nothing else, for others may read these files.
    ///
    /// # Errors
    /// When the CA is no certificate, or there is no place for the files.
    pub(in crate::cli) fn write(
        ca: &str,
        session: SessionId,
        caller: impl Fn(&str) -> Option<OsString>,
        now: DateTime<Utc>,
    ) -> io::Result<Self> {
        let ca = certificates(&[ca.as_bytes()])
            .map_err(|error| io::Error::other(format!("the daemon's CA: {error}")))?;
        let set = |name: &str| caller(name).filter(|value| !value.is_empty());
        let places = places(&caller);
        for place in &places {
            leftover::sweep(place, &FILES, now);
        }
        let folder = make_folder(session, &places)?;
        let mut trust = Self {
            _held: leftover::hold(&folder)?,
            folder,
            goes: true,
            variables: Vec::new(),
            warnings: Vec::new(),
        };
        let requests = set("REQUESTS_CA_BUNDLE");
        let curl = set("CURL_CA_BUNDLE");
        // Python's requests reads the second where the first is not set (requests.sessions, merge_environment_settings).
        let (name, base) = match &requests {
            Some(_) => ("REQUESTS_CA_BUNDLE", &requests),
            None => ("CURL_CA_BUNDLE", &curl),
        };
        let roots = trust.base(name, base.as_ref()).or_host_roots(&mut trust);
        trust.add("REQUESTS_CA_BUNDLE", "requests.pem", &roots, &ca)?;
        if curl.is_some() {
            let roots = trust
                .base("CURL_CA_BUNDLE", curl.as_ref())
                .or_host_roots(&mut trust);
            trust.add("CURL_CA_BUNDLE", "curl.pem", &roots, &ca)?;
        }
        let roots = trust
            .base("SSL_CERT_FILE", set("SSL_CERT_FILE").as_ref())
            .or_host_roots(&mut trust);
        trust.add("SSL_CERT_FILE", "ssl.pem", &roots, &ca)?;
        // Node adds this file to its own roots, so there is no base but what the caller had.
        let extra = trust.base("NODE_EXTRA_CA_CERTS", set("NODE_EXTRA_CA_CERTS").as_ref());
        trust.add(
            "NODE_EXTRA_CA_CERTS",
            "node.pem",
            &extra.0.unwrap_or_default(),
            &ca,
        )?;
        // Go asks a server of Snowflake's about each certificate, ours too, and waits 6 s for it.
        let ocsp = "SF_OCSP_RESPONSE_CACHE_SERVER_ENABLED";
        if set(ocsp).is_none() {
            trust.variables.push((ocsp, "false".into()));
        }
        if java::chosen_by(&caller).is_none() {
            trust.add_java(set(java::VARIABLE).as_deref(), &ca)?;
        }
        trust.warnings.sort();
        trust.warnings.dedup();
        Ok(trust)
    }

    /// Lets all users read the files, for a command of another user's: they are roots, and no secret.
    pub(in crate::cli) fn open_to_others(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            fs::set_permissions(entry?.path(), Permissions::from_mode(0o644))?;
        }
        fs::set_permissions(&self.folder, Permissions::from_mode(0o755))
    }

    /// Leaves the files behind for a session that outlives this process; a later launcher removes them once it is over.
    pub(in crate::cli) fn leave(mut self) -> Vec<(&'static str, OsString)> {
        self.goes = false;
        std::mem::take(&mut self.variables)
    }

    /// Reads the roots that a variable names; warns if that cannot be done.
    fn base(&mut self, name: &str, value: Option<&OsString>) -> Base {
        let Some(path) = value.map(Path::new) else {
            return Base(None);
        };
        match read_roots(path) {
            Ok(roots) => Base(Some(roots)),
            Err(error) => {
                self.warnings.push(format!(
                    "{name} names `{}`, which cannot be read: {error}",
                    path.display()
                ));
                Base(None)
            }
        }
    }

    /// Makes JVMs trust the host's roots and `ca`: they read no other variable, and an option names one store only.
    fn add_java(&mut self, caller: Option<&OsStr>, ca: &[u8]) -> io::Result<()> {
        let roots = Base(None).or_host_roots(self);
        let path = self.folder.join("java.jks");
        create(&path)?.write_all(&java::key_store(&[&roots, ca]))?;
        self.variables
            .push((java::VARIABLE, java::options(caller, &path)));
        Ok(())
    }

    fn add(
        &mut self,
        variable: &'static str,
        file: &str,
        roots: &[u8],
        ca: &[u8],
    ) -> io::Result<()> {
        let path = self.folder.join(file);
        let mut file = create(&path)?;
        file.write_all(roots)?;
        file.write_all(ca)?;
        self.variables.push((variable, path.into_os_string()));
        Ok(())
    }
}

impl Drop for Trust {
    fn drop(&mut self) {
        if self.goes
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            tell(format_args!(
                "icecore: warning: `{}` was not removed: {error}",
                self.folder.display()
            ));
        }
    }
}

/// The roots that a variable names, if it names any.
struct Base(Option<Vec<u8>>);

impl Base {
    fn or_host_roots(self, trust: &mut Trust) -> Vec<u8> {
        if let Some(roots) = self.0 {
            return roots;
        }
        let found = HOST_ROOTS
            .iter()
            .find_map(|file| read_roots(Path::new(file)).ok());
        found.unwrap_or_else(|| {
            let text =
                "this host has no file of roots; the session's programs trust Snowflake hosts only";
            trust.warnings.push(text.to_owned());
            Vec::new()
        })
    }
}

/// Reads the certificates of a file, or of all files of a folder, each once.
///
/// Nothing else of a file is taken: whoever sets the caller's variables may name any file that the caller can read, and
/// the command may be another user's.
fn read_roots(path: &Path) -> io::Result<Vec<u8>> {
    let texts = if fs::metadata(path)?.is_dir() {
        let files: Vec<PathBuf> = fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()?;
        files
            .iter()
            .filter_map(|file| read_file(file).ok())
            .collect()
    } else {
        vec![read_file(path)?]
    };
    let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    certificates(&texts)
}

/// Writes the certificates of some texts, each once, and nothing else of them.
fn certificates(texts: &[&[u8]]) -> io::Result<Vec<u8>> {
    // Folders hold each root under its name and, as a link, under its hash (openssl-rehash(1)).
    let certificates: BTreeSet<Vec<u8>> = texts
        .iter()
        .flat_map(|text| CertificateDer::pem_slice_iter(text).flatten())
        .map(|certificate| certificate.to_vec())
        .collect();
    if certificates.is_empty() {
        return Err(io::Error::other("it holds no certificate in PEM form"));
    }
    Ok(certificates.iter().flat_map(|der| pem(der)).collect())
}

/// Writes a certificate as PEM (RFC 7468 section 5).
fn pem(der: &[u8]) -> Vec<u8> {
    let mut text = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    for line in STANDARD.encode(der).as_bytes().chunks(PEM_LINE) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(b"-----END CERTIFICATE-----\n");
    text
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A pipe without a writer would be waited for (fifo(7)).
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    file.take(ROOTS_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > ROOTS_MAX_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn create(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Lists where a user's own files of the moment go, the best place first.
fn places(caller: &impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let named = OWN_PLACES
        .map(caller)
        .into_iter()
        .chain([Some("/tmp".into())]);
    let mut places: Vec<PathBuf> = Vec::new();
    for place in named.flatten().map(PathBuf::from) {
        if place.is_absolute() && !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// Makes a folder that nobody else can look into.
fn make_folder(session: SessionId, places: &[PathBuf]) -> io::Result<PathBuf> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for place in places {
        let folder = place.join(format!("{}{session}", leftover::PREFIX));
        // Made, never found: a folder that is there already may be somebody else's.
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
