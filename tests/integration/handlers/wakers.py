"""Handlers that wait for another thread: each way is one kind of wait, and of what that thread does."""

import concurrent.futures
import ctypes
import os
import socket
import threading
import time

SLEEP_S = 0.3
POOL = concurrent.futures.ThreadPoolExecutor(1)
LOCK = threading.Lock()
LIBC = ctypes.CDLL(None)
MUTEX = ctypes.create_string_buffer(64)  # zeros are a mutex that is free


def asks(port):
    with socket.create_connection(("127.0.0.1", int(os.environ[port]))) as connection:
        connection.sendall(b"?")
        return connection.recv(1)


def sleeps(seconds):
    time.sleep(seconds)


def asks_with_the_lock():
    with LOCK:
        asks("SILENT")


def sleeps_with_the_lock(seconds):
    with LOCK:
        sleeps(seconds)


def sleeps_with_the_mutex():
    LIBC.pthread_mutex_lock(MUTEX)
    sleeps(SLEEP_S)
    LIBC.pthread_mutex_unlock(MUTEX)


def begin(work, *arguments):
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    time.sleep(0.02)
    return thread


def handler(event, context):
    way = event["way"]
    if way == "future_of_a_sleeper":
        POOL.submit(sleeps, SLEEP_S).result()
    elif way == "lock_of_a_sleeper":
        begin(sleeps_with_the_lock, SLEEP_S)
        with LOCK:
            pass
    elif way == "lock_for_ever":
        begin(sleeps_with_the_lock, 60)
        with LOCK:
            pass
    elif way == "thread_ids_like_descriptors":
        with socket.create_connection(("127.0.0.1", int(os.environ["SILENT"]))) as connection:
            holder = begin(sleeps_with_the_mutex)
            for tid in (holder.native_id, threading.get_native_id()):
                assert tid < 1024, tid
                os.dup2(connection.fileno(), tid)
            LIBC.pthread_mutex_lock(MUTEX)
    elif way == "joins_a_sleeper":
        begin(sleeps, 60).join()
    elif way == "lock_of_one_that_asks":
        begin(asks, "OTHER")  # for longer, and nobody waits for it
        begin(asks_with_the_lock)
        with LOCK:
            pass
    elif way == "future_as_before":
        handler.times = getattr(handler, "times", 0) + 1
        if handler.times > 3:
            begin(asks, "OTHER")
            POOL.submit(asks, "SILENT").result()
        POOL.submit(sleeps, 0.03).result()
    return "done"
