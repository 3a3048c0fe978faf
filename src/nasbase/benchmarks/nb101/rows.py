"""The row of a NAS-Bench-101 record: a JSON array of hash, epochs, adjacency, operations, metrics.

Two things are stranger than they look. The base64 of the metrics is MIME-wrapped (a newline after
every 76 characters and at the end), which a strict decoder refuses on every real row. And in the
files of EC-NAS, which use the same schema, the epochs are sometimes a JSON string.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray
from pybase64 import b64decode

from nasbase.benchmarks.nb101.space import INPUT, LABELS, MAX_VERTICES, OUTPUT
from nasbase.containers.tfrecord import Block, located
from nasbase.errors import RawDataError
from nasbase.tables.arrow import texts_of

MAX_EPOCHS = 32_767  # int16 in the tables

_HASH = re.compile(r"[0-9a-f]{32}")
_BITS = re.compile(r"[01]+")
_INTEGER = re.compile(r"[0-9]{1,5}")
_LINE = 76  # characters of base64 in a line
_QUOTES = 8
_HASH_BYTES = 32
_IS_DIGIT = np.isin(np.arange(256), list(b"0123456789abcdef"))  # by byte
NUMBER_BYTES = 8
"""Where `numbers_at` looks for a number."""
_EPOCHS = re.compile(rb'", ([1-9][0-9]{0,4})(?:,|$)')
_TEXTS = ("hash", "adjacency", "operations")
_NONE = np.empty(0, np.int64)


class Row(NamedTuple):
    """One record, its metrics still as protobuf."""

    hash: str
    epochs: int
    adjacency: str
    operations: str
    metrics: bytes


class Rows(NamedTuple):
    """Many records, column by column.

    ``metrics`` holds their messages, those of one length together: their places among the records
    (int64 of shape (n,)), and their bytes (uint8 of shape (n, bytes)). Every place comes once.
    """

    hash: pa.StringArray
    epochs: NDArray[np.int64]
    adjacency: pa.StringArray
    operations: pa.StringArray
    metrics: Sequence[tuple[NDArray[np.int64], NDArray[np.uint8]]]


def parse_rows(block: Block) -> Rows:
    """Parse the records of a block; `parse_row` says what is accepted.

    Rows that look as upstream's do are taken apart all at once, the others one by one.

    Raises
    ------
    RawDataError
        What `parse_row` raises, with the record's place.
    """
    places, rows = _parse_usual(block)
    other = np.setdiff1d(np.arange(len(block)), places, assume_unique=True)
    if not len(other):
        return rows
    more = _parse_each(block, other)
    order = pa.array(np.argsort(np.concatenate([places, other])))
    texts = ((getattr(rows, name), getattr(more, name)) for name in _TEXTS)
    hashes, adjacency, operations = (pa.concat_arrays(both).take(order) for both in texts)
    epochs = np.concatenate([rows.epochs, more.epochs])[order.to_numpy()]
    return Rows(hashes, epochs, adjacency, operations, [*rows.metrics, *more.metrics])


def _parse_usual(block: Block) -> tuple[NDArray[np.int64], Rows]:
    """Rows that are written as upstream writes them, and their places, in order."""
    marks, usual = _quotes(block)
    epochs = _epochs(block, marks)
    usual &= (epochs > 0) & (epochs <= MAX_EPOCHS)
    metrics = [*_unwrap_usual(block, marks, np.flatnonzero(usual))]
    places = np.sort(np.concatenate([_NONE, *(places for places, _ in metrics)]))
    texts = [block.texts(marks[places, i] + 1, marks[places, i + 1]) for i in (0, 2, 4)]
    try:
        hashes, adjacency, operations = (column.cast(pa.string()) for column in texts)
        plain = not any(map(_any_escape, (hashes, adjacency, operations)))
    except pa.ArrowInvalid:  # not UTF-8
        plain = False
    if not plain:  # one of them is: each is looked at
        nothing = pa.array([], pa.string())
        return _NONE, Rows(nothing, _NONE, nothing, nothing, [])
    return places, Rows(hashes, epochs[places], adjacency, operations, metrics)


def _any_escape(texts: pa.StringArray) -> bool:
    data = texts.buffers()[2]
    return data is not None and b"\\" in bytes(data)


def _parse_each(block: Block, places: NDArray[np.int64]) -> Rows:
    """Rows parsed one by one: takes what is unusual, and names what is wrong."""
    rows: list[Row] = []
    for place in places.tolist():
        try:
            rows.append(parse_row(block.payload(place)))
        except RawDataError as error:
            raise located(error, block.where(place)) from error
    hashes, epochs, adjacency, operations, messages = zip(*rows, strict=True)
    metrics = [
        (np.array([place]), np.frombuffer(message, np.uint8).reshape(1, -1))
        for place, message in zip(places.tolist(), messages, strict=True)
    ]
    texts = [pa.array(column, pa.string()) for column in (hashes, adjacency, operations)]
    return Rows(texts[0], np.array(epochs, np.int64), texts[1], texts[2], metrics)


def _quotes(block: Block) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Places of the eight quotes of each record, and whether it is written as upstream writes.

    That is ``["<32>", <epochs>, "<adjacency>", "<operations>", "<base64>"]``, byte by byte.
    Elsewhere the places mean nothing.
    """
    starts, ends = block.starts, block.starts + block.lengths
    quotes = np.append(np.flatnonzero(block.raw == ord('"')), np.zeros(_QUOTES, np.int64))
    first, behind = (np.searchsorted(quotes[:-_QUOTES], edges) for edges in (starts, ends))
    marks = quotes[first[:, None] + np.arange(_QUOTES)]
    usual = behind - first == _QUOTES
    marks[~usual] = 0
    for text, places in (
        (b'["', starts),
        (b'", ', marks[:, 1]),
        (b', "', marks[:, 2] - 2),
        (b'", "', marks[:, 3]),
        (b'", "', marks[:, 5]),
        (b'"]', marks[:, 7]),
    ):
        usual &= block.stands(text, places)
    usual &= (marks[:, 0] == starts + 1) & (marks[:, 7] == ends - 2)
    usual &= (marks[:, 4] == marks[:, 3] + 3) & (marks[:, 6] == marks[:, 5] + 3)
    usual &= marks[:, 1] - marks[:, 0] == _HASH_BYTES + 1
    marks[~usual] = 0
    return marks, usual


