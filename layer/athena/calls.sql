-- Which calls take the time, and which fail?
SELECT
  function_name,
  json_extract_scalar(entry, '$.name') AS name,
  sum(CAST(json_extract_scalar(entry, '$.calls') AS BIGINT)) AS calls,
  sum(CAST(json_extract_scalar(entry, '$.errors') AS BIGINT)) AS errors,
  sum(CAST(json_extract_scalar(entry, '$.total_ms') AS DOUBLE)) AS total_ms
FROM lamprey_records
CROSS JOIN UNNEST(CAST(json_extract(record, '$.calls.top') AS ARRAY(JSON))) AS list(entry)
WHERE type IN ('invoke', 'summary')
GROUP BY 1, 2
ORDER BY total_ms DESC
LIMIT 50
