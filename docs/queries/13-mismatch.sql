-- Which statements were none of the SQL that tools in use carried, since a day?
SELECT t.started_at, t.agent_name, t.ci_repository, t.sql_text, t.decision, k.grade, k.method, t.prompt, t.statement_id
FROM trail t JOIN best_links k USING (statement_id)
WHERE t.dt >= getvariable('day') AND k.mismatch
ORDER BY t.started_at DESC, t.seq;
