"""Eight kinds of trouble in each language, with AWS's own client where there is one (client_commands.py): what the
record's headline says, and which findings. docs/clients.md shows these headlines; a test here holds it to them.
"""

import contextlib
import re
import socket
import threading

import pytest
from client_commands import COMMANDS, FUNCTIONS
from local_lambda import LocalLambda
from patience import a_few_tries, undisturbed_codes

TIMEOUT_S = 2
ADDRESS = r"127\.0\.0\.1:\d+"
THREAD = r"(?:main thread|thread \d+)"
# Of 2 s: on a busy machine the event comes late, and so does the end.
NEARLY_ALL = r"(?:1\.[5-9]|2\.0)\d s"

# Where a function of the program is named: by language, with the function's name put in.
PLACES = {
    "Python": r"{} \(\S*troubles\.py:\d+\)",
    "Node.js": r"{} \(\S*troubles\.cjs:\d+\)",
    "Java": r"Troubles\.{} \(Troubles\.java:\d+\)",
    "Ruby": r"(?:block in )?{} \(\S*troubles\.rb:\d+\)",
    "Rust": r"troubles::{} \(troubles \+0x[0-9a-f]+\)",
}
HANDLERS = {"Python": "handler", "Node.js": r"exports\.handler", "Java": "handle", "Ruby": "handler"}
ERRORS = {
    "Python": "ValueError",
    "Node.js": "RangeError",
    "Java": r"java\.lang\.IllegalArgumentException",
    "Ruby": "KeyError",
    "Rust": "unhandled",
    ".NET": "KeyNotFoundException",
}
ABORTING = r"SIGSEGV: address not mapped in \S+ \(its handler called abort\(\)\)"
WAYS = ("healthy", "error", "busy", "silent", "worker", "memory", "exit", "crash")


def place(client, function):
    return PLACES[client].format(function)


def handler_of(client):
    return place(client, HANDLERS[client])


def busy(client):
    where = f" in {place(client, 'compute')}" if client in PLACES else ""
    # It may have waited for a CPU besides.
    return rf"^Timed out after {NEARLY_ALL}: {THREAD} [0-9.]+ m?s on CPU{where}(?:, [^;]+)?;"


def worker(client):
    # tokio's and .NET's handler is told as who waits itself, or as who waits for that thread.
    whose = ", and the handler waits for it" if client not in ("Rust", ".NET") else "(?:, and the handler waits for it)?"
    return rf"^Timed out after {NEARLY_ALL}: thread \d+ {NEARLY_ALL} in \w+ to {ADDRESS}{whose};"


def memory(client):
    own_limit = {
        "Java": r"^Failed with java\.lang\.OutOfMemoryError, then the process exited: ",
        ".NET": r"^Failed with OutOfMemoryException after ",
    }
    return own_limit.get(client) or (
        r"^Ran out of memory and was killed; most of what was live was allocated in " + place(client, "remember")
    )


def exit_(client):
    by = {
        "Java": "",  # the VM's own thread ends the process
        ".NET": "",
        "Rust": r", called by \S.*",  # the handler is inlined into its callers
    }
    where = by.get(client, f", called by {handler_of(client)}" if client in HANDLERS else "")
    return rf"^The process exited while it ran: _?exit\(3\){where};"


def crash(client):
    said = {
        "Python": rf"SIGSEGV: address not mapped in \S+, in {place('Python', 'handler')}",
        "Node.js": rf"abort\(\), called by {handler_of('Node.js')}",
        "Java": f"{ABORTING}, in {place('Java', 'crash')}",
        "Ruby": f"{ABORTING}, in {place('Ruby', 'handler')}",
        "Rust": rf"SIGSEGV: address not mapped in troubles\+0x[0-9a-f]+, in {place('Rust', 'crash')}",
        ".NET": r"abort\(\)",
    }
    return rf"^The process died while it ran: {said[client]};"


