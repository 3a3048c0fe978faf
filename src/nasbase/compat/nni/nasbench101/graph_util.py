"""NNI's form of a cell: its hash, its number of vertices, its making from a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nasbase.benchmarks.nb101 import space
from nasbase.compat.nni.nasbench101.constants import INPUT, LABEL2ID, OUTPUT


def nasbench_format_to_architecture_repr(
    adjacency_matrix: Any, labeling: Sequence[str]
) -> tuple[int, dict[str, Any]]:
    """Number of vertices and NNI's form of a cell.

    Parameters
    ----------
    adjacency_matrix
        Array (V, V).
    labeling
        V operations, from input to output.

    Raises
    ------
    AssertionError
        If there are not as many labels as vertices, or an interior one is input or output.
    """
    size = adjacency_matrix.shape[0]
    if len(labeling) != size:
        raise AssertionError("labeling must name every vertex")
    if {INPUT, OUTPUT} & {*labeling[1:-1]}:
        raise AssertionError("an interior vertex is neither input nor output")
    matrix = tuple(
        tuple(int(source < target and bool(adjacency_matrix[source, target])) for target in places)
        for places in [range(size)]
        for source in places
    )
    return size, space.to_nni(space.Cell(matrix, tuple(labeling)))


def infer_num_vertices(architecture: Mapping[str, Any]) -> int:
    """Number of vertices of a cell in NNI's form, from the keys of its operations.

    Raises
    ------
    AssertionError
        If they are not op1, op2, ... without a gap.
    """
    ops = {key for key in architecture.keys() if key.startswith("op")}  # noqa: SIM118 - a dict has it
    if ops != {f"op{vertex}" for vertex in range(1, len(ops) + 1)}:
        raise AssertionError(f"operations must be op1, op2, ...: {', '.join(sorted(ops))}")
    return len(ops) + 2


def hash_module(architecture: Mapping[str, Any], vertices: int) -> str:
    """Graph-invariant hash of a cell in NNI's form, given as it is: NNI does not prune.

    Raises
    ------
    KeyError
        If an operation, or the inputs of a vertex, are not there, or an operation is unknown.
    IndexError
        If an input is no vertex.
    AssertionError
        If there are fewer than two vertices.
    """
    labels = [INPUT, *(architecture[f"op{v}"] for v in range(1, vertices - 1)), OUTPUT]
    labeling = [LABEL2ID[label] for label in labels]
    matrix = adjacency(architecture, vertices)
    if len(labeling) != vertices:
        raise AssertionError("a cell has at least two vertices")
    sums = map(sum, matrix), map(sum, zip(*matrix, strict=True))
    return space.graph_hash(matrix, [*zip(*sums, labeling, strict=True)])


def adjacency(architecture: Mapping[str, Any], vertices: int) -> space.Matrix:
    """Adjacency matrix of a cell in NNI's form."""
    matrix = [[0] * vertices for _ in range(vertices)]
    for target in range(1, vertices):
        for source in architecture[f"input{target}"]:
            try:
                matrix[source][target] = 1
            except TypeError as error:  # what numpy, which NNI uses, calls an IndexError
                raise IndexError(f"input{target} names no vertex: {source!r}") from error
    return tuple(map(tuple, matrix))
