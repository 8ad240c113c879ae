"""Stacks in the recording against what glibc's own unwinder sees, and what taking them must not do."""

import json
import os
import re
import shutil
import subprocess

import pytest
from conftest import execute, program

EVERY = {**os.environ, "LAMPREY_SAMPLE_BYTES": "1"}
NONE = {**os.environ, "LAMPREY_SAMPLE_BYTES": "0"}
KEPT = 128


def lines_of(run):
    for line in run.stdout.splitlines():
        name, *frames = line.split()
        yield name, [int(frame, 16) for frame in frames]


def test_walks_are_those_of_the_system(release_library):
    run = execute([program("stack_walks")], preload=release_library, env=EVERY)
    assert (run.status, run.stderr) == (0, "")
    walks = {tuple(stack["addresses"][1:]) for stack in run.recording["stacks"]}
    seen = dict(lines_of(run))
    assert set(seen) == {
        "deep", "deeper", "large_frame", "moving_frame", "realigned_frame", "callback", "signal",
        "other_stack", "thread",
    }  # fmt: skip
    for name, frames in seen.items():
        assert tuple(frames[: KEPT - 1]) in walks, name


@pytest.mark.parametrize("how", ["disturbed", "undisturbed"])
def test_one_place_on_the_stack_is_not_taken_for_another(library, tripwire_library, how):
    """Under the tripwire each stack that was recognised is also walked, and must be the same; there
    no handler may disturb (test_tripwire.py does that with a library of its own)."""
    if library == tripwire_library and how == "disturbed":
        return
    run = execute([program("same_places"), 4000, how], preload=library)
    disturbed = int(how == "disturbed")
    assert (run.status, run.stderr) == (0, "")
    assert run.stdout == f"handled {disturbed} left {disturbed}\n"
    waits = [stack for stack in run.recording["stacks"] if len(stack["addresses"]) > 4]
    assert len(waits) > 100


@pytest.mark.parametrize("where", ["far", "near", "thread", "top", "later"])
def test_a_wild_stack_does_no_harm(library, where):
    """No bound of a stack is believed: what a walk reads is known to be there."""
    run = execute([program("wild_stacks"), where], preload=library, env=EVERY)
    assert (run.status, run.stdout, run.stderr) == (0, "alive\n", "")
    assert run.recording["memory"]["allocations"] > 0


def test_deep_stacks_are_cut_and_say_so(release_library):
    run = execute([program("stack_walks")], preload=release_library, env=EVERY)
    cut = [stack for stack in run.recording["stacks"] if stack["cut"]]
    assert cut and all(len(stack["addresses"]) == KEPT for stack in cut)


def test_no_stacks_on_request(release_library):
    run = execute([program("stack_walks")], preload=release_library, env=NONE)
    assert run.recording["samples"] == 0
    assert all(stack["samples"] == 0 for stack in run.recording["stacks"])


