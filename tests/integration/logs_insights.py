"""Reads and runs queries of CloudWatch Logs Insights over lines of a log: a strict parser for the
commands and functions that the saved queries use (AWS's page "Logs Insights QL"), and an
interpreter that keeps to the published meaning. Anything else in a query is an error.
"""

import dataclasses
import json
import math
import re

FUNCTIONS = {"abs", "ceil", "floor", "greatest", "least", "coalesce", "ispresent", "isempty",
             "strlen", "concat", "tolower", "jsonParse", "bin"}  # fmt: skip
AGGREGATES = {"count", "sum", "avg", "min", "max", "pct", "latest", "earliest", "count_distinct",
              "sortsFirst", "sortsLast"}  # fmt: skip
COMMANDS = {"fields", "filter", "stats", "sort", "limit", "unnest", "display", "dedup"}
MOST_ROWS = 10_000

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?(?![\w.]))
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<regex>/(?:[^/\\\n]|\\.)+/)
    |(?P<name>@?[A-Za-z_]\w*(?:\.\w+)*|`[^`]+`)
    |(?P<sign><=|>=|!=|=~|[-+*/^%=<>(),|\[\]]))""",
    re.VERBOSE,
)


class QueryError(ValueError):
    """What is wrong with a query, and where."""


def tokens(text):
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    at, found = 0, []
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if not match:
            raise QueryError(f"not understood: {text[at:].strip()[:40]!r}")
        kind = match.lastgroup
        if kind == "regex" and not (found and found[-1][1] in ("like", "=~")):  # a division
            match = re.compile(r"\s*(?P<sign>/)").match(text, at)
            kind = "sign"
        found.append((kind, match[kind]))
        at = match.end()
    return found


@dataclasses.dataclass
class Node:
    """`kind` is field, literal, list, call, unary or binary."""

    kind: str
    value: object
    parts: list = dataclasses.field(default_factory=list)

    def fields(self):
        if self.kind == "field":
            yield self.value
        for part in self.parts:
            yield from part.fields()

    def aggregates(self):
        return (self.kind == "call" and self.value in AGGREGATES) or any(
            part.aggregates() for part in self.parts
        )


_LEVELS = [["or"], ["and"], ["=", "!=", "<", ">", "<=", ">=", "in", "like", "=~"],
           ["+", "-"], ["*", "/", "%"], ["^"]]  # fmt: skip


class Parser:
    def __init__(self, text):
        self.left = tokens(text)

    def peek(self, *values):
        return bool(self.left) and self.left[0][0] in ("sign", "name") and self.left[0][1] in values

    def take(self, *values):
        if not self.left:
            raise QueryError(f"the query ends where {values or 'more'} should be")
        if values and not self.peek(*values):
            raise QueryError(f"{self.left[0][1]!r} where {' or '.join(values)} should be")
        return self.left.pop(0)

    def query(self):
        commands = [self.command()]
        while self.left:
            self.take("|")
            commands.append(self.command())
        return commands

    def command(self):
        kind, name = self.take()
        if kind != "name" or name not in COMMANDS:
            raise QueryError(f"{name!r} is no command")
        return (name, getattr(self, f"_{name}")())

    def _fields(self):
        return self.named_list()

    def _display(self):
        return self.named_list()

    def _dedup(self):
        return self.named_list()

    def _filter(self):
        return self.expression()

    def _stats(self):
        what = self.named_list()
        by = []
        if self.peek("by"):
            self.take("by")
            by = self.named_list()
        if not any(node.aggregates() for _, node in what):
            raise QueryError("stats without an aggregate")
        return what, by

    def _sort(self):
        keys = []
        while True:
            node = self.expression()
            keys.append((node, self.take()[1] if self.peek("asc", "desc") else "asc"))
            if not self.peek(","):
                return keys
            self.take(",")

    def _limit(self):
        kind, number = self.take()
        if kind != "number" or not 1 <= int(number) <= MOST_ROWS:
            raise QueryError(f"limit {number}")
        return int(number)

    def _unnest(self):
        node = self.expression()
        self.take("into")
        return node, self.take()[1]

    def named_list(self):
        """Expressions, each with its alias or its own text as name."""
        items = []
        while True:
            begin = list(self.left)
            node = self.expression()
            words = [word for _, word in begin[: len(begin) - len(self.left)]]
            name = "".join(words).strip("`")
            if self.peek("as"):
                self.take("as")
                kind, name = self.take()
                if kind != "name" or not re.fullmatch(r"\w+", name):
                    raise QueryError(f"{name!r} is no alias")
            items.append((name, node))
            if not self.peek(","):
                return items
            self.take(",")

    def expression(self, level=0):
        if level == len(_LEVELS):
            return self.unary()
        node = self.expression(level + 1)
        while self.peek(*_LEVELS[level]):
            sign = self.take()[1]
            right = self.listed() if sign == "in" else self.expression(level + 1)
            node = Node("binary", sign, [node, right])
        return node

    def listed(self):
        self.take("[")
        items = [self.expression()]
        while self.peek(","):
            self.take(",")
            items.append(self.expression())
        self.take("]")
        return Node("list", None, items)

    def unary(self):
        if self.peek("not", "-"):
            return Node("unary", self.take()[1], [self.unary()])
        if self.peek("("):
            self.take("(")
            node = self.expression()
            self.take(")")
            return node
        kind, word = self.take()
        if kind == "number":
            return Node("literal", float(word) if "." in word else int(word))
        if kind == "text":
            return Node("literal", word[1:-1])
        if kind == "regex":
            return Node("literal", re.compile(word[1:-1]))
        if kind != "name" or word in COMMANDS | {"by", "as", "and", "or", "in", "like", "into"}:
            raise QueryError(f"{word!r} where a value should be")
        if self.peek("("):
            return self.call(word)
        return Node("field", word.strip("`"))

    def call(self, name):
        if name not in FUNCTIONS | AGGREGATES:
            raise QueryError(f"{name!r} is no function")
        self.take("(")
        if name == "count" and self.peek("*"):
            self.take("*")
            self.take(")")
            return Node("call", name)
        parts = []
        if not self.peek(")"):
            parts.append(self.expression())
        while self.peek(","):
            self.take(",")
            parts.append(self.expression())
        self.take(")")
        if name in AGGREGATES and any(part.aggregates() for part in parts):
            raise QueryError(f"an aggregate within {name}")
        return Node("call", name, parts)


