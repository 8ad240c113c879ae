"""Makes the first inputs of the fuzzers, tests/fuzz/corpus/NAME/: from what real tools and programs
write where there is one, by hand where only a hostile one would write it.

Usage: tests/fuzz/make_corpora.py [LAMPREY]    (the command; default build/release/bin/lamprey)

What the fuzzers found worth keeping lies beside it, under names that begin with "found-"; this
leaves it alone. Needs a compiler, binutils, xz and node.
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/fuzz/corpus"


def keep(name, content):
    """The file tests/fuzz/corpus/NAME."""
    path = CORPUS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def run(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, **options).stdout


# ---- elf ------------------------------------------------------------------------------------------

SMALL = (
    "-O0 -shared -fPIC -nostdlib -fno-asynchronous-unwind-tables -fcf-protection=none -Wl,--build-id=sha1 "
    "-Wl,-z,noseparate-code -Wl,-z,norelro -Wl,--hash-style=gnu -Wl,-z,max-page-size=4096 -s"
).split()
SOURCE = """
namespace a { template <class T> T* f(T* t) { return t + 1; } }
extern "C" int* g(int* p) { return a::f(p); }
static long hidden(char* c) { return *c; }
long h(char* c) { return hidden(c); }
extern "C" long raw(long n) {
#ifdef __x86_64__
  long r; __asm__ volatile("syscall" : "=a"(r) : "a"(n) : "rcx", "r11", "memory"); return r;
#else
  return n;
#endif
}
"""
MANGLED = """_ZN1a1fIiEEPT_S1_
_ZNSt6vectorIiSaIiEE9push_backEOi
_ZN4core3fmt9Formatter3pad17h0123456789abcdefE
_ZN5alloc7raw_vec19RawVec$LT$T$C$A$GT$7reserve17h0123456789abcdefE.llvm.1
_RNvC6_123foo3bar
_RNvMs_NtCs1234_7mycrate3fooNtB4_3Bar3baz
_RINvNtC3std3mem8align_ofjdE
_RNCNvC4main4main0Kj1_hs_u3abc
_RYNtC1a1bNtB2_1c
plain_name
"""


def module(directory, name, *options, strip=("-s",)):
    path = directory / name
    source = directory / "source.cpp"
    source.write_text(SOURCE)
    flags = [flag for flag in SMALL if flag != "-s"]
    run("c++", *flags, *options, "-o", str(path), str(source))
    if strip:
        run("strip", *strip, str(path))
    return path


def make_elf(directory):
    full = module(directory, "full.so", strip=())
    run("strip", "--strip-debug", str(full))
    keep("elf/names.so", full.read_bytes())
    bare = module(directory, "bare.so")
    keep("elf/exported.so", bare.read_bytes())
    packed = directory / "packed"
    packed.write_bytes(full.read_bytes())
    run("xz", "-f", "-k", str(packed))
    linked = directory / "debugdata.so"
    run("objcopy", f"--add-section=.gnu_debugdata={packed}.xz", str(bare), str(linked))
    keep("elf/debugdata.so", linked.read_bytes())
    other = directory / "m.so"  # what the fuzzer calls the module itself
    other.write_bytes(full.read_bytes())
    run("objcopy", f"--add-gnu-debuglink={other}", str(bare), str(linked))
    keep("elf/debuglink.so", linked.read_bytes())
    keep("elf/mangled", MANGLED)


# ---- xz -------------------------------------------------------------------------------------------


def make_xz(directory):
    text = directory / "text"
    text.write_bytes((ROOT / "tests/fuzz/xz_fuzz.cpp").read_bytes()[:1500])
    noise = directory / "noise"
    noise.write_bytes(bytes((i * i * 31 + i // 7) % 251 for i in range(300)))
    empty = directory / "empty"
    empty.write_bytes(b"")
    for name, path, options in (
        ("text", text, ["-6"]),
        ("blocks", text, ["--block-size=400"]),
        ("properties", text, ["--lzma2=lc=0,lp=3,pb=1"]),
        ("none", text, ["--check=none"]),
        ("sha256", text, ["--check=sha256"]),
        ("noise", noise, ["-0"]),
        ("empty", empty, []),
    ):
        keep(f"xz/{name}", run("xz", "-c", "--threads=1", *options, str(path)))


# ---- http -----------------------------------------------------------------------------------------

EVENT = json.dumps(
    {
        "eventType": "INVOKE",
        "deadlineMs": 1780000000000,
        "requestId": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        "invokedFunctionArn": "arn:aws:lambda:eu-west-1:123456789012:function:orders",
        "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-5bef4de7-ad49b0e8;Sampled=1"},
    }
)
SHUTDOWN = '{"eventType":"SHUTDOWN","shutdownReason":"timeout","deadlineMs":1780000000000}'
REGISTERED = '{"functionName":"orders","functionVersion":"$LATEST","handler":"app.handler"}'
REPORT = json.dumps(
    {
        "time": "2026-01-02T03:04:05.006Z",
        "type": "platform.report",
        "record": {
            "requestId": "8476a536",
            "status": "success",
            "metrics": {
                "durationMs": 12.5,
                "billedDurationMs": 13,
                "memorySizeMB": 256,
                "maxMemoryUsedMB": 80,
                "initDurationMs": 210.3,
                "restoreDurationMs": 1.5,
            },
        },
    }
)
NEXT_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
    "Lambda-Runtime-Deadline-Ms: 1780000000000\r\n"
    "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e8;Sampled=1\r\n"
    "Date: Sat, 28 Nov 2026 10:00:00 GMT\r\n"
)


def answer(body, head="HTTP/1.1 200 OK\r\n"):
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}"


def chunked(body, size, head="HTTP/1.1 200 OK\r\n"):
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    text = "".join(f"{len(piece):x};e=1\r\n{piece}\r\n" for piece in pieces)
    return f"{head}Transfer-Encoding: chunked\r\n\r\n{text}0\r\nTrailer: t\r\n\r\n"


def make_http():
    api = "2018-06-01/runtime/invocation"
    for name, stream in {
        "next": answer('{"key":"value"}', NEXT_HEAD) * 2,
        "next_chunked": chunked('{"key":"value"}', 4, NEXT_HEAD),
        "event": answer(EVENT),
        "shutdown": answer(SHUTDOWN),
        "register": answer(REGISTERED, "HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: 1f3c\r\n"),
        "report": REPORT,
        "report_in_answer": answer(REPORT),
        "chunked": chunked(EVENT, 50),
        "until_close": "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + SHUTDOWN,
        "interim": "HTTP/1.1 100 Continue\r\n\r\n" + answer("{}"),
        "no_content": "HTTP/1.1 204 No Content\r\n\r\n" + answer("{}"),
        "folded": "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
        "requests": f"GET /{api}/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n\r\n"
        f"POST /{api}/8476a536/response HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}"
        + chunked("{}", 1, f"POST /{api}/8476a536/error HTTP/1.1\r\n"),
        "long_line": "HTTP/1.1 200 OK\r\nX: " + "z" * 600 + "\r\n" + "Content-Length: 1\r\n\r\n1",
        "hosts": "# hosts\n127.0.0.1\tlocalhost\n169.254.100.1 sandbox sandbox.localdomain\n",
    }.items():
        keep(f"http/{name}", stream)


# ---- log_lines ------------------------------------------------------------------------------------

PROGRAM = """
import os, socket, tempfile, time
kept = [bytearray(3000) for _ in range(500)]
with tempfile.TemporaryFile() as f:
    f.write(b"x" * 100000)
