"""The best architectures of a build: by what they were chosen, and what is reported of them."""

# ruff: noqa: S608 - names in queries come from the catalogue of columns, values are parameters

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nasbase.errors import QueryError
from nasbase.query import filters
from nasbase.query.rows import aligned, brief
from nasbase.query.value import Tabular, Value, measured
from nasbase.query.vocabulary import Answered, lower_is_better, whole

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark

Rule = Literal["mean", "trial"]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One architecture of a ranking.

    ``selected`` is the number it was chosen by, ``reported`` the one that is reported; both say
    on what they were measured and over how many runs. ``config_id`` is NDS's way of training it.
    """

    rank: int
    arch_id: int
    architecture: str
    selected: Value
    reported: Value | None
    config_id: int | None


@dataclass(frozen=True, slots=True, repr=False)
class Ranking(Tabular):
    """The best architectures, best first.

    Attributes
    ----------
    select, report
        Data set, column and split that chose, and that are reported.
    without_value
        Architectures (NDS: configurations) that have no such value and were not compared.
    """

    bench: Benchmark
    asked: str
    num_epochs: int
    rule: Rule
    select: Answered
    report: Answered | None
    without_value: int
    ranked: tuple[Ranked, ...]

    def __len__(self) -> int:
        return len(self.ranked)

    def __iter__(self) -> Iterator[Ranked]:
        return iter(self.ranked)

    def __getitem__(self, position: int) -> Ranked:
        return self.ranked[position]

    def to_dict(self) -> dict[str, Any]:
        """Columns: rank, architecture, numbers with their n and standard deviation."""
        columns: dict[str, Any] = {
            "rank": [one.rank for one in self],
            "arch_id": [one.arch_id for one in self],
            "architecture": [one.architecture for one in self],
        }
        if self.bench.name == "nds":
            columns["config_id"] = [one.config_id for one in self]
        for role in ("selected", "reported"):
            values = [getattr(one, role) for one in self]
            if all(value is not None for value in values):
                columns[role] = [float(value) for value in values]
                columns[f"{role}_n"] = [value.n for value in values]
                columns[f"{role}_sd"] = [value.sd for value in values]
                columns[f"{role}_dataset"] = [value.dataset for value in values]
                columns[f"{role}_column"] = [value.column for value in values]
        return columns

    def __repr__(self) -> str:
        by = "mean over runs" if self.rule == "mean" else "best single run"
        where = measured(self.select.split, self.select.dataset, self.asked)
        lines = [
            f"Best {len(self)} of {self.bench.label}, {self.num_epochs} epochs",
            f"  selected: {self.select.series} ({where}; {by})",
        ]
        if self.report is not None:
            where = measured(self.report.split, self.report.dataset, self.asked)
            lines.append(f"  reported: {self.report.series} ({where})")
        if self.without_value:
            lines.append(f"  {self.without_value} have no {self.select.series} and are left out")
        rows = [
            [
                f"{one.rank}.",
                str(one.arch_id),
                _number(one.selected),
                _number(one.reported),
                brief(one.architecture),
            ]
            for one in self
        ]
        head = ["", "arch_id", "selected", "reported", "architecture"]
        return "\n".join([*lines, *aligned([head, *rows])])


def _number(value: Value | None) -> str:
    if value is None:
        return "-"
    spread = f" ± {value.sd:.2g}" if value.sd is not None else ""
    return f"{brief(float(value))}{spread} (n={value.n})"


def best(
    bench: Benchmark,
    *,
    asked: str,
    num_epochs: int,
    select: Answered,
    report: Answered | None,
    k: int,
    rule: Rule,
    where: filters.Predicate | Mapping[str, Any] | None,
    given: Mapping[str, Any],
) -> Ranking:
    """The ``k`` best architectures; `Benchmark.best` says how."""
    if rule not in ("mean", "trial"):
        raise QueryError(f"There is no rule {rule!r}.", expected="mean or trial", found=repr(rule))
    if k is None or whole(k, "k") < 1:
        raise QueryError("k is the number of architectures.", expected="at least 1", found=k)
    k = min(whole(k, "k"), bench.manifest["tables"]["means"]["rows"])
    means = bench.frame("means").position
    if f"{select.series}_mean" not in means:
        raise QueryError(
            f"Architectures cannot be ranked by {select.series}.",
            where=bench.label,
            expected="a role, or one of "
            + ", ".join(n.removesuffix("_mean") for n in means if n.endswith("_mean")),
            found=select.series,
        )
    chosen = filters.build(bench, where, given)
    found = _chosen(bench, chosen, select, num_epochs, k=k, rule=rule)
    if not found:
        raise _nothing(bench, select, num_epochs)
    ranked = []
    for rank, (subject, run) in enumerate(found, start=1):
        arch_id, configuration = _training(bench, subject)
        ask = {"num_epochs": num_epochs, **configuration}
        same = report is not None and report.dataset == select.dataset
        ranked.append(
            Ranked(
                rank=rank,
                arch_id=arch_id,
                architecture=bench[arch_id].text,
                selected=bench.value_of(arch_id, asked, select, run=run, **ask),
                reported=None
                if report is None
                else bench.value_of(arch_id, asked, report, run=run if same else None, **ask),
                config_id=configuration.get("config_id"),
            )
        )
    without = _without_value(bench, chosen, select, num_epochs, rule)
    return Ranking(bench, asked, num_epochs, rule, select, report, without, tuple(ranked))


def _without_value(
    bench: Benchmark, chosen: filters.Filter, select: Answered, num_epochs: int, rule: Rule
) -> int:
    """How many that pass the filters (`where` functions aside) have no value to compare."""
    absent = f"m.{select.series}_mean IS NULL"
    if rule == "trial":
        absent += (
            f" AND NOT EXISTS (SELECT 1 FROM trials AS t WHERE t.{bench.subject} = "
            f"m.{bench.subject} AND t.dataset = m.dataset AND t.num_epochs = m.num_epochs "
            f"AND t.{select.series} IS NOT NULL)"
        )
    sql, parameters = chosen.sql("count(*)", select.dataset, num_epochs, absent)
    return bench.database.rows(sql, parameters)[0][0]


def _training(bench: Benchmark, subject: int) -> tuple[int, dict[str, int]]:
    """Architecture of a row of ``means``, and what tells its configuration."""
    if bench.name != "nds":
        return subject, {}
    sql = "SELECT arch_id FROM configurations WHERE config_id = ?"
    return bench.database.rows(sql, (subject,))[0][0], {"config_id": subject}


def _chosen(
    bench: Benchmark,
    chosen: filters.Filter,
    select: Answered,
    num_epochs: int,
    *,
    k: int,
    rule: Rule,
) -> list[tuple[int, int | None]]:
    """Subjects of the best rows (NDS: configurations, else architectures), and runs."""
    subject = bench.subject
    order = "ASC" if lower_is_better(select.series) else "DESC"
    if rule == "mean":
        column = f"m.{select.series}_mean"
        sql, parameters = chosen.sql(
            f"m.{subject}, NULL", select.dataset, num_epochs, f"{column} IS NOT NULL"
        )
        sql += f" ORDER BY {column} {order}, m.{subject}"
    else:
        column = f"t.{select.series}"
        join = (
            f"trials AS t ON t.{subject} = m.{subject} AND t.dataset = m.dataset "
            "AND t.num_epochs = m.num_epochs"
        )
        alone = filters.Filter([*chosen.joins, join], chosen.conditions, chosen.parameters)
        sql, parameters = alone.sql(
            f"m.{subject}, t.run", select.dataset, num_epochs, f"{column} IS NOT NULL"
        )
        sql += f" ORDER BY {column} {order}, m.{subject}, t.run"
    limit = "" if chosen.predicate or rule == "trial" else f" LIMIT {int(k)}"
    found: dict[int, int | None] = {}
    for subject_id, run in bench.database.stream(sql + limit, parameters):
        if subject_id in found:  # a run of an architecture that has a better one
            continue
        if chosen.predicate and not chosen.predicate(bench[_training(bench, subject_id)[0]]):
            continue
        found[subject_id] = run
        if len(found) == k:
            break
    return list(found.items())


def _nothing(bench: Benchmark, select: Answered, num_epochs: int) -> QueryError:
    sql, parameters = filters.Filter().sql(
        "count(*)", select.dataset, num_epochs, f"m.{select.series}_mean IS NOT NULL"
    )
    (count,) = bench.database.rows(sql, parameters)[0]
    return QueryError(
        "Nothing passes the filters." if count else f"Upstream released no {select.series} there.",
        where=f"{bench.label}, {select.dataset}, {num_epochs} epochs",
        expected="at least one architecture",
        found=f"none of {count} with a value" if count else "no value at all",
    )
