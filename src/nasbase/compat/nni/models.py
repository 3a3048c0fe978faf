"""NNI's peewee models, made from the one description of NNI's tables."""

from __future__ import annotations

from typing import Any

from peewee import CharField, Field, FloatField, ForeignKeyField, IntegerField, Model, Proxy
from playhouse.sqlite_ext import JSONField  # type: ignore[import-untyped]

from nasbase.compat.nni.utils import json_dumps
from nasbase.store.nni.schema import TABLES, Column, Table

_BACKREFS = {"config_id": "trial_stats", "trial_id": "intermediates"}


def models(benchmark: str, prefix: str, proxy: Proxy, module: str) -> tuple[type[Model], ...]:
    """The three models of a benchmark, each with a reference to the one before.

    Parameters
    ----------
    benchmark
        nb101, nb201 or nds.
    prefix
        What the names of the models start with.
    proxy
        The database that they are bound to once it is known.
    module
        The module that holds them.
    """
    made: dict[str, type[Model]] = {}
    for table, kind in zip(
        TABLES[benchmark], ("TrialConfig", "TrialStats", "IntermediateStats"), strict=True
    ):
        made[table.name] = _model(f"{prefix}{kind}", table, made, proxy, module)
    return tuple(made.values())


def _model(
    name: str, table: Table, above: dict[str, type[Model]], proxy: Proxy, module: str
) -> type[Model]:
    meta = type("Meta", (), {"database": proxy, "table_name": table.name})
    fields = {column.name.removesuffix("_id"): _field(column, above) for column in table.columns}
    about = f"Table ``{table.name}`` of NNI: {', '.join(['id', *fields])}."
    return type(name, (Model,), {"Meta": meta, "__module__": module, "__doc__": about, **fields})


def _field(column: Column, above: dict[str, type[Model]]) -> Field:
    if column.references:
        return ForeignKeyField(above[column.references], backref=_BACKREFS[column.name])
    options: dict[str, Any] = {"null": column.null, "index": column.index}
    if column.type == "JSON":
        return JSONField(json_dumps=json_dumps, **options)
    if column.type.startswith("VARCHAR"):
        length = int(column.type.removeprefix("VARCHAR(").removesuffix(")"))
        return CharField(max_length=length, **options)
    return {"INTEGER": IntegerField, "REAL": FloatField}[column.type](**options)
