"""Single numbers, single curves, and sizes of one architecture."""

# ruff: noqa: S608 - names in queries come from the catalogue of columns, values are parameters

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any

from nasbase.errors import QueryError
from nasbase.query import explain
from nasbase.query.curves import points_of
from nasbase.query.value import Value
from nasbase.query.vocabulary import is_cost, whole
from nasbase.tables.catalogue import tables

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark
    from nasbase.query.results import Complexity, Curve
    from nasbase.query.vocabulary import Answered


def value(
    bench: Benchmark,
    arch_id: int,
    asked: str,
    answered: Answered,
    *,
    num_epochs: int,
    at_epoch: int | None,
    run: int | None,
    seed: int | None,
    configuration: Mapping[str, Any],
) -> Value:
    """One number; `Benchmark.value` says how. ``asked`` is the data set of the question."""
    dataset, series, split = answered
    run, seed, at_epoch = whole(run, "run"), whole(seed, "seed"), whole(at_epoch, "at_epoch")
    facts = {
        "bench": bench,
        "arch_id": arch_id,
        "asked": asked,
        "dataset": dataset,
        "column": series,
        "split": split,
        "unit": unit_of(bench, series),
    }
    if is_cost(bench.name, series):
        return _cost(bench, arch_id, dataset, series, facts)
    facts |= {"num_epochs": num_epochs, "epoch": num_epochs}
    which = {"dataset": dataset, "num_epochs": num_epochs, **configuration}
    if at_epoch is not None and at_epoch != num_epochs:
        facts["epoch"] = at_epoch
        return _at_epoch(bench, arch_id, answered, which, facts, run=run, seed=seed)
    if run is None and seed is None and f"{series}_mean" in bench.frame("means").position:
        return _mean(bench, arch_id, answered, which, facts)
    trials = bench.trials(arch_id, run=run, seed=seed, **which)
    if run is None and seed is None:
        return _agreed(bench, arch_id, answered, trials, facts)
    if len(trials) > 1:
        raise _ambiguous(bench, arch_id, trials)
    (trial,) = trials
    number = trial[series]
    if number is None:
        raise explain.not_released(bench, arch_id, answered, num_epochs, num_epochs)
    keys = (("trials", trials.key_of(0)),)
    return Value(number, run=trial.run, seed=trial.seed, n=1, keys=keys, **facts)


def _ambiguous(bench: Benchmark, arch_id: int, trials: Any) -> QueryError:
    """NDS: the same run number or seed stands in several configurations."""
    if bench.name == "nds" and len(set(trials.config_id)) > 1:
        return explain.several_configurations(bench, arch_id, sorted(set(trials.config_id)))
    return explain.several_runs(bench, arch_id, trials.dataset[0], trials.num_epochs[0])


def unit_of(bench: Benchmark, column: str) -> str:
    """Unit of a column of ``trials`` or ``costs``."""
    for table in ("trials", "costs"):
        if column in bench.frame(table).position:
            return tables(bench.name)[table][column].unit
    return ""


def _cost(
    bench: Benchmark, arch_id: int, dataset: str, column: str, facts: Mapping[str, Any]
) -> Value:
    row = bench.database.row(
        f"SELECT {column} FROM costs WHERE arch_id = ? AND dataset = ?",
        (arch_id, dataset),
    )
    if row is None:
        raise explain.no_trial(bench, arch_id, {"dataset": dataset})
    if row[0] is None:
        raise QueryError(
            f"No formula is known for {column} of architecture {arch_id} on {dataset}.",
            where=bench.label,
            todo="`complexity` gives what upstream recorded.",
        )
    return Value(row[0], n=0, **facts)


