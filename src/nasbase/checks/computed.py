"""Checks that what nasbase computed follows from what was released, computed in another way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.benchmarks import room_of
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.tables.catalogue import final_values, tables

TRAININGS = 200_000
"""Trainings whose means are computed at once."""


def computed_checks() -> list[Check]:
    """The checks of this module; they hold for every benchmark."""
    return [
        Check(
            "all.means",
            "Means, deviations and numbers of runs are those of trials, bit for bit.",
            _means,
        ),
        Check(
            "all.total_time",
            "train_time_total_s is the sum of the curve's times (nb101: its last elapsed time).",
            _total_time,
        ),
        Check(
            "all.notes",
            "Every row of trials that the room remarks on has its note, and no other row has one.",
            _notes,
        ),
    ]


def _differ(stored: pa.ChunkedArray, values: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """Rows in which a column has other bits than ``values``, or is not NULL where ``absent``."""
    null = np.asarray(stored.is_null())
    found = np.asarray(pc.fill_null(stored, 0.0))
    same = (found.view(np.int64) == values.view(np.int64)) | (np.isnan(found) & np.isnan(values))
    return np.flatnonzero((null != absent) | (~null & ~same))


# ---------------------------------------------------------------------------------------------
# means


def _means(artifacts: Artifacts, outcome: Outcome) -> None:
    key = list(tables(artifacts.benchmark)["means"].key)
    datasets = _datasets(artifacts)
    order, starts, groups = _trainings(artifacts, key, datasets)
    means = artifacts.table("means", [*key, "n"])
    theirs = _numbers(means.select(key), datasets)
    if groups.shape != theirs.shape or (groups != theirs).any():
        differ = {*map(tuple, groups.T.tolist())} ^ {*map(tuple, theirs.T.tolist())}
        named = [_named(key, group, datasets) for group in sorted(differ)]
        outcome.count(len(means), [f"means and trials differ in {name}" for name in named] or
                      ["means is not in the order of its key"])  # fmt: skip
        return

    def count(column: str, rows: int, wrong: np.ndarray) -> None:
        shown = [_named(key, theirs[:, row].tolist(), datasets) for row in wrong[:5]]
        outcome.count(rows, [f"{row}: {column}" for row in shown], failed=len(wrong))

    ends = np.append(starts, len(order))
    count("n", len(starts), np.flatnonzero(means["n"].to_numpy() != np.diff(ends)))
    for wrong in _wrong_moments(artifacts, order, ends):
        count(*wrong)


def _wrong_moments(
    artifacts: Artifacts, order: np.ndarray, ends: np.ndarray
) -> Iterator[tuple[str, int, np.ndarray]]:
    """Some rows of ``means`` after the other: a column, how many they are, which are wrong.

    ``order`` has the trials by training, and ``ends`` where each training starts and the last ends.
    """
    for name in (column.name for column in final_values(artifacts.benchmark)):
        values = artifacts.table("trials", [name])[name].combine_chunks()
        stored = artifacts.table("means", [f"{name}_mean", f"{name}_sd"])
        for low in range(0, len(stored), TRAININGS):
            rows = stored.slice(low, TRAININGS)
            n = np.diff(ends[low : low + len(rows) + 1])
            runs = order[ends[low] : ends[low + len(rows)]]
            mean, deviation, absent = _moments(values.take(pa.array(runs)), n)
            yield f"{name}_mean", len(rows), low + _differ(rows[0], mean, absent)
            yield f"{name}_sd", len(rows), low + _differ(rows[1], deviation, absent | (n < 2))


def _datasets(artifacts: Artifacts) -> pa.Array:
    """Names of the data sets that the build has results on, in order."""
    batches = (
        rows for table in ("means", "trials") for rows in artifacts.batches(table, ["dataset"])
    )
    return pa.array(sorted({name for rows in batches for name in pc.unique(rows[0]).to_pylist()}))


def _trainings(
    artifacts: Artifacts, key: list[str], datasets: pa.Array
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trials by training and run; where each training starts in that order; its key's numbers."""
    trials = artifacts.table("trials", [*key, "run"])
    numbers = _numbers(trials.select(key), datasets)
    order = np.lexsort((trials["run"].to_numpy(), *numbers[::-1])).astype(np.int32)
    numbers = numbers[:, order]
    first = np.append(True, (numbers[:, 1:] != numbers[:, :-1]).any(axis=0))[: numbers.shape[1]]
    return order, np.flatnonzero(first).astype(np.int32), numbers[:, first]


