"""A function that talks to one peer in the way that the event names, and answers by which version of
TLS, where there is one."""

import asyncio
import contextlib
import ctypes
import http.client
import socket
import ssl
import struct
import time

_kept = {}


def _keeps(port):
    if "connection" not in _kept:
        _kept["connection"] = http.client.HTTPConnection("127.0.0.1", port)
    _kept["connection"].request("GET", "/")
    return len(_kept["connection"].getresponse().read())


def _connects(port):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/")
    return len(connection.getresponse().read())


def _loops(port):
    async def ask():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return len(answer)

    return asyncio.run(ask())


def _is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5)
    except ConnectionRefusedError:
        return "refused"


def _sets_options(_):
    """What pools do on each connection (mysql2, pg), and what tells nothing of the other side: an option
    that is refused, and a second shutdown."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asking = socket.create_connection(server.getsockname())
        answering, _ = server.accept()
        with asking, answering:
            for level, option in ((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), (socket.SOL_SOCKET, 9999)):
                with contextlib.suppress(OSError):
                    asking.setsockopt(level, option, 0)
            asking.sendall(b"?")
            answering.sendall(answering.recv(1))
            answered = asking.recv(1).decode()
            asking.shutdown(socket.SHUT_RDWR)
            answering.close()
            with contextlib.suppress(OSError):
                asking.shutdown(socket.SHUT_RDWR)
            return answered


def _two_names(port):
    for name in ("orders.internal", "payments.internal", "orders.internal", "127.0.0.1"):
        connection = http.client.HTTPConnection(name, port)
        connection.request("GET", "/")
        connection.getresponse().read()


def _reset(port):
    """The other side sends part of an answer and then a reset."""
    with socket.create_connection(("127.0.0.1", port)) as asking:
        asking.sendall(b"GET / HTTP/1.0\r\n\r\n")
        received = []
        try:
            while True:
                received.append(asking.recv(100))
                time.sleep(0.05)
        except ConnectionResetError:
            return b"".join(received).decode()


def _stale(port):
    """Keeps its connection; the other side closes it after each answer."""
    request = b"GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: a client that keeps connections\r\n\r\n"
    kept = _kept.pop("stale", None) or socket.create_connection(("127.0.0.1", port))
    kept.sendall(request)
    answer = kept.recv(100)
    if not answer:
        kept.close()
        kept = socket.create_connection(("127.0.0.1", port))
        kept.sendall(request)
        answer = kept.recv(100)
    _kept["stale"] = kept
    return len(answer)


def _gives_up(port):
    with socket.create_connection(("127.0.0.1", port), timeout=1.2) as asking:
        asking.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: a client that waits for 1.2 s\r\n\r\n")
        try:
            asking.recv(100)
        except TimeoutError:
            return "nothing"


def _unknown_name(_):
    try:
        socket.getaddrinfo("no such name", 80)
    except socket.gaierror:
        return "unknown"


def _broken_tls(port):
    """To a server that speaks something else, and goes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    except OSError:
        return "broken"


def _tls(port, newest):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = newest
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as connection:
        version = connection.version()  # none any more once the peer has gone
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while connection.recv(4096):
            pass
        return version


def _datagrams(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.sendto(b"." * 100, ("127.0.0.1", port))
        return len(asking.recvfrom(1000)[0])


def _messages(port):
    """As Node's dgram sends: sendmsg with an address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.sendmsg([b"." * 60, b"." * 40], [], 0, ("127.0.0.1", port))
        return len(asking.recvfrom(1000)[0])


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("bytes", ctypes.c_size_t)]


class _Message(ctypes.Structure):  # struct mmsghdr
    _fields_ = [
        ("name", ctypes.c_char_p), ("name_bytes", ctypes.c_uint), ("vectors", ctypes.POINTER(_Vector)),
        ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_bytes", ctypes.c_size_t),
        ("flags", ctypes.c_size_t), ("sent", ctypes.c_uint),
    ]  # fmt: skip


def _many_messages(port):
    """sendmmsg, for which Python has no function."""
    name = struct.pack("=HH4s8s", socket.AF_INET, socket.htons(port), b"\x7f\0\0\x01", b"")
    vector = _Vector(b"." * 50, 50)
    both = (_Message * 2)(*[_Message(name, len(name), ctypes.pointer(vector), 1) for _ in range(2)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        assert ctypes.CDLL(None).sendmmsg(asking.fileno(), both, 2, 0) == 2
        return sum(len(asking.recvfrom(1000)[0]) for _ in range(2))


def _handed_over(port):
    """What another process connected: here one's own, which takes it back by another number."""
    ours, theirs = socket.socketpair()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        socket.send_fds(ours, [b"."], [connection.fileno()])
    _, (fd,), _, _ = socket.recv_fds(theirs, 10, 1)
    with socket.socket(fileno=fd) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return len(connection.recv(100))


def _six(_):
    with socket.socket(socket.AF_INET6) as server:
        server.bind(("::1", 0))
        server.listen()
        with socket.create_connection(server.getsockname()[:2]) as asking:
            with server.accept()[0] as answering:
                asking.sendall(b"." * 30)
                return len(answering.recv(100))


WAYS = {
    "keeps": _keeps,
    "connects": _connects,
    "loops": _loops,
    "refused": _is_refused,
    "options": _sets_options,
    "two names": _two_names,
    "reset": _reset,
    "stale": _stale,
    "gives up": _gives_up,
    "unknown name": _unknown_name,
    "broken tls": _broken_tls,
    "tls1.2": lambda port: _tls(port, ssl.TLSVersion.TLSv1_2),
    "tls1.3": lambda port: _tls(port, ssl.TLSVersion.TLSv1_3),
    "datagrams": _datagrams,
    "messages": _messages,
    "many messages": _many_messages,
    "handed over": _handed_over,
    "six": _six,
}


def handler(event, context):
    return WAYS[event["way"]](event["port"])
