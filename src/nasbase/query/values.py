"""One number per architecture: reading a column of a whole build."""

# ruff: noqa: S608 - names in queries come from the catalogue of columns, values are parameters

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nasbase.errors import QueryError
from nasbase.query import explain, filters, points
from nasbase.query.curves import decoded
from nasbase.query.rows import ranges
from nasbase.query.value import measured
from nasbase.query.vocabulary import Answered, is_cost, whole

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark

Missing = Literal["nan"] | None


class Values(np.ndarray):
    """One number per architecture, in the order of ``ids``: a float64 array that says what it is.

    What is computed from it (slices, sums) is an array like any other and says nothing.

    Attributes
    ----------
    ids
        ``arch_id`` of each number (NDS: ``config_id``; ``arch_ids`` gives its architectures).
    dataset, column, split, num_epochs, epoch, run, seed
        What was measured; without a run or seed, the mean over runs.
    """

    bench: Benchmark | None = None
    asked: str = ""
    dataset: str | None = None
    column: str | None = None
    split: str | None = None
    num_epochs: int | None = None
    epoch: int | None = None
    run: int | None = None
    seed: int | None = None
    ids: np.ndarray | None = None

    @property
    def arch_ids(self) -> np.ndarray | None:
        """Architecture of each number."""
        if self.bench is None or self.ids is None or self.bench.name != "nds":
            return self.ids
        pairs = self.bench.database.rows("SELECT config_id, arch_id FROM configurations")
        architecture = dict(pairs)
        return np.array([architecture[i] for i in self.ids.tolist()], dtype=np.int64)

    def __repr__(self) -> str:
        if self.bench is None:
            return repr(np.asarray(self))
        which = "mean over runs"
        if self.run is not None or self.seed is not None:
            which = f"run {self.run}" if self.run is not None else f"seed {self.seed}"
        where = measured(self.split, self.dataset or "", self.asked)
        if self.num_epochs is not None:
            where = f"epoch {self.epoch} of {self.num_epochs}, {where}; {which}"
        what = f"{len(self)} values of {self.column} ({where}), {self.bench.label}"
        return f"{what}\n{np.asarray(self)!r}"

    def __str__(self) -> str:
        return repr(self)

    def __reduce__(self) -> tuple:
        facts = {name: getattr(self, name) for name in _FACTS}
        return _values_of, (np.asarray(self), facts)

    def to_dict(self) -> dict[str, Any]:
        """Ids and numbers."""
        name = "arch_id" if self.bench is None else self.bench.subject
        ids = range(len(self)) if self.ids is None else self.ids.tolist()
        return {name: list(ids), self.column or "value": self.tolist()}

    def to_pandas(self) -> Any:
        """The numbers as a series, indexed by id."""
        import pandas as pd

        (index, ids), (name, numbers) = self.to_dict().items()
        return pd.Series(numbers, index=pd.Index(ids, name=index), name=name)

    def to_arrow(self) -> Any:
        """Ids and numbers as a table."""
        import pyarrow as pa

        return pa.table(self.to_dict())


_FACTS = (
    "bench", "asked", "dataset", "column", "split", "num_epochs", "epoch", "run", "seed", "ids",
)  # fmt: skip


def _values_of(numbers: np.ndarray, facts: Mapping[str, Any]) -> Values:
    made = np.asarray(numbers, dtype=np.float64).view(Values)
    for name, fact in facts.items():
        setattr(made, name, fact)
    return made


