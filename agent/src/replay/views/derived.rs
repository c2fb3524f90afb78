//! Views that answer most questions: sessions, logins, statements, and what became of them.

use super::definition::Part::{All, New, Same};
use super::definition::View;

const OF_TRAIL: &[(&str, &str)] = &[("t", "trail")];

pub(super) static VIEWS: [View; 13] = [
    View {
        name: "sessions",
        doc: "One row a session: its last. `sessions_all` has the rows as recorded.",
        of: &[("a", "sessions_all")],
        columns: &[All("a")],
        from: "FROM sessions_all a QUALIFY row_number() OVER (PARTITION BY a.session_id ORDER BY a.is_final DESC, a.ts DESC) = 1",
    },
    View {
        name: "logins",
        doc: "One row a login: its last. `logins_all` has the rows as recorded.",
        of: &[("a", "logins_all")],
        columns: &[All("a")],
        from: "FROM logins_all a QUALIFY row_number() OVER (PARTITION BY a.login_id ORDER BY a.is_final DESC, a.ts DESC) = 1",
    },
    View {
        name: "statements",
        doc: "One row a statement that is over; `statements_all` has the intents too.",
        of: &[("a", "statements_all")],
        columns: &[All("a")],
        from: "FROM statements_all a WHERE a.is_final",
    },
    View {
        name: "approvals",
        doc: "One row a request for a person's yes: its last. `approvals_all` has the rows as recorded.",
        of: &[("a", "approvals_all")],
        columns: &[All("a")],
        from: "FROM approvals_all a QUALIFY row_number() OVER (PARTITION BY a.approval_id ORDER BY a.ts DESC, a.seq DESC) = 1",
    },
    View {
        name: "best_links",
        doc: "One row a statement that has links: the last of them, by the number in `link_id`.",
        of: &[("k", "links")],
        columns: &[All("k")],
        from: "FROM links k QUALIFY row_number() OVER (PARTITION BY k.statement_id ORDER BY \
               try_cast(regexp_extract(k.link_id, '[.]([0-9]+)$', 1) AS BIGINT) DESC NULLS LAST, k.ts DESC) = 1",
    },
    // A text is written once, and once more with the error's: joined by session too, a session's statements are found
    // among six million in a tenth of the time that grouping all texts takes.
    View {
        name: "trail",
        doc: "One row a statement that is over, with its session, its login, what it said and the prompt that led to it.",
        of: &[
            ("s", "statements"),
            ("se", "sessions"),
            ("l", "logins"),
            ("e", "statement_texts"),
            ("k", "best_links"),
            ("a", "approvals"),
        ],
        columns: &[
            Same("s", &["dt", "started_at", "decision", "status"]),
            New(
                "sql_text",
                "coalesce(t.sql_text, e.sql_text)",
                "SQL exactly as the client sent it.",
            ),
            Same(
                "s",
                &["rule_ids", "rule_reasons", "rows_returned", "query_id"],
            ),
            Same("se", &["user"]),
            Same("s", &["exe", "pid", "uid"]),
            Same(
                "se",
                &[
                    "root_exe",
                    "ci_facts",
                    "ci_repository",
                    "ci_run_id",
                    "idp_subject",
                    "agent_name",
                    "host_id",
                ],
            ),
            Same(
                "l",
                &[
                    "principal",
                    "account",
                    "sf_user",
                    "sf_role",
                    "client_app",
                    "client_version",
                ],
            ),
            New(
                "link_grade",
                "k.grade",
                "How sure the prompt is: `A` best to `E`, `U` unknown; null where nobody looked.",
            ),
            New(
                "prompt",
                "coalesce(r.prompt, p.prompt)",
                "What a person told the agent that led to it, as far as it is known.",
            ),
            New(
                "approval_state",
                "a.state",
                "State of the approval that it waited for.",
            ),
            New(
                "approver",
                "coalesce(array_to_string(a.approvers, ', '), a.approver_subject)",
                "Who decided on that approval.",
            ),
            Same(
                "s",
                &[
                    "sql_kind",
                    "sql_fingerprint",
                    "sql_normalized",
                    "objects",
                    "masked_columns",
                    "decided_at",
                    "forwarded_at",
                    "first_byte_at",
                    "completed_at",
                    "rows_affected",
                    "bytes_returned",
                    "sf_error_code",
                ],
            ),
            Same("e", &["error_text"]),
            Same("s", &["policy_mode"]),
            Same("se", &["mode", "enforcement"]),
            Same(
                "s",
                &[
                    "session_id",
                    "login_id",
                    "statement_id",
                    "chain_id",
                    "seq",
                    "in_manifest",
                    "verified",
                ],
            ),
        ],
        from: "FROM statements s LEFT JOIN sessions se USING (session_id) LEFT JOIN logins l USING (login_id) \
               LEFT JOIN (SELECT session_id, statement_id, sql_text FROM statement_texts WHERE error_text IS NULL) t \
               USING (session_id, statement_id) \
               LEFT JOIN (SELECT session_id, statement_id, any_value(sql_text) AS sql_text, any_value(error_text) AS error_text \
               FROM statement_texts WHERE error_text IS NOT NULL GROUP BY session_id, statement_id) e USING (session_id, statement_id) \
               LEFT JOIN best_links k USING (statement_id) \
               LEFT JOIN (SELECT prompt_key, any_value(text) AS prompt, any_value(root_prompt_key) AS root FROM prompts GROUP BY prompt_key) p \
               USING (prompt_key) \
               LEFT JOIN (SELECT prompt_key AS root, any_value(text) AS prompt FROM prompts GROUP BY prompt_key) r USING (root) \
               LEFT JOIN approvals a USING (approval_id)",
    },
    View {
        name: "denied",
        doc: "The trail of statements that were refused.",
        of: OF_TRAIL,
        columns: &[All("t")],
        from: "FROM trail t WHERE t.decision IN ('block', 'error')",
    },
    View {
        name: "unlinked",
        doc: "The trail of statements of which nothing is known: no link, or one of grade `U`.",
        of: OF_TRAIL,
        columns: &[All("t")],
        from: "FROM trail t WHERE t.link_grade IS NULL OR t.link_grade = 'U'",
    },
    View {
        name: "masked",
        doc: "One row for each column of a statement that a rule masks, or would mask where `policy_mode` is `observe`.",
        of: OF_TRAIL,
        columns: &[
            Same("t", &["dt", "started_at"]),
            New("column", "t.m.name", "Column, by its path."),
            New("method", "t.m.method", "How it is masked."),
            New("rule_id", "t.m.rule_id", "Rule that asks for it."),
            Same("t", &["policy_mode", "status", "rows_returned"]),
            New(
                "masked_cells",
                "c.masked_cells",
                "Cells of the whole statement that were delivered masked, each delivery anew.",
            ),
            Same(
                "t",
                &[
                    "sql_text",
                    "sql_fingerprint",
                    "user",
                    "principal",
                    "account",
                    "sf_role",
                    "session_id",
                    "statement_id",
                    "in_manifest",
                    "verified",
                ],
            ),
        ],
        from: "FROM (SELECT a.*, unnest(a.masked_columns) AS m FROM trail a) t \
               LEFT JOIN (SELECT statement_id, sum(masked_cells)::BIGINT AS masked_cells FROM results GROUP BY statement_id) c \
               USING (statement_id)",
    },
    View {
        name: "runs",
        doc: "Which workflow run of which repository, for whom, used which role of which account, and how often; one row also \
              for each host user and person. Where `ci_facts` is `claimed` nothing but the caller's word says which run it was.",
        of: &[("se", "sessions"), ("l", "logins")],
        columns: &[
            Same(
                "se",
                &[
                    "ci_provider",
                    "ci_facts",
                    "ci_repository",
                    "ci_workflow_ref",
                    "ci_run_id",
                    "ci_run_attempt",
                    "ci_ref",
                    "ci_sha",
                    "ci_event",
                    "ci_environment",
                    "ci_actor",
                    "idp_issuer",
                    "idp_subject",
                ],
            ),
            New(
                "principal_type",
                "coalesce(l.principal_type, se.principal_type)",
                "`human` or `workload`.",
            ),
            Same("se", &["agent_id", "user"]),
            Same("l", &["principal", "account", "sf_user", "sf_role"]),
            New("sessions", "count(DISTINCT se.session_id)", "Sessions."),
            New(
                "statements",
                "count(s.statement_id)",
                "Statements that are over.",
            ),
            New(
                "refused",
                "count(s.statement_id) FILTER (WHERE s.decision IN ('block', 'error'))",
                "Those of them that were refused.",
            ),
            New(
                "failed",
                "count(s.statement_id) FILTER (WHERE s.status = 'failed')",
                "Those of them that failed.",
            ),
            New(
                "first_opened_at",
                "min(se.opened_at)",
                "When the first session opened.",
            ),
            New(
                "last_completed_at",
                "max(s.completed_at)",
                "When the last statement was over.",
            ),
        ],
        from: "FROM sessions se LEFT JOIN logins l USING (session_id) LEFT JOIN statements s ON s.login_id = l.login_id GROUP BY ALL",
    },
    View {
        name: "session_statements",
        doc: "One row a session that has statements: how many, and how well they are known.",
        of: &[("s", "statements")],
        columns: &[
            Same("s", &["session_id"]),
            New("statements", "count(*)", "Statements that are over."),
            New(
                "refused",
                "count(*) FILTER (WHERE s.decision IN ('block', 'error'))",
                "Those of them that were refused.",
            ),
            New(
                "not_understood",
                "count(*) FILTER (WHERE NOT s.parse_ok)",
                "Those of them whose text was not understood.",
            ),
            New(
                "abandoned",
                "count(*) FILTER (WHERE s.status = 'abandoned')",
                "Those of them whose end is not known.",
            ),
            New(
                "linked",
                "count(*) FILTER (WHERE k.grade <> 'U')",
                "Those of them that came from an agent's session at least: grade `A` to `E`.",
            ),
        ],
        from: "FROM statements s LEFT JOIN best_links k USING (statement_id) GROUP BY s.session_id",
    },
    View {
        name: "session_events",
        doc: "One row a session of which events tell: what went around Icecore or got lost.",
        of: &[("e", "events")],
        columns: &[
            Same("e", &["session_id"]),
            New(
                "bypass_attempts",
                "count(*) FILTER (WHERE e.event_code = 'NT001')",
                "Ways around the proxy that were refused (NT001).",
            ),
            New(
                "ungoverned_names",
                "count(*) FILTER (WHERE e.event_code = 'NT002')",
                "Snowflake names that no account has (NT002).",
            ),
            New(
                "gaps",
                "count(*) FILTER (WHERE e.event_code = 'GP001')",
                "Times that rows were lost or only counted (GP001).",
            ),
            New(
                "unrecordable",
                "count(*) FILTER (WHERE e.event_code = 'RC002')",
                "Statements that were refused because they could not be recorded (RC002).",
            ),
        ],
        from: "FROM events e GROUP BY e.session_id",
    },
    View {
        name: "coverage",
        doc: "How well each host's sessions of a day are governed and known; one row for each way in which they ran.",
        of: &[("se", "sessions")],
        columns: &[
            Same(
                "se",
                &["dt", "host_id", "enforcement", "mode", "recording_mode"],
            ),
            New("sessions", "count(*)", "Sessions."),
            New(
                "identified",
                "count(*) FILTER (WHERE se.idp_subject IS NOT NULL)",
                "Sessions that showed who they act for.",
            ),
            New(
                "claimed",
                "count(*) FILTER (WHERE se.ci_facts = 'claimed')",
                "Sessions of which only the caller's word says which job they are of.",
            ),
            New(
                "not_closed",
                "count(*) FILTER (WHERE NOT se.is_final)",
                "Sessions whose end is not on record.",
            ),
            New(
                "statements",
                "coalesce(sum(s.statements), 0)::BIGINT",
                "Statements that are over.",
            ),
            New(
                "refused",
                "coalesce(sum(s.refused), 0)::BIGINT",
                "Those of them that were refused.",
            ),
            New(
                "not_understood",
                "coalesce(sum(s.not_understood), 0)::BIGINT",
                "Those of them whose text was not understood.",
            ),
            New(
                "abandoned",
                "coalesce(sum(s.abandoned), 0)::BIGINT",
                "Those of them whose end is not known.",
            ),
            New(
                "linked",
                "coalesce(sum(s.linked), 0)::BIGINT",
                "Those of them that came from an agent's session at least: grade `A` to `E`.",
            ),
            New(
                "bypass_attempts",
                "coalesce(sum(e.bypass_attempts), 0)::BIGINT",
                "Ways around the proxy that were refused (NT001).",
            ),
            New(
                "ungoverned_names",
                "coalesce(sum(e.ungoverned_names), 0)::BIGINT",
                "Snowflake names that no account has (NT002).",
            ),
            New(
                "gaps",
                "coalesce(sum(e.gaps), 0)::BIGINT",
                "Times that rows were lost or only counted (GP001).",
            ),
        ],
        from: "FROM sessions se LEFT JOIN session_statements s USING (session_id) LEFT JOIN session_events e USING (session_id) GROUP BY ALL",
    },
];
