# Makes every kind of Ruby stack, and says what Ruby itself sees of it. Run by test_ruby_frames.py.
#
# Usage: ruby ruby_shapes.rb RESULT [SHAPE...]
#
# At each point the program waits, reads or allocates (the library records the stack) and, on the
# same line, notes what caller_locations() has. RESULT gets them as JSON. Each Ruby frame stands on a
# line of its own: a function in C shows its caller's line, and by that it is left out.
# Runs on Ruby 3.1 and later.

PAUSE = 1e-9
LARGE = 64 << 20 # far above the mean distance of samples: always one; never touched
ENDS = IO.pipe
ENDS[1].write("x" * 4096)
NOTED = {}
LOCK = Mutex.new
$shape = ""

def nap = sleep(PAUSE)
def rooms = String.new(capacity: LARGE)

def note(kind = "wait", called = nil)
  seen = caller_locations(1).map { |at| [at.absolute_path || at.path, at.label, at.lineno] }
  seen.unshift(called) if called
  LOCK.synchronize { (NOTED[$shape] ||= {})[[kind, seen]] = true }
end

def functions
  leaf = lambda do
    sleep(PAUSE); note
    ENDS[0].readpartial(1); note
    String.new(capacity: LARGE); note("memory")
  end
  middle = lambda do |x = 1, *y, **z|
    leaf.call
  end
  middle.call
  middle.call(1, 2, 3, k: 4)
  middle.(*[1, 2], **{ q: 1 })
end

class Shapes
  include Comparable
  attr_reader :size
  def initialize
    sleep(PAUSE); note
  end
  def plain(a, b = 2, *c, d: 4, **e, &f)
    sleep(PAUSE); note
  end
  def self.of_class
    sleep(PAUSE); note
  end
  class << self
    def of_singleton
      sleep(PAUSE); note
    end
  end
  def value=(x)
    sleep(PAUSE); note
  end
  def +(other)
    sleep(PAUSE); note
    1
  end
  def [](i)
    sleep(PAUSE); note
    1
  end
  def <=>(other)
    sleep(PAUSE); note
    0
  end
  def to_s
    sleep(PAUSE); note
    "x"
  end
  def method_missing(name, *arguments)
    sleep(PAUSE); note
  end
  def respond_to_missing?(*) = true
  def each
    yield 1
    yield 2
  end
  define_method(:defined) do |x = 1|
    sleep(PAUSE); note
  end
  sleep(PAUSE); note
  class Inner
    sleep(PAUSE); note
  end
end

module Mixed
  def plain(*)
    sleep(PAUSE); note
    super
  end
end

def methods_of_classes
  20.times do
    x = Shapes.new
    x.plain(1)
    Shapes.of_class
    Shapes.of_singleton
    x.value = 1
    x + 1
    x[0]
    x == Shapes.new
    "#{x}"
    x.missing(1)
    x.defined
    x.each do |y|
      sleep(PAUSE); note
    end
    x.extend(Mixed)
    x.plain(2)
    x.method(:plain).call(3)
    x.public_send(:plain, 4)
    x.instance_eval do
      sleep(PAUSE); note
    end
  end
end

def blocks
  [3, 1, 2].each do |x|
    sleep(PAUSE); note
  end
  [3, 1, 2].sort_by do |x|
    sleep(PAUSE); note
    x
  end
  [3, 1, 2].sort do |a, b|
    sleep(PAUSE); note
    a <=> b
  end
  [1, 2, 3].map.with_index do |x, i|
    String.new(capacity: LARGE); note("memory")
  end
  [1, 2, 3].inject do |a, b|
    sleep(PAUSE); note
    a
  end
  3.times do
    1.upto(2) do
      { a: 1 }.each_pair do |k, v|
        sleep(PAUSE); note
      end
    end
  end
  "aaa".gsub("a") do
    sleep(PAUSE); note
    "b"
  end
  hash = Hash.new do |h, k|
    sleep(PAUSE); note
    1
  end
  hash[3]
  proc do |x|
    sleep(PAUSE); note
  end.curry[1]
  1.then do
    sleep(PAUSE); note
  end
  loop do
    sleep(PAUSE); note
    break
  end
  catch(:done) do
    [1].each do
      sleep(PAUSE); note
      throw :done
    end
  end
end

