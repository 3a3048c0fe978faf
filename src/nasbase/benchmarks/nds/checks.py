"""Checks of NDS: what has to hold in the built tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.benchmarks.nds.costs import cost_table
from nasbase.benchmarks.nds.files import COUNTS, GROUPS, PUBLISHED_SUMS, STEMS
from nasbase.benchmarks.nds.space import network_of
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.errors import SpaceError

TOLERANCE = 1e-9


def rank_runs(order: pa.Table) -> pa.Table:
    """Places of trials in the raw files, by the order in which NNI's converter reads them."""
    files = pa.array([f"{stem}.json" for stem in STEMS])
    file = pc.index_in(order["source_file"], value_set=files)
    group = pc.fill_null(pc.index_in(order["source_group"], value_set=pa.array(GROUPS)), 0)
    return pa.table({"file": file, "group": group, "pos": order["source_pos"]})


def _column(artifacts: Artifacts, name: str, missing: float) -> np.ndarray:
    """A whole column of ``trials``, by trial_id; it is short beside the curves."""
    pieces = [
        pc.fill_null(piece[name], missing).to_numpy()
        for piece in artifacts.batches("trials", [name])
    ]
    return np.concatenate(pieces) if pieces else np.empty(0)


def _count(
    outcome: Outcome, checked: int, wrong: np.ndarray, example: Callable[[int], str]
) -> None:
    """Count rows of which those at the indices ``wrong`` failed; describe a few."""
    outcome.count(checked, [example(i) for i in wrong[: Outcome.MAX_EXAMPLES]], len(wrong))


def _minimum(artifacts: Artifacts, outcome: Outcome) -> None:
    recorded = _column(artifacts, "min_test_err_pct", np.nan)
    lowest = np.full(len(recorded), np.inf)
    for piece in artifacts.batches("curves", ["trial_id", "test_err_pct"]):
        errors = pc.fill_null(piece["test_err_pct"], np.inf).to_numpy()
        trial = piece["trial_id"].to_numpy()
        starts = np.flatnonzero(np.diff(trial, prepend=-1))
        if len(starts):
            own = np.fmin.reduceat(errors, starts)
            lowest[trial[starts]] = np.fmin(lowest[trial[starts]], own)
    known = ~np.isnan(recorded)
    wrong = np.flatnonzero(known & ~(np.abs(recorded - lowest) <= TOLERANCE))
    _count(
        outcome,
        int(known.sum()),
        wrong,
        lambda i: f"trial {i}: recorded {recorded[i]}, lowest of the curve {lowest[i]}",
    )


def _complement(artifacts: Artifacts, outcome: Outcome) -> None:
    names = [f"{split}_{what}_pct" for split in ("train", "test") for what in ("err", "acc")]
    for piece in artifacts.batches("curves", ["trial_id", *names]):
        for split in ("train", "test"):
            _complement_of(piece, split, outcome)


def _complement_of(piece: pa.Table, split: str, outcome: Outcome) -> None:
    error, accuracy = piece[f"{split}_err_pct"], piece[f"{split}_acc_pct"]
    expected = 100.0 - pc.fill_null(error, np.nan).to_numpy()
    found = pc.fill_null(accuracy, np.nan).to_numpy()
    same = (expected == found) | (np.isnan(expected) & np.isnan(found))
    same &= np.asarray(pc.equal(error.is_null(), accuracy.is_null()))
    trials = piece["trial_id"].to_numpy()
    _count(
        outcome,
        len(same),
        np.flatnonzero(~same),
        lambda i: f"trial {trials[i]}: {split} accuracy {found[i]}, not {expected[i]}",
    )


def _lengths(artifacts: Artifacts, outcome: Outcome) -> None:
    for name in ("train_err_pct", "test_err_pct"):
        _lengths_of(artifacts, name, outcome)


def _lengths_of(artifacts: Artifacts, name: str, outcome: Outcome) -> None:
    epochs = _column(artifacts, "num_epochs", 0).astype(np.int64)
    found = np.zeros(len(epochs), dtype=np.int64)
    for piece in artifacts.batches("curves", ["trial_id", name]):
        present = piece["trial_id"].filter(piece[name].is_valid()).to_numpy()
        found += np.bincount(present, minlength=len(epochs))
    wrong = np.flatnonzero(found != epochs)
    _count(
        outcome,
        len(epochs),
        wrong,
        lambda i: f"trial {i}: {name} has {found[i]} of {epochs[i]} epochs",
    )


def _specifications(artifacts: Artifacts, outcome: Outcome) -> None:
    columns = ["model_family", "model_spec", "cell_spec"]
    before, last = 0, ""
    for piece in artifacts.batches("architectures", ["arch_id", *columns]):
        failures = []
        for rank, row in enumerate(piece.to_pylist(), start=before):
            arch_id = row.pop("arch_id")
            try:
                again = network_of(row)
            except SpaceError as error:
                failures.append(f"architecture {arch_id}: {error.what}")
                continue
            if again._asdict() != row:
                failures.append(f"architecture {arch_id}: {row} is not canonical")
            if arch_id != rank or again.text <= last:
                failures.append(f"architecture {arch_id} has not the rank of {row}")
            last = again.text
        before += piece.num_rows
        outcome.count(piece.num_rows, failures)


