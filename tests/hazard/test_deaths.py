"""Every way of ending: the same outcome with and without the library, and an account of it in the
recording. Whoever handles signals, the program or its language's runtime, is left alone.
"""

import platform
import re
import shutil
import signal
import sys
import textwrap

import pytest
from conftest import execute, finish, program, start

EXIT, QUICK_EXIT, IMMEDIATE_EXIT, ABORT, SENT, SIGNAL = range(1, 7)


def die(library, *words, **options):
    """Both runs' outcomes are equal; the one under the library is returned."""
    plain = execute(words, **options)
    under = execute(words, preload=library, **options)
    assert under.outcome() == plain.outcome()
    return under


def only_account(run):
    """The account of the end; there is one."""
    recording = run.recording
    found = [recording[f"death_by_{way}"] for way in ("exit", "signal")]
    [account] = [one for one in found if one["state"] == 2]
    return account


def innermost(run):
    """The path of the file that it happened in: of the stack, or else of the account itself."""
    account = only_account(run)
    if account["stack"] == 0:
        return account["module"]
    return run.recording["stacks"][account["stack"] - 1]["frames"][0].split("+")[0]


FAULTS = {
    "null": (signal.SIGSEGV, 1, ""),
    "overflow": (signal.SIGSEGV, 1, ""),
    "divide": (signal.SIGFPE, 1, ""),
    "trap": (signal.SIGILL, 2, ""),
    "bus": (signal.SIGBUS, 2, ""),
    "thread-null": (signal.SIGSEGV, 1, ""),
    "double-free": (signal.SIGABRT, -6, "free(): double free"),
    "assert": (signal.SIGABRT, -6, "Assertion `g_zero == 1' failed."),
    "pipe": (signal.SIGPIPE, 0, ""),
}


@pytest.mark.parametrize("way", FAULTS)
def test_a_signal_that_kills_leaves_its_account(library, way):
    run = die(library, program("deaths"), way)
    number, code, message = FAULTS[way]
    assert run.status == -number
    account = only_account(run)
    assert (account["kind"], account["signal"], account["code"]) == (SIGNAL, number, code)
    assert message in account["message"]
    assert account["tid"] == run.pid or way.startswith("thread-")
    if code > 0:
        assert account["module"].endswith("/deaths") and account["offset"] > 0
        assert (account["address"] == 16) == way.endswith("null")


CALLS = {
    "exit": (EXIT, 3),
    "thread-exit": (EXIT, 3),
    "_exit": (IMMEDIATE_EXIT, 4),
    "quick_exit": (QUICK_EXIT, 7),
    "return": (EXIT, 9),
    "vfork": (EXIT, 9),  # what a vfork child does is not ours, though it does it in our memory
    "vfork-crash": (EXIT, 9),
}


@pytest.mark.parametrize("way", CALLS)
def test_an_exit_leaves_its_account(library, way):
    run = die(library, program("deaths"), way)
    account = only_account(run)
    assert (account["kind"], account["exit_code"]) == CALLS[way]
    assert account["exit_code"] == run.status
    assert innermost(run).endswith("/deaths") == (way not in ("return", "vfork", "vfork-crash"))


@pytest.mark.parametrize(
    ("way", "kind", "number"),
    [
        ("abort", ABORT, signal.SIGABRT),
        ("raise", SENT, signal.SIGUSR1),
        ("kill-self", SENT, signal.SIGKILL),
        ("term-self", SENT, signal.SIGTERM),
        ("own-handler", SENT, signal.SIGSEGV),
    ],
)
def test_a_process_that_kills_itself_says_where(library, way, kind, number):
    run = die(library, program("deaths"), way)
    account = only_account(run)
    assert (account["kind"], account["signal"]) == (kind, number)
    assert innermost(run).endswith("/deaths")
    assert run.status == -number


@pytest.mark.parametrize("way", ["default-again", "thread-default-again"])
def test_a_handler_that_lets_the_fault_happen_again_hides_nothing(library, way):
    """Rust's and Node's handlers set the default and return."""
    account = only_account(die(library, program("deaths"), way))
    assert (account["kind"], account["signal"], account["code"]) == (SIGNAL, signal.SIGSEGV, 1)
    assert account["address"] == 16 and account["first_signal"] == 0


@pytest.mark.parametrize(
    ("way", "kind", "number"),
    [
        ("handler-aborts", ABORT, signal.SIGABRT),
        ("thread-handler-aborts", ABORT, signal.SIGABRT),
        ("own-handler", SENT, signal.SIGSEGV),
        ("plain-handler", SENT, signal.SIGSEGV),  # as CPython's faulthandler: without SA_SIGINFO
        ("thread-plain-handler", SENT, signal.SIGSEGV),
    ],
)
def test_a_handler_that_ends_the_process_leaves_the_fault_told(library, way, kind, number):
    """The JVM's, Ruby's and V8's print a report and abort; others send the signal again."""
    account = only_account(die(library, program("deaths"), way))
    assert (account["kind"], account["signal"]) == (kind, number)
    assert (account["first_signal"], account["first_code"], account["address"]) == (signal.SIGSEGV, 1, 16)
    assert account["module"].endswith("/deaths") and account["offset"] > 0


