-- Is the record whole: which chains have gaps, were cut off, or hold what no manifest lists?
SELECT chain_id, state, host_id, opened_at, last_row_at, missing_rows, lost_rows, degraded, unrecordable, recoveries,
       clock_steps, not_in_manifest, left_out
FROM record_health
WHERE state <> 'closed' OR missing_rows > 0 OR gaps > 0 OR degraded > 0 OR unrecordable > 0 OR not_in_manifest > 0
   OR left_out > 0
ORDER BY opened_at DESC;
