-- What was masked since a day, by which rule, and for whom?
SELECT "column", method, rule_id, principal, count(*) AS statements, sum(masked_cells)::BIGINT AS cells
FROM masked
WHERE dt >= getvariable('day')
GROUP BY ALL
ORDER BY statements DESC, "column", method, rule_id, principal;
