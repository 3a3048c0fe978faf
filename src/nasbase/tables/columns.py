"""How a table and its columns are described; the catalogue holds the descriptions themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

Type = Literal["int8", "int16", "int32", "int64", "float64", "string", "bool"]
Origin = Literal["released", "computed", "identifier", "provenance", "described"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table.

    Attributes
    ----------
    name
        Name in every form (Parquet, SQLite, HDF5).
    type
        Physical type in Parquet; SQLite's storage class follows from it.
    meaning
        One sentence for the reader of the data.
    unit
        Unit of the numbers, empty where there is none.
    upstream
        Where the value stands in the released record.
    origin
        ``released``: as upstream wrote it, at most rescaled by an exactly invertible factor;
        ``computed``: derived by nasbase; ``identifier``: names a row; ``provenance``: where a
        row comes from; ``described``: written by hand from upstream's papers and code.
    nullable
        Whether NULL may stand here; it always means "not released" or "not applicable".
    """

    name: str
    type: Type
    meaning: str
    unit: str = ""
    upstream: str = ""
    origin: Origin = "released"
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns, the key that makes a row unique, and the documented look-ups.

    Rows are sorted by ``order`` (the key where it is not given).
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order: tuple[str, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = field(default=())

    def __post_init__(self) -> None:
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError(f"table {self.name}: a column is described twice")
        for columns in (self.key, self.order, *self.indexes):
            for name in columns:
                self[name]

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name!r}")

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    @property
    def sort_key(self) -> tuple[str, ...]:
        """Columns by which the rows are sorted."""
        return self.order or self.key


def nullable(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The same columns, allowed to be NULL."""
    return tuple(replace(column, nullable=True) for column in columns)
