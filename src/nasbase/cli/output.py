"""Answers as text, JSON or CSV.

Text is what the result prints. JSON is ``{"build", "synthetic", "answer"}``, so that a script sees
made-up numbers for what they are; CSV says it on stderr.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def show(form: str, label: str, *, synthetic: bool, text: str, data: Mapping[str, Any]) -> None:
    """Print one answer.

    Parameters
    ----------
    form
        ``text``, ``json`` or ``csv``.
    label
        The build that answered.
    synthetic
        Whether its numbers are made up.
    text
        The answer for a person.
    data
        The answer for a program: columns as lists, or one row as single values.
    """
    if form == "text":
        print(text)
    elif form == "json":
        document = {"build": label, "synthetic": synthetic, "answer": _plain(data)}
        print(json.dumps(document, indent=1, allow_nan=False))
    else:
        print(label, file=sys.stderr)
        write_csv(data)


def write_csv(data: Mapping[str, Any]) -> None:
    """Write columns (all values are lists) or one row as CSV to stdout."""
    whole = all(isinstance(value, list | tuple) for value in data.values())
    columns = list(data.values()) if whole else [[value] for value in data.values()]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(data)
    writer.writerows([_cell(value) for value in row] for row in zip(*columns, strict=True))


def _cell(value: Any) -> Any:
    """A cell of CSV: what has parts is written as JSON."""
    if isinstance(value, list | tuple | Mapping):
        return json.dumps(_plain(value))
    return value


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: they are written as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(float(value))
    return value


def table(rows: Sequence[Sequence[str]], sides: str) -> str:
    """Rows of cells as aligned text; ``sides`` has ``<`` or ``>`` per column."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(sides))]
    lines = []
    for row in rows:
        aligned = zip(row, widths, sides, strict=True)
        lines.append("  ".join(f"{cell:{side}{width}}" for cell, width, side in aligned).rstrip())
    return "\n".join(lines)
