//! The query tag of logins and statements: a parameter that Snowflake writes into its history beside each statement.

use super::json::Object;
use super::query::QueryRequest;

/// The parameter. Source: Snowflake, "Parameters", `QUERY_TAG`.
pub const QUERY_TAG: &str = "QUERY_TAG";

/// Reads the query tag among parameters, however its letters are cased; one that is set to nothing is set all the same.
pub(super) fn read(parameters: &Object) -> Option<String> {
    let (name, value) = parameters
        .members()
        .find(|(name, _)| name.eq_ignore_ascii_case(QUERY_TAG))?;
    let text = parameters.read_as::<String>(name);
    Some(text.unwrap_or_else(|| match value.get() {
        "null" => String::new(),
        other => other.to_owned(),
    }))
}

impl QueryRequest {
    /// Gives the query tag that the request itself sets.
    #[must_use]
    pub fn query_tag(&self) -> Option<String> {
        read(&self.parameters)
    }

    /// Adds a query tag to what is sent upstream; one that the client set stays, whatever it is.
    ///
    /// # Errors
    /// None in practice: a text has a JSON form.
    pub fn tagged(&self, tag: &str) -> Result<Self, serde_json::Error> {
        let mut tagged = self.clone();
        if tagged.query_tag().is_none() {
            tagged.parameters.set(QUERY_TAG, tag)?;
        }
        Ok(tagged)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(parameters: &str) -> QueryRequest {
        let body = format!(r#"{{"sqlText":"select 1","parameters":{parameters}}}"#);
        QueryRequest::read(body.as_bytes(), 1000).unwrap()
    }

    fn sent(request: &QueryRequest) -> String {
        String::from_utf8(request.write(Some(1)).unwrap()).unwrap()
    }

    #[test]
    fn a_tag_is_added_where_there_is_none_and_nothing_else_changes() {
        let (count, sql) = (r#""MULTI_STATEMENT_COUNT":1"#, r#""sqlText":"select 1""#);
        for (before, after) in [
            ("null", format!(r#"{{"QUERY_TAG":"t",{count}}}"#)),
            (
                r#"{"TIMEZONE":"UTC"}"#,
                format!(r#"{{"TIMEZONE":"UTC","QUERY_TAG":"t",{count}}}"#),
            ),
        ] {
            let tagged = request(before).tagged("t").unwrap();
            assert_eq!(
                sent(&tagged),
                format!(r#"{{{sql},"parameters":{after}}}"#),
                "{before}"
            );
            assert_eq!(tagged.sql_text(), "select 1");
            // What the next proxy reads again is the client's own request.
            assert_eq!(tagged.kept().unwrap(), request(before).kept().unwrap());
        }
    }

    #[test]
    fn a_request_without_parameters_gets_some() {
        let request = QueryRequest::read(br#"{"sqlText":"select 1"}"#, 1000).unwrap();
        let tagged = sent(&request.tagged("t").unwrap());
        assert!(
            tagged.contains(r#""parameters":{"QUERY_TAG":"t""#),
            "{tagged}"
        );
    }

    proptest! {
        #[test]
        fn a_tag_of_the_clients_is_never_replaced(
            name in "[qQ][uU][eE][rR][yY]_[tT][aA][gG]",
            own in prop_oneof![".{0,20}".prop_map(|text| serde_json::json!(text)), Just(serde_json::json!(null)), Just(serde_json::json!(7))],
        ) {
            let mut parameters = serde_json::Map::new();
            parameters.insert(name, own);
            let request = request(&serde_json::Value::Object(parameters).to_string());
            prop_assert!(request.query_tag().is_some());
            prop_assert_eq!(sent(&request.tagged("ours").unwrap()), sent(&request));
        }
    }
}