for name in ("/nowhere", "/etc/hostname"):
    try: open(name).read()
    except OSError: pass
s = socket.socket()
try: s.connect(("127.0.0.1", 9))
except OSError: pass
time.sleep(0.01)
"""


def record_of(lamprey, directory, *words):
    out = directory / "line"
    out.unlink(missing_ok=True)
    command = [lamprey, "run", "--quiet", "--out", str(out), "--", *words]
    subprocess.run(command, capture_output=True, check=False)
    # Nothing of the machine on which this was run.
    prefix = run("python3", "-c", "import sys; print(sys.base_prefix)", text=True).strip()
    line = out.read_text().splitlines()[-1]
    for path in (prefix, str(pathlib.Path(prefix).parent)):
        line = line.replace(path, "/usr") if len(path) > 4 else line
    return json.loads(line)


def make_log_lines(lamprey, directory):
    worked = record_of(lamprey, directory, "python3", "-c", PROGRAM)
    died = record_of(lamprey, directory, "python3", "-c", "import os; os.abort()")
    for record in (worked, died):
        record.pop("process", None)
        for site in record.get("memory", {}).get("sites", []):
            site["stack"] = "; ".join(site["stack"].split("; ")[:4])
    invoked = worked | {
        "type": "invoke",
        "function_name": "orders",
        "request_id": "8476a536",
        "invocation": 3,
        "status": "timeout",
        "memory_limit_bytes": 268435456,
    }
    line = json.dumps(invoked, separators=(",", ":"))
    keep("log_lines/run", json.dumps(worked))
    keep("log_lines/abort", json.dumps(died))
    keep("log_lines/lines", f"START RequestId: 8476a536\n2026-01-02T03:04:05.006Z {line}\nEND\n")
    small = {key: invoked[key] for key in list(invoked)[:12] if key != "memory"}
    text = json.dumps(small)
    events = [{"timestamp": 1, "message": text}, {"timestamp": 2, "message": "REPORT"}]
    keep("log_lines/events", json.dumps({"events": events}))
    waits = [
        {"at_ms": 1.5, "for_ms": 20, "call": "recv", "spent_on": "network", "target": "db:5432", "thread": "main", "stack": "f (/var/task/app.py:3)"},
        {"at_ms": 2, "for_ms": 18, "call": "pthread_mutex_lock", "spent_on": "lock", "thread": "pool-1", "open": True},
    ]
    keep("log_lines/waits", json.dumps(small | {"status": "timeout", "duration_ms": 25.5, "timeline": waits, "blocked": waits}) + "\n")
    keep("log_lines/newer", json.dumps(small | {"lamprey": "2"}))
    fields = [[{"field": "@timestamp", "value": "1"}, {"field": "@message", "value": text}]]
    keep("log_lines/insights", json.dumps({"results": fields}))
    sites = [
        {"cpu_ms": 3010.3, "stack": "parse (/var/task/app.py:88); handler (/var/task/app.py:12)"},
        {"cpu_ms": 700.1, "stack": "memcpy (libc.so.6 +0x1a); ..."},
    ]
    cpu = {"hz": 97, "samples": 412, "total_ms": 4247.4, "sites": sites}
    sampled = [small | {"status": "ok", "cpu": cpu}, small | {"type": "init", "cpu": cpu}]
    keep("log_lines/cpu", "".join(json.dumps(record) + "\n" for record in sampled))
    quoted = text.replace('"', '""')
    keep("log_lines/csv", f'timestamp,message\n1,"{quoted}"\n')


# ---- perf_map -------------------------------------------------------------------------------------


def make_perf_map(directory):
    run("node", "--perf-basic-prof", "-e", "function hot(n) { return n < 2 ? n : hot(n - 1); } hot(9)", cwd=directory)
    maps = sorted(pathlib.Path("/tmp").glob("perf-*.map"), key=lambda path: path.stat().st_mtime)
    lines = maps[-1].read_text().splitlines(keepends=True)
    maps[-1].unlink()
    keep("perf_map/node", "900\n" + "".join(lines[:10] + [line for line in lines if "hot" in line]))
    keep("perf_map/python", "30\n7f0000001000 b py::load:/var/task/app.py\n7f0000001010 b py::dump:/a.py\n")
    keep("perf_map/replaced", "20\n1000 100 old\n1000 100 new\n0x1080 0x10 inner one\n10")
    keep("perf_map/odd", "3\nffffffffffffffff 2 last\n0 0 none\n1000 name\n 1 2 3\n1 ffffffffffffffff all\n")
    keep("perf_map/long_name", "10\n1000 100 " + "n" * 600 + "\n2000 10 after\n")
    keep("perf_map/long_line", "5000\n1000 100 " + "n" * 5000 + "\n2000 10 after\n")


# ---- recording ------------------------------------------------------------------------------------


def patch(part, element, offset, content):
    return struct.pack("<BBHH", part, len(content) - 1, element, offset) + content


def make_recording():
    """Each whole recording, and one of each part with a field of each of its first eight changed."""
    for base in range(3):
        keep(f"recording/whole{base}", bytes([base]))
    for part in range(11):
        changes = b"".join(patch(part, i % 3, 8 * i, struct.pack("<Q", 1 << (i * 8))) for i in range(1, 8))
        keep(f"recording/part{part}", bytes([part % 3]) + changes)
    keep("recording/cut", b"\0" + patch(11, 0, 0, struct.pack("<I", 600000)))


def main():
    lamprey = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/release/bin/lamprey")
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        make_elf(directory)
        make_xz(directory)
        make_http()
        make_perf_map(directory)
        make_recording()
        make_log_lines(lamprey, directory)


if __name__ == "__main__":
    main()
