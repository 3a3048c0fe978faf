"""How a table and its columns are described; the catalogue holds the descriptions themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Type = Literal["int8", "int16", "int32", "int64", "float64", "string", "bool"]
Origin = Literal["released", "computed", "identifier", "provenance", "described"]


class Column(NamedTuple):
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


class Table:
    """One table: its columns, the key that makes a row unique, and the documented look-ups.

    Rows are sorted by ``order`` (the key where it is not given).
    """

    def __init__(
        self,
        name: str,
        meaning: str,
        columns: tuple[Column, ...],
        *,
        key: tuple[str, ...],
        order: tuple[str, ...] = (),
        indexes: tuple[tuple[str, ...], ...] = (),
    ) -> None:
        self.name = name
        self.meaning = meaning
        self.columns = columns
        self.key = key
        self.order = order
        self.indexes = indexes
        if len(set(self.names)) != len(columns):
            raise ValueError(f"table {name}: a column is described twice")
        for names in (key, order, *indexes):
            for column in names:
                self[column]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

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
    return tuple(column._replace(nullable=True) for column in columns)
