"""Lines made by hand, of functions with every kind of trouble: what pages are tried with. No test may live here."""

import json
import random
import zlib

CLIENT = "handle_event_request (/var/runtime/bootstrap.py:149)"
HANDLER = f"handler (/var/task/app.py:30); {CLIENT}"
# When an order is handled: a name, a connection, three queries one after the other, a file, and a lock that a
# thread holds which waits for another host.
TIMELINE = [
    {"at_ms": 2.1, "for_ms": 24.35, "call": "getaddrinfo", "spent_on": "dns", "target": "orders-db.internal",
     "thread": "main", "stack": f"connect (/var/task/db.py:8); load_order (/var/task/app.py:12); {HANDLER}"},
    {"at_ms": 26.6, "for_ms": 12.2, "call": "connect", "spent_on": "network", "target": "10.0.3.17:5432 (orders-db.internal)",
     "thread": "main", "stack": f"connect (/var/task/db.py:9); load_order (/var/task/app.py:12); {HANDLER}"},
    {"at_ms": 41.0, "for_ms": 55.5, "call": "recv", "spent_on": "network", "target": "orders-db:5432", "thread": "main",
     "stack": f"load_order (/var/task/app.py:16); {HANDLER}"},
    {"at_ms": 99.0, "for_ms": 61.2, "call": "recv", "spent_on": "network", "target": "orders-db:5432", "thread": "main",
     "stack": f"load_lines (/var/task/app.py:19); {HANDLER}"},
    {"at_ms": 163.2, "for_ms": 58.7, "call": "recv", "spent_on": "network", "target": "orders-db:5432", "thread": "main",
     "stack": f"load_customer (/var/task/app.py:22); {HANDLER}"},
    {"at_ms": 165.0, "for_ms": 160.0, "call": "recv", "spent_on": "network", "target": "prices.example.com:443",
     "thread": "pool-1", "stack": "fetch_prices (/var/task/prices.py:41)"},
    {"at_ms": 166.0, "for_ms": 230.0, "call": "pthread_cond_wait", "spent_on": "wait", "thread": "pool-2",
     "stack": "worker (/var/task/prices.py:12)"},
    {"at_ms": 230.5, "for_ms": 6.4, "call": "read", "spent_on": "file", "target": "/var/task/templates/order.html",
     "thread": "main", "stack": f"render (/var/task/app.py:25); {HANDLER}"},
    {"at_ms": 262.0, "for_ms": 63.5, "call": "pthread_mutex_lock", "spent_on": "lock", "target": "lock of thread pool-1",
     "thread": "main", "stack": f"price (/var/task/app.py:27); {HANDLER}"},
    {"at_ms": 340.0, "for_ms": 30.0, "call": "nanosleep", "spent_on": "sleep", "thread": "main",
     "stack": f"retry (/var/task/app.py:28); {HANDLER}"},
    {"at_ms": 375.5, "for_ms": 18.0, "call": "waitpid", "spent_on": "child", "target": "convert (pid 4711)",
     "thread": "main", "stack": f"to_pdf (/var/task/app.py:29); {HANDLER}"},
]  # fmt: skip
HUNG = [
    {"at_ms": 1.5, "for_ms": 40.0, "call": "connect", "spent_on": "network", "target": "10.0.3.17:5432 (orders-db.internal)",
     "thread": "main", "stack": f"connect (/var/task/db.py:9); {HANDLER}"},
    {"at_ms": 44.0, "for_ms": 2956.0, "call": "recv", "spent_on": "network", "target": "10.0.3.17:5432 (orders-db.internal)",
     "thread": "main", "open": True, "stack": f"load_order (/var/task/app.py:16); {HANDLER}"},
    {"at_ms": 60.0, "for_ms": 2940.0, "call": "pthread_cond_wait", "spent_on": "wait", "thread": "pool-2", "open": True,
     "stack": "worker (/var/task/prices.py:12)"},
]  # fmt: skip
BLOCKED = [
    {"thread": "main", "call": "recv", "target": "10.0.3.17:5432 (orders-db.internal)", "for_ms": 2956.0,
     "stack": f"load_order (/var/task/app.py:16); {HANDLER}; run (/var/runtime/bootstrap.py:549); main (/var/runtime/bootstrap.py:600)"},
    {"thread": "pool-2", "call": "pthread_cond_wait", "for_ms": 2940.0, "stack": "worker (/var/task/prices.py:12)"},
]  # fmt: skip
NAMES = ["orders", "thumbnails", "mail-digest", "payments-webhook", "search-index", "audit-log", "report-nightly",
         "geo-lookup", "session-refresh", "export-csv", "image-resize", "tax-quote", "stock-sync", "login"]  # fmt: skip
