-- Which rules refused most since a day, to whom, and what did it look like?
SELECT rule_ids, count(*) AS refused, count(DISTINCT session_id) AS sessions, count(DISTINCT principal) AS principals,
       any_value(sql_normalized) AS example, max(started_at) AS last_at
FROM denied
WHERE dt >= getvariable('day')
GROUP BY rule_ids
ORDER BY refused DESC, rule_ids;
