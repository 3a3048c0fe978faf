"""Writing NNI's database of a build from its Parquet tables."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import closing
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa

from nasbase.staging import staged_file
from nasbase.store.build import Build, read_build
from nasbase.store.database import NewDatabase, new_database
from nasbase.store.nni import BUILD_TABLE, LEFT_OUT
from nasbase.store.nni.rows import Content
from nasbase.store.nni.schema import TABLES, Table

logger = logging.getLogger(__name__)

CACHE_KB = 32_768
"""Memory for SQLite's pages and for sorting the rows of an index."""

_TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64()}


def write_nni(parquet: Path, path: Path, *, scratch: Path | None = None) -> None:
    """Write NNI's database of the build whose Parquet tables are in ``parquet``.

    NNI's converters end with an error at the first training that lacks something NNI requires
    (NAS-Bench-201's release 1.0 has no times for its 200-epoch trainings; NAS-Bench-101's
    ``only108`` has one schedule of four). Here such trainings alone are left out, all others are
    written as the converter's loop would number them, and the table ``nasbase_build`` says how many
    are missing. Where NNI's converter succeeds nothing is left out.

    Parameters
    ----------
    parquet
        Folder of the tables of a build of nb101, nb201 or nds.
    path
        The database; it appears when it is whole.
    scratch
        Folder in which it grows; beside ``path`` if None.
    """
    build = read_build(parquet)
    module = import_module(f"nasbase.store.nni.{build.benchmark}")
    # Page size, encoding and versions are SQLite's own, as NNI leaves them.
    settings = {"cache_size": -CACHE_KB}
    with staged_file(path, scratch) as temporary, new_database(temporary, settings) as database:
        content: Content = module.content(parquet, temporary.parent)
        with closing(content.trials), closing(content.intermediates):
            _fill(database, build, content)
        _describe(database, build, len(content.trials.counts) - len(content.order))


def _fill(database: NewDatabase, build: Build, content: Content) -> None:
    """Table by table, each with its indexes after it, as NNI creates them."""
    tables = TABLES[build.benchmark]
    _insert(database, tables.configs, (_columns(tables.configs, rows) for rows in content.configs))
    trials = content.trials.read(content.order, content.config_of)
    _insert(database, tables.trials, trials)
    ids = np.arange(1, len(content.order) + 1, dtype=np.int32)
    _insert(database, tables.intermediates, content.intermediates.read(content.order, ids))


def _columns(table: Table, rows: Iterable[tuple]) -> pa.Table:
    """Rows with their ids as columns."""
    types = [pa.int64(), *(_TYPES.get(column.type, pa.string()) for column in table.columns)]
    columns = map(pa.array, zip(*rows, strict=True), types)
    return pa.table([*columns], names=table.names)


def _insert(database: NewDatabase, table: Table, pieces: Iterable[pa.Table]) -> None:
    database.execute(table.statement)
    for rows in pieces:
        database.insert(table.name, rows)
    for statement in table.index_statements:
        database.execute(statement)


def _describe(database: NewDatabase, build: Build, left_out: int) -> None:
    """Say whose numbers these are: NNI's own tables have no place for it."""
    database.execute(f'CREATE TABLE "{BUILD_TABLE}" ("key" TEXT, "value" TEXT)')
    said = {**build.described(), LEFT_OUT: str(left_out)}
    database.insert_pairs(BUILD_TABLE, said)
    if left_out:
        logger.warning(
            "%s trainings are not in NNI's database: its tables require what was not released of "
            "them, or it does not know their schedule.",
            f"{left_out:,}",
        )
