"""Every cell of the NAS-Bench-101 space.

1,293,208 labelled graphs make 423,624 distinct cells. MD5 is hashed once per distinct cell only:
which labelled graphs are the same cell is found out before, with the same refinement of colours
on 64-bit integers, in numpy. The digest of all hashes proves the result.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import combinations, product
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from nasbase.benchmarks.nb101.space import (
    HASHES_SHA256,
    INPUT,
    LABELS,
    MAX_EDGES,
    MAX_VERTICES,
    OUTPUT,
    Cell,
    Matrix,
)
from nasbase.errors import NasbaseError

CACHE_FILE = "nb101-space-1.npz"

_GRAPHS_AT_ONCE = 256  # times 243 labelings: some tens of megabytes
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

UInts = NDArray[np.uint64]
Coded = tuple[str, int, int, int]
"""Hash, vertices, graph and labeling of one cell, as in `Cells`."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Many cells in few bytes, sorted by hash.

    Attributes
    ----------
    hashes
        ``S32``, ascending.
    vertices
        uint8, number of vertices.
    graphs
        uint32, bit x + y*(y-1)/2 set: edge from x to y.
    labelings
        uint8, number of the labeling in the order of `labelings`.
    """

    hashes: NDArray[np.bytes_]
    vertices: NDArray[np.uint8]
    graphs: NDArray[np.uint32]
    labelings: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.hashes)

    @classmethod
    def of(cls, found: Iterable[Coded]) -> Cells:
        """Cells given one by one, in any order."""
        hashes, vertices, graphs, labelings = zip(*sorted(found), strict=True)
        return cls(
            np.array(hashes, "S32"),
            np.array(vertices, np.uint8),
            np.array(graphs, np.uint32),
            np.array(labelings, np.uint8),
        )

    def texts(self) -> tuple[list[str], list[str]]:
        """Adjacency and operations of every cell, in the release's spelling."""
        vertices = self.vertices.tolist()
        adjacency, operations = {}, {}
        for key in set(zip(vertices, self.graphs.tolist(), strict=True)):
            adjacency[key] = "".join(str(bit) for row in matrix_of(*key) for bit in row)
        for size in set(vertices):
            for number, labels in enumerate(labelings(size)):
                operations[size, number] = ",".join((INPUT, *labels, OUTPUT))
        return (
            [adjacency[key] for key in zip(vertices, self.graphs.tolist(), strict=True)],
            [operations[key] for key in zip(vertices, self.labelings.tolist(), strict=True)],
        )


@cache
def labelings(vertices: int) -> tuple[tuple[str, ...], ...]:
    """All labelings of the interior vertices of a cell."""
    return tuple(product(LABELS, repeat=vertices - 2))


