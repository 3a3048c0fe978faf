"""The space of NAS-Bench-101: cells, their pruned form and their hash.

A cell is a directed acyclic graph of at most 7 vertices and 9 edges, counted after vertices that
lie on no path from input to output are removed. This module needs nothing but the standard
library, so that a query can name an architecture without loading numpy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import md5
from itertools import combinations
from math import isqrt
from typing import Any, NamedTuple, TypeVar

from nasbase.benchmarks.encodings import bits_of, did_you_mean, integer, one_hot
from nasbase.errors import SpaceError

MAX_VERTICES = 7
MAX_EDGES = 9
INPUT, OUTPUT = "input", "output"
LABELS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""Operations of interior vertices; the position is the label that enters the hash."""

SPACE_SIZE = 423_624
HASHES_SHA256 = "53e1438d11675d9eb3899166c29ca07fe0c4b81af9d99d5aec3ecd31bd5bca7f"
"""SHA-256 of the sorted hashes of the whole space, each followed by a newline."""

_HASH_LABELS = {INPUT: -1, OUTPUT: -2, **{label: index for index, label in enumerate(LABELS)}}
_HASH = re.compile(r"[0-9a-f]{32}")

PAIRS = tuple(combinations(range(MAX_VERTICES), 2))
"""Possible edges (source, target) of seven vertices: the upper triangle, row by row."""

EDGE_KEYS = tuple(f"edge_{number}" for number in range(len(PAIRS)))
OP_KEYS = tuple(f"op_node_{number}" for number in range(MAX_VERTICES - 2))
"""Names of a configuration's choices, as in HPOBench."""

T = TypeVar("T")
Matrix = tuple[tuple[int, ...], ...]
Spec = tuple[Matrix, tuple[str, ...]]
"""Adjacency matrix and operations as given: well formed, not pruned."""


class Cell(NamedTuple):
    """A pruned, valid cell."""

    matrix: Matrix
    ops: tuple[str, ...]

    @property
    def adjacency(self) -> str:
        """The matrix as a string of 0 and 1, row by row."""
        return "".join(str(bit) for row in self.matrix for bit in row)

    @property
    def operations(self) -> str:
        """The operations, joined by commas."""
        return ",".join(self.ops)

    @property
    def hash(self) -> str:
        """The hash that isomorphic cells share."""
        return cell_hash(self.matrix, self.ops)


def cell_hash(matrix: Matrix, ops: Sequence[str]) -> str:
    """Graph-invariant hash of a cell, given as it is (upstream hashes the pruned cell).

    Every vertex starts with its degrees and label; see `graph_hash`.
    """
    starts = [
        (len(targets), len(sources), _HASH_LABELS[op])
        for (sources, targets), op in zip(_neighbours(matrix), ops, strict=True)
    ]
    return graph_hash(matrix, starts)


def graph_hash(matrix: Matrix, starts: Sequence[tuple]) -> str:
    """Graph-invariant hash of any directed graph.

    Every vertex starts with the MD5 of what is given for it and is re-hashed once per vertex of
    the graph with the hashes of its neighbours. The strings that are hashed are Python's own
    spelling of tuples and lists, as in google-research/nasbench ``graph_util.hash_module``.
    """
    neighbours = _neighbours(matrix)
    hashes = [*map(_start_hash, starts)]
    join = "".join
    for _ in starts:
        of = hashes.__getitem__
        hashes = [
            md5(
                f"{join(sorted(map(of, sources)))}|{join(sorted(map(of, targets)))}|{own}".encode()
            ).hexdigest()
            for (sources, targets), own in zip(neighbours, hashes, strict=True)
        ]
    return md5(str(sorted(hashes)).encode()).hexdigest()


@lru_cache(maxsize=1024)  # more than the different vertices of cells
def _start_hash(start: tuple) -> str:
    return md5(str(start).encode()).hexdigest()


def prune(matrix: Matrix, ops: Sequence[T]) -> tuple[Matrix, tuple[T, ...]]:
    """Remove the vertices that lie on no path from the first vertex to the last one.

    Raises
    ------
    SpaceError
        If there is no such path.
    """
    last = len(ops) - 1
    neighbours = _neighbours(matrix)
    forward, backward = {0}, {last}
    for vertex in range(1, last + 1):  # sources come before their targets
        if forward.intersection(neighbours[vertex][0]):
            forward.add(vertex)
    for vertex in range(last - 1, -1, -1):
        if backward.intersection(neighbours[vertex][1]):
            backward.add(vertex)
    keep = sorted(forward & backward)
    if last not in keep:
        raise SpaceError("No path leads from the cell's input to its output.", found=matrix)
    return (
        tuple(tuple(matrix[source][target] for target in keep) for source in keep),
        tuple(ops[vertex] for vertex in keep),
    )


