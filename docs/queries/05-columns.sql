-- Which columns of an object were named since a day, how often, and by how many sessions?
SELECT "column", access, count(*) AS statements, count(DISTINCT session_id) AS sessions
FROM statement_columns
WHERE object = getvariable('object') AND dt >= getvariable('day')
GROUP BY ALL
ORDER BY statements DESC, "column", access;