def values(
    bench: Benchmark,
    answered: Answered,
    *,
    asked: str,
    num_epochs: int,
    at_epoch: int | None,
    run: int | None,
    seed: int | None,
    missing: Missing,
    where: filters.Predicate | Mapping[str, Any] | None,
    given: Mapping[str, Any],
) -> Values:
    """One number per architecture; `Benchmark.values` says how."""
    if missing not in (None, "nan"):
        raise QueryError("missing= is unknown.", expected="None or 'nan'", found=repr(missing))
    chosen = filters.build(bench, where, given)
    run, seed = whole(run, "run"), whole(seed, "seed")
    epoch = whole(num_epochs if at_epoch is None else at_epoch, "at_epoch")
    explain.some_run(bench, answered.dataset, num_epochs, run, seed)
    cost = is_cost(bench.name, answered.series)
    if cost:
        found = _costs(bench, answered)
    elif epoch != num_epochs:
        found = _at_epoch(bench, answered, num_epochs, epoch, run=run, seed=seed)
    elif run is None and seed is None and _averaged(bench, answered.series):
        found = _means(bench, answered, num_epochs)
    else:
        found = _recorded(bench, answered, num_epochs, run, seed)
    ids = _ids(bench, chosen, answered, num_epochs)
    facts = {
        "bench": bench,
        "asked": asked,
        "dataset": answered.dataset,
        "column": answered.series,
        "split": answered.split,
        "num_epochs": None if cost else num_epochs,
        "epoch": None if cost else epoch,
        "run": run,
        "seed": seed,
        "ids": ids,
    }
    aligned_values, absent = _align(ids, *found)
    nowhere = len(found[0]) == 0  # an array of nothing but NaN would be an empty answer
    if nowhere or (absent.any() and missing is None):
        raise _gaps(
            bench,
            answered,
            ids,
            absent,
            num_epochs=num_epochs,
            epoch=epoch,
            filtered=bool(chosen),
        )
    return _values_of(aligned_values, facts)


Found = tuple[np.ndarray, np.ndarray]
"""Ids and their numbers, in any order, without those that have none."""


def _averaged(bench: Benchmark, column: str) -> bool:
    return f"{column}_mean" in bench.frame("means").position


def _pairs(rows: Iterable[tuple]) -> Found:
    flat = np.fromiter(chain.from_iterable(rows), dtype=np.float64)
    return flat[0::2].astype(np.int64), flat[1::2]


def _means(bench: Benchmark, answered: Answered, num_epochs: int) -> Found:
    column = f"{answered.series}_mean"
    # An index covers accuracies: no row of the table itself is read.
    rows = bench.database.stream(
        f"SELECT {bench.subject}, {column} FROM means "
        f"WHERE dataset = ? AND num_epochs = ? AND {column} IS NOT NULL",
        (answered.dataset, num_epochs),
    )
    ids, numbers = _pairs(rows)
    nan = [
        key[bench.subject]
        for key in map(json.loads, _nan_keys(bench, "means", column))
        if (key["dataset"], key["num_epochs"]) == (answered.dataset, num_epochs)
    ]
    return _with_nan(ids, numbers, nan)


def _nan_keys(bench: Benchmark, table: str, column: str) -> list[str]:
    """Keys of the rows in which a column was released as NaN, which SQLite stores as NULL."""
    rows = bench.database.rows(
        'SELECT key FROM notes WHERE kind = ? AND "table" = ? AND "column" = ?',
        ("nan", table, column),
    )
    return [key for (key,) in rows]


def _with_nan(ids: np.ndarray, numbers: np.ndarray, nan: Sequence[int]) -> Found:
    if not nan:
        return ids, numbers
    return (
        np.concatenate([ids, np.array(nan, dtype=np.int64)]),
        np.concatenate([numbers, np.full(len(nan), np.nan)]),
    )


def _costs(bench: Benchmark, answered: Answered) -> Found:
    column = answered.series
    rows = bench.database.stream(
        f"SELECT arch_id, {column} FROM costs WHERE dataset = ? AND {column} IS NOT NULL",
        (answered.dataset,),
    )
    return _pairs(rows)


