//! Finds the one assertion of a message and has it verified, with the response around it if that is signed.

use roxmltree::{Document, Node};

use super::Settings;
use super::element::{
    DS, SAML, SAMLP, attribute, children, empty, form, is, name, one, required, stated, stranger,
    version,
};
use super::error::{SamlError, shown};
use super::signature::Signed;

/// Source: SAML 2.0 core 3.2.2.2.
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// Gives the assertion of a message once it is known to be signed.
///
/// A message with a second assertion anywhere, or a signature anywhere but in the response or the assertion, is not
/// one that a provider sends: it is how a forged assertion is put beside a signed one.
pub(super) fn open<'a, 'input>(
    document: &'a Document<'input>,
    settings: &Settings,
) -> Result<Signed<'a, 'input>, SamlError> {
    let root = document.root_element();
    let assertion = only_assertion(root)?;
    let response = (root != assertion).then_some(root);
    if let Some(response) = response {
        accept(response, settings)?;
    }
    let keys = settings.provider.keys();
    let signatures = root
        .descendants()
        .filter(|node| node.tag_name().name() == "Signature");
    let parents: Vec<_> = signatures.map(|signature| signature.parent()).collect();
    if let Some(Some(elsewhere)) = parents
        .iter()
        .find(|parent| **parent != Some(root) && **parent != Some(assertion))
    {
        return Err(stranger_signature(*elsewhere));
    }
    let is_signed = |element: Node<'_, '_>| parents.contains(&Some(element));
    let inner = is_signed(assertion)
        .then(|| Signed::verify(assertion, keys))
        .transpose()?;
    let response = response.filter(|response| is_signed(*response));
    let outer = response
        .map(|response| Signed::verify(response, keys))
        .transpose()?;
    let covered = outer.and_then(|outer| outer.child(assertion));
    inner.or(covered).ok_or(SamlError::Unsigned)
}

/// Gives the issuer that the one assertion of a message states, signed or not.
pub(super) fn stated_issuer(document: &Document<'_>) -> Result<String, SamlError> {
    let assertion = only_assertion(document.root_element())?;
    let issuer = one(assertion, &children(assertion)?, SAML, "Issuer")?;
    Ok(stated(issuer)?.to_owned())
}

/// Finds the assertion, which is the document or a child of its root, and the only element of that name.
fn only_assertion<'a, 'input>(root: Node<'a, 'input>) -> Result<Node<'a, 'input>, SamlError> {
    if let Some(encrypted) = root
        .descendants()
        .find(|node| node.tag_name().name().starts_with("Encrypted"))
    {
        return Err(SamlError::Encrypted(name(encrypted)));
    }
    let mut assertions = root
        .descendants()
        .filter(|node| node.tag_name().name() == "Assertion");
    let (Some(assertion), None) = (assertions.next(), assertions.next()) else {
        let count = root
            .descendants()
            .filter(|node| node.tag_name().name() == "Assertion")
            .count();
        return Err(form(root, "one `Assertion`", &count.to_string()));
    };
    let is_placed =
        assertion == root || (is(root, SAMLP, "Response") && assertion.parent() == Some(root));
    if !is(assertion, SAML, "Assertion") || !is_placed {
        return Err(form(
            root,
            "an `Assertion` of SAML 2.0, alone or in a `Response`",
            "one elsewhere",
        ));
    }
    Ok(assertion)
}

/// Makes sure that a response is ours and tells of success. What it says beside the assertion is not relied on.
fn accept(response: Node<'_, '_>, settings: &Settings) -> Result<(), SamlError> {
    version(response)?;
    let parts = children(response)?;
    let known = [
        (SAML, "Issuer"),
        (DS, "Signature"),
        (SAMLP, "Status"),
        (SAML, "Assertion"),
    ];
    for part in &parts {
        if !known
            .iter()
            .any(|(namespace, name)| is(*part, namespace, name))
        {
            return Err(stranger(response, *part));
        }
        if is(*part, SAML, "Issuer") {
            settings
                .provider
                .require_issuer("Response/Issuer", stated(*part)?)?;
        }
    }
    let status = one(response, &parts, SAMLP, "Status")?;
    let code = one(status, &children(status)?, SAMLP, "StatusCode")?;
    let found = required(code, "Value")?;
    if found != SUCCESS {
        return Err(SamlError::Status(shown(found)));
    }
    empty(code)?;
    let destination = attribute(response, "Destination").unwrap_or(&settings.recipient);
    if destination != settings.recipient {
        return Err(SamlError::Differs {
            place: "Response/@Destination",
            expected: settings.recipient.clone(),
            found: format!("`{}`", shown(destination)),
        });
    }
    Ok(())
}

fn stranger_signature(parent: Node<'_, '_>) -> SamlError {
    form(
        parent,
        "signatures in the response and the assertion alone",
        "one here",
    )
}
