"""Builds functions for provided.*: the client of handlers/client.c with a handler in C++, and what such
a function wants to load. No test and no running may live here."""

import pathlib
import subprocess

from made_once import only_here, state_of

HANDLERS = pathlib.Path(__file__).resolve().parent / "handlers"
PROGRAMS = HANDLERS.parents[2] / "build" / "test-programs"  # outside /tmp, which functions do not share


def compile_all(program, *commands):
    """Makes the program, unless it was made from the same sources: others may be running it."""
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    sources = [path for suffix in ("c", "cpp", "h") for path in HANDLERS.glob(f"*.{suffix}")]
    sources += PROGRAMS.glob(f"{program.stem}.c")
    stamp = program.with_name(program.name + ".made-of")
    with only_here(program.name):
        state = state_of([word for command in commands for word in command], sources)
        if stamp.exists() and stamp.read_text() == state and program.exists():
            return
        program.unlink(missing_ok=True)  # whoever runs it keeps it
        for command in commands:
            built = subprocess.run([str(word) for word in command], capture_output=True, text=True)
            assert built.returncode == 0, built.stderr
        stamp.write_text(state)


def custom_runtime(handler, *flags, name=None):
    """The program of handlers/HANDLER.cpp; `flags` are the C++ compiler's."""
    program = PROGRAMS / (name or handler)
    compile_all(
        program,
        ["cc", "-O1", "-g", "-c", "-o", f"{program}.o", HANDLERS / "client.c"],
        ["c++", "-std=c++20", "-O1", "-g", *flags, "-o", program,
         HANDLERS / f"{handler}.cpp", f"{program}.o", "-pthread", "-ldl"],
    )  # fmt: skip
    return program


def client(name="client"):
    """handlers/client.c alone."""
    program = PROGRAMS / name
    compile_all(program, ["cc", "-O1", "-o", program, HANDLERS / "client.c"])
    return program


def library(name, text):
    """A shared library of one C text."""
    path = PROGRAMS / f"{name}.so"
    source = PROGRAMS / f"{name}.c"
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    source.write_text(text)
    compile_all(path, ["cc", "-shared", "-fPIC", "-o", path, source])
    return path
