"""What upstream trained, evaluated and timed of each architecture: patterns of whole releases.

Seen on genuine records and in upstream's scripts; a release that leaves them is not wrong, so all
but the count of isomorphism classes warn only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from nasbase.benchmarks.nats_common.datasets import DATASETS, FULL_SEEDS, IMAGES, SHORT_SEED
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.tables.catalogue import SPLITS

if TYPE_CHECKING:
    from nasbase.benchmarks.nats_common.room import TableRoom

CLASSES = 6466
"""Cells of the topology space that compute different functions (NAS-Bench-201, section 2.1)."""

_ALL, _FIRST = {*FULL_SEEDS}, {FULL_SEEDS[0]}

SIZE_SEEDS: Mapping[int, set[int]] = {1: _FIRST, 12: _ALL, 90: _FIRST}
"""Size space: schedule -> seeds of every architecture on every data set."""

LAST_ONLY = {
    "cifar10-valid": ("ori_test",),
    "cifar100": ("x_valid", "x_test"),
    "ImageNet16-120": ("x_valid", "x_test"),
}
"""Splits that 200-epoch trainings of the topology space were evaluated on after the last epoch
alone; later trainings may have them at every epoch."""

RELATIVE = 1e-9
"""By which a time may leave its ratio: they were computed in another order."""


def pattern_checks(room: TableRoom) -> Sequence[Check]:
    """The checks of this module that concern one benchmark."""

    def warning(what: str, claim: str, run: Callable[[Artifacts, Outcome], None]) -> Check:
        return Check(f"{room.name}.{what}", claim, run, severity="warning")

    size = room.name == "nats_sss"
    evaluated = warning(
        "presence",
        "Splits were evaluated after every epoch, or after the last one where upstream did so.",
        partial(_presence, last_only={} if size else LAST_ONLY),
    )
    losses = warning("losses", "No loss is infinite.", _losses)
    seeds = warning("seeds", "Every architecture was trained with upstream's seeds.",
                    partial(_seeds, allowed=_size_seeds if size else _topology_seeds))  # fmt: skip
    if size:
        claim = "Every training of an architecture on a data set took the same times."
        return (seeds, evaluated, losses, warning("times", claim, _equal_times))
    claim = "The cells of the whole space compute 6,466 different functions."
    scaled = "Times are those of one epoch on cifar10-valid, scaled by the numbers of images."
    return (
        Check(f"{room.name}.classes", claim, _classes),
        seeds,
        evaluated,
        losses,
        warning("times", scaled, _scaled_times),
    )


def _classes(artifacts: Artifacts, outcome: Outcome) -> None:
    if artifacts.partial:
        return
    (classes,) = artifacts.table("architectures", ["isomorphism_class"]).columns
    found = pc.count_distinct(classes).as_py()
    outcome.count(1, [] if found == CLASSES else [f"{found} classes"])


# ---------------------------------------------------------------------------------------------
# seeds


def _topology_seeds(schedule: int, dataset: str, seeds: set[int]) -> bool:
    if schedule == 12:
        return seeds == {SHORT_SEED} | (_FIRST if dataset == "cifar10-valid" else set())
    return seeds <= _ALL


def _size_seeds(schedule: int, _dataset: str, seeds: set[int]) -> bool:
    return seeds == SIZE_SEEDS.get(schedule)


def _seeds(
    artifacts: Artifacts, outcome: Outcome, *, allowed: Callable[[int, str, set[int]], bool]
) -> None:
    key = ["arch_id", "dataset", "num_epochs"]
    trials = artifacts.table("trials", [*key, "seed"])
    groups = trials.group_by(key, use_threads=False).aggregate([("seed", "list")])
    # A release has a handful of different patterns: each is judged once.
    patterns: dict[tuple, bool] = {}
    failures, bad = [], 0
    for arch_id, dataset, schedule, seeds in zip(
        *(groups[name].to_pylist() for name in (*key, "seed_list")), strict=True
    ):
        pattern = (schedule, dataset, *seeds)
        if pattern not in patterns:
            patterns[pattern] = allowed(schedule, dataset, set(seeds))
        if not patterns[pattern]:
            bad += 1
            failures.append(f"arch_id {arch_id}, {dataset}, {schedule} epochs: {sorted(seeds)}")
            del failures[Outcome.MAX_EXAMPLES :]
    outcome.count(groups.num_rows, failures, failed=bad)


# ---------------------------------------------------------------------------------------------
# curves


def _presence(
    artifacts: Artifacts, outcome: Outcome, *, last_only: Mapping[str, Sequence[str]]
) -> None:
    finals = [f"{split}_acc_pct" for split in SPLITS[artifacts.benchmark]]
    trials = artifacts.table("trials", ["trial_id", "num_epochs", "dataset", *finals])
    trial = trials["trial_id"].to_numpy()
    most = int(trial.max(initial=-1)) + 1
    points = {name: np.zeros(most, np.int64) for name in finals}
    for batch in artifacts.batches("curves", ["trial_id", *finals]):
        ids = batch["trial_id"].to_numpy()
        known = ids < most  # curves of a trial that is none are another check's
        for name in finals:
            here = ids[known & np.asarray(batch[name].is_valid())]
            np.add.at(points[name], here, 1)
    counts = {name: points[name][trial] for name in finals}
    epochs = trials["num_epochs"].to_numpy()
    for dataset in DATASETS:
        mine = np.asarray(pc.equal(trials["dataset"], dataset))
        for split, name in zip(SPLITS[artifacts.benchmark], finals, strict=True):
            wanted = np.where(mine, epochs, 0)
            if split.replace("_", "-") not in IMAGES[dataset]:
                wanted[:] = 0
            good = counts[name] == wanted
            if split in last_only.get(dataset, ()):
                ends = np.asarray(trials[name].is_valid())
                good |= (epochs == 200) & (counts[name] == 1) & ends
            bad = np.flatnonzero(mine & ~good)
            outcome.count(
                int(mine.sum()),
                [
                    f"trial {trial[i]}: {split} at {counts[name][i]} of {epochs[i]} epochs"
                    for i in bad[:5]
                ],
                failed=len(bad),
            )


def _losses(artifacts: Artifacts, outcome: Outcome) -> None:
    names = [f"{split}_loss" for split in SPLITS[artifacts.benchmark]]
    for batch in artifacts.batches("curves", ["trial_id", "epoch", *names]):
        for name in names:
            infinite = pc.fill_null(pc.is_inf(batch[name]), False)
            bad = batch.filter(infinite)
            points = bad.select(["trial_id", "epoch", name]).slice(0, 5).to_pylist()
            present = batch.num_rows - batch[name].null_count
            outcome.count(present, [str(point) for point in points], failed=bad.num_rows)


# ---------------------------------------------------------------------------------------------
# times


def _equal_times(artifacts: Artifacts, outcome: Outcome) -> None:
    names = [f"{split}_time_s" for split in SPLITS[artifacts.benchmark]]
    trials = artifacts.table("trials", ["arch_id", "dataset", *names])
    wanted = [(name, how) for name in names for how in ("min", "max", "count")]
    groups = trials.group_by(["arch_id", "dataset"], use_threads=False).aggregate(wanted)
    for name in names:
        differs = pc.fill_null(pc.not_equal(groups[f"{name}_min"], groups[f"{name}_max"]), False)
        bad = groups.filter(differs)
        examples = [
            f"arch_id {row['arch_id']}, {row['dataset']}: {name} from {row[f'{name}_min']} "
            f"to {row[f'{name}_max']}"
            for row in bad.slice(0, 5).to_pylist()
        ]
        known = int(pc.sum(pc.greater(groups[f"{name}_count"], 0)).as_py() or 0)
        outcome.count(known, examples, failed=bad.num_rows)


def _scaled_times(artifacts: Artifacts, outcome: Outcome) -> None:
    names = [f"{split}_time_s" for split in SPLITS[artifacts.benchmark]]
    trials = artifacts.table("trials", ["trial_id", "arch_id", "dataset", *names])
    if not trials.num_rows:
        return
    arch, ids = trials["arch_id"].to_numpy(), trials["trial_id"].to_numpy()
    times = {name: np.asarray(pc.fill_null(trials[name], np.nan)) for name in names}
    base = np.asarray(pc.equal(trials["dataset"], "cifar10-valid"))
    train, image = (np.full(int(arch.max()) + 1, np.nan) for _ in range(2))
    images = IMAGES["cifar10-valid"]
    train[arch[base]] = times["train_time_s"][base] / images["train"]
    image[arch[base]] = (times["x_valid_time_s"][base] + times["ori_test_time_s"][base]) / (
        images["x-valid"] + images["ori-test"]
    )
    for dataset in DATASETS:
        mine = np.asarray(pc.equal(trials["dataset"], dataset))
        for split, name in zip(SPLITS[artifacts.benchmark], names, strict=True):
            count = IMAGES[dataset].get(split.replace("_", "-"))
            known = mine & ~np.isnan(times[name])
            if count is None or not known.any():
                continue
            wanted = (train if split == "train" else image)[arch[known]] * count
            found = times[name][known]
            # Where cifar10-valid has no time there is nothing to compare with.
            far = np.abs(found - wanted) > RELATIVE * np.abs(wanted)
            examples = [
                f"trial {i}: {name} {a}, scaled {b}"
                for i, a, b in zip(ids[known][far][:5], found[far], wanted[far], strict=False)
            ]
            outcome.count(int(known.sum()), examples, failed=int(far.sum()))
