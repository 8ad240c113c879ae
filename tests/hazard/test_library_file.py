"""What the built library is: imports, exports, needs, TLS. Nothing is run here."""

import re
import subprocess

import pytest
from conftest import ROOT

# All that may be imported. None of these allocates, locks or is interposed by us; dlsym runs only
# while the table of real functions is filled.
ALLOWED_IMPORTS = {
    "__cxa_current_exception_type",  # weak: a C++ runtime, where there is one
    "__cxa_finalize", "__errno_location", "__gmon_start__", "__register_atfork",
    "_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "clock_gettime", "dlopen",
    "dlsym", "dlvsym",
    "environ", "__environ", "memcpy", "memmove", "memset", "memcmp", "memrchr", "strlen",
    "bcmp",  # a memcmp that clang found to ask for equality only
}  # fmt: skip
TRIPWIRE_EXPORTS = {
    "pthread_mutex_trylock", "pthread_spin_lock",
    "lamprey_walk_by_libunwind", "lamprey_walk_by_ours",  # for signal_walks.cpp
}  # fmt: skip


def lines_of(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def symbols(library, kind):
    return {
        line.split()[-1].split("@")[0] for line in lines_of("nm", "-D", kind, library) if line
    }


def symbols_of_the_table():
    names = set()
    tables = (ROOT / "preload/libc").glob("*.def")
    for line in "".join(table.read_text() for table in tables).splitlines():
        hook = re.match(r"HOOK\(\w+, [\w* ]+, (\w+),", line)
        irregular = re.match(r"(?:IRREGULAR|ALIAS)\([\w* ]+, (\w+),", line)
        if hook or irregular:
            names.add((hook or irregular)[1])
    return names


def test_imports_are_few_and_harmless(library):
    assert symbols(library, "--undefined-only") <= ALLOWED_IMPORTS


def test_exports_are_the_table_and_nothing_else(library):
    table = symbols_of_the_table()
    assert len(table) > 80
    exported = symbols(library, "--defined-only")
    assert exported - TRIPWIRE_EXPORTS == table
    # A hook needs its unwind tables, never its own unwinder: exported, that would hijack exceptions.
    assert not [name for name in exported if name.startswith(("_Unwind", "_U", "unw_"))]


def test_attaching_is_the_only_thing_done_at_load(library):
    """A constructor that the compiler made for a global of ours runs after attach and takes away what
    attach had put there: one did, and every frame of every stack was looked up in the tables anew."""
    sections = "\n".join(lines_of("readelf", "-W", "-S", library))
    size = int(re.search(r"\.init_array +INIT_ARRAY +\w+ +\w+ +(\w+)", sections)[1], 16)
    own = 8
    toolchain = 8  # gcc's crtbegin.o: frame_dummy
    assert size in (own, own + toolchain)


def test_release_library_has_no_tripwire(release_library):
    assert not symbols(release_library, "--defined-only") & TRIPWIRE_EXPORTS


def test_needs_only_libc(library):
    needed = {
        re.search(r"\[(.*)\]", line)[1]
        for line in lines_of("readelf", "-d", library)
        if "(NEEDED)" in line
    }
    assert needed <= {"libc.so.6", "libdl.so.2", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def test_tls_is_static_and_small(library):
    text = "\n".join(lines_of("readelf", "-lWd", library))
    size = re.search(r"^\s*TLS\s+\S+\s+\S+\s+\S+\s+\S+\s+(0x[0-9a-f]+)", text, re.M)
    assert size is not None and int(size[1], 16) < 64
    assert "STATIC_TLS" in text
    assert "__tls_get_addr" not in symbols(library, "--undefined-only")
    relocations = "\n".join(lines_of("readelf", "-rW", library))
    assert not re.search(r"DTPMOD|TLSDESC", relocations)


@pytest.mark.parametrize("section", [".gcc_except_table"])
def test_nothing_needs_a_landing_pad(library, section):
    """A landing pad would need a personality routine, so libgcc_s or libstdc++ in the host."""
    assert not [line for line in lines_of("readelf", "-SW", library) if section in line]


def test_unwind_tables_cover_the_hooks(library):
    """Forced unwinding (pthread_cancel) passes through the hooks by these."""
    frames = "\n".join(lines_of("readelf", "--debug-dump=frames", "-W", library))
    ranges = [
        (int(a, 16), int(b, 16)) for a, b in re.findall(r"pc=([0-9a-f]+)\.\.([0-9a-f]+)", frames)
    ]
    for line in lines_of("nm", "-D", "--defined-only", library):
        address = int(line.split()[0], 16)
        assert any(low <= address < high for low, high in ranges), line


def test_full_relro(library):
    text = "\n".join(lines_of("readelf", "-lWd", library))
    assert "GNU_RELRO" in text and re.search(r"BIND_NOW|FLAGS_1.*NOW", text)


# Where something that was published is taken back before it is changed: a function, and what takes it
# back there (a store, a swap, a compare-and-swap).
TAKEN_BACK = {
    "src/recording/writer_marks.cpp": {"mark_start": "swp"},
    "src/recording/writer_boundary.cpp": {"write_boundary": "str"},
    "src/recording/writer_kernel.cpp": {"write_kernel_boundary": "str"},
    "preload/io/names.cpp": {"add": "cas", "end_answer": "cas"},
    "preload/io/descriptors.cpp": {"give_meaning": "str"},
    "preload/hooks/wakers.cpp": {"about_to_end": "str"},
}  # fmt: skip


def arm64_stores(source, folder):
    """Of each function what it writes to memory, and its full barriers, in order."""
    compiler = ROOT / "build/zig/bin/python"
    if not compiler.exists():
        pytest.skip("no compiler for arm64 here (layer/install zig)")
    assembly = folder / "assembly.s"
    lines_of(
        compiler, "-m", "ziglang", "c++", "-target", "aarch64-linux-gnu.2.26", "-mcpu=neoverse_n1",
        "-std=c++20", "-O2", "-fno-rtti", "-fexceptions", "-fPIC", "-fvisibility=hidden",
        f"-I{ROOT}", f"-I{ROOT}/src", "-S", "-o", assembly, ROOT / source,
    )  # fmt: skip
    functions, name = {}, ""
    for line in assembly.read_text().splitlines():
        label = re.match(r"(_Z\w+):", line)
        # Not what is put aside on the function's own stack, and not barriers for loads alone.
        write = re.match(r"\s+(st\w+|swp\w*|cas\w*|ld(?:add|set|clr)\w*)\s(?!.*\[sp\b)", line)
        if label:
            name = label[1]
        elif write:
            functions.setdefault(name, []).append(write[1])
        elif re.match(r"\s+dmb\s+ish\b", line):
            functions.setdefault(name, []).append("dmb")
    return functions


@pytest.mark.parametrize("source", TAKEN_BACK)
def test_what_is_taken_back_is_so_before_it_changes_on_arm64(source, tmp_path):
    """There a release store lets the stores after it pass: a barrier stands between."""
    stores = arm64_stores(source, tmp_path)
    for function, how in TAKEN_BACK[source].items():
        [writes] = [w for name, w in stores.items() if re.search(rf"\d{function}E", name)]
        fences = [i for i, write in enumerate(writes) if write == "dmb"]
        assert any(
            writes[i - 1].startswith(how) and writes[i + 1].startswith("st") for i in fences
        ), f"{function}: {writes}"
