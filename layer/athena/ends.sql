-- What did not end well, and what does its line say?
SELECT started, function_name, type, status, headline, request_id
FROM lamprey_records
WHERE status <> 'ok'
ORDER BY started DESC
LIMIT 100
