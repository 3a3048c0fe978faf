"""What must be true of every build of NAS-Bench-101, looked up in its Parquet tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from math import isqrt

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nasbase.benchmarks.nb101.convert import DATASET, EVALUATED_IMAGES, REPEATS
from nasbase.benchmarks.nb101.costs import trainable_parameters
from nasbase.benchmarks.nb101.space import (
    HASHES_SHA256,
    INPUT,
    LABELS,
    OUTPUT,
    Matrix,
    cell_hash,
    cell_of,
)
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.errors import SpaceError

_ACCURACIES = ("train_acc_pct", "valid_acc_pct", "test_acc_pct")

Bools = NDArray[np.bool_]


def checks() -> Sequence[Check]:
    """The checks, cheap ones first."""
    return (
        Check(
            "nb101.space",
            "A complete build holds exactly the 423,624 cells of the space (digest of all hashes).",
            _space,
        ),
        Check(
            "nb101.rank",
            "Architecture ids count the hashes from 0 in ascending order.",
            _rank,
        ),
        Check(
            "nb101.repeats",
            "In a complete build every cell was trained three times with every schedule.",
            lambda artifacts, outcome: None if artifacts.partial else _repeats(artifacts, outcome),
        ),
        Check(
            "nb101.repeats-partial",
            "In a partial build every cell was trained three times with every schedule.",
            lambda artifacts, outcome: _repeats(artifacts, outcome) if artifacts.partial else None,
            severity="warning",
        ),
        Check(
            "nb101.params",
            "Recorded parameters and computed costs equal the formula of the network.",
            _params,
        ),
        Check(
            "nb101.costs",
            "Every cell has one row of costs, and no multiply-accumulates: they have no formula.",
            _costs,
        ),
        Check(
            "nb101.frames",
            "The records of the trials fill the raw file, one after the other, to its last byte.",
            _frames,
        ),
        Check(
            "nb101.accuracy-grid",
            "Accuracies are k of 9984 images in float32, at most one unit in the last place off.",
            _accuracy_grid,
            severity="warning",
        ),
        Check(
            "nb101.curves",
            "Epochs and elapsed training times rise along every curve, from 0 to the schedule.",
            _curves,
        ),
        Check(
            "nb101.hashes",
            "Every stored cell is valid and pruned, and has the recomputed hash and the counts.",
            _hashes,
            long=True,
        ),
    )


def _space(artifacts: Artifacts, outcome: Outcome) -> None:
    if artifacts.partial:
        return
    digest, count = sha256(), 0
    for table in artifacts.batches("architectures", ["hash"]):
        hashes = table["hash"].to_pylist()  # ascending, as nb101.rank proves
        digest.update("".join([f"{each}\n" for each in hashes]).encode())
        count += len(hashes)
    found = digest.hexdigest()
    wrong = f"{count} hashes of SHA-256 {found} instead of {HASHES_SHA256}"
    outcome.count(1, [wrong] if found != HASHES_SHA256 else [])


def _rank(artifacts: Artifacts, outcome: Outcome) -> None:
    expected, last = 0, ""
    for table in artifacts.batches("architectures", ["arch_id", "hash"]):
        failures = []
        rows = zip(table["arch_id"].to_pylist(), table["hash"].to_pylist(), strict=True)
        for arch_id, text in rows:
            if arch_id != expected or text <= last:
                failures.append(f"arch_id {arch_id} at rank {expected}: {text} after {last}")
            expected, last = expected + 1, text
        outcome.count(table.num_rows, failures)


def _repeats(artifacts: Artifacts, outcome: Outcome) -> None:
    cells = artifacts.parquet("architectures").metadata.num_rows
    runs: dict[int, NDArray[np.int64]] = {}
    for table in artifacts.batches("trials", ["arch_id", "num_epochs"]):
        arch_ids, epochs = table["arch_id"].to_numpy(), table["num_epochs"].to_numpy()
        for schedule in np.unique(epochs).tolist():
            counted = np.bincount(arch_ids[epochs == schedule], minlength=cells)
            runs[schedule] = runs.get(schedule, 0) + counted
    for schedule, counted in sorted(runs.items()):
        wrong = np.flatnonzero(counted != REPEATS)
        examples = [
            f"arch_id {arch_id}, {schedule} epochs: {counted[arch_id]} runs"
            for arch_id in wrong[: Outcome.MAX_EXAMPLES].tolist()
        ]
        outcome.count(len(counted), examples, len(wrong))


def _params(artifacts: Artifacts, outcome: Outcome) -> None:
    cells = artifacts.parquet("architectures").metadata.num_rows
    formula = np.full(cells, -1, np.int64)
    for table in artifacts.batches("architectures", ["arch_id", "adjacency", "operations"]):
        formula[table["arch_id"].to_numpy()] = trainable_parameters(
            table["adjacency"], table["operations"]
        )
    for name, key in (("costs", "arch_id"), ("trials", "trial_id")):
        for table in artifacts.batches(name, sorted({"arch_id", key, "params"})):
            expected = formula[table["arch_id"].to_numpy()]
            _count(outcome, table, key, "params", table["params"].to_numpy() == expected)


def _costs(artifacts: Artifacts, outcome: Outcome) -> None:
    cells = artifacts.parquet("architectures").metadata.num_rows
    found = artifacts.table("costs")
    ids = found["arch_id"].to_numpy()
    counted = np.bincount(ids, minlength=cells)
    for arch_id in np.flatnonzero(counted != 1)[: Outcome.MAX_EXAMPLES]:
        outcome.count(0, [f"arch_id {arch_id}: {counted[arch_id]} rows"])
    outcome.count(cells)
    named = np.array([each == DATASET for each in found["dataset"].to_pylist()], dtype=bool)
    _count(outcome, found, "arch_id", "macs", named & np.asarray(found["macs"].is_null()))


def _frames(artifacts: Artifacts, outcome: Outcome) -> None:
    """Compare where each record begins with where the one before ended."""
    names = ["source_pos", "trial_id", "source_offset", "source_bytes"]
    trials = artifacts.table("trials", names).sort_by("source_pos")
    offset, size = (trials[name].to_numpy() for name in names[2:])
    ends = np.append(0, np.cumsum(size))
    _count(outcome, trials, "trial_id", "source_offset", offset == ends[:-1])
    (whole,) = artifacts.table("sources", ["bytes"])["bytes"].to_pylist()
    wrong = f"the trials end at byte {ends[-1]} of {whole}"
    outcome.count(1, [wrong] if ends[-1] != whole else [])


def _accuracy_grid(artifacts: Artifacts, outcome: Outcome) -> None:
    for table in artifacts.batches("curves", ["trial_id", *_ACCURACIES]):
        for column in _ACCURACIES:
            with np.errstate(over="ignore", invalid="ignore"):  # a damaged file may say 1e300
                fractions = (table[column].to_numpy() / 100).astype(np.float32)
                hits = np.rint(fractions.astype(np.float64) * EVALUATED_IMAGES)
                nearest = (hits / EVALUATED_IMAGES).astype(np.float32)
                near = np.abs(fractions - nearest) <= np.spacing(nearest)  # not NaN, either
            _count(outcome, table, "trial_id", column, near)


def _curves(artifacts: Artifacts, outcome: Outcome) -> None:
    """Compare every point with the one before; a curve may cross a row group's end."""
    columns = ["trial_id", "num_epochs", "epoch", "elapsed_train_time_s"]
    before: pa.Table | None = None
    for group in artifacts.batches("curves", columns):
        table = group if before is None else pa.concat_tables([before, group])
        trial, schedule, epoch, elapsed = (table[name].to_numpy() for name in columns)
        begins = np.r_[True, trial[1:] != trial[:-1]]
        rises = np.r_[True, (epoch[1:] > epoch[:-1]) & (elapsed[1:] > elapsed[:-1])]
        complete = np.r_[True, epoch[:-1] == schedule[:-1]]  # the curve before came to its end
        good = np.where(begins, (epoch == 0) & complete, rises)
        done = 0 if before is None else 1
        _count(outcome, table[done:], "trial_id", "epoch", good[done:])
        before = table[-1:]
    if before is not None:
        final = before["epoch"].to_numpy() == before["num_epochs"].to_numpy()
        _count(outcome, before, "trial_id", "epoch", final)


