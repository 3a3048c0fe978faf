"""What the second reading of a raw release passes on.

The reader that builds the tables is fast, and therefore intricate. Every room has a second one that
is short, slow and plain: it shares no code with the first, and the validate step compares what the
two found. Its modules import nothing but the standard library, this module and what the raw files
are called; a test sees to that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where a trial stands in the raw files, as the provenance columns of ``trials`` say.

    Attributes
    ----------
    file, group, position
        ``source_file``, ``source_group`` (NDS) and ``source_pos``.
    offset, size
        ``source_offset`` and ``source_bytes``; None where the benchmark has none.
    """

    file: str
    group: str | None
    position: int
    offset: int | None
    size: int | None


class Reread(NamedTuple):
    """One trial, read again.

    Attributes
    ----------
    place
        Where it stands.
    architecture
        Columns of ``architectures`` that upstream released.
    values
        Columns of ``trials`` that upstream released.
    curves
        Series -> epoch -> value; what is not there was not released.
    samples
        NDS: series of ``iterations`` -> values.
    configuration
        NDS: columns of ``configurations`` that upstream released.
    extra
        What upstream recorded and no column holds.
    """

    place: Place
    architecture: Mapping[str, Any]
    values: Mapping[str, Any]
    curves: Mapping[str, Mapping[int, float]]
    samples: Mapping[str, Sequence[float]] = {}
    configuration: Mapping[str, Any] = {}
    extra: Mapping[str, Any] = {}
