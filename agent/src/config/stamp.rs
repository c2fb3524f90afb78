//! The section `[stamp]`: what statements carry to Snowflake that their clients did not say. Without it nothing.

use serde::Serialize;
use toml::Value;

use super::section::Section;

/// What Icecore adds to a statement's request, beside its text; never in the place of what the client said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stamp {
    /// Whether a statement for which nobody set a `QUERY_TAG` gets a random one.
    pub query_tag: bool,
    /// Whether a request without a W3C trace context gets a random one.
    pub traceparent: bool,
}

/// Reads the section.
pub(super) fn stamp(mut section: Section<'_>) -> Stamp {
    let mut is_on = |key| {
        let told = section.optional(key, "true or false", Value::as_bool);
        told.unwrap_or(false)
    };
    let stamp = Stamp {
        query_tag: is_on("query_tag"),
        traceparent: is_on("traceparent"),
    };
    section.finish();
    stamp
}

#[cfg(test)]
mod tests {
    use super::super::read_for_tests;
    use super::*;

    const ACCOUNT: &str = r#"
[[account]]
host = "acme.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "pat", token_file = "/keys/token" }
"#;

    #[test]
    fn nothing_is_stamped_unless_the_config_says_so() {
        for (text, expected) in [
            ("", (false, false)),
            ("[stamp]\nquery_tag = true\n", (true, false)),
            ("[stamp]\ntraceparent = true\n", (false, true)),
        ] {
            let (query_tag, traceparent) = expected;
            let found = read_for_tests(&format!("{text}{ACCOUNT}")).stamp;
            let expected = Stamp {
                query_tag,
                traceparent,
            };
            assert_eq!(found, expected, "{text}");
        }
    }
}
