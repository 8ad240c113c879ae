"""A Lambda function whose init takes longer than any limit."""

import time

time.sleep(600)
