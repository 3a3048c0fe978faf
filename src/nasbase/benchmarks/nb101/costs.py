"""The number of trainable parameters of a cell's network, computed from the cell."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nasbase.benchmarks.nb101.space import LABELS
from nasbase.tables.arrow import joined

STEM_CHANNELS = 128
STACKS = 3
MODULES_PER_STACK = 3
CLASSES = 10
IMAGE_CHANNELS = 3

_KERNELS = {LABELS[0]: 3, LABELS[1]: 1, LABELS[2]: 0}  # pooling has no parameters

Ints = NDArray[np.int64]
Texts: TypeAlias = Sequence[str] | pa.ChunkedArray


def trainable_parameters(adjacency: Texts, operations: Texts) -> Ints:
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

    Raises
    ------
    ValueError
        If a cell has not as many labels as vertices.
    """
    graphs, graph_of = _distinct(adjacency)
    labels, labels_of = _distinct(operations)
    params = np.empty(len(graph_of), np.int64)
    sizes = np.array([isqrt(len(text)) for text in graphs], np.int64)
    counts = np.array([text.count(",") + 1 for text in labels], np.int64)
    if not np.array_equal(sizes[graph_of], counts[labels_of]):
        raise ValueError("a cell has not as many labels as vertices")
    for vertices in np.unique(sizes).tolist():
        digits, graph = _of(vertices, graphs, sizes)
        matrices = np.frombuffer("".join(digits).encode("ascii"), np.uint8) == ord("1")
        texts, labelling = _of(vertices, labels, counts)
        kernels = np.array([_kernels(text) for text in texts], np.int64)
        chosen = np.flatnonzero(sizes[graph_of] == vertices)
        params[chosen] = _networks(
            matrices.reshape(-1, vertices, vertices),
            graph[graph_of[chosen]],
            kernels[labelling[labels_of[chosen]]],
        )
    return params


def _distinct(texts: Texts) -> tuple[list[str], Ints]:
    """Different texts, and which of them each one is."""
    column = joined(texts) if isinstance(texts, pa.ChunkedArray) else pa.array(texts, pa.string())
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy()


def _of(vertices: int, texts: Sequence[str], sizes: Ints) -> tuple[list[str], Ints]:
    """Texts of one size, and the place among them of every text that has it."""
    chosen = np.flatnonzero(sizes == vertices)
    place = np.zeros(len(texts), np.int64)
    place[chosen] = np.arange(len(chosen))
    return [texts[index] for index in chosen.tolist()], place


def _kernels(operations: str) -> list[int]:
    """Kernel size of every vertex; 0 where the vertex has no weights."""
    return [_KERNELS.get(label, 0) for label in operations.split(",")]


def _networks(matrices: NDArray[np.bool_], graph: Ints, kernels: Ints) -> Ints:
    """Parameters of cells: ``graph`` is the place of each one's matrix, ``kernels`` has its row."""
    total = np.full(len(graph), _convolution(3, IMAGE_CHANNELS, STEM_CHANNELS), np.int64)
    cin = cout = STEM_CHANNELS
    for stack in range(STACKS):
        cout = STEM_CHANNELS << stack
        channels = _vertex_channels(matrices, cout)
        projections = _projections(matrices, channels, cin)
        projections += _projections(matrices, channels, cout) * (MODULES_PER_STACK - 1)
        total += _operations(kernels, channels[graph]) * MODULES_PER_STACK + projections[graph]
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