FINDINGS = {
    "orders": ("timeout.answer", "critical", "10.0.3.17:5432 (orders-db.internal) sent nothing for 2.96 s, and 61 bytes had been sent to it.",
               "Give the client a timeout below the function's, and look at that host's own log."),
    "thumbnails": ("memory.near_limit", "warning", "Resident memory reached 121 MB of 128 MB; 44 MB of it is live.", "Set 192 MB, or keep fewer pictures at once."),
    "payments-webhook": ("network.reconnect", "warning", "A new TLS connection to api.pay.example:443 in each of the last 40 invocations, 88 ms each.", "Make the client outside the handler."),
    "search-index": ("memory.leak", "critical", "Live memory grew by 3.1 MB in each of the last 40 invocations, at parse_page (/var/task/index.py:77).", "Look at what keeps the result of parse_page."),
    "mail-digest": ("time.serial_calls", "info", "3 calls to smtp.internal:25 one after the other, 140 ms; they may be independent.", "Send them at once."),
}  # fmt: skip


def sites(random_, scale):
    stacks = [
        f"malloc (libc.so.6); json_loads (_json.so +0x1a); parse (/var/task/app.py:88); {HANDLER}",
        f"malloc (libc.so.6); json_loads (_json.so +0x1a); parse (/var/task/app.py:91); load_lines (/var/task/app.py:19); {HANDLER}",
        f"malloc (libc.so.6); render (/var/task/app.py:25); {HANDLER}",
        f"malloc (libc.so.6); EVP_EncryptInit (libcrypto.so.3 +0x22); fetch_prices (/var/task/prices.py:41); {HANDLER}",
        "malloc (libc.so.6); <module> (/var/task/app.py:3)",
    ]
    return [
        {"live_bytes": int(scale * share), "live_delta_bytes": int(scale * share * 0.01),
         "allocated_bytes": int(scale * share * random_.uniform(2, 4)), "allocations": int(900 * share), "stack": stack}
        for share, stack in zip((0.4, 0.2, 0.15, 0.1, 0.1), stacks, strict=True)
    ]  # fmt: skip


def cpu(random_, total):
    stacks = {f"scan (_json.so +0x1a); parse (/var/task/app.py:88); {HANDLER}": 0.45,
              f"price (/var/task/prices.py:7); {HANDLER}": 0.25,
              f"render (/var/task/app.py:25); {HANDLER}": 0.2}  # fmt: skip
    return {"hz": 97, "samples": round(total / 10) + 1, "total_ms": round(total, 3),
            "sites": [{"cpu_ms": round(total * share, 3), "stack": stack} for stack, share in stacks.items()]}  # fmt: skip


def wall(total, random_):
    cpu_ms, network = total * random_.uniform(0.15, 0.3), total * random_.uniform(0.4, 0.6)
    rest = total - cpu_ms - network
    return {"total_ms": total, "cpu_ms": round(cpu_ms, 3), "runnable_ms": round(rest * 0.1, 3), "stolen_ms": round(rest * 0.05, 3),
            "network_ms": round(network, 3), "dns_ms": round(rest * 0.2, 3), "file_ms": round(rest * 0.1, 3), "lock_ms": round(rest * 0.3, 3),
            "sleep_ms": round(rest * 0.15, 3), "child_ms": round(rest * 0.1, 3), "other_ms": 0}  # fmt: skip


