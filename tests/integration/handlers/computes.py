"""A function that computes: for a while, or until its time is over. Or it waits for a thread of its own, without
sleeping or as one should.
"""

import os
import threading
import time


def parse_orders(ms):
    total = 0
    until = time.thread_time() + ms / 1000
    while time.thread_time() < until:
        for number in range(2000):
            total += number * number % 7
    return total


def look_up(ms):
    time.sleep(ms / 1000)


def await_report(seconds, sleeps):
    """Asks again and again whether the report is there."""
    ready = threading.Event()
    threading.Timer(seconds, ready.set).start()
    if sleeps:
        ready.wait()
    while not ready.is_set():
        os.sched_yield()


def handler(event, context):
    if "await_s" in event:
        await_report(event["await_s"], event["sleeps"])
    parse_orders(event.get("cpu_ms", 0))
    look_up(event.get("sleep_ms", 0))
    return "done"