def spec_of(architecture: Any) -> Spec:
    """Matrix and operations of an architecture as given, before anything is pruned.

    Parameters
    ----------
    architecture
        As for `cell_of`.

    Raises
    ------
    SpaceError
        If it is no such thing, or its structure is not that of a cell. Whether it is a cell of
        the space is what `cell_of` says.
    """
    matrix, ops = _structure(architecture)
    _check_structure(matrix, ops)
    return matrix, ops


def cell_of(architecture: Any) -> Cell:
    """The pruned cell of an architecture in any encoding that holds its structure.

    Parameters
    ----------
    architecture
        A pair of adjacency matrix (nested sequences, an array, or a string of 0 and 1 row by row)
        and operations (a sequence or a comma-joined string); an object with the attributes
        ``matrix`` and ``ops``, like upstream's ``ModelSpec``; a mapping with ``adjacency`` and
        ``operations``, ``module_adjacency`` and ``module_operations``, or ``matrix`` and
        ``ops``; NNI's mapping of ``op1``, ... and ``input1``, ...; or a configuration of
        `EDGE_KEYS` and `OP_KEYS`.

    Raises
    ------
    SpaceError
        If it is no such thing, or not a cell of the space.
    """
    pruned = Cell(*prune(*spec_of(architecture)))
    edges = sum(map(sum, pruned.matrix))
    if len(pruned.ops) > MAX_VERTICES or edges > MAX_EDGES:
        raise SpaceError(
            "The cell is too large for NAS-Bench-101.",
            expected=f"at most {MAX_VERTICES} vertices and {MAX_EDGES} edges after pruning",
            found=f"{len(pruned.ops)} vertices, {edges} edges",
        )
    return pruned


def encode(architecture: Any) -> str:
    """Hash of an architecture in any encoding of the space (a hash is returned as it is).

    Raises
    ------
    SpaceError
        If it is not an architecture of NAS-Bench-101. Whether a build holds a hash is the
        build's business.
    """
    if isinstance(architecture, str):
        text = architecture.strip().lower()
        if _HASH.fullmatch(text):
            return text
        raise SpaceError(
            "The text is not a NAS-Bench-101 hash.",
            expected="32 digits 0-9a-f",
            found=repr(architecture[:80]),
            todo="Give a hash, a pair of adjacency and operations, a ModelSpec, or NNI's dict.",
        )
    return cell_of(architecture).hash


def matrix_of_bits(bits: str) -> Matrix:
    """Adjacency matrix from its string of 0 and 1, row by row (`SpaceError` if not square)."""
    vertices = isqrt(len(bits))
    if vertices**2 != len(bits) or set(bits) - {"0", "1"}:
        raise SpaceError(
            "The adjacency is not a square of 0 and 1.",
            expected="a square number of digits 0 and 1, at least 4",
            found=repr(bits[:80]),
        )
    rows = (bits[start : start + vertices] for start in range(0, len(bits), vertices or 1))
    return tuple(tuple(map(int, row)) for row in rows)


def is_hash(text: str) -> bool:
    """Whether a text has the form of a hash."""
    return _HASH.fullmatch(text.strip().lower()) is not None


# ---------------------------------------------------------------------------------------------
# a cell in other forms


def pad(matrix: Matrix, ops: Sequence[str], label: str = LABELS[0]) -> Spec:
    """The same cell with unconnected vertices before the output, so that there are seven."""
    more = MAX_VERTICES - len(ops)
    if more <= 0:
        return matrix, tuple(ops)
    rows = [(*row[:-1], *[0] * more, row[-1]) for row in matrix]
    empty = [(0,) * MAX_VERTICES] * more
    return (*rows[:-1], *empty, rows[-1]), (*ops[:-1], *[label] * more, ops[-1])


def from_pair(pair: Any) -> Cell:
    """The cell of a pair of adjacency and operations, in any spelling that `cell_of` reads."""
    if isinstance(pair, Mapping) or not hasattr(pair, "__len__") or len(pair) != 2:
        raise SpaceError(
            "This is no pair of adjacency and operations.",
            expected="(matrix, operations)",
            found=repr(pair)[:200],
        )
    return cell_of(tuple(pair))


def from_nni(cell: Any) -> Cell:
    """The cell of NNI's form, as `to_nni` gives it."""
    if not isinstance(cell, Mapping) or "input1" not in cell:
        raise SpaceError(
            "This is not NNI's form of a cell.",
            expected="a dict of op1, ... and input1, ...",
            found=repr(cell)[:200],
        )
    return cell_of(cell)


