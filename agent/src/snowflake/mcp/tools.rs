//! The tools of an MCP server, as Snowflake describes it: which of them run the SQL that they are given.

use super::super::answer::Answer;
use super::super::json::Object;
use super::server::McpServer;

/// The type of a tool that runs the statement that it is given. Source: Snowflake's reference, "CREATE MCP SERVER".
const SYSTEM_EXECUTE_SQL: &str = "SYSTEM_EXECUTE_SQL";

/// Members of a SQL tool's specification of which the statement's meaning does not depend.
const MEMBERS: [&str; 4] = ["name", "type", "title", "description"];

/// Most characters of a name that a refusal repeats.
const SHOWN_MAX: usize = 80;

/// A tool that runs the statement that it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: Option<String>,
    /// What models are told of it.
    pub description: Option<String>,
}

/// What a server's specification says of one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// It runs the statement that it is given.
    Sql(Tool),
    /// It is of another type.
    Other(String),
    /// It runs SQL under settings that nobody here keeps.
    Configured(String),
    /// Its name stands twice, or it is described in a form that is not known.
    Unclear,
}

/// Why a tool is not known to run SQL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolsError {
    /// The answer is not one server's description.
    #[error("expected one row of `DESCRIBE MCP SERVER` with `server_spec`, found {0}")]
    Described(&'static str),
    /// The server has no such tool.
    #[error("the MCP server has no tool `{0}`")]
    Unknown(String),
    /// A tool of another type.
    #[error(
        "tool `{name}` is of type `{kind}`: what it runs no statement shows. Of managed MCP servers Icecore carries tools of \
         type `SYSTEM_EXECUTE_SQL` alone; ask by SQL"
    )]
    Other {
        /// The tool.
        name: String,
        /// Its type.
        kind: String,
    },
    /// A SQL tool with settings.
    #[error(
        "tool `{name}` has `{member}` in its specification, which Icecore does not know how to keep; use one without"
    )]
    Configured {
        /// The tool.
        name: String,
        /// The member of its specification.
        member: String,
    },
    /// A tool that is described in two ways.
    #[error(
        "tool `{0}` is described in a form that Icecore does not know, or twice; describe it once"
    )]
    Unclear(String),
}

/// The tools of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools(Vec<(String, Kind)>);

impl Tools {
    /// Reads the answer to `DESCRIBE MCP SERVER`.
    ///
    /// # Errors
    /// It is not one row that describes the server that was asked for.
    pub fn read(answer: &Answer, server: &McpServer) -> Result<Self, ToolsError> {
        let data = answer.data().ok_or(ToolsError::Described("no rows"))?;
        let columns: Vec<Object> = data
            .read_as("rowtype")
            .ok_or(ToolsError::Described("no columns"))?;
        let rows: Vec<Vec<Option<String>>> = data
            .read_as("rowset")
            .ok_or(ToolsError::Described("no rows of texts"))?;
        let [row] = rows.as_slice() else {
            return Err(ToolsError::Described("another number of rows"));
        };
        let value = |column: &str| {
            let mut found = columns.iter().zip(row).filter(|(about, _)| {
                let name: Option<String> = about.read_as("name");
                name.is_some_and(|name| name.eq_ignore_ascii_case(column))
            });
            match (found.next(), found.next()) {
                (Some((_, value)), None) => value.as_deref(),
                (_, _) => None,
            }
        };
        let found = ["database_name", "schema_name", "name"].map(value);
        if found != [server.database(), server.schema(), server.name()].map(Some) {
            return Err(ToolsError::Described("another server"));
        }
        let text = value("server_spec").ok_or(ToolsError::Described("none"))?;
        Self::of_spec(text)
    }

    /// Reads a specification, in the form of JSON.
    ///
    /// # Errors
    /// It is no object with a list of tools.
    pub fn of_spec(text: &str) -> Result<Self, ToolsError> {
        let unread = ToolsError::Described("one in another form");
        let Ok(spec) = Object::read(text.as_bytes()) else {
            return Err(unread);
        };
        let Some(tools) = spec.read_as::<Vec<Object>>("tools") else {
            return Err(unread);
        };
        let mut found: Vec<(String, Kind)> = Vec::new();
        for tool in tools {
            let Some(name) = tool.read_as::<String>("name") else {
                return Err(unread);
            };
            match found.iter_mut().find(|(other, _)| *other == name) {
                Some((_, kind)) => *kind = Kind::Unclear,
                None => found.push((name.clone(), kind(name, &tool))),
            }
        }
        Ok(Self(found))
    }

