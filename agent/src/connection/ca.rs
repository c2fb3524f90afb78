//! The host's own CAs: one for Snowflake's names, made on first start; one for each list of model APIs that are read.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
    PKCS_ECDSA_P256_SHA256,
};
use ring::digest::{Context, SHA256, digest};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use rustls::sign::CertifiedKey;

use super::name::SNOWFLAKE_DOMAINS;

/// How long the CA is good for, in years.
const CA_YEARS: i64 = 10;

/// How long a leaf is good for, in days: strict revocation checks let a certificate of up to seven days pass without
/// a CRL (test bed B3).
const LEAF_DAYS: i64 = 6;

/// How far back a certificate begins, for clocks that differ.
const BACKDATED: TimeDelta = TimeDelta::hours(1);

/// How each CA's common name begins; a text that DER holds as it is (RFC 5280 section 4.1.2.4).
const SUBJECT: &str = "Icecore CA of";

/// Most CAs of hosts that are looked for in one text: this host's, and those of its earlier lists of model APIs.
const OWN_MAX: usize = 64;

/// Why the CA cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file cannot be read or written.
    #[error("`{}`: cannot {act}: {cause}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        act: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
    /// One of the two files is there and the other is not.
    #[error("`{}` is missing while its partner exists; restore it, or remove both to make a new CA", .0.display())]
    Half(PathBuf),
    /// A file does not hold what it should.
    #[error("`{}`: {cause}; remove it and its partner (`.pem`, `.key`) to make a new CA", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(String),
}

/// What a CA is called, and which names it is good for.
struct Scope {
    /// The name of its files, without their endings.
    stem: String,
    /// Its common name.
    subject: String,
    /// Names, each with all below it, that it is good for.
    permitted: Vec<String>,
    /// Names, each with all below it, that it is never good for.
    excluded: Vec<String>,
}

/// A CA: its certificate, and the key that signs leaves.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Ca {
    /// Reads the CA from a folder, or makes it there if there is none.
    ///
    /// `ca.pem` may be read by all; `ca.key` by the owner alone.
    ///
    /// # Errors
    /// See `CaError`; a CA that cannot be read is never replaced by itself.
    pub fn open(folder: &Path, host: &str, now: DateTime<Utc>) -> Result<Self, CaError> {
        let scope = Scope {
            stem: "ca".to_owned(),
            subject: format!("{SUBJECT} {host}"),
            permitted: SNOWFLAKE_DOMAINS.map(str::to_owned).into(),
            excluded: Vec::new(),
        };
        Self::open_scope(folder, &scope, now)
    }

    /// Reads the CA of some model APIs from a folder, or makes it there if there is none; gives its id too, by which
    /// [`Ca::kept`] finds it when the list is another one.
    ///
    /// It is good for these names and what is below them, and for nothing else: sessions trust it beside the other one.
    ///
    /// # Errors
    /// As of `open`.
    pub fn of_models(
        folder: &Path,
        host: &str,
        names: &BTreeSet<String>,
        now: DateTime<Utc>,
    ) -> Result<(String, Self), CaError> {
        if names.is_empty() {
            return Err(CaError::Make(
                "expected names that it is good for, found none".to_owned(),
            ));
        }
        let mut digest = Context::new(&SHA256);
        for name in names {
            digest.update(name.as_bytes());
            digest.update(&[0]);
        }
        let digest = digest.finish();
        let id: String = digest
            .as_ref()
            .iter()
            .take(MODELS_ID_BYTES)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let scope = Scope {
            stem: models_stem(&id),
            subject: format!("{SUBJECT} {host} for model APIs"),
            permitted: names.iter().cloned().collect(),
            excluded: SNOWFLAKE_DOMAINS.map(str::to_owned).into(),
        };
        let ca = Self::open_scope(folder, &scope, now)?;
        Ok((id, ca))
    }

    /// Reads the CA of an earlier list of model APIs.
    ///
    /// # Errors
    /// As of `open`; one that is not there is not made.
    pub fn kept(folder: &Path, id: &str) -> Result<Self, CaError> {
        if !is_models_id(id) {
            return Err(CaError::Make(format!("expected a CA's id, found {id:?}")));
        }
        let stem = models_stem(id);
        Self::read(
            &folder.join(format!("{stem}.pem")),
            &folder.join(format!("{stem}.key")),
        )
    }

    fn open_scope(folder: &Path, scope: &Scope, now: DateTime<Utc>) -> Result<Self, CaError> {
        let certificate = folder.join(format!("{}.pem", scope.stem));
        let key = folder.join(format!("{}.key", scope.stem));
        match (certificate.exists(), key.exists()) {
            (false, false) => make(folder, &certificate, &key, scope, now)?,
            (true, true) => {}
            (true, false) => return Err(CaError::Half(key)),
            (false, true) => return Err(CaError::Half(certificate)),
        }
        Self::read(&certificate, &key)
    }

    fn read(certificate: &Path, key: &Path) -> Result<Self, CaError> {
        let content = |path: &Path, cause: String| CaError::Content {
            path: path.to_owned(),
            cause,
        };
        let pem = read(certificate)?;
        let key_pair =
            KeyPair::from_pem(&read(key)?).map_err(|error| content(key, error.to_string()))?;
        let root = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| content(certificate, error.to_string()))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key_pair)
            .map_err(|error| content(certificate, error.to_string()))?;
        Ok(Self { issuer, root })
    }

    /// Makes a leaf for a name: P-256, without any address at which revocation could be asked.
    ///
    /// The chain presented is leaf and root, since the Python connector looks the issuer up in what it is sent
    /// (protocol reference 7).
    ///
    /// # Errors
    /// `Make`.
    pub fn leaf(&self, name: &str, now: DateTime<Utc>) -> Result<CertifiedKey, CaError> {
        let made = |error: rcgen::Error| CaError::Make(error.to_string());
        let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(made)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "Icecore");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, leaf_end(now));
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(made)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(made)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = rustls::crypto::ring::sign::any_ecdsa_type(&key)
            .map_err(|error| CaError::Make(error.to_string()))?;
        Ok(CertifiedKey::new(
            vec![leaf.der().clone(), self.root.clone()],
            key,
        ))
    }
}

