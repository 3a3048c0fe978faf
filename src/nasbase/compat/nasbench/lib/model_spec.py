"""Specification of a cell (google's ``nasbench.lib.model_spec``)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from nasbase.benchmarks.nb101 import space
from nasbase.compat.nasbench.lib import graph_util
from nasbase.errors import SpaceError


class ModelSpec:
    """A cell, and what is left of it once unconnected vertices are removed.

    Parameters
    ----------
    matrix
        Upper triangular adjacency matrix (V, V): an array or nested lists.
    ops
        List of V operations; the first and the last are the input and the output.
    data_format
        ``channels_last`` or ``channels_first``; kept, and used only by upstream's training.

    Attributes
    ----------
    original_matrix, original_ops
        As given (copies).
    matrix, ops
        Without the vertices that lie on no path from the first to the last; None where there is
        no such path.
    valid_spec
        Whether there is one.

    Raises
    ------
    ValueError
        If the matrix is not square or not upper triangular, or the operations are not as many.
    """

    def __init__(
        self,
        matrix: np.ndarray | Sequence[Sequence[int]],
        ops: list[Any],
        data_format: str = "channels_last",
    ) -> None:
        matrix = np.array(matrix)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ValueError("matrix must be square")
        if len(matrix) != len(ops):
            raise ValueError("length of ops must match matrix dimensions")
        if not is_upper_triangular(matrix):
            raise ValueError("matrix must be upper triangular")
        self.original_matrix, self.original_ops = matrix, copy.deepcopy(ops)
        self.matrix: Any = None
        self.ops: Any = None
        self._prune()
        self.valid_spec = self.matrix is not None
        self.data_format = data_format

    def _prune(self) -> None:
        keep = _connected(self.original_matrix)
        if len(keep) < 2:
            return
        self.matrix = self.original_matrix[np.ix_(keep, keep)]
        self.ops = copy.deepcopy(self.original_ops)
        for vertex in sorted({*range(len(self.ops))} - {*keep}, reverse=True):
            del self.ops[vertex]

    def hash_spec(self, canonical_ops: list[Any]) -> str:
        """Hash that isomorphic cells share.

        Parameters
        ----------
        canonical_ops
            Operations in the order that gives them their labels: ``config['available_ops']``.

        Raises
        ------
        ValueError
            If an operation is not among them.
        """
        interior = [canonical_ops.index(op) for op in self.ops[1:-1]]
        return graph_util.hash_module(self.matrix, [-1, *interior, -2])

    def visualize(self) -> Any:
        """The cell as a ``graphviz.Digraph``.

        Raises
        ------
        NameError
            Without the package graphviz, as upstream.
        """
        last = np.shape(self.matrix)[0] - 1
        try:
            graphviz = import_module("graphviz")
        except ImportError as error:  # upstream imports it if it can, and stumbles here
            raise NameError("name 'graphviz' is not defined") from error
        graph = graphviz.Digraph()
        for vertex, op in enumerate(["input", *self.ops[1:last], "output"]):
            graph.node(str(vertex), op)
        for source, target in zip(*np.nonzero(self.matrix), strict=True):
            graph.edge(str(source), str(target))
        return graph


def is_upper_triangular(matrix: np.ndarray) -> bool:
    """Whether a square matrix is zero on its diagonal and below."""
    rows = matrix.tolist()
    return all(value == 0 for place, row in enumerate(rows, start=1) for value in row[:place])


def _connected(matrix: np.ndarray) -> Sequence[int]:
    """Vertices that lie on a path from the first to the last one."""
    edges = tuple(map(tuple, matrix.tolist()))
    try:
        _, keep = space.prune(edges, range(len(edges)))
    except SpaceError:
        return ()
    return keep
