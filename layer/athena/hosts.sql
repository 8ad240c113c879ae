-- Which hosts are waited for?
SELECT
  function_name,
  coalesce(json_extract_scalar(entry, '$.host'), json_extract_scalar(entry, '$.peer')) AS host,
  sum(invocations) AS invocations,
  sum(CAST(json_extract_scalar(entry, '$.connects') AS BIGINT)) AS connects,
  sum(CAST(json_extract_scalar(entry, '$.wait_ms') AS DOUBLE)) AS wait_ms,
  sum(CAST(json_extract_scalar(entry, '$.dns_ms') AS DOUBLE)) AS dns_ms
FROM lamprey_records
CROSS JOIN UNNEST(CAST(json_extract(record, '$.network') AS ARRAY(JSON))) AS list(entry)
WHERE type IN ('invoke', 'summary')
GROUP BY 1, 2
ORDER BY wait_ms DESC
LIMIT 50
