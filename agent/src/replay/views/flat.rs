//! Views without nested lists: one row for each object, column or masked part.
//!
//! `unnest` stands among the columns: joined to its row it took DuckDB thirty times as long for a million rows.

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
                "concat_ws('.', s.o.catalog, s.o.\"schema\", s.o.name)",
                "Its whole name, as far as it is known.",
            ),
            New("catalog", "s.o.catalog", "Database."),
            New("schema", "s.o.\"schema\"", "Schema."),
            New("name", "s.o.name", "Object."),
            New("kind", "s.o.kind", "Kind of object."),
            New("access", "s.o.access", "What the statement does to it."),
            New(
                "columns",
                "s.o.columns",
                "Columns that the statement names; `statement_columns` has one row for each.",
            ),
            New("resolved", "s.o.resolved", "Whether the name was settled."),
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
        from: "FROM (SELECT a.*, unnest(a.objects) AS o FROM statements a) s",
    },
    View {
        name: "statement_columns",
        doc: "One row for each column that a statement names.",
        of: &[("o", "statement_objects")],
        columns: &[
            Same("o", &["dt", "started_at", "object"]),
            New("column", "o.c", "Column."),
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
        from: "FROM (SELECT a.*, unnest(a.columns) AS c FROM statement_objects a) o",
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