def _hashes(artifacts: Artifacts, outcome: Outcome) -> None:
    columns = ["hash", "adjacency", "operations", "num_vertices", "num_edges"]
    for table in artifacts.batches("architectures", columns):
        rows = zip(*(table[name].to_pylist() for name in columns), strict=True)
        failures = [f"{row[0]}: {wrong}" for row in rows if (wrong := _wrong_cell(*row))]
        outcome.count(table.num_rows, failures)


def _wrong_cell(
    text: str, adjacency: str, operations: str, vertices: int, edges: int
) -> str | None:
    """What is wrong with a stored cell; None: nothing."""
    try:
        matrix, ops = _graph(adjacency), _labels(operations)
    except SpaceError as error:
        return error.what
    if (len(ops), len(matrix), adjacency.count("1")) != (vertices, vertices, edges):
        return f"the stored cell has not {vertices} vertices and {edges} edges"
    found = cell_hash(matrix, ops)
    return None if found == text else f"the stored cell hashes to {found}"


@lru_cache(maxsize=8192)  # more than the 6,472 graphs of the space
def _graph(adjacency: str) -> Matrix:
    """The matrix of a graph that cannot be pruned, whatever its labels."""
    inner = [LABELS[0]] * (isqrt(len(adjacency)) - 2)
    cell = cell_of((adjacency, [INPUT, *inner, OUTPUT]))
    if cell.adjacency != adjacency:
        raise SpaceError("the stored cell can be pruned")
    return cell.matrix


@lru_cache(maxsize=512)  # more than the 364 labelings of the space
def _labels(operations: str) -> tuple[str, ...]:
    """The labels of a cell: those of a path, which no edge is missing for."""
    labels = operations.split(",")
    path = np.eye(len(labels), k=1, dtype=int)
    return cell_of((path, labels)).ops


def _count(outcome: Outcome, table: pa.Table, key: str, column: str, good: Bools) -> None:
    """Count the rows of a table of which ``good`` holds."""
    wrong = np.flatnonzero(~good)
    shown = table.take(wrong[: Outcome.MAX_EXAMPLES]).to_pylist()
    outcome.count(
        len(good), [f"{key} {row[key]}: {column} {row[column]}" for row in shown], len(wrong)
    )
