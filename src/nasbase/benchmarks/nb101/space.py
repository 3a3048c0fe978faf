"""The space of NAS-Bench-101: cells, their pruned form and their hash.

A cell is a directed acyclic graph of at most 7 vertices and 9 edges, counted after vertices that
lie on no path from input to output are removed. This module needs nothing but the standard
library, so that a query can name an architecture without loading numpy.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import md5
from math import isqrt
from typing import Any, NamedTuple

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

Matrix = tuple[tuple[int, ...], ...]


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

    Every vertex starts with the MD5 of its degrees and label and is re-hashed once per vertex of
    the cell with the hashes of its neighbours. The strings that are hashed are Python's own
    spelling of tuples and lists, as in google-research/nasbench ``graph_util.hash_module``.
    """
    neighbours = _neighbours(matrix)
    hashes = [
        md5(f"({len(targets)}, {len(sources)}, {_HASH_LABELS[op]})".encode()).hexdigest()
        for (sources, targets), op in zip(neighbours, ops, strict=True)
    ]
    join = "".join
    for _ in ops:
        of = hashes.__getitem__
        hashes = [
            md5(
                f"{join(sorted(map(of, sources)))}|{join(sorted(map(of, targets)))}|{own}".encode()
            ).hexdigest()
            for (sources, targets), own in zip(neighbours, hashes, strict=True)
        ]
    return md5(str(sorted(hashes)).encode()).hexdigest()


def prune(matrix: Matrix, ops: Sequence[str]) -> tuple[Matrix, tuple[str, ...]]:
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


def cell_of(architecture: Any) -> Cell:
    """The pruned cell of an architecture in any encoding that holds its structure.

    Parameters
    ----------
    architecture
        A pair of adjacency matrix (nested sequences, an array, or a string of 0 and 1 row by row)
        and operations (a sequence or a comma-joined string); an object with the attributes
        ``matrix`` and ``ops``, like upstream's ``ModelSpec``; a mapping with ``adjacency`` and
        ``operations``, ``module_adjacency`` and ``module_operations``, or ``matrix`` and
        ``ops``; or NNI's mapping of ``op1``, ... and ``input1``, ....

    Raises
    ------
    SpaceError
        If it is no such thing, or not a cell of the space.
    """
    matrix, ops = _structure(architecture)
    _check_structure(matrix, ops)
    pruned = Cell(*prune(matrix, ops))
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
        return _from_nni(architecture)
    if hasattr(architecture, "matrix") and hasattr(architecture, "ops"):
        if architecture.matrix is None:  # what ModelSpec makes of a cell without a path
            raise SpaceError("No path leads from the cell's input to its output.")
        return _matrix(architecture.matrix), _ops(architecture.ops)
    if isinstance(architecture, Sequence) and len(architecture) == 2:
        return _matrix(architecture[0]), _ops(architecture[1])
    raise SpaceError(
        "This is no encoding of a NAS-Bench-101 cell.",
        expected="a hash, a pair of adjacency and operations, a ModelSpec, or NNI's dict",
        found=repr(architecture)[:200],
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
    if not isinstance(ops, Sequence) or not all(isinstance(op, str) for op in ops):
        raise SpaceError("The operations are not labels.", found=repr(value)[:200])
    return tuple(ops)


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
            near = difflib.get_close_matches(op, LABELS, n=1, cutoff=0.3)
            raise SpaceError(
                f"There is no operation {op!r}.",
                expected=", ".join(LABELS),
                found=repr(op),
                todo=f"Did you mean {near[0]!r}?" if near else None,
            )
