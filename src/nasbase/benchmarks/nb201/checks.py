"""NAS-Bench-201 beside NATS-Bench's topology space: what both released of the same trainings.

That an index means the same cell in both is certain (its author, NATS-Bench issue 48). That the
numbers of a training are the same was seen on single architectures only: two cells after 12 epochs
and one after 200 agree, the accuracies on test images to 1e-7 percent. So other numbers are a
warning, and the record counts what is equal, what is not, and what only one of the two has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.benchmarks.nats_common.derived import SIZES
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.errors import ArtifactError
from nasbase.store.build import read_build
from nasbase.store.parquet import read_batches
from nasbase.tables.catalogue import series

OURS, THEIRS = "nb201", "nats_tss"
TRAINING = ("arch_id", "dataset", "num_epochs", "seed")
"""What names one training in both releases."""

NO_TIMES = "1.0"
"""Release without times of long trainings; its other times and latencies are single measurements,
which release 1.1 and NATS-Bench replaced by one value for all trainings of a cell."""

BATCH_ROWS = 122_880
_EPOCHS = 1_000  # more than a training has, so that one number orders trainings and epochs

_Run = Callable[[Artifacts, Artifacts, Outcome], None]


class Tolerance(NamedTuple):
    """By how much numbers may differ that are the same but for rounding."""

    absolute: float = 0.0
    relative: float = 0.0


ACCURACY = Tolerance(absolute=1e-6)
"""One right answer more is at least 6e-4 percent; averages over batches were rounded near 1e-7."""

LOSS = Tolerance(relative=1e-6)
MEASURED = Tolerance(relative=1e-9)


def counterpart_checks() -> Sequence[Check]:
    """The checks of this module."""
    accuracies, losses, times = (
        [column.name for column in series(OURS) if column.name.endswith(end)]
        for end in ("_pct", "_loss", "_time_s")
    )

    def check(what: str, claim: str, run: _Run, *, warn: bool = True, first: bool = True) -> Check:
        """``first``: whether it holds for the first release of NAS-Bench-201, too."""
        return Check(
            f"{OURS}.same-as-nats-tss.{what}",
            claim,
            partial(_beside, run=run, first=first),
            severity="warning" if warn else "error",
        )

    def same(table: str, columns: Sequence[str], tolerance: Tolerance) -> _Run:
        return partial(_same_numbers, table=table, columns=columns, tolerance=tolerance)

    return (
        check(
            "architectures",
            "An index names the same cell in nats_tss; complete builds have the same ones.",
            partial(_same_rows, table="architectures", key=["arch_id"]),
            warn=False,
        ),
        check(
            "costs",
            "The computed sizes of a cell are those in nats_tss.",
            partial(_same_rows, table="costs", key=["arch_id", "dataset"]),
            warn=False,
        ),
        check(
            "trainings",
            "Every training of a cell that both have is in nats_tss.",
            _trainings,
        ),
        check(
            "accuracies",
            "A training has the accuracies that it has in nats_tss, where both have one.",
            same("curves", accuracies, ACCURACY),
        ),
        check(
            "losses",
            "A training has the losses that it has in nats_tss, where both have one.",
            same("curves", losses, LOSS),
        ),
        check(
            "times",
            "A training has the times that it has in nats_tss, where both have one.",
            same("curves", times, MEASURED),
            first=False,
        ),
        check(
            "latencies",
            "A training has the latency that it has in nats_tss.",
            same("trials", ["latency_s"], MEASURED),
            first=False,
        ),
        check(
            "sizes",
            "A training has the recorded sizes that it has in nats_tss, wrong ones included.",
            _sizes,
        ),
    )


def _beside(artifacts: Artifacts, outcome: Outcome, *, run: _Run, first: bool) -> None:
    """Run a check with the tables of nats_tss at hand, or say why there is nothing to compare."""
    if artifacts.counterpart is None:
        outcome.not_applicable = f"{THEIRS} was not built with it."
        return
    build = read_build(artifacts.counterpart)
    outcome.facts["compared_with"] = f"{build.benchmark} {build.version}"
    if build.synthetic != artifacts.synthetic:
        outcome.not_applicable = "The numbers of one of the two builds are made up."
    elif artifacts.release == NO_TIMES and not first:
        outcome.not_applicable = f"Release {NO_TIMES} measured its times another way."
    else:
        other = Artifacts(
            benchmark=build.benchmark,
            release=build.release,
            folder=artifacts.counterpart,
            partial=build.partial,
            synthetic=build.synthetic,
        )
        run(artifacts, other, outcome)


# ---------------------------------------------------------------------------------------------
# cells


def _same_rows(
    ours: Artifacts, theirs: Artifacts, outcome: Outcome, *, table: str, key: Sequence[str]
) -> None:
    """Rows of a short table, by key: equal in every column."""
    mine, others = (_by_key(each.table(table), key) for each in (ours, theirs))
    common = sorted(mine.keys() & others.keys())
    outcome.count(len(common), [
        f"{_named(key, name)}: {mine[name]}, in {THEIRS} {others[name]}"
        for name in common if mine[name] != others[name]
    ])  # fmt: skip
    if not (ours.partial or theirs.partial):
        lonely = sorted(mine.keys() ^ others.keys())
        owners = [OURS if name in mine else THEIRS for name in lonely]
        outcome.count(len(lonely), [
            f"{_named(key, name)}: in {owner} alone"
            for name, owner in zip(lonely, owners, strict=True)
        ])  # fmt: skip


def _by_key(rows: pa.Table, key: Sequence[str]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {tuple(row.pop(name) for name in key): row for row in rows.to_pylist()}


def _named(key: Sequence[str], values: Sequence[Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(key, values, strict=True))


# ---------------------------------------------------------------------------------------------
# trainings


def _matched(ours: Artifacts, theirs: Artifacts) -> pa.Table:
    """Trainings of either build: their names, and ``trial_id`` in both (``_theirs``)."""
    columns = [*TRAINING, "trial_id"]
    mine, others = (each.table("trials", columns) for each in (ours, theirs))
    return mine.join(
        others, keys=list(TRAINING), join_type="full outer", right_suffix="_theirs"
    ).sort_by([(name, "ascending") for name in TRAINING])


def _trainings(ours: Artifacts, theirs: Artifacts, outcome: Outcome) -> None:
    """Of the cells that both have: NATS-Bench trained some of them more often."""
    ids = [each.table("architectures", ["arch_id"])["arch_id"] for each in (ours, theirs)]
    matched = _matched(ours, theirs)
    for one in ids:
        matched = matched.filter(pc.is_in(matched["arch_id"], value_set=one.combine_chunks()))
    counts: dict[str, dict[str, int]] = {}
    for epochs in sorted(pc.unique(matched["num_epochs"]).to_pylist()):
        mine = matched.filter(pc.equal(matched["num_epochs"], epochs))
        lonely = mine.filter(mine["trial_id_theirs"].is_null())
        outcome.count(
            mine.num_rows - mine["trial_id"].null_count,
            [f"{_training(row)}: not in {THEIRS}" for row in lonely.slice(0, 5).to_pylist()],
            failed=lonely.num_rows,
        )
        only_theirs = mine["trial_id"].null_count
        counts[f"{epochs} epochs"] = {
            "equal": mine.num_rows - lonely.num_rows - only_theirs,
            f"only_{OURS}": lonely.num_rows,
            f"only_{THEIRS}": only_theirs,
        }
    outcome.facts["counts"] = counts


def _training(row: dict[str, Any]) -> str:
    """The name of a training, in words."""
    return (
        f"arch_id {row['arch_id']}, {row['dataset']}, {row['num_epochs']} epochs, "
        f"seed {row['seed']}"
    )


# ---------------------------------------------------------------------------------------------
# numbers


class Points(NamedTuple):
    """Consecutive rows of a table, of trainings that both builds have.

    ``key`` orders them alike in both builds: number of the training, then epoch.
    """

    key: np.ndarray
    rows: pa.Table

    def cut(self, at: int) -> tuple[Points, Points]:
        """The rows before a position, and those from it on."""
        before, after = self.rows.slice(0, at), self.rows.slice(at)
        return Points(self.key[:at], before), Points(self.key[at:], after)


class Compared(NamedTuple):
    """What comparing one column of some points found.

    ``different`` are positions of values that are not the same.
    """

    counts: Counter[str]
    different: np.ndarray


def _same_numbers(
    ours: Artifacts,
    theirs: Artifacts,
    outcome: Outcome,
    *,
    table: str,
    columns: Sequence[str],
    tolerance: Tolerance,
) -> None:
    """Both tables are read once, side by side: neither is ever in memory as a whole."""
    matched = _matched(ours, theirs).drop_null()
    differs = np.zeros(matched.num_rows, dtype=bool)
    counts = {name: Counter[str]() for name in columns}
    streams = (
        _points(each, table, columns, matched[name].to_numpy())
        for each, name in ((ours, "trial_id"), (theirs, "trial_id_theirs"))
    )
    for mine, others in side_by_side(*streams):
        here, there = _common(mine.key, others.key)
        key = mine.key[here]
        for name in columns:
            a, b = _Values.of(mine.rows[name], here), _Values.of(others.rows[name], there)
            found = _compared(a, b, tolerance)
            counts[name].update(found.counts)
            differs[key[found.different] // _EPOCHS] = True
            examples = [
                f"{_point(matched, key[i], table)}: {name} {a.numbers[i]}, "
                f"in {THEIRS} {b.numbers[i]}"
                for i in found.different[: Outcome.MAX_EXAMPLES]
            ]
            checked = sum(found.counts[how] for how in ("equal", "rounded", "different"))
            outcome.count(checked, examples, failed=len(found.different))
    outcome.facts["counts"] = {name: dict(found) for name, found in counts.items()}
    outcome.facts["trainings"] = matched.num_rows
    outcome.facts["trainings_that_differ"] = int(differs.sum())


def _sizes(ours: Artifacts, theirs: Artifacts, outcome: Outcome) -> None:
    """Besides, count the sizes known to be wrong: NATS-Bench may have corrected some."""
    _same_numbers(ours, theirs, outcome, table="trials", columns=SIZES, tolerance=MEASURED)
    for each in (ours, theirs):
        notes = each.table("notes", ["key", "column", "kind"])
        errata = pc.and_(notes["key"].is_valid(), pc.equal(notes["kind"], "erratum"))
        wrong = Counter(notes.filter(errata)["column"].to_pylist())
        for name in SIZES:
            outcome.facts["counts"][name][f"errata_{each.benchmark}"] = wrong[name]


def _point(matched: pa.Table, key: int, table: str) -> str:
    training = _training(matched.slice(key // _EPOCHS, 1).to_pylist()[0])
    return f"{training}, epoch {key % _EPOCHS}" if table == "curves" else training


def _points(
    artifacts: Artifacts, table: str, columns: Sequence[str], ids: np.ndarray
) -> Iterator[Points]:
    """Rows of the trials ``ids``, which stand in the same order in both builds."""
    if (np.diff(ids) <= 0).any():
        raise ArtifactError(
            "Two builds order their trials differently.",
            where=artifacts.path("trials"),
            expected="trials by architecture, data set, schedule and seed",
            found=f"{artifacts.benchmark} in another order",
        )
    keys = ["trial_id", *(["epoch"] if table == "curves" else [])]
    path = artifacts.path(table)
    for rows in read_batches(path, BATCH_ROWS, [*keys, *columns]) if len(ids) else ():
        trial = rows["trial_id"].to_numpy()
        number = np.minimum(np.searchsorted(ids, trial), len(ids) - 1)
        known = ids[number] == trial
        key = number * _EPOCHS
        if table == "curves":
            key += rows["epoch"].to_numpy()
        if known.all():
            yield Points(key, rows)
        elif known.any():
            yield Points(key[known], rows.filter(pa.array(known)))


def side_by_side(
    ours: Iterator[Points], theirs: Iterator[Points]
) -> Iterator[tuple[Points, Points]]:
    """Cut two streams at the same keys: a key never stands in two different pairs of pieces."""
    a, b = next(ours, None), next(theirs, None)
    while a is not None and b is not None:
        end = min(a.key[-1], b.key[-1])
        mine, a_left = a.cut(int(np.searchsorted(a.key, end, side="right")))
        others, b_left = b.cut(int(np.searchsorted(b.key, end, side="right")))
        yield mine, others
        a = a_left if len(a_left.key) else next(ours, None)
        b = b_left if len(b_left.key) else next(theirs, None)
    while a is not None:
        yield a, a.cut(0)[0]
        a = next(ours, None)
    while b is not None:
        yield b.cut(0)[0], b
        b = next(theirs, None)


Chosen = slice | np.ndarray


def _common(ours: np.ndarray, theirs: np.ndarray) -> tuple[Chosen, Chosen]:
    """Where the keys stand that are in both."""
    if np.array_equal(ours, theirs):
        return slice(None), slice(None)
    _, here, there = np.intersect1d(ours, theirs, assume_unique=True, return_indices=True)
    return here, there


class _Values(NamedTuple):
    """Some values of a column: those at points that both builds have.

    ``lonely`` counts the values at other points.
    """

    numbers: np.ndarray
    present: np.ndarray
    lonely: int

    @classmethod
    def of(cls, column: pa.ChunkedArray, chosen: Chosen) -> _Values:
        present = np.asarray(column.is_valid())[chosen]
        numbers = np.asarray(pc.fill_null(column, 0.0))[chosen]
        released = len(column) - column.null_count
        return cls(numbers, present, released - int(np.count_nonzero(present)))


def _compared(ours: _Values, theirs: _Values, tolerance: Tolerance) -> Compared:
    """Count values that are equal to the bit, but for rounding, different, or in one build alone.

    NaN equals NaN: which of its bits a machine wrote says nothing.
    """
    both = ours.present & theirs.present
    a, b = ours.numbers, theirs.numbers
    unequal = np.flatnonzero(both & (a.view(np.int64) != b.view(np.int64)))
    a, b = a[unequal], b[unequal]
    nan = np.isnan(a) & np.isnan(b)
    near = ~nan & (np.abs(a - b) <= tolerance.absolute + tolerance.relative * np.abs(b))
    counts = {
        "equal": np.count_nonzero(both) - len(unequal) + np.count_nonzero(nan),
        "rounded": np.count_nonzero(near),
        "different": len(unequal) - np.count_nonzero(nan | near),
        f"only_{OURS}": ours.lonely + np.count_nonzero(ours.present & ~theirs.present),
        f"only_{THEIRS}": theirs.lonely + np.count_nonzero(theirs.present & ~ours.present),
    }
    whole = Counter({name: int(count) for name, count in counts.items()})
    return Compared(whole, unequal[~(nan | near)])