def silent(client):
    return rf"^Timed out after {NEARLY_ALL}: {THREAD} {NEARLY_ALL} in \w+ to {ADDRESS}"


HEADLINES = {
    "healthy": lambda client: "^Took ",
    "error": lambda client: rf"^Failed with {ERRORS[client]} after ",
    "busy": busy,
    "silent": silent,
    "worker": worker,
    "memory": memory,
    "exit": exit_,
    "crash": crash,
}
CODES = {
    "busy": ["timeout.cpu"],
    "silent": ["timeout.answer"],
    "worker": ["timeout.answer"],
    "exit": ["exit.in_invocation"],
}
MEMORY_CODES = {"Java": ["memory.java_heap"], ".NET": []}


# Where the finding points to, in languages whose functions are known. Node waits in its loop, after the call.
SITES = {
    "silent": {"Python": "Here: ", "Node.js": "After .*", "Java": "Here: ", "Ruby": "Here: .*"},
    "worker": {"Python": "Here: ", "Java": "Here: ", "Ruby": "Here: .*"},
    "busy": {"Python": "Here: ", "Node.js": "Here: ", "Java": "Here: ", "Ruby": "Here: .*", "Rust": "Here: "},
}


def check_site(record, client, way):
    if before := SITES.get(way, {}).get(client):
        function = "compute" if way == "busy" else "ask"
        text = record["findings"][0]["text"]
        assert re.search(before + place(client, function), text), text


def codes_for(client, way):
    return MEMORY_CODES.get(client, ["memory.out_of_memory"]) if way == "memory" else CODES.get(way, [])


@pytest.fixture(scope="module")
def silent_port():
    """A host that takes every question and answers none."""
    kept = []
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    kept.append(server.accept())

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def clients(local_lambda):
    return LocalLambda(local_lambda.build, FUNCTIONS, local_lambda.wrap)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("client", COMMANDS)
def test_what_a_record_says_of_it(clients, root, silent_port, client, way):
    command = COMMANDS[client](root)
    options = {"memory": command.memory, "timeout": TIMEOUT_S, "env": command.env}

    @a_few_tries
    def check():
        with clients.serve(*command.words, **options) as serving:
            for tried in ("healthy", "healthy", way):
                serving.invoke({"way": tried, "port": silent_port})
            log = serving.stop()
        assert log.complaints == []
        assert [record["request_id"] for record in log.invokes] == log.started_ids
        record = log.invokes[2]
        print(f"| {client} | {way} | {record['headline']} |")
        assert re.search(HEADLINES[way](client), record["headline"]), record["headline"]
        assert undisturbed_codes(record) == codes_for(client, way), record["findings"]
        check_site(record, client, way)

    check()


@a_few_tries
def test_nodes_loop_waits_after_the_function_that_asked(clients, root, silent_port):
    """By name: libuv's pool looks it up, and the connection is made on a later turn of the loop."""
    command = COMMANDS["Node.js"](root)
    options = {"memory": command.memory, "timeout": TIMEOUT_S, "env": command.env}
    with clients.serve(*command.words, **options) as serving:
        for way in ("file", "healthy", "named"):
            serving.invoke({"way": way, "port": silent_port})
        log = serving.stop()
    front = log.invokes[2]["blocked"][0]
    assert re.match(rf"after .*{place('Node.js', 'ask')}; {handler_of('Node.js')}", front["stack"]), front
    assert re.search(rf" After .*{place('Node.js', 'ask')}", log.invokes[2]["findings"][0]["text"])


def test_the_page_shows_what_records_say(root):
    """docs/clients.md has a headline for each, as this file expects it."""
    text = (root / "docs/clients.md").read_text()
    shown = {}
    for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        way = re.match(r".*\(`(\w+)`\)\n", section)[1]
        shown[way] = dict(re.findall(r"^\| (\S+) \| (.*?) \|", section, re.MULTILINE))
    for way in WAYS:
        for client in COMMANDS:
            assert re.search(HEADLINES[way](client), shown[way][client]), (way, client)
