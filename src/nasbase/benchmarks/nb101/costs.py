"""The number of trainable parameters of a cell's network, computed from the cell."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from nasbase.benchmarks.nb101.space import LABELS

STEM_CHANNELS = 128
STACKS = 3
MODULES_PER_STACK = 3
CLASSES = 10
IMAGE_CHANNELS = 3

_KERNELS = {LABELS[0]: 3, LABELS[1]: 1, LABELS[2]: 0}  # pooling has no parameters

Ints = NDArray[np.int64]


def trainable_parameters(adjacency: Sequence[str], operations: Sequence[str]) -> Ints:
    """Trainable parameters of the networks of many pruned cells, exactly.

    A convolution-BN-ReLU of kernel k from i to o channels has k*k*i*o + 2*o. The network is a
    3x3 stem, three stacks of three modules (channels double before stacks 2 and 3) and a dense
    layer with bias. (google-research/nasbench ``model_builder.py``.)

    Parameters
    ----------
    adjacency, operations
        As released: strings of 0 and 1, and comma-joined labels.

    Returns
    -------
    int64, one entry per cell, in order.
    """
    codes = {text: _kernels(text) for text in set(operations)}
    sizes = np.fromiter(map(len, adjacency), np.int64, len(adjacency))
    params = np.empty(len(adjacency), np.int64)
    for size in np.unique(sizes).tolist():
        chosen = np.flatnonzero(sizes == size)
        vertices = isqrt(size)
        digits = "".join([adjacency[index] for index in chosen.tolist()]).encode("ascii")
        matrices = np.frombuffer(digits, np.uint8).reshape(-1, vertices, vertices) == ord("1")
        kernels = np.array([codes[operations[index]] for index in chosen.tolist()], np.int64)
        params[chosen] = _network(matrices, kernels)
    return params


def _kernels(operations: str) -> list[int]:
    """Kernel size of every vertex; 0 where the vertex has no weights."""
    return [_KERNELS.get(label, 0) for label in operations.split(",")]


def _network(matrices: NDArray[np.bool_], kernels: Ints) -> Ints:
    total = np.full(len(matrices), _convolution(3, IMAGE_CHANNELS, STEM_CHANNELS), np.int64)
    cin = cout = STEM_CHANNELS
    for stack in range(STACKS):
        cout = STEM_CHANNELS << stack
        channels = _vertex_channels(matrices, cout)
        total += _operations(kernels, channels) * MODULES_PER_STACK
        total += _projections(matrices, channels, cin)
        total += _projections(matrices, channels, cout) * (MODULES_PER_STACK - 1)
        cin = cout
    return total + cout * CLASSES + CLASSES


def _operations(kernels: Ints, channels: Ints) -> Ints:
    """Parameters of the vertices' operations in one module."""
    parameters = np.where(kernels > 0, _convolution(kernels, channels, channels), 0)
    return parameters[:, 1:-1].sum(axis=1)


def _projections(matrices: NDArray[np.bool_], channels: Ints, cin: int) -> Ints:
    """Parameters of the projections of one module's input to the vertices that it feeds."""
    return np.where(matrices[:, 0, 1:], _convolution(1, cin, channels[:, 1:]), 0).sum(axis=1)


def _vertex_channels(matrices: NDArray[np.bool_], cout: int) -> Ints:
    """Channels of every vertex; of the output vertex: ``cout``.

    The interior vertices that feed the output share ``cout``; the first ones get one channel more
    where it does not divide evenly. Every other one has as many as the widest vertex it feeds.
    """
    cells, vertices, _ = matrices.shape
    channels = np.zeros((cells, vertices), np.int64)
    channels[:, -1] = cout
    feeds = matrices[:, 1:-1, -1]
    fan_in = np.maximum(feeds.sum(axis=1), 1)[:, None]
    place = feeds.cumsum(axis=1) - 1
    channels[:, 1:-1] = np.where(feeds, cout // fan_in + (place < cout % fan_in), 0)
    for vertex in range(vertices - 3, 0, -1):
        fed = np.where(matrices[:, vertex, 1:-1], channels[:, 1:-1], 0).max(axis=1)
        channels[:, vertex] = np.where(matrices[:, vertex, -1], channels[:, vertex], fed)
    return channels


def _convolution(kernel: Ints | int, cin: Ints | int, cout: Ints | int) -> Ints | int:
    """Parameters of a convolution without bias and its batch normalisation."""
    return kernel * kernel * cin * cout + 2 * cout
