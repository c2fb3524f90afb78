-- Which agents run statements that no call of a model carried, since a day, and in how many were model calls not read at all?
SELECT coalesce(se.agent_name, '(unknown)') AS agent, se.ci_repository, count(*) AS statements,
       count(*) FILTER (WHERE k.grade IS NULL OR k.grade IN ('E', 'U')) AS unlinked,
       count(*) FILTER (WHERE k.grade IS NULL) AS not_read
FROM statements s LEFT JOIN sessions se USING (session_id) LEFT JOIN best_links k USING (statement_id)
WHERE s.dt >= getvariable('day')
GROUP BY ALL
ORDER BY unlinked DESC, agent, se.ci_repository;