def test_every_allocation_is_at_some_site(release_library):
    """With a sample for every byte the estimates are the exact counters, but for what was allocated
    before attach."""
    run = execute([program("allocations"), 4, 100], preload=release_library, env=EVERY)
    recording = run.recording
    memory, sites = recording["memory"], recording["stacks"]
    assert recording["samples_unplaced"] == 0 and recording["stacks_refused"] == 0
    allocated = sum(site["allocated_bytes"] for site in sites)
    blocks = sum(site["allocated_blocks"] for site in sites) / 256
    assert allocated == pytest.approx(memory["allocated_bytes"], rel=0.02)
    assert blocks == pytest.approx(memory["allocations"], rel=0.02)
    assert sum(site["live_bytes"] for site in sites) == pytest.approx(
        memory["live_bytes"], abs=8192 + 0.02 * memory["allocated_bytes"] / 100
    )


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_stacks_add_one_system_call_a_page_and_no_descriptor(release_library):
    """rt_sigprocmask, by which a page of the stack is found to be readable: once each."""
    def calls(env):
        script = 'export LD_PRELOAD="$0" _LAMPREY_TARGET=$$ _LAMPREY_ROLE=run; exec "$@"'
        command = ["strace", "-f", "-c", "-o", "/dev/stdout", "bash", "-c", script,
                   release_library, program("allocations"), "4", "200"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        table = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(\d+\s+)?(\w+)$", done.stdout, re.M)
        counts = {name: int(count) for count, _, name in table if name not in ("futex", "total")}
        # The question always fails, and the program makes no such call that does.
        asked = sum(int(failed or 0) for _, failed, name in table if name == "rt_sigprocmask")
        counts["rt_sigprocmask"] = counts.get("rt_sigprocmask", 0) - asked
        return counts, asked

    (without, few), (every, more) = calls(NONE), calls(EVERY)
    assert len(without) > 5
    # These are the allocator's own: threads share arenas as they happen to meet, and what is on top
    # of an arena decides whether it is trimmed or moved.
    own = ("brk", "mmap", "munmap", "mprotect", "madvise", "mremap", "sched_yield", "clock_gettime")
    for heap in own:
        without.pop(heap, None)
        every.pop(heap, None)
    assert every == without
    # Of five threads. (Without samples, stacks are taken of calls that wait.)
    assert 0 <= few <= 4 * 5 and 0 < more <= 4 * 5


def test_modules_that_come_and_go(release_library, compiled):
    """dlopen and dlclose in a loop while every allocation is sampled: no crash, and no frame of the
    one library is said to be the other's."""
    first = compiled("libraries/allocates_a.c", "-shared", "-fPIC")
    second = compiled("libraries/allocates_b.c", "-shared", "-fPIC", "-DFIRST=0")
    run = execute([program("modules_loop"), first, second, 200], preload=release_library, env=EVERY)
    assert (run.status, run.stderr) == (0, "")
    at = {name: json.loads(address) for name, address in re.findall(r"(\w) (\d+)", run.stdout)}
    assert set(at) == {"a", "b"}
    frames = [stack["frames"] for stack in run.recording["stacks"]]
    # Each library's only function allocates a size of its own.
    for path, size in ((first, 1001), (second, 3003)):
        mine = [s for s in run.recording["stacks"] if s["frames"] and str(path) in s["frames"][0]]
        assert mine, frames
        for site in mine:
            assert site["allocated_bytes"] % size == 0


def test_a_million_exceptions(release_library):
    """Thrown and caught while every allocation is sampled, and each counted."""
    run = execute([program("exceptions")], preload=release_library, env=EVERY)
    assert (run.status, run.stdout, run.stderr) == (0, "1000000\n", "")
    memory = run.recording["memory"]
    assert 0 <= memory["allocations"] - memory["frees"] < 100
    # The exception and the three blocks that its frames hold; what the texts need is the library's.
    assert 4_000_000 <= memory["allocations"] < 10_000_000
    assert run.recording["samples_unplaced"] == 0


@pytest.mark.skipif(not shutil.which("python3"), reason="python3 is not installed")
def test_python_stacks_reach_main(release_library):
    code = "import json, re, decimal; x = [json.loads('[1, 2, {\"a\": [3]}]') for _ in range(3000)]"
    run = execute(["python3", "-c", code], preload=release_library,
                  env={**os.environ, "LAMPREY_SAMPLE_BYTES": "4096", "LAMPREY_FRAMES": "off"})  # fmt: skip
    stacks = [s for s in run.recording["stacks"] if s["samples"] and not s["cut"]]
    complete = [s for s in stacks if len(s["frames"]) > 3 and "python3" in s["frames"][-1]]
    assert len(stacks) > 20
    assert len(complete) > 0.8 * len(stacks)


def test_pythons_trampolines_are_stepped_over(release_library):
    """Their frames are guessed otherwise: whatever stands in the frame pointer's register ends the
    stack, or leads astray."""
    env = {**EVERY, "PYTHONPERFSUPPORT": "1"}
    run = execute([program("trampolines")], preload=release_library, env=env)
    assert (run.status, run.stderr) == (0, "")
    if run.stdout == "none\n":
        pytest.skip("these trampolines are x86_64's")
    code = int(run.stdout, 16)
    site = next(s for s in run.recording["stacks"] if s["allocated_bytes"] == 12345)
    assert sum(code <= address < code + 4096 for address in site["addresses"]) == 3, site["frames"]
    assert "trampolines" in site["frames"][-1], site["frames"]


def test_churn_and_peak_of_a_site(library):
    """Every block is sampled, so the sums are exact; the peak is copied at steps of 1/16."""
    run = execute([program("peaks")], preload=library, env={"LAMPREY_SAMPLE_BYTES": "1"})
    assert (run.status, run.stderr) == (0, "")
    usable, larger = map(int, run.stdout.split())
    recording = run.recording
    blocks = {stack["samples"]: stack for stack in recording["stacks"] if stack["samples"] in (100, 20)}
    held = blocks[100]
    assert held["live_bytes"] == 10 * usable
    assert held["churned_bytes"] == 90 * usable
    assert 100 * usable * 15 // 16 <= held["peak_bytes"] <= 100 * usable
    later = [s for s in recording["stacks"] if s["samples"] == 20]
    assert sorted(s["live_bytes"] for s in later) == [0, 20 * larger]
    assert sorted(s["churned_bytes"] for s in later) == [0, 20 * usable]
    assert [s["peak_bytes"] for s in later] == [0, 0]
    assert recording["peak_round"] == 1
    assert recording["sampled_live"] == sum(s["live_bytes"] for s in recording["stacks"])
