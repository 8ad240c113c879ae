"""fork, raw clone, vfork, posix_spawn, system, popen, exec: the parent's numbers stay true, children
are inert unless followed, and the environment is as the program would have had it."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import RECORDINGS, difference, execute, program, read_recording

NULL = {"calls": 0, "errors": 0, "bytes": 0, "in_histogram": 0}


def recording_of(library, way, rounds=3000, *rest, **options):
    run = execute([program("forks"), way, rounds, *rest], preload=library, **options)
    assert (run.status, run.stderr) == (0, "")
    return run.recording, run


@pytest.mark.parametrize("way", ["fork", "clone", "exec", "spawn"])
def test_children_do_not_show_in_the_parent(library, way):
    quiet, _ = recording_of(library, way, 0)
    busy, _ = recording_of(library, way, 3000)
    added = difference(busy, quiet)
    assert all(value == 0 for value in added["memory"].values()), added["memory"]
    assert added["calls"]["read"] == NULL
    assert busy["calls"]["read"]["calls"] == 200
    assert busy["memory"]["allocations"] - busy["memory"]["frees"] >= 0
    assert busy["in_flight"] == []


@pytest.mark.parametrize("way", ["fork", "clone"])
def test_child_leaves_no_recording(library, way):
    before = set(os.listdir(RECORDINGS))
    _, run = recording_of(library, way)
    assert set(os.listdir(RECORDINGS)) - before == {run.path.name}


def test_fork_while_others_allocate(library):
    """The child must not hang on a lock, nor see a half-changed heap."""
    recording, _ = recording_of(library, "threads", 50)
    assert recording["calls"]["read"]["calls"] == 200
    # Whatever the threads did, each malloc was freed again; libc keeps four threads' vectors of TLS.
    assert 0 <= recording["memory"]["allocations"] - recording["memory"]["frees"] <= 4
    assert recording["memory"]["allocations"] > 10000


@pytest.mark.parametrize("way", ["vfork", "spawn", "system", "popen", "exec"])
def test_children_run_and_carry_nothing(library, way):
    recording, run = recording_of(library, way, 0, program("environment"))
    children = {"spawn": 2, "exec": 7}.get(way, 1)
    assert run.stdout == "mapped: no\nrecorded: no\n" * children
    assert recording["calls"]["read"]["calls"] == 200


@pytest.mark.parametrize("way", ["vfork", "spawn", "system", "exec"])
def test_a_child_that_may_be_the_runtime_takes_the_library_along(library, way):
    """As the wrapper names it, by path or by name; until one asks for an invocation. None does here, so
    nothing is left of theirs."""
    before = set(os.listdir(RECORDINGS))
    for words, answer in (
        ("other\n/anywhere/environment\n", "yes"),
        ("environment\n", "yes"),
        ("environments\n/environment/other\n", "no"),
        ("", "no"),
    ):
        _, run = recording_of(library, way, 0, program("environment"), env={"_LAMPREY_COMMAND": words})
        children = {"spawn": 2, "exec": 7}.get(way, 1)
        assert run.stdout == f"mapped: {answer}\nrecorded: {answer}\n" * children
        before.add(run.path.name)
    assert set(os.listdir(RECORDINGS)) <= before


def test_variables_set_while_a_shell_starts_are_kept(library):
    """A variable set at that very instant may leave the child without the library; nothing else is lost."""
    env = {"_LAMPREY_COMMAND": "environment\n"}
    command = f"{program('environment')} >/dev/null"
    run = execute([program("shell_environment"), command, 200], preload=library, env=env)
    assert (run.status, run.stderr, run.stdout) == (0, "", "ran some, lost 0\n")


def test_preloads_of_others_stay_in_order(library, compiled):
    odd = compiled("libraries/odd_preload.c", "-shared", "-fPIC")
    other = odd.with_name("liblamprey.so.other.so")  # a name that only begins like ours
    shutil.copy(odd, other)
    for order in (f"{library}:{odd}:{other}", f"{odd} {library}:{other}", f"{odd}:{other}:{library}"):
        run = execute([program("forks"), "spawn", 0, program("environment")], preload=order)
        expected = f"LD_PRELOAD={odd}:{other}\nmapped: yes\nrecorded: no\n"
        # "mapped" looks for our name, which is part of the other's.
        assert run.stdout == expected * 2, order


HOWS = ["execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "fexecve"]


@pytest.mark.parametrize("how", [*HOWS, "empty"])
def test_exec_in_place_takes_the_recording_along(library, how):
    run = execute([program("environment"), how, program("environment")], preload=library)
    assert (run.status, run.stdout) == (0, "mapped: yes\nrecorded: yes\n")
    assert run.recording["executable"].endswith("/environment")


@pytest.mark.parametrize("how", HOWS)
def test_exec_that_fails_changes_nothing(library, how):
    plain = execute([program("environment"), how, "/nonexistent/program"])
    under = execute([program("environment"), how, "/nonexistent/program"], preload=library)
    assert under.outcome() == plain.outcome() and plain.status == 1
    assert under.recording["flags"] & 4 == 0  # kFlagExec


def test_chain_of_programs_ends_recorded(library, tmp_path):
    """A version manager's shim: a shell that becomes a Python that becomes the program."""
    python = (
        "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"  # clears nothing, adds nothing
    )
    run = execute(
        ["bash", "-c", 'exec "$@"', "bash", sys.executable, "-c", python, program("calls"), "3",
         tmp_path / "file"],
        preload=library,
    )  # fmt: skip
    assert run.status == 0, run.stderr
    assert run.recording["executable"].endswith("/calls")
    assert run.recording["calls"]["fsync"]["calls"] == 6


