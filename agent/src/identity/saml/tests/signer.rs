//! Signs documents as a provider does, by ring, and writes the metadata that goes with the keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaKeyPair,
};
use ua_cryptography_xml_c14n::{Algorithm, canonicalize};

/// A provider's key with its certificate.
pub(super) struct Signer {
    pkcs8: Vec<u8>,
    pub(super) certificate: Vec<u8>,
}

impl Signer {
    /// The RSA key that other tests use too.
    pub(super) fn rsa() -> Self {
        // Cargo runs tests in their package's folder.
        Self::of_pem("plain")
    }

    pub(super) fn of_pem(name: &str) -> Self {
        let pem =
            std::fs::read_to_string(format!("src/upstream/credential/keys/{name}.pem")).unwrap();
        Self::of(&KeyPair::from_pem(&pem).unwrap())
    }

    pub(super) fn p256() -> Self {
        Self::of(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
    }

    pub(super) fn p384() -> Self {
        Self::of(&KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap())
    }

    /// A key that signed nothing.
    pub(super) fn other() -> Self {
        Self::p256()
    }

    pub(super) fn of(key: &KeyPair) -> Self {
        let certificate = CertificateParams::default().self_signed(key).unwrap();
        Self {
            pkcs8: key.serialize_der(),
            certificate: certificate.der().to_vec(),
        }
    }

    /// A provider of whose key there is the certificate alone.
    pub(super) fn of_certificate(certificate: Vec<u8>) -> Self {
        let pkcs8 = Vec::new();
        Self { pkcs8, certificate }
    }

    fn sign(&self, method: &str, bytes: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |padding: &'static dyn ring::signature::RsaEncoding| {
            let key = RsaKeyPair::from_pkcs8(&self.pkcs8).unwrap();
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(padding, &random, bytes, &mut signature).unwrap();
            signature
        };
        let ecdsa = |algorithm| {
            let key = EcdsaKeyPair::from_pkcs8(algorithm, &self.pkcs8, &random).unwrap();
            key.sign(&random, bytes).unwrap().as_ref().to_vec()
        };
        match method {
            "rsa-sha384" => rsa(&RSA_PKCS1_SHA384),
            "rsa-sha512" => rsa(&RSA_PKCS1_SHA512),
            "ecdsa-sha256" => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            "ecdsa-sha384" => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            _ if self.pkcs8.len() < 1000 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            _ => rsa(&RSA_PKCS1_SHA256),
        }
    }
}

/// In which form a document is signed; `edit` changes the signed info before it is signed.
pub(super) struct Form {
    pub(super) method: &'static str,
    pub(super) digest: &'static str,
    pub(super) prefixes: Option<&'static str>,
    pub(super) edit: fn(String) -> String,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            method: "rsa-sha256",
            digest: "xmlenc#sha256",
            prefixes: None,
            edit: |info| info,
        }
    }
}

/// Signs the element of this id, and puts the signature behind its issuer.
pub(super) fn sign(xml: &str, id: &str, signer: &Signer, form: &Form) -> String {
    let document = roxmltree::Document::parse(xml).unwrap();
    let element = document
        .descendants()
        .find(|node| node.attribute("ID") == Some(id))
        .unwrap();
    let prefixes: Vec<&str> = form.prefixes.unwrap_or_default().split(' ').collect();
    let plain = canonicalize(element, Algorithm::Exclusive, &prefixes, None);
    let algorithm = match form.digest {
        "xmldsig-more#sha384" => &digest::SHA384,
        "xmlenc#sha512" => &digest::SHA512,
        _ => &digest::SHA256,
    };
    let value = STANDARD.encode(digest::digest(algorithm, &plain));
    let list = form.prefixes.map_or_else(String::new, |prefixes| {
        format!(
            r#"<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="{prefixes}"></ec:InclusiveNamespaces>"#
        )
    });
    let info = [
        r#"<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">"#,
        r#"</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#"#,
        form.method,
        r##""></ds:SignatureMethod><ds:Reference URI="#"##,
        id,
        r#""><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature">"#,
        r#"</ds:Transform><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">"#,
        &list,
        r#"</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/"#,
        form.digest,
        r#""></ds:DigestMethod><ds:DigestValue>"#,
        &value,
        r#"</ds:DigestValue></ds:Reference></ds:SignedInfo>"#,
    ]
    .concat();
    let info = (form.edit)(info);
    // Its canonical form, written here without the canonicalizer that is under test.
    let canonical = info.replacen(
        "<ds:SignedInfo>",
        &format!(r#"<ds:SignedInfo xmlns:ds="{DS}">"#),
        1,
    );
    let signature = STANDARD.encode(signer.sign(form.method, canonical.as_bytes()));
    let certificate = STANDARD.encode(&signer.certificate);
    let whole = [
        format!(r#"<ds:Signature xmlns:ds="{DS}">"#).as_str(),
        &info,
        "<ds:SignatureValue>",
        &signature,
        "</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>",
        &certificate,
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>",
    ]
    .concat();
    let (before, within) = xml.split_at(element.range().start);
    let behind = format!("</saml:Issuer>{whole}");
    format!("{before}{}", within.replacen("</saml:Issuer>", &behind, 1))
}

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Writes the metadata of a provider with these keys.
pub(super) fn metadata(signers: &[&Signer]) -> String {
    let keys: String = signers
        .iter()
        .map(|signer| {
            let certificate = STANDARD.encode(&signer.certificate);
            format!(
                r#"<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{DS}"><ds:X509Data><ds:X509Certificate>
                {certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"#
            )
        })
        .collect();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
        <md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example">
          <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{keys}
            <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/sso"/>
          </md:IDPSSODescriptor>
        </md:EntityDescriptor>"#
    )
}
