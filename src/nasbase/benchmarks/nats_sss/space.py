"""The size space: one cell, five numbers of channels, each one of eight.

Plain Python without imports of weight, as in the topology space.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

from nasbase.benchmarks.encodings import codes_of, integer, one_hot, position
from nasbase.benchmarks.nats_common.datasets import CLASSES, IMAGE_SIZE
from nasbase.errors import SpaceError

CANDIDATES = (8, 16, 24, 32, 40, 48, 56, 64)
LAYERS = 5
SIZE = len(CANDIDATES) ** LAYERS
NAMES = tuple(f"c{layer}" for layer in range(LAYERS))
"""Names of the layers, as in the columns of ``architectures``."""

Channels = tuple[int, ...]


def arch_str(channels: Iterable[int]) -> str:
    """Architecture string of five numbers of channels."""
    return ":".join(map(str, channels))


def parse(text: str) -> Channels:
    """The five numbers of channels of an architecture string.

    Raises
    ------
    SpaceError
        If the text is not an architecture string of this space.
    """
    known = {str(candidate): candidate for candidate in CANDIDATES}
    parts = text.strip().split(":")
    if len(parts) != LAYERS or not all(part in known for part in parts):
        raise SpaceError(
            "This is not an architecture string of the size space.",
            expected=f"c0:c1:c2:c3:c4, each one of {', '.join(known)}",
            found=repr(text)[:200],
            todo=f"Give an index as a number: {text.strip()}." if text.strip().isdigit() else None,
        )
    return tuple(known[part] for part in parts)


def from_channels(counts: Any) -> Channels:
    """Five numbers of channels, judged.

    Raises
    ------
    SpaceError
        If they are not five, or one is not of `CANDIDATES`; the message names the nearest.
    """
    try:
        channels = [integer(count) for count in counts]
    except TypeError:
        raise _unknown(counts) from None
    if len(channels) != LAYERS:
        raise _unknown(counts)
    for layer, count in enumerate(channels):
        if count is None or count not in CANDIDATES:
            near = None if count is None else min(CANDIDATES, key=lambda known: abs(known - count))
            raise SpaceError(
                "A layer has a number of channels that the size space does not have.",
                where=f"layer {layer}",
                expected=", ".join(map(str, CANDIDATES)),
                found=repr(counts)[:200],
                todo=f"Did you mean {near}?" if near else None,
            )
    return tuple(count for count in channels if count is not None)


def from_config(layers: Any) -> Channels:
    """Five numbers of channels of a mapping with the keys `NAMES`."""
    if not isinstance(layers, Mapping) or set(layers) != set(NAMES):
        raise SpaceError(
            "A mapping does not name the five layers.",
            expected=", ".join(NAMES),
            found=repr(layers)[:200],
        )
    return from_channels([layers[name] for name in NAMES])


def to_config(channels: Sequence[int]) -> dict[str, int]:
    """``{'c0': 8, ..., 'c4': 64}``."""
    return dict(zip(NAMES, channels, strict=True))


def to_one_hot(channels: Sequence[int]) -> list[int]:
    """40 bits: for each layer one for each of `CANDIDATES`."""
    return one_hot((CANDIDATES.index(count) for count in channels), len(CANDIDATES))


def from_one_hot(bits: Any) -> Channels:
    """Five numbers of channels of 40 bits as `to_one_hot` gives them."""
    return tuple(CANDIDATES[code] for code in codes_of(bits, LAYERS, len(CANDIDATES)))


def at_index(index: Any) -> Channels:
    """The five numbers of channels of an index (`SpaceError` if there is none such)."""
    number = position(index, SIZE)
    channels = []
    for _ in range(LAYERS):
        number, code = divmod(number, len(CANDIDATES))
        channels.append(CANDIDATES[code])
    return tuple(reversed(channels))


def index_of(channels: Sequence[int]) -> int:
    """Upstream's index: the last layer is fastest."""
    number = 0
    for count in channels:
        number = number * len(CANDIDATES) + CANDIDATES.index(count)
    return number


