"""A function that computes: for a while, or until its time is over."""

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


def handler(event, context):
    parse_orders(event.get("cpu_ms", 0))
    look_up(event.get("sleep_ms", 0))
    return "done"
