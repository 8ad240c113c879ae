"""A program cannot tell that the library is there: same descriptors, errno, modes, results for bad
pointers; nothing on stdout or stderr."""

import http.server
import re
import threading

import pytest
from conftest import execute, program


def same(library, command, **options):
    plain = execute(command, **options)
    under = execute(command, preload=library, **options)
    assert plain.status == 0, plain.stderr
    assert under.outcome() == plain.outcome()
    return under


@pytest.mark.parametrize("mode", ["numbers", "closefrom", "close_range", "loop", "closed-stderr"])
def test_descriptors_are_those_of_the_program(library, mode):
    # Sockets are told by inode numbers, which differ between any two runs.
    runs = [execute([program("descriptors"), mode], preload=p) for p in (None, library)]
    outputs = [re.sub(r"socket:\[\d+\]", "socket", run.stdout) for run in runs]
    assert outputs[0] == outputs[1]
    assert (runs[0].status, runs[0].stderr) == (runs[1].status, runs[1].stderr) == (0, "")
    assert outputs[0].startswith("file 3 socket 4 read 1\nopen 3 /dev/zero\nopen 4 socket\n")
    # The recording goes on after the program closed all that it found.
    calls = runs[1].recording["calls"]
    assert calls["read"]["calls"] == 2 and calls["socket"]["calls"] == 2


def test_errno_is_the_programs(library):
    run = same(library, [program("errno_kept")])
    assert run.stdout.count("errno 12345") > 50 and run.stdout.count("errno 12\n") > 5


def test_modes_of_created_files(library, tmp_path):
    outputs = []
    for number, preload in enumerate((None, library)):
        folder = tmp_path / str(number)
        folder.mkdir()
        run = execute([program("open_modes"), folder], preload=preload)
        assert (run.status, run.stderr) == (0, "")
        outputs.append(run.stdout)
    assert outputs[0] == outputs[1]
    assert "temporary 624\ntemporary at 642\ntemporary 64 246\n" in outputs[0]


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256


@pytest.fixture
def web_server():
    server = Server(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_bad_pointers_get_the_kernels_answer(library, web_server):
    # Whether the answer has come yet when it is received is a matter of time.
    racing = re.compile(r"conversation: .*(read|recv).*\n")
    runs = [execute([program("bad_pointers"), web_server], preload=p) for p in (None, library)]
    assert [run.status for run in runs] == [0, 0], runs[1].stdout[-300:] + runs[1].stderr
    outputs = [racing.sub("", run.stdout) for run in runs]
    assert outputs[0] == outputs[1]
    assert outputs[0].count("errno 14") > 60


@pytest.mark.parametrize(
    "what", ["paths", "refused", "sockets", "forbidden", "waits", "names", "environment", "null"]
)
def test_nothing_is_read_that_the_kernel_did_not_read(library, what):
    """Where memory ends behind what a call was given, or a call was refused before it looked."""
    plain, under = (execute([program("page_edges"), what], preload=p) for p in (None, library))
    assert under.outcome() == plain.outcome()
    assert plain.status == 0 and plain.stdout.count("\n") >= 3


def test_nor_where_a_child_may_be_the_runtime(library):
    """Then the program's name and its arguments are looked at, too."""
    env = {"_LAMPREY_COMMAND": "true\nnowhere\nnone\n"}
    plain, under = (execute([program("page_edges"), "environment"], preload=p, env=env) for p in (None, library))
    assert under.outcome() == plain.outcome()


def test_stdin_stdout_stderr_and_signals_pass_through(library):
    script = 'read line; echo "got $line"; echo oops >&2; kill -TERM $$'
    plain = execute(["bash", "-c", f"exec 0<<<hello; {script}"])
    under = execute(["bash", "-c", f"exec 0<<<hello; {script}"], preload=library)
    assert plain.outcome() == under.outcome() == (-15, "got hello\n", "oops\n")
