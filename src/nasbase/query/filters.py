"""Which rows of ``means`` a question about many architectures is about, as SQL."""

# ruff: noqa: S608 - names in queries come from the catalogue of columns, values are parameters

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any

from nasbase.errors import QueryError
from nasbase.query.vocabulary import CONFIGURATION, plain, unknown

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark
    from nasbase.query.rows import Architecture

Predicate = Callable[["Architecture"], bool]


@dataclass(slots=True)
class Filter:
    """Joins and conditions on the alias ``m`` of ``means``.

    ``predicate`` is what SQL cannot decide.
    """

    joins: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)
    predicate: Predicate | None = None

    def add(self, condition: str, *parameters: Any, join: str | None = None) -> None:
        """Add a condition, and the table that it needs."""
        if join and join not in self.joins:
            self.joins.append(join)
        self.conditions.append(condition)
        self.parameters += parameters

    def sql(self, select: str, dataset: str, num_epochs: int, *more: str) -> tuple[str, list[Any]]:
        """A query on the rows of one data set and schedule, and its parameters."""
        where = ["m.dataset = ?", "m.num_epochs = ?", *self.conditions, *more]
        # CROSS JOIN keeps SQLite from starting anywhere but at the index of means.
        tables = " CROSS JOIN ".join(["means AS m", *self.joins])
        return (
            f"SELECT {select} FROM {tables} WHERE {' AND '.join(where)}",
            [dataset, num_epochs, *self.parameters],
        )

    def __bool__(self) -> bool:
        return bool(self.conditions or self.predicate)


def build(
    bench: Benchmark, where: Predicate | Mapping[str, Any] | None, given: Mapping[str, Any]
) -> Filter:
    """The filter that keyword arguments and ``where=`` describe.

    Parameters
    ----------
    where
        A function of an `Architecture`, or wanted values of columns of ``architectures``
        (a list: any of them).
    given
        ``max_<column>`` and ``min_<column>``; NDS also ``model_family``, ``proposer``,
        ``generator``, ``base_lr`` and ``weight_decay``. None filters nothing.
    """
    made = Filter()
    for name, wanted in given.items():
        if wanted is None:
            continue
        if name.startswith(("max_", "min_")):
            _limit(bench, made, name, wanted)
        elif bench.name == "nds" and name == "model_family":
            _equal(made, "a.model_family", wanted, join=_architectures(bench, made))
        elif bench.name == "nds" and name in CONFIGURATION:
            _equal(made, f"f.{name}", wanted, join=_CONFIGURATIONS)
        else:
            raise unknown("filter", name, _known(bench), where=bench.label)
    if callable(where):
        made.predicate = where
    elif where is not None:
        if not isinstance(where, Mapping):
            raise QueryError(
                "where= is no filter.",
                where=bench.label,
                expected="a function of an architecture, or a dict of column and wanted value",
                found=repr(where)[:200],
            )
        columns = bench.frame("architectures").names
        for name, wanted in where.items():
            if name not in columns:
                raise unknown("column of architectures", name, columns, where=bench.label)
            _equal(made, f"a.{name}", wanted, join=_architectures(bench, made))
    return made


_CONFIGURATIONS = "configurations AS f ON f.config_id = m.config_id"
_COSTS = "costs AS c ON c.arch_id = m.arch_id AND c.dataset = m.dataset"


def _architectures(bench: Benchmark, made: Filter) -> str:
    if bench.name != "nds":
        return "architectures AS a ON a.arch_id = m.arch_id"
    if _CONFIGURATIONS not in made.joins:
        made.joins.append(_CONFIGURATIONS)
    return "architectures AS a ON a.arch_id = f.arch_id"


def _equal(made: Filter, column: str, wanted: Any, join: str) -> None:
    wanted = plain(wanted)
    single = isinstance(wanted, str) or not isinstance(wanted, Iterable)
    values = [plain(value) for value in ([wanted] if single else wanted)]
    made.add(f"{column} IN ({', '.join('?' * len(values))})", *values, join=join)


def _limit(bench: Benchmark, made: Filter, name: str, wanted: Any) -> None:
    side, column = name.split("_", 1)
    sign = "<=" if side == "max" else ">="
    wanted = plain(wanted)
    number = isinstance(wanted, (int, float)) and not isinstance(wanted, bool)
    if not number or (isinstance(wanted, float) and isnan(wanted)):
        raise QueryError(f"{name} is not a number.", where=bench.label, found=repr(wanted))
    if bench.name == "nds" and column in _NDS_SIZES:
        # All runs of a configuration train the same network.
        inner = f"(SELECT max(t.{column}) FROM trials AS t WHERE t.config_id = m.config_id)"
        made.add(f"{inner} {sign} ?", wanted)
    elif bench.name != "nds" and column in ("params", "macs"):
        made.add(f"c.{column} {sign} ?", wanted, join=_COSTS)
    elif f"{column}_mean" in bench.frame("means").position:
        made.add(f"m.{column}_mean {sign} ?", wanted)
    else:
        raise unknown("filter", name, _known(bench), where=bench.label)


_NDS_SIZES = ("params", "flops")


def _known(bench: Benchmark) -> list[str]:
    """Names of all filters that a benchmark has."""
    sizes = _NDS_SIZES if bench.name == "nds" else ("params", "macs")
    means = [n.removesuffix("_mean") for n in bench.frame("means").names if n.endswith("_mean")]
    limits = [f"{side}_{column}" for column in (*sizes, *means) for side in ("max", "min")]
    own = ["model_family", *CONFIGURATION] if bench.name == "nds" else []
    return ["where", *own, *limits]
