//! SAML by others: npm `samlp` as a provider, and Debian's `xmlsec1` as a second opinion of its signatures.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::harness::certificates::LoginKey;
use crate::{install, node, python};

/// The provider's name.
pub const ENTITY_ID: &str = "https://idp.example";

/// Installs both unless that was done.
pub fn prepare() -> Result<()> {
    node::modules("saml")?;
    xmlsec1().map(drop)
}

fn xmlsec1() -> Result<PathBuf> {
    install::program("xmlsec1", &["xmlsec1"])
}

/// A provider with a key and a certificate of its own, in files.
#[derive(Clone, Debug)]
pub struct Provider {
    folder: PathBuf,
    key: PathBuf,
    certificate: PathBuf,
}

impl Provider {
    /// Makes a provider with an RSA key into `folder`.
    pub fn rsa(folder: &Path) -> Result<Self> {
        let key = fs::read_to_string(LoginKey::make(folder)?.private_file)?;
        Self::of(folder, &KeyPair::from_pem(&key)?)
    }

    /// Makes a provider with this key into `folder`.
    pub fn of(folder: &Path, key: &KeyPair) -> Result<Self> {
        let certificate = CertificateParams::default().self_signed(key)?;
        let made = Self {
            folder: folder.to_owned(),
            key: folder.join("provider.key"),
            certificate: folder.join("provider.crt"),
        };
        fs::write(&made.key, key.serialize_pem())?;
        fs::write(&made.certificate, certificate.pem())?;
        Ok(made)
    }

    /// Gives what samlp publishes of itself.
    pub fn metadata(&self) -> Result<String> {
        self.samlp(&json!({ "metadata": true, "issuer": ENTITY_ID }))
    }

    /// Has samlp issue a response for Ada, as `options` differ from the usual ones.
    pub fn response(&self, options: Value) -> Result<String> {
        let mut all = json!({
            "issuer": ENTITY_ID,
            "audience": "icecore",
            "recipient": "https://icecore.example/acs",
            "destination": "https://icecore.example/acs",
            "signatureAlgorithm": "rsa-sha256",
            "digestAlgorithm": "sha256",
            "lifetimeInSeconds": 300,
            "user": {
                "id": "ada",
                "displayName": "Ada L.",
                "name": { "givenName": "Ada", "familyName": "L." },
                "emails": [{ "value": "ada@example.com" }],
                "groups": ["analysts", "R&D"],
            },
        });
        if let (Some(all), Value::Object(options)) = (all.as_object_mut(), options) {
            all.extend(options);
        }
        self.samlp(&all)
    }

    /// Gives its certificate, in PEM.
    pub fn certificate(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.certificate)?)
    }

    /// Gives its public key, in PEM.
    pub fn public_key(&self) -> Result<String> {
        let key = KeyPair::from_pem(&fs::read_to_string(&self.key)?)?;
        Ok(key.public_key_pem())
    }

    fn samlp(&self, options: &Value) -> Result<String> {
        let mut command = Command::new(node::program()?);
        command
            .arg(python::folder("saml").join("issue.cjs"))
            .arg(node::modules("saml")?)
            .args([&self.key, &self.certificate]);
        output(&mut command, options.to_string().as_bytes())
    }

    /// Has xmlsec1 fill the empty signature of a document in.
    pub fn signed_by_xmlsec(&self, template: &str) -> Result<String> {
        let file = self.folder.join("template.xml");
        fs::write(&file, template)?;
        let mut key = self.key.clone().into_os_string();
        key.push(",");
        key.push(&self.certificate);
        let mut command = Command::new(xmlsec1()?);
        command
            .args(["--sign", "--privkey-pem"])
            .arg(key)
            .args(IDS)
            .arg(file);
        output(&mut command, b"")
    }

    /// Asks xmlsec1 whether this provider's key made the document's first signature.
    pub fn is_signed(&self, document: &str) -> Result<bool> {
        let file = self.folder.join("document.xml");
        fs::write(&file, document)?;
        let mut command = Command::new(xmlsec1()?);
        command
            .args(["--verify", "--pubkey-cert-pem"])
            .arg(&self.certificate)
            .args(IDS)
            .arg(file);
        Ok(command.output()?.status.success())
    }
}

/// Which attributes are ids; without a DTD xmlsec1 must be told.
const IDS: [&str; 4] = [
    "--id-attr:ID",
    "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
    "--id-attr:ID",
    "urn:oasis:names:tc:SAML:2.0:protocol:Response",
];

fn output(command: &mut Command, input: &[u8]) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    child.stdin.take().context("stdin")?.write_all(input)?;
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}: {}: {errors}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}
