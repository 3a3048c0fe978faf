"""The row of a NAS-Bench-101 record: a JSON array of hash, epochs, adjacency, operations, metrics.

Two things are stranger than they look. The base64 of the metrics is MIME-wrapped (a newline after
every 76 characters and at the end), which a strict decoder refuses on every real row. And in the
files of EC-NAS, which use the same schema, the epochs are sometimes a JSON string.
"""

from __future__ import annotations

import binascii
import re
from math import isqrt
from typing import NamedTuple

import orjson

from nasbase.benchmarks.nb101.space import LABELS, MAX_VERTICES
from nasbase.errors import RawDataError

MAX_EPOCHS = 32_767  # int16 in the tables

_HASH = re.compile(r"[0-9a-f]{32}")
_BITS = re.compile(r"[01]+")
_INTEGER = re.compile(r"[0-9]{1,5}")


class Row(NamedTuple):
    """One record, its metrics still as protobuf."""

    hash: str
    epochs: int
    adjacency: str
    operations: str
    metrics: bytes


def parse_row(payload: bytes) -> Row:
    """Parse the JSON and the base64 of one record (errors do not know which: `located`).

    The cell's text is taken as it is; `check_cell` judges it, once per distinct cell.

    Raises
    ------
    RawDataError
        If the record is not a row of five of the right types, or the base64 is broken.
    """
    try:
        row = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise _bad("A record is not JSON.", "a JSON array of five", error) from error
    if type(row) is not list or len(row) != 5:
        found = f"{len(row)} items" if isinstance(row, list) else type(row).__name__
        raise _bad("A record is not a row of five.", "a JSON array of five", found)
    cell_hash, epochs, adjacency, operations, metrics = row
    if not (type(cell_hash) is type(adjacency) is type(operations) is type(metrics) is str):
        found = ", ".join(type(item).__name__ for item in row)
        raise _bad("A row holds other types.", "str, int, str, str, str", found)
    if type(epochs) is not int or not 0 < epochs <= MAX_EPOCHS:
        epochs = _epochs_from_text(epochs)
    try:
        message = binascii.a2b_base64(metrics.replace("\n", ""), strict_mode=True)
    except ValueError as error:  # binascii.Error, or a character beyond ASCII
        raise _bad(
            "The metrics of a record are not base64.", "base64 in lines of 76", error
        ) from error
    return Row(cell_hash, epochs, adjacency, operations, message)


def check_cell(cell_hash: str, adjacency: str, operations: str) -> tuple[int, int]:
    """Vertices and edges of a stored cell.

    Raises
    ------
    RawDataError
        If the hash is not one, or the adjacency and the operations do not describe a cell.
    """
    if not _HASH.fullmatch(cell_hash):
        raise _bad("A hash is not one.", "32 digits 0-9a-f", repr(cell_hash[:80]))
    vertices = isqrt(len(adjacency))
    if not _BITS.fullmatch(adjacency) or vertices**2 != len(adjacency) or vertices < 2:
        raise _bad(
            "An adjacency is not a square of 0 and 1.",
            f"4 to {MAX_VERTICES**2} digits 0 and 1, a square number of them",
            repr(adjacency[:80]),
        )
    if vertices > MAX_VERTICES:
        raise _bad("A cell is too large.", f"at most {MAX_VERTICES} vertices", vertices)
    if any("1" in adjacency[v * vertices : v * vertices + v + 1] for v in range(vertices)):
        raise _bad("An adjacency has a backward edge.", "an upper triangular matrix", adjacency)
    labels = operations.split(",")
    inner = labels[1:-1]
    if len(labels) != vertices or labels[0] != "input" or labels[-1] != "output":
        expected = f"{vertices} labels from input to output"
        raise _bad("The operations do not fit the adjacency.", expected, operations[:200])
    if any(label not in LABELS for label in inner):
        raise _bad("An operation is unknown.", ", ".join(LABELS), operations[:200])
    return vertices, adjacency.count("1")


def _epochs_from_text(epochs: object) -> int:
    if isinstance(epochs, str) and _INTEGER.fullmatch(epochs) and 0 < int(epochs) <= MAX_EPOCHS:
        return int(epochs)
    raise _bad(
        "The epochs of a record are no schedule.",
        f"an integer from 1 to {MAX_EPOCHS}",
        repr(epochs)[:80],
    )


def _bad(what: str, expected: object, found: object) -> RawDataError:
    return RawDataError(what, expected=expected, found=found)
