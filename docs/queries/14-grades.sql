-- How surely are each agent's statements linked, since a day?
SELECT coalesce(se.agent_name, '(unknown)') AS agent, k.grade, k.method, count(*) AS statements,
       count(*) FILTER (WHERE k.mismatch) AS mismatches
FROM statements s JOIN best_links k USING (statement_id) LEFT JOIN sessions se ON se.session_id = s.session_id
WHERE s.dt >= getvariable('day')
GROUP BY ALL
ORDER BY agent, k.grade, statements DESC, k.method;