def _epochs(block: Block, marks: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number between the second quote and the third one; 0 where there is none."""
    values = numbers_at(block, marks[:, 1], _EPOCHS)
    digits = np.searchsorted([1, 10, 100, 1000, 10_000], values, side="right")
    fits = marks[:, 2] - marks[:, 1] == digits + 5  # quote, comma, blank, comma, blank
    return np.where(fits, values, 0)


def numbers_at(block: Block, places: NDArray[np.int64], pattern: re.Pattern[bytes]) -> NDArray[Any]:
    """What a pattern finds in the eight bytes at each place, as int64; 0 where it finds nothing.

    The records of a release have few such texts: each is looked at once.
    """
    texts = block.windows(places, NUMBER_BYTES).view("<u8")[:, 0]
    alike, which = np.unique(texts, return_inverse=True)
    found = [pattern.match(text) for text in alike.view("S8").tolist()]
    return np.array([int(match[1]) if match else 0 for match in found], np.int64)[which]


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


def _unwrap_usual(
    block: Block, marks: NDArray[np.int64], places: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Messages that are wrapped as upstream wraps them, those of one length together.

    Those that are not, or are no base64, are left out.
    """
    begins, lengths = marks[places, 6] + 1, marks[places, 7] - marks[places, 6] - 1
    for length in np.unique(lengths).tolist():
        chosen = np.flatnonzero(lengths == length)
        try:
            digits = _unfold(block.windows(begins[chosen], length))
            for some, messages in _decode(digits):
                yield places[chosen[some]], messages
        except ValueError:  # one of them is not as upstream's are: each is looked at
            continue


def _unfold(wrapped: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take out the newlines, which JSON escapes: after every 76 characters, and at the end.

    Raises
    ------
    ValueError
        If they stand elsewhere.
    """
    length = wrapped.shape[1]
    ends = np.unique(np.r_[np.arange(_LINE, length - 1, _LINE + 2), max(0, length - 2)])
    if length <= 2 or not (wrapped[:, ends] == ord("\\")).all():
        raise ValueError("newlines stand elsewhere")
    if not (wrapped[:, ends + 1] == ord("n")).all():
        raise ValueError("something else is escaped")
    lines = range(0, length - 2, _LINE + 2)
    return np.hstack([wrapped[:, i : min(i + _LINE, length - 2)] for i in lines])


def _decode(
    digits: NDArray[np.uint8],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Messages of base64 texts of one length: those that are padded alike together.

    ``digits`` is used up.

    Raises
    ------
    ValueError
        If a text is not base64.
    """
    if not digits.shape[1] or digits.shape[1] % 4:
        raise ValueError("base64 comes in fours")
    # Only the last four of a message may be padded: all others are one text.
    last = digits[:, -4:]
    padding = last == ord("=")
    if padding[:, :2].any() or (padding[:, 2] & ~padding[:, 3]).any():
        raise ValueError("padding stands elsewhere")
    last[padding] = ord("A")
    whole = np.frombuffer(b64decode(digits.data.cast("B"), validate=True), np.uint8)
    whole = whole.reshape(len(digits), -1)
    padded = padding.sum(axis=1)
    for short in np.unique(padded).tolist():
        chosen = np.flatnonzero(padded == short)
        yield chosen, whole[chosen, : whole.shape[1] - short]


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
    hashes: pa.StringArray, adjacency: pa.DictionaryArray, operations: pa.DictionaryArray
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Vertices and edges of many stored cells; `check_cell` says what is refused."""
    graphs = chain.from_iterable(map(_check_graph, adjacency.dictionary.to_pylist()))
    labels = map(_check_labels, operations.dictionary.to_pylist())
    sizes, counts = np.fromiter(graphs, np.int8).reshape(-1, 2), np.fromiter(labels, np.int8)
    vertices, edges = sizes[adjacency.indices.to_numpy()].T
    fit = counts[operations.indices.to_numpy()] == vertices
    if not (fit.all() and _are_hashes(hashes)):
        columns = (column.to_pylist() for column in (hashes, adjacency, operations))
        for cell in zip(*columns, strict=True):
            check_cell(*cell)
    return vertices, edges


def _are_hashes(texts: pa.StringArray) -> bool:
    lengths, joint = texts_of(texts)
    return bool((lengths == _HASH_BYTES).all() and _IS_DIGIT[np.frombuffer(joint, np.uint8)].all())


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
