//! XML signatures as SAML profiles them, and in no other form: one reference, to the element that holds the signature.
//!
//! Sources: XML Signature 1.1; SAML 2.0 core 5.4. A general verifier looks the signed element up, runs transforms
//! that the message chooses and may take its key from the message: wrapping attacks live there. Here the element is
//! given, two transforms are known, keys come from the metadata, and what was verified is handed on itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use roxmltree::Node;
use ua_cryptography_xml_c14n::{Algorithm, canonicalize};

use super::element::{DS, attribute, children, empty, form, is, name, required, stated, stranger};
use super::error::{SamlError, shown};
use super::key::{Key, Method, digest_of_uri};

const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// Most prefixes in a list: each is looked up for each element, before the signature is known to hold.
const PREFIXES_MAX: usize = 32;

/// An element that a key of the provider signed, all of it but the signature; made only by this file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a, 'input>(Node<'a, 'input>);

impl<'a, 'input> Signed<'a, 'input> {
    /// Verifies the signature that stands in `element`, over that element.
    pub(super) fn verify(element: Node<'a, 'input>, keys: &[Key]) -> Result<Self, SamlError> {
        let signature = Signature::read(element)?;
        let reference = &signature.reference;
        let plain = canonicalize(
            element,
            Algorithm::Exclusive,
            &reference.prefixes,
            Some(signature.element),
        );
        if digest::digest(reference.digest, &plain).as_ref() != reference.value {
            return Err(SamlError::Changed(name(element)));
        }
        let info = canonicalize(
            signature.info,
            Algorithm::Exclusive,
            &signature.prefixes,
            None,
        );
        if !keys
            .iter()
            .any(|key| key.verifies(signature.method, &info, &signature.value))
        {
            return Err(SamlError::UnknownKey(name(element)));
        }
        Ok(Self(element))
    }

    /// Gives a child of a signed element, which is signed with it; no child of another element.
    pub(super) fn child(self, child: Node<'a, 'input>) -> Option<Self> {
        let is_covered = child.parent() == Some(self.0) && !is(child, DS, "Signature");
        is_covered.then_some(Self(child))
    }

    /// Gives the element.
    pub(super) fn element(self) -> Node<'a, 'input> {
        self.0
    }
}

/// A signature of the one form that is taken.
struct Signature<'a, 'input> {
    element: Node<'a, 'input>,
    info: Node<'a, 'input>,
    /// Prefixes that the canonical form of `info` treats inclusively.
    prefixes: Vec<&'a str>,
    method: Method,
    value: Vec<u8>,
    reference: Reference<'a>,
}

struct Reference<'a> {
    /// Prefixes that the canonical form of the signed element treats inclusively.
    prefixes: Vec<&'a str>,
    digest: &'static digest::Algorithm,
    value: Vec<u8>,
}

impl<'a, 'input> Signature<'a, 'input> {
    /// Reads the one signature that is a child of `parent`.
    fn read(parent: Node<'a, 'input>) -> Result<Self, SamlError> {
        let element = super::element::one(parent, &children(parent)?, DS, "Signature")?;
        let parts = children(element)?;
        let [info, value, rest @ ..] = parts.as_slice() else {
            return Err(form(
                element,
                "`SignedInfo`, `SignatureValue`",
                &format!("{} elements", parts.len()),
            ));
        };
        expect(element, *info, "SignedInfo")?;
        expect(element, *value, "SignatureValue")?;
        match rest {
            [] => {}
            // The key that a message brings proves nothing, so it is not read.
            [key] => expect(element, *key, "KeyInfo")?,
            [_, other, ..] => return Err(stranger(element, *other)),
        }
        let parts = children(*info)?;
        let [canonical, method, reference] = parts.as_slice() else {
            return Err(form(
                *info,
                "`CanonicalizationMethod`, `SignatureMethod` and one `Reference`",
                &format!("{} elements", parts.len()),
            ));
        };
        expect(*info, *canonical, "CanonicalizationMethod")?;
        expect(*info, *method, "SignatureMethod")?;
        expect(*info, *reference, "Reference")?;
        empty(*method)?;
        Ok(Self {
            element,
            info: *info,
            prefixes: exclusive(*canonical, "CanonicalizationMethod")?,
            method: Method::of_uri(required(*method, "Algorithm")?)?,
            value: base64(*value)?,
            reference: Reference::read(*reference, parent)?,
        })
    }
}

