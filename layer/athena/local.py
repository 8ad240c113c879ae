#!/usr/bin/env python3
"""Runs Athena's queries in DuckDB on a file of log lines: local.py LOGS QUERY.sql...

The text of the queries is Trino's SQL and stays so: it is read and translated, not written twice.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent


def translate(text):
    """The one statement of an Athena query, as DuckDB says it."""
    import sqlglot

    statements = sqlglot.transpile(text, read="athena", write="duckdb")
    if len(statements) != 1:
        raise ValueError(f"{len(statements)} statements where one should be")
    return statements[0]


def database(lines):
    """A database with the table and the view, of the given lines."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("CREATE TABLE lamprey_logs (line VARCHAR)")
    if lines:
        connection.execute(
            "INSERT INTO lamprey_logs SELECT unnest(?)", [[line.rstrip("\n") for line in lines]]
        )
    connection.execute(translate((HERE / "records.sql").read_text()))
    return connection


def main(words):
    if len(words) < 2:
        print("use: local.py LOGS QUERY.sql...", file=sys.stderr)
        return 2
    with open(words[0], encoding="utf-8", errors="replace") as file:
        connection = database(file.readlines())
    for path in words[1:]:
        print(connection.sql(translate(pathlib.Path(path).read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
