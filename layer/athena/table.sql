-- One row for each line of the exported logs. Put your bucket and prefix in.
CREATE EXTERNAL TABLE IF NOT EXISTS lamprey_logs (
  line string
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe'
WITH SERDEPROPERTIES ('input.regex' = '(.*)')
LOCATION 's3://BUCKET/PREFIX/'
