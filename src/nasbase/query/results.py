"""What questions are answered with: plain, typed, read-only values that say where they come from.

A row keeps the tuple that SQLite gave and looks a column up when it is asked for; notes are read
when they are asked for or printed. Nothing here imports numpy, pandas or pyarrow before a
conversion needs them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, overload

from nasbase.errors import QueryError
from nasbase.query.vocabulary import nearest, unknown

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from nasbase.query.handle import Benchmark

MOST_ROWS = 12
"""Rows that are printed; conversions give all."""

HIDDEN = ("trial_id", "config_id", "source_file", "source_group", "source_pos", "extra")
"""Columns that are not printed."""


class Note(NamedTuple):
    """What is known about a row or a column that its value does not say."""

    table: str
    key: str | None
    column: str | None
    kind: str
    code: str
    sentence: str
    value: float | None
    reference: str | None

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}"


class Frame:
    """What the rows of one table share: the handle, the columns, their positions."""

    __slots__ = ("bench", "key", "kind", "names", "position", "table")

    def __init__(
        self,
        bench: Benchmark,
        table: str,
        names: Sequence[str],
        key: Sequence[str],
        kind: type[Row],
    ) -> None:
        self.bench, self.table, self.names, self.kind = bench, table, tuple(names), kind
        self.position = {name: i for i, name in enumerate(names)}
        self.key = tuple((name, self.position[name]) for name in key)

    def __reduce__(self) -> tuple:
        return _frame_of, (self.bench, self.table)

    def key_of(self, row: tuple) -> str:
        """Key of a row as ``notes`` writes it."""
        return json.dumps({name: row[i] for name, i in self.key})

    def nan_columns(self, row: tuple) -> set[str | None]:
        """Columns in which the release has NaN, which SQLite stores as NULL."""
        notes = self.bench.notes(self.table, self.key_of(row))
        return {note.column for note in notes if note.kind == "nan"}


def _frame_of(bench: Benchmark, table: str) -> Frame:
    return bench.frame(table)


class Immutable:
    """Attributes are set once, by ``__init__``."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is read-only: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is read-only: {name} cannot be deleted")


_set = object.__setattr__


