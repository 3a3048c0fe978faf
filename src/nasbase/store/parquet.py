"""Parquet: the kept form of every table, and the content digest that gives a build its version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nasbase.errors import ArtifactError
from nasbase.staging import staged_file
from nasbase.tables.arrow import arrow_schema, joined, texts_of, validity
from nasbase.tables.columns import Table

ROW_GROUP_ROWS = 122_880
"""Rows per row group: DuckDB's own, small enough that statistics prune point queries."""

LONG_TABLES = ("curves", "iterations")
"""Tables of many millions of rows, one per point: their row groups are `LONGER` times as long.

A dictionary is written once per row group: such a table is smaller, and a column is read faster.
"""

LONGER = 4

DICTIONARY_BYTES = 8 << 20
"""Longest dictionary of a row group; with Arrow's 1 MB, long groups would end without one."""

DIGEST_ROWS = 65_536
"""Rows per block of the content digest; part of its definition, never to be changed."""


@dataclass(frozen=True, slots=True)
class TableContent:
    """What a table holds, whatever library version wrote it: rows and digest over them."""

    rows: int
    digest: str


class ContentDigest:
    """SHA-256 over the rows of a table, independent of row groups and library versions.

    The rows are taken in blocks of `DIGEST_ROWS`; each block contributes, column by column, the
    validity bits (one bit per row, little-endian), then the values: little-endian fixed-width
    numbers, booleans as bytes, strings as int32 byte lengths followed by their UTF-8 bytes. NULLs
    count as zero or empty. The column names and types come first.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._hash = hashlib.sha256()
        layout = [[field.name, str(field.type)] for field in schema]
        self._hash.update(json.dumps(layout).encode())

    def update(self, block: pa.Table) -> None:
        """Add the next block: `DIGEST_ROWS` rows, fewer only at the end."""
        for column in block.columns:
            array = joined(column)
            self._hash.update(np.packbits(validity(array), bitorder="little").data)
            if pa.types.is_string(array.type):
                lengths, text = texts_of(_filled(array, ""))
                self._hash.update(lengths.astype("<i4", copy=False).data)
                self._hash.update(text)
            elif pa.types.is_boolean(array.type):
                self._hash.update(np.asarray(_filled(array, False)).astype("u1").data)
            else:
                values = np.asarray(_filled(array, 0))
                little = values.astype(values.dtype.newbyteorder("<"), copy=False)
                self._hash.update(np.ascontiguousarray(little).data)

    def hexdigest(self) -> str:
        """The digest of the rows so far."""
        return self._hash.hexdigest()


def _filled(array: pa.Array, value: Any) -> pa.Array:
    return pc.fill_null(array, value) if array.null_count else array


class TableWriter:
    """Write one table of the catalogue to one Parquet file, in row groups of fixed size.

    Use it as a context manager; the file appears under its name when the block ends well.

    Parameters
    ----------
    path
        The Parquet file.
    table
        The catalogue's description of the table.
    metadata
        What the file says of its build (release, schema, synthetic...), as strings.
    """

    def __init__(self, path: Path, table: Table, metadata: Mapping[str, str]) -> None:
        self._table = table
        self._group_rows = ROW_GROUP_ROWS * (LONGER if table.name in LONG_TABLES else 1)
        self._schema = arrow_schema(table)
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._rows = 0
        self._metadata = dict(sorted(metadata.items()))
        self._digest = ContentDigest(self._schema)
        self._undigested: list[pa.Table] = []
        self._staging = staged_file(path)
        self.content: TableContent | None = None

    def __enter__(self) -> Self:
        self._path = self._staging.__enter__()
        self._writer: pq.ParquetWriter | None = None
        return self

    def _open(self, first: pa.Table) -> pq.ParquetWriter:
        """Begin the file; its first rows tell how each column is best encoded.

        Encoded numbers hardly shrink further: LZ4 leaves them some 5 % longer than Zstandard, and
        they are read at twice the speed. Texts would be half as long again.
        """
        described = {"nasbase.table": self._table.meaning, **self._metadata}
        encodings = _encodings(first.slice(0, ROW_GROUP_ROWS))
        texts = [field.name for field in self._schema if pa.types.is_string(field.type)]
        return pq.ParquetWriter(
            self._path,
            self._schema.with_metadata(described),
            version="2.6",
            compression={n: "zstd" if n in texts else "lz4" for n in self._schema.names},
            compression_level=dict.fromkeys(texts, 3) or None,
            dictionary_pagesize_limit=DICTIONARY_BYTES,
            use_dictionary=[name for name in self._schema.names if name not in encodings],
            column_encoding=encodings or None,
            write_page_index=True,
            write_page_checksum=True,
            sorting_columns=[
                pq.SortingColumn(self._table.names.index(name)) for name in self._table.sort_key
            ],
        )

    def write(self, rows: pa.Table) -> None:
        """Append rows; their columns must be those of the table, in any order."""
        rows = rows.select(self._table.names).cast(self._schema)
        self._pending.append(rows)
        self._pending_rows += rows.num_rows
        while self._pending_rows >= self._group_rows:
            self._flush(self._group_rows)

    def _flush(self, count: int) -> None:
        pending = pa.concat_tables(self._pending)
        group, rest = pending.slice(0, count), pending.slice(count)
        self._pending, self._pending_rows = [rest], rest.num_rows
        self._writer = self._writer or self._open(group)
        self._writer.write_table(group, row_group_size=self._group_rows)
        self._rows += group.num_rows
        self._undigested.append(group)
        self._update_digest(final=False)

    def _update_digest(self, *, final: bool) -> None:
        waiting = pa.concat_tables(self._undigested)
        start = 0
        while waiting.num_rows - start >= (1 if final else DIGEST_ROWS):
            self._digest.update(waiting.slice(start, DIGEST_ROWS))
            start += DIGEST_ROWS
        self._undigested = [waiting.slice(start)]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            if self._pending_rows or not self._rows:
                self._pending = self._pending or [self._schema.empty_table()]
                self._flush(max(self._pending_rows, 1))
            self._update_digest(final=True)
            self.content = TableContent(self._rows, self._digest.hexdigest())
            if self._writer is not None:
                self._writer.add_key_value_metadata(
                    {f"nasbase.{key}": str(value) for key, value in asdict(self.content).items()}
                )
        if self._writer is not None:
            self._writer.close()
        self._staging.__exit__(kind, error, traceback)


_ENCODINGS = {
    "double": "BYTE_STREAM_SPLIT",
    "int32": "DELTA_BINARY_PACKED",
    "int64": "DELTA_BINARY_PACKED",
    "string": "PLAIN",
}
"""Encodings of columns for which a dictionary would be longer, by their type."""


def _encodings(rows: pa.Table) -> dict[str, str]:
    """Encoding of each column for which a dictionary would be longer than the column itself.

    Most columns repeat their values, accuracies too (multiples of 1/5000), and a dictionary makes
    them small. Losses and measured times do not: byte by byte they take a third less. Neither do
    keys in order, however often each repeats: their differences take next to nothing.
    """
    return {
        name: _ENCODINGS[str(column.type)]
        for name, column in zip(rows.column_names, rows.columns, strict=True)
        if str(column.type) in _ENCODINGS and (_hardly_repeats(column) or _in_order(column))
    }


def _hardly_repeats(column: pa.ChunkedArray) -> bool:
    return bool(2 * pc.count_distinct(column).as_py() > len(column) - column.null_count)


def _in_order(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_integer(column.type) or column.null_count:
        return False
    values = column.to_numpy()
    return bool(np.all(values[1:] >= values[:-1]))


def open_parquet(path: str | Path, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a Parquet file for reading piece by piece, some columns as dictionaries.

    Without pre-buffering: pyarrow would otherwise keep the bytes of every row group that is read,
    which at full size is the whole file.
    """
    return pq.ParquetFile(path, pre_buffer=False, read_dictionary=list(dictionaries))


