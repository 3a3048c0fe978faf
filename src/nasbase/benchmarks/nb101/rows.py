"""The row of a NAS-Bench-101 record: a JSON array of hash, epochs, adjacency, operations, metrics.

Two things are stranger than they look. The base64 of the metrics is MIME-wrapped (a newline after
every 76 characters and at the end), which a strict decoder refuses on every real row. And in the
files of EC-NAS, which use the same schema, the epochs are sometimes a JSON string.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nasbase.benchmarks.nb101.space import INPUT, LABELS, MAX_VERTICES, OUTPUT
from nasbase.containers.tfrecord import located
from nasbase.errors import RawDataError

MAX_EPOCHS = 32_767  # int16 in the tables

_HASH = re.compile(r"[0-9a-f]{32}")
_BITS = re.compile(r"[01]+")
_INTEGER = re.compile(r"[0-9]{1,5}")
_LINE = 76  # characters of base64 in a line
# Rows are few enough at a time that the garbage collector, which counts lists, never walks them.
_AT_ONCE = 512
_TYPES = [{str}, {int}, {str}, {str}, {str}]


class Row(NamedTuple):
    """One record, its metrics still as protobuf."""

    hash: str
    epochs: int
    adjacency: str
    operations: str
    metrics: bytes


class Rows(NamedTuple):
    """Many records, column by column, their metrics still as base64: `unwrap` takes them."""

    hash: list[str]
    epochs: list[int]
    adjacency: list[str]
    operations: list[str]
    metrics: list[str]


def parse_rows(payloads: Sequence[bytes], where: Callable[[int], str]) -> Rows:
    """Parse many records at once; `parse_row` says what is accepted.

    Parameters
    ----------
    payloads
        The records.
    where
        Says where a record comes from, by its position in ``payloads``; for errors.

    Raises
    ------
    RawDataError
        What `parse_row` raises, with the record's place.
    """
    columns: list[list[Any]] = [[] for _ in Rows._fields]
    for start in range(0, len(payloads), _AT_ONCE):
        chunk = payloads[start : start + _AT_ONCE]
        parsed = _parse_usual(chunk) or _parse_each(chunk, start, where)
        for column, more in zip(columns, parsed, strict=True):
            column.extend(more)
    return Rows(*columns)


def _parse_usual(payloads: Sequence[bytes]) -> tuple[Sequence[Any], ...] | None:
    """Columns of rows that are all as upstream writes them; None if one may not be."""
    try:
        columns = tuple(zip(*map(orjson.loads, payloads), strict=True))
        usual = [set(map(type, column)) for column in columns] == _TYPES
        if usual and min(columns[1]) > 0 and max(columns[1]) <= MAX_EPOCHS:
            return columns
    except (TypeError, ValueError):
        pass  # not JSON, or not arrays of one length
    return None


def _parse_each(
    payloads: Sequence[bytes], first: int, where: Callable[[int], str]
) -> tuple[Sequence[Any], ...]:
    """Columns of rows parsed one by one: takes what is unusual, and names what is wrong."""
    rows: list[tuple[str, int, str, str, str]] = []
    try:
        for payload in payloads:
            rows.append(_five(payload))  # noqa: PERF401  # the error needs the position
    except RawDataError as error:
        raise located(error, where(first + len(rows))) from error
    return tuple(zip(*rows, strict=True))


def parse_row(payload: bytes) -> Row:
    """Parse the JSON and the base64 of one record (errors do not know which: `located`).

    The cell's text is taken as it is; `check_cell` judges it, once per distinct cell.

    Raises
    ------
    RawDataError
        If the record is not a row of five of the right types, or the base64 is broken.
    """
    cell_hash, epochs, adjacency, operations, text = _five(payload)
    return Row(cell_hash, epochs, adjacency, operations, _unwrap(text))


def _five(payload: bytes) -> tuple[str, int, str, str, str]:
    """The five of a record, the metrics still as text."""
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
    return cell_hash, epochs, adjacency, operations, metrics


# ---------------------------------------------------------------------------------------------
# metrics


def unwrap(
    texts: Sequence[str], where: Callable[[int], str]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Take the base64 off many messages; those of one length come together.

    Parameters
    ----------
    texts
        MIME-wrapped base64; nothing but the newlines is forgiven.
    where
        Says where a text comes from, by its position in ``texts``; for errors.

    Yields
    ------
    places : int64 of shape (n,)
        Positions in ``texts``.
    messages : uint8 of shape (n, bytes)
        Their messages.

    Raises
    ------
    RawDataError
        If a text is not base64.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    for length in np.unique(lengths).tolist():
        places = np.flatnonzero(lengths == length)
        alike = [texts[place] for place in places.tolist()]
        try:
            yield from _unwrap_alike(alike, places, length)
        except ValueError:  # not wrapped as upstream wraps it, or not base64 at all
            yield from _unwrap_each(alike, places, where)


def _unwrap_alike(
    texts: list[str], places: NDArray[np.int64], length: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Texts of one length with a newline after every 76 characters and at the end.

    Raises
    ------
    ValueError
        If they are something else.
    """
    if not length:
        raise ValueError("an empty text has no newline")
    wrapped = np.frombuffer("".join(texts).encode("ascii"), np.uint8).reshape(-1, length)
    ends = np.unique(np.r_[np.arange(_LINE, length, _LINE + 1), length - 1])
    if not (wrapped[:, ends] == ord("\n")).all():
        raise ValueError("newlines stand elsewhere")
    digits = np.delete(wrapped, ends, axis=1)
    if not digits.shape[1] or digits.shape[1] % 4:
        raise ValueError("base64 comes in fours")
    # Only the last four of a message may be padded: all others are one text.
    last = digits[:, -4:]
    padding = last == ord("=")
    if padding[:, :2].any() or (padding[:, 2] & ~padding[:, 3]).any():
        raise ValueError("padding stands elsewhere")
    body, tail = (
        np.frombuffer(binascii.a2b_base64(part.tobytes(), strict_mode=True), np.uint8)
        for part in (digits[:, :-4], np.where(padding, ord("A"), last).astype(np.uint8))
    )
    whole = np.hstack([body.reshape(len(texts), -1), tail.reshape(len(texts), 3)])
    padded = padding.sum(axis=1)
    for short in np.unique(padded).tolist():
        chosen = padded == short
        yield places[chosen], whole[chosen, : whole.shape[1] - short]


