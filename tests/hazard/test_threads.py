"""Threads: slots are reused, totals stay, nothing is lost in overflow or in destructors that run
after ours (allocation.md 2, "thread exit, TLS destructors")."""

import json

import pytest
from conftest import difference, execute, program

SLOTS = 256  # kThreadSlots of layout.h, the shared one included


def counted(library, mode, count):
    """(what COUNT threads add to the counters of their mode with 0, their own account, run)"""
    none = execute([program("threads"), mode, 0], preload=library)
    some = execute([program("threads"), mode, count], preload=library)
    assert (none.status, none.stderr, some.status, some.stderr) == (0, "", 0, "")
    added = difference(some.recording, none.recording)
    return added, json.loads(some.stdout), some.recording


def own_calls_agree(added, known):
    """pthread_create allocates too, in the starting thread: only lower bounds for memory there;
    frees and allocations must still differ by what is live."""
    assert added["calls"].get("read", {}).get("calls", 0) == known["reads"]
    assert added["calls"].get("close", {}).get("calls", 0) == known["closes"]
    assert added["memory"]["allocations"] >= known["allocations"]
    assert added["memory"]["frees"] >= known["frees"]


def test_two_thousand_threads_come_and_go(library):
    added, known, recording = counted(library, "churn", 2000)
    own_calls_agree(added, known)
    assert known["reads"] == 10000
    assert recording["threads_without_slot"] == 0
    assert recording["slots_used"] <= 4, "slots of threads that ended must be taken again"
    assert recording["threads"] >= 2001
    assert recording["slots_in_use"] == 1


def test_five_thousand_threads_at_once_lose_nothing(release_library):
    added, known, recording = counted(release_library, "crowd", 5000)
    own_calls_agree(added, known)
    assert known["reads"] == 10000
    assert recording["threads_without_slot"] == 5000 - (SLOTS - 2)
    assert recording["in_flight"] == []


def test_counts_of_a_crowd_equal_the_shims(release_library, shim, tmp_path):
    from test_allocation_counts import against_shim, without_peak

    recorded, refereed = against_shim(
        release_library, shim, tmp_path, [program("threads"), "crowd", 1500]
    )
    assert without_peak(recorded) == without_peak(refereed)


@pytest.mark.parametrize("mode", ["endings", "churn"])
def test_counts_of_thread_ends_equal_the_shims(library, shim, tmp_path, mode):
    from test_allocation_counts import against_shim, without_peak

    recorded, refereed = against_shim(library, shim, tmp_path, [program("threads"), mode, 300])
    assert without_peak(recorded) == without_peak(refereed)


def test_destructors_that_run_after_ours_are_counted(library):
    added, known, recording = counted(library, "endings", 600)
    own_calls_agree(added, known)
    assert known["closes"] == 600 and known["reads"] == 600 * 6
    assert recording["slots_in_use"] == 1, "each thread's slot was given back"


def test_threads_that_do_nothing_take_no_slot_for_ever(library):
    _, _, recording = counted(library, "idle", 400)
    assert recording["slots_in_use"] <= 2
    assert recording["threads_without_slot"] == 0


def test_a_thread_that_frees_the_stacks_of_others_as_it_ends_takes_no_slot(library):
    """glibc keeps 40 MB of stacks: with more, whoever ends frees what belongs to those that ended
    before. By then its own last destructor has run, so a slot would never be given back."""
    added, known, recording = counted(library, "leave", 60)
    assert added["memory"]["frees"] >= 40, "nothing was freed: this shows nothing"
    assert (recording["slots_in_use"], recording["threads"]) == (1, 1)
    assert known["reads"] == 0


def test_a_thread_that_only_frees_is_counted_whole(library):
    """Its first frees stand in the shared slot, the others in one of its own."""
    added, known, recording = counted(library, "consume", 1000)
    assert added["memory"]["frees"] == known["frees"] == 1000
    assert added["memory"]["live_bytes"] == 0
    assert recording["threads"] == 2


def test_slots_taken_after_the_last_destructor_come_back(library):
    """Nothing of ours runs in such a thread any more: its slot is found when all are in use."""
    added, known, recording = counted(library, "late", 3 * SLOTS)
    assert added["calls"]["read"]["calls"] == known["reads"] == 3 * SLOTS
    assert recording["threads"] > 3 * SLOTS, "each had a slot"
    assert recording["threads_without_slot"] == 0


def test_one_file_read_by_many_threads_counts_every_read(library, tmp_path):
    """The thread that used a file first counts in a part of its own, the others in a shared one."""
    path = tmp_path / "data"
    path.write_bytes(bytes(8192))
    script = (
        "import os, sys, threading\n"
        f"fd = os.open({str(path)!r}, os.O_RDONLY)\n"
        "read = lambda: [os.pread(fd, 3, i) for i in range(5000)]\n"
        "read()\n"
        "threads = [threading.Thread(target=read) for _ in range(4)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
    )
    run = execute(["python3", "-c", script], preload=library)
    assert (run.status, run.stderr) == (0, "")
    (target,) = [t for t in run.recording["targets"] if t["name"] == str(path)]
    assert (target["reads"], target["received"]) == (25000, 75000)
    assert target["owned_reads"] == 5000


def test_one_directory_asked_about_by_many_threads_counts_every_question(library, tmp_path):
    script = (
        "import os, threading\n"
        f"path = {str(tmp_path / 'missing')!r}\n"
        "ask = lambda: [os.path.exists(path) for _ in range(5000)]\n"
        "ask()\n"
        "threads = [threading.Thread(target=ask) for _ in range(4)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
    )
    run = execute(["python3", "-c", script], preload=library)
    assert (run.status, run.stderr) == (0, "")
    target = max(run.recording["targets"], key=lambda t: t["probes"])  # /tmp: deeper ones are its
    assert str(tmp_path).startswith(target["name"])
    assert 25000 <= target["probes"] < 25050
    assert 5000 <= target["owned_probes"] < 5050
