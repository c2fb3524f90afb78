-- What happened on a day, newest first?
SELECT started_at, decision, status, principal, ci_repository, sql_text, rule_ids, rows_returned, session_id
FROM trail
WHERE dt = getvariable('day')
ORDER BY started_at DESC, statement_id
LIMIT 100;