def _unwrap_each(
    texts: list[str], places: NDArray[np.int64], where: Callable[[int], str]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    for place, text in zip(places.tolist(), texts, strict=True):
        try:
            message = _unwrap(text)
        except RawDataError as error:
            raise located(error, where(place)) from error
        yield np.array([place]), np.frombuffer(message, np.uint8).reshape(1, -1)


def _unwrap(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text.replace("\n", ""), strict_mode=True)
    except ValueError as error:  # binascii.Error, or a character beyond ASCII
        raise _bad(
            "The metrics of a record are not base64.", "base64 in lines of 76", error
        ) from error


# ---------------------------------------------------------------------------------------------
# cells


def check_cells(
    hashes: pa.Array, adjacency: pa.Array, operations: pa.Array
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Vertices and edges of many stored cells; `check_cell` says what is refused."""
    graphs, labels = adjacency.dictionary_encode(), operations.dictionary_encode()
    sizes = np.array([*map(_check_graph, graphs.dictionary.to_pylist())], np.int8).reshape(-1, 2)
    counts = np.array([*map(_check_labels, labels.dictionary.to_pylist())], np.int8)
    vertices, edges = sizes[np.asarray(graphs.indices)].T
    right = np.asarray(pc.match_substring_regex(hashes, f"^(?:{_HASH.pattern})$"))
    bad = np.flatnonzero(~right | (counts[np.asarray(labels.indices)] != vertices))
    for index in bad[:1].tolist():
        check_cell(*(column[index].as_py() for column in (hashes, adjacency, operations)))
    return vertices, edges


def check_cell(cell_hash: str, adjacency: str, operations: str) -> tuple[int, int]:
    """Vertices and edges of a stored cell.

    Raises
    ------
    RawDataError
        If the hash is not one, or the adjacency and the operations do not describe a cell.
    """
    if not _HASH.fullmatch(cell_hash):
        raise _bad("A hash is not one.", "32 digits 0-9a-f", repr(cell_hash[:80]))
    vertices, edges = _check_graph(adjacency)
    labels = _check_labels(operations)
    if labels != vertices:
        raise _bad("The operations do not fit the adjacency.", f"{vertices} labels", operations)
    return vertices, edges


@lru_cache(maxsize=8192)  # more than the 6,472 graphs of the space
def _check_graph(adjacency: str) -> tuple[int, int]:
    """Vertices and edges."""
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
    return vertices, adjacency.count("1")


@lru_cache(maxsize=512)  # more than the 364 labelings of the space
def _check_labels(operations: str) -> int:
    """Number of labels."""
    labels = operations.split(",")
    if len(labels) < 2 or (labels[0], labels[-1]) != (INPUT, OUTPUT):
        raise _bad(
            "The operations are incomplete.", "labels from input to output", operations[:200]
        )
    if any(label not in LABELS for label in labels[1:-1]):
        raise _bad("An operation is unknown.", ", ".join(LABELS), operations[:200])
    return len(labels)


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
