"""Clocks, timers and shares of the CPU, as the probe measures them. Plain data out."""

import ctypes
import os
import select
import signal
import statistics
import time

from asking import LIBC, answer, call, read

CLOCKS = {"realtime": time.CLOCK_REALTIME, "monotonic": time.CLOCK_MONOTONIC, "monotonic_raw": time.CLOCK_MONOTONIC_RAW,
          "boottime": time.CLOCK_BOOTTIME, "process_cpu": time.CLOCK_PROCESS_CPUTIME_ID}  # fmt: skip
GAP_NS = 200_000  # the loop was not running for longer than it ever takes itself


def clocks():
    """All at one moment, in ns."""
    return {name: time.clock_gettime_ns(clock) for name, clock in CLOCKS.items()}


def between(before, after):
    """Milliseconds that each clock advanced."""
    return {name: round((after[name] - before[name]) / 1e6, 3) for name in CLOCKS}


def _each_ns(work, times=500, tries=40):
    """Of the quickest try: in the others the CPU may have been taken away."""
    best = float("inf")
    for _ in range(tries):
        began = time.perf_counter_ns()
        for _ in range(times):
            work()
        best = min(best, (time.perf_counter_ns() - began) / times)
    return round(best, 1)


def clock_costs():
    """A clock in user space costs little more than the empty loop, one by system call as much as getppid."""
    base = "/sys/devices/system/clocksource/clocksource0/"
    return {
        "current": answer(read, base + "current_clocksource"),
        "available": answer(read, base + "available_clocksource"),
        "empty_loop_ns": _each_ns(lambda: None),
        "system_call_ns": _each_ns(os.getppid),
        "clock_gettime_ns": _each_ns(time.monotonic),
        "thread_cpu_clock_ns": _each_ns(time.thread_time),
        "resolution_ns": {name: round(time.clock_getres(clock) * 1e9) for name, clock in CLOCKS.items()},
    }


def slices(seconds):
    """How a thread that only computes gets the CPU: share, slices, gaps. Times in ms."""
    began = last = time.perf_counter_ns()
    cpu = time.process_time_ns()
    end = began + int(seconds * 1e9)
    slice_began, ran, gaps = began, [], []
    while last < end:
        now = time.perf_counter_ns()
        if now - last > GAP_NS:
            ran.append(last - slice_began)
            gaps.append(now - last)
            slice_began = now
        last = now
    cpu = time.process_time_ns() - cpu

    def middle(values):
        return round(statistics.median(values) / 1e6, 3) if values else None

    return {"seconds": seconds, "share": round(cpu / (last - began), 4), "gaps": len(gaps),
            "gap_median_ms": middle(gaps), "gap_longest_ms": round(max(gaps, default=0) / 1e6, 3),
            "slice_median_ms": middle(ran)}  # fmt: skip


def scheduler():
    """What the kernel counts of waiting for a CPU."""
    stat = answer(lambda: read("/proc/stat").splitlines()[0].split())
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    return {
        "stat": dict(zip(names, map(int, stat[1:9]))) if isinstance(stat, list) else stat,
        "own_schedstat": answer(read, "/proc/self/schedstat"),
        "thread_schedstat": answer(read, f"/proc/self/task/{os.getpid()}/schedstat"),
        "schedstat_is_there": os.path.exists("/proc/schedstat"),
        "pressure": answer(lambda: sorted(os.listdir("/proc/pressure"))),
    }


# ---- timers -------------------------------------------------------------------------------------


class Timer:
    """timer_create(2) on a clock, with a handler that counts; by system call, since librt may be apart."""

    def __init__(self, clock, hertz, number=signal.SIGPROF):
        self.fired = 0
        self._number = number
        self._before = signal.signal(number, self._count)
        signal.siginterrupt(number, False)
        event = ctypes.create_string_buffer(64)  # struct sigevent: value, signo, notify SIGEV_SIGNAL
        ctypes.memmove(ctypes.addressof(event) + 8, int(number).to_bytes(4, "little"), 4)
        self._id = ctypes.c_int(-1)
        call("timer_create", int(clock), event, ctypes.byref(self._id))
        period = int(1e9 / hertz)
        spec = (ctypes.c_long * 4)(0, period, 0, period)
        call("timer_settime", self._id.value, 0, spec, None)

    def _count(self, *_):
        self.fired += 1

    def close(self):
        call("timer_delete", self._id.value)
        signal.signal(self._number, self._before or signal.SIG_DFL)


def timer_fires(clock, hertz, seconds):
    """Signals that came, of those that were due while this thread computed."""
    timer = Timer(clock, hertz)
    try:
        cpu = time.process_time()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        cpu = time.process_time() - cpu
    finally:
        timer.close()
    return {"hertz": hertz, "cpu_s": round(cpu, 3), "due": round(cpu * hertz), "came": timer.fired}


def interrupted_polls(times=100_000):
    """How often poll(2) that asks and does not wait, and one that waits, ends with EINTR at 1 kHz of CPU time."""
    timer = Timer(time.CLOCK_PROCESS_CPUTIME_ID, 1000)
    descriptor = (ctypes.c_int * 2)(0, 0)  # struct pollfd of descriptor 0, nothing asked
    poll = LIBC.poll
    short = waiting = 0
    try:
        for _ in range(times):
            short += poll(descriptor, 1, 0) < 0
        for _ in range(50):
            waiting += poll(descriptor, 0, 1) < 0
    finally:
        timer.close()
    return {"polls": times, "eintr": short, "waiting_polls": 50, "waiting_eintr": waiting, "signals": timer.fired}


def timers():
    return {
        "process_cpu": answer(timer_fires, time.CLOCK_PROCESS_CPUTIME_ID, 100, 0.3),
        "thread_cpu": answer(timer_fires, time.CLOCK_THREAD_CPUTIME_ID, 100, 0.3),
        "process_cpu_1_khz": answer(timer_fires, time.CLOCK_PROCESS_CPUTIME_ID, 1000, 0.3),
        "polls": answer(interrupted_polls),
    }


def sleep_error_ms():
    """By how much short sleeps are too long."""
    late = []
    for _ in range(20):
        began = time.perf_counter_ns()
        select.select([], [], [], 0.001)
        late.append((time.perf_counter_ns() - began) / 1e6 - 1)
    return {"median": round(statistics.median(late), 3), "longest": round(max(late), 3)}
