"""Tables, compared by their bits: NaNs are equal if they are the same, zeros have a sign."""

from __future__ import annotations

import pyarrow as pa


def content(table):
    """What a table holds, floats as bits; quicker to compare than Python objects."""
    parts = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        parts[name] = column.is_valid().to_pylist()
        if pa.types.is_list(column.type):
            parts[name, "lengths"] = column.value_lengths().to_pylist()
            column = column.flatten()
            parts[name, "there"] = column.is_valid().to_numpy(zero_copy_only=False).tobytes()
        if pa.types.is_primitive(column.type):
            parts[name, "values"] = column.fill_null(0).to_numpy().tobytes()
        else:
            parts[name, "values"] = column.to_pylist()
    return parts