def _moments(column: pa.Array, n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and sample deviation of each training's ``n`` runs, and whether one of them is NULL.

    They are added run by run: sums depend on their order.
    """
    there = np.arange(n.max(initial=0)) < n[:, None]
    values, known = np.zeros(there.shape), np.zeros(there.shape, dtype=bool)
    values[there], known[there] = pc.fill_null(column, 0.0), column.is_valid()
    total, squares = np.zeros(len(n)), np.zeros(len(n))
    with np.errstate(invalid="ignore"):  # a loss may be infinite
        for run in values.T:
            total = total + run
        mean = total / n
        for run, counts in zip(values.T, there.T, strict=True):
            squares = squares + np.where(counts, np.square(run - mean), 0.0)
        deviation = np.sqrt(squares / np.maximum(n - 1, 1))
    return mean, deviation, known.sum(axis=1) < n


def _numbers(rows: pa.Table, datasets: pa.Array) -> np.ndarray:
    """Columns of a key as int32 of shape (column, row); a data set is its place in the order."""
    columns = [
        pc.index_in(column, value_set=datasets) if pa.types.is_string(column.type) else column
        for column in rows.columns
    ]
    return np.array([column.to_numpy() for column in columns], dtype=np.int32)


def _named(key: Sequence[str], group: Sequence[int], datasets: pa.Array) -> str:
    values = [datasets[i].as_py() if k == "dataset" else i for k, i in zip(key, group, strict=True)]
    return ", ".join(f"{name} {value}" for name, value in zip(key, values, strict=True))


# ---------------------------------------------------------------------------------------------
# times


def _total_time(artifacts: Artifacts, outcome: Outcome) -> None:
    stored = artifacts.table("trials", ["trial_id", "num_epochs", "train_time_total_s"])
    total, complete = np.zeros(stored.num_rows), np.zeros(stored.num_rows, dtype=bool)
    names = tables(artifacts.benchmark)["curves"].names
    if "elapsed_train_time_s" in names:
        for ids, batch in _points(artifacts, "elapsed_train_time_s", stored.num_rows):
            last = np.asarray(pc.equal(batch["epoch"], batch["num_epochs"]))
            total[ids[last]] = batch["value"].filter(pa.array(last))
            complete[ids[last]] = True
    elif "train_time_s" in names:
        points = np.zeros(stored.num_rows, dtype=np.int64)
        for ids, batch in _points(artifacts, "train_time_s", stored.num_rows):
            np.add.at(total, ids, batch["value"].to_numpy())  # one after the other, as upstream
            np.add.at(points, ids, 1)
        complete = points == stored["num_epochs"].to_numpy()
    wrong = _differ(stored["train_time_total_s"], total, ~complete)
    shown = stored.take(pa.array(wrong[:5])).to_pylist()
    examples = [f"trial {row['trial_id']}: {row['train_time_total_s']}" for row in shown]
    outcome.count(stored.num_rows, examples, failed=len(wrong))


def _points(
    artifacts: Artifacts, column: str, trials: int
) -> Iterator[tuple[np.ndarray, pa.Table]]:
    """Points of ``curves`` that have a value, in order, and the trials that they belong to."""
    columns = ["trial_id", "epoch", "num_epochs", column]
    for rows in artifacts.batches("curves", columns):
        batch = rows.select(columns).rename_columns(["trial_id", "epoch", "num_epochs", "value"])
        # Curves of a trial that is none are another check's.
        known = pc.and_(batch["value"].is_valid(), pc.less(batch["trial_id"], trials))
        batch = batch.filter(known)
        yield batch["trial_id"].to_numpy(), batch


# ---------------------------------------------------------------------------------------------
# notes


NOTE_SENTENCES = ("sentence", "reference")
"""Columns of ``notes`` that hold prose."""


def _notes(artifacts: Artifacts, outcome: Outcome) -> None:
    room = room_of(artifacts.benchmark)
    architectures = artifacts.table("architectures")
    demanded: dict[tuple, tuple] = {}
    for batch in artifacts.batches("trials"):
        here = pc.is_in(architectures["arch_id"], value_set=pc.unique(batch["arch_id"]))
        demanded.update(map(_note, room.annotate(room.costs(architectures.filter(here)), batch)))
    stored = artifacts.table("notes")
    # Notes on whole columns are facts of the release; those on a NaN have a check of their own.
    own = pc.and_(pc.is_valid(stored["key"]), pc.not_equal(stored["kind"], "nan"))
    notes = [*map(_note, stored.filter(own).to_pylist())]
    found = dict(notes)
    differ = sorted({*found} ^ {*demanded}, key=str)
    twice = len(notes) - len(found)
    examples = [*map(_named_note, differ), *([f"{twice} notes that are there twice"] * bool(twice))]
    outcome.count(len({*found} | {*demanded}), examples, failed=len(differ) + twice)
    both = [note for note in found if note in demanded]
    other = [f"{_named_note(note)}: {found[note][0]}" for note in both
             if found[note] != demanded[note]]  # fmt: skip
    outcome.count_sentences(artifacts.made_by, "notes", len(both), other)


def _note(row: Any) -> tuple[tuple, tuple]:
    """What a note is about, and its prose."""
    names = ("table", "key", "column", "code", "kind", "value")
    return tuple(row[name] for name in names), tuple(row[name] for name in NOTE_SENTENCES)


def _named_note(note: tuple) -> str:
    table, key, column, code, *_ = note
    return f"{table} {key} {column}: {code}"
