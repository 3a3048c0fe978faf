"""The topology space: cells of four nodes with one of five operations on each of six edges.

Plain Python without imports of weight: asking a question needs this module and no numpy.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from operator import index as as_index
from typing import Any, NoReturn

from nasbase.errors import SpaceError

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""Operations in upstream's order; their positions are the codes of upstream's matrices."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Edges (source, destination) in the order of the architecture string."""

EDGE_NAMES = tuple(f"{source}_{destination}" for source, destination in EDGES)
SIZE = len(OPERATIONS) ** len(EDGES)

NASLIB_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
NASLIB_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
"""Order of operations and edges in NASLib's tuples of integers."""

_CODES = {"nats": (OPERATIONS, EDGES), "naslib": (NASLIB_OPERATIONS, NASLIB_EDGES)}

Operations = tuple[str, ...]
"""Names of the six operations, in the order of `EDGES`."""


# ---------------------------------------------------------------------------------------------
# text, tuples, matrices, dicts


def arch_str(operations: Sequence[str]) -> str:
    """Architecture string of six operations."""
    on = dict(zip(EDGES, operations, strict=True))
    nodes = (
        "|" + "".join(f"{on[source, node]}~{source}|" for source in range(node))
        for node in (1, 2, 3)
    )
    return "+".join(nodes)


def parse(text: str) -> Operations:
    """The six operations of an architecture string.

    Raises
    ------
    SpaceError
        If the text is not an architecture string of this space.
    """
    operations = []
    nodes = text.strip().split("+")
    if len(nodes) != 3:
        _refuse_text(text)
    for node, part in enumerate(nodes, start=1):
        inputs = part.split("|")
        if len(inputs) != node + 2 or inputs[0] or inputs[-1]:
            _refuse_text(text)
        for source, entry in enumerate(inputs[1:-1]):
            operation, _, origin = entry.partition("~")
            if origin != str(source):
                _refuse_text(text)
            operations.append(_operation(operation))
    return tuple(operations)


def to_matrix(operations: Sequence[str]) -> list[list[int]]:
    """4 x 4 matrix as upstream's ``str2matrix``: row destination, column source, value code."""
    matrix = [[0] * 4 for _ in range(4)]
    for (source, destination), operation in zip(EDGES, operations, strict=True):
        matrix[destination][source] = OPERATIONS.index(operation)
    return matrix


def from_matrix(matrix: Sequence[Sequence[float]]) -> Operations:
    """The six operations of a matrix as `to_matrix` makes it."""
    rows = [list(row) for row in matrix]
    if [len(row) for row in rows] != [4] * 4:
        raise SpaceError(
            "A matrix of this space has four rows and columns.",
            expected="4 x 4",
            found=f"rows of {[len(row) for row in rows]}",
        )
    operations = []
    for destination, row in enumerate(rows):
        for source, code in enumerate(row):
            if (source, destination) not in EDGES and code != 0:
                raise SpaceError(
                    "A matrix has an entry where the space has no edge.",
                    where=f"row {destination}, column {source}",
                    expected="0: rows are destinations, columns are sources",
                    found=code,
                )
    for source, destination in EDGES:
        operations.append(_coded(rows[destination][source], OPERATIONS))
    return tuple(operations)


def to_nni(operations: Sequence[str]) -> dict[str, str]:
    """NNI's dict: ``{'0_1': 'conv_1x1', ...}``, without ``nor_``."""
    return {
        name: operation.removeprefix("nor_")
        for name, operation in zip(EDGE_NAMES, operations, strict=True)
    }


def from_nni(cell: Mapping[str, str]) -> Operations:
    """The six operations of NNI's dict, with or without ``nor_``."""
    if set(cell) != set(EDGE_NAMES):
        raise SpaceError(
            "A cell's dict does not name its six edges.",
            expected=", ".join(EDGE_NAMES),
            found=", ".join(map(str, cell)) or "no edge",
        )
    return tuple(_operation(cell[name]) for name in EDGE_NAMES)


def from_codes(codes: Sequence[int], convention: str) -> Operations:
    """The six operations of a tuple of integers.

    Parameters
    ----------
    convention
        ``nats`` (`OPERATIONS` on `EDGES`) or ``naslib`` (`NASLIB_OPERATIONS` on `NASLIB_EDGES`).
    """
    if convention not in _CODES:
        raise SpaceError(
            f"There is no convention {convention!r}.",
            expected=" or ".join(_CODES),
            found=repr(convention),
        )
    names, edges = _CODES[convention]
    if len(codes) != len(edges):
        raise SpaceError("A cell has six edges.", expected=6, found=len(codes))
    on = {edge: _coded(code, names) for edge, code in zip(edges, codes, strict=True)}
    return tuple(on[edge] for edge in EDGES)


def encode(architecture: Any, convention: str | None = None) -> str:
    """Architecture string of an architecture in any encoding of the space.

    Parameters
    ----------
    architecture
        Index, architecture string, object with ``tostr()``, six operation names, NNI's dict, 4 x 4
        matrix, or six integers together with ``convention``.
    convention
        ``nats`` or ``naslib``: how six integers are meant.

    Raises
    ------
    SpaceError
        If it is no architecture of the space, or integers come without a convention.
    """
    if hasattr(architecture, "tostr"):
        architecture = architecture.tostr()
    if isinstance(architecture, str):
        return arch_str(parse(architecture))
    if isinstance(architecture, Mapping):
        return arch_str(from_nni(architecture))
    if isinstance(architecture, bool):
        raise _unknown(architecture)
    if (position := _as_index(architecture)) is not None:
        if not 0 <= position < SIZE:
            raise SpaceError(
                "There is no architecture of this index.",
                expected=f"0 to {SIZE - 1}",
                found=position,
            )
        return enumeration()[position]
    try:
        items = list(architecture)
    except TypeError:
        raise _unknown(architecture) from None
    return arch_str(_from_sequence(items, convention))


