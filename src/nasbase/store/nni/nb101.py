"""NAS-Bench-101 as NNI stores it.

What its converter does, and a user of the database should know:

* It takes four schedules (4, 12, 36 and 108 epochs) and the first three repetitions of each.
* ``nb101trialstats.training_time`` is 60 times the seconds that were released: the converter takes
  them for minutes. ``nb101intermediatestats.training_time`` holds the seconds themselves.
* The evaluation at the start is dropped; the one half-way stands at half the schedule.
* ``parameters`` are millions, and for all trainings of a cell those of its first record.
* Ids follow the first appearance of each hash in the file, then epochs, then the repetition.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nasbase.store.curves import whole_trials
from nasbase.store.nni.rows import Content, RowFile, numbers
from nasbase.store.nni.schema import TABLES
from nasbase.store.parquet import read_batches

SCHEDULES = (4, 12, 36, 108)
REPETITIONS = 3
POINTS = 3
"""Evaluations of a training: start, half-way, end."""

_ACCURACIES = {f"{split}_acc": f"{split}_acc_pct" for split in ("train", "valid", "test")}
_TIME = "elapsed_train_time_s"
_PIECE_CONFIGS = 32_768


def content(parquet: Path, folder: Path) -> Content:
    """Rows of NNI's tables from the Parquet tables; ``folder`` is for temporary files."""
    path = parquet / "trials.parquet"
    ids = pq.read_table(path, columns=["arch_id", "num_epochs", "run", "source_pos", "params"])
    arch_id, num_epochs = ids["arch_id"].to_numpy(), ids["num_epochs"].to_numpy()
    first_pos, params = _first_records(ids)
    known = np.isin(num_epochs, SCHEDULES) & (ids["run"].to_numpy() < REPETITIONS)
    del ids  # a release has five million trainings
    trials = RowFile(TABLES["nb101"].trials, len(arch_id), folder)
    columns = ["trial_id", "arch_id", *_ACCURACIES.values(), _TIME]
    for batch in read_batches(path, columns=columns):
        _append_trials(trials, batch, params)
    points = RowFile(TABLES["nb101"].intermediates, len(arch_id), folder)
    for rows in whole_trials(parquet / "curves.parquet"):
        _append_points(points, rows)
    fits = known & trials.fits & points.fits & (points.counts == POINTS - 1)
    kept = np.flatnonzero(fits).astype(np.int32)
    # Trainings of a cell are sorted by epochs and repetition already.
    order = kept[np.argsort(first_pos[arch_id[kept]], kind="stable")]
    new = np.diff(arch_id[order], prepend=-1) != 0
    new |= np.diff(num_epochs[order], prepend=-1) != 0
    first = order[new]
    configs = _configs(parquet / "architectures.parquet", arch_id[first], num_epochs[first])
    return Content(configs, trials, points, order, np.cumsum(new, dtype=np.int32))


def _first_records(ids: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """By ``arch_id``: position in the file and parameters of the first record of a cell."""
    arch_id, position = ids["arch_id"].to_numpy(), ids["source_pos"].to_numpy()
    starts = np.flatnonzero(np.diff(arch_id, prepend=-1))  # sorted, and every cell has records
    first = np.minimum.reduceat(position, starts)
    is_first = position == np.repeat(first, np.diff(starts, append=len(position)))
    return first, ids["params"].to_numpy()[is_first]


def _append_trials(trials: RowFile, batch: pa.Table, params: np.ndarray) -> None:
    values = {name: numbers(batch, column) for name, column in _ACCURACIES.items()}
    values["parameters"] = params[batch["arch_id"].to_numpy()] / 1e6
    values["training_time"] = numbers(batch, _TIME) * 60
    trials.append(batch["trial_id"].to_numpy(), values)


def _append_points(points: RowFile, rows: pa.Table) -> None:
    """The evaluations half-way and at the end, whatever epoch they call themselves."""
    trial_id = rows["trial_id"].to_numpy()
    starts = np.flatnonzero(np.diff(trial_id, prepend=-1))
    counts = np.diff(starts, append=len(trial_id))
    position = np.arange(len(trial_id)) - np.repeat(starts, counts)
    chosen = (position > 0) & np.repeat(counts == POINTS, counts)
    rows = rows.filter(pa.array(chosen))
    epochs = rows["num_epochs"].to_numpy()
    values = {name: numbers(rows, column) for name, column in _ACCURACIES.items()}
    values["current_epoch"] = np.where(position[chosen] == POINTS - 1, epochs, epochs // 2)
    values["training_time"] = numbers(rows, _TIME)
    points.append(trial_id[chosen], values)


def _configs(path: Path, arch_id: np.ndarray, num_epochs: np.ndarray) -> Iterator[list[tuple]]:
    columns = ["hash", "num_vertices", "adjacency", "operations"]
    architectures = pq.read_table(path, columns=columns)  # arch_id is the row
    for start in range(0, len(arch_id), _PIECE_CONFIGS):
        piece = slice(start, start + _PIECE_CONFIGS)
        cells, place = np.unique(arch_id[piece], return_inverse=True)
        about = [
            (_arch_text(row["adjacency"], row["operations"]), row["num_vertices"], row["hash"])
            for row in architectures.take(pa.array(cells)).to_pylist()
        ]
        yield [
            (number, *about[i], epochs)
            for number, i, epochs in zip(
                range(start + 1, start + 1 + len(place)),
                place.tolist(),
                num_epochs[piece].tolist(),
                strict=True,
            )
        ]


def _arch_text(adjacency: str, operations: str) -> str:
    """A cell as JSON: ``input...`` sorts before ``op...``; many cells share each half."""
    return f"{{{_sources_text(adjacency)}{_labels_text(operations)}}}"


@lru_cache(maxsize=8192)  # more than the 6,472 graphs of the space
def _sources_text(adjacency: str) -> str:
    size = isqrt(len(adjacency))
    sources = (
        (target, [source for source in range(target) if adjacency[source * size + target] == "1"])
        for target in range(1, size)
    )
    return _json({f"input{target}": own for target, own in sources})


@lru_cache(maxsize=512)  # more than the 364 labelings of the space
def _labels_text(operations: str) -> str:
    labels = {f"op{vertex}": op for vertex, op in enumerate(operations.split(","))}
    inner = _json({key: labels[key] for key in list(labels)[1:-1]})
    return inner and f",{inner}"


def _json(members: dict[str, Any]) -> str:
    return json.dumps(members, sort_keys=True, separators=(",", ":"))[1:-1]
