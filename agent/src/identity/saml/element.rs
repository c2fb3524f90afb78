//! Reads elements one by one, and complains of what else is there.

use chrono::{DateTime, Utc};
use roxmltree::Node;

use super::error::{SamlError, shown};

/// Namespaces by their usual prefixes. Sources: SAML 2.0 core 1.2, SAML 2.0 metadata 1.1, XML Signature 1.1, 1.3.
pub(super) const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(super) const SAMLP: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(super) const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
pub(super) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Names an element for an error.
pub(super) fn name(element: Node<'_, '_>) -> String {
    shown(element.tag_name().name())
}

/// Tells whether an element has this name in this namespace.
pub(super) fn is(element: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    element.is_element()
        && element.tag_name().namespace() == Some(namespace)
        && element.tag_name().name() == name
}

/// Gives the elements in an element that has no text but blanks.
pub(super) fn children<'a, 'input>(
    element: Node<'a, 'input>,
) -> Result<Vec<Node<'a, 'input>>, SamlError> {
    let is_blank = |text: &str| text.bytes().all(|byte| byte.is_ascii_whitespace());
    let has_text = element.children().any(|child| {
        child
            .text()
            .is_some_and(|text| child.is_text() && !is_blank(text))
    });
    if has_text {
        return Err(form(element, "elements alone", "text"));
    }
    Ok(element.children().filter(Node::is_element).collect())
}

/// Gives the text of an element that has no elements.
///
/// A document has no comments, so that the text is one piece and nothing of it is left out by anybody.
pub(super) fn text<'a>(element: Node<'a, '_>) -> Result<&'a str, SamlError> {
    let mut children = element.children();
    match (children.next(), children.next()) {
        (None, _) => Ok(""),
        (Some(text), None) if text.is_text() => Ok(text.text().unwrap_or_default()),
        _ => Err(form(element, "text alone", "an element")),
    }
}

/// Gives the text of an element that must say something.
pub(super) fn stated<'a>(element: Node<'a, '_>) -> Result<&'a str, SamlError> {
    let text = text(element)?;
    if text.is_empty() {
        return Err(form(element, "a text", "none"));
    }
    Ok(text)
}

/// Makes sure that nothing is in an element.
pub(super) fn empty(element: Node<'_, '_>) -> Result<(), SamlError> {
    match children(element)?.first() {
        Some(child) => Err(form(
            element,
            "nothing in it",
            &format!("`{}`", name(*child)),
        )),
        None => Ok(()),
    }
}

/// Gives the one of these elements that has this name.
pub(super) fn one<'a, 'input>(
    parent: Node<'_, '_>,
    elements: &[Node<'a, 'input>],
    namespace: &str,
    wanted: &'static str,
) -> Result<Node<'a, 'input>, SamlError> {
    let mut found = elements
        .iter()
        .filter(|element| is(**element, namespace, wanted));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(*only),
        (None, _) => Err(form(parent, &format!("one `{wanted}`"), "none")),
        (Some(_), Some(_)) => Err(form(parent, &format!("one `{wanted}`"), "several")),
    }
}

/// Gives an attribute's value; attributes of SAML have no namespace.
pub(super) fn attribute<'a>(element: Node<'a, '_>, name: &str) -> Option<&'a str> {
    element
        .attributes()
        .find(|a| a.namespace().is_none() && a.name() == name)
        .map(|a| a.value())
}

/// Gives the value of an attribute that must be there.
pub(super) fn required<'a>(
    element: Node<'a, '_>,
    name: &'static str,
) -> Result<&'a str, SamlError> {
    let value = attribute(element, name).filter(|value| !value.is_empty());
    value.ok_or_else(|| form(element, &format!("an attribute `{name}`"), "none"))
}

/// Gives the time in an attribute, if it is there; SAML's times are UTC. Source: SAML 2.0 core 1.3.3.
pub(super) fn time(
    element: Node<'_, '_>,
    name: &'static str,
) -> Result<Option<DateTime<Utc>>, SamlError> {
    let Some(value) = attribute(element, name) else {
        return Ok(None);
    };
    let is_utc = value.ends_with('Z') && value.as_bytes().get(10) == Some(&b'T');
    match DateTime::parse_from_rfc3339(value) {
        Ok(at) if is_utc => Ok(Some(at.to_utc())),
        Ok(_) | Err(_) => {
            let expected = format!("a time such as 2026-11-26T12:00:00Z in `{name}`");
            Err(form(element, &expected, &format!("`{}`", shown(value))))
        }
    }
}

/// Makes sure that an element is of SAML 2.0.
pub(super) fn version(element: Node<'_, '_>) -> Result<(), SamlError> {
    let found = required(element, "Version")?;
    if found != "2.0" {
        return Err(form(
            element,
            "version `2.0`",
            &format!("`{}`", shown(found)),
        ));
    }
    Ok(())
}

/// Says that an element is not of the form it should have.
pub(super) fn form(element: Node<'_, '_>, expected: &str, found: &str) -> SamlError {
    SamlError::Form {
        place: name(element),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

/// Says that an element may not stand where it does.
pub(super) fn stranger(parent: Node<'_, '_>, child: Node<'_, '_>) -> SamlError {
    form(
        parent,
        "only what SAML 2.0 has there and is read",
        &format!("`{}`", name(child)),
    )
}
