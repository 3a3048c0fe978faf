"""SQLite: point queries and SQL, built from the Parquet tables alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from nasbase.staging import staged_file
from nasbase.store.build import read_build
from nasbase.store.curves import Block, long_blocks
from nasbase.store.database import new_database
from nasbase.store.parquet import read_batches
from nasbase.store.series_blob import encode
from nasbase.tables.catalogue import tables
from nasbase.tables.models import blob_tables, ddl

APPLICATION_ID = 0x6E617362
"""``nasb`` in ASCII: what `file` and SQLite see in the header."""

PAGE_SIZE = 4096

BUILD_STATEMENT = "CREATE TABLE build (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT"
"""The table that says which build a database belongs to; it is in no catalogue."""


def write_sqlite(parquet: Path, path: Path, *, scratch: Path | None = None) -> None:
    """Write the SQLite database of the build whose Parquet tables are in ``parquet``.

    Tables are those of the catalogue, ``STRICT``; ``curves`` and ``iterations`` are stored as one
    blob per trial (`nasbase.store.series_blob`) except for nb101. A NaN becomes NULL; a row of
    ``notes`` of kind ``nan`` says where. The file grows in ``scratch``, else beside ``path``, and
    appears when it is whole.
    """
    build = read_build(parquet)
    settings = {
        "page_size": PAGE_SIZE,
        "application_id": APPLICATION_ID,
        "user_version": build.schema,
    }
    blobs = blob_tables(build.benchmark)
    statements = ddl(build.benchmark)
    with staged_file(path, scratch) as temporary, new_database(temporary, settings) as database:
        for statement in (s for s in statements if s.startswith("CREATE TABLE")):
            database.execute(statement)
        database.execute(BUILD_STATEMENT)
        database.insert_pairs("build", build.described())
        for name in tables(build.benchmark):
            source = parquet / f"{name}.parquet"
            if name in blobs:
                for block in long_blocks(build.benchmark, name, source):
                    database.insert(blobs[name], _blob_rows(block))
            else:
                for rows in read_batches(source):
                    database.insert(name, _stored(rows))
        for statement in (s for s in statements if not s.startswith("CREATE TABLE")):
            database.execute(statement)
        database.execute("ANALYZE")


def _stored(rows: pa.Table) -> pa.Table:
    """Rows with the types that SQLite has: a boolean is 0 or 1."""
    columns = [c.cast(pa.int8()) if pa.types.is_boolean(c.type) else c for c in rows.columns]
    return pa.table(columns, names=rows.column_names)


def _blob_rows(block: Block) -> pa.Table:
    words, ends = encode(block.values, block.present)
    # A block is far below 2 GB.
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(words)]
    data = pa.Array.from_buffers(pa.binary(), len(ends) - 1, buffers)
    lengths = np.full(len(data), block.length)
    return pa.table({"trial_id": block.rows["trial_id"], "length": lengths, "data": data})