def read_batches(
    path: Path, rows: int = DIGEST_ROWS, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Read a Parquet file, or some of its columns, in order, in tables of about ``rows`` rows."""
    with open_parquet(path) as file:
        for batch in file.iter_batches(batch_size=rows, columns=columns and list(columns)):
            yield pa.Table.from_batches([batch])


def content_of(path: Path) -> TableContent:
    """Rows and digest that the writer recorded in a Parquet file.

    Raises
    ------
    ArtifactError
        If the file does not say; then nasbase did not write it.
    """
    recorded = pq.read_metadata(path).metadata or {}
    if b"nasbase.digest" not in recorded:
        raise ArtifactError(
            "This Parquet file was not written by nasbase.",
            where=path,
            expected="the metadata nasbase.rows and nasbase.digest",
            found=", ".join(sorted(key.decode() for key in recorded)) or "no metadata",
            todo="Build it again: delete the folder and run `snakemake`.",
        )
    return TableContent(int(recorded[b"nasbase.rows"]), recorded[b"nasbase.digest"].decode())


def compute_content(path: Path) -> TableContent:
    """Rows and digest recomputed from the rows of a Parquet file."""
    rows = 0
    with open_parquet(path) as file:
        digest = ContentDigest(file.schema_arrow)
        waiting = file.schema_arrow.empty_table()
        for batch in file.iter_batches(batch_size=DIGEST_ROWS):
            rows += batch.num_rows
            waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
            while waiting.num_rows >= DIGEST_ROWS:
                digest.update(waiting.slice(0, DIGEST_ROWS))
                waiting = waiting.slice(DIGEST_ROWS)
        if waiting.num_rows:
            digest.update(waiting)
    return TableContent(rows, digest.hexdigest())
