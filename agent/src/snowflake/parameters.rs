//! Which parameters of a session or a statement pass, by one list for logins, requests, `ALTER SESSION` and the SQL API.
//!
//! What passes changes how values are shown, how long things take, or what a driver does. What changes what a text means
//! (`QUOTED_IDENTIFIERS_IGNORE_CASE`, `SEARCH_PATH`, input formats), for whom it acts (`SIMULATED_DATA_SHARING_CONSUMER`)
//! or what leaves (`CLIENT_STAGE_ARRAY_BINDING_THRESHOLD`) does not, nor does what nobody knows.

/// Parameters that pass, in upper case, sorted.
///
/// Source: Snowflake, "Parameters"; what the drivers under `tests/` send, read in their code; protocol reference 2.1, 4.1
/// and 5.1.
const PASS: [&str; 60] = [
    "ABORT_DETACHED_QUERY",
    "AUTOCOMMIT",
    "BINARY_OUTPUT_FORMAT",
    "CLIENT_HONOR_CLIENT_TZ_FOR_TIMESTAMP_NTZ",
    "CLIENT_MEMORY_LIMIT",
    "CLIENT_METADATA_REQUEST_USE_CONNECTION_CTX",
    "CLIENT_METADATA_USE_SESSION_DATABASE",
    "CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED",
    "CLIENT_PREFETCH_THREADS",
    "CLIENT_RESULT_CHUNK_SIZE",
    "CLIENT_RESULT_COLUMN_CASE_INSENSITIVE",
    "CLIENT_RESULT_PREFETCH_SLOTS",
    "CLIENT_RESULT_PREFETCH_THREADS",
    "CLIENT_SESSION_CLONE",
    "CLIENT_SESSION_KEEP_ALIVE",
    "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY",
    "CLIENT_TELEMETRY_ENABLED",
    "CLIENT_VALIDATE_DEFAULT_PARAMETERS",
    "C_API_QUERY_RESULT_FORMAT",
    "DATE_OUTPUT_FORMAT",
    "DOTNET_QUERY_RESULT_FORMAT",
    "ERROR_ON_NONDETERMINISTIC_MERGE",
    "ERROR_ON_NONDETERMINISTIC_UPDATE",
    "GEOGRAPHY_OUTPUT_FORMAT",
    "GEOMETRY_OUTPUT_FORMAT",
    "GO_QUERY_RESULT_FORMAT",
    "JDBC_FORMAT_DATE_WITH_TIMEZONE",
    "JDBC_QUERY_RESULT_FORMAT",
    "JDBC_TREAT_DECIMAL_AS_INT",
    "JDBC_TREAT_TIMESTAMP_NTZ_AS_UTC",
    "JDBC_USE_SESSION_TIMEZONE",
    "JSON_INDENT",
    "JS_DRIVER_DISABLE_OCSP_FOR_NON_SF_ENDPOINTS",
    "JS_TREAT_INTEGER_AS_BIGINT",
    "LOCK_TIMEOUT",
    "MULTI_STATEMENT_COUNT",
    "ODBC_QUERY_RESULT_FORMAT",
    "ODBC_TREAT_DECIMAL_AS_INT",
    "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT",
    "PYTHON_CONNECTOR_USE_NANOARROW",
    "PYTHON_SNOWPARK_USE_SCOPED_TEMP_OBJECTS",
    "QUERY_CONTEXT_CACHE_SIZE",
    "QUERY_TAG",
    "ROWS_PER_RESULTSET",
    "SNOWPARK_SKIP_TXN_COMMIT_IN_DDL",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
    "STATEMENT_TIMEOUT_IN_SECONDS",
    "STRICT_JSON_OUTPUT",
    "TIMESTAMP_LTZ_OUTPUT_FORMAT",
    "TIMESTAMP_NTZ_OUTPUT_FORMAT",
    "TIMESTAMP_OUTPUT_FORMAT",
    "TIMESTAMP_TZ_OUTPUT_FORMAT",
    "TIMEZONE",
    "TIME_OUTPUT_FORMAT",
    "TRANSACTION_ABORT_ON_ERROR",
    "TRANSACTION_DEFAULT_ISOLATION_LEVEL",
    "UNSUPPORTED_DDL_ACTION",
    "USE_CACHED_RESULT",
    "WEEK_OF_YEAR_POLICY",
    "WEEK_START",
];

/// Tells whether a parameter passes, however its letters are cased.
#[must_use]
pub fn passes(name: &str) -> bool {
    PASS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Gives a parameter's name as it may be shown: one that is no plain word may be something else by mistake.
#[must_use]
pub fn shown(name: &str) -> &str {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.len() <= 64 && name.bytes().all(is_word) {
        name
    } else {
        "(no plain name)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_meaning_or_what_leaves_does_not_pass() {
        for name in [
            "QUOTED_IDENTIFIERS_IGNORE_CASE",
            "SEARCH_PATH",
            "SIMULATED_DATA_SHARING_CONSUMER",
            "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD",
            "DATE_INPUT_FORMAT",
            "BINARY_INPUT_FORMAT",
            "TIMESTAMP_TYPE_MAPPING",
            "S3_STAGE_VPCE_DNS_NAME",
            "TRACE_LEVEL",
            "QUERY_TAG ",
            "",
        ] {
            assert!(!passes(name), "{name}");
        }
        assert!(passes("query_tag") && passes("AutoCommit"));
    }

    #[test]
    fn the_list_is_sorted_and_in_upper_case() {
        assert!(PASS.is_sorted());
        assert!(PASS.iter().all(|name| *name == name.to_ascii_uppercase()));
    }
}