def _mean(
    bench: Benchmark,
    arch_id: int,
    answered: Answered,
    which: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Value:
    row = bench.mean(arch_id, **which)
    number = row[answered.series]
    if number is None:
        epochs = which["num_epochs"]
        raise explain.not_released(bench, arch_id, answered, epochs, epochs)
    # One run has no deviation: an empty column would be looked up among the notes on NaN.
    sd = row[f"{answered.series}_sd"] if row.n > 1 else None
    return Value(number, n=row.n, sd=sd, keys=(("means", row.key),), **facts)


def _agreed(
    bench: Benchmark, arch_id: int, answered: Answered, trials: Any, facts: Mapping[str, Any]
) -> Value:
    """What upstream recorded with every run and is not averaged: all runs must say the same."""
    numbers = trials[answered.series]
    if None in numbers:
        epochs = facts["num_epochs"]
        raise explain.not_released(bench, arch_id, answered, epochs, epochs)
    if len(set(numbers)) > 1:
        said = ", ".join(
            f"run {run}: {number}" for run, number in zip(trials.run, numbers, strict=True)
        )
        raise QueryError(
            f"The runs of architecture {arch_id} do not agree on {answered.series}.",
            where=f"{bench.label}, {answered.dataset}, {facts['num_epochs']} epochs",
            found=said,
            todo="Name a run by run= or seed=. `complexity` gives the computed size; the notes of "
            "the runs say which one is wrong.",
        )
    keys = tuple(("trials", trials.key_of(i)) for i in range(len(trials)))
    return Value(numbers[0], n=len(numbers), sd=0.0, keys=keys, **facts)


def _at_epoch(
    bench: Benchmark,
    arch_id: int,
    answered: Answered,
    which: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    run: int | None,
    seed: int | None,
) -> Value:
    series, num_epochs, epoch = answered.series, which["num_epochs"], facts["epoch"]
    if series not in bench.series:
        raise no_curve(bench, series, f"at_epoch={epoch}")
    trials = bench.trials(arch_id, run=run, seed=seed, **which)
    if bench.name == "nds" and len(set(trials.config_id)) > 1:
        raise explain.several_configurations(bench, arch_id, sorted(set(trials.config_id)))
    curves = [points_of(bench, trial_id, series) for trial_id in trials.trial_id]
    numbers = [values[epochs.index(epoch)] for epochs, values in curves if epoch in epochs]
    if len(numbers) < len(curves):
        raise explain.not_released(bench, arch_id, answered, num_epochs, epoch)
    if run is not None or seed is not None:
        if len(trials) > 1:
            raise _ambiguous(bench, arch_id, trials)
        return Value(numbers[0], n=1, run=trials.run[0], seed=trials.seed[0], **facts)
    mean, sd = moments(numbers)
    return Value(mean, n=len(numbers), sd=sd, **facts)


def moments(numbers: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation as the table ``means`` computes them."""
    n = len(numbers)
    mean = sum(numbers) / n
    sd = sqrt(sum((number - mean) ** 2 for number in numbers) / (n - 1)) if n > 1 else None
    return mean, sd


# ---------------------------------------------------------------------------------------------
# curves


def no_curve(bench: Benchmark, series: str, found: str) -> QueryError:
    """The error for a column that has one value per run."""
    return QueryError(
        f"{series} belongs to a whole run and has no value at an epoch.",
        where=bench.label,
        expected=", ".join(bench.series),
        found=found,
    )


def curve(
    bench: Benchmark,
    arch_id: int,
    asked_dataset: str,
    answered: Answered,
    *,
    num_epochs: int,
    run: int | None,
    seed: int | None,
    configuration: Mapping[str, Any],
) -> Curve:
    """One series along one run; `Benchmark.curve` says how."""
    dataset, series, split = answered
    if series not in bench.series:
        raise no_curve(bench, series, series)
    run, seed = whole(run, "run"), whole(seed, "seed")
    asked = {"dataset": dataset, "num_epochs": num_epochs, "run": run, "seed": seed}
    sql, parameters = bench.condition(arch_id, asked, configuration)
    rows = bench.database.rows(
        f"SELECT trial_id, run, seed FROM trials WHERE {sql} ORDER BY trial_id",
        parameters,
    )
    if not rows:
        raise explain.no_trial(bench, arch_id, {**asked, **configuration})
    if len(rows) > 1:
        raise explain.several_runs(bench, arch_id, dataset, num_epochs)
    ((trial_id, run, seed),) = rows
    epochs, values = points_of(bench, trial_id, series)
    if not epochs:
        raise explain.not_released(bench, arch_id, answered, num_epochs, num_epochs)
    from nasbase.query.results import Curve

    return Curve(
        arch_id=arch_id,
        asked=asked_dataset,
        dataset=dataset,
        num_epochs=num_epochs,
        run=run,
        seed=seed,
        series=series,
        split=split,
        unit=unit_of(bench, series),
        epochs=epochs,
        values=tuple(values),
        bench=bench,
    )


# ---------------------------------------------------------------------------------------------
# sizes


def complexity(bench: Benchmark, arch_id: int, dataset: str) -> Complexity:
    """Sizes of one architecture; `Benchmark.complexity` says how."""
    computed = bench.database.row(
        "SELECT params, macs FROM costs WHERE arch_id = ? AND dataset = ?", (arch_id, dataset)
    )
    names = [name for name in RECORDED if name in bench.frame("trials").position]
    released = bench.database.rows(
        f"SELECT trial_id, num_epochs, run, seed, {', '.join(names)} FROM trials "
        "WHERE arch_id = ? AND dataset = ? ORDER BY trial_id",
        (arch_id, dataset),
    )
    if computed is None or not released:
        raise explain.no_trial(bench, arch_id, {"dataset": dataset})
    columns = ("trial_id", "num_epochs", "run", "seed", *names)
    params, macs = computed
    from nasbase.query.results import Complexity

    return Complexity(bench, arch_id, dataset, params, macs, columns, tuple(released))


RECORDED = ("params", "flops", "params_m", "flops_m", "latency_s", "iter_time_s")
"""Columns of ``trials`` that say how large or fast a network is."""
