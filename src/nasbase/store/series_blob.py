"""The blob that holds all series of one trial in SQLite.

Layout, all little-endian, for a trial whose series have ``length`` points:

* one byte per series, in the order in which ``columns`` lists them: 0 absent, 1 dense,
  2 constant, 3 partial; padded with zeros to a multiple of 8;
* then, series by series: nothing (absent); ``length`` float64 (dense); one float64 that holds at
  every point (constant); a bit mask of ``length`` bits, first point in the lowest bit, padded to a
  multiple of 8 bytes, and then the float64 of the points that are present (partial).

Constants are found by their bits, so NaN and -0.0 come back as they were released.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ABSENT, DENSE, CONSTANT, PARTIAL = range(4)

_DOUBLE = struct.Struct("<d").unpack_from


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def encode(values: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blobs of many trials of the same length.

    Parameters
    ----------
    values
        float64 of shape (trial, series, point).
    present
        bool of the same shape; values at absent points do not matter.

    Returns
    -------
    tuple
        All blobs end to end, as 64-bit words; the first byte of each blob, and the end of the last.
    """
    import numpy as np  # only writing needs it: a question must not load it

    bits = np.ascontiguousarray(values, dtype="<f8").view("<i8")
    modes = _modes(bits, present)
    masks = np.packbits(present[:, (modes == PARTIAL).any(axis=0)], axis=2, bitorder="little")
    # A release has few layouts: trials of the same one are written together.
    layouts: dict[bytes, list[int]] = {}
    for trial, layout in enumerate(np.hstack([modes, masks.reshape(len(modes), -1)])):
        layouts.setdefault(layout.tobytes(), []).append(trial)
    sizes = np.zeros(len(modes), np.int64)
    parts = {key: _parts(modes[at[0]], present[at[0]]) for key, at in layouts.items()}
    for key, trials in layouts.items():
        sizes[trials] = sum(part.size for part, _ in parts[key])
    ends = np.append(0, np.cumsum(sizes))
    words = np.empty(ends[-1], "<i8")
    for key, trials in layouts.items():
        _write(words, ends[trials], parts[key], bits, trials)
    return words, 8 * ends


def _modes(bits: np.ndarray, present: np.ndarray) -> np.ndarray:
    """How each series of each trial is stored."""
    import numpy as np

    everywhere = present.all(axis=2)
    modes = np.full(everywhere.shape, PARTIAL, dtype="u1")
    modes[~present.any(axis=2)] = ABSENT
    modes[everywhere] = DENSE
    # Most series that are not constant end with another value than the first.
    trial, series = np.nonzero(everywhere & (bits[:, :, 0] == bits[:, :, -1]))
    points = bits[trial, series]
    constant = (points == points[:, :1]).all(axis=1)
    modes[trial[constant], series[constant]] = CONSTANT
    return modes


def _parts(modes: np.ndarray, present: np.ndarray) -> list[tuple[np.ndarray, int | None]]:
    """What a blob of one layout is made of: words that all have, or some points of a series."""
    import numpy as np

    points = np.arange(present.shape[1])
    parts: list[tuple[np.ndarray, int | None]] = [(_words(modes.tobytes()), None)]
    for series, mode in enumerate(modes.tolist()):
        if mode == PARTIAL:
            mask = np.packbits(present[series], bitorder="little")
            parts += [(_words(mask.tobytes()), None), (points[present[series]], series)]
        elif mode != ABSENT:
            parts.append((points[:1] if mode == CONSTANT else points, series))
    return parts


def _words(head: bytes) -> np.ndarray:
    """Bytes, padded."""
    import numpy as np

    return np.frombuffer(head.ljust(_padded(len(head)), b"\0"), dtype="<i8")


def _write(
    words: np.ndarray,
    starts: np.ndarray,
    parts: Sequence[tuple[np.ndarray, int | None]],
    bits: np.ndarray,
    trials: Sequence[int],
) -> None:
    """Write the blobs of some trials of one layout where ``starts`` says."""
    from numpy.lib.stride_tricks import sliding_window_view

    for part, series in parts:
        goal = sliding_window_view(words, len(part), writeable=True)
        if series is None:
            goal[starts] = part
        else:
            own = bits[trials, series]
            goal[starts] = own if len(part) == own.shape[1] else own[:, part]
        starts = starts + len(part)


def decode(data: bytes, num_series: int, length: int) -> list[Sequence[float | None] | None]:
    """All series of one blob; None for an absent series, and for an absent point.

    Needs nothing but the standard library.
    """
    found = []
    offset = _padded(num_series)
    for mode in data[:num_series]:
        found.append(_read(data, mode, offset, length))
        offset += _size(data, mode, offset, length)
    if offset != len(data):
        raise ValueError(f"blob of series: expected {offset} bytes, found {len(data)}")
    return found


def decode_one(
    data: bytes, num_series: int, length: int, position: int
) -> Sequence[float | None] | None:
    """The series at one position of a blob; None if it is absent."""
    offset = _padded(num_series)
    for mode in data[:position]:
        offset += _size(data, mode, offset, length)
    return _read(data, data[position], offset, length)


def offsets(data: bytes, num_series: int, length: int) -> list[int]:
    """Where each series of a blob begins: for `value_at`."""
    found = [_padded(num_series)]
    for mode in data[: num_series - 1]:
        found.append(found[-1] + _size(data, mode, found[-1], length))
    return found


def value_at(data: bytes, mode: int, offset: int, length: int, point: int) -> float | None:
    """One point of the series at an offset; None where it is absent."""
    if mode == DENSE:
        return _DOUBLE(data, offset + 8 * point)[0]
    if mode == CONSTANT:
        return _DOUBLE(data, offset)[0]
    if mode == ABSENT:
        return None
    mask = int.from_bytes(data[offset : offset + -(-length // 8)], "little")
    if not mask >> point & 1:
        return None
    before = (mask & (1 << point) - 1).bit_count()
    return _DOUBLE(data, offset + _padded(-(-length // 8)) + 8 * before)[0]


def _size(data: bytes, mode: int, offset: int, length: int) -> int:
    """Bytes that a series takes."""
    if mode == DENSE:
        return 8 * length
    if mode == PARTIAL:
        mask = int.from_bytes(data[offset : offset + -(-length // 8)], "little")
        return _padded(-(-length // 8)) + 8 * mask.bit_count()
    if mode not in (ABSENT, CONSTANT):
        raise ValueError(f"blob of series: mode {mode} is not known")
    return 8 if mode == CONSTANT else 0


def _read(data: bytes, mode: int, offset: int, length: int) -> Sequence[float | None] | None:
    if mode == ABSENT:
        return None
    if mode == DENSE:
        return _floats(data, offset, length)
    if mode == CONSTANT:
        return _floats(data, offset, 1) * length
    if mode != PARTIAL:
        raise ValueError(f"blob of series: mode {mode} is not known")
    mask = int.from_bytes(data[offset : offset + -(-length // 8)], "little")
    points = iter(_floats(data, offset + _padded(-(-length // 8)), mask.bit_count()))
    return [next(points) if mask >> i & 1 else None for i in range(length)]


def _floats(data: bytes, offset: int, count: int) -> array[float]:
    stored = data[offset : offset + 8 * count]
    if len(stored) != 8 * count:
        raise ValueError(f"blob of series: {8 * count} bytes expected, {len(stored)} found")
    values = array("d", stored)
    if sys.byteorder == "big":
        values.byteswap()
    return values
