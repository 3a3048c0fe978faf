"""What questions are answered with: plain, typed, read-only values that say where they come from.

A row keeps the tuple that SQLite gave and looks a column up when it is asked for; notes are read
when they are asked for or printed. Nothing here imports numpy, pandas or pyarrow before a
conversion needs them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, overload

from nasbase.query.vocabulary import nearest, unknown

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from nasbase.query.handle import Benchmark

MOST_ROWS = 12
"""Rows that are printed; conversions give all."""

HIDDEN = ("trial_id", "source_file", "source_group", "source_pos", "source_offset",
    "source_bytes", "extra",
)  # fmt: skip
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
            raise no_attribute(self, name, self._names()) from None

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
            raise no_attribute(self, name, self._frame.names)
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
        count = "1 row" if len(self._rows) == 1 else f"{len(self._rows)} rows"
        lines = [f"{count} of {frame.table}, {frame.bench.label}"]
        cells = []
        nan = [frame.nan_columns(row) if None in row else () for row in shown]
        for i, name in enumerate(frame.names):
            column = [
                math.nan if name in lost else row[i] for row, lost in zip(shown, nan, strict=True)
            ]
            if name not in HIDDEN and not all(value is None for value in column):
                cells.append([name, *map(brief, column)])
        lines += aligned(cells)
        if len(self._rows) > MOST_ROWS:
            lines.append(f"  ... {len(self._rows) - MOST_ROWS} more")
        lines += noted(note for row in self[:MOST_ROWS] for note in row.notes)
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


def noted(notes: Any) -> list[str]:
    """Lines that say what is known about printed rows, each sentence once."""
    counts: dict[str, int] = {}
    for note in notes or ():
        counts[str(note)] = counts.get(str(note), 0) + 1
    return [f"  {text}" + (f" ({n} rows)" if n > 1 else "") for text, n in counts.items()]


def no_attribute(result: object, name: str, known: Sequence[str]) -> AttributeError:
    """The error for an attribute that is no column; it names the nearest one."""
    near = nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return AttributeError(f"{type(result).__name__} has no column {name!r}{hint}", name=name)