def parse(text):
    """The commands of a query: pairs of a name and its parsed words."""
    return Parser(text).query()


def flatten(value, prefix=""):
    """The fields that are discovered in an object, by their dotted names."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    flat = {}
    for name, inner in pairs:
        if isinstance(inner, (dict, list)):
            flat.update(flatten(inner, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = int(inner) if isinstance(inner, bool) else inner
    return flat


def events(lines, stream="stream"):
    """What Logs Insights would have of the lines of a log, in order."""
    rows = []
    for number, line in enumerate(lines):
        row = {"@message": line, "@timestamp": number, "@logStream": stream}
        if line.startswith("{"):
            row.update(flatten(json.loads(line)))
        rows.append(row)
    return rows


def _lookup(row, name):
    if name in row:
        return row[name]
    head, _, rest = name.partition(".")  # a structure that jsonParse or unnest gave
    value = row.get(head)
    for part in rest.split(".") if rest else ():
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _number(value):
    if isinstance(value, (int, float)):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _binary(sign, a, b):
    if sign == "in":
        return a in b
    if sign in ("like", "=~"):
        if a is None:
            return False
        return bool(b.search(str(a))) if isinstance(b, re.Pattern) else b in str(a)
    if sign in ("=", "!="):
        equal = a == b or (_number(a) is not None and _number(a) == _number(b))
        return a is not None and equal == (sign == "=")
    x, y = _number(a), _number(b)
    if x is None or y is None:
        return False if sign in ("<", ">", "<=", ">=") else None
    if sign in ("/", "%") and y == 0:
        return None
    return {
        "<": lambda: x < y, ">": lambda: x > y, "<=": lambda: x <= y, ">=": lambda: x >= y,
        "+": lambda: x + y, "-": lambda: x - y, "*": lambda: x * y, "/": lambda: x / y,
        "%": lambda: x % y, "^": lambda: x**y,
    }[sign]()  # fmt: skip


def _call(name, values):
    first = values[0] if values else None
    numbers = [n for n in map(_number, values) if n is not None]
    if name == "coalesce":
        return next((v for v in values if v is not None), None)
    if name in ("ispresent", "isempty"):
        return (first is not None) if name == "ispresent" else first in (None, "")
    if name == "concat":
        return "".join("" if v is None else str(v) for v in values)
    if first is None:
        return None
    return {
        "abs": lambda: abs(numbers[0]), "ceil": lambda: math.ceil(numbers[0]),
        "floor": lambda: math.floor(numbers[0]), "greatest": lambda: max(numbers),
        "least": lambda: min(numbers), "strlen": lambda: len(str(first)),
        "tolower": lambda: str(first).lower(), "jsonParse": lambda: json.loads(first),
    }[name]()  # fmt: skip


def value_of(node, row):
    if node.kind == "field":
        return _lookup(row, node.value)
    if node.kind == "literal":
        return node.value
    if node.kind == "list":
        return [value_of(part, row) for part in node.parts]
    if node.kind == "unary":
        value = value_of(node.parts[0], row)
        return (not value) if node.value == "not" else -value
    if node.kind == "binary" and node.value in ("and", "or"):
        left = bool(value_of(node.parts[0], row))
        if left == (node.value == "or"):
            return left
        return bool(value_of(node.parts[1], row))
    values = [value_of(part, row) for part in node.parts]
    return _binary(node.value, *values) if node.kind == "binary" else _call(node.value, values)


def percentile(numbers, share):
    ordered = sorted(numbers)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)] if ordered else None


def _aggregate(node, rows, known):
    """The value of an expression over a group; `known` are the aliases before it."""
    if node.kind != "call" or node.value not in AGGREGATES:
        if node.kind == "binary":
            return _binary(node.value, *(_aggregate(part, rows, known) for part in node.parts))
        return value_of(node, known)
    if not node.parts:
        return len(rows)
    values = [v for v in (value_of(node.parts[0], row) for row in rows) if v is not None]
    numbers = [n for n in map(_number, values) if n is not None]
    if node.value == "pct":
        return percentile(numbers, node.parts[1].value)
    if node.value in ("sortsFirst", "sortsLast"):
        return {"sortsFirst": min, "sortsLast": max}[node.value](map(str, values), default=None)
    if node.value in ("latest", "earliest"):
        return (values[-1] if node.value == "latest" else values[0]) if values else None
    if node.value in ("count", "count_distinct"):
        return len(values) if node.value == "count" else len(set(values))
    if not numbers:
        return None
    return {"sum": sum, "min": min, "max": max, "avg": lambda n: sum(n) / len(n)}[node.value](
        numbers
    )


def _stats(rows, words):
    what, by = words
    groups = {}
    for row in rows:
        key = tuple(value_of(node, row) for _, node in by)
        if None not in key:
            groups.setdefault(key, []).append(row)
    result = []
    for key, members in groups.items():
        row = dict(zip((name for name, _ in by), key, strict=True))
        for name, node in what:
            row[name] = _aggregate(node, members, row)
        result.append(row)
    return result


def _unnest(rows, words):
    node, name = words
    result = []
    for row in rows:
        value = value_of(node, row)
        items = value if isinstance(value, list) else [] if value is None else [value]
        result += [{**row, name: item} for item in items]
    return result


def _sort(rows, keys):
    for node, direction in reversed(keys):
        values = [(value_of(node, row), row) for row in rows]
        known = [pair for pair in values if pair[0] is not None]
        known.sort(key=lambda pair: pair[0], reverse=direction == "desc")
        rows = [row for _, row in known] + [row for value, row in values if value is None]
    return rows


def run(text, rows):
    """The rows that the query gives."""
    shown = None
    for name, words in parse(text):
        if name == "filter":
            rows = [row for row in rows if value_of(words, row)]
        elif name in ("fields", "display"):
            rows = [{**row, **{n: value_of(node, row) for n, node in words}} for row in rows]
            shown = [n for n, _ in words]
        elif name == "stats":
            rows, shown = _stats(rows, words), None
        elif name == "sort":
            rows = _sort(rows, words)
        elif name == "limit":
            rows = rows[:words]
        elif name == "unnest":
            rows = _unnest(rows, words)
        elif name == "dedup":
            seen = {tuple(value_of(node, row) for _, node in words): row for row in reversed(rows)}
            rows = list(reversed(seen.values()))
    if shown:
        rows = [{name: row.get(name) for name in shown} for row in rows]
    return rows
