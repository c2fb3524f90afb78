//! The `[[identity.saml]]` tables: SAML 2.0 providers whose assertions are taken.

use toml::Value;

use super::identity::{KIND, NAME, kind, name, words};
use super::section::Section;
use super::typed::{ABSOLUTE_PATH, absolute_path, duration};
use crate::identity::{Kind, Pattern, SamlProvider};

const VISIBLE: &str = "a text of 1 to 1024 visible ASCII characters";
const ATTRIBUTE: &str = "the name of an attribute, of 1 to 1024 characters";

/// Reads one table.
pub(super) fn provider(mut section: Section<'_>) -> SamlProvider {
    let provider = SamlProvider {
        name: section.required("name", NAME, "\"adfs\"", name),
        metadata_file: section.required(
            "metadata_file",
            ABSOLUTE_PATH,
            "\"/etc/icecore/adfs.xml\"",
            absolute_path,
        ),
        audience: section.required("audience", VISIBLE, "\"https://icecore.acme.com\"", visible),
        recipient: section.required(
            "recipient",
            VISIBLE,
            "\"https://icecore.acme.com/acs\"",
            visible,
        ),
        groups_attribute: section
            .optional("groups_attribute", ATTRIBUTE, attribute)
            .unwrap_or_else(|| "groups".to_owned()),
        subject_attribute: section.optional("subject_attribute", ATTRIBUTE, attribute),
        members: words(section.section("members")),
        require: words(section.section("require"))
            .into_iter()
            .map(|(name, values)| (name, values.into_iter().map(Pattern).collect()))
            .collect(),
        kind: section.optional("kind", KIND, kind).unwrap_or(Kind::Human),
        leeway: duration(&mut section, "leeway", 60, 0..=300),
    };
    section.finish();
    provider
}

fn visible(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_visible && (1..=1024).contains(&text.len())).then(|| text.to_owned())
}

fn attribute(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    (1..=1024)
        .contains(&name.chars().count())
        .then(|| name.to_owned())
}
