"""SQLite tables derived from the catalogue, as peewee models.

SQLite keeps two tables in another shape than Parquet (see `nasbase.store.series_blob`): the long
``curves`` and ``iterations`` become ``trial_curves`` and ``trial_iterations``, one blob per trial.
NAS-Bench-101 has three points per curve and keeps them as plain rows.
"""

from __future__ import annotations

from functools import cache

import peewee

from nasbase.tables.catalogue import tables
from nasbase.tables.columns import Column, Table

BLOB_TABLES = {"curves": "trial_curves", "iterations": "trial_iterations"}
"""Long tables that SQLite stores as one blob per trial, and their names there."""

_FIELDS = {
    "int8": peewee.IntegerField,
    "int16": peewee.IntegerField,
    "int32": peewee.IntegerField,
    "int64": peewee.IntegerField,
    "float64": peewee.DoubleField,
    "string": peewee.TextField,
    "bool": peewee.IntegerField,
}


def blob_tables(benchmark: str) -> dict[str, str]:
    """The catalogue's tables that SQLite stores as blobs, with their SQLite names."""
    if benchmark == "nb101":
        return {}
    return {long: name for long, name in BLOB_TABLES.items() if long in tables(benchmark)}


def _blob_table(name: str, long: Table) -> type[peewee.Model]:
    fields = {
        "trial_id": peewee.IntegerField(primary_key=True),
        "length": peewee.IntegerField(),
        "data": peewee.BlobField(),
    }
    return _model(name, fields, {}, long.meaning)


def _model(name: str, fields: dict, meta: dict, meaning: str) -> type[peewee.Model]:
    settings = {
        "table_name": name,
        "strict_tables": True,
        "legacy_table_names": False,
        **meta,
    }
    body = {"__doc__": meaning, "Meta": type("Meta", (), settings), **fields}
    return type(name.title().replace("_", ""), (peewee.Model,), body)


def _field(column: Column, *, primary_key: bool) -> peewee.Field:
    kind = _FIELDS[column.type]
    # The attribute may have another name (see _attribute); the column never has.
    return kind(
        column_name=column.name,
        null=column.nullable,
        primary_key=primary_key,
        help_text=column.meaning,
    )


def _attribute(column: str) -> str:
    """Name of the model's attribute: peewee's own names are taken (``table`` among them)."""
    return f"{column}_" if hasattr(peewee.Model, column) or column == "table" else column


def model_of(table: Table) -> type[peewee.Model]:
    """The peewee model of one table of the catalogue."""
    single = len(table.key) == 1 and table[table.key[0]].type.startswith("int")
    fields = {
        _attribute(c.name): _field(c, primary_key=single and c.name == table.key[0])
        for c in table.columns
    }
    meta: dict = {
        "indexes": tuple((tuple(map(_attribute, index)), False) for index in table.indexes)
    }
    if not single:
        meta["primary_key"] = peewee.CompositeKey(*map(_attribute, table.key))
        meta["without_rowid"] = True
    return _model(table.name, fields, meta, table.meaning)


@cache
def models(benchmark: str) -> dict[str, type[peewee.Model]]:
    """The models of every SQLite table of a benchmark, by SQLite name."""
    blobs = blob_tables(benchmark)
    found = {}
    for name, table in tables(benchmark).items():
        stored = blobs.get(name, name)
        found[stored] = _blob_table(stored, table) if name in blobs else model_of(table)
    return found


@cache
def ddl(benchmark: str) -> tuple[str, ...]:
    """The statements that create the tables, then those that create their indexes."""
    database = peewee.SqliteDatabase(":memory:")
    with database.bind_ctx(list(models(benchmark).values())):
        database.create_tables(models(benchmark).values(), safe=False)
        query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, rowid"
        statements = tuple(sql for (sql,) in database.execute_sql(query))
    database.close()
    return statements
