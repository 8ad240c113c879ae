"""Proof that the tripwire works: a library into which an allocation, or a lock, was put where our own
code runs, stops the first program that reaches it and names the function. (google/tcmalloc's
allocation_guard.h is the model; every other test here runs under it and so proves its absence.)"""

import re
import shutil
import signal
import subprocess

import pytest
from conftest import DEBUG, ROOT, execute, program

pytestmark = pytest.mark.slow

FLAGS = "-std=c++20 -O1 -fPIC -shared -fno-rtti -fno-threadsafe-statics -w -Wl,-z,now".split()

# file, what our code says there, what is put after it
FAULTS = {
    "malloc": (
        "preload/hooks/intercept.h",
        "  policy.before();\n",
        '  asm volatile("" : : "r"(::malloc(8)));\n',
    ),
    "free": (
        "src/recording/writer.h",
        "    own_add(slot.memory.frees, 1);\n",
            '    { void* none = nullptr; asm volatile("" : "+r"(none)); ::free(none); }\n',
    ),
    "pthread_mutex_lock": (
        "preload/hooks/intercept.h",
        "  spent.bytes = spent.failed ? 0 : policy.after(result);\n",
        "  { static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; ::pthread_mutex_lock(&lock); }\n",
    ),
    "write": (
        "preload/hooks/allocation.cpp",
        "  const bool publish = g_writer.add_allocation(slot, requested, glibc_usable_size(block));\n",
        "  ::write(-1, nullptr, 0);\n",
    ),
}
INCLUDES = "#include <pthread.h>\n#include <stdlib.h>\n#include <unistd.h>\n"


def build(folder, fault, *extra):
    shutil.copytree(ROOT / "preload", folder / "preload")
    shutil.copytree(ROOT / "src/recording", folder / "src/recording")
    if fault is not None:
        path, after, injected = EDITS[fault]
        text = (folder / path).read_text()
        assert text.count(after) == 1, f"{path} has changed: say anew where to put the fault"
        text = text.replace(after, after + injected)
        (folder / path).write_text(text)
    library = folder / "liblamprey.so"
    sources = sorted((folder / "preload").rglob("*.cpp"))
    sources += sorted((folder / "src/recording").glob("writer*.cpp"))
    # All in one unit: half the time, and names of our own stay apart by their namespaces.
    unit = folder / "unit.cpp"
    unit.write_text(INCLUDES + "".join(f'#include "{source}"\n' for source in sources))
    headers, archive = DEBUG / "generated/libunwind", DEBUG / "liblamprey_libunwind.a"
    command = ["gcc", *FLAGS, *extra, "-I", folder, "-I", folder / "src", "-I", headers,
               "-DUNW_REMOTE_ONLY", unit, archive, "-o", library]  # fmt: skip
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    return library

# A stack recognised by where it begins alone.
FAULTS["recent_stacks::recall, which took one stack for another"] = (
    "preload/stack/recent_stacks.cpp",
    "  const auto* stack = reinterpret_cast<const std::uint64_t*>(frame);\n",
    "  if (stack != nullptr) { return place.stack; }\n",
)

LETS_HANDLERS_CALL = "handlers may call"
EDITS = FAULTS | {
    LETS_HANDLERS_CALL: (
        "preload/base/tripwire.h",
        "inline void check(const char* function) {\n",
        "  if (function != nullptr) { return; }\n",
    )
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_fault_is_caught_and_named(tmp_path, fault):
    library = build(tmp_path, fault, "-DLAMPREY_TRIPWIRE")
    run = execute([program("allocations"), 1, 5], preload=library)
    if run.status == 0:  # its faults are in calls, not in allocations
        run = execute([program("calls"), 1, tmp_path / "f"], preload=library)
    if run.status == 0:  # or in how stacks of waits are found
        run = execute([program("same_places"), 100, "undisturbed"], preload=library)
    assert run.status in (-signal.SIGILL, -signal.SIGTRAP), (run.status, run.stderr)
    assert re.search(rf"^lamprey tripwire: a hook called {fault}$", run.stderr, re.M)


def test_signal_handlers_take_no_stack_for_another_either(tmp_path):
    """The tripwire without its check of who calls: handlers of the program may call anything."""
    library = build(tmp_path, LETS_HANDLERS_CALL, "-DLAMPREY_TRIPWIRE")
    run = execute([program("same_places"), 2000], preload=library)
    assert (run.status, run.stderr, run.stdout) == (0, "", "handled 1 left 1\n")


def test_library_without_a_fault_does_not_fire(tmp_path):
    """The same way of building, so that it is the fault that fires above."""
    library = build(tmp_path, None, "-DLAMPREY_TRIPWIRE")
    for command in ([program("allocations"), 1, 5], [program("calls"), 1, tmp_path / "f"]):
        run = execute(command, preload=library)
        assert (run.status, run.stderr) == (0, "")
        assert run.recording["memory"]["allocations"] > 0
