"""Why a question has no answer, and what does exist: slow paths that only errors take."""

# ruff: noqa: S608 - names in queries come from the catalogue of columns, values are parameters

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nasbase.errors import QueryError
from nasbase.query.curves import points_of
from nasbase.query.rows import ranges
from nasbase.query.vocabulary import Answered, split_in, unknown

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark

MOST = 20
"""Runs or configurations that a message lists."""


def no_trial(bench: Benchmark, arch_id: int, asked: Mapping[str, Any]) -> QueryError:
    """There is no such run: say which part of the question does not exist, and what does.

    ``asked`` holds ``dataset``, ``num_epochs``, ``run``, ``seed`` and NDS's hyper-parameters, None
    where the question left them open.
    """
    bench.present(arch_id)
    dataset, num_epochs = asked.get("dataset"), asked.get("num_epochs")
    if num_epochs is not None:
        if dataset is not None:
            bench.schedule(dataset, num_epochs)
        elif num_epochs not in bench.schedules:
            known = [*map(str, bench.schedules)]
            return unknown("schedule", num_epochs, known, where=bench.label)
    return QueryError(
        f"Architecture {arch_id} has no such run.",
        where=bench.label,
        expected=one_of(_runs(bench, arch_id, dataset, num_epochs)),
        found=_described(asked),
    )


def some_run(
    bench: Benchmark, dataset: str, num_epochs: int, run: int | None, seed: int | None
) -> None:
    """Refuse a run or seed that no architecture has, so that it is not taken for missing values."""
    asked = {"run": run, "seed": seed}
    wanted = {name: number for name, number in asked.items() if number is not None}
    if not wanted:
        return
    sql = "FROM trials WHERE dataset = ? AND num_epochs = ?"
    such = "".join(f" AND {name} = ?" for name in wanted)
    if bench.database.row(f"SELECT 1 {sql}{such} LIMIT 1", (dataset, num_epochs, *wanted.values())):
        return
    rows = bench.database.rows(
        f"SELECT DISTINCT run, seed {sql} ORDER BY run, seed", (dataset, num_epochs)
    )
    raise QueryError(
        "No architecture has such a run.",
        where=f"{bench.label}, {dataset}, {num_epochs} epochs",
        expected=one_of([{"run": run, "seed": seed} for run, seed in rows]),
        found=_described(asked),
    )


def several_runs(bench: Benchmark, arch_id: int, dataset: str, num_epochs: int) -> QueryError:
    """The question is about one run, and there are several."""
    runs = _runs(bench, arch_id, dataset, num_epochs)
    return QueryError(
        f"Architecture {arch_id} has {len(runs)} such runs, and the question is about one.",
        where=bench.label,
        expected=one_of(runs),
        todo="Name one by run= or seed=" + ("" if bench.name != "nds" else " and by config_id=."),
    )


def several_configurations(bench: Benchmark, arch_id: int, config_ids: Sequence[int]) -> QueryError:
    """NDS: the architecture was trained in several ways, which are never averaged."""
    names = ("config_id", "proposer", "generator", "base_lr", "weight_decay")
    places = ", ".join("?" * len(config_ids))
    rows = bench.database.rows(
        f"SELECT {', '.join(names)} FROM configurations WHERE config_id IN ({places}) "
        "ORDER BY config_id",
        config_ids,
    )
    return QueryError(
        f"Architecture {arch_id} was trained in {len(rows)} configurations, and different "
        "hyper-parameters are never averaged.",
        where=bench.label,
        expected=one_of([dict(zip(names, row, strict=True)) for row in rows]),
        todo="Name one by config_id= or by what differs, or ask `means` for all of them.",
    )