class Row(Immutable):
    """One row of a table; columns are attributes, and items by name.

    ``None`` means "not released" or "not applicable"; a NaN was released as NaN.
    """

    __slots__ = ("_frame", "_row")
    _frame: Frame
    _row: tuple

    def __init__(self, frame: Frame, row: tuple) -> None:
        _set(self, "_frame", frame)
        _set(self, "_row", row)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._value(name)
        except KeyError:
            raise _no_attribute(self, name, self._names()) from None

    def __getitem__(self, name: str) -> Any:
        try:
            return self._value(name)
        except KeyError:
            raise unknown("column", name, self._names(), where=self._frame.table) from None

    def _value(self, name: str) -> Any:
        value = self._row[self._frame.position[name]]
        if value is None and name in self._frame.nan_columns(self._row):
            return math.nan
        return value

    def _names(self) -> Sequence[str]:
        return self._frame.names

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *self._names()])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (
            self._row == other._row and self._frame.bench == other._frame.bench
        )

    def __hash__(self) -> int:
        return hash(self._row)

    def __reduce__(self) -> tuple:
        return type(self), (self._frame, self._row)

    @property
    def key(self) -> str:
        """Key of the row, as the table ``notes`` writes it."""
        return self._frame.key_of(self._row)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is known about this row."""
        return self._frame.bench.notes(self._frame.table, self.key)

    def to_dict(self) -> dict[str, Any]:
        """Columns and values."""
        row = dict(zip(self._frame.names, self._row, strict=True))
        if None in self._row:
            row |= {name: math.nan for name in self._frame.nan_columns(self._row) if name}
        return row

    def to_pandas(self) -> pd.DataFrame:
        """A table of one row."""
        return Rows(self._frame, [self._row]).to_pandas()

    def to_arrow(self) -> pa.Table:
        """A table of one row."""
        return Rows(self._frame, [self._row]).to_arrow()

    def __repr__(self) -> str:
        return repr(Rows(self._frame, [self._row]))


class Architecture(Row):
    """One architecture of a build."""

    __slots__ = ()

    @property
    def text(self) -> str:
        """Canonical text: the architecture string, nb101's hash, or NDS's canonical JSON."""
        return self._frame.bench.text_of(self._row)

    def __index__(self) -> int:
        return self._row[0]

    def __str__(self) -> str:
        return self.text


class Trial(Row):
    """One training of one network, every split as released."""

    __slots__ = ()


class Mean(Row):
    """Means over the runs of one training: ``n``, and ``<column>_mean`` and ``<column>_sd``.

    ``<column>`` alone is the mean.
    """

    __slots__ = ()

    def _value(self, name: str) -> Any:
        return super()._value(name if name in self._frame.position else f"{name}_mean")


class Rows(Immutable):
    """Rows of one table: a sequence of rows, with the columns as attributes (one list each)."""

    __slots__ = ("_frame", "_rows")
    _frame: Frame
    _rows: list[tuple]

    def __init__(self, frame: Frame, rows: list[tuple]) -> None:
        _set(self, "_frame", frame)
        _set(self, "_rows", rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return (self._frame.kind(self._frame, row) for row in self._rows)

    @overload
    def __getitem__(self, item: slice) -> Rows: ...
    @overload
    def __getitem__(self, item: int | str) -> Any: ...
    def __getitem__(self, item: int | str | slice) -> Any:
        if isinstance(item, str):
            if item not in self._frame.position:
                raise unknown("column", item, self._frame.names, where=self._frame.table)
            return self._column(item)
        if isinstance(item, slice):
            return type(self)(self._frame, self._rows[item])
        return self._frame.kind(self._frame, self._rows[item])

    def __getattr__(self, name: str) -> list[Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._frame.position:
            raise _no_attribute(self, name, self._frame.names)
        return self._column(name)

    def _column(self, name: str) -> list[Any]:
        i, frame = self._frame.position[name], self._frame
        values = [row[i] for row in self._rows]
        if None in values:
            for at, row in enumerate(self._rows):
                if row[i] is None and name in frame.nan_columns(row):
                    values[at] = math.nan
        return values

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *self._frame.names])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (
            self._rows == other._rows and self._frame.bench == other._frame.bench
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple:
        return type(self), (self._frame, self._rows)

    def key_of(self, position: int) -> str:
        """Key of one row, as the table ``notes`` writes it."""
        return self._frame.key_of(self._rows[position])

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is known about these rows."""
        return tuple(note for row in self for note in row.notes)

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns and their values."""
        return {name: self._column(name) for name in self._frame.names}

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a data frame."""
        return self.to_arrow().to_pandas()

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table, in the schema of the Parquet table."""
        return self._frame.bench.to_arrow(self._frame.table, self.to_dict())

    def __repr__(self) -> str:
        frame, shown = self._frame, self._rows[:MOST_ROWS]
        lines = [f"{len(self._rows)} rows of {frame.table}, {frame.bench.label}"]
        cells = []
        for i, name in enumerate(frame.names):
            column = [row[i] for row in shown]
            if name not in HIDDEN and not all(value is None for value in column):
                cells.append([name, *map(brief, column)])
        lines += aligned(cells)
        if len(self._rows) > MOST_ROWS:
            lines.append(f"  ... {len(self._rows) - MOST_ROWS} more")
        lines += _noted(note for row in self[:MOST_ROWS] for note in row.notes)
        return "\n".join(lines)


class Architectures(Rows):
    """Architectures, in order."""

    __slots__ = ()


class Trials(Rows):
    """Runs, every split as released."""

    __slots__ = ()


class Means(Rows):
    """Means over runs; each row has its own ``n``."""

    __slots__ = ()


# ---------------------------------------------------------------------------------------------
# single numbers and curves


class Tabular:
    """What can be written as columns of equal length."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Columns and their values."""
        raise NotImplementedError

    def to_pandas(self) -> pd.DataFrame:
        """The same as a data frame."""
        return self.to_arrow().to_pandas()

    def to_arrow(self) -> pa.Table:
        """The same as an Arrow table."""
        import pyarrow as pa

        columns = self.to_dict()
        if not all(isinstance(column, list) for column in columns.values()):
            return pa.Table.from_pylist([columns])
        return pa.table(columns)