def channels_of(architecture: Any) -> Channels:
    """The five numbers of channels of an architecture in any encoding.

    Parameters
    ----------
    architecture
        Index, architecture string, object with ``tostr()``, five numbers of channels, or a
        mapping of `NAMES`.

    Raises
    ------
    SpaceError
        If it is no architecture of the space.
    """
    if hasattr(architecture, "tostr"):
        architecture = architecture.tostr()
    if isinstance(architecture, str):
        return parse(architecture)
    if isinstance(architecture, Mapping):
        return from_config(architecture)
    if integer(architecture) is not None:
        return at_index(architecture)
    return from_channels(architecture)


def encode(architecture: Any) -> str:
    """Architecture string of an architecture in any encoding that `channels_of` reads."""
    return arch_str(channels_of(architecture))


def neighbours(channels: Sequence[int]) -> Iterator[Channels]:
    """The 35 architectures that differ in the width of one layer."""
    for layer, present in enumerate(channels):
        for count in CANDIDATES:
            if count != present:
                yield (*channels[:layer], count, *channels[layer + 1 :])


def _unknown(value: object) -> SpaceError:
    return SpaceError(
        "This is not an architecture in any encoding of the size space.",
        expected="index, architecture string, five numbers of channels, or a dict of "
        + ", ".join(NAMES),
        found=repr(value)[:200],
    )


@cache
def enumeration() -> tuple[str, ...]:
    """All 32,768 architecture strings in upstream's index order: the last layer is fastest."""
    return tuple(arch_str(channels) for channels in product(CANDIDATES, repeat=LAYERS))


def columns(text: str) -> dict[str, Any]:
    """Columns of ``architectures``, without ``arch_id``, of an architecture string."""
    channels = parse(text)
    return {
        "arch_str": arch_str(channels),
        **{f"c{layer}": count for layer, count in enumerate(channels)},
    }


# ---------------------------------------------------------------------------------------------
# size


def costs(text: str, dataset: str) -> tuple[int, int]:
    """Trainable parameters and multiply-accumulates of one architecture on one data set.

    Counted layer by layer as upstream's network is built: stem, cell, residual block, cell,
    residual block, cell, classifier. The multiply-accumulates are those of convolutions and of
    the linear layer with its bias.
    """
    channels = parse(text)
    size, classes = IMAGE_SIZE[dataset], CLASSES[dataset]
    layers = [_conv(3, channels[0], 3, size)]
    before = channels[0]
    for layer, after in enumerate(channels):
        if layer % 2:
            size //= 2
            layers += _residual(before, after, size)
        else:
            layers += _cell(before, after, size)
        before = after
    layers.append((2 * before, 0))  # the last normalisation
    layers.append((before * classes + classes, before * classes + classes))
    return sum(params for params, _ in layers), sum(macs for _, macs in layers)


Cost = tuple[int, int]


def _conv(before: int, after: int, kernel: int, size: int) -> Cost:
    """A convolution without bias, and the normalisation after it."""
    weights = before * after * kernel**2
    return weights + 2 * after, weights * size**2


def _cell(before: int, after: int, size: int) -> Sequence[Cost]:
    """Edges from the first node map to the cell's width; the others keep it."""
    first = [_conv(before, after, 3, size)] * 2
    others = [_conv(after, after, 3, size)] * 3
    # A skip that changes the width is a 1x1 convolution with normalisation.
    skip = [] if before == after else [_conv(before, after, 1, size)]
    return [*first, *others, *skip]


def _residual(before: int, after: int, size: int) -> Sequence[Cost]:
    """Two 3x3 convolutions beside a 1x1 convolution that has no normalisation."""
    shortcut = before * after
    return [
        _conv(before, after, 3, size),
        _conv(after, after, 3, size),
        (shortcut, shortcut * size**2),
    ]
