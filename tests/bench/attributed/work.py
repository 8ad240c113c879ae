"""What a handler does, five times: sleeps, asks a slow server, writes and reads files and a database,
runs a child, waits for a lock. Usage: work.py PORT"""

import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request


def handler(port):
    time.sleep(0.2)
    urllib.request.urlopen(f"http://127.0.0.1:{port}/").read()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for i in range(20):
            (folder / str(i)).write_text("x" * 1000)
        for path in folder.iterdir():
            path.read_text()
            os.stat(path)
        rows = sqlite3.connect(folder / "rows.db")
        rows.execute("create table t(a)")
        rows.executemany("insert into t values(?)", [(i,) for i in range(100)])
        rows.commit()
        rows.close()
    subprocess.run(["sleep", "0.03"], check=True)
    lock = threading.Lock()
    lock.acquire()
    holder = threading.Timer(0.1, lock.release)
    holder.start()
    with lock:
        holder.join()


for _ in range(5):
    handler(int(sys.argv[1]))
