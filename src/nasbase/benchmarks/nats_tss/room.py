"""NATS-Bench's topology space: the cells of NAS-Bench-201, in archives of members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nasbase.benchmarks.nats_common import topology
from nasbase.benchmarks.nats_common.room import ArchiveRoom


class NatsTopology(ArchiveRoom):
    """15,625 cells, trained for 12 and for 200 epochs."""

    name = "nats_tss"
    title = "NATS-Bench, topology space"
    aliases = ("tss",)
    space_size = topology.SIZE
    schedules = (12, 200)
    hps = ("12", "200")
    archive = "NATS-tss-sample"
    always = (0, 11, 12, 1224, 1234)

    def enumeration(self) -> Sequence[str]:
        """All architecture strings by index."""
        return topology.enumeration()

    def architecture_costs(self, text: str, dataset: str) -> tuple[int, int]:
        """Parameters and multiply-accumulates of one architecture."""
        return topology.costs(text, dataset)

    def encode(self, architecture: Any) -> str:
        """Architecture string of an architecture in any encoding of the space."""
        return topology.encode(architecture)

    def decode_architecture(self, text: str) -> Mapping[str, Any]:
        """Operations by edge, and the isomorphism class."""
        return topology.columns(text)
