-- What did a session do, in order, and why was it let?
SELECT started_at, sql_text, decision, rule_ids, status, error_text, rows_returned, prompt, link_grade, query_id
FROM trail
WHERE session_id = getvariable('session')
ORDER BY started_at, seq;
