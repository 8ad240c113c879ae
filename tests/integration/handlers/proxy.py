"""A proxy in front of the Runtime API, as security layers put one there: copies bytes both ways.

Usage: proxy.py UPSTREAM; prints its own address and serves until it is killed.
"""

import socket
import sys
import threading


def copy(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


def main():
    host, port = sys.argv[1].split(":")
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"127.0.0.1:{listening.getsockname()[1]}", flush=True)
    while True:
        client, _ = listening.accept()
        upstream = socket.create_connection((host, int(port)))
        for ends in ((client, upstream), (upstream, client)):
            threading.Thread(target=copy, args=ends, daemon=True).start()


if __name__ == "__main__":
    main()
