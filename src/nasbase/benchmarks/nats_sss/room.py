"""NATS-Bench's size space: one cell with five numbers of channels, in archives of members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nasbase.benchmarks.nats_common.room import ArchiveRoom
from nasbase.benchmarks.nats_sss import space


class NatsSize(ArchiveRoom):
    """32,768 networks, trained for 1, 12 and 90 epochs."""

    name = "nats_sss"
    title = "NATS-Bench, size space"
    space_size = space.SIZE
    schedules = (1, 12, 90)
    hps = ("01", "12", "90")
    archive = "NATS-sss-sample"
    always = (0, 11, 12, 284, 1224, 1234)

    def enumeration(self) -> Sequence[str]:
        """All architecture strings by index."""
        return space.enumeration()

    def architecture_costs(self, text: str, dataset: str) -> tuple[int, int]:
        """Parameters and multiply-accumulates of one architecture."""
        return space.costs(text, dataset)

    def encode(self, architecture: Any) -> str:
        """Architecture string of an index, an architecture string or five numbers of channels."""
        return space.encode(architecture)

    def decode_architecture(self, text: str) -> Mapping[str, Any]:
        """Channels of each layer."""
        return space.columns(text)
