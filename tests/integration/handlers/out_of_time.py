"""Functions whose time runs out in ways that the last instant does not explain, and neighbours of theirs."""

import asyncio
import concurrent.futures
import socket
import ssl
import threading
import time

_KEPT = []


def ask(connection):
    connection.sendall(b"?\n")
    return connection.recv(100)


def many(port, **_):
    """Many short calls, one by one."""
    connection = socket.create_connection(("localhost", port))
    while True:
        ask(connection)


def worker(port, silent, **_):
    """Three workers, of which one waits for a host that never answers."""

    def call(to):
        with socket.create_connection(("127.0.0.1", to)) as connection:
            return ask(connection)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        return [str(answer) for answer in pool.map(call, [port, port, silent])]


def busy_worker(**_):
    def compute():
        while True:
            pass

    thread = threading.Thread(target=compute, daemon=True)
    thread.start()
    thread.join()


async def _one_answer(port):
    async def heartbeat():
        while True:
            await asyncio.sleep(0.05)

    beats = asyncio.create_task(heartbeat())
    reader, writer = await asyncio.open_connection("localhost", port)
    writer.write(b"?\n")
    answer = await reader.readline()
    beats.cancel()
    writer.close()
    return str(answer)


def loop(port, **_):
    """One answer, on a loop that also has a timer."""
    return asyncio.run(_one_answer(port))


def stops_halfway(port, **_):
    """The host answers, and sends nothing more of what was to come: the client's limit ends the wait."""
    with socket.create_connection(("localhost", port), timeout=0.5) as connection:
        ask(connection)
        try:
            connection.recv(100)
        except TimeoutError:
            return "gave up"


def handshake(silent, **_):
    ssl._create_unverified_context().wrap_socket(socket.create_connection(("localhost", silent)))


def fan_out(port, **_):
    """Four at once, and all of them answer."""

    def call(_):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            return ask(connection)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return [str(answer) for answer in pool.map(call, range(4))]


def leaves_work(port, times=20, **_):
    """A thread goes on after the answer."""
    if not _KEPT:

        def push():
            with socket.create_connection(("localhost", port)) as connection:
                for _ in range(times):
                    ask(connection)

        _KEPT.append(threading.Thread(target=push, daemon=True))
        _KEPT[0].start()
    return "done"


def pool_stays(port, **_):
    """A pool whose threads wait for work, a connection that is idle, a thread that sleeps now and then."""
    if not _KEPT:

        def beat():
            while True:
                time.sleep(0.02)

        pool = concurrent.futures.ThreadPoolExecutor(3)
        _KEPT.extend([pool, socket.create_connection(("localhost", port))])
        threading.Thread(target=beat, daemon=True).start()
    list(_KEPT[0].map(time.sleep, [0.001] * 3))
    return str(ask(_KEPT[1]))


WAYS = {way.__name__: way for way in (
    many, worker, busy_worker, loop, stops_halfway, handshake, fan_out, leaves_work, pool_stays)}  # fmt: skip


def handler(event, context):
    return WAYS[event.pop("way")](**event)
