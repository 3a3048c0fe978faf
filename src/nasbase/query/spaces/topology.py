"""The space of NAS-Bench-201 and of NATS-Bench's topology space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from nasbase.benchmarks.nats_common import topology
from nasbase.query.spaces.base import Format, Space, generator

if TYPE_CHECKING:
    from random import Random


def _coded(convention: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """How a topology's tuple of integers is written and read."""
    return (
        partial(topology.to_codes, convention=convention),
        partial(topology.from_codes, convention=convention),
    )


class TopologySpace(Space):
    """Cells of NAS-Bench-201 and of NATS-Bench's topology space: the same cells and indexes."""

    name = "topology"
    size = topology.SIZE
    _formats: ClassVar[Mapping[str, Format]] = {
        "str": Format("|op~0|+|op~0|op~1|+|op~0|op~1|op~2|", topology.arch_str),
        "index": Format("upstream's index, 0 to 15624", topology.index_of, topology.at_index),
        "ops": Format("six operation names", tuple, topology.from_names),
        "nni": Format("NNI's dict {'0_1': 'conv_1x1', ...}", topology.to_nni, topology.from_nni),
        "matrix": Format(
            "4 x 4 codes, row destination, column source", topology.to_matrix, topology.from_matrix
        ),
        "graph": Format(
            "8 x 8 adjacency and labels, operations as vertices",
            topology.to_graph,
            topology.from_graph,
        ),
        "nats": Format("six codes of NATS-Bench", *_coded("nats")),
        "naslib": Format("six codes of NASLib", *_coded("naslib")),
        "one_hot": Format("30 bits, five by edge", topology.to_one_hot, topology.from_one_hot),
        "config": Format(
            "dict {'0_1': 'nor_conv_1x1', ...}", topology.to_config, topology.from_nni
        ),
    }
    _choices: ClassVar[Mapping[str, tuple[Any, ...]]] = dict.fromkeys(
        topology.EDGE_NAMES, topology.OPERATIONS
    )
    _default = ("none",) * len(topology.EDGES)

    def enumerate(self) -> Iterator[str]:
        """All 15,625 architecture strings by index."""
        return iter(topology.enumeration())

    def random(self, rng: Random | int) -> str:
        """One of all, with equal chance."""
        return topology.arch_str(topology.at_index(generator(rng).randrange(topology.SIZE)))

    def neighbours(self, architecture: Any) -> list[str]:
        """The 24 cells with one other operation."""
        operations = self._any(architecture)
        return sorted(map(topology.arch_str, topology.neighbours(operations)))

    def _any(self, architecture: Any) -> topology.Operations:
        return topology.operations_of(architecture)

    def _text(self, known: topology.Operations) -> str:
        return topology.arch_str(known)
