-- Who touched an object since a day, and how?
SELECT l.principal, se.ci_repository, o.access, o.sql_kind, count(*) AS statements,
       min(o.started_at) AS first_at, max(o.started_at) AS last_at
FROM statement_objects o LEFT JOIN sessions se USING (session_id) LEFT JOIN logins l USING (login_id)
WHERE o.object = getvariable('object') AND o.dt >= getvariable('day') AND o.decision NOT IN ('block', 'error')
GROUP BY ALL
ORDER BY statements DESC, first_at, l.principal;
