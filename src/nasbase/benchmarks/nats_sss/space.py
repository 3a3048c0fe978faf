"""The size space: one cell, five numbers of channels, each one of eight.

Plain Python without imports of weight, as in the topology space.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product
from operator import index as as_index
from typing import Any

from nasbase.benchmarks.nats_common.datasets import CLASSES, IMAGE_SIZE
from nasbase.errors import SpaceError

CANDIDATES = (8, 16, 24, 32, 40, 48, 56, 64)
LAYERS = 5
SIZE = len(CANDIDATES) ** LAYERS


def arch_str(channels: Iterable[int]) -> str:
    """Architecture string of five numbers of channels."""
    return ":".join(map(str, channels))


def parse(text: str) -> tuple[int, ...]:
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
        )
    return tuple(known[part] for part in parts)


def encode(architecture: Any) -> str:
    """Architecture string of an index, an architecture string or five numbers of channels.

    Raises
    ------
    SpaceError
        If it is no architecture of the space.
    """
    if hasattr(architecture, "tostr"):
        architecture = architecture.tostr()
    if isinstance(architecture, str):
        return arch_str(parse(architecture))
    if not isinstance(architecture, bool) and hasattr(architecture, "__index__"):
        try:
            position = as_index(architecture)
        except TypeError:  # an array has __index__ but is not one number
            return _encode_channels(architecture)
        if not 0 <= position < SIZE:
            raise SpaceError(
                "There is no architecture of this index.",
                expected=f"0 to {SIZE - 1}",
                found=position,
            )
        return enumeration()[position]
    return _encode_channels(architecture)


def _encode_channels(architecture: Any) -> str:
    try:
        return arch_str(parse(arch_str(as_index(count) for count in architecture)))
    except TypeError:
        raise SpaceError(
            "This is not an architecture in any encoding of the size space.",
            expected="index, architecture string or five numbers of channels",
            found=repr(architecture)[:200],
        ) from None


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
