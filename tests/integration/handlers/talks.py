"""A function that talks to one peer in the way that the event names, and answers by which version of
TLS, where there is one."""

import asyncio
import http.client
import socket
import ssl

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
    "tls1.2": lambda port: _tls(port, ssl.TLSVersion.TLSv1_2),
    "tls1.3": lambda port: _tls(port, ssl.TLSVersion.TLSv1_3),
    "datagrams": _datagrams,
    "handed over": _handed_over,
    "six": _six,
}


def handler(event, context):
    return WAYS[event["way"]](event["port"])