@pytest.mark.skipif(platform.machine() != "x86_64", reason="arm64 divides by zero without a trap")
def test_a_division_is_told_through_a_handler_without_siginfo(library):
    account = only_account(die(library, program("deaths"), "plain-handler-divides"))
    assert (account["kind"], account["signal"]) == (SENT, signal.SIGFPE)
    assert (account["first_signal"], account["first_code"]) == (signal.SIGFPE, 1)
    assert account["module"].endswith("/deaths") and account["offset"] > 0


@pytest.mark.parametrize("way", ["abort", "raise", "assert", "sent-handler-aborts", "sent-plain-handler"])
def test_without_a_fault_none_is_told(library, way):
    account = only_account(die(library, program("deaths"), way))
    assert (account["first_signal"], account["first_code"]) == (0, 0)


def test_an_abort_that_was_survived_is_not_the_last_word(library):
    run = die(library, program("deaths"), "survive-abort")
    assert (run.status, run.stdout) == (6, "survived\n")
    assert run.recording["death_by_exit"]["exit_code"] == 6
    assert run.recording["death_by_signal"]["code"] == 0  # called, and never arrived


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSEGV, signal.SIGKILL])
def test_killed_by_another_process(library, number):
    process = start([program("deaths"), "pause"], preload=library)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    run = finish(process)
    assert run.status == -number
    if number == signal.SIGKILL:  # nobody can say anything
        assert run.recording["death_by_signal"]["state"] == 0
        return
    account = only_account(run)
    assert (account["kind"], account["signal"], account["code"]) == (SIGNAL, number, 0)
    assert account["sender"] not in (0, run.pid)


def test_a_signal_from_outside_is_no_fault_although_there_was_one_before(library):
    process = start([program("deaths"), "own-handler-spins"], preload=library)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGSEGV)
    account = only_account(finish(process))
    assert (account["signal"], account["first_signal"], account["first_code"]) == (signal.SIGSEGV, 0, 0)


def test_what_a_thread_without_an_alternate_stack_overflows_is_the_kernels(library):
    run = die(library, program("deaths"), "thread-overflow")
    assert run.status == -signal.SIGSEGV
    assert run.recording["death_by_signal"]["state"] == 0


def test_the_program_sees_the_dispositions_that_it_had(library):
    run = die(library, program("dispositions"))
    assert run.status == 0 and "STRANGE" not in run.stdout
    assert run.stdout.count("\n") == 367


def test_a_core_dump_is_written_as_ever(library, tmp_path):
    with open("/proc/sys/kernel/core_pattern") as file:
        pattern = file.read().strip()
    if pattern.startswith(("|", "/")):
        pytest.skip(f"core dumps go to {pattern!r} here, not into the working directory")
    sizes = []
    for preload in (None, library):
        folder = tmp_path / str(preload is not None)
        folder.mkdir()
        run = execute(
            ["sh", "-c", "ulimit -c unlimited; exec " + program("deaths") + " null"],
            preload=preload, cwd=folder,
        )  # fmt: skip
        assert run.status == -signal.SIGSEGV
        sizes.append(len(list(folder.iterdir())))
    assert sizes[0] == sizes[1]


# -- runtimes that handle signals themselves --------------------------------------------------


def without_addresses(text):
    """What differs between any two runs of the same program."""
    return re.sub(r"0x[0-9a-f]+|\b\d{4,}\b", "#", text)


def same_but_addresses(library, *words, **options):
    plain = execute(words, **options)
    under = execute(words, preload=library, **options)
    assert under.status == plain.status
    assert without_addresses(under.stdout) == without_addresses(plain.stdout)
    assert without_addresses(under.stderr) == without_addresses(plain.stderr)
    return under


PYTHON_DEATHS = {
    "null": "import ctypes; ctypes.string_at(0)",
    "abort": "import os; os.abort()",
    "raise": "import signal; signal.raise_signal(signal.SIGBUS)",
    "_exit": "import os; os._exit(3)",
    "exit": "import sys; sys.exit(4)",
    "uncaught": "raise ValueError(5)",
    "kill": "import os; os.kill(os.getpid(), 15)",
}