def from_config(choices: Any) -> Cell:
    """The cell of a configuration, as `to_config` gives it."""
    if not isinstance(choices, Mapping) or EDGE_KEYS[0] not in choices:
        raise SpaceError(
            "This is not a configuration of NAS-Bench-101.",
            expected=f"a dict of {EDGE_KEYS[0]}, ... and {OP_KEYS[0]}, ...",
            found=repr(choices)[:200],
        )
    return cell_of(choices)


def to_nni(cell: Cell) -> dict[str, Any]:
    """NNI's form: ``op<v>`` labels vertex v, ``input<v>`` lists the sources of its edges."""
    labels = {f"op{vertex}": op for vertex, op in enumerate(cell.ops[1:-1], start=1)}
    sources = {
        f"input{vertex}": list(_neighbours(cell.matrix)[vertex][0])
        for vertex in range(1, len(cell.ops))
    }
    return labels | sources


def to_config(cell: Cell) -> dict[str, Any]:
    """21 edges and 5 operations of seven vertices; what a smaller cell lacks is unconnected."""
    matrix, ops = pad(*cell)
    edges = {key: matrix[x][y] for key, (x, y) in zip(EDGE_KEYS, PAIRS, strict=True)}
    return edges | dict(zip(OP_KEYS, ops[1:-1], strict=True))


def to_one_hot(cell: Cell) -> list[int]:
    """36 bits: the 21 edges of `PAIRS`, then for each interior vertex one for each of `LABELS`.

    A cell of fewer vertices has none of the bits of the vertices it lacks, which stand before
    the output.
    """
    matrix, _ = pad(*cell)
    codes = [LABELS.index(op) for op in cell.ops[1:-1]]
    codes += [-1] * (len(OP_KEYS) - len(codes))
    return [matrix[x][y] for x, y in PAIRS] + one_hot(codes, len(LABELS))


def from_one_hot(bits: Any) -> Cell:
    """The cell of 36 bits as `to_one_hot` gives them (`SpaceError` if they are none)."""
    values = bits_of(bits, len(PAIRS) + len(OP_KEYS) * len(LABELS))
    matrix = _matrix_of_edges(values[: len(PAIRS)])
    ops = []
    for vertex in range(1, MAX_VERTICES - 1):
        start = len(PAIRS) + (vertex - 1) * len(LABELS)
        label = values[start : start + len(LABELS)]
        connected = any(matrix[vertex]) or any(row[vertex] for row in matrix)
        if sum(label) > 1 or (connected and not any(label)):
            raise SpaceError(
                "A one-hot code does not choose one operation of a vertex.",
                where=f"vertex {vertex}",
                expected=f"one of {len(LABELS)} bits set (none if the vertex has no edges)",
                found=label,
            )
        ops.append(LABELS[label.index(1)] if any(label) else LABELS[0])
    return cell_of((matrix, (INPUT, *ops, OUTPUT)))


