# The troubles of the table in docs/clients.md, for a client in Ruby.
require "fiddle"
require "socket"

KEPT = []

def ask(port)
  TCPSocket.open("127.0.0.1", port) do |connection|
    connection.write("GET / HTTP/1.1\r\nHost: quiet\r\n\r\n")
    connection.readpartial(1000)
  end
end

def ask_in_worker(port)
  Thread.new { ask(port) }.join
end

def compute
  number = 0
  loop { number = (number * 31 + 7) & 0xffff }
end

def remember
  loop { KEPT << ("x" * (1 << 20)) }
end

def handler(event:, context:)
  case event["way"]
  when "error" then raise KeyError, "no such customer"
  when "busy" then compute
  when "silent" then ask(event["port"])
  when "worker" then ask_in_worker(event["port"])
  when "memory" then remember
  when "exit" then exit!(3)
  when "crash" then Fiddle::Pointer.new(8)[0, 8]
  end
  { "way" => event["way"] }
end
