//! Views in the shapes that other tools expect: OCSF and OpenTelemetry.

use super::definition::Part::New;
use super::definition::View;

/// Sources: OCSF 1.7.0, class `datastore_activity` with profile `security_control`; OpenTelemetry semantic conventions
/// 1.45, "Semantic conventions for database client spans".
pub(super) static VIEWS: [View; 2] = [
    View {
        name: "ocsf_datastore_activity",
        doc: "The trail as OCSF events of class Datastore Activity, profile `security_control`.",
        of: &[],
        columns: &[
            New("class_uid", "6005", "OCSF class: 6005."),
            New("class_name", "'Datastore Activity'", "Its name."),
            New("category_uid", "6", "OCSF category: 6."),
            New("category_name", "'Application Activity'", "Its name."),
            New(
                "activity_id",
                "t.activity",
                "1 Read, 2 Update, 4 Query, 5 Write, 6 Create, 7 Delete, 8 List, 99 other.",
            ),
            New(
                "activity_name",
                "CASE t.activity WHEN 1 THEN 'Read' WHEN 2 THEN 'Update' WHEN 4 THEN 'Query' WHEN 5 THEN 'Write' WHEN 6 THEN 'Create' \
                 WHEN 7 THEN 'Delete' WHEN 8 THEN 'List' ELSE t.sql_kind END",
                "Its name; of another the kind of statement.",
            ),
            New("type_uid", "600500 + t.activity", "Class and activity."),
            New(
                "severity_id",
                "CASE WHEN t.decision IN ('block', 'error') THEN 3 ELSE 1 END",
                "3 Medium where it was refused, else 1 Informational.",
            ),
            New(
                "severity",
                "CASE WHEN t.decision IN ('block', 'error') THEN 'Medium' ELSE 'Informational' END",
                "Its name.",
            ),
            New(
                "time",
                "epoch_ms(t.started_at)",
                "When it began, in milliseconds since 1970.",
            ),
            New("start_time", "epoch_ms(t.started_at)", "The same."),
            New(
                "end_time",
                "epoch_ms(t.completed_at)",
                "When it was over, in milliseconds since 1970.",
            ),
            New(
                "duration",
                "date_diff('millisecond', t.started_at, t.completed_at)",
                "Milliseconds between the two.",
            ),
            New(
                "status_id",
                "CASE t.status WHEN 'success' THEN 1 WHEN 'running' THEN 0 WHEN 'abandoned' THEN 0 ELSE 2 END",
                "0 Unknown, 1 Success, 2 Failure.",
            ),
            New(
                "status",
                "CASE t.status WHEN 'success' THEN 'Success' WHEN 'running' THEN 'Unknown' WHEN 'abandoned' THEN 'Unknown' ELSE 'Failure' END",
                "Its name.",
            ),
            New("status_code", "t.sf_error_code", "Snowflake's error code."),
            New(
                "status_detail",
                "t.status",
                "What became of the statement, in the record's word.",
            ),
            New(
                "action_id",
                "t.act",
                "1 Allowed, 2 Denied, 3 Observed, 4 Modified.",
            ),
            New(
                "action",
                "CASE t.act WHEN 1 THEN 'Allowed' WHEN 2 THEN 'Denied' WHEN 3 THEN 'Observed' ELSE 'Modified' END",
                "Its name.",
            ),
            New(
                "disposition_id",
                "CASE t.decision WHEN 'allow' THEN 1 WHEN 'block' THEN 2 WHEN 'approve' THEN 8 WHEN 'flag' THEN 17 WHEN 'error' THEN 27 ELSE 99 END",
                "1 Allowed, 2 Blocked, 8 Approved, 17 Logged, 27 Error, 99 other.",
            ),
            New(
                "disposition",
                "CASE t.decision WHEN 'allow' THEN 'Allowed' WHEN 'block' THEN 'Blocked' WHEN 'approve' THEN 'Approved' \
                 WHEN 'flag' THEN 'Logged' WHEN 'error' THEN 'Error' ELSE 'Masked' END",
                "Its name.",
            ),
            New(
                "policy",
                "{'uid': t.rule_ids[1], 'name': array_to_string(t.rule_ids, ', '), 'desc': array_to_string(t.rule_reasons, '; ')}",
                "Rules that decided, and their reasons.",
            ),
            New(
                "message",
                "concat_ws(': ', t.decision, array_to_string(t.rule_reasons, '; '))",
                "Decision and reasons.",
            ),
            New(
                "actor",
                "{'user': {'name': coalesce(t.principal, t.\"user\"), 'uid': t.idp_subject, 'account': {'name': t.sf_user}}, \
                 'session': {'uid': t.session_id}, 'process': {'pid': t.pid, 'file': {'path': t.exe}}, 'app_name': t.client_app}",
                "Who asked: principal, session, process, driver.",
            ),
            New("src_endpoint", "{'uid': t.host_id}", "Host that it ran on."),
            New(
                "dst_endpoint",
                "{'name': t.account, 'svc_name': 'Snowflake'}",
                "Snowflake account.",
            ),
            New(
                "database",
                "{'name': coalesce(t.objects[1].catalog, t.account), 'type_id': 1, 'type': 'Relational'}",
                "Database of the first object; without one the account.",
            ),
            New(
                "table",
                "{'name': t.objects[1].name, 'uid': concat_ws('.', t.objects[1].catalog, t.objects[1].\"schema\", t.objects[1].name)}",
                "First object.",
            ),
            New(
                "query_info",
                "{'uid': t.query_id, 'query_string': coalesce(t.sql_text, t.sql_normalized, ''), 'query_time': epoch_ms(t.started_at), 'bytes': t.bytes_returned}",
                "The statement.",
            ),
            New("type_id", "1", "Kind of datastore: 1 Database."),
            New("type", "'Database'", "Its name."),
            New(
                "metadata",
                "{'version': '1.7.0', 'uid': t.statement_id, 'correlation_uid': t.session_id, 'sequence': t.seq, \
                 'profiles': ['security_control'], 'product': {'name': 'Icecore', 'vendor_name': 'Icecore'}, 'log_name': t.chain_id}",
                "Version of OCSF, and the record's own ids.",
            ),
            New(
                "unmapped",
                "{'sql_fingerprint': t.sql_fingerprint, 'rows_returned': t.rows_returned, 'prompt_link': t.link_grade, \
                 'repository': t.ci_repository, 'run_id': t.ci_run_id, 'agent': t.agent_name, 'enforcement': t.enforcement}",
                "What OCSF has no place for.",
            ),
        ],
        from: "FROM (SELECT a.*, CASE a.sql_kind WHEN 'query' THEN 4 WHEN 'show' THEN 8 WHEN 'list' THEN 8 \
               WHEN 'get' THEN 1 WHEN 'unload' THEN 1 WHEN 'insert' THEN 5 WHEN 'copy_in' THEN 5 WHEN 'put' THEN 5 WHEN 'merge' THEN 2 \
               WHEN 'update' THEN 2 WHEN 'alter' THEN 2 WHEN 'create' THEN 6 WHEN 'delete' THEN 7 WHEN 'truncate' THEN 7 WHEN 'drop' THEN 7 \
               WHEN 'remove' THEN 7 ELSE 99 END AS activity, CASE a.decision WHEN 'allow' THEN 1 WHEN 'approve' THEN 1 WHEN 'flag' THEN 3 \
               WHEN 'mask' THEN 4 ELSE 2 END AS act FROM trail a) t",
    },
    View {
        name: "otel_db_spans",
        doc: "Statements that are over as OpenTelemetry's database client spans; without literals.",
        of: &[],
        columns: &[
            New(
                "trace_id",
                "coalesce(s.trace_id, replace(s.session_id, '-', ''))",
                "W3C trace; without one the session's id.",
            ),
            New(
                "span_id",
                "coalesce(s.span_id, right(replace(s.statement_id, '-', ''), 16))",
                "W3C span; without one the end of the statement's id.",
            ),
            New(
                "name",
                "coalesce(s.query_summary, upper(s.sql_kind))",
                "Kind and objects in a few words.",
            ),
            New("kind", "'CLIENT'", "Kind of span."),
            New(
                "start_time_unix_nano",
                "epoch_ns(s.started_at)",
                "When it began, in nanoseconds since 1970.",
            ),
            New(
                "end_time_unix_nano",
                "epoch_ns(s.completed_at)",
                "When it was over, in nanoseconds since 1970.",
            ),
            New(
                "status_code",
                "CASE WHEN s.status IN ('success', 'running') THEN 'UNSET' ELSE 'ERROR' END",
                "`ERROR` where it did not run to its end.",
            ),
            New("db.system.name", "'snowflake'", "Database product."),
            New(
                "db.namespace",
                "concat_ws('|', s.database_ctx, s.schema_ctx)",
                "Current database and schema.",
            ),
            New(
                "db.operation.name",
                "upper(s.sql_kind)",
                "Kind of statement.",
            ),
            New(
                "db.collection.name",
                "CASE WHEN len(s.objects) = 1 THEN s.objects[1].name END",
                "The object, where there is one.",
            ),
            New(
                "db.query.text",
                "s.sql_normalized",
                "SQL with literals as `?`.",
            ),
            New(
                "db.query.summary",
                "s.query_summary",
                "Kind and objects in a few words.",
            ),
            New(
                "db.response.status_code",
                "s.sf_error_code",
                "Snowflake's error code.",
            ),
            New(
                "db.response.returned_rows",
                "s.rows_returned",
                "Rows of the result.",
            ),
            New(
                "error.type",
                "CASE WHEN s.status NOT IN ('success', 'running') THEN coalesce(s.sf_error_code, s.status) END",
                "Snowflake's error code, or what became of it.",
            ),
            New("server.address", "l.account", "Snowflake account."),
            New(
                "resource",
                "{'service.name': 'icecore', 'host.id': se.host_id, 'process.pid': s.pid, 'process.executable.path': s.exe}",
                "Host and process that sent it.",
            ),
            New(
                "icecore.session.id",
                "s.session_id",
                "Session that sent it.",
            ),
            New(
                "icecore.statement.id",
                "s.statement_id",
                "Names the statement.",
            ),
            New(
                "icecore.decision",
                "s.decision",
                "What the policies decided.",
            ),
            New("snowflake.query_id", "s.query_id", "Snowflake's query id."),
        ],
        from: "FROM statements s LEFT JOIN sessions se USING (session_id) LEFT JOIN logins l USING (login_id)",
    },
];
