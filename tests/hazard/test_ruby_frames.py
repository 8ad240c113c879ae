"""Stacks of Ruby programs, as the library records them, against what Ruby itself says of them. On every Ruby
that can be had; what cannot is skipped by name."""

import json
import re

import pytest
import rubies
from conftest import HERE, execute
from test_python_frames import DEEPEST, as_recorded, text

SHAPES = str(HERE / "ruby_shapes.rb")
pytestmark = pytest.mark.spread
ON, SWITCHED_OFF, NOT_PROVEN = 1, 2, 5
RUBY = 4  # Language::kRuby
# Every large block is a sample, hardly any small one.
ENVIRONMENT = {"LAMPREY_SAMPLE_BYTES": str(1 << 20)}
INTERNAL = "<internal:"


@pytest.fixture(params=[f"3.{minor}" for minor in rubies.MINORS], scope="module")
def ruby(request):
    found = rubies.find(int(request.param[2:]))
    if isinstance(found, str):
        pytest.skip(f"no Ruby {request.param}: {found}")
    return found


class Stack:
    """`ruby`: its frames of functions as (file, name, line), without Ruby's own. `machine`: the others, by position."""

    def __init__(self, recorded, functions):
        self.cut = bool(recorded["cut"])
        self.sampled = recorded["samples"] > 0
        self.ruby, self.machine = [], []
        self.first = None
        for position, (word, shown) in enumerate(zip(recorded["addresses"], recorded["frames"], strict=True)):
            if word >> 63:
                number = word >> 24 & 0xFFFFFF
                assert number, "a function without a name"
                function = functions[number - 1]
                self.first = position if self.first is None else self.first
                self.last = position
                if not function["file"].startswith(INTERNAL):
                    self.ruby.append((text(function["file"]), text(function["name"]), word & 0xFFFFFF))
            else:
                self.machine.append((position, shown))


def stacks_of(run):
    recording = run.recording
    assert recording["functions_refused"] == 0 and recording["stacks_refused"] == 0
    assert all(function["language"] == RUBY for function in recording["functions"])
    stacks = [Stack(stack, recording["functions"]) for stack in recording["stacks"]]
    return [stack for stack in stacks if stack.ruby]


def without_class(label):
    """Ruby 3.4 says whose method it is: "block in Shapes#plain"."""
    return re.sub(r"(^| )(?:[A-Z]\w*(?:::[A-Z]\w*)*)[#.](?=[^ ])", r"\1", label)


def of_ruby_code(frames):
    """A function in C, and one of Ruby's own, shows the file and line of its caller."""
    kept = []
    for frame, caller in zip(frames, [*frames[1:], None], strict=True):
        file, label, line = frame
        same_place = caller is not None and caller[0] == file and caller[2] == line and caller[1] != label
        in_c = same_place and not label.startswith(("rescue in ", "ensure in "))
        if file and not in_c and not file.startswith(INTERNAL):  # a fiber may begin in C: it has no file
            kept.append(as_recorded((file, without_class(label), line)))
    return kept


def shapes(ruby, library, tmp_path, *wanted, env=None, options=()):
    result = tmp_path / "shapes.json"
    run = execute([*ruby.command, *options, SHAPES, result, *wanted], preload=library,
                  env={**ENVIRONMENT, **ruby.environment, **(env or {})})  # fmt: skip
    assert (run.status, run.stdout, run.stderr) == (0, "", "")
    told = json.loads(result.read_text())
    noted = [(shape, kind, of_ruby_code(frames)) for shape, points in told["noted"].items() for kind, frames in points]
    return run, noted


def is_recorded(noted, stack):
    if stack.cut:
        return len(stack.ruby) > DEEPEST // 4 and noted[: len(stack.ruby)] == stack.ruby
    return noted == stack.ruby


def compare(run, noted):
    stacks = stacks_of(run)
    assert len(noted) > 0
    for shape, kind, frames in noted:
        assert any(is_recorded(frames, stack) for stack in stacks if stack.sampled == (kind == "memory")), (shape, frames)
    every = [frames for _, _, frames in noted]
    innermost = {frames[0] for frames in every}
    for stack in stacks:
        if stack.ruby[0] in innermost and not stack.sampled:
            assert any(is_recorded(frames, stack) for frames in every), stack.ruby
    return stacks


@pytest.mark.parametrize("options", [(), ("--yjit", "--yjit-call-threshold=2")], ids=["interpreted", "yjit"])
def test_every_stack_is_the_one_that_ruby_has(ruby, release_library, tmp_path, options):
    if options and execute([*ruby.command, *options, "-e", "1"], env=ruby.environment).outcome() != (0, "", ""):
        pytest.skip("this Ruby has no YJIT")
    run, noted = shapes(ruby, release_library, tmp_path, options=options)
    assert run.recording["frame_readers"][RUBY] == ON
    compare(run, noted)


def test_functions_of_equal_machine_frames_are_told_apart(ruby, release_library, tmp_path):
    """A stack that is recalled by its machine frames alone would be named after the function before."""
    run, noted = shapes(ruby, release_library, tmp_path, "functions", "alike")
    alike = [frames for shape, _, frames in noted if shape == "alike"]
    assert len({frames[0] for frames in alike}) == 4
    compare(run, noted)


