"""What must be true of every build of ``ArchResults`` records, looked up in its Parquet tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.benchmarks.nats_common.datasets import DATASETS, FULL_SEEDS, IMAGES, SHORT_SEED
from nasbase.benchmarks.nats_common.derived import SIZES, exact_sizes, wrong_sizes
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.tables.catalogue import SPLITS

if TYPE_CHECKING:
    from nasbase.benchmarks.nats_common.room import TableRoom

GRID_TOLERANCE = 1e-5
"""Images by which an accuracy may miss a whole number of right answers (rounding of averages)."""

GAP = 32
"""Most bytes between two entries: opcodes that close a batch and a frame and open the next."""

HALVES_TOLERANCE = 2e-7
"""Percent by which ori_test may miss the mean of its halves (1.2e-7 in the releases)."""


def record_checks(room: TableRoom) -> Sequence[Check]:
    """The checks of one benchmark, cheap ones first."""
    name = room.name

    def check(
        what: str,
        claim: str,
        run: Callable[[TableRoom, Artifacts, Outcome], None],
        *,
        warn: bool = False,
    ) -> Check:
        return Check(
            f"{name}.{what}", claim, partial(run, room), severity="warning" if warn else "error"
        )

    return (
        check(
            "enumeration",
            "Every architecture is the one that upstream's enumeration has at its index; "
            "a complete build has them all.",
            _enumeration,
        ),
        check("costs", "The table costs equals the formula of the network.", _costs),
        check(
            "schedules",
            "Every architecture has trials with every schedule (in a partial build: with one).",
            _schedules,
        ),
        check(
            "entries",
            "Architectures that stand in one pickle follow one another, with none between them.",
            _entries,
        ),
        check("sizes", "Recorded sizes equal the formula, or have a note.", _sizes),
        check("known", "Seeds, schedules and data sets are those known.", _known, warn=True),
        check("grid", "Accuracies are whole numbers of right answers.", _grid, warn=True),
        check(
            "halves",
            "On cifar100 and ImageNet16-120 ori_test is the mean of x_valid and x_test.",
            _halves,
            warn=True,
        ),
    )


def _architectures(room: TableRoom, artifacts: Artifacts) -> pa.Table:
    """Ids in the build that the space has, with the strings of the space, not of the build."""
    strings = room.enumeration()
    ids = artifacts.table("architectures", ["arch_id"])["arch_id"].to_numpy()
    ids = ids[(ids >= 0) & (ids < len(strings))]
    return pa.table({"arch_id": ids, "arch_str": [strings[i] for i in ids]})


def _of_the_space(architectures: pa.Table, batch: pa.Table) -> pa.Table:
    return batch.filter(pc.is_in(batch["arch_id"], value_set=architectures["arch_id"]))


# ---------------------------------------------------------------------------------------------
# architectures


def _enumeration(room: TableRoom, artifacts: Artifacts, outcome: Outcome) -> None:
    strings = room.enumeration()
    count = artifacts.parquet("architectures").metadata.num_rows
    lacking = not artifacts.partial and count != len(strings)
    outcome.count(1, [f"{count} architectures of {len(strings)}"] if lacking else [])
    for batch in artifacts.batches("architectures"):
        failures = []
        for row in batch.to_pylist():
            index = row.pop("arch_id")
            if not 0 <= index < len(strings) or row != room.decode_architecture(strings[index]):
                failures.append(f"arch_id {index}: {row['arch_str']}")
        outcome.count(batch.num_rows, failures)


def _costs(room: TableRoom, artifacts: Artifacts, outcome: Outcome) -> None:
    architectures = _architectures(room, artifacts)
    exact = exact_sizes(architectures, room.architecture_costs, sorted(DATASETS)).reshape(-1, 2)
    at = 0
    for batch in artifacts.batches("costs", ("params", "macs")):
        found = np.stack([batch["params"].to_numpy(), batch["macs"].to_numpy()], axis=1)
        wanted = exact[at : at + len(found)]
        if len(wanted) < len(found):
            outcome.count(len(found), ["costs has more rows than architectures times data sets"])
            return
        bad = np.flatnonzero((found != wanted).any(axis=1))
        outcome.count(len(found), [f"row {at + i} of costs" for i in bad[:5]], failed=len(bad))
        at += len(found)
    missing = len(exact) - at
    outcome.count(0, [f"costs ends after {at} rows"] if missing else [], failed=missing)


# ---------------------------------------------------------------------------------------------
# trials


def _schedules(room: TableRoom, artifacts: Artifacts, outcome: Outcome) -> None:
    architectures = _architectures(room, artifacts)
    ids = architectures["arch_id"].to_numpy()
    has = np.zeros((len(ids), len(room.schedules)), dtype=bool)
    for whole in artifacts.batches("trials", ("arch_id", "num_epochs")):
        batch = _of_the_space(architectures, whole)
        row = np.searchsorted(ids, batch["arch_id"].to_numpy())
        epochs = batch["num_epochs"].to_numpy()
        for column, schedule in enumerate(room.schedules):
            has[row[epochs == schedule], column] = True
    good = has.any(axis=1) if artifacts.partial else has.all(axis=1)
    bad = np.flatnonzero(~good)
    outcome.count(
        len(ids), [f"arch_id {ids[i]}: {_lacking(room, has[i])}" for i in bad[:5]], failed=len(bad)
    )


def _entries(_room: TableRoom, artifacts: Artifacts, outcome: Outcome) -> None:
    spans = artifacts.table("trials", ("source_offset", "source_bytes")).drop_null()
    spans = spans.group_by(spans.column_names).aggregate([]).sort_by("source_offset")
    if not len(spans):
        outcome.not_applicable = "Every architecture is a member of its own."
        return
    first, size = (column.to_numpy() for column in spans.columns)
    gap = first[1:] - (first + size)[:-1]
    bad = np.flatnonzero((gap < 0) | (gap > GAP))
    examples = [f"{gap[i]} bytes before byte {first[i + 1]}" for i in bad[:5]]
    outcome.count(len(spans), examples, failed=len(bad))


def _lacking(room: TableRoom, has: np.ndarray) -> str:
    lacking = [str(s) for s, there in zip(room.schedules, has, strict=True) if not there]
    return f"no trial of {', '.join(lacking)} epochs"


def _sizes(room: TableRoom, artifacts: Artifacts, outcome: Outcome) -> None:
    architectures = _architectures(room, artifacts)
    noted = _noted_sizes(artifacts)
    columns = ("trial_id", "arch_id", "dataset", *SIZES)
    for whole in artifacts.batches("trials", columns):
        batch = _of_the_space(architectures, whole)
        ids = batch["trial_id"].to_numpy()
        recorded = sum(len(batch) - batch[column].null_count for column in SIZES)
        failures = []
        here = architectures.filter(
            pc.is_in(architectures["arch_id"], value_set=pc.unique(batch["arch_id"]))
        )
        for column, at, exact in wrong_sizes(room.costs(here), batch):
            for row, right in zip(at, exact.tolist(), strict=True):
                if noted.get((f'{{"trial_id": {ids[row]}}}', column)) != right / 1e6:
                    failures.append(f"trial_id {ids[row]}: {column} is not {right / 1e6}")
        outcome.count(recorded, failures)


def _noted_sizes(artifacts: Artifacts) -> dict[tuple[str, str], float]:
    """Right values of sizes by note: key of the row and column."""
    noted: dict[tuple[str, str], float] = {}
    for batch in artifacts.batches("notes", ("table", "key", "column", "code", "value")):
        wanted = batch.filter(
            pc.and_(
                pc.equal(batch["table"], "trials"),
                pc.is_in(batch["code"], value_set=pa.array(["params-differ", "flops-differ"])),
            )
        )
        rows = zip(*(wanted[name].to_pylist() for name in ("key", "column", "value")), strict=True)
        noted.update({(key, column): value for key, column, value in rows})
    return noted


def _known(room: TableRoom, artifacts: Artifacts, outcome: Outcome) -> None:
    seeds = (SHORT_SEED, *FULL_SEEDS)
    known = {"seed": seeds, "num_epochs": room.schedules, "dataset": DATASETS}
    for batch in artifacts.batches("trials", ("trial_id", *known)):
        for column, values in known.items():
            allowed = pa.array(values, type=batch.schema.field(column).type)
            strange = batch.filter(pc.invert(pc.is_in(batch[column], value_set=allowed)))
            examples = [
                f"trial_id {row['trial_id']}: {column} {row[column]!r}"
                for row in strange.slice(0, 5).to_pylist()
            ]
            outcome.count(batch.num_rows, examples, failed=strange.num_rows)


# ---------------------------------------------------------------------------------------------
# curves


def _grid(room: TableRoom, artifacts: Artifacts, outcome: Outcome) -> None:
    columns = {
        f"{split}_acc_pct": {
            name: images[upstream]
            for name, images in IMAGES.items()
            if (upstream := split.replace("_", "-")) in images
        }
        for split in SPLITS[room.name]
    }
    for batch in artifacts.batches("curves", ("trial_id", "epoch", "dataset", *columns)):
        for column, images in columns.items():
            known = batch.filter(pc.is_valid(batch[column]))
            per_row = _per_dataset(known, images)
            right = known[column].to_numpy() / 100 * per_row
            off = ~(np.abs(right - np.rint(right)) <= GRID_TOLERANCE)
            _count_points(known, off, column, outcome)


def _halves(_room: TableRoom, artifacts: Artifacts, outcome: Outcome) -> None:
    columns = ("x_valid_acc_pct", "x_test_acc_pct", "ori_test_acc_pct")
    for batch in artifacts.batches("curves", ("trial_id", "epoch", "dataset", *columns)):
        there = pc.is_in(batch["dataset"], value_set=pa.array(["cifar100", "ImageNet16-120"]))
        for column in columns:
            there = pc.and_(there, pc.is_valid(batch[column]))
        known = batch.filter(there)
        valid, test, both = (known[column].to_numpy() for column in columns)
        off = ~(np.abs((valid + test) / 2 - both) <= HALVES_TOLERANCE)
        _count_points(known, off, "ori_test_acc_pct", outcome)


def _per_dataset(batch: pa.Table, values: dict[str, int]) -> np.ndarray:
    """One number per row, by its data set; NaN for a data set without the split."""
    names = list(values)
    position = pc.index_in(batch["dataset"], value_set=pa.array(names)).to_numpy()
    numbers = np.array([*values.values(), np.nan])
    return numbers[np.where(np.isnan(position), len(names), position).astype(int)]


def _count_points(batch: pa.Table, off: np.ndarray, column: str, outcome: Outcome) -> None:
    bad = np.flatnonzero(off)
    points = batch.select(["trial_id", "epoch", column]).take(pa.array(bad[:5])).to_pylist()
    outcome.count(batch.num_rows, [str(point) for point in points], failed=len(bad))
