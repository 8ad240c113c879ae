-- Which call sites grow? From early to late invocations of environments, in the lines that show the site.
SELECT
  function_name,
  json_extract_scalar(entry, '$.stack') AS stack,
  count(*) AS lines,
  max_by(CAST(json_extract_scalar(entry, '$.live_bytes') AS BIGINT), invocation)
    - min_by(CAST(json_extract_scalar(entry, '$.live_bytes') AS BIGINT), invocation) AS grown_bytes,
  max(CAST(json_extract_scalar(entry, '$.live_bytes') AS BIGINT)) AS most_live_bytes
FROM lamprey_records
CROSS JOIN UNNEST(CAST(json_extract(record, '$.memory.sites') AS ARRAY(JSON))) AS list(entry)
WHERE type = 'invoke'
GROUP BY 1, 2
ORDER BY grown_bytes DESC
LIMIT 50
