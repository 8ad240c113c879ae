-- One row for each record; an export puts the time before the line, so the record begins at its brace.
CREATE OR REPLACE VIEW lamprey_records AS
SELECT
  record,
  length(record) AS line_bytes,
  json_extract_scalar(record, '$.type') AS type,
  json_extract_scalar(record, '$.status') AS status,
  json_extract_scalar(record, '$.function_name') AS function_name,
  json_extract_scalar(record, '$.request_id') AS request_id,
  json_extract_scalar(record, '$.started') AS started,
  json_extract_scalar(record, '$.headline') AS headline,
  CAST(json_extract_scalar(record, '$.invocation') AS BIGINT) AS invocation,
  CAST(coalesce(json_extract_scalar(record, '$.summary.invocations'), '1') AS BIGINT) AS invocations,
  TRY_CAST(json_extract_scalar(record, '$.duration_ms') AS DOUBLE) AS duration_ms,
  CAST(json_extract_scalar(record, '$.summary.duration_ms') AS DOUBLE) AS summed_ms,
  TRY_CAST(json_extract_scalar(record, '$.cpu_ms') AS DOUBLE) AS cpu_ms,
  CAST(json_extract_scalar(record, '$.memory.live_bytes') AS BIGINT) AS live_bytes,
  CAST(json_extract_scalar(record, '$.memory.live_delta_bytes') AS BIGINT) AS live_delta_bytes,
  CAST(json_extract_scalar(record, '$.memory.rss_bytes') AS BIGINT) AS rss_bytes,
  CAST(json_extract_scalar(record, '$.memory.peak_rss_bytes') AS BIGINT) AS peak_rss_bytes,
  CAST(json_extract_scalar(record, '$.memory.limit_bytes') AS BIGINT) AS limit_bytes,
  CAST(json_extract_scalar(record, '$.self.flush_ms') AS DOUBLE) AS flush_ms
FROM (
  SELECT substr(line, strpos(line, '{"lamprey":')) AS record
  FROM lamprey_logs
  WHERE strpos(line, '{"lamprey":') > 0
) AS lines