class Value(Tabular, float):
    """One number that knows what it is; arithmetic with it gives plain floats.

    Attributes
    ----------
    column, dataset, split
        The column that answered, the data set it was trained on, and the split it was measured on
        (None for what has no split, a time for instance).
    asked
        The data set of the question: cifar10's validation is measured on ``cifar10-valid``.
    num_epochs, epoch
        Length of the schedule, and the epoch after which the number was measured; None for what
        follows from the architecture alone.
    n, sd
        Number of runs that were averaged and their sample standard deviation (None where n is 1);
        n is 0 where the number is computed from the architecture.
    run, seed
        Which run it is, where the question named one.
    arch_id
        The architecture.
    """

    __slots__ = (
        "arch_id",
        "asked",
        "bench",
        "column",
        "dataset",
        "epoch",
        "keys",
        "n",
        "num_epochs",
        "run",
        "sd",
        "seed",
        "split",
        "unit",
    )
    arch_id: int
    asked: str
    bench: Benchmark
    column: str
    dataset: str
    epoch: int | None
    keys: tuple[tuple[str, str], ...] | None
    n: int
    num_epochs: int | None
    run: int | None
    sd: float | None
    seed: int | None
    split: str | None
    unit: str

    def __new__(cls, number: float, **facts: Any) -> Value:
        """Make a value of a number and what it is."""
        value = super().__new__(cls, number)
        for name in cls.__slots__:
            _set(value, name, facts.get(name))
        return value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"Value is read-only: {name} cannot be set")

    def __reduce__(self) -> tuple:
        return _value_of, (float(self), {name: getattr(self, name) for name in self.__slots__})

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is known about the rows that the number was taken from."""
        return tuple(
            note
            for table, key in self.keys or ()
            for note in self.bench.notes(table, key)
            if note.column in (None, self.column, f"{self.column}_mean")
        )

    def to_dict(self) -> dict[str, Any]:
        """The number and what it is."""
        names = sorted({*self.__slots__} - {"bench", "keys"})
        facts = {name: getattr(self, name) for name in names}
        notes = [str(note) for note in self.notes]
        build = {"benchmark": self.bench.name, "version": self.bench.version}
        return {
            "value": float(self),
            **facts,
            "notes": notes,
            **build,
            "synthetic": self.bench.synthetic,
        }

    def __repr__(self) -> str:
        where = measured(self.split, self.dataset, self.asked)
        if self.num_epochs is not None:
            where = f"epoch {self.epoch} of {self.num_epochs}, {where}"
        if self.run is not None:
            which = f"run {self.run}" + ("" if self.seed is None else f", seed {self.seed}")
        elif self.n > 1:
            which = f"mean of {self.n} runs, sd {brief(self.sd)}"
        else:
            which = "the only run" if self.n else "computed"
        unit = f" {self.unit}" if self.unit else ""
        text = (
            f"{brief(float(self))}{unit}: {self.column} ({where}; {which}) of architecture "
            f"{self.arch_id}, {self.bench.label}"
        )
        return "\n".join([text, *_noted(self.notes)])


def _value_of(number: float, facts: dict[str, Any]) -> Value:
    return Value(number, **facts)


def measured(split: str | None, dataset: str, asked: str) -> str:
    """Where a number was measured, in words."""
    text = f"{split} of {dataset}" if split else dataset
    return text if asked == dataset else f"{text}, which validates {asked}"


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
            raise _no_attribute(self, name, ("params", "macs", "released", *self.recorded))
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
        return "\n".join([*lines, *aligned(cells, "    "), *_noted(self.notes)])


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


# ---------------------------------------------------------------------------------------------
# printing


def brief(value: object) -> str:
    """A value as it is printed: fractions to six digits."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.6g}"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def aligned(cells: Sequence[Sequence[str]], indent: str = "  ", *, left: bool = False) -> list[str]:
    """Lines of a table: the first column aligned to the left, the others to the right."""
    if not cells:
        return []
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for line in cells:
        padded = [
            cell.ljust(width) if left or i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append(f"{indent}{'  '.join(padded)}".rstrip())
    return lines


def ranges(numbers: Sequence[int]) -> str:
    """Whole numbers as text, neighbours joined: ``1 to 12, 200``."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    texts = [str(p[0]) if len(p) == 1 else f"{p[0]} to {p[-1]}" for p in parts]
    return ", ".join(texts)


def _noted(notes: Any) -> list[str]:
    """Lines that say what is known about printed rows, each sentence once."""
    counts: dict[str, int] = {}
    for note in notes or ():
        counts[str(note)] = counts.get(str(note), 0) + 1
    return [f"  {text}" + (f" ({n} rows)" if n > 1 else "") for text, n in counts.items()]


def _no_attribute(result: object, name: str, known: Sequence[str]) -> AttributeError:
    near = nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return AttributeError(f"{type(result).__name__} has no column {name!r}{hint}", name=name)
