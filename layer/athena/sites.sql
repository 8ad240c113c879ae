-- Which call sites grow?
SELECT
  function_name,
  json_extract_scalar(entry, '$.stack') AS stack,
  count(*) AS lines,
  sum(CAST(json_extract_scalar(entry, '$.live_delta_bytes') AS BIGINT)) AS grown_bytes,
  max(CAST(json_extract_scalar(entry, '$.live_bytes') AS BIGINT)) AS most_live_bytes
FROM lamprey_records
CROSS JOIN UNNEST(CAST(json_extract(record, '$.memory.sites') AS ARRAY(JSON))) AS list(entry)
WHERE type = 'invoke'
GROUP BY 1, 2
ORDER BY grown_bytes DESC
LIMIT 50
