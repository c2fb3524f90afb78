-- Which prompts led to statements that changed or defined something, since a day?
SELECT p.prompt_key, p.origin, p.text AS prompt, s.sql_kind, k.grade, count(*) AS statements,
       sum(s.rows_affected)::BIGINT AS rows_affected, min(s.started_at) AS first_at
FROM statements s JOIN best_links k USING (statement_id)
     LEFT JOIN (SELECT DISTINCT session_id, prompt_key, origin, text FROM prompts) p
            ON p.session_id = k.session_id AND p.prompt_key = k.prompt_key
WHERE s.dt >= getvariable('day') AND (s.is_write OR s.is_ddl OR s.is_dcl) AND s.status = 'success'
GROUP BY ALL
ORDER BY first_at, p.prompt_key, s.sql_kind, k.grade;
