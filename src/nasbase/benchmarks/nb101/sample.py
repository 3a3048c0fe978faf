"""Made-up releases of NAS-Bench-101 in upstream's exact format: true cells, invented numbers.

Every number is a function of the seed and the number of its record, not of a stream of draws. So
records can be written in any order, a batch at a time, and the bytes depend on the arguments
alone. Only +, -, *, / are used: their results are the same on every machine.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbase.benchmarks.nb101.convert import EVALUATED_IMAGES, REPEATS, SCHEDULES
from nasbase.benchmarks.nb101.costs import trainable_parameters
from nasbase.benchmarks.nb101.enumeration import (
    Cells,
    Coded,
    UInts,
    cell_from,
    coded,
    enumerate_cells,
    full_space,
    labelings,
    mix64,
    pruned_graphs,
)
from nasbase.benchmarks.nb101.metrics import EVALUATIONS, FIELDS, Layout
from nasbase.benchmarks.nb101.space import SPACE_SIZE, cell_of
from nasbase.benchmarks.room import Progress
from nasbase.containers import protobuf
from nasbase.containers.tfrecord import encode_frames
from nasbase.errors import ConfigError

FILE_NAME = "nasbench_sample.tfrecord"
LINE = 76
"""Characters of a line of MIME base64."""

ALWAYS = (
    # The cell of NNI's tutorial, and the one of the README of google-research/nasbench.
    cell_of(
        (
            "0100110001000000010010000010000001000000010000000",
            "input,conv3x3-bn-relu,maxpool3x3,conv3x3-bn-relu,conv3x3-bn-relu,conv1x1-bn-relu,output",
        )
    ),
    cell_of(
        (
            "0111010000000100000010000100000000100000010000000",
            "input,conv1x1-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,maxpool3x3,output",
        )
    ),
)
"""Cells that every sample holds."""

_SMALL = range(2, 6)  # sizes that are enumerated in no time
_LARGE = (6, 7)
_MANY = 1 << 16  # from here on the whole space is enumerated, or taken from the cache
_BATCH = 1 << 15
_DIVERGED = 0.005  # share of cells that learn nothing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def write_sample(
    out: Path, *, architectures: int, seed: int, options: Mapping[str, Any], progress: Progress
) -> list[dict[str, Any]]:
    """Write a made-up release.

    Parameters
    ----------
    out
        Folder; it is made if need be.
    architectures
        Number of cells, 2 to 423,624.
    seed
        Seed of cells and numbers.
    options
        ``schedules``: some of 4, 12, 36, 108 (default: all); ``order``: ``hash`` (default: by
        hash, schedule, repeat) or ``shuffled``.
    progress
        Is told what happens.

    Raises
    ------
    ConfigError
        If an argument is out of bounds.
    """
    schedules, shuffled = _options(options)
    cells = choose_cells(architectures, seed)
    progress(f"nb101 sample: {len(cells)} cells chosen")
    out.mkdir(parents=True, exist_ok=True)
    digest, size = sha256(), 0
    with (out / FILE_NAME).open("wb") as file:
        for number, frames in enumerate(_frames(cells, schedules, seed, shuffled=shuffled)):
            file.write(frames)
            digest.update(frames)
            size += len(frames)
            if number % 16 == 15:
                progress(f"nb101 sample: {size / 1e6:.0f} MB written")
    return [
        {
            "name": FILE_NAME,
            "form": None,
            "urls": [FILE_NAME],
            "bytes": size,
            "sha256": digest.hexdigest(),
        }
    ]


def choose_cells(architectures: int, seed: int) -> Cells:
    """Distinct cells: those of `ALWAYS`, then random ones, half of them small while they last."""
    if not len(ALWAYS) <= architectures <= SPACE_SIZE:
        raise ConfigError(
            "A sample of NAS-Bench-101 cannot have so many architectures.",
            where="architectures",
            expected=f"{len(ALWAYS)} to {SPACE_SIZE}",
            found=architectures,
        )
    rng = np.random.Generator(np.random.PCG64(seed))
    chosen = {cell[0]: cell for cell in map(coded, ALWAYS)}
    candidates = _any_cells(rng) if architectures >= _MANY else _some_cells(rng, architectures // 2)
    while len(chosen) < architectures:
        cell = next(candidates)
        chosen.setdefault(cell[0], cell)
    return Cells.of(chosen.values())


def _any_cells(rng: np.random.Generator) -> Iterator[Coded]:
    space = full_space()
    order = rng.permutation(len(space))
    yield from zip(
        space.hashes[order].astype(str).tolist(),
        space.vertices[order].tolist(),
        space.graphs[order].tolist(),
        space.labelings[order].tolist(),
        strict=True,
    )


def _some_cells(rng: np.random.Generator, small_cells: int) -> Iterator[Coded]:
    small = enumerate_cells(_SMALL)
    for place in rng.permutation(len(small))[:small_cells].tolist():
        columns = (small.hashes, small.vertices, small.graphs, small.labelings)
        text, size, graph, labeling = (column[place].item() for column in columns)
        yield text.decode(), size, graph, labeling
    graphs = {size: pruned_graphs(size) for size in _LARGE}
    while True:
        size = _LARGE[rng.integers(len(_LARGE))]
        graph = int(graphs[size][rng.integers(len(graphs[size]))])
        labeling = int(rng.integers(len(labelings(size))))
        yield cell_from(size, graph, labeling).hash, size, graph, labeling


def _frames(
    cells: Cells, schedules: Sequence[int], seed: int, *, shuffled: bool
) -> Iterator[bytes]:
    """The file in pieces. Records are numbered by cell, then schedule, then repeat."""
    adjacency, operations = cells.texts()
    hashes = cells.hashes.astype(str).tolist()
    params = trainable_parameters(adjacency, operations)
    per_cell = len(schedules) * REPEATS
    records = np.arange(len(cells) * per_cell)
    if shuffled:
        records = np.random.Generator(np.random.PCG64([seed, 1])).permutation(records)
    for start in range(0, len(records), _BATCH):
        batch = records[start : start + _BATCH]
        cell = batch // per_cell
        epochs = np.array(schedules)[batch % per_cell // REPEATS]
        luck = _uniform(seed, cell, 3)
        diverged = luck[:, 0] < _DIVERGED
        diverged |= cell == len(cells) // 2  # so that even a small sample has one
        luck[diverged, 0] = 0
        doubles = _measure(_uniform(seed + 1, batch, 30), luck, epochs, params[cell])
        metrics = _encode_metrics(doubles, params[cell])
        yield encode_frames(
            f'["{hashes[c]}", {e}, "{adjacency[c]}", "{operations[c]}", "'.encode() + text
            for c, e, text in zip(cell.tolist(), epochs.tolist(), metrics, strict=True)
        )


def _measure(noise: Floats, luck: Floats, epochs: Ints, params: Ints) -> Floats:
    """Invented results of many trainings.

    Parameters
    ----------
    noise
        30 numbers in [0, 1) per training.
    luck
        3 numbers in [0, 1) per training that are the same for one cell; the first one is 0 where
        the cell learns nothing.
    epochs, params
        Schedule and size.

    Returns
    -------
    Per training the 15 doubles of three evaluations and the total time.
    """
    points = epochs[:, None] * np.array([0.0, 0.5, 1.0])
    learnt = np.where(luck[:, :1] > 0, points / (points + 6), 0)
    size = (params / (params + 6e6))[:, None]
    test = 0.1 + learnt * (0.80 + 0.05 * size + 0.04 * luck[:, 1:2])
    accuracy = np.stack([test + 0.09 * learnt, test + 0.004 * learnt, test], axis=2).reshape(-1, 9)
    accuracy += 0.01 * (noise[:, :9] + noise[:, 9:18] - 1)
    seconds = (8.8 + params / 1e6) * (0.97 + 0.06 * luck[:, 2]) * epochs
    seconds *= 0.995 + 0.01 * noise[:, 18]
    doubles = np.empty((len(epochs), EVALUATIONS, len(FIELDS)))
    doubles[:, :, 0] = points
    doubles[:, :, 1] = (seconds[:, None] * np.array([0.0, 0.5, 1.0])).astype(np.float32)
    doubles[:, :, 2:] = _as_released(accuracy, below=noise[:, 20:29] < 0.5).reshape(-1, 3, 3)
    total = 1.03 * seconds + 300 + 20 * noise[:, 19]
    return np.column_stack([doubles.reshape(len(epochs), -1), total])


def _as_released(accuracy: Floats, below: NDArray[np.bool_]) -> Floats:
    """Accuracies as upstream computes them: k of 9984 images in float32, or one ulp below."""
    hits = np.rint(accuracy * EVALUATED_IMAGES).clip(0, EVALUATED_IMAGES)
    values = (hits / EVALUATED_IMAGES).astype(np.float32)
    lower = np.where(hits < EVALUATED_IMAGES, np.nextafter(values, np.float32(0)), values)
    return np.where(below, lower, values).astype(np.float64)


def _encode_metrics(doubles: Floats, params: Ints) -> list[bytes]:
    """The last item of each row with what closes the row: base64 in lines, as JSON text."""
    texts = np.empty(len(params), object)
    sizes = sum((params >> shift > 0).astype(np.int64) for shift in (7, 14, 21, 28))
    for size in np.unique(sizes).tolist():
        chosen = np.flatnonzero(sizes == size)
        messages = Layout.of(_message(int(params[chosen[0]]))).fill(doubles[chosen], params[chosen])
        texts[chosen] = _lines_of_base64(messages)
    return texts.tolist()


def _message(params: int) -> bytes:
    """A ModelMetrics message whose doubles are all 0, field by field as upstream writes it."""
    evaluation = b"".join(protobuf.double_field(number + 1, 0.0) for number in range(len(FIELDS)))
    evaluations = protobuf.bytes_field(1, evaluation) * EVALUATIONS
    return evaluations + protobuf.varint_field(2, params) + protobuf.double_field(3, 0.0)


def _lines_of_base64(messages: NDArray[np.uint8]) -> list[bytes]:
    """MIME base64 of messages of one length, newlines escaped, and the row's closing ``"]``.

    All messages are encoded at once: padded to whole groups of three bytes, the characters that
    the padding made become the equals signs that end each text.
    """
    count, length = messages.shape
    missing = -length % 3
    padded = np.pad(messages, ((0, 0), (0, missing)))
    text = np.frombuffer(binascii.b2a_base64(padded.tobytes(), newline=False), np.uint8)
    text = text.reshape(count, -1).copy()
    text[:, text.shape[1] - missing :] = ord("=")
    newline = np.broadcast_to(np.frombuffer(b"\\n", np.uint8), (count, 2))
    pieces: list[NDArray[np.uint8]] = []
    for start in range(0, text.shape[1], LINE):
        pieces += [text[:, start : start + LINE], newline]
    pieces.append(np.broadcast_to(np.frombuffer(b'"]', np.uint8), (count, 2)))
    rows = np.ascontiguousarray(np.concatenate(pieces, axis=1))
    return rows.view(f"S{rows.shape[1]}")[:, 0].tolist()


def _uniform(seed: int, numbers: Ints, count: int) -> Floats:
    """``count`` numbers in [0, 1) for each number, the same for the same arguments."""
    base = mix64(mix64(np.array([seed & (2**64 - 1)], np.uint64)) + numbers.astype(np.uint64))
    streams: UInts = np.arange(count, dtype=np.uint64)
    draws = mix64(base[:, None] + streams)
    return (draws >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _options(options: Mapping[str, Any]) -> tuple[tuple[int, ...], bool]:
    if unknown := set(options) - {"schedules", "order"}:
        raise ConfigError(
            "A sample of NAS-Bench-101 does not have this option.",
            where="options",
            expected="schedules, order",
            found=", ".join(sorted(unknown)),
        )
    schedules = tuple(sorted(set(options.get("schedules", SCHEDULES["full"]))))
    if not schedules or not set(schedules) <= set(SCHEDULES["full"]):
        raise ConfigError(
            "NAS-Bench-101 does not have these schedules.",
            where="options, schedules",
            expected=f"some of {', '.join(map(str, SCHEDULES['full']))}",
            found=schedules,
        )
    order = options.get("order", "hash")
    if order not in ("hash", "shuffled"):
        raise ConfigError(
            "There is no such order.",
            where="options, order",
            expected="hash or shuffled",
            found=repr(order),
        )
    return schedules, order == "shuffled"