def exceptions
  begin
    sleep(PAUSE); note
    raise ArgumentError
  rescue ArgumentError
    sleep(PAUSE); note
  else
    1
  ensure
    sleep(PAUSE); note
  end
  deep = lambda do |n|
    begin
      n.zero? ? raise("x") : deep.call(n - 1)
    ensure
      sleep(PAUSE); note
    end
  end
  begin
    deep.call(10)
  rescue StandardError
    sleep(PAUSE); note
  end
  tries = 0
  begin
    tries += 1
    sleep(PAUSE); note
    raise "again" if tries < 3
  rescue StandardError
    retry
  end
end

def fibers
  fiber = Fiber.new do
    sleep(PAUSE); note
    Fiber.yield 1
    String.new(capacity: LARGE); note("memory")
  end
  2.times do
    fiber.resume
    sleep(PAUSE); note
  end
  numbers = Enumerator.new do |y|
    3.times do |i|
      sleep(PAUSE); note
      y << i
    end
  end
  2.times do
    numbers.next
  end
  100.times do
    Fiber.new do
      sleep(PAUSE); note
    end.resume
  end
end

def inner_of_thread
  sleep(PAUSE); note
  String.new(capacity: LARGE); note("memory")
end

def threads
  queue = Queue.new
  3.times do
    started = 4.times.map do
      Thread.new do
        5.times do
          inner_of_thread
          queue << 1
          queue.pop
        end
      end
    end
    started.each(&:join)
  end
end

def generated
  eval("sleep(PAUSE); note")
  eval("\n\n\nsleep(PAUSE); note", binding, "/var/task/app.rb", 1)
  Object.class_eval("def named_at_run_time\n sleep(PAUSE); note\nend", "/var/task/made.rb", 10)
  named_at_run_time
  lines = (0...1500).map { |i| i % 50 == 0 ? "  sleep(PAUSE); note\n" : "  x#{i} = #{i}\n" }
  eval("def big\n#{lines.join}end\nbig\n", TOPLEVEL_BINDING, "/var/task/big.rb", 1)
end

# Code dies, other code comes to lie at its address.
def dying
  400.times do |i|
    text = "#{"\n" * (i % 7)}def f#{i}(a)\n  sleep(PAUSE); note\nend\nf#{i}(1)\n"
    eval(text, TOPLEVEL_BINDING, "/var/task/m#{i % 30}.rb", 1)
    Object.send(:remove_method, :"f#{i}")
    GC.start if i % 50 == 0
  end
end

# Functions, and lines, whose machine frames are the same.
def one
  sleep(PAUSE)
end
def two
  sleep(PAUSE)
end
def alike
  50.times do
    %i[one two].each do |name|
      at = method(name).source_location
      send(name); note("wait", [at[0], name.to_s, at[1] + 1])
    end
    sleep(PAUSE); note
    sleep(PAUSE); note
  end
end

def plain_recursion(n)
  if n > 0
    return plain_recursion(n - 1)
  end
  sleep(PAUSE); note
end
def recursion_through_c(n)
  if n > 0
    return [1].each do |x|
      recursion_through_c(n - 1)
    end
  end
  sleep(PAUSE); note
end
def recursion
  [40, 100, 900].each do |depth|
    plain_recursion(depth)
  end
  [20, 40, 150].each do |depth|
    recursion_through_c(depth)
  end
end

# Compaction moves code and names while functions run.
def moved
  return unless GC.respond_to?(:compact)
  20.times do |i|
    eval("def moved#{i}\n  sleep(PAUSE); note\n  GC.compact\n  sleep(PAUSE); note\nend", TOPLEVEL_BINDING, "/var/task/moved.rb", 1)
    send(:"moved#{i}")
  end
rescue NotImplementedError
  nil
end

def required
  require "tmpdir"
  Dir.mktmpdir do |folder|
    path = File.join(File.realpath(folder), "required.rb")
    File.write(path, "sleep(PAUSE); note\nclass Required\n  sleep(PAUSE); note\nend\n")
    require path
    load path
  end
end

def trapped
  trap("USR1") do
    sleep(PAUSE)
  end
  5.times do
    Process.kill("USR1", Process.pid)
    sleep(0.001)
  end
end

EVERY = %i[functions methods_of_classes blocks exceptions fibers threads generated dying alike recursion moved
           required trapped].freeze

result, *wanted = ARGV
(wanted.empty? ? EVERY : wanted.map(&:to_sym)).each do |name|
  $shape = name.to_s
  send(name)
end
require "json"
File.write(result, JSON.generate("noted" => NOTED.transform_values(&:keys)))
