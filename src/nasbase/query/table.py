"""Whole tables, read from Parquet when somebody wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasbase.errors import ArtifactError
from nasbase.query.vocabulary import unknown
from nasbase.tables.columns import Table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from nasbase.query.handle import Benchmark


@dataclass(frozen=True, slots=True, repr=False)
class LazyTable:
    """One table of a build; nothing is read before a conversion.

    DuckDB, polars and others read ``path`` themselves.
    """

    bench: Benchmark
    table: Table

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.table.name

    @property
    def path(self) -> Path:
        """The Parquet file."""
        return self.bench.folder / f"{self.name}.parquet"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.table.names)

    def __len__(self) -> int:
        return self.bench.manifest["tables"][self.name]["rows"]

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The table, or some of its columns, as an Arrow table."""
        for column in columns or ():
            if column not in self.columns:
                raise unknown("column", column, self.columns, where=self.name)
        import pyarrow.parquet as pq

        self._check()
        return pq.read_table(self.path, columns=None if columns is None else [*columns])

    def _check(self) -> None:
        """Refuse a file that has taken the place of the one that the handle was opened on."""
        from nasbase.store.parquet import content_of

        expected = self.bench.manifest["tables"][self.name]["digest"]
        try:
            found = content_of(self.path).digest
        except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are ValueErrors
            found = f"{type(error).__name__}: {error}"
        if found != expected:
            raise ArtifactError(
                "The Parquet table is not the one of the build that was opened.",
                where=self.path,
                expected=f"content {expected}",
                found=found,
                todo="If a new build was installed meanwhile, open the benchmark again; else "
                "build it again.",
            )

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The table, or some of its columns, as a data frame."""
        return self.to_arrow(columns).to_pandas()

    def to_dict(self, columns: Sequence[str] | None = None) -> dict[str, list[Any]]:
        """Columns and their values."""
        return self.to_arrow(columns).to_pydict()

    def __repr__(self) -> str:
        return (
            f"<{self.name} of {self.bench.label}: {len(self):,} rows of {len(self.columns)} "
            f"columns; {self.table.meaning} .to_pandas(), .to_arrow(), or read {self.path}>"
        )