/// So many bytes of a digest name a list of model APIs: no two lists of a host are the same by chance.
const MODELS_ID_BYTES: usize = 8;

/// Names the files of the CA of a list of model APIs.
fn models_stem(id: &str) -> String {
    format!("models-{id}")
}

/// Names the file of such a CA's certificate in the folder of CAs; none for what is no id of one.
#[must_use]
pub fn models_certificate(id: &str) -> Option<String> {
    is_models_id(id).then(|| format!("{}.pem", models_stem(id)))
}

fn is_models_id(id: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    id.len() == 2 * MODELS_ID_BYTES && id.bytes().all(digit)
}

/// Lists the certificates of hosts' own CAs in a text, each by its SHA-256 in hexadecimal; of many the first ones.
#[must_use]
pub fn own_among(pem: &[u8]) -> BTreeSet<String> {
    let is_own = |certificate: &CertificateDer<'_>| {
        let mut parts = certificate.windows(SUBJECT.len());
        parts.any(|part| part == SUBJECT.as_bytes())
    };
    CertificateDer::pem_slice_iter(pem)
        .flatten()
        .filter(is_own)
        .take(OWN_MAX)
        .map(|certificate| {
            let digest = digest(&SHA256, &certificate);
            digest
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        })
        .collect()
}

/// Tells until when a leaf made at `now` is good.
#[must_use]
pub fn leaf_end(now: DateTime<Utc>) -> DateTime<Utc> {
    now - BACKDATED + TimeDelta::days(LEAF_DAYS)
}

/// Sets both ends to midnight UTC, the first a little early.
fn set_validity(params: &mut CertificateParams, now: DateTime<Utc>, end: DateTime<Utc>) {
    let midnight = |time: DateTime<Utc>| {
        let month = u8::try_from(time.month()).unwrap_or(1);
        rcgen::date_time_ymd(time.year(), month, u8::try_from(time.day()).unwrap_or(1))
    };
    (params.not_before, params.not_after) = (midnight(now - BACKDATED), midnight(end));
}

fn make(
    folder: &Path,
    certificate: &Path,
    key: &Path,
    scope: &Scope,
    now: DateTime<Utc>,
) -> Result<(), CaError> {
    let failed = |error: rcgen::Error| CaError::Make(error.to_string());
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Icecore");
    params
        .distinguished_name
        .push(DnType::CommonName, scope.subject.clone());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let no_address = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ]
    .map(|all| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(all, 0)));
    let names = |names: &[String]| -> Vec<GeneralSubtree> {
        names.iter().cloned().map(GeneralSubtree::DnsName).collect()
    };
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: names(&scope.permitted),
        excluded_subtrees: [names(&scope.excluded), no_address.into()].concat(),
    });
    set_validity(&mut params, now, now + TimeDelta::days(365 * CA_YEARS));
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let made = params.self_signed(&pair).map_err(failed)?;
    fs::create_dir_all(folder).map_err(file(folder, "make the folder"))?;
    fs::set_permissions(folder, Permissions::from_mode(0o755))
        .map_err(file(folder, "set its mode"))?;
    write(key, pair.serialize_pem().as_bytes(), 0o600)?;
    write(certificate, made.pem().as_bytes(), 0o644)
}

fn file<'a>(path: &'a Path, act: &'static str) -> impl FnOnce(std::io::Error) -> CaError + 'a {
    move |cause| CaError::File {
        path: path.to_owned(),
        act,
        cause,
    }
}

fn read(path: &Path) -> Result<String, CaError> {
    fs::read_to_string(path).map_err(file(path, "read"))
}

/// Writes a file that must not exist, whole or not at all.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CaError> {
    let partial = path.with_extension("partial");
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&partial)
        .and_then(|mut file| {
            file.set_permissions(Permissions::from_mode(mode))?;
            file.write_all(bytes)?;
            file.sync_all()
        });
    written.map_err(file(path, "write"))?;
    fs::rename(&partial, path).map_err(file(path, "write"))
}

#[cfg(test)]
#[path = "ca_tests.rs"]
mod tests;
