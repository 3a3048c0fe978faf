"""Arrow schemas derived from the catalogue, and what lies in Arrow's arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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


def validity(array: pa.Array) -> np.ndarray:
    """Which values are there; several times faster than `is_valid`, which asks one by one."""
    bits = array.buffers()[0]
    if bits is None or not array.null_count:  # without bits all are there, or none is (type null)
        return np.full(len(array), not array.null_count)
    end = array.offset + len(array)
    valid = np.unpackbits(np.frombuffer(bits, np.uint8), count=end, bitorder="little")
    return valid[array.offset :].view(bool)


def one_text(column: pa.Array) -> bool:
    """Whether a column is one and the same text in every row, as names of data sets often are."""
    if not pa.types.is_string(column.type) or not len(column) or column.null_count:
        return False
    return bool(pc.all(pc.equal(column, column[0])).as_py())


def values_at(column: pa.Array, places: np.ndarray) -> pa.Array:
    """The values at some places."""
    if one_text(column):
        return pa.repeat(column[0], len(places))
    return column.take(pa.array(places))


def texts_of(array: pa.StringArray) -> tuple[np.ndarray, memoryview]:
    """Lengths in bytes of texts, and all of them end to end, as they lie in memory."""
    _, offsets, data = array.buffers()
    if not len(array) or data is None:
        return np.zeros(len(array), np.int32), memoryview(b"")
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    return np.diff(ends), memoryview(data)[ends[0] : ends[-1]]
