-- How near is each function to its limit, and how much of what is resident is not live?
SELECT
  function_name,
  max(peak_rss_bytes) AS peak_rss_bytes,
  max(limit_bytes) AS limit_bytes,
  max(peak_rss_bytes * 100.0 / limit_bytes) AS used_percent,
  max(rss_bytes - live_bytes) AS most_not_live_bytes
FROM lamprey_records
WHERE type IN ('invoke', 'summary') AND limit_bytes > 0 AND peak_rss_bytes IS NOT NULL
GROUP BY function_name
ORDER BY used_percent DESC
