"""Other allocators in the process, and allocations before our constructor (allocation.md 2, "dlsym →
calloc recursion", "static-constructor allocations", "allocator replaced in process")."""

import glob
import json
import os
import subprocess

import pytest
from conftest import difference, execute, program
from test_allocation_counts import against_shim, between, counted, shim_counts, without_peak

FOREIGN_ALLOCATOR = 16  # kFlagForeignAllocator
USABLE_BY_HEADER = 1  # kFlagUsableByHeader
NO_USABLE_SIZE = 256  # kFlagNoUsableSize
OWN_OPERATOR_NEW = 512  # kFlagOwnOperatorNew
MALLOCX = 1024  # kFlagMallocx


def installed(pattern):
    for folder in ("/usr/lib/*-linux-gnu", "/lib/*-linux-gnu", "/usr/lib64", "/usr/local/lib"):
        for path in sorted(glob.glob(f"{folder}/{pattern}")):
            return os.path.realpath(path)
    return None


ALLOCATORS = {
    "jemalloc": "libjemalloc.so.2",
    "mimalloc": "libmimalloc.so.2",
    "tcmalloc": "libtcmalloc_minimal.so.4",
}


# jemalloc has none: libc's would get a block that theirs then frees.
PLAIN = {"ALLOCATOR_WITHOUT_PVALLOC": "1"}


@pytest.fixture(params=sorted(ALLOCATORS))
def allocator(request):
    path = installed(ALLOCATORS[request.param])
    if path is None:
        pytest.skip(f"{ALLOCATORS[request.param]} is not installed")
    return path


@pytest.mark.parametrize("threads", [1, 8])
def test_allocator_preloaded_after_us_is_counted(library, allocator, threads):
    recorded, known, run = counted(f"{library}:{allocator}", threads, 100, env=PLAIN)
    assert {k: recorded[k] for k in known} == known
    assert run.recording["flags"] & USABLE_BY_HEADER == 0
    assert recorded["live_bytes"] == 0


def test_allocator_preloaded_before_us_is_named(library, allocator):
    """Its malloc hides ours: nothing can be counted, and the recording says so."""
    plain = execute([program("allocations"), 1, 100], preload=allocator, env=PLAIN)
    under = execute([program("allocations"), 1, 100], preload=f"{allocator}:{library}", env=PLAIN)
    assert under.outcome() == plain.outcome() and plain.status == 0
    assert under.recording["flags"] & FOREIGN_ALLOCATOR


def test_program_linked_with_an_allocator(library, allocator, compiled):
    """A preloaded malloc comes before a linked one; ours passes on to it."""
    binary = compiled("allocations.c", "-pthread", "-Wl,--no-as-needed", allocator)
    recorded, known, _ = counted(library, 4, 100, binary=binary, env=PLAIN)
    assert {k: recorded[k] for k in known} == known


def test_program_with_an_allocator_linked_in(library, compiled):
    """Static in the program: it binds its own calls, and interposes on libc's."""
    archive = installed("libjemalloc.a")
    if archive is None:
        pytest.skip("libjemalloc-dev is not installed")
    binary = compiled("allocations.c", "-rdynamic", archive, "-pthread", "-lm", "-lstdc++", "-ldl")
    plain = execute([binary, 1, 100], env=PLAIN)
    under = execute([binary, 1, 100], preload=library, env=PLAIN)
    assert under.outcome() == plain.outcome() and plain.status == 0
    assert under.recording["flags"] & FOREIGN_ALLOCATOR


def arena(compiled, *flags):
    return compiled("libraries/arena.c", "-shared", "-fPIC", *flags)


@pytest.mark.parametrize("how", ["preloaded", "linked"])
def test_allocator_without_malloc_usable_size(library, compiled, how):
    """libc's, asked about a block of theirs, reads a header that is not there."""
    theirs = arena(compiled)
    if how == "preloaded":
        binary, preload = compiled("libraries/arena_user.c"), f"{library}:{theirs}"
    else:
        binary = compiled("libraries/arena_user.c", "-Wl,--no-as-needed", theirs)
        preload = library
    recorded, known, run = between([binary, 0], [binary, 200], preload)
    assert {k: recorded[k] for k in known} == known
    assert run.recording["flags"] & (NO_USABLE_SIZE | USABLE_BY_HEADER) == NO_USABLE_SIZE


def test_sized_frees_are_counted(library, compiled):
    """C23's free_sized, which an allocator has for itself; or nobody but us."""
    sized = compiled("libraries/arena_user.c", "-DSIZED", "-ldl")
    for preload in (f"{library}:{arena(compiled, '-DWITH_FREE_SIZED')}", library):
        recorded, known, _ = between([sized, 0], [sized, 200], preload)
        assert {k: recorded[k] for k in known} == known


@pytest.mark.parametrize("flags", [(), ("-DWITH_NEW",), ("-DNEW_BY_MALLOC",)])
def test_operator_new_that_passes_malloc_by_is_known(library, compiled, flags):
    makes_new = compiled("libraries/makes_new.cpp", compiler="c++")
    run = execute([makes_new, 1000], preload=f"{library}:{arena(compiled, *flags)}")
    assert (run.status, run.stdout) == (0, "made\n"), run.stderr
    passes = flags == ("-DWITH_NEW",)
    assert bool(run.recording["flags"] & OWN_OPERATOR_NEW) == passes
    # What is asked at attach is no allocation of the program's.
    assert run.recording["memory"]["allocations"] % 1000 < 100
    assert run.recording["memory"]["allocations"] // 1000 == (1 if passes else 2)


