-- Is the record whole: which chains have gaps, were cut off, or have something left out?
SELECT chain_id, state, host_id, opened_at, last_manifest_at, missing_rows, lost_rows, degraded, unrecordable, recoveries,
       clock_steps, left_out, problems
FROM record_health
WHERE state <> 'closed' OR missing_rows > 0 OR gaps > 0 OR degraded > 0 OR unrecordable > 0 OR left_out > 0 OR len(problems) > 0
ORDER BY opened_at DESC, chain_id;
