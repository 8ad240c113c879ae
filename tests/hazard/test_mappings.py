"""mmap and its kin: exact counts, and what samples say is still mapped, to the digit. With a mean
distance of one byte every mapping is sampled, and stands for itself alone."""

import json

import pytest
from conftest import RECORDINGS, difference, execute, program, read_recording
from test_allocators import installed

EVERY = {"LAMPREY_SAMPLE_BYTES": "1"}
COUNTERS = (
    "maps",
    "mapped_bytes",
    "unmaps",
    "unmapped_bytes",
    "remaps",
    "failed",
    "discarded_bytes",
    "break_bytes",
)


def counted(preload, mode, threads, rounds, env=None):
    """(what the recording counted for the rounds, what the program did in them, the recording)"""
    runs = [
        execute([program("mappings"), mode, threads, n], preload=preload, env={**EVERY, **(env or {})})
        for n in (0, rounds)
    ]
    for run in runs:
        assert (run.status, run.stderr) == (0, "")
    recorded = difference(runs[1].recording["mappings"], runs[0].recording["mappings"])
    return {key: recorded[key] for key in COUNTERS}, json.loads(runs[1].stdout), runs[1].recording


def without(known, *keys):
    return {key: value for key, value in known.items() if key not in keys}


def live_of(recording):
    return sum(stack["live_bytes"] for stack in recording["stacks"] if stack["mapping"])


@pytest.mark.parametrize("threads", [1, 8])
def test_every_call_is_counted_exactly(library, threads):
    recorded, known, recording = counted(library, "all", threads, 50)
    assert recorded == without(known, "live")
    assert known["maps"] == threads * 50 * 6 and known["failed"] == threads * 50 * 3
    assert known["break_bytes"] == 50 * 12288
    assert recording["mappings"]["unfollowed"] == 0
    assert live_of(recording) == 0
    assert recording["sampled_live"] == sum(s["live_bytes"] for s in recording["stacks"])


@pytest.mark.parametrize("threads", [1, 8])
def test_pieces_are_followed_to_the_byte(library, threads):
    """Trimmed, replaced by MAP_FIXED, taken back by PROT_NONE, grown, shrunk and moved; reserved
    and opened by mprotect."""
    recorded, known, recording = counted(library, "keep", threads, 10)
    assert recorded == without(known, "live")
    assert recording["mappings"]["unfollowed"] == 0
    assert live_of(recording) == known["live"] == threads * 10 * 1476 * 1024


def test_a_range_that_goes_from_thread_to_thread(library):
    """The kernel gives a range to another thread before the one that unmapped it has said so."""
    recorded, known, recording = counted(library, "recycle", 8, 100)
    assert recorded == without(known, "live")
    assert recording["mappings"]["unfollowed"] == 0
    assert live_of(recording) == known["live"] == 8 * 100 * 128 * 1024


def test_what_finds_no_room_is_counted(release_library):
    """2,048 mappings are followed; the rest counts as mapped, and not as live."""
    _, known, recording = counted(release_library, "keep", 1, 600)
    assert recording["mappings"]["unfollowed"] > 0
    assert 0 < live_of(recording) < known["live"]


def test_handlers_that_interrupt_mapping(release_library):
    """The handler meets entries that its own thread holds: it must neither wait for ever nor lose
    a count."""
    run = execute([program("mappings"), "signals", 1, 3000], preload=release_library, env=EVERY)
    assert (run.status, run.stderr) == (0, "")
    known = json.loads(run.stdout)
    recorded = run.recording["mappings"]
    assert {k: recorded[k] for k in COUNTERS} == without(known, "live")
    assert known["maps"] > 3000 * 7, "the timer never rang"
    assert live_of(run.recording) == 0


def test_children_count_nothing_here(library):
    recorded, known, recording = counted(library, "fork", 1, 20)
    assert recorded == without(known, "live")
    assert live_of(recording) == 0


def test_a_followed_child_counts_its_own(library):
    """What it inherited and unmaps was never added in its own recording."""
    there = set(RECORDINGS.glob("*.rec"))
    run = execute(
        [program("mappings"), "fork", 1, 1],
        preload=library,
        env={**EVERY, "LAMPREY_FOLLOW_CHILDREN": "on"},
    )
    assert (run.status, run.stderr) == (0, "")
    assert run.recording["mappings"]["maps"] == 1
    (child,) = set(RECORDINGS.glob("*.rec")) - there - {run.path}
    own = read_recording(child)
    assert (own["mappings"]["maps"], own["mappings"]["unmaps"]) == (1, 2)
    assert {s["live_bytes"] for s in own["stacks"] if s["mapping"]} == {0}
    assert own["sampled_live"] == sum(s["live_bytes"] for s in own["stacks"])


def test_errors_are_the_kernels(library):
    plain = execute([program("mappings"), "errors", 1, 0])
    under = execute([program("mappings"), "errors", 1, 0], preload=library)
    assert under.outcome() == plain.outcome() and plain.status == 0
    assert "good 0, errno stays 77" in plain.stdout and " 22\n" in plain.stdout


@pytest.mark.parametrize("order", ["{library}:{early}", "{early}:{library}"])
def test_mappings_before_our_constructor_work(library, compiled, order):
    early = compiled("libraries/early_mapping.c", "-shared", "-fPIC")
    preload = order.format(library=library, early=early)
    run = execute([program("mappings"), "all", 1, 1], preload=preload, env=EVERY)
    assert (run.status, run.stderr) == (0, "")
    off = execute([program("mappings"), "all", 1, 1], preload=preload, env={"LAMPREY": "off"})
    assert (off.status, off.stderr) == (0, "") and not off.path.exists()


@pytest.mark.parametrize("name", ["libjemalloc.so.2", "libmimalloc.so.2", "libtcmalloc_minimal.so.4"])
def test_an_allocators_own_memory_is_not_counted_twice(library, name):
    """Its blocks are malloc's bytes; what it maps for them is counted, and is at no site."""
    path = installed(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    run = execute([program("allocations"), 4, 100], preload=f"{library}:{path}",
                  env={**EVERY, "ALLOCATOR_WITHOUT_PVALLOC": "1"})  # fmt: skip
    assert run.status == 0, run.stderr
    mapped = run.recording["mappings"]
    if name.startswith("libjemalloc"):
        assert mapped["maps"] > 0, "it maps nothing: this test sees nothing"
    assert not [s for s in run.recording["stacks"] if s["mapping"]]
