"""What the waterfall functions talk to: a TLS server that takes TLS_MS before its side of a handshake and
QUERY_MS before each answer, and the writer of a named pipe that comes PIPE_MS after its reader. Lives as long
as its parent.

usage: waterfall_server.py PORT CERTIFICATE PIPE
"""

import os
import socket
import ssl
import sys
import threading
import time

TLS_MS, QUERY_MS, PIPE_MS = 40, 30, 25


def answer(connection, context):
    time.sleep(TLS_MS / 1000)
    with context.wrap_socket(connection, server_side=True) as stream:
        while stream.recv(1):
            time.sleep(QUERY_MS / 1000)
            stream.sendall(b"a")


def write_late(pipe, parent):
    """The bytes come PIPE_MS after the pipe was opened for reading."""
    while os.getppid() == parent:
        fd = os.open(pipe, os.O_WRONLY)
        time.sleep(PIPE_MS / 1000)
        os.write(fd, b"bytes")
        os.close(fd)
        time.sleep(PIPE_MS / 1000)  # so that the reader's close is seen before the next open


def main(port, certificate, pipe):
    parent = os.getppid()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    threading.Thread(target=write_late, args=(pipe, parent), daemon=True).start()
    with socket.create_server(("127.0.0.1", int(port))) as server:
        server.settimeout(0.2)
        print("ready", flush=True)
        while os.getppid() == parent:
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=answer, args=(connection, context), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
