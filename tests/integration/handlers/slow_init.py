"""A Lambda function whose first start takes longer than Lambda allows an init."""

import os
import time

if not os.path.exists("/tmp/slow_init_was_here"):
    with open("/tmp/slow_init_was_here", "w"):
        time.sleep(11)


def handler(event, context):
    return event
