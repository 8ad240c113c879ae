"""The troubles of the table in docs/clients.md, for AWS's Python client."""

import ctypes
import os
import socket
import threading

_kept = []


def ask(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: quiet\r\n\r\n")
        return connection.recv(1000)


def ask_in_worker(port):
    worker = threading.Thread(target=ask, args=(port,), daemon=True)
    worker.start()
    worker.join()


def compute():
    number = 0
    while True:
        number = number * 31 + 7 & 0xFFFF


def remember():
    while True:
        _kept.append(bytearray(1 << 20))


def handler(event, context):
    way, port = event["way"], event["port"]
    if way == "error":
        raise ValueError("no such customer")
    if way == "busy":
        compute()
    elif way == "silent":
        ask(port)
    elif way == "worker":
        ask_in_worker(port)
    elif way == "memory":
        remember()
    elif way == "exit":
        os._exit(3)
    elif way == "crash":
        ctypes.string_at(8)
    return {"way": way}
