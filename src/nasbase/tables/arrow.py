"""Arrow schemas derived from the catalogue."""

from __future__ import annotations

import pyarrow as pa

from nasbase.tables.columns import Column, Table

_TYPES = {
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "string": pa.string(),
    "bool": pa.bool_(),
}


def arrow_type(column: Column) -> pa.DataType:
    """Arrow type of one column."""
    return _TYPES[column.type]


def arrow_field(column: Column) -> pa.Field:
    """Arrow field of one column; its description travels as field metadata."""
    # Parquet keeps the order of the keys, so they are sorted for reproducible bytes.
    described = {
        "description": column.meaning,
        "origin": column.origin,
        "unit": column.unit,
        "upstream": column.upstream,
    }
    metadata = {key: value for key, value in sorted(described.items()) if value}
    return pa.field(column.name, _TYPES[column.type], nullable=column.nullable, metadata=metadata)


def arrow_schema(table: Table) -> pa.Schema:
    """Arrow schema of one table."""
    return pa.schema([arrow_field(column) for column in table.columns])


def joined(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece; only one of several pieces is copied for it."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
