"""What a comparison found, and its plain form for JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ColumnDiff:
    """How one column differs in the rows that both builds have.

    Attributes
    ----------
    rows
        Rows whose value differs, bit for bit (NaN equals NaN).
    appeared, vanished
        Of these, NULL before and a value after, and the other way round.
    numbers
        Of these, a finite number on both sides; ``largest`` and ``median`` are the absolute
        differences of these, in the unit of the column.
    median_is_exact
        False where there are so many that the median is known to one percent only.
    largest_at
        The row of the largest difference (else the first that differs): its key, and both values.
    provenance
        Whether the column says where a row comes from; such a column changes no number.
    """

    column: str
    unit: str
    provenance: bool
    rows: int
    appeared: int
    vanished: int
    numbers: int
    largest: float | None
    median: float | None
    median_is_exact: bool
    largest_at: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TableDiff:
    """How one table differs.

    ``changed`` rows are in both builds and differ in a column that is not provenance. ``trials``
    says, for tables along trainings, how many trainings have a row that is changed, added or
    removed although the training itself is in both builds.
    """

    table: str
    rows_a: int
    rows_b: int
    identical: bool
    added: int = 0
    removed: int = 0
    changed: int = 0
    trials: int | None = None
    columns: tuple[ColumnDiff, ...] = ()
    added_examples: tuple[dict[str, Any], ...] = ()
    removed_examples: tuple[dict[str, Any], ...] = ()

    @property
    def differs(self) -> bool:
        """Whether a row or a number differs; provenance alone does not count."""
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs between the builds ``a`` and ``b``.

    ``touched`` is the number of architectures in both builds that have a training (or a point of
    its curve) which is added, removed or changed.
    """

    a: dict[str, Any]
    b: dict[str, Any]
    touched: int
    tables: tuple[TableDiff, ...] = field(default_factory=tuple)

    @property
    def same(self) -> bool:
        """Whether the two hold the same rows and numbers."""
        return not any(table.differs for table in self)

    def __iter__(self) -> Iterator[TableDiff]:
        """The tables that are data; `sources` is provenance as a whole."""
        return (table for table in self.tables if table.table != "sources")

    def __getitem__(self, name: str) -> TableDiff:
        return next(table for table in self.tables if table.table == name)

    def to_dict(self) -> dict[str, Any]:
        """A plain document for JSON."""
        tables = {}
        for table in self.tables:
            document = asdict(table)
            tables[document.pop("table")] = {"differs": table.differs, **document}
        return {
            "a": self.a,
            "b": self.b,
            "same": self.same,
            "architectures_touched": self.touched,
            "tables": tables,
        }
