//! Certificates and keys of one test run; none of them lives longer than the run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::emulator::{CHUNK_HOST, STAGE_HOSTS};
use crate::python::{self, Generation};

/// Names that the emulator's certificate is good for.
pub const NAMES: [&str; 7] = [
    "acme.snowflakecomputing.com",
    "*.snowflakecomputing.com",
    "files.example.com",
    CHUNK_HOST,
    STAGE_HOSTS[0],
    STAGE_HOSTS[1],
    STAGE_HOSTS[2],
];

/// A private CA and the certificate that it gave to an upstream server.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The CA's certificate, PEM: what a client must trust.
    pub ca_file: PathBuf,
    /// The server's chain, PEM.
    pub chain_file: PathBuf,
    /// The server's private key, PEM.
    pub key_file: PathBuf,
}

impl Certificates {
    /// Makes a CA and a server certificate into `folder`; `name` keeps several apart.
    pub fn make(folder: &Path, name: &str) -> Result<Self> {
        Self::make_for(folder, name, &[])
    }

    /// Makes a CA and a certificate that is good for more hosts than [`NAMES`].
    pub fn make_for(folder: &Path, name: &str, hosts: &[String]) -> Result<Self> {
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(
            DnType::CommonName,
            format!("Icecore test upstream CA {name}"),
        );
        let ca_certificate = ca.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate()?;
        let server = CertificateParams::new([&NAMES.map(str::to_owned), hosts].concat())?;
        let certificate = server.signed_by(&key, &issuer)?;

        let made = Self {
            ca_file: folder.join(format!("{name}-ca.pem")),
            chain_file: folder.join(format!("{name}-chain.pem")),
            key_file: folder.join(format!("{name}-key.pem")),
        };
        fs::write(&made.ca_file, ca_certificate.pem())?;
        fs::write(
            &made.chain_file,
            format!("{}{}", certificate.pem(), ca_certificate.pem()),
        )?;
        fs::write(&made.key_file, key.serialize_pem())?;
        Ok(made)
    }
}

/// An RSA key pair as an account registers it for key-pair authentication.
#[derive(Clone, Debug)]
pub struct LoginKey {
    /// PKCS#8, PEM, mode 0600.
    pub private_file: PathBuf,
    /// SPKI, PEM.
    pub public_pem: String,
}

impl LoginKey {
    /// Makes a key pair into `folder`. Python's `cryptography` makes it: ring signs with RSA but makes no RSA keys.
    pub fn make(folder: &Path) -> Result<Self> {
        Self::encrypted(folder, None)
    }

    /// Makes a key pair whose private half is encrypted with the passphrase in a file.
    pub fn encrypted(folder: &Path, passphrase_file: Option<&Path>) -> Result<Self> {
        let private_file = folder.join("login.p8");
        let public_file = folder.join("login.pub");
        let status = Command::new(python::interpreter(Generation::Five)?)
            .arg(python::folder("python").join("make_key.py"))
            .args([&private_file, &public_file])
            .args(passphrase_file)
            .status()?;
        ensure!(status.success(), "make_key.py: {status}");
        Ok(Self {
            private_file,
            public_pem: fs::read_to_string(public_file)?,
        })
    }
}
