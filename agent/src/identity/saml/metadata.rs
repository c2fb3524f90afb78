//! The provider's metadata: who it is and which keys it signs with.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};
use roxmltree::Node;

use super::Moment;
use super::document::Text;
use super::element::{DS, MD, SAMLP, attribute, children, form, is, name, required, stated, time};
use super::error::{SamlError, shown};
use super::key::Key;

/// An identity provider, as its metadata describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    entity_id: String,
    keys: Vec<Key>,
    valid_until: Option<DateTime<Utc>>,
    sha256: [u8; 32],
}

impl Provider {
    /// Reads metadata: one `EntityDescriptor` with an `IDPSSODescriptor`, and every certificate that it signs with.
    ///
    /// The file is trusted as it stands: a signature in it is not looked at. While a provider changes its key, both
    /// certificates stand in it.
    ///
    /// # Errors
    /// If it is not such a document, or a certificate in it cannot be used.
    pub fn read(xml: &[u8]) -> Result<Self, SamlError> {
        let text = Text::read(xml)?;
        let document = text.parse()?;
        let root = document.root_element();
        if !is(root, MD, "EntityDescriptor") {
            let expected = "an `EntityDescriptor` of SAML 2.0, of one provider";
            return Err(form(root, expected, &format!("`{}`", name(root))));
        }
        let mut valid_until = time(root, "validUntil")?;
        let mut keys = Vec::new();
        for role in children(root)?
            .into_iter()
            .filter(|child| is(*child, MD, "IDPSSODescriptor"))
        {
            let protocols = required(role, "protocolSupportEnumeration")?;
            if !protocols
                .split_ascii_whitespace()
                .any(|protocol| protocol == SAMLP)
            {
                continue;
            }
            let until = time(role, "validUntil")?;
            valid_until = valid_until.into_iter().chain(until).min();
            for descriptor in children(role)?
                .into_iter()
                .filter(|child| is(*child, MD, "KeyDescriptor"))
            {
                // Without a use it is for signing too. Source: SAML 2.0 metadata 2.4.1.1.
                if attribute(descriptor, "use").is_none_or(|usage| usage == "signing") {
                    keys.extend(certificates(descriptor)?);
                }
            }
        }
        if keys.is_empty() {
            return Err(form(
                root,
                "an `IDPSSODescriptor` with a certificate to sign with",
                "none",
            ));
        }
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, xml).as_ref());
        Ok(Self {
            entity_id: required(root, "entityID")?.to_owned(),
            keys,
            valid_until,
            sha256,
        })
    }

    /// Gives its name.
    #[must_use]
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// Gives the digest of its metadata.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Tells until when its metadata may be used, if it says so.
    #[must_use]
    pub fn valid_until(&self) -> Option<DateTime<Utc>> {
        self.valid_until
    }

    /// Gives its keys.
    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Makes sure that its metadata may still be used.
    pub(super) fn require_current(&self, moment: Moment) -> Result<(), SamlError> {
        let until = self
            .valid_until
            .map(|until| moment.not_on_or_after("EntityDescriptor/@validUntil", until));
        until.unwrap_or(Ok(()))
    }

    /// Makes sure that it is this provider who speaks.
    pub(super) fn require_issuer(&self, place: &'static str, found: &str) -> Result<(), SamlError> {
        if found != self.entity_id {
            let found = format!("`{}`", shown(found));
            return Err(SamlError::Differs {
                place,
                expected: self.entity_id.clone(),
                found,
            });
        }
        Ok(())
    }
}

/// Gives the keys of the certificates in a key's description.
fn certificates(descriptor: Node<'_, '_>) -> Result<Vec<Key>, SamlError> {
    let mut keys = Vec::new();
    for certificate in descriptor
        .descendants()
        .filter(|node| is(*node, DS, "X509Certificate"))
    {
        let digits: Vec<u8> = stated(certificate)?
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        let der = STANDARD
            .decode(digits)
            .map_err(|_| form(certificate, "base64", "other signs"))?;
        keys.push(Key::of_certificate(&der)?);
    }
    if keys.is_empty() {
        return Err(form(descriptor, "an `X509Certificate`", "none"));
    }
    Ok(keys)
}
