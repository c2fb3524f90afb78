//! Which MCP server a path names.

use percent_encoding::percent_decode_str;

/// Longest name at Snowflake, in characters. Source: Snowflake's reference, "Identifier requirements".
const NAME_MAX: usize = 255;

/// Database, schema and name of an MCP server, as Snowflake keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpServer([String; 3]);

impl McpServer {
    /// Reads the path of a server, byte for byte; each name is a bare identifier or one in quotes, escapes read once.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').collect();
        let names = match parts.as_slice() {
            [
                "",
                "api",
                "v2",
                "databases",
                database,
                "schemas",
                schema,
                "mcp-servers",
                name,
            ] => [*database, *schema, *name],
            _ => return None,
        };
        let [database, schema, name] = names.map(identifier);
        Some(Self([database?, schema?, name?]))
    }

    /// Tells whether a path is that of an MCP server, whether or not its names can be read.
    #[must_use]
    pub fn is_path(path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        matches!(
            parts.as_slice(),
            [
                "",
                "api",
                "v2",
                "databases",
                _,
                "schemas",
                _,
                "mcp-servers",
                _
            ]
        )
    }

    /// Gives the database that it is in.
    #[must_use]
    pub fn database(&self) -> &str {
        let [database, _, _] = &self.0;
        database
    }

    /// Gives the schema that it is in.
    #[must_use]
    pub fn schema(&self) -> &str {
        let [_, schema, _] = &self.0;
        schema
    }

    /// Gives its own name.
    #[must_use]
    pub fn name(&self) -> &str {
        let [_, _, name] = &self.0;
        name
    }

    /// Writes its whole name for SQL, each part in quotes.
    #[must_use]
    pub fn quoted(&self) -> String {
        self.0
            .each_ref()
            .map(|name| format!("\"{}\"", name.replace('"', "\"\"")))
            .join(".")
    }
}

/// Reads one name of a path: folded to upper case where it is bare, as it stands in quotes.
fn identifier(part: &str) -> Option<String> {
    let text = percent_decode_str(part).decode_utf8().ok()?;
    let quoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let name = match quoted {
        Some(inside) => {
            let name = inside.replace("\"\"", "\u{0}");
            (!name.contains('"') && !inside.contains('\u{0}'))
                .then(|| name.replace('\u{0}', "\""))?
        }
        None => {
            let mut chars = text.chars();
            let starts = chars
                .next()
                .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
            let goes_on = chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$'));
            (starts && goes_on).then(|| text.to_ascii_uppercase())?
        }
    };
    let is_plain = !name.is_empty() && !name.contains(char::is_control);
    (is_plain && name.chars().count() <= NAME_MAX).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(names: &str, expected: Option<&str>) {
        let [database, schema, name] =
            <[&str; 3]>::try_from(names.split(' ').collect::<Vec<_>>()).unwrap();
        let path = format!("/api/v2/databases/{database}/schemas/{schema}/mcp-servers/{name}");
        assert!(McpServer::is_path(&path), "{path}");
        let found = McpServer::of_path(&path).map(|server| server.quoted());
        assert_eq!(found.as_deref(), expected, "{path}");
    }

    #[test]
    fn names_are_folded_as_snowflake_folds_them() {
        check("db s m", Some(r#""DB"."S"."M""#));
        check(
            "ACME_DB Public tools_1$",
            Some(r#""ACME_DB"."PUBLIC"."TOOLS_1$""#),
        );
        check("%22my%20db%22 s m", Some(r#""my db"."S"."M""#));
        check("%22a%22%22b%22 s m", Some(r#""a""b"."S"."M""#));
    }

    #[test]
    fn what_is_no_name_is_no_server() {
        for names in [
            "db s m.x",
            "db s 1m",
            "db s m-x",
            "d%2fb s m",
            "db s %22a%22b%22",
            "db s %22%22",
            "db s %22a%00%22",
            "db s %22a%0a%22",
            "db s %22",
            "db s %ff",
            "db s m;drop",
        ] {
            check(names, None);
        }
        let long = "x".repeat(NAME_MAX + 1);
        check(&format!("db s {long}"), None);
        for path in [
            "/api/v2/databases/d/schemas/s/mcp-servers",
            "/api/v2//databases/d/schemas/s/mcp-servers/m",
            "/API/v2/databases/d/schemas/s/mcp-servers/m",
        ] {
            assert!(!McpServer::is_path(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_gives_names_that_stay_within_their_quotes_or_none(name in "\\PC{0,20}") {
            let path = format!("/api/v2/databases/d/schemas/s/mcp-servers/{name}");
            if let Some(server) = McpServer::of_path(&path) {
                let quoted = server.quoted();
                let inside = quoted.strip_prefix(r#""D"."S".""#).and_then(|rest| rest.strip_suffix('"')).unwrap();
                prop_assert!(!inside.replace("\"\"", "").contains('"'), "{}", quoted);
            }
        }
    }
}
