"""NATS-Bench's size space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from nasbase.benchmarks.nats_sss import space as channels
from nasbase.query.spaces.base import Format, Space, generator

if TYPE_CHECKING:
    from random import Random


class SizeSpace(Space):
    """NATS-Bench's size space: five widths."""

    name = "size"
    size = channels.SIZE
    _formats: ClassVar[Mapping[str, Format]] = {
        "str": Format("c0:c1:c2:c3:c4", channels.arch_str),
        "index": Format("upstream's index, 0 to 32767", channels.index_of, channels.at_index),
        "channels": Format("five numbers of channels", tuple, channels.from_channels),
        "one_hot": Format("40 bits, eight by layer", channels.to_one_hot, channels.from_one_hot),
        "config": Format("dict {'c0': 8, ...}", channels.to_config, channels.from_config),
    }
    _choices: ClassVar[Mapping[str, tuple[Any, ...]]] = dict.fromkeys(
        channels.NAMES, channels.CANDIDATES
    )
    _ordered = True
    _default = (channels.CANDIDATES[0],) * channels.LAYERS

    def enumerate(self) -> Iterator[str]:
        """All 32,768 architecture strings by index."""
        return iter(channels.enumeration())

    def random(self, rng: Random | int) -> str:
        """One of all, with equal chance."""
        return channels.arch_str(channels.at_index(generator(rng).randrange(channels.SIZE)))

    def neighbours(self, architecture: Any) -> list[str]:
        """The 35 architectures with one other width."""
        return sorted(map(channels.arch_str, channels.neighbours(self._any(architecture))))

    def _any(self, architecture: Any) -> channels.Channels:
        return channels.channels_of(architecture)

    def _text(self, known: channels.Channels) -> str:
        return channels.arch_str(known)
