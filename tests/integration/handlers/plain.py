"""A Lambda function that does nothing of its own."""


def handler(event, context):
    return event