def _recorded(
    bench: Benchmark, answered: Answered, num_epochs: int, run: int | None, seed: int | None
) -> Found:
    """Values of one run of every architecture, or of all where they agree."""
    series = answered.series
    sql, parameters = _of_runs(answered.dataset, num_epochs, run, seed)
    rows = bench.database.rows(
        f"SELECT {bench.subject}, {series}, trial_id FROM trials WHERE {sql}",
        parameters,
    )
    nan: set[int] = set()
    if any(number is None for _, number, _ in rows):
        nan = {json.loads(key)["trial_id"] for key in _nan_keys(bench, "trials", series)}
    ids, numbers = _pairs(
        (subject, float("nan") if number is None else number)
        for subject, number, trial in rows
        if number is not None or trial in nan
    )
    return _one_each(bench, answered, ids, numbers, run=run, seed=seed)


def _of_runs(
    dataset: str, num_epochs: int, run: int | None, seed: int | None
) -> tuple[str, list[Any]]:
    sql, parameters = "dataset = ? AND num_epochs = ?", [dataset, num_epochs]
    for name, wanted in (("run", run), ("seed", seed)):
        if wanted is not None:
            sql += f" AND {name} = ?"
            parameters.append(wanted)
    return sql, parameters


def _one_each(
    bench: Benchmark,
    answered: Answered,
    ids: np.ndarray,
    numbers: np.ndarray,
    *,
    run: int | None,
    seed: int | None,
) -> Found:
    """The one number of each id; several different ones are refused."""
    order = np.argsort(ids, kind="stable")
    ids, numbers = ids[order], numbers[order]
    repeated = ids[1:] == ids[:-1]
    equal = (numbers[1:] == numbers[:-1]) | (np.isnan(numbers[1:]) & np.isnan(numbers[:-1]))
    differ = np.unique(ids[1:][repeated & ~equal])
    if len(differ):
        raise QueryError(
            f"The runs of {len(differ)} architectures do not agree on {answered.series}.",
            where=f"{bench.label}, {answered.dataset}",
            found=f"{bench.subject} {ranges(differ[:20].tolist())}",
            todo="Name a run by run= or seed=."
            if run is None and seed is None
            else "Name the run by run=: a seed was used more than once.",
        )
    first = np.append(True, ~repeated)[: len(ids)]
    return ids[first], numbers[first]


def _at_epoch(
    bench: Benchmark,
    answered: Answered,
    num_epochs: int,
    epoch: int,
    *,
    run: int | None,
    seed: int | None,
) -> Found:
    """Values after one epoch: of one run, or the mean over runs where every run has one."""
    series = answered.series
    if series not in bench.series:
        raise points.no_curve(bench, series, f"at_epoch={epoch}")
    sql, parameters = _of_runs(answered.dataset, num_epochs, run, seed)
    sums: dict[int, list[float | None]] = {}
    for subject, number in _points(bench, series, sql, parameters, epoch):
        sums.setdefault(subject, []).append(number)
    if (run is not None or seed is not None) and any(len(one) > 1 for one in sums.values()):
        several = [subject for subject, one in sums.items() if len(one) > 1]
        raise QueryError(
            "A seed was used more than once.",
            where=f"{bench.label}, {answered.dataset}",
            found=f"{bench.subject} {ranges(several[:20])}",
            todo="Name the run by run=.",
        )
    return _pairs(
        (subject, points.moments(numbers)[0])  # type: ignore[arg-type]
        for subject, numbers in sums.items()
        if None not in numbers
    )