def matrix_of(vertices: int, graph: int) -> Matrix:
    """Adjacency matrix of a graph given as bits."""
    matrix = [[0] * vertices for _ in range(vertices)]
    for y in range(vertices):
        for x in range(y):
            matrix[x][y] = graph >> (x + y * (y - 1) // 2) & 1
    return tuple(map(tuple, matrix))


def coded(cell: Cell) -> Coded:
    """A cell in the form in which `Cells` holds it."""
    size = len(cell.ops)
    graph = sum(
        cell.matrix[x][y] << (x + y * (y - 1) // 2) for x, y in combinations(range(size), 2)
    )
    return cell.hash, size, graph, labelings(size).index(cell.ops[1:-1])


def cell_from(size: int, graph: int, labeling: int) -> Cell:
    """The inverse of `coded`."""
    return Cell(matrix_of(size, graph), (INPUT, *labelings(size)[labeling], OUTPUT))


def pruned_graphs(vertices: int) -> NDArray[np.uint32]:
    """All graphs of ``vertices`` vertices, at most 9 edges, and none to prune, as bits.

    A graph has nothing to prune if every vertex but the output feeds one, and every vertex but
    the input is fed by one: edges only go forward, so each walk ends at the output or the input.
    """
    pairs = list(combinations(range(vertices), 2))
    graphs = np.arange(1 << len(pairs), dtype=np.uint32)
    keep = np.bitwise_count(graphs) <= MAX_EDGES
    for vertex in range(vertices):
        feeds = sum(1 << (x + y * (y - 1) // 2) for x, y in pairs if x == vertex)
        fed = sum(1 << (x + y * (y - 1) // 2) for x, y in pairs if y == vertex)
        if vertex < vertices - 1:
            keep &= (graphs & np.uint32(feeds)) != 0
        if vertex > 0:
            keep &= (graphs & np.uint32(fed)) != 0
    return graphs[keep]


def mix64(values: UInts) -> UInts:
    """Spread the bits of 64-bit integers (the finaliser of splitmix64)."""
    values = values + np.uint64(_MIX[0])
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_MIX[1])
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_MIX[2])
    return values ^ (values >> np.uint64(31))


def enumerate_cells(vertices: range) -> Cells:
    """All cells of some sizes; 2 to 7 is the whole space (about half a minute)."""
    found: list[Coded] = []
    for size in vertices:
        found += [
            (cell_from(size, *distinct).hash, size, *distinct)
            for distinct in _distinct(size, pruned_graphs(size))
        ]
    return Cells.of(found)


def full_space(folder: Path | None = None) -> Cells:
    """All 423,624 cells, from the cache folder if they lie there.

    Parameters
    ----------
    folder
        Where to keep it; default ``$NASBASE_CACHE``, else ``nasbase`` in the XDG cache folder.

    Raises
    ------
    NasbaseError
        If the enumeration does not give the hashes whose digest is known.
    """
    file = (folder or cache_folder()) / CACHE_FILE
    cells = _load(file)
    if cells is None:
        cells = enumerate_cells(range(2, MAX_VERTICES + 1))
        if hashes_digest(cells.hashes) != HASHES_SHA256:
            raise NasbaseError(
                "The enumeration of NAS-Bench-101 is wrong.",
                expected=f"hashes of SHA-256 {HASHES_SHA256}",
                found=f"{len(cells)} hashes of SHA-256 {hashes_digest(cells.hashes)}",
                todo="Report this.",
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}.part.npz")  # two writers must not meet
        np.savez(part, **{name: getattr(cells, name) for name in Cells.__slots__})
        part.replace(file)
    return cells


def hashes_digest(hashes: NDArray[np.bytes_]) -> str:
    """SHA-256 of sorted hashes, each followed by a newline."""
    lines = np.full((len(hashes), 33), ord("\n"), np.uint8)
    lines[:, :32] = np.sort(hashes).view(np.uint8).reshape(-1, 32)
    return sha256(lines.tobytes()).hexdigest()


def cache_folder() -> Path:
    """Folder for what can be computed again."""
    if own := os.environ.get("NASBASE_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nasbase"


def _load(file: Path) -> Cells | None:
    """The cached space; None where there is none or it is damaged, so that it is made again."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            cells = Cells(*(stored[name] for name in Cells.__slots__))
    except (FileNotFoundError, BadZipFile, KeyError, ValueError, EOFError):
        return None
    sizes = {len(getattr(cells, name)) for name in Cells.__slots__}
    intact = cells.hashes.dtype == "S32" and sizes == {len(cells)}
    return cells if intact and hashes_digest(cells.hashes) == HASHES_SHA256 else None


def _distinct(size: int, graphs: NDArray[np.uint32]) -> list[tuple[int, int]]:
    """One (graph, labeling) of each distinct cell."""
    labels = np.array(
        [[0, *(LABELS.index(label) + 1 for label in each), 4] for each in labelings(size)],
        np.uint64,
    )
    colours = [
        _colours(size, graphs[start : start + _GRAPHS_AT_ONCE], labels).ravel()
        for start in range(0, len(graphs), _GRAPHS_AT_ONCE)
    ]
    _, places = np.unique(np.concatenate(colours), return_index=True)
    graph, labeling = np.divmod(places, len(labels))
    return list(zip(graphs[graph].tolist(), labeling.tolist(), strict=True))


def _colours(size: int, graphs: NDArray[np.uint32], labels: UInts) -> UInts:
    """A number per (graph, labeling) that is the same for isomorphic cells.

    The refinement of upstream's hash; sums stand for sorted lists, `mix64` for MD5.
    """
    matrices = np.array([matrix_of(size, graph) for graph in graphs.tolist()], np.uint64)
    transposed = matrices.transpose(0, 2, 1)
    degrees = matrices.sum(axis=2) * np.uint64(64) + matrices.sum(axis=1) * np.uint64(8)
    colour = mix64(degrees[:, None, :] + labels[None, :, :])
    for _ in range(size):
        sources = colour @ matrices
        targets = mix64(colour) @ transposed
        colour = mix64(colour + mix64(sources) + mix64(targets + np.uint64(1)))
    return mix64(colour).sum(axis=2)
