-- What did one prompt lead to, in order, and how sure is each?
SELECT t.started_at, t.sql_text, k.grade, k.mismatch, t.decision, t.status, u.tool_name, a.args, t.statement_id
FROM best_links k JOIN trail t USING (statement_id)
     LEFT JOIN (SELECT DISTINCT session_id, tool_call_id, llm_call_id, tool_name FROM tool_calls) u
            ON u.session_id = k.session_id AND u.tool_call_id = k.tool_call_id AND u.llm_call_id = k.llm_call_id
     LEFT JOIN (SELECT DISTINCT session_id, tool_call_id, llm_call_id, args FROM tool_call_args) a
            ON a.session_id = k.session_id AND a.tool_call_id = k.tool_call_id AND a.llm_call_id = k.llm_call_id
WHERE k.prompt_key = getvariable('prompt')
   OR k.prompt_key IN (SELECT prompt_key FROM prompts WHERE root_prompt_key = getvariable('prompt'))
ORDER BY t.started_at, t.seq;