def _points(
    bench: Benchmark, series: str, sql: str, parameters: Sequence[Any], epoch: int
) -> Iterable[tuple[int, float | None]]:
    """Subject and value after one epoch of every run, in order of the runs."""
    trials = f"(SELECT trial_id, {bench.subject} AS subject FROM trials WHERE {sql}) "
    if bench.name == "nb101":
        nan = {
            key["trial_id"]
            for key in map(json.loads, _nan_keys(bench, "curves", series))
            if key["epoch"] == epoch
        }
        rows = bench.database.stream(
            f"SELECT subject, {series}, trial_id FROM {trials} CROSS JOIN curves USING (trial_id) "
            "WHERE epoch = ? ORDER BY trial_id",
            (*parameters, epoch),
        )
        for subject, number, trial in rows:
            yield subject, float("nan") if number is None and trial in nan else number
        return
    rows = bench.database.stream(
        f"SELECT subject, length, data FROM {trials} CROSS JOIN trial_curves USING (trial_id) "
        "ORDER BY trial_id",
        parameters,
    )
    for subject, length, data in rows:
        curve = decoded(bench, data, length, series)
        inside = curve is not None and 1 <= epoch <= length
        yield subject, curve[epoch - 1] if inside else None  # type: ignore[index]


def _ids(
    bench: Benchmark, chosen: filters.Filter, answered: Answered, num_epochs: int
) -> np.ndarray:
    """Every architecture of the build; with filters, and in NDS, the trainings that pass."""
    if not chosen and bench.name != "nds":
        return arch_ids(bench)
    sql, parameters = chosen.sql(f"m.{bench.subject}", answered.dataset, num_epochs)
    rows = bench.database.rows(sql, parameters)
    if chosen.predicate:
        architecture = (
            dict(bench.database.rows("SELECT config_id, arch_id FROM configurations"))
            if bench.name == "nds"
            else {}
        )
        rows = [row for row in rows if chosen.predicate(bench[architecture.get(row[0], row[0])])]
    ids = np.sort(np.fromiter(chain.from_iterable(rows), dtype=np.int64))
    if not len(ids):
        raise QueryError(
            "Nothing passes the filters.",
            where=f"{bench.label}, {answered.dataset}, {num_epochs} epochs",
            expected="at least one architecture",
        )
    return ids


def arch_ids(bench: Benchmark) -> np.ndarray:
    """Every ``arch_id`` of the build, in order."""
    ((first, last),) = bench.database.rows(
        "SELECT (SELECT min(arch_id) FROM architectures), (SELECT max(arch_id) FROM architectures)"
    )
    if last - first + 1 == len(bench):  # a whole space: no row needs to be read
        return np.arange(first, last + 1)
    rows = bench.database.rows("SELECT arch_id FROM architectures ORDER BY arch_id")
    return np.fromiter(chain.from_iterable(rows), dtype=np.int64)


def _align(ids: np.ndarray, found: np.ndarray, numbers: np.ndarray) -> Found:
    """Numbers in the order of ``ids``, and which of them have none."""
    if len(found) == 0:
        return np.full(len(ids), np.nan), np.ones(len(ids), dtype=bool)
    order = np.argsort(found, kind="stable")
    found, numbers = found[order], numbers[order]
    at = np.minimum(np.searchsorted(found, ids), len(found) - 1)
    absent = found[at] != ids
    return np.where(absent, np.nan, numbers[at]), absent


def _gaps(
    bench: Benchmark,
    answered: Answered,
    ids: np.ndarray,
    absent: np.ndarray,
    *,
    num_epochs: int,
    epoch: int,
    filtered: bool,
) -> QueryError:
    """Some architectures have no number: say how many and, where none has one, why."""
    if absent.all() and bench.name != "nds":
        try:
            return explain.not_released(bench, int(ids[0]), answered, num_epochs, epoch)
        except QueryError as error:
            return error
    first = ranges(ids[absent][:10].tolist())
    nan = None if absent.all() else "missing='nan' puts NaN in their places."
    return QueryError(
        f"{int(absent.sum())} of {len(ids)} have no {answered.series} after epoch {epoch} of "
        f"{num_epochs}" + (" among those that pass the filters." if filtered else "."),
        where=f"{bench.label}, {answered.dataset}",
        expected=f"a value for every {bench.subject}",
        found=f"none for {bench.subject} {first}" + (", ..." if absent.sum() > 10 else ""),
        todo=nan,
    )
