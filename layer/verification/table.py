"""The table function x check, and the list of what is wrong below it. Text only; who fails stands in checks.py."""

import dataclasses

HELD, FAILED, SKIPPED = "ok", "FAILED", "-"
MOST_SHOWN = 5  # of one cell's words


@dataclasses.dataclass
class Cell:
    state: str
    words: list  # what is wrong, or why it was skipped


def held_or_not(words):
    """A cell of what a check yields."""
    words = list(words)
    return Cell(FAILED if words else HELD, words)


def skipped(reason):
    return Cell(SKIPPED, [reason])


class Table:
    def __init__(self, columns):
        self.columns = columns
        self.rows = {}

    def put(self, row, column, cell):
        self.rows.setdefault(row, {})[column] = cell

    def count(self, state):
        return sum(cell.state == state for row in self.rows.values() for cell in row.values())

    def failures(self):
        """(row, column, words) of each cell that failed."""
        return [(row, column, word) for row, cells in self.rows.items() for column, cell in cells.items()
                if cell.state == FAILED for word in cell.words]  # fmt: skip

    def _grid(self):
        used = [c for c in self.columns if any(c in cells for cells in self.rows.values())]
        yield ["function", *used]
        for row, cells in self.rows.items():
            yield [row, *(cells[c].state if c in cells else "" for c in used)]

    def __str__(self):
        grid = list(self._grid())
        widths = [max(map(len, column)) for column in zip(*grid)]
        lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in grid]
        lines += ["", *self._failed_lines(), *self._skipped_lines()]
        held, failed, left = map(self.count, (HELD, FAILED, SKIPPED))
        return "\n".join([*lines, f"{held} checks held, {failed} failed, {left} skipped"])

    def _failed_lines(self):
        for row, cells in self.rows.items():
            for column, cell in cells.items():
                if cell.state == FAILED:
                    shown = cell.words[:MOST_SHOWN]
                    yield from (f"FAILED {row}, {column}: {word}" for word in shown)
                    more = len(cell.words) - len(shown)
                    if more:
                        yield f"FAILED {row}, {column}: and {more} more"

    def _skipped_lines(self):
        """Reasons, each with how many checks it stands for."""
        reasons = {}
        for cells in self.rows.values():
            for column, cell in cells.items():
                if cell.state == SKIPPED:
                    reasons.setdefault((column, cell.words[0]), []).append(column)
        for (column, reason), of in sorted(reasons.items()):
            yield f"skipped {column} ({len(of)}): {reason}"
