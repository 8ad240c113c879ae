-- Which functions grow with every warm invocation? A mean that stays well above 0 over many is a leak or a cache.
SELECT
  function_name,
  sum(invocations) AS invocations,
  sum(live_delta_bytes) AS grown_bytes,
  sum(live_delta_bytes) * 1.0 / sum(invocations) AS bytes_per_invocation
FROM lamprey_records
WHERE ((type = 'invoke' AND invocation > 1) OR type = 'summary') AND live_delta_bytes IS NOT NULL
GROUP BY function_name
HAVING sum(invocations) >= 10
ORDER BY bytes_per_invocation DESC
