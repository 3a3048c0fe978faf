"""The search spaces behind one surface: enumerate, draw, read and write every encoding.

What an encoding means is said where the space lives, in its benchmark's room; here stands only
what all spaces have in common. Nothing here needs a build, nor more than the standard library,
except where a method says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasbase.benchmarks import canonical_name
from nasbase.query.spaces.base import Format, Space

if TYPE_CHECKING:
    from nasbase.query.spaces.cells import Stored

__all__ = ["Format", "Space", "space_of"]


def space_of(benchmark: str, stored: Stored | None = None) -> Space:
    """The search space of a benchmark.

    Parameters
    ----------
    benchmark
        Name or alias. ``nb201`` and ``nats_tss`` have the same space.
    stored
        nb101 only: gives the adjacency and operations that a build stores under a hash.
    """
    name = canonical_name(benchmark)
    # Each space is imported when it is asked for: the first answer of a process shall come fast.
    if name == "nb101":
        from nasbase.query.spaces.cells import CellSpace

        return CellSpace(stored)
    if name in ("nb201", "nats_tss"):
        from nasbase.query.spaces.topology import TopologySpace

        return TopologySpace()
    if name == "nats_sss":
        from nasbase.query.spaces.size import SizeSpace

        return SizeSpace()
    from nasbase.query.spaces.networks import NetworkSpace

    return NetworkSpace()
