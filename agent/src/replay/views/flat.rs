//! Views without nested lists: one row for each object, column or masked part.

use super::definition::Part::{New, Same};
use super::definition::View;

pub(super) static VIEWS: [View; 3] = [
    View {
        name: "statement_objects",
        doc: "One row for each object that a statement touches, as predicted from its text.",
        of: &[("s", "statements")],
        columns: &[
            Same("s", &["dt", "started_at"]),
            New(
                "object",
                "concat_ws('.', o.catalog, o.\"schema\", o.name)",
                "Its whole name, as far as it is known.",
            ),
            New("catalog", "o.catalog", "Database."),
            New("schema", "o.\"schema\"", "Schema."),
            New("name", "o.name", "Object."),
            New("kind", "o.kind", "Kind of object."),
            New("access", "o.access", "What the statement does to it."),
            New(
                "columns",
                "o.columns",
                "Columns that the statement names; `statement_columns` has one row for each.",
            ),
            New("resolved", "o.resolved", "Whether the name was settled."),
            Same(
                "s",
                &[
                    "sql_kind",
                    "sql_fingerprint",
                    "decision",
                    "status",
                    "query_id",
                    "session_id",
                    "login_id",
                    "statement_id",
                    "in_manifest",
                    "verified",
                ],
            ),
        ],
        from: "FROM statements s CROSS JOIN UNNEST(s.objects) AS u(o)",
    },
    View {
        name: "statement_columns",
        doc: "One row for each column that a statement names.",
        of: &[("o", "statement_objects")],
        columns: &[
            Same("o", &["dt", "started_at", "object"]),
            New("column", "u.c", "Column."),
            Same(
                "o",
                &[
                    "catalog",
                    "schema",
                    "name",
                    "kind",
                    "access",
                    "resolved",
                    "sql_kind",
                    "sql_fingerprint",
                    "decision",
                    "status",
                    "query_id",
                    "session_id",
                    "login_id",
                    "statement_id",
                    "in_manifest",
                    "verified",
                ],
            ),
        ],
        from: "FROM statement_objects o CROSS JOIN UNNEST(o.columns) AS u(c)",
    },
    View {
        name: "masked_cells",
        doc: "One row for each delivery of a part of a result in which cells were masked.",
        of: &[("r", "results"), ("s", "statements")],
        columns: &[
            Same(
                "r",
                &[
                    "dt",
                    "ts",
                    "statement_id",
                    "chunk_index",
                    "rows",
                    "masked_cells",
                    "detected",
                    "stored",
                    "completed",
                ],
            ),
            New(
                "columns",
                "list_transform(s.masked_columns, lambda c: c.name)",
                "Columns of the statement that rules mask.",
            ),
            Same("s", &["rule_ids", "sql_fingerprint"]),
            Same("r", &["session_id", "in_manifest", "verified"]),
        ],
        from: "FROM results r LEFT JOIN statements s USING (statement_id) WHERE r.masked_cells > 0",
    },
];
