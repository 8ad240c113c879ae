"""Makes every kind of Python stack, and says what Python itself sees of it. Run by test_python_frames.py.

Usage: python_shapes.py RESULT [SHAPE...]

At each point the program waits, reads or allocates (the library records the stack) and, on the same
line, notes the frames that sys._getframe() has. RESULT gets them as JSON: what was noted by shape,
and the shapes that this Python cannot make. Runs on 3.8 and later.
"""

import asyncio
import ctypes
import functools
import gc
import json
import os
import re
import signal
import sys
import threading
import time
import types
import weakref
from concurrent.futures import ThreadPoolExecutor
from sys import _getframe as here

QUALIFIED = sys.version_info >= (3, 11)
PAUSE = 1e-9
LARGE = 64 << 20  # far above the mean distance of samples: always one; never touched
nap = time.sleep
rooms = bytes
ENDS = os.pipe()
os.write(ENDS[1], b"x" * 4096)
noted = {}
absent = {}
shape = ""
lock = threading.Lock()


def name_of(code):
    return code.co_qualname if QUALIFIED else code.co_name


def note(frame, kind="wait", called=None):
    """`called`: a function that `frame` called a moment ago, whose first line waited."""
    code = called and called.__code__
    seen = [(code.co_filename, name_of(code), code.co_firstlineno)] if called else []
    while frame is not None:
        code = frame.f_code
        seen.append((code.co_filename, name_of(code), frame.f_lineno))
        frame = frame.f_back
    with lock:
        noted.setdefault(shape, set()).add((kind, tuple(seen)))
    return 0


def functions():
    def leaf():
        nap(PAUSE); note(here())
        os.read(ENDS[0], 1); note(here())
        rooms(LARGE); note(here(), "memory")

    def middle(x=1, *y, **z):
        leaf()

    middle()
    middle(1, 2, 3, k=4)
    middle(*[1, 2], **{"q": 1})


def lines_of_one_call():
    def leaf(*x):
        nap(PAUSE); note(here())

    leaf(
        1,
        2,
    )
    (
        leaf
    )(3)
    x = [
        1,
        leaf(2),
        3]


def methods():
    class Shapes:
        def __init__(self): nap(PAUSE); note(here())
        def plain(self): nap(PAUSE); note(here())
        @classmethod
        def of_class(cls): nap(PAUSE); note(here())
        @staticmethod
        def of_nobody(): nap(PAUSE); note(here())
        @property
        def value(self): nap(PAUSE); note(here()); return 1
        def __getattr__(self, name): nap(PAUSE); note(here()); return 1
        def __add__(self, other): nap(PAUSE); note(here()); return 1
        def __len__(self): nap(PAUSE); note(here()); return 1
        def __call__(self): nap(PAUSE); note(here())
        def __getitem__(self, i): nap(PAUSE); note(here()); return 1
        def __del__(self): nap(PAUSE); note(here())

    for _ in range(30):
        x = Shapes()
        x.plain(); x.of_class(); x.of_nobody(); x.value; x.missing; x + 1; len(x); x(); x[0]
        del x

    class Body:
        nap(PAUSE); note(here())
        class Inner:
            nap(PAUSE); note(here())


def generators():
    def numbers(n):
        nap(PAUSE); note(here())
        for i in range(n):
            nap(PAUSE); note(here())
            yield i

    def outer():
        x = yield from numbers(4)
        nap(PAUSE); note(here())
        rooms(LARGE); note(here(), "memory")

    list(outer())
    list(map(lambda x: x, numbers(3)))
    next(outer())

    def finishes():
        try:
            yield 1
        finally:
            nap(PAUSE); note(here())

    for end in (lambda g: g.close(), lambda g: None):
        g = finishes()
        next(g)
        end(g)
        del g
    [(nap(PAUSE), note(here())) for _ in range(3)]
    {i: (nap(PAUSE), note(here())) for i in range(3)}
    list((nap(PAUSE), note(here())) for _ in range(3))


def coroutines():
    async def leaf():
        nap(PAUSE); note(here())

    async def chain(n):
        if n:
            await chain(n - 1)
        else:
            await leaf()
            await asyncio.sleep(0)
            nap(PAUSE); note(here())

    async def numbers():
        for i in range(3):
            nap(PAUSE); note(here())
            yield i
            await asyncio.sleep(0)

    class Manager:
        async def __aenter__(self): nap(PAUSE); note(here())
        async def __aexit__(self, *_): nap(PAUSE); note(here())

    def elsewhere():
        nap(PAUSE); note(here())

    async def main():
        await chain(5)
        async for _ in numbers():
            nap(PAUSE); note(here())
        async with Manager():
            nap(PAUSE); note(here())
        await asyncio.gather(*[chain(k) for k in range(4)])
        await asyncio.get_running_loop().run_in_executor(None, elsewhere)
        await asyncio.wait_for(chain(1), 5)

    asyncio.run(main())


def callbacks():
    sorted([3, 1, 2], key=lambda x: (nap(PAUSE), note(here())) and x)
    list(filter(lambda x: (nap(PAUSE), note(here())), [1, 2]))
    max([1, 2], key=lambda x: (rooms(LARGE), note(here(), "memory")) and x)
    re.sub("a", lambda m: (nap(PAUSE), note(here())) and "", "aaa")
    json.dumps({"a": object()}, default=lambda x: (nap(PAUSE), note(here())) and 1)
    functools.reduce(lambda a, b: (nap(PAUSE), note(here())) and 1, [1, 2, 3])
    functools.partial(lambda: (nap(PAUSE), note(here())))()

    def decorated(f):
        @functools.wraps(f)
        def wrapper(*a):
            return f(*a)

        return wrapper

    @decorated
    @functools.lru_cache(None)
    @decorated
    def innermost(x):
        nap(PAUSE); note(here())

    innermost(1)


