"""Curves, sizes and descriptions: plain, typed results that say what they are.

Single numbers are in `nasbase.query.value`, rows of tables in `nasbase.query.rows`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from nasbase.errors import QueryError
from nasbase.query.rows import (
    Note,
    aligned,
    brief,
    no_attribute,
    noted,
    ranges,
)
from nasbase.query.value import Tabular, measured
from nasbase.query.vocabulary import unknown

if TYPE_CHECKING:
    from nasbase.query.handle import Benchmark


@dataclass(frozen=True, slots=True, repr=False)
class Curve(Tabular):
    """One series along one run: ``values[i]`` was measured after epoch ``epochs[i]``.

    Only epochs at which upstream released a value are here.
    """

    arch_id: int
    asked: str
    dataset: str
    num_epochs: int
    run: int
    seed: int | None
    series: str
    split: str | None
    unit: str
    epochs: Sequence[int]
    values: tuple[float, ...]
    bench: Benchmark

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[float]:
        return iter(self.values)

    def __getitem__(self, position: int) -> float:
        return self.values[position]

    def at(self, epoch: int) -> float:
        """The value after an epoch (`QueryError` where upstream released none)."""
        try:
            return self.values[self.epochs.index(epoch)]
        except ValueError:
            raise QueryError(
                f"Upstream did not release {self.series} at epoch {epoch} of this run.",
                where=f"{self.bench.label}, architecture {self.arch_id}, {self.dataset}, "
                f"{self.num_epochs} epochs, run {self.run}",
                expected=f"epoch {ranges(self.epochs)} of {self.num_epochs}",
                found=f"epoch {epoch}",
            ) from None

    def to_dict(self) -> dict[str, list[Any]]:
        """Epochs and values, with what they are."""
        same = {
            name: [getattr(self, name)] * len(self)
            for name in ("arch_id", "dataset", "num_epochs", "run", "seed")
        }
        return {**same, "epoch": list(self.epochs), self.series: list(self.values)}

    def __repr__(self) -> str:
        seed = "" if self.seed is None else f" (seed {self.seed})"
        unit = f" in {self.unit}" if self.unit else ""
        of = measured(self.split, self.dataset, self.asked)
        ends = dict.fromkeys((0, len(self) - 1))
        return (
            f"{self.series}{unit} ({of}) of architecture {self.arch_id}, {self.num_epochs} epochs, "
            f"run {self.run}{seed}, {self.bench.label}: {len(self)} points at epoch "
            f"{ranges(self.epochs)}, {' ... '.join(brief(self.values[i]) for i in ends)}"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Complexity(Tabular):
    """Sizes of one architecture on one data set.

    Attributes
    ----------
    params, macs
        Computed from the architecture; None where no formula is known.
    released
        What upstream recorded with each run, as rows of ``columns``. Each recorded column is also
        an attribute of its own (``params_m``, ``flops_m``, ``latency_s``; nb101 and nds:
        ``recorded_params``, ``flops``): the one value that all runs have.
    """

    bench: Benchmark
    arch_id: int
    dataset: str
    params: int | None
    macs: int | None
    columns: tuple[str, ...]
    released: tuple[tuple, ...]

    def __getattr__(self, name: str) -> Any:
        column = "params" if name == "recorded_params" else name
        if name.startswith("_") or name == "params" or column not in self.columns[4:]:
            raise no_attribute(self, name, ("params", "macs", "released", *self.recorded))
        values = dict.fromkeys(row[self.columns.index(column)] for row in self.released)
        if len(values) > 1:
            raise QueryError(
                f"The runs of architecture {self.arch_id} do not agree on {column}.",
                where=f"{self.bench.label}, {self.dataset}",
                found=", ".join(map(str, values)),
                todo="`released` has the value of each run, `params` and `macs` what the "
                "architecture really has; `notes` say which runs are wrong.",
            )
        return next(iter(values))

    @property
    def recorded(self) -> tuple[str, ...]:
        """Names of the recorded sizes, as attributes."""
        names = self.columns[4:]
        return tuple("recorded_params" if name == "params" else name for name in names)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is known about the recorded sizes."""
        return tuple(
            note
            for row in self.released
            for note in self.bench.notes("trials", json.dumps({"trial_id": row[0]}))
            if note.column in self.columns
        )

    def to_dict(self) -> dict[str, Any]:
        """One row per run: computed and recorded sizes."""
        runs = len(self.released)
        same = {
            name: [getattr(self, name)] * runs for name in ("arch_id", "dataset", "params", "macs")
        }
        names = (*self.columns[:4], *self.recorded)
        columns = zip(*self.released, strict=True)
        return same | {name: list(column) for name, column in zip(names, columns, strict=True)}

    def __repr__(self) -> str:
        lines = [
            f"Architecture {self.arch_id} on {self.dataset}, {self.bench.label}",
            f"  computed: {brief(self.params)} parameters, {brief(self.macs)} multiply-accumulates",
            "  released with the runs:",
        ]
        names = (*self.columns[1:4], *self.recorded)
        rows = [[brief(cell) for cell in row[1:]] for row in self.released]
        cells = [
            [name, *column] for name, column in zip(names, zip(*rows, strict=True), strict=True)
        ]
        return "\n".join([*lines, *aligned(cells, "    "), *noted(self.notes)])


# ---------------------------------------------------------------------------------------------
# columns


class Described(NamedTuple):
    """One column of one table."""

    table: str
    name: str
    type: str
    unit: str
    meaning: str
    origin: str
    upstream: str


@dataclass(frozen=True, slots=True, repr=False)
class Description(Tabular):
    """Columns: units, meanings, and whether they were released or computed."""

    bench: Benchmark
    columns: tuple[Described, ...]

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[Described]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> Described:
        """A column by name, ``trials`` first; ``table.column`` names the table."""
        table, _, column = name.rpartition(".")
        order = sorted(self.columns, key=lambda c: c.table != "trials")
        for one in order:
            if one.name == column and table in ("", one.table):
                return one
        known = dict.fromkeys(f"{c.table}.{c.name}" if table else c.name for c in self.columns)
        raise unknown("column", name, known, where=self.bench.label)

    def of(self, table: str) -> Description:
        """The columns of one table."""
        chosen = tuple(column for column in self.columns if column.table == table)
        if not chosen:
            known = dict.fromkeys(column.table for column in self.columns)
            raise unknown("table", table, known, where=self.bench.label)
        return Description(self.bench, chosen)

    def to_dict(self) -> dict[str, list[Any]]:
        """One row per column."""
        return {
            field: [getattr(column, field) for column in self.columns]
            for field in Described._fields
        }

    def __repr__(self) -> str:
        rows = [[f"{c.table}.{c.name}", c.unit or "-", c.origin, c.meaning] for c in self.columns]
        head = ["column", "unit", "origin", "meaning"]
        return "\n".join([f"Columns of {self.bench.label}", *aligned([head, *rows], left=True)])
