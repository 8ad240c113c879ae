-- What does each function do, how well, and what does its part of the log weigh?
SELECT
  function_name,
  count(*) AS invocations,
  sum(CASE WHEN status <> 'ok' THEN 1 ELSE 0 END) AS not_ok,
  approx_percentile(duration_ms, 0.5) AS p50_ms,
  approx_percentile(duration_ms, 0.99) AS p99_ms,
  sum(duration_ms / 1000.0 * limit_bytes / 1073741824.0) AS gb_seconds,
  sum(line_bytes) AS log_bytes
FROM lamprey_records
WHERE type = 'invoke'
GROUP BY function_name
ORDER BY gb_seconds DESC
