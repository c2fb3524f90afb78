//! What an assertion says of its subject: attributes, and those of them that the settings know.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::element::{SAML, children, is, required, stranger, text};
use super::error::shown;
use super::{AttributeNames, SamlError};

/// What Entra ID sends instead of more than 150 groups.
/// Source: Microsoft's "SAML token claims reference", group overage.
const LINK: &str = "http://schemas.microsoft.com/claims/groups.link";

/// What is said of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) groups: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) all: BTreeMap<String, Vec<String>>,
}

/// Reads all attributes; those of one name are one. A value that is not text is an error: it might be a group.
pub(super) fn read<'a, 'input: 'a>(
    statements: impl Iterator<Item = Node<'a, 'input>>,
    names: &AttributeNames,
) -> Result<Described, SamlError> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for statement in statements {
        for attribute in children(statement)? {
            if !is(attribute, SAML, "Attribute") {
                return Err(stranger(statement, attribute));
            }
            let values = all
                .entry(required(attribute, "Name")?.to_owned())
                .or_default();
            for value in children(attribute)? {
                if !is(value, SAML, "AttributeValue") {
                    return Err(stranger(attribute, value));
                }
                values.push(text(value)?.to_owned());
            }
        }
    }
    if names.groups.is_some() && all.contains_key(LINK) {
        return Err(SamlError::GroupsLeftOut(LINK.to_owned()));
    }
    let groups = names
        .groups
        .as_ref()
        .and_then(|name| all.get(name))
        .cloned()
        .unwrap_or_default();
    let user = names
        .user
        .as_ref()
        .map(|name| single(&all, name))
        .transpose()?;
    Ok(Described { groups, user, all })
}

fn single(all: &BTreeMap<String, Vec<String>>, name: &str) -> Result<String, SamlError> {
    match all.get(name).map_or(&[][..], Vec::as_slice) {
        [only] if !only.is_empty() => Ok(only.clone()),
        values => Err(SamlError::Attribute {
            name: shown(name),
            found: values.len(),
        }),
    }
}