    /// Finds the SQL tool of a name.
    ///
    /// # Errors
    /// There is none; says what there is in its place.
    pub fn sql_tool(&self, name: &str) -> Result<&Tool, ToolsError> {
        let shown = || name.chars().take(SHOWN_MAX).collect::<String>();
        let found = self.0.iter().find(|(known, _)| known == name);
        match found.map(|(_, kind)| kind) {
            None => Err(ToolsError::Unknown(shown())),
            Some(Kind::Sql(tool)) => Ok(tool),
            Some(Kind::Other(kind)) => Err(ToolsError::Other {
                name: shown(),
                kind: kind.chars().take(SHOWN_MAX).collect(),
            }),
            Some(Kind::Configured(member)) => Err(ToolsError::Configured {
                name: shown(),
                member: member.chars().take(SHOWN_MAX).collect(),
            }),
            Some(Kind::Unclear) => Err(ToolsError::Unclear(shown())),
        }
    }

    /// Gives the SQL tools, in their order.
    pub fn sql_tools(&self) -> impl Iterator<Item = &Tool> {
        self.0.iter().filter_map(|(_, kind)| match kind {
            Kind::Sql(tool) => Some(tool),
            Kind::Other(_) | Kind::Configured(_) | Kind::Unclear => None,
        })
    }
}

fn kind(name: String, tool: &Object) -> Kind {
    let Some(of_type) = tool.read_as::<String>("type") else {
        return Kind::Unclear;
    };
    if !of_type.eq_ignore_ascii_case(SYSTEM_EXECUTE_SQL) {
        return Kind::Other(of_type);
    }
    let mut members = tool.members().map(|(member, _)| member);
    if let Some(member) =
        members.find(|member| !MEMBERS.contains(member) && tool.has_content(member))
    {
        return Kind::Configured(member.to_owned());
    }
    Kind::Sql(Tool {
        name,
        title: tool.read_as("title"),
        description: tool.read_as("description"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const SPEC: &str = r#"{"version":1,"tools":[
        {"name":"sql_exec","type":"SYSTEM_EXECUTE_SQL","title":"SQL","description":"runs SQL"},
        {"name":"ask","type":"CORTEX_ANALYST_MESSAGE","identifier":"D.S.V"},
        {"name":"proc","type":"GENERIC","identifier":"D.S.P","config":{"type":"procedure"}},
        {"name":"plain","type":"system_execute_sql","config":{}},
        {"name":"wide","type":"SYSTEM_EXECUTE_SQL","config":{"read_only":true}},
        {"name":"twice","type":"SYSTEM_EXECUTE_SQL"},{"name":"twice","type":"GENERIC"},
        {"name":"typeless"}]}"#;

    #[test]
    fn only_tools_that_run_the_sql_they_are_given_are_carried() {
        let tools = Tools::of_spec(SPEC).unwrap();
        let names: Vec<&str> = tools.sql_tools().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["sql_exec", "plain"]);
        for (name, text) in [
            ("ask", "is of type `CORTEX_ANALYST_MESSAGE`"),
            ("proc", "is of type `GENERIC`"),
            ("wide", "has `config` in its specification"),
            ("twice", "or twice"),
            ("typeless", "a form that Icecore does not know"),
            ("SQL_EXEC", "has no tool `SQL_EXEC`"),
            ("none", "has no tool `none`"),
        ] {
            let error = tools.sql_tool(name).unwrap_err().to_string();
            assert!(error.contains(text), "{name}: {error}");
        }
    }

    #[test]
    fn a_specification_in_another_form_has_no_tools() {
        for spec in [
            "",
            "tools: []",
            "[]",
            "{}",
            r#"{"tools":{}}"#,
            r#"{"tools":[{"type":"SYSTEM_EXECUTE_SQL"}]}"#,
            r#"{"tools":[{"name":"a","type":"SYSTEM_EXECUTE_SQL","type":"GENERIC"}]}"#,
            r#"{"tools":[],"tools":[]}"#,
        ] {
            assert!(Tools::of_spec(spec).is_err(), "{spec}");
        }
    }

    #[test]
    fn a_description_is_that_of_the_server_that_was_asked_for() {
        let server = McpServer::of_path("/api/v2/databases/d/schemas/s/mcp-servers/m").unwrap();
        let columns: Vec<Value> = [
            "name",
            "database_name",
            "schema_name",
            "owner",
            "server_spec",
        ]
        .map(|name| json!({ "name": name }))
        .into();
        let read = |rows: Value| {
            let data = json!({ "rowtype": columns, "rowset": rows, "total": 1 });
            let body = json!({ "success": true, "data": data }).to_string();
            Tools::read(&Answer::read(body.as_bytes()).unwrap(), &server)
        };
        let row = |name: &str| json!([name, "D", "S", "R", SPEC]);
        assert_eq!(read(json!([row("M")])), Tools::of_spec(SPEC));
        for rows in [
            json!([row("N")]),
            json!([row("M"), row("M")]),
            json!([]),
            json!([["M", "D", "S", "R", null]]),
            json!([["M", "D", "S"]]),
            json!("x"),
        ] {
            assert!(read(rows.clone()).is_err(), "{rows}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_specification_or_an_error(text in ".*") {
            if let Ok(tools) = Tools::of_spec(&text) {
                for tool in tools.sql_tools() {
                    prop_assert!(tools.sql_tool(&tool.name).is_ok());
                }
            }
        }
    }
}