def test_code_at_an_address_that_is_used_again_has_no_old_name(ruby, release_library, tmp_path):
    run, noted = shapes(ruby, release_library, tmp_path, "functions", "dying")
    assert len([1 for shape, _, _ in noted if shape == "dying"]) == 400
    compare(run, noted)


def test_what_stands_for_the_interpreter_is_gone(ruby, release_library, tmp_path):
    """Behind a function no machine frame of Ruby is left, nor those that begin the program or a thread. (libc's
    sort may stand between, since it calls back.)"""
    run, _ = shapes(ruby, release_library, tmp_path, "functions", "blocks", "threads", "recursion")
    for stack in stacks_of(run):
        behind = [(position, shown) for position, shown in stack.machine if position > stack.first]
        assert not any(re.search(r"libruby|bin/ruby|ld-linux", shown) for _, shown in behind), (behind, stack.ruby)
        assert all(position < stack.last for position, _ in behind), (behind, stack.ruby)


def test_frames_on_request_only(ruby, release_library, tmp_path):
    run, _ = shapes(ruby, release_library, tmp_path, "functions", env={"LAMPREY_FRAMES": "off"})
    recording = run.recording
    assert recording["frame_readers"][RUBY] == SWITCHED_OFF
    assert recording["functions"] == [] and recording["stacks_used"] > 0


CHILD = """
LARGE = 64 << 20
def parents
  sleep(1e-9)
end
def childs
  sleep(1e-9)
  parents
end
def rooms
  String.new(capacity: LARGE)
end
rooms
parents
pid = fork do
  childs
  exit!(0)
end
Process.wait(pid)
print pid
"""


def test_a_forked_child_has_its_own_names(ruby, release_library):
    from conftest import RECORDINGS, read_recording

    run = execute([*ruby.command, "-e", CHILD], preload=release_library,
                  env={**ENVIRONMENT, **ruby.environment, "LAMPREY_FOLLOW_CHILDREN": "on"})  # fmt: skip
    assert (run.status, run.stderr) == (0, "")
    child = read_recording(RECORDINGS / f"{int(run.stdout)}.rec")
    shown = [[frame for frame in stack["frames"] if "(-e:" in frame] for stack in child["stacks"]]
    assert any(frames[:3] == ["parents (-e:4)", "childs (-e:8)", "block in <main> (-e:16)"] for frames in shown), shown
    assert child["frame_readers"][RUBY] == ON


STRESS = """
require "socket"
GC.stress = false
def leaf(x, *a, **k)
  proc { [x, a, k].to_s }.call
end
def deep(n)
  n > 0 ? (n.odd? ? deep(n - 1) : [n].map { |m| deep(m - 1) }) : leaf(1, 2, k: 3)
end
trap("ALRM") { "x" * 100 }
r, w = IO.pipe
# Long, so that its bytes stand outside: Ruby 3.1 itself compacts a short one away under the write (EFAULT).
TEXT = "x" * 100
threads = 4.times.map { Thread.new { loop { deep(6); w.write(TEXT); r.read_nonblock(100, exception: false) } } }
finish = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 1.5
i = 0
while Process.clock_gettime(Process::CLOCK_MONOTONIC) < finish
  i += 1
  Process.kill("ALRM", Process.pid)
  deep(12)
  Fiber.new { leaf(3); Fiber.yield; 1 }.resume
  Object.class_eval("def made#{i % 50}(n); n > 0 ? made#{i % 50}(n - 1) : leaf(n); end")
  send(:"made#{i % 50}", 5)
  begin
    raise ArgumentError if i.odd?
  rescue ArgumentError
    leaf(4)
  ensure
    leaf(5)
  end
  GC.compact if i % 40 == 0 && GC.respond_to?(:compact)
  GC.start if i % 25 == 0
end
threads.each(&:kill)
"""


@pytest.mark.parametrize("cpu", ["off", "1000"])
def test_every_block_while_code_is_made_moved_and_dropped(ruby, library, cpu):
    """A walk at each malloc and each call from the first instruction of the program to its last, while Ruby boots,
    collects, compacts and ends; with `cpu` also a thousand times a second wherever it is."""
    env = {**ruby.environment, "LAMPREY_SAMPLE_BYTES": "1", "LAMPREY_CPU": cpu}
    run = execute([*ruby.command, "-e", STRESS], preload=library, env=env)
    assert (run.status, run.stdout, run.stderr) == (0, "", "")
    recording = run.recording
    assert recording["frame_readers"][RUBY] == ON
    names = {text(f["name"]) for f in recording["functions"] if f["file"] == "-e"}
    assert {"leaf", "deep", "block in leaf", "block in deep", "<main>"} <= names


ENDS = """
8.times { Thread.new { loop { sleep(1e-5); "x" * 3000 } } }
sleep(0.05)
at_exit { "y" * 5000 }
ObjectSpace.define_finalizer(Object.new, proc { "z" * 5000 })
"""


def test_the_interpreter_ends_while_threads_wait(ruby, library):
    for _ in range(3):
        run = execute([*ruby.command, "-e", ENDS], preload=library, env={**ruby.environment, "LAMPREY_SAMPLE_BYTES": "1"})
        assert (run.status, run.stdout, run.stderr) == (0, "", "")
