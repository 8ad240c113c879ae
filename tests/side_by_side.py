"""How pytest's tests share the machine. Each kind's conftest.py takes its hooks from here.

tests/run gives most tests to several processes (pytest-xdist, --dist loadgroup). A file's tests stay
in one of them, in their order, so that its fixtures are made once. What is marked
    spread   may go anywhere: it needs nothing that others of its file have made
    slow     begins first, so that no process has to wait for it at the end
    alone    depends on the clock: comes after all others, with the machine to itself
    long     is a long suite of somebody else's: only `tests/run long`
"""

import pytest

MARKS = {
    "slow": "ten seconds or more; leave out with -m 'not slow'",
    "spread": "may run beside the other tests of its file",
    "alone": "depends on the clock, so nothing else may run",
    "long": "only in `tests/run long`",
}


def add_marks(config):
    for name, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def only_hands_out(config):
    """Whether this process runs no test itself: pytest-xdist's others do."""
    return bool(getattr(config.option, "numprocesses", None)) and not hasattr(config, "workerinput")


# First: pytest-xdist has a hook of this name too, and what has no group by then is handed out alone.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)  # keeps the order within a file
    for item in items:
        if not (item.get_closest_marker("spread") or item.get_closest_marker("xdist_group")):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
