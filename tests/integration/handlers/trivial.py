"""The least that a function can do: what is measured with it is what surrounds it."""


def handler(event, context):
    return "ok"