def _configurations(artifacts: Artifacts, outcome: Outcome) -> None:
    """Compare each trial with the configuration that it names, and look for what nobody names."""
    names = ["arch_id", "dataset", "num_epochs"]
    table = artifacts.table("configurations", ["config_id", *names])
    ids = table["config_id"].to_numpy()
    used = np.zeros(len(ids), dtype=bool)
    for piece in artifacts.batches("trials", ["trial_id", "config_id", *names]):
        place = np.searchsorted(ids, piece["config_id"].to_numpy())  # `all.references`: it exists
        used[place] = True
        own = table.take(pa.array(place))
        same = [np.asarray(pc.equal(piece[name], own[name])) for name in names]
        wrong = np.flatnonzero(~np.logical_and.reduce(same))
        shown = piece.take(pa.array(wrong[: Outcome.MAX_EXAMPLES])).to_pylist()
        examples = [f"trial {row.pop('trial_id')}: {row}" for row in shown]
        outcome.count(len(piece), examples, len(wrong))
    _count(outcome, len(ids), np.flatnonzero(~used), lambda i: f"configuration {ids[i]}: no trial")
    networks = artifacts.table("architectures", ["arch_id"])["arch_id"].to_numpy()
    alone = networks[~np.isin(networks, table["arch_id"].to_numpy())]
    _count(outcome, len(networks), alone, lambda i: f"architecture {i}: no configuration")


def _formula(artifacts: Artifacts, outcome: Outcome) -> None:
    costs = artifacts.table("costs", ["arch_id", "dataset", "params", "macs"])
    cifar = costs.filter(pc.equal(costs["dataset"], "cifar10"))
    columns = ["trial_id", "arch_id", "dataset", "params", "flops"]
    for piece in artifacts.batches("trials", columns):
        here = piece.filter(pc.equal(piece["dataset"], "cifar10"))
        place = pc.index_in(here["arch_id"], value_set=cifar["arch_id"].combine_chunks())
        _formula_of(here, "params", cifar["params"].take(place), outcome)
        _formula_of(here, "flops", cifar["macs"].take(place), outcome)


def _formula_of(trials: pa.Table, name: str, computed: pa.ChunkedArray, outcome: Outcome) -> None:
    differs = pc.not_equal(trials[name], computed)
    ids, recorded = trials["trial_id"].to_numpy(), trials[name]
    _count(
        outcome,
        len(differs) - differs.null_count,
        np.flatnonzero(pc.fill_null(differs, False)),
        lambda i: f"trial {ids[i]}: {name} {recorded[i]}, not {computed[i]}",
    )


def _costs(artifacts: Artifacts, outcome: Outcome) -> None:
    found = artifacts.table("costs", ["arch_id", "dataset", "params", "macs"])
    networks = artifacts.table("architectures")
    wanted = cost_table(networks).to_pylist()
    pairs = zip(found.to_pylist(), wanted, strict=False)
    bad = [f"costs: {mine}, not {right}" for mine, right in pairs if mine != right]
    bad += [] if len(found) == len(wanted) else [f"costs: {len(found)} rows, not {len(wanted)}"]
    outcome.count(len(wanted), bad)


def _counts(artifacts: Artifacts, outcome: Outcome) -> None:
    if artifacts.partial or artifacts.synthetic:
        return  # other counts are what such a build is for
    found: Counter[str] = Counter()
    for piece in artifacts.batches("trials", ["source_file"]):
        for row in piece["source_file"].value_counts().to_pylist():
            found[row["values"].removesuffix(".json")] += row["counts"]
    wanted = {f"{stem}.json": ((stem,), number) for stem, number in COUNTS.items() if number}
    for name, (stems, expected) in (wanted | PUBLISHED_SUMS).items():
        number = sum(found[stem] for stem in stems)
        different = [f"{name}: {number} trainings, not {expected}"] if number != expected else []
        outcome.count(1, different)


CHECKS = (
    Check(
        "nds.min_test_err",
        "The recorded lowest test error of every trial is the lowest of its curve.",
        _minimum,
    ),
    Check("nds.complement", "Every accuracy is 100 minus its error.", _complement),
    Check(
        "nds.specs_canonical",
        "Every specification parses to a network and is written in canonical form; ids count them "
        "in ascending order.",
        _specifications,
    ),
    Check(
        "nds.configurations",
        "Every trial has the architecture, data set and schedule of its configuration; every "
        "architecture has a configuration, and every configuration a trial.",
        _configurations,
    ),
    Check("nds.costs", "The table costs is what the formulas give for each network.", _costs),
    Check(
        "nds.curve_lengths",
        "Both error curves of every trial have one value per epoch of its schedule.",
        _lengths,
        "warning",
    ),
    Check(
        "nds.cost_formula",
        "Recorded parameters and operations equal the formula derived from three published rows.",
        _formula,
        "warning",
    ),
    Check(
        "nds.counts",
        "Each file of a complete release holds as many trainings as is remembered or published.",
        _counts,
        "warning",
    ),
)