def not_released(
    bench: Benchmark, arch_id: int, answered: Answered, num_epochs: int, epoch: int
) -> QueryError:
    """Upstream has no such value: say at which epochs and for which data sets it does."""
    dataset, series, _ = answered
    runs = released_epochs(bench, arch_id, dataset, num_epochs, series)
    having = [run for run, epochs in runs if epoch in epochs]
    somewhere = sorted(set().union(*(epochs for _, epochs in runs)))
    if somewhere:
        expected = f"epoch {ranges(somewhere)} of {num_epochs}"
    else:
        expected = f"nothing: {series} was released at no epoch of such runs"
    todo: str | None
    if having:
        todo = f"Run {ranges(having)} has it: name it by run=; a mean would leave runs out."
    else:
        todo = _instead(bench, arch_id, answered, num_epochs, epoch)
    return QueryError(
        f"Upstream did not release {series} at epoch {epoch} of {num_epochs}-epoch runs on "
        f"{dataset}.",
        where=f"{bench.label}, architecture {arch_id}",
        expected=expected,
        found=f"epoch {epoch}",
        todo=todo,
    )


def released_epochs(
    bench: Benchmark, arch_id: int, dataset: str, num_epochs: int, series: str
) -> list[tuple[int, set[int]]]:
    """Runs of one training, each with the epochs at which a series was released."""
    final = "NULL" if series in bench.series else series
    rows = bench.database.rows(
        f"SELECT trial_id, run, {final} FROM trials "
        "WHERE arch_id = ? AND dataset = ? AND num_epochs = ? ORDER BY trial_id",
        (arch_id, dataset, num_epochs),
    )
    if series not in bench.series:
        return [(run, set() if value is None else {num_epochs}) for _, run, value in rows]
    return [(run, set(points_of(bench, trial_id, series)[0])) for trial_id, run, _ in rows]


def _instead(
    bench: Benchmark, arch_id: int, answered: Answered, num_epochs: int, epoch: int
) -> str | None:
    """What upstream did release at this epoch: other splits, and other data sets."""
    dataset, series, split = answered

    def has(dataset: str, series: str) -> bool:
        runs = released_epochs(bench, arch_id, dataset, num_epochs, series)
        return any(epoch in epochs for _, epochs in runs)

    ending = series.removeprefix(f"{split}_")
    others = [
        name
        for name in bench.series
        if split and name != series and split_in(bench.name, name) and name.endswith(f"_{ending}")
    ]
    hints = []
    if here := [name for name in others if has(dataset, name)]:
        hints.append(f"on {dataset} upstream released {', '.join(here)}")
    if there := [name for name in bench.datasets if name != dataset and has(name, series)]:
        hints.append(f"{series} on {', '.join(there)}")
    return f"At epoch {epoch}: {'; '.join(hints)}." if hints else None


def _runs(
    bench: Benchmark, arch_id: int, dataset: str | None, num_epochs: int | None
) -> list[dict[str, Any]]:
    """The runs of an architecture, narrowed down as far as something is left."""
    names = ["dataset", "num_epochs", "run", "seed"]
    join = ""
    if bench.name == "nds":
        names += ["config_id", "proposer", "generator", "base_lr", "weight_decay"]
        join = "JOIN configurations USING (config_id, arch_id, dataset, num_epochs) "
    for narrowed in ((dataset, num_epochs), (dataset, None), (None, None)):
        rows = bench.database.rows(
            f"SELECT {', '.join(names)} FROM trials {join}WHERE arch_id = ? "
            "AND dataset = ifnull(?, dataset) AND num_epochs = ifnull(?, num_epochs) "
            "ORDER BY trial_id",
            (arch_id, *narrowed),
        )
        if rows:
            break
    return [dict(zip(names, row, strict=True)) for row in rows]


def one_of(choices: Sequence[Mapping[str, Any]]) -> str:
    """Choices, one per line."""
    lines = [_described(choice) for choice in choices[:MOST]]
    more = [f"... {len(choices) - MOST} more"] if len(choices) > MOST else []
    return "\n    ".join(["one of", *lines, *more])


def _described(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in facts.items() if value is not None)
