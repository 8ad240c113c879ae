"""A Lambda function with known costs, so that what Lamprey says about it can be checked.

Every invocation allocates eight blocks of 1 MiB and lets go of them, reads this file once, makes
one HTTP request to EXAMPLE_SERVER, which answers after 30 ms, and sleeps for 50 ms.
"""

import os
import time
import urllib.request

BLOCKS = 8
BLOCK_BYTES = 1 << 20
SLEEP_SECONDS = 0.05


def handler(event, context):
    blocks = [bytearray(BLOCK_BYTES) for _ in range(BLOCKS)]
    with open(__file__, "rb") as source:
        read = len(source.read())
    with urllib.request.urlopen(os.environ["EXAMPLE_SERVER"], timeout=5) as answer:
        received = len(answer.read())
    time.sleep(SLEEP_SECONDS)
    return {"allocated": sum(map(len, blocks)), "read": read, "received": received}
