"""Small pieces that the encodings of several spaces share: integers, one-hot codes, near names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index as as_index
from typing import Any

from nasbase.errors import SpaceError


def integer(value: Any) -> int | None:
    """A value as an integer if it is one (also numpy's), else None; a boolean is no number."""
    if isinstance(value, bool):
        return None
    try:
        return as_index(value)
    except TypeError:
        return None


def position(value: Any, size: int) -> int:
    """An index of a space of ``size`` architectures.

    Raises
    ------
    SpaceError
        If it is no integer from 0 to ``size`` - 1; Python's negative indexes are none either.
    """
    index = integer(value)
    if index is None or not 0 <= index < size:
        raise SpaceError(
            "There is no architecture of this index.",
            expected=f"an integer from 0 to {size - 1}",
            found=repr(value)[:200],
        )
    return index


def one_hot(codes: Iterable[int], width: int) -> list[int]:
    """Codes as bits: ``width`` bits for each code, the one at the code set."""
    return [int(place == code) for code in codes for place in range(width)]


def bits_of(values: Any, length: int) -> list[int]:
    """A sequence of ``length`` zeros and ones, as integers (`SpaceError` if it is none)."""
    try:
        items = list(values)
    except TypeError:
        items = [values]
    if len(items) != length or not all(_is_bit(item) for item in items):
        raise SpaceError(
            "A code of bits has another length, or other numbers.",
            expected=f"{length} numbers, each 0 or 1",
            found=f"{len(items)} items: {items!r}"[:200],
        )
    return [int(item) for item in items]


def _is_bit(value: Any) -> bool:
    # Networks' inputs are floats and masks are booleans: 0.0 and False are zeros here.
    try:
        return float(value) in (0.0, 1.0)
    except (TypeError, ValueError, OverflowError):
        return False


def codes_of(values: Any, groups: int, width: int) -> list[int]:
    """The inverse of `one_hot` (`SpaceError` unless every group has exactly one bit set)."""
    bits = bits_of(values, groups * width)
    parts = [bits[start : start + width] for start in range(0, len(bits), width)]
    wrong = [group for group, part in enumerate(parts) if sum(part) != 1]
    if wrong:
        raise SpaceError(
            "A one-hot code does not choose one of each group.",
            where=f"group {wrong[0]} of {groups}",
            expected=f"one of {width} bits set",
            found=parts[wrong[0]],
        )
    return [part.index(1) for part in parts]


def did_you_mean(name: Any, names: Sequence[str]) -> str | None:
    """What an error says of the known name that comes nearest; None if none is near."""
    import difflib  # only errors need it

    near = difflib.get_close_matches(str(name)[:80], names, n=1, cutoff=0.4)
    return f"Did you mean {near[0]!r}?" if near else None