def _from_sequence(items: list[Any], convention: str | None) -> Operations:
    if len(items) == len(EDGES) and all(isinstance(item, str) for item in items):
        return tuple(_operation(item) for item in items)
    if len(items) == 4 and all(hasattr(item, "__len__") for item in items):
        return from_matrix(items)
    if items and all(_as_index(item) is not None for item in items):
        if convention is None:
            raise SpaceError(
                "Integers do not say which operations they mean: conventions differ.",
                expected="operation names, or format='nats' or format='naslib'",
                found=str(items)[:200],
                todo="nats: codes "
                + ", ".join(f"{code} {name}" for code, name in enumerate(OPERATIONS))
                + f" on edges {', '.join(EDGE_NAMES)}; naslib: another order of both.",
            )
        return from_codes(items, convention)
    raise _unknown(items)


def _as_index(value: Any) -> int | None:
    try:
        return as_index(value)
    except TypeError:
        return None


def _coded(code: float, names: tuple[str, ...]) -> str:
    position = int(code) if code == code else -1  # noqa: PLR0124 - a NaN is no code
    if position != code or not 0 <= position < len(names):
        raise SpaceError(
            "There is no operation of this code.", expected=f"0 to {len(names) - 1}", found=code
        )
    return names[position]


def _operation(name: Any) -> str:
    for known in OPERATIONS:
        if name in (known, known.removeprefix("nor_")):
            return known
    near = difflib.get_close_matches(str(name), OPERATIONS, n=1)
    raise SpaceError(
        f"There is no operation {name!r} in this space.",
        expected=", ".join(OPERATIONS),
        found=repr(name),
        todo=f"Did you mean {near[0]!r}?" if near else None,
    )


def _refuse_text(text: str) -> NoReturn:
    raise SpaceError(
        "This is not an architecture string of the topology space.",
        expected="|op~0|+|op~0|op~1|+|op~0|op~1|op~2|",
        found=repr(text)[:200],
    )


def _unknown(value: object) -> SpaceError:
    return SpaceError(
        "This is not an architecture in any encoding of the topology space.",
        expected="index, architecture string, six operation names, dict of edges or 4 x 4 matrix",
        found=repr(value)[:200],
    )


# ---------------------------------------------------------------------------------------------
# the whole space


@cache
def enumeration() -> tuple[str, ...]:
    """All 15,625 architecture strings in upstream's index order.

    Upstream listed them with the first edge slowest and shuffled the list with seed 88.
    """
    strings = [arch_str(operations) for operations in product(OPERATIONS, repeat=len(EDGES))]
    random.Random(88).shuffle(strings)
    return tuple(strings)


@cache
def indexes() -> Mapping[str, int]:
    """Index of every architecture string."""
    return {text: index for index, text in enumerate(enumeration())}


@cache
def isomorphism_classes() -> tuple[int, ...]:
    """Class of every architecture by index: the lowest index of the cells equal to it."""
    first: dict[str, int] = {}
    return tuple(
        first.setdefault(unique_text(parse(text)), index)
        for index, text in enumerate(enumeration())
    )


def unique_text(operations: Sequence[str]) -> str:
    """Text that is the same for cells that compute the same function.

    Upstream's ``to_unique_str(consider_zero=True)``. A node whose inputs are all zero becomes
    ``#+#``, which upstream does not take for zero: the count of 6,466 classes rests on that.
    """
    nodes = ["0"]
    on = dict(zip(EDGES, operations, strict=True))
    for node in (1, 2, 3):
        parts = []
        for source in range(node):
            operation, before = on[source, node], nodes[source]
            if operation == "none" or before == "#":
                parts.append("#")
            elif operation == "skip_connect":
                parts.append(before)
            else:
                parts.append(f"({before})@{operation}")
        nodes.append("+".join(sorted(parts)))
    return nodes[-1]


def columns(text: str) -> dict[str, Any]:
    """Columns of ``architectures``, without ``arch_id``, of an architecture string."""
    operations = parse(text)
    canonical = arch_str(operations)
    return {
        "arch_str": canonical,
        **{f"op_{name}": op for name, op in zip(EDGE_NAMES, operations, strict=True)},
        "isomorphism_class": isomorphism_classes()[indexes()[canonical]],
    }


# ---------------------------------------------------------------------------------------------
# size

# The macro network is fixed, so both counts are linear in the numbers of 1x1 and 3x3 convolutions
# of the cell. Edges that reach nothing count too, as they do upstream.
_PARAMS = {"cifar10-valid": 0, "cifar10": 0, "cifar100": 5_850, "ImageNet16-120": 7_150}
_MACS = {
    "cifar10-valid": (7_783_050, 3_932_160, 35_389_440),
    "cifar10": (7_783_050, 3_932_160, 35_389_440),
    "cifar100": (7_788_900, 3_932_160, 35_389_440),
    "ImageNet16-120": (1_953_400, 983_040, 8_847_360),
}


def costs(text: str, dataset: str) -> tuple[int, int]:
    """Trainable parameters and multiply-accumulates of one architecture on one data set.

    The multiply-accumulates are those of convolutions and of the linear layer with its bias;
    normalisation, activations and pooling are not counted, as upstream does.
    """
    operations = parse(text)
    small, large = operations.count("nor_conv_1x1"), operations.count("nor_conv_3x3")
    params = 73_306 + 28_000 * small + 243_040 * large + _PARAMS[dataset]
    base, per_small, per_large = _MACS[dataset]
    return params, base + per_small * small + per_large * large
