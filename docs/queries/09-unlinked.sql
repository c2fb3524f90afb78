-- Which agents run statements for which no prompt is known, since a day?
SELECT coalesce(se.agent_name, '(unknown)') AS agent, se.ci_repository, count(*) AS statements,
       count(*) FILTER (WHERE k.grade IS NULL OR k.grade = 'U') AS unlinked
FROM statements s LEFT JOIN sessions se USING (session_id) LEFT JOIN best_links k USING (statement_id)
WHERE s.dt >= getvariable('day')
GROUP BY ALL
ORDER BY unlinked DESC, agent, se.ci_repository;