@lru_cache(maxsize=8192)  # more than the 6,472 graphs of the space
def _neighbours(matrix: Matrix) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Sources and targets of every vertex."""
    vertices = range(len(matrix))
    return tuple(
        (
            tuple(source for source in vertices if matrix[source][vertex]),
            tuple(target for target in vertices if matrix[vertex][target]),
        )
        for vertex in vertices
    )


def _structure(architecture: Any) -> tuple[Matrix, tuple[str, ...]]:
    """Matrix and operations from any structural encoding, not yet judged."""
    if isinstance(architecture, Mapping):
        for matrix_key, ops_key in (
            ("adjacency", "operations"),
            ("module_adjacency", "module_operations"),
            ("matrix", "ops"),
        ):
            if matrix_key in architecture and ops_key in architecture:
                return _matrix(architecture[matrix_key]), _ops(architecture[ops_key])
        if EDGE_KEYS[0] in architecture:
            return _from_config(architecture)
        return _from_nni(architecture)
    if hasattr(architecture, "matrix") and hasattr(architecture, "ops"):
        if architecture.matrix is None:  # what ModelSpec makes of a cell without a path
            raise SpaceError("No path leads from the cell's input to its output.")
        return _matrix(architecture.matrix), _ops(architecture.ops)
    if isinstance(architecture, Sequence) and len(architecture) == 2:
        return _matrix(architecture[0]), _ops(architecture[1])
    raise SpaceError(
        "This is no encoding of a NAS-Bench-101 cell.",
        expected="a hash, a pair of adjacency and operations, a ModelSpec, NNI's dict, or a "
        f"configuration ({EDGE_KEYS[0]}, ...)",
        found=repr(architecture)[:200],
        todo="An index is a rank within one build: give it to the build, not to the space."
        if integer(architecture) is not None
        else None,
    )


def _matrix(value: Any) -> Matrix:
    if isinstance(value, str):
        return matrix_of_bits(value)
    try:
        rows = tuple(tuple(row) for row in value)
        matrix = tuple(tuple(int(bit) for bit in row) for row in rows)
    except (TypeError, ValueError) as error:
        raise SpaceError("The adjacency is not a matrix.", found=repr(value)[:200]) from error
    if matrix != rows or {bit for row in matrix for bit in row} - {0, 1}:
        raise SpaceError(
            "The adjacency holds other numbers.", expected="0 and 1", found=repr(value)[:200]
        )
    return matrix


def _ops(value: Any) -> tuple[str, ...]:
    ops = value.split(",") if isinstance(value, str) else value
    ordered = hasattr(ops, "__getitem__") and not isinstance(ops, Mapping)  # also an array
    if not ordered or not all(isinstance(op, str) for op in ops):
        raise SpaceError(
            "The operations are not labels.",
            expected=f"{INPUT}, then any of {', '.join(LABELS)}, then {OUTPUT}",
            found=repr(value)[:200],
        )
    return tuple(map(str, ops))  # numpy has strings of its own


def _from_nni(arch: Mapping[str, Any]) -> tuple[Matrix, tuple[str, ...]]:
    """NNI's form: ``op<v>`` labels vertex v, ``input<v>`` lists the sources of its edges."""
    interior = sum(1 for key in arch if re.fullmatch(r"op[1-9]\d*", str(key)))
    wanted = [f"op{v}" for v in range(1, interior + 1)]
    wanted += [f"input{v}" for v in range(1, interior + 2)]
    if set(arch) != set(wanted):
        raise SpaceError(
            "The mapping is no encoding of a NAS-Bench-101 cell.",
            expected=f"the keys {', '.join(wanted)} (NNI), or adjacency and operations",
            found=", ".join(map(str, arch))[:200],
        )
    last = interior + 1
    matrix = [[0] * (last + 1) for _ in range(last + 1)]
    for vertex in range(1, last + 1):
        sources = arch[f"input{vertex}"]
        if not isinstance(sources, Sequence) or any(s not in range(vertex) for s in sources):
            raise SpaceError(
                f"input{vertex} does not list earlier vertices.",
                expected=f"a list of numbers from 0 to {vertex - 1}",
                found=repr(sources)[:200],
            )
        for source in sources:
            matrix[source][vertex] = 1
    return tuple(map(tuple, matrix)), (
        INPUT,
        *_ops([arch[f"op{v}"] for v in range(1, last)]),
        OUTPUT,
    )


def _from_config(choices: Mapping[str, Any]) -> Spec:
    """Matrix and operations of 21 edges and 5 operations, as HPOBench names them."""
    if set(choices) != {*EDGE_KEYS, *OP_KEYS}:
        different = {*EDGE_KEYS, *OP_KEYS} ^ set(choices)
        raise SpaceError(
            "The configuration does not name the choices of NAS-Bench-101.",
            expected=f"{EDGE_KEYS[0]} to {EDGE_KEYS[-1]} and {OP_KEYS[0]} to {OP_KEYS[-1]}",
            found=f"too many or too few: {', '.join(sorted(map(str, different)))}"[:200],
        )
    edges = bits_of([choices[key] for key in EDGE_KEYS], len(PAIRS))
    return _matrix_of_edges(edges), (INPUT, *_ops([choices[key] for key in OP_KEYS]), OUTPUT)


def _matrix_of_edges(bits: Sequence[int]) -> Matrix:
    matrix = [[0] * MAX_VERTICES for _ in range(MAX_VERTICES)]
    for (x, y), bit in zip(PAIRS, bits, strict=True):
        matrix[x][y] = bit
    return tuple(map(tuple, matrix))


def _check_structure(matrix: Matrix, ops: Sequence[str]) -> None:
    vertices = len(ops)
    if vertices < 2 or len(matrix) != vertices or any(len(row) != vertices for row in matrix):
        raise SpaceError(
            "Adjacency and operations do not have the same size.",
            expected="V times V numbers and V operations, V at least 2",
            found=f"{len(matrix)} rows, {vertices} operations",
        )
    if any(any(row[: vertex + 1]) for vertex, row in enumerate(matrix)):
        raise SpaceError("The adjacency is not upper triangular.", found=matrix)
    if ops[0] != INPUT or ops[-1] != OUTPUT:
        raise SpaceError(
            "The first operation must be input and the last one output.",
            found=f"{ops[0]!r} and {ops[-1]!r}",
        )
    for op in ops[1:-1]:
        if op not in LABELS:
            raise SpaceError(
                f"There is no operation {op!r}.",
                expected=", ".join(LABELS),
                found=repr(op),
                todo=did_you_mean(op, LABELS),
            )