def line(name, number, random_):
    """One invocation; every hundredth line is full, as with LAMPREY_DETAIL=auto."""
    index = NAMES.index(name) if name in NAMES else zlib.crc32(name.encode()) % 14
    cold = number % 500 == 1
    took = round((20 + 27 * index) * random_.lognormvariate(0, 0.25) + (310 if cold else 0), 3)
    live = 9_000_000 + 700_000 * index + (31_000 * number if name == "search-index" else 0)
    record = {
        "lamprey": "1", "type": "invoke", "status": "ok", "headline": f"Took {took:.0f} ms.", "function_name": name,
        "request_id": f"{random_.getrandbits(32):08x}-1111-4222-8333-{number:012x}", "invocation": (number - 1) % 500 + 1,
        "started": f"2026-11-28T{10 + number // 3600 % 12:02}:{number // 60 % 60:02}:{number % 60:02}.{random_.randrange(1000):03}Z",
        "duration_ms": took, "response_ms": round(took * 0.97, 3), "cold_start": cold, "wall": wall(took, random_),
        "cpu_ms": round(took * 0.2, 3),
        "memory": {"allocations": 4100, "allocated_bytes": 3 * live // 2, "live_bytes": live, "peak_rss_bytes": live * 3 + random_.randrange(2_000_000),
                   "limit_bytes": 134217728, "sites": sites(random_, live)[:3]},
        "calls": {"total": 60, "top": [{"name": "recv", "calls": 6, "errors": 0, "total_ms": round(took / 2, 3), "bytes": 9000},
                                       {"name": "openat", "calls": 11, "errors": 2, "total_ms": 0.4, "bytes": 0}]},
        "network": [{"host": "orders-db:5432", "connects": 1 if cold else 0, "wait_ms": round(took / 2, 3), "sent_bytes": 600, "received_bytes": 8000, "errors": 0}],
        "files": [{"path": "/var/task/templates/order.html", "opens": 1, "reads": 2, "writes": 0, "bytes": 8192, "time_ms": 0.3, "errors": 0}],
    }  # fmt: skip
    if name in FINDINGS and number % 40 == 7:
        code, severity, text, advice = FINDINGS[name]
        record["findings"] = [{"code": code, "severity": severity, "text": text, "advice": advice}]
    if number % 100 == 1:
        record["memory"]["sites"] = sites(random_, live)
        record["cpu"] = cpu(random_, took * 0.2)
    if name == "orders" and number % 60 == 7:
        record |= {"duration_ms": 401.25, "response_ms": 396.5, "timeline": TIMELINE, "wall": wall(401.25, random_), "headline":
                   "Took 401 ms = 212 ms network + 24.4 ms DNS + 63.5 ms locks + 62.0 ms CPU; network.reconnect."}  # fmt: skip
    if name == "orders" and number % 400 == 12:
        record |= {"status": "timeout", "duration_ms": 3000.0, "timeline": HUNG, "blocked": BLOCKED, "headline":
                   "Timed out after 3.00 s: main thread 2.96 s in recv from 10.0.3.17:5432 (orders-db.internal); timeout.answer."}  # fmt: skip
        del record["response_ms"]
        record["wall"] = {"total_ms": 3000.0, "cpu_ms": 3.1, "runnable_ms": 0.9, "network_ms": 2996.0}
    if name == "thumbnails" and number % 700 == 33:
        record |= {"status": "out_of_memory", "headline": "Out of memory at 127 of 128 MB: decode (/var/task/thumb.py:40) held 88 MB."}
    return record


def lines(count, names=NAMES):
    """So many records of these functions in turn, always the same ones."""
    random_ = random.Random(20)
    for number in range(count):
        yield line(names[number % len(names)], number // len(names) + 1, random_)


def write_lines(path, count, names=NAMES):
    with path.open("w") as file:
        for record in lines(count, names):
            file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
    return path
