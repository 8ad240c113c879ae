# A small client of Lambda's Runtime API with a new connection for each call, as Ruby's Net::HTTP
# makes them. The event says how long to sleep, how many bytes to allocate and whether to fail; or FUNCTION
# names a file whose handler gets it.
require "json"
require "net/http"

HOST, PORT = ENV.fetch("AWS_LAMBDA_RUNTIME_API").split(":")
PREFIX = "/2018-06-01/runtime".freeze

def connection
  client = Net::HTTP.new(HOST, PORT.to_i)
  client.read_timeout = nil
  client.max_retries = 0
  client
end

def handle(event)
  raise event["fail"] if event["fail"]

  sleep(event.fetch("sleep", 0))
  { "allocated" => ("x" * event.fetch("bytes", 0)).bytesize }
end

require ENV["FUNCTION"] if ENV["FUNCTION"]

def answer_to(event)
  ENV["FUNCTION"] ? handler(event: event, context: nil) : handle(event)
end

loop do
  work = connection.start { |client| client.get("#{PREFIX}/invocation/next") }
  id = work["Lambda-Runtime-Aws-Request-Id"]
  begin
    what = "response"
    body = JSON.generate(answer_to(JSON.parse(work.body)))
  rescue StandardError => e
    what = "error"
    body = JSON.generate("errorMessage" => e.message, "errorType" => e.class.name)
  end
  connection.start { |client| client.post("#{PREFIX}/invocation/#{id}/#{what}", body) }
end
