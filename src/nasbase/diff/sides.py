"""The two builds that are compared, and their rows by number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from nasbase.errors import ArtifactError, NasbaseError
from nasbase.query.opening import KNOWN_SCHEMAS, installed_folder
from nasbase.store.build import Build, read_build
from nasbase.store.parquet import open_parquet


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two builds: where its Parquet tables lie, and what they say they are."""

    folder: Path
    build: Build

    @property
    def label(self) -> str:
        """Benchmark and version, for people."""
        mark = " (synthetic)" if self.build.synthetic else ""
        return f"{self.build.benchmark} {self.build.version}{mark}"

    def rows(self, table: str) -> RowReader:
        """The rows of one table, by number."""
        return RowReader(self.folder / f"{table}.parquet")

    def columns(self, table: str, names: Sequence[str]) -> pa.Table:
        """Whole columns of one table."""
        with open_parquet(self.folder / f"{table}.parquet") as file:
            return file.read(columns=list(names))


def open_side(text: str | Path, home: Path | None = None) -> Side:
    """Find a build by name (``nb201``, ``nb201@1.0``) or by the folder of its Parquet tables.

    Raises
    ------
    NasbaseError
        If there is no such build, or its tables are not whole.
    """
    folder = Path(text)
    if not folder.is_dir():
        name, _, release = str(text).partition("@")
        try:
            folder = installed_folder(name, release or None, home)
        except NasbaseError as error:
            error.todo = f"{error.todo or ''} A folder of Parquet tables can be given as well."
            raise
    elif (folder / "parquet").is_dir():  # where the rules work
        folder = folder / "parquet"
    try:
        build = read_build(folder)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise ArtifactError(
            "A table of the build is missing or damaged.",
            where=folder,
            expected="the Parquet tables of a build",
            found=str(error).splitlines()[0],
            todo="Give the folder of one release (results/<benchmark>/<release>), or build it.",
        ) from error
    if build.schema not in KNOWN_SCHEMAS:
        raise ArtifactError(
            "This build has a layout that this version of nasbase does not know.",
            where=folder,
            expected=f"schema {', '.join(map(str, KNOWN_SCHEMAS))}",
            found=f"schema {build.schema}",
            todo="Compare it with the version of nasbase that wrote it.",
        )
    return Side(folder, build)


class RowReader:
    """Rows of a Parquet file by number, with a few row groups in memory at a time."""

    KEPT_GROUPS = 3

    def __init__(self, path: Path) -> None:
        self._file = open_parquet(path)
        metadata = self._file.metadata
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self._kept: OrderedDict[tuple[int, tuple[str, ...]], pa.Table] = OrderedDict()

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def names(self) -> list[str]:
        """Columns of the file."""
        return self._file.schema_arrow.names

    def batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows, in order, piece by piece."""
        return self._file.iter_batches(columns=list(names))

    def take(self, rows: np.ndarray, names: Sequence[str]) -> pa.Table:
        """Some columns of some rows, in the order in which the rows are given."""
        order = np.argsort(rows, kind="stable")
        wanted = rows[order]
        groups = np.searchsorted(self._starts, wanted, side="right") - 1
        pieces = [self._group(0, tuple(names)).slice(0, 0)]
        for group in np.unique(groups):
            inside = wanted[groups == group] - self._starts[group]
            table = self._group(int(group), tuple(names))
            contiguous = len(inside) == inside[-1] - inside[0] + 1
            piece = table.slice(inside[0], len(inside)) if contiguous else table.take(inside)
            pieces.append(piece)
        found = pa.concat_tables(pieces)
        if (np.diff(rows) < 0).any():
            found = found.take(np.argsort(order, kind="stable"))
        return found

    def _group(self, group: int, names: tuple[str, ...]) -> pa.Table:
        key = group, names
        if key not in self._kept:
            self._kept[key] = self._file.read_row_group(group, columns=list(names))
            if len(self._kept) > self.KEPT_GROUPS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]