impl<'a> Reference<'a> {
    /// Reads a reference, which must be to `target` by its id; ids are unique, and `target` holds the signature.
    fn read(element: Node<'a, '_>, target: Node<'_, '_>) -> Result<Self, SamlError> {
        let uri = required(element, "URI")?;
        let id = required(target, "ID")?;
        if uri.strip_prefix('#') != Some(id) {
            let found = format!("a reference to `{}`", shown(uri));
            return Err(form(
                element,
                &format!("a reference to `#{}`", shown(id)),
                &found,
            ));
        }
        if element.attributes().len() != 1 {
            return Err(form(element, "no attribute but `URI`", "another"));
        }
        let parts = children(element)?;
        let [transforms, method, value] = parts.as_slice() else {
            let expected = "`Transforms`, `DigestMethod`, `DigestValue`";
            return Err(form(
                element,
                expected,
                &format!("{} elements", parts.len()),
            ));
        };
        expect(element, *transforms, "Transforms")?;
        expect(element, *method, "DigestMethod")?;
        expect(element, *value, "DigestValue")?;
        empty(*method)?;
        Ok(Self {
            prefixes: transformed(*transforms)?,
            digest: digest_of_uri(required(*method, "Algorithm")?)?,
            value: base64(*value)?,
        })
    }
}

/// Takes the two transforms of the profile and gives the second one's prefixes. Source: SAML 2.0 core 5.4.4.
fn transformed<'a>(transforms: Node<'a, '_>) -> Result<Vec<&'a str>, SamlError> {
    let parts = children(transforms)?;
    let [enveloped, canonical] = parts.as_slice() else {
        let expected = "the transforms enveloped signature and exclusive canonicalization";
        return Err(form(
            transforms,
            expected,
            &format!("{} elements", parts.len()),
        ));
    };
    expect(transforms, *enveloped, "Transform")?;
    expect(transforms, *canonical, "Transform")?;
    empty(*enveloped)?;
    let found = required(*enveloped, "Algorithm")?;
    if found != ENVELOPED {
        return Err(SamlError::Algorithm {
            place: "Transform",
            expected: ENVELOPED,
            found: shown(found),
        });
    }
    exclusive(*canonical, "Transform")
}

/// Takes exclusive canonicalization without comments and gives its list of prefixes.
fn exclusive<'a>(method: Node<'a, '_>, place: &'static str) -> Result<Vec<&'a str>, SamlError> {
    let found = required(method, "Algorithm")?;
    if found != EXCLUSIVE {
        return Err(SamlError::Algorithm {
            place,
            expected: EXCLUSIVE,
            found: shown(found),
        });
    }
    let parts = children(method)?;
    match parts.as_slice() {
        [] => Ok(Vec::new()),
        [list] if is(*list, EXCLUSIVE, "InclusiveNamespaces") => {
            empty(*list)?;
            let list = attribute(*list, "PrefixList").unwrap_or_default();
            let prefixes: Vec<&str> = list.split_ascii_whitespace().collect();
            if prefixes.len() > PREFIXES_MAX {
                return Err(SamlError::Crowded {
                    what: "prefixes in a list",
                    max: PREFIXES_MAX,
                });
            }
            Ok(prefixes)
        }
        [other, ..] => Err(stranger(method, *other)),
    }
}

fn expect(
    parent: Node<'_, '_>,
    element: Node<'_, '_>,
    wanted: &'static str,
) -> Result<(), SamlError> {
    if !is(element, DS, wanted) {
        return Err(form(
            parent,
            &format!("`{wanted}`"),
            &format!("`{}`", name(element)),
        ));
    }
    Ok(())
}

fn base64(element: Node<'_, '_>) -> Result<Vec<u8>, SamlError> {
    let digits: Vec<u8> = stated(element)?
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    STANDARD
        .decode(digits)
        .map_err(|_| form(element, "base64", "other signs"))
}
