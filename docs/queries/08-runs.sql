-- Which workflow runs changed or defined something since a day?
SELECT se.ci_facts, se.ci_repository, se.ci_workflow_ref, se.ci_run_id, se.ci_actor, s.sql_kind, count(*) AS statements,
       sum(s.rows_affected)::BIGINT AS rows_affected
FROM statements s JOIN sessions se USING (session_id)
WHERE s.dt >= getvariable('day') AND (s.is_write OR s.is_ddl OR s.is_dcl) AND s.status = 'success'
GROUP BY ALL
ORDER BY statements DESC, se.ci_run_id, s.sql_kind;
