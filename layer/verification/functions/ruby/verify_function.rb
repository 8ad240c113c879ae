# The function that `layer/verify` invokes, in Ruby; verify_function.py says what each scenario does.
require "json"
require "socket"

raise "init fails on purpose" if ENV["VERIFY_INIT"] == "fail"

WRITES = 37
PIECE = 100
SENT = 1000
RECEIVED = 2000
SLEEP_MS = 50
KEPT_BYTES = 100_000
KEPT = [] # rubocop:disable Style/MutableConstant

class VerifyError < StandardError; end

def tell(event, **truth)
  line = { number: event["number"], scenario: event["scenario"], **truth }
  $stdout.syswrite("lamprey-verify #{JSON.generate(line)}\n")
end

def write_file(number)
  path = "/tmp/verify-#{number}"
  File.open(path, File::CREAT | File::WRONLY | File::TRUNC, 0o600) do |file|
    WRITES.times { file.syswrite("." * PIECE) }
  end
  File.unlink(path)
  { path: path, writes: WRITES, bytes: WRITES * PIECE }
end

def talk
  server = TCPServer.new("127.0.0.1", 0)
  port = server.addr[1]
  client = TCPSocket.new("127.0.0.1", port)
  answering = server.accept
  client.write("?" * SENT)
  answering.read(SENT)
  answering.write("!" * RECEIVED)
  client.read(RECEIVED)
  [client, answering, server].each(&:close)
  { port: port, sent: SENT, received: RECEIVED }
end

def silent_host(event)
  server = TCPServer.new("127.0.0.1", 0)
  client = TCPSocket.new("127.0.0.1", server.addr[1])
  client.write("?")
  tell(event, port: server.addr[1])
  client.read(1)
end

# A file's build id, and whether it has the words by which a reader finds its way.
def look(path, words)
  data = File.binread(path)
  note = data.index("\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0".b)
  { build_id: note && data[note + 16, 20].unpack1("H*"), words => data.include?(words) }
end

def binaries
  paths = File.readlines("/proc/self/maps").map { |line| line.split(" ", 6)[5].to_s.strip }.uniq
  paths.select { |path| path.match?(%r{/(libc[.-][^/]*|libruby[^/]*|ruby)$}) }
       .to_h { |path| [File.basename(path), look(path, "ruby_current_ec")] }
end

def healthy(event)
  truth = { file: write_file(event["number"]), peer: talk }
  sleep(SLEEP_MS / 1000.0)
  tell(event, slept_ms: SLEEP_MS, **truth)
  { well: true }
end

def handler(event:, context:) # rubocop:disable Metrics, Lint/UnusedMethodArgument
  return healthy(event) if event["scenario"] == "healthy"
  return silent_host(event) if event["scenario"] == "silent_host"

  case event["scenario"]
  when "leak"
    GC.start # so that nothing older is given back between these
    KEPT << ("x" * KEPT_BYTES)
    tell(event, kept_bytes: KEPT_BYTES)
    nil
  when "error"
    tell(event, error_type: "VerifyError")
    raise VerifyError, "on purpose"
  else
    tell(event)
    case event["scenario"]
    when "large_response" then "x" * event["bytes"]
    when "busy_loop" then loop {}
    when "out_of_memory" then loop { KEPT << ("x" * 1_000_000) }
    when "exit" then exit!(3)
    when "crash" then Process.kill(:SEGV, Process.pid) && sleep(5)
    when "binaries" then binaries
    end
  end
end
