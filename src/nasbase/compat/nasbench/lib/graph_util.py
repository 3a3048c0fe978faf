"""Graphs of cells: edges from bits, hashes, permutations (google's ``nasbench.lib.graph_util``)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from nasbase.benchmarks.nb101 import space


def gen_is_edge_fn(bits: int) -> Callable[..., Any]:
    """Whether edges exist, from a bit mask over the upper triangle of an adjacency matrix.

    Parameters
    ----------
    bits
        Bit ``x + y (y - 1) / 2`` stands for the edge from vertex x to vertex y, whatever the size
        of the matrix: column by column, from the least significant bit.

    Returns
    -------
    callable
        Takes arrays of sources and of targets, as `numpy.fromfunction` gives them.
    """

    def is_edge(source: int, target: int) -> int:
        x, y = int(source), int(target)
        return bits >> (x + y * (y - 1) // 2) & 1 if x < y else 0

    return np.vectorize(is_edge)


def is_full_dag(matrix: np.ndarray) -> bool:
    """Whether every vertex but the last has an edge out, and every one but the first an edge in."""
    edges = np.asarray(matrix) != 0
    return bool(edges[:-1].any(axis=1).all() and edges[:, 1:].any(axis=0).all())


def num_edges(matrix: np.ndarray) -> Any:
    """Sum of an adjacency matrix."""
    return np.sum(matrix)


def hash_module(matrix: np.ndarray, labeling: Sequence[int]) -> str:
    """Graph-invariant hash of a cell whose vertices carry integer labels.

    Parameters
    ----------
    matrix
        Adjacency matrix (V, V). Degrees enter the hash as sums of its numbers: a matrix of floats
        has other hashes than the same matrix of integers, as upstream.
    labeling
        V labels.

    Raises
    ------
    AssertionError
        If the two do not have the same length.
    """
    rows = np.asarray(matrix).tolist()
    sources, targets = [*map(sum, zip(*rows, strict=True))], [*map(sum, rows)]
    if not len(sources) == len(targets) == len(labeling):
        raise AssertionError("matrix and labeling must have the same length")
    starts = zip(targets, sources, labeling, strict=True)
    # As text: 1.0 and 1 are one key of a cache, but not one hash.
    return _graph_hash(tuple(map(tuple, rows)), tuple(map(str, starts)))


_graph_hash = lru_cache(maxsize=4096)(space.graph_hash)  # a search asks about its best cells often


def permute_graph(
    graph: np.ndarray, label: Sequence[Any], permutation: Sequence[int]
) -> tuple[np.ndarray, list[Any]]:
    """Move vertex v of a graph to place ``permutation[v]``.

    Returns
    -------
    tuple
        Adjacency matrix of booleans (true where the graph has a 1), and labels.
    """
    origin = np.argsort(permutation)
    edges = np.asarray(graph)[np.ix_(origin, origin)] == 1
    return edges, [label[vertex] for vertex in origin]


def is_isomorphic(graph1: Sequence[Any], graph2: Sequence[Any]) -> bool:
    """Whether two pairs of adjacency matrix and labels are the same graph: every order is tried.

    Raises
    ------
    AssertionError
        If they do not have the same size.
    """
    (matrix1, label1), (matrix2, label2) = graph1, graph2
    if np.shape(matrix1) != np.shape(matrix2) or len(label1) != len(label2):
        raise AssertionError("the graphs must have the same size")
    for permutation in itertools.permutations(range(len(matrix1))):
        matrix, label = permute_graph(matrix1, label1, permutation)
        if label == label2 and np.array_equal(matrix, matrix2):
            return True
    return False