def test_followed_children_have_recordings_of_their_own(library):
    before = set(os.listdir(RECORDINGS))
    quiet, _ = recording_of(library, "fork", 0)
    before |= set(os.listdir(RECORDINGS))
    busy, run = recording_of(library, "fork", 500, env={"LAMPREY_FOLLOW_CHILDREN": "on"})
    assert busy["calls"]["read"]["calls"] == 200
    assert busy["memory"]["allocations"] == quiet["memory"]["allocations"]
    (child,) = set(os.listdir(RECORDINGS)) - before - {run.path.name}
    recording = read_recording(RECORDINGS / child)
    assert recording["role"] == 2
    assert recording["calls"]["read"]["calls"] == 500
    assert recording["memory"]["allocations"] == recording["memory"]["frees"] == 1000
    assert recording["memory"]["reallocations"] == 500
    # A child starts with its parent's live blocks.
    assert recording["memory"]["live_bytes"] == quiet["memory"]["live_bytes"]


def test_what_a_followed_child_inherits_is_at_no_site_of_its_own(library):
    """Freed there, a block of the parent's must not be taken from a stack that the child has under the
    parent's number."""
    before = set(os.listdir(RECORDINGS))
    _, run = recording_of(
        library, "heirs", 0, env={"LAMPREY_FOLLOW_CHILDREN": "on", "LAMPREY_SAMPLE_BYTES": "1"}
    )
    (child,) = set(os.listdir(RECORDINGS)) - before - {run.path.name}
    recording = read_recording(RECORDINGS / child)
    live = [stack["live_bytes"] for stack in recording["stacks"]]
    assert min(live) >= 0
    assert 600_000 <= sum(live) < 640_000
    assert recording["sampled_live"] == sum(live)


@pytest.mark.parametrize("way", ["spawn", "vfork", "system", "exec"])
def test_followed_programs_are_recorded(library, way):
    run = execute(
        [program("forks"), way, 0, program("environment")],
        preload=library,
        env={"LAMPREY_FOLLOW_CHILDREN": "on"},
    )
    assert run.status == 0, run.stderr
    assert run.stdout.count("recorded: yes") == {"spawn": 2, "exec": 7}.get(way, 1)


def test_a_followed_child_of_node_lacks_its_parents_heap(library):
    """V8 keeps its heap from forked children (MADV_DONTFORK): the stack that is taken there, where a file is
    opened before the exec, must not be followed into it."""
    if not shutil.which("node"):
        pytest.skip("no node here")
    source = (
        "const {spawnSync} = require('child_process');\n"
        "for (let i = 0; i < 20; ++i) {\n"
        "  const child = spawnSync('/bin/true', {stdio: 'ignore'});\n"
        "  console.log(child.status, child.signal);\n"
        "}\n"
    )
    run = execute(["node", "-e", source], preload=library, env={"LAMPREY_FOLLOW_CHILDREN": "on"})
    assert run.outcome() == (0, "0 null\n" * 20, "")


def test_python_subprocess_and_multiprocessing(library):
    """CPython starts programs with vfork and closes all descriptors in the child."""
    source = (
        "import subprocess, multiprocessing, os, sys\n"
        f"p = {program('environment')!r}\n"
        "for close in (True, False):\n"
        "    print(subprocess.run([p], capture_output=True, close_fds=close, check=True).stdout)\n"
        "    print(subprocess.run([p], capture_output=True, check=True, preexec_fn=os.getpid).stdout)\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    print(pool.map(len, ['a', 'bb', 'ccc']))\n"
        "print(subprocess.check_output('echo $LD_PRELOAD; exit 0', shell=True))\n"
    )
    plain = execute([sys.executable, "-c", source])
    under = execute([sys.executable, "-c", source], preload=library)
    assert plain.status == 0, plain.stderr
    assert under.outcome() == plain.outcome()
    assert "mapped: no" in under.stdout
    assert under.recording["calls"]["read"]["calls"] > 0


def test_inert_where_it_should_not_attach(library):
    """A process that merely inherits the preload: no target of ours, no handler."""
    before = set(os.listdir(RECORDINGS))
    env = {**os.environ, "LD_PRELOAD": str(library)}
    done = subprocess.run(
        [program("environment")], env=env, capture_output=True, text=True, check=True
    )
    assert "recorded: no" in done.stdout and done.stderr == ""
    env["_LAMPREY_TARGET"] = "1"
    done = subprocess.run(
        [program("forks"), "fork", "100"], env=env, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert set(os.listdir(RECORDINGS)) == before


def test_off_is_off(library):
    run = execute([program("environment")], preload=library, env={"LAMPREY": "off"})
    assert run.status == 0 and "recorded: no" in run.stdout
    assert not run.path.exists()


@pytest.mark.parametrize("way", ["vfork", "clone"])
def test_what_a_child_in_our_memory_closes_stays_ours(library, way):
    """Ten children close the descriptors of a file and of a connection and open others instead: what
    the parent does with them afterwards counts for that file and that host."""
    plain = execute([program("vforks"), way])
    run = execute([program("vforks"), way], preload=library)
    assert run.outcome() == plain.outcome() and run.stdout == "100 100 100 0\n" * 10
    none = execute([program("vforks"), "none"], preload=library)
    assert targets_of(run) == targets_of(none)
    assert targets_of(run)["/etc/passwd"] == (10, 0)
    assert targets_of(run)["/etc/group"] == (10, 0)
    assert 1000 in [sent for _, sent in targets_of(run).values()]


def targets_of(run):
    return {t["name"]: (t["reads"], t["sent"]) for t in run.recording["targets"]}
