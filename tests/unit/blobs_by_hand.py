"""Blobs of series, one by one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nasbase.store.series_blob import encode


def blobs_of(values: np.ndarray, present: np.ndarray) -> list[bytes]:
    """The blob of each trial."""
    words, ends = encode(values, present)
    data = words.tobytes()
    assert ends[-1] == len(data)
    return [data[start:end] for start, end in pairwise(ends.tolist())]
