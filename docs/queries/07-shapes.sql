-- Which statements, literals aside, run most since a day, and how long do they take?
SELECT sql_fingerprint, any_value(sql_normalized) AS shape, count(*) AS statements,
       quantile_cont(epoch_ms(completed_at) - epoch_ms(started_at), 0.95)::BIGINT AS p95_ms,
       sum(rows_returned)::BIGINT AS "rows", count(*) FILTER (WHERE status = 'failed') AS failed
FROM statements
WHERE dt >= getvariable('day') AND sql_fingerprint IS NOT NULL
GROUP BY sql_fingerprint
ORDER BY statements DESC, sql_fingerprint
LIMIT 50;
