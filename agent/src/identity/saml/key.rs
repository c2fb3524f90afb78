//! The provider's keys, as the certificates of its metadata state them, and the algorithms that are taken.

use ring::digest;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::error::{SamlError, shown};

/// Smallest modulus that is taken, in bits; what ring verifies with.
const RSA_MIN_BITS: usize = 2048;

/// What keys are taken.
const KEYS: &str = "an RSA key of 2048 to 8192 bits or an EC key on P-256 or P-384";

/// A public key of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// RSA: `RSAPublicKey` in DER; EC: the point, uncompressed. ring takes either for its own algorithms alone.
    bytes: Vec<u8>,
}

impl Key {
    /// Takes the key of a certificate.
    ///
    /// Nothing else of the certificate counts, its dates neither: the metadata says that the key is the provider's.
    /// Source: SAML 2.0 metadata interoperability profile 2.6.1.
    pub(super) fn of_certificate(der: &[u8]) -> Result<Self, SamlError> {
        let unfit = |found: String| SamlError::Certificate {
            expected: KEYS,
            found,
        };
        let Ok(([], certificate)) = X509Certificate::from_der(der) else {
            return Err(unfit("what is not X.509 in DER".to_owned()));
        };
        let key = certificate.public_key();
        let algorithm = &key.algorithm.algorithm;
        let curve = key
            .algorithm
            .parameters
            .as_ref()
            .and_then(|parameters| parameters.as_oid().ok());
        let is_ec = *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY
            && (curve.as_ref() == Some(&OID_EC_P256) || curve.as_ref() == Some(&OID_NIST_EC_P384));
        if *algorithm == OID_PKCS1_RSAENCRYPTION {
            let bits = key.parsed().as_ref().map_or(0, PublicKey::key_size);
            if bits < RSA_MIN_BITS {
                return Err(unfit(format!("an RSA key of {bits} bits")));
            }
        } else if !is_ec {
            return Err(unfit(format!("the algorithm {algorithm}")));
        }
        let bytes = key.subject_public_key.data.to_vec();
        Ok(Self { bytes })
    }

    /// Tells whether this key signed these bytes.
    pub(super) fn verifies(&self, method: Method, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(method.algorithm(), &self.bytes)
            .verify(bytes, signature)
            .is_ok()
    }
}

/// How a signature was made; each curve goes with its own digest, as ring has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    RsaSha256,
    RsaSha384,
    RsaSha512,
    EcdsaSha256,
    EcdsaSha384,
}

impl Method {
    /// Names by which `SignatureMethod` calls them. Source: RFC 9231, 2.3.
    pub(super) fn of_uri(uri: &str) -> Result<Self, SamlError> {
        match uri {
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" => Ok(Self::RsaSha256),
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384" => Ok(Self::RsaSha384),
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => Ok(Self::RsaSha512),
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" => Ok(Self::EcdsaSha256),
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384" => Ok(Self::EcdsaSha384),
            other => Err(SamlError::Algorithm {
                place: "SignatureMethod",
                expected: "RSA with SHA-256, 384 or 512, or ECDSA with SHA-256 on P-256 or SHA-384 on P-384",
                found: shown(other),
            }),
        }
    }

    fn algorithm(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::RsaSha256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::RsaSha384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::RsaSha512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::EcdsaSha256 => &ECDSA_P256_SHA256_FIXED,
            Self::EcdsaSha384 => &ECDSA_P384_SHA384_FIXED,
        }
    }
}

/// Gives the digest that `DigestMethod` names. Source: RFC 9231, 2.1, and XML Encryption 1.1, 5.7.
pub(super) fn digest_of_uri(uri: &str) -> Result<&'static digest::Algorithm, SamlError> {
    match uri {
        "http://www.w3.org/2001/04/xmlenc#sha256" => Ok(&digest::SHA256),
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => Ok(&digest::SHA384),
        "http://www.w3.org/2001/04/xmlenc#sha512" => Ok(&digest::SHA512),
        other => Err(SamlError::Algorithm {
            place: "DigestMethod",
            expected: "SHA-256, SHA-384 or SHA-512",
            found: shown(other),
        }),
    }
}