def test_operator_new_of_a_linked_allocator_is_known(library, allocator, compiled):
    makes_new = compiled(
        "libraries/makes_new.cpp", "-Wl,--no-as-needed", allocator, compiler="c++"
    )
    run = execute([makes_new, 10000], preload=library)
    assert (run.status, run.stdout) == (0, "made\n"), run.stderr
    assert run.recording["flags"] & OWN_OPERATOR_NEW
    assert bool(run.recording["flags"] & MALLOCX) == ("jemalloc" in str(allocator))


def test_operator_new_of_libstdcxx_is_nothing_to_tell(library, compiled):
    makes_new = compiled("libraries/makes_new.cpp", compiler="c++")
    run = execute([makes_new, 1000], preload=library)
    assert run.recording["flags"] & (NO_USABLE_SIZE | OWN_OPERATOR_NEW | MALLOCX) == 0
    assert run.recording["memory"]["allocations"] // 1000 == 2


def test_debugging_malloc_of_glibc(library):
    debug = installed("libc_malloc_debug.so.0")
    if debug is None:
        pytest.skip("this glibc has no libc_malloc_debug.so.0")
    environment = {"MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "85"}
    runs = [
        execute([program("allocations"), 1, n], preload=f"{library}:{debug}", env=environment)
        for n in (0, 100)
    ]
    assert [run.status for run in runs] == [0, 0], runs[1].stderr
    recorded = difference(runs[1].recording["memory"], runs[0].recording["memory"])
    known = json.loads(runs[1].stdout)
    assert {k: recorded[k] for k in known} == known


def test_tunables_of_glibc(library):
    for tunables in ("glibc.malloc.tcache_count=0", "glibc.malloc.perturb=170",
                     "glibc.malloc.arena_max=1:glibc.malloc.mmap_threshold=4096"):  # fmt: skip
        environment = {"GLIBC_TUNABLES": tunables}
        runs = [
            execute([program("allocations"), 2, rounds], preload=library, env=environment)
            for rounds in (0, 100)
        ]
        recorded = difference(runs[1].recording["memory"], runs[0].recording["memory"])
        known = json.loads(runs[1].stdout)
        assert {k: recorded[k] for k in known} == known, tunables


def test_usable_size_is_read_from_the_header_with_glibc(release_library):
    run = execute([program("allocations"), 1, 1], preload=release_library)
    assert run.recording["flags"] & USABLE_BY_HEADER


@pytest.fixture
def early(compiled):
    return compiled("libraries/early_constructor.c", "-shared", "-fPIC")


def test_allocations_before_our_constructor_are_counted(library, early, shim, tmp_path):
    """The shim stands before us and sees all that the other constructor does before ours."""
    recorded, refereed = against_shim(
        f"{library}:{early}", shim, tmp_path, [program("allocations"), 1, 20]
    )
    assert recorded == refereed


@pytest.mark.parametrize("order", ["{library}:{early}", "{early}:{library}"])
def test_calls_before_our_constructor_work(library, early, order):
    order = order.format(library=library, early=early)
    plain = execute([program("errno_kept")], preload=early)
    under = execute([program("errno_kept")], preload=order)
    assert under.outcome() == plain.outcome() and plain.status == 0
    assert under.recording["calls"]["close"]["calls"] > 0


def test_allocations_before_a_failed_attach_do_no_harm(library, early):
    """Their blocks are freed after attach was refused."""
    plain = execute([program("allocations"), 2, 20], preload=early)
    off = execute([program("allocations"), 2, 20], preload=f"{library}:{early}",
                  env={"LAMPREY": "off"})  # fmt: skip
    assert (off.status, off.stderr, plain.status) == (0, "", 0)
    assert not off.path.exists()


def test_lazy_and_immediate_binding(library):
    for name in ("LD_BIND_NOW", "LD_DEBUG_OUTPUT"):
        run = execute([program("allocations"), 2, 20], preload=library, env={name: "/tmp/x"})
        assert (run.status, run.stderr) == (0, "")


def test_statistics_of_the_loader_still_work(library):
    """ld.so itself allocates before any constructor, and says so when asked."""
    env = {**os.environ, "LD_PRELOAD": str(library), "LD_DEBUG": "statistics"}
    done = subprocess.run(["/bin/true"], env=env, capture_output=True, text=True, check=True)
    assert "runtime linker statistics" in done.stderr


def test_dlopened_library_uses_the_hooks(library, compiled, shim, tmp_path):
    """RTLD_NEXT of a library that is loaded later, and dlsym's own allocations for its errors."""
    binary = compiled("libraries/loads_late.c", "-ldl")
    late = compiled("libraries/early_constructor.c", "-shared", "-fPIC", "-DLATE")
    recorded, refereed = against_shim(library, shim, tmp_path, [binary, late])
    assert without_peak(recorded) == without_peak(refereed)
    assert set(shim_counts(tmp_path, next(iter(os.listdir(tmp_path))))) == set(recorded)