@pytest.mark.parametrize("faulthandler", [False, True])
@pytest.mark.parametrize("way", PYTHON_DEATHS)
def test_python(release_library, way, faulthandler):
    options = ["-X", "faulthandler"] if faulthandler else []
    run = same_but_addresses(release_library, sys.executable, *options, "-c", PYTHON_DEATHS[way])
    if faulthandler and way in ("null", "abort", "raise"):
        assert "Fatal Python error" in run.stderr
    account = only_account(run)
    assert account["signal"] == max(0, -run.status)
    assert account["exit_code"] == max(0, run.status)
    fault = (signal.SIGSEGV, 1) if faulthandler and way == "null" else (0, 0)
    assert (account["first_signal"], account["first_code"]) == fault


NODE_DEATHS = {
    "abort": (["-e", "process.abort()"], None),
    "uncaught": (["-e", "throw new Error('no')"], None),
    "exit": (["-e", "process.exit(1)"], None),
    "abort-on-uncaught": (["--abort-on-uncaught-exception", "-e", "throw new Error('no')"], None),
    "kill": (["-e", "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 9999)"], None),
    "segv": (["-e", "process.kill(process.pid, 'SIGSEGV'); setTimeout(() => {}, 9999)"], None),
}


@pytest.mark.parametrize("way", NODE_DEATHS)
def test_node(release_library, way):
    if not shutil.which("node"):
        pytest.skip("no node here")
    words, _ = NODE_DEATHS[way]
    run = same_but_addresses(release_library, "node", *words)
    account = only_account(run)
    assert account["signal"] == max(0, -run.status)
    assert account["exit_code"] == max(0, run.status)


NULL_STORM = """
public class Storm {
  static int length(String text) { return text.length(); }
  public static void main(String[] words) {
    int caught = 0;
    for (int i = 0; i < 100000; ++i) {
      try {
        length(i % 7 == 0 ? "x" : null);
      } catch (NullPointerException e) {
        ++caught;
      }
    }
    System.out.println("caught " + caught);
    if (words.length > 0) {
      System.exit(Integer.parseInt(words[0]));
    }
    deeper(0);
  }
  static int deeper(int n) {
    return n < 0 ? 0 : deeper(n + 1) + 1;
  }
}
"""


@pytest.fixture(scope="module")
def storm(tmp_path_factory):
    if not shutil.which("java"):
        pytest.skip("no java here")
    path = tmp_path_factory.mktemp("java") / "Storm.java"
    path.write_text(NULL_STORM)
    return path


@pytest.mark.parametrize("words", [["5"], []])
def test_java_makes_exceptions_of_faults(release_library, storm, words):
    run = same_but_addresses(release_library, "java", "-Xshare:auto", str(storm), *words)
    assert "caught 85714" in run.stdout
    assert run.status == (5 if words else 1)  # without words: a StackOverflowError that nobody caught
    assert only_account(run)["exit_code"] == run.status


RUBY_DEATHS = ["exit 3", "exit! 4", "abort 'no'", "Process.kill(:SEGV, Process.pid); sleep 5",
               "raise 'no'"]  # fmt: skip


@pytest.mark.parametrize("script", RUBY_DEATHS)
def test_ruby(release_library, script):
    if not shutil.which("ruby"):
        pytest.skip("no ruby here")
    plain = execute(["ruby", "-e", script])
    under = execute(["ruby", "-e", script], preload=release_library)
    assert under.status == plain.status
    account = only_account(under)
    assert account["signal"] == max(0, -under.status)
    assert account["exit_code"] == max(0, under.status)


GO_FAULT = """
package main

/*
static void fault(void) { *(volatile int*)16 = 1; }
*/
import "C"
import (
	"fmt"
	"os"
)

func recovered() (err error) {
	defer func() { err = fmt.Errorf("recovered %v", recover()) }()
	var nothing *int
	*nothing = 1
	return nil
}

func main() {
	fmt.Println(recovered())
	if len(os.Args) > 1 {
		C.fault()
	}
}
"""


@pytest.fixture(scope="module")
def go_program(tmp_path_factory):
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not go:
        pytest.skip("no go here")
    folder = tmp_path_factory.mktemp("go")
    (folder / "fault.go").write_text(textwrap.dedent(GO_FAULT))
    built = execute(
        [go, "build", "-o", folder / "fault", folder / "fault.go"],
        env={"CGO_ENABLED": "1", "GOFLAGS": "-mod=mod", "GO111MODULE": "off",
             "GOCACHE": str(folder / "cache")},
        limit_s=240,
    )  # fmt: skip
    if built.status != 0:
        pytest.skip("no cgo here: " + built.stderr[-200:])
    return str(folder / "fault")


def test_go_handles_its_faults_itself(release_library, go_program):
    run = die(release_library, go_program)
    assert run.stdout.startswith("recovered runtime error: invalid memory address")
    plain = execute([go_program, "c"])
    under = execute([go_program, "c"], preload=release_library)
    assert plain.status == under.status == 2
    assert "SIGSEGV" in plain.stderr and "SIGSEGV" in under.stderr
