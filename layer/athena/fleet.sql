-- What does each function do, how well, and what does its part of the log weigh? Of what is in summaries only the
-- slowest has a duration of its own: the percentiles are those of lines.
SELECT
  function_name,
  sum(invocations) AS invocations,
  sum(CASE WHEN status <> 'ok' THEN 1 ELSE 0 END) AS not_ok,
  sum(coalesce(summed_ms, duration_ms)) / sum(invocations) AS mean_ms,
  approx_percentile(CASE WHEN type = 'invoke' THEN duration_ms END, 0.5) AS p50_ms,
  approx_percentile(CASE WHEN type = 'invoke' THEN duration_ms END, 0.99) AS p99_ms,
  sum(coalesce(summed_ms, duration_ms) / 1000.0 * limit_bytes / 1073741824.0) AS gb_seconds,
  sum(line_bytes) AS log_bytes
FROM lamprey_records
WHERE type IN ('invoke', 'summary')
GROUP BY function_name
ORDER BY gb_seconds DESC
