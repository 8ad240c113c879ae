#!/bin/bash
# A custom runtime in shell: a curl process for each call of the Runtime API.
set -euo pipefail
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
while true; do
  event=$(curl -sS -D "$headers" "$api/invocation/next")
  id=$(tr -d '\r' <"$headers" | awk 'tolower($1) == "lambda-runtime-aws-request-id:" { print $2 }')
  curl -sS -o /dev/null -X POST "$api/invocation/$id/response" -d "{\"echo\": $event}"
done
