"""The shard format: what a room hands over when it turns a piece of a raw release into tables.

A shard holds two tables. ``architectures`` has the catalogue's columns. ``trials`` has one row per
training with its whole curve inside: each series is a list with one value per entry of ``epoch``.
So a trial is moved, sorted and merged as one row, and the long ``curves`` table appears only when
the final Parquet file is written.

In benchmarks whose architecture ids are ranks (nb101, nds) no shard can know them: shards carry
the text whose rank becomes ``arch_id``.
"""

from __future__ import annotations

from functools import cache

import pyarrow as pa

from nasbase.tables.arrow import arrow_field, arrow_type
from nasbase.tables.catalogue import (
    CONFIGURATION_COLUMNS,
    SAMPLE_SERIES,
    provenance,
    recorded,
    series,
    tables,
)

RANKED = {"nb101": "hash", "nds": "arch_key"}
"""Benchmarks whose ``arch_id`` is the rank of a key, and the key's column."""

_REPEATED = {"nb101": ("adjacency", "operations")}
"""Texts of ``architectures`` that few values make up: Arrow keeps each once, in a dictionary."""

SAMPLE_PREFIX = "sample_"
"""Prefix of the list columns that become the ``iterations`` table."""


def subject(benchmark: str) -> pa.Field:
    """The column that identifies an architecture inside a shard."""
    if benchmark in RANKED:
        return pa.field(RANKED[benchmark], pa.string(), nullable=False)
    return pa.field("arch_id", pa.int32(), nullable=False)


@cache
def shard_architectures(benchmark: str) -> pa.Schema:
    """Schema of the ``architectures`` table of a shard."""
    key = subject(benchmark)
    fields = map(arrow_field, tables(benchmark)["architectures"].columns)
    others = [field for field in fields if field.name not in ("arch_id", key.name)]
    for name in _REPEATED.get(benchmark, ()):
        place = [field.name for field in others].index(name)
        others[place] = others[place].with_type(pa.dictionary(pa.int32(), pa.string()))
    return pa.schema([key, *others])


@cache
def shard_trials(benchmark: str) -> pa.Schema:
    """Schema of the ``trials`` table of a shard.

    ``run_order`` orders the repetitions of one training (nb101: position in the file; NATS: the
    seed; nds: position in NNI's file order); ``run`` is its rank and is assigned at assembly.
    """
    table = tables(benchmark)["trials"]
    configuration = CONFIGURATION_COLUMNS if benchmark == "nds" else ()
    fields = [subject(benchmark), arrow_field(table["dataset"])]
    fields += map(arrow_field, configuration)
    fields += [
        arrow_field(table["num_epochs"]),
        pa.field("run_order", pa.int64(), nullable=False),
        arrow_field(table["seed"]),
    ]
    fields += map(arrow_field, (*recorded(benchmark), *provenance(benchmark)))
    fields.append(pa.field("epoch", pa.list_(pa.int16()), nullable=False))
    fields += [pa.field(c.name, pa.list_(arrow_type(c))) for c in series(benchmark)]
    if benchmark == "nds":
        fields += [pa.field(SAMPLE_PREFIX + c.name, pa.list_(arrow_type(c))) for c in SAMPLE_SERIES]
    return pa.schema(fields)


def sort_key(benchmark: str) -> list[str]:
    """Columns of a shard's ``trials`` by which trials are numbered."""
    configuration = [c.name for c in CONFIGURATION_COLUMNS] if benchmark == "nds" else []
    return [subject(benchmark).name, "dataset", *configuration, "num_epochs", "run_order"]
