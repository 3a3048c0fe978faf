"""Order and sameness of many rows, in a fraction of the time that Arrow takes for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from nasbase.tables.arrow import joined, one_text, texts_of
from nasbase.tables.statistics import levels

_PREFIX_BYTES = 8
_MOST_CODES = 1 << 64


def order_of(rows: pa.Table, names: Sequence[str]) -> NDArray[np.int64]:
    """Places of rows in ascending order of some columns; equal rows stay as they stand.

    Arrow compares rows column by column. Here every row becomes one integer, and integers are
    sorted.

    Parameters
    ----------
    rows
        Rows whose columns of that name are texts or numbers.
    names
        The columns, the most significant first; none may hold NULL.

    Raises
    ------
    ValueError
        If one does.
    """
    codes, count = np.zeros(rows.num_rows, np.uint64), 1
    for name in names:
        more, steps = _codes(joined(rows[name]))
        if count * steps > _MOST_CODES:
            codes, count = _dense(codes)
            more, steps = _dense(more)
        codes, count = codes * np.uint64(steps) + more, count * steps
    order = np.argsort(codes)  # not stable, and four times as fast as what is
    return np.argsort(codes, kind="stable") if _any_twice(codes[order]) else order


def first_alike(column: pa.Array) -> NDArray[np.int64]:
    """For each row, the place of the first one with the same value (none may be NULL)."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    which, places = encoded.indices.to_numpy(), np.arange(len(column))
    first = np.empty(len(encoded.dictionary), np.int64)
    first[which[::-1]] = places[::-1]  # of several values for one place the last one stays
    return first[which]


def _any_twice(ascending: NDArray[np.uint64]) -> bool:
    return bool((ascending[1:] == ascending[:-1]).any())


def _codes(column: pa.Array) -> tuple[NDArray[np.uint64], int]:
    """Integers in the order of the values of a column, and how many are possible."""
    if column.null_count:
        raise ValueError("rows are sorted by a column that holds NULL")
    if one_text(column):
        return np.zeros(len(column), np.uint64), 1
    if pa.types.is_string(column.type):
        encoded = column.dictionary_encode()
        ranks = np.empty(len(encoded.dictionary), np.uint64)
        ranks[_order_of_texts(encoded.dictionary)] = np.arange(len(ranks), dtype=np.uint64)
        return ranks[encoded.indices.to_numpy()], max(1, len(ranks))
    values = column.to_numpy(zero_copy_only=False)
    if not pa.types.is_integer(column.type) or not len(values):
        return _dense(values)
    low, high = int(values.min()), int(values.max())
    return values.astype(np.uint64) - np.uint64(low % _MOST_CODES), high - low + 1


def _dense(values: NDArray[np.generic]) -> tuple[NDArray[np.uint64], int]:
    codes = levels(values).astype(np.uint64)
    return codes, int(codes.max(initial=0)) + 1


def _order_of_texts(texts: pa.StringArray) -> NDArray[np.int64]:
    """Order of different texts: that of their first bytes; those that begin alike are compared."""
    lengths, joint = texts_of(texts)
    raw, starts = np.frombuffer(joint, np.uint8), np.cumsum(lengths, dtype=np.int64) - lengths
    prefixes = np.zeros(len(texts), np.uint64)
    for place in range(_PREFIX_BYTES):
        reaching = np.flatnonzero(lengths > place)
        bits = np.uint64(8 * (_PREFIX_BYTES - 1 - place))
        prefixes[reaching] |= raw[starts[reaching] + place].astype(np.uint64) << bits
    order = np.argsort(prefixes)
    ascending = prefixes[order]
    same = ascending[1:] == ascending[:-1]
    alike = np.zeros(len(order), bool)
    alike[1:] = same
    alike[:-1] |= same
    compared = order[alike]  # in pieces of one beginning, whose places stay theirs
    order[alike] = compared[pc.sort_indices(texts.take(pa.array(compared))).to_numpy()]
    return order
