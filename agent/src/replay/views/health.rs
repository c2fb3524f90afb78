//! Views of the record itself: whether chains are whole, closed, recovered, and what was left out of them.

use super::definition::Part::{New, Same};
use super::definition::View;

pub(super) static VIEWS: [View; 2] = [
    View {
        name: "record_rows",
        doc: "One row for each row of any table: its place in its chain, and how it came there.",
        of: &[("r", "sessions_all")],
        columns: &[
            New("table", "r.\"table\"", "Table that holds it."),
            Same(
                "r",
                &[
                    "chain_id",
                    "seq",
                    "ts",
                    "session_id",
                    "record_id",
                    "integrity_flags",
                    "in_manifest",
                    "verified",
                ],
            ),
        ],
        from: "FROM (SELECT 'sessions' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM sessions_all \
               UNION ALL SELECT 'logins' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM logins_all \
               UNION ALL SELECT 'statements' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM statements_all \
               UNION ALL SELECT 'statement_texts' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM statement_texts \
               UNION ALL SELECT 'results' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM results \
               UNION ALL SELECT 'transfers' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM transfers \
               UNION ALL SELECT 'approvals' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM approvals_all \
               UNION ALL SELECT 'approval_texts' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM approval_texts \
               UNION ALL SELECT 'prompts' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM prompts \
               UNION ALL SELECT 'llm_calls' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM llm_calls \
               UNION ALL SELECT 'tool_calls' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM tool_calls \
               UNION ALL SELECT 'tool_call_args' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM tool_call_args \
               UNION ALL SELECT 'links' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM links \
               UNION ALL SELECT 'events' AS \"table\", chain_id, seq, ts, session_id, record_id, integrity_flags, in_manifest, verified FROM events) r",
    },
    View {
        name: "record_health",
        doc: "One row a chain: whether it is whole, how it ended, and what went wrong with the record.",
        of: &[("r", "record_rows")],
        columns: &[
            New(
                "chain_id",
                "coalesce(r.chain_id, o.chain_id, m.chain_id)",
                "Chain: one run of one recorder.",
            ),
            New(
                "state",
                "CASE WHEN e.closed_at IS NOT NULL OR m.is_closed THEN 'closed' WHEN v.recovered_by IS NOT NULL THEN 'recovered' ELSE 'open' END",
                "`closed` in order, `recovered` by a later chain after it was cut off, or `open`: running, or gone without a word.",
            ),
            New(
                "host_id",
                "coalesce(json_extract_string(e.genesis, '$.host_id'), m.host_id)",
                "Host that recorded.",
            ),
            New(
                "proxy_version",
                "json_extract_string(e.genesis, '$.proxy_version')",
                "Version of icecore.",
            ),
            New(
                "recording_mode",
                "json_extract_string(e.genesis, '$.recording_mode')",
                "`strict_local`, `strict_remote` or `best_effort`.",
            ),
            New("opened_at", "e.opened_at", "When it began (CH001)."),
            New(
                "closed_at",
                "e.closed_at",
                "When it was closed in order (CH003).",
            ),
            New(
                "last_row_at",
                "r.last_row_at",
                "When its last row was taken.",
            ),
            New(
                "last_manifest_at",
                "m.last_manifest_at",
                "When the last manifest that may be believed was signed: one a minute at least as long as it runs.",
            ),
            New(
                "spool_backlog",
                "m.spool_backlog",
                "Bytes that waited on the host then.",
            ),
            New(
                "problems",
                "coalesce(m.problems, [])",
                "What is wrong with its signed documents.",
            ),
            New(
                "previous_chain",
                "json_extract_string(e.genesis, '$.previous_chain')",
                "Chain of the same spool that reached the store before.",
            ),
            New(
                "recovered_by",
                "v.recovered_by",
                "Chain that recovered it (CH004).",
            ),
            New("rows", "r.rows", "Rows that are here."),
            New("last_seq", "r.last_seq", "Place of its last row."),
            New(
                "missing_rows",
                "r.last_seq + 1 - r.rows",
                "Rows before its last one that are not here: erased, not copied, or lost.",
            ),
            New(
                "gaps",
                "e.gaps",
                "Times that rows were lost or only counted (GP001).",
            ),
            New(
                "lost_rows",
                "e.lost_rows",
                "Rows that `best_effort` says it lost.",
            ),
            New(
                "recoveries",
                "e.recoveries",
                "Earlier chains that it recovered (CH004).",
            ),
            New(
                "degraded",
                "e.degraded",
                "Times that its recorder refused rows for a while (RC001).",
            ),
            New(
                "unrecordable",
                "e.unrecordable",
                "Statements that were refused because they could not be recorded (RC002).",
            ),
            New(
                "recovered_rows",
                "r.recovered_rows",
                "Rows that were recovered after a crash.",
            ),
            New(
                "truncated_rows",
                "r.truncated_rows",
                "Rows of which a field was cut.",
            ),
            New(
                "clock_steps",
                "r.clock_steps",
                "Rows that were taken after the host's clock had been set back.",
            ),
            New(
                "redacted_rows",
                "r.redacted_rows",
                "Rows out of which a secret was taken.",
            ),
            New(
                "left_out",
                "coalesce(o.left_out, 0)",
                "Objects below its folder that were left out of these views, whole or in part; `left_out` says why.",
            ),
        ],
        from: "FROM (SELECT chain_id, count(*) AS \"rows\", max(seq) AS last_seq, max(ts) AS last_row_at, \
               count(*) FILTER (WHERE integrity_flags & 1 <> 0) AS recovered_rows, \
               count(*) FILTER (WHERE integrity_flags & 2 <> 0) AS truncated_rows, \
               count(*) FILTER (WHERE integrity_flags & 4 <> 0) AS clock_steps, \
               count(*) FILTER (WHERE integrity_flags & 8 <> 0) AS redacted_rows FROM record_rows GROUP BY chain_id) r \
               LEFT JOIN (SELECT chain_id, min(ts) FILTER (WHERE event_code = 'CH001') AS opened_at, \
               max(ts) FILTER (WHERE event_code = 'CH003' AND integrity_flags & 1 = 0) AS closed_at, \
               any_value(detail) FILTER (WHERE event_code = 'CH001' AND integrity_flags & 1 = 0) AS genesis, \
               count(*) FILTER (WHERE event_code = 'CH004') AS recoveries, \
               count(*) FILTER (WHERE event_code = 'GP001') AS gaps, \
               coalesce(sum(TRY_CAST(json_extract_string(detail, '$.lost_rows') AS BIGINT)) FILTER (WHERE event_code = 'GP001'), 0)::BIGINT AS lost_rows, \
               count(*) FILTER (WHERE event_code = 'RC001') AS degraded, \
               count(*) FILTER (WHERE event_code = 'RC002') AS unrecordable FROM events GROUP BY chain_id) e USING (chain_id) \
               LEFT JOIN (SELECT json_extract_string(detail, '$.chain') AS chain_id, min(chain_id) AS recovered_by FROM events \
               WHERE event_code = 'CH004' GROUP BY 1) v USING (chain_id) \
               FULL JOIN (SELECT split_part(object, '/', 4) AS chain_id, count(*) AS left_out FROM left_out GROUP BY 1) o \
               ON o.chain_id = r.chain_id \
               FULL JOIN chains m ON m.chain_id = coalesce(r.chain_id, o.chain_id)",
    },
];
