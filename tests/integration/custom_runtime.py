"""Builds functions for provided.*: the client of handlers/client.c with a handler in C++, and what such
a function wants to load. No test and no running may live here."""

import pathlib
import subprocess

HANDLERS = pathlib.Path(__file__).resolve().parent / "handlers"
PROGRAMS = HANDLERS.parents[2] / "build" / "test-programs"  # outside /tmp, which functions do not share


def compile_all(*commands):
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    for command in commands:
        built = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        assert built.returncode == 0, built.stderr


def custom_runtime(handler, *flags, name=None):
    """The program of handlers/HANDLER.cpp; `flags` are the C++ compiler's."""
    program = PROGRAMS / (name or handler)
    compile_all(
        ["cc", "-O1", "-g", "-c", "-o", f"{program}.o", HANDLERS / "client.c"],
        ["c++", "-std=c++20", "-O1", "-g", *flags, "-o", program,
         HANDLERS / f"{handler}.cpp", f"{program}.o", "-pthread", "-ldl"],
    )  # fmt: skip
    return program


def client(name="client"):
    """handlers/client.c alone."""
    program = PROGRAMS / name
    compile_all(["cc", "-O1", "-o", program, HANDLERS / "client.c"])
    return program


def library(name, text):
    """A shared library of one C text."""
    path = PROGRAMS / f"{name}.so"
    source = PROGRAMS / f"{name}.c"
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    source.write_text(text)
    compile_all(["cc", "-shared", "-fPIC", "-o", path, source])
    return path
