-- How long are cold starts, and how many are there for each invocation?
SELECT
  function_name,
  sum(CASE WHEN type = 'init' THEN 1 ELSE 0 END) AS cold_starts,
  sum(CASE WHEN type = 'invoke' THEN 1 ELSE 0 END) AS invocations,
  approx_percentile(CAST(json_extract_scalar(record, '$.init.total_ms') AS DOUBLE), 0.5) AS p50_ms,
  max(CAST(json_extract_scalar(record, '$.init.total_ms') AS DOUBLE)) AS max_ms
FROM lamprey_records
GROUP BY function_name
HAVING sum(CASE WHEN type = 'init' THEN 1 ELSE 0 END) > 0
ORDER BY p50_ms DESC