def c_extension():
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)

    def called(x):
        nap(PAUSE); note(here(), "through _ctypes")
        return sorted([1], key=lambda y: (nap(PAUSE), note(here(), "through _ctypes")) and y)[0]

    callback(called)(3)


def exceptions():
    def fails():
        try:
            1 / 0
        except ZeroDivisionError:
            nap(PAUSE); note(here())
        finally:
            nap(PAUSE); note(here())

    fails()

    class Manager:
        def __enter__(self): nap(PAUSE); note(here())
        def __exit__(self, *_): nap(PAUSE); note(here()); return True

    with Manager():
        raise ValueError

    def deep(n):
        if n:
            deep(n - 1)
        raise ValueError

    try:
        deep(20)
    except ValueError:
        nap(PAUSE); note(here())


def generated():
    names = {"nap": nap, "PAUSE": PAUSE, "note": note, "here": here}
    eval("(nap(PAUSE), note(here()))")
    exec(compile("\n\n\nnap(PAUSE); note(here())", "/var/task/app.py", "exec"), names)
    source = "def big():\n" + "".join(
        f"  x{i} = {i}\n" if i % 50 else "  nap(PAUSE); note(here())\n" for i in range(1500)
    )
    exec(compile(source + "big()\n", "/var/task/big.py", "exec"), names)


def dying():
    """Code objects die, others come to lie at their addresses."""
    names = {"nap": nap, "PAUSE": PAUSE, "note": note, "here": here}
    for i in range(400):
        source = "\n" * (i % 7) + f"def f{i}(a):\n  nap(PAUSE); note(here())\nf{i}(1)\n"
        exec(compile(source, f"/var/task/m{i % 30}.py", "exec"), dict(names))


def alike():
    """Functions, and lines, whose machine frames are the same."""
    def one(): nap(PAUSE)
    def two(): nap(PAUSE)

    for _ in range(50):
        for f in (one, two): f(); note(here(), called=f)
        nap(PAUSE); note(here())
        nap(PAUSE); note(here())


def recursion():
    sys.setrecursionlimit(5000)

    def plain(n):
        if n:
            return plain(n - 1)
        nap(PAUSE); note(here())

    def through_c(n):
        if n:
            return sorted([1], key=lambda x: through_c(n - 1))
        nap(PAUSE); note(here())
        return 1

    def nested(n):
        if n:
            yield from nested(n - 1)
        else:
            nap(PAUSE); note(here()); yield

    for depth in (40, 100, 126, 900):
        plain(depth)
    for depth in (20, 60, 150):
        through_c(depth)
    list(nested(90))
    list(nested(400))


def threads():
    def inner():
        nap(PAUSE); note(here())
        rooms(LARGE); note(here(), "memory")

    def outer():
        for _ in range(5):
            inner()

    for _ in range(3):
        started = [threading.Thread(target=outer) for _ in range(4)]
        for t in started: t.start()
        for t in started: t.join()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda x: (nap(PAUSE), note(here())), range(8)))


def collected():
    class Dies:
        def __del__(self): nap(PAUSE); note(here())

    x = Dies()
    x.itself = x
    del x
    gc.collect()

    class Plain:
        pass

    o = Plain()
    r = weakref.ref(o, lambda _: (nap(PAUSE), note(here())))
    del o


def handled():
    def handler(*_): nap(PAUSE); note(here())

    signal.signal(signal.SIGUSR1, handler)
    os.kill(os.getpid(), signal.SIGUSR1)
    for _ in range(100): pass


def traced():
    def profile(frame, event, argument): nap(PAUSE); note(here())
    def plain(): x = 1

    sys.setprofile(profile)
    plain()
    sys.setprofile(None)


def hostile():
    """Names as no source has them, but code.replace() and compile() take them."""
    def plain(): nap(PAUSE); note(here())

    names = ["a\nb", "\x01\x1b[31m\x7f", "x" * 10_000, "é" * 200, "\u0436" * 100, "\U00020bb7" * 40, "\ud800x", "",
             "semi;colon", '"\\']  # fmt: skip
    for name in names:
        changes = {"co_name": name, "co_filename": f"/var/task/{name}"}
        if QUALIFIED:
            changes["co_qualname"] = name
        types.FunctionType(plain.__code__.replace(**changes), plain.__globals__)()


def greenlets():
    import greenlet

    def a():
        for _ in range(5):
            nap(PAUSE); note(here())
            second.switch()
            nap(PAUSE); note(here())

    def b():
        for _ in range(5):
            nap(PAUSE); note(here())
            sorted([1], key=lambda x: (first.switch(), nap(PAUSE), note(here())) and 1)

    first, second = greenlet.greenlet(a), greenlet.greenlet(b)
    first.switch()


def main():
    global shape
    wanted = sys.argv[2:]
    everything = [functions, lines_of_one_call, methods, generators, coroutines, callbacks, c_extension, exceptions,
                  generated, dying, alike, recursion, threads, collected, handled, traced, hostile, greenlets]  # fmt: skip
    for make in everything:
        shape = make.__name__
        if wanted and shape not in wanted:
            continue
        try:
            make()
        except ImportError as why:
            absent[shape] = str(why)
    with open(sys.argv[1], "w") as result:
        json.dump({"noted": {name: sorted(points) for name, points in noted.items()}, "absent": absent}, result)


if __name__ == "__main__":
    main()
