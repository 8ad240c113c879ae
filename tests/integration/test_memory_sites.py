"""What a line says of a site in one invocation: what came and went in it, and what was there at the peak.
Every block is sampled, so the figures are exact."""

import subprocess
import sys

import record_schema
from custom_runtime import client, custom_runtime
from patience import tried

EVERY = {"LAMPREY_SAMPLE_BYTES": "1", "LAMPREY_DETAIL": "full"}
BLOCK = 1000  # malloc_usable_size of 1000 is 1000 in glibc


def were_read_one_by_one(log):
    """A companion that gets no time finds two ended at once, and says so."""
    unseen = [text for record in log.invokes for text in record["coverage"].get("unseen", [])]
    return not any("others ended before this was read" in text for text in unseen)


def test_churn_is_what_came_and_went_in_the_invocation(local_lambda):
    def run():
        return local_lambda.run(client(), event=50, invocations=3, env=EVERY)

    log = tried(run, were_read_one_by_one)
    for record in log.invokes[1:]:  # the line of init may have read the first one's sites
        (site,) = [s for s in record["memory"]["sites"] if s["allocations"] == 50]
        assert site["allocated_bytes"] == site["churn_bytes"] == 50 * BLOCK
        assert (site["live_bytes"], site["live_delta_bytes"]) == (0, 0)
        assert site["peak_bytes"] in (0, BLOCK)


def test_the_peak_holds_what_was_given_back_after_it(local_lambda):
    program = custom_runtime("keeps", "-fno-inline")

    def run():
        return local_lambda.run(program, event=0, invocations=3, memory=512, env=EVERY)

    for record in tried(run, were_read_one_by_one).invokes[1:]:
        memory = record["memory"]
        (scratch,) = [s for s in memory["sites"] if 100_000 <= s["churn_bytes"] < 101_000]
        assert (scratch["live_bytes"], scratch["allocations"]) == (0, 1)
        assert scratch["peak_bytes"] == scratch["churn_bytes"]
        kept = [s for s in memory["sites"] if "shop::" in s["stack"] and s["live_delta_bytes"] > 0]
        assert kept
        for site in kept:  # they were there already when the scratch came
            assert 0.9 * site["live_bytes"] <= site["peak_bytes"] <= site["live_bytes"]


GIVES_BACK = """
import mmap, os
memory = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.write(b"x" * (32 << 20))
memory.madvise(mmap.MADV_DONTNEED, 0, 24 << 20)
memory.madvise(mmap.MADV_NORMAL, 0, 24 << 20)
os._exit(0)
"""


def test_what_madvise_gives_back_is_told_and_stays_at_its_site(build, private_tmp):
    """It is the program's still, and may be touched again at any time."""
    words = [build / "bin/lamprey", "run", "--quiet", "--out", "/dev/stdout", "--", sys.executable]
    done = subprocess.run(
        private_tmp([*words, "-c", GIVES_BACK]), capture_output=True, check=True, timeout=60
    )
    memory = record_schema.check(done.stdout.decode())["memory"]
    assert 24 << 20 <= memory["discard_bytes"] < 25 << 20
    assert [s for s in memory["sites"] if s["live_bytes"] == s["allocated_bytes"] == 32 << 20]
