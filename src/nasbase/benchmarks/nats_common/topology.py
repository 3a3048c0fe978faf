"""The topology space: cells of four nodes with one of five operations on each of six edges.

Plain Python without imports of weight: asking a question needs this module and no numpy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

from nasbase.benchmarks.encodings import codes_of, did_you_mean, integer, one_hot, position
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

GRAPH = (
    (0, 1, 1, 0, 1, 0, 0, 0),
    (0, 0, 0, 1, 0, 1, 0, 0),
    (0, 0, 0, 0, 0, 0, 1, 0),
    (0, 0, 0, 0, 0, 0, 1, 0),
    (0, 0, 0, 0, 0, 0, 0, 1),
    (0, 0, 0, 0, 0, 0, 0, 1),
    (0, 0, 0, 0, 0, 0, 0, 1),
    (0, 0, 0, 0, 0, 0, 0, 0),
)
"""Adjacency of the cell with operations as vertices: input, the six of `EDGES`, output."""

_PATTERN = re.compile(
    r"\|([^|~]*)~0\|\+\|([^|~]*)~0\|([^|~]*)~1\|\+\|([^|~]*)~0\|([^|~]*)~1\|([^|~]*)~2\|"
)
_NAMES = {name: name for name in OPERATIONS} | {
    name.removeprefix("nor_"): name for name in OPERATIONS
}
_CODES = {"nats": (OPERATIONS, EDGES), "naslib": (NASLIB_OPERATIONS, NASLIB_EDGES)}

Operations = tuple[str, ...]
"""Names of the six operations, in the order of `EDGES`."""


# ---------------------------------------------------------------------------------------------
# text, tuples, matrices, dicts


def arch_str(operations: Sequence[str]) -> str:
    """Architecture string of six operations."""
    a, b, c, d, e, f = operations
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


def parse(text: str) -> Operations:
    """The six operations of an architecture string.

    Raises
    ------
    SpaceError
        If the text is not an architecture string of this space.
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise SpaceError(
            "This is not an architecture string of the topology space.",
            expected="|op~0|+|op~0|op~1|+|op~0|op~1|op~2|",
            found=repr(text)[:200],
            todo=f"Give an index as a number: {text.strip()}." if text.strip().isdigit() else None,
        )
    return from_names(match.groups())


def from_names(names: Sequence[Any]) -> Operations:
    """The six operations of a sequence of names, with or without ``nor_``, on `EDGES`."""
    if not hasattr(names, "__len__") or len(names) != len(EDGES):
        raise SpaceError(
            "A cell has six operations.",
            expected=f"one for each of the edges {', '.join(EDGE_NAMES)}",
            found=repr(names)[:200],
        )
    return tuple(_operation(name) for name in names)


def to_matrix(operations: Sequence[str]) -> list[list[int]]:
    """4 x 4 matrix as upstream's ``str2matrix``: row destination, column source, value code."""
    matrix = [[0] * 4 for _ in range(4)]
    for (source, destination), operation in zip(EDGES, operations, strict=True):
        matrix[destination][source] = OPERATIONS.index(operation)
    return matrix


def from_matrix(matrix: Sequence[Sequence[float]]) -> Operations:
    """The six operations of a matrix as `to_matrix` makes it."""
    try:
        rows = [list(row) for row in matrix]
    except TypeError:
        rows = []
    if [len(row) for row in rows] != [4] * 4:
        raise SpaceError(
            "A matrix of this space has four rows and columns.",
            expected="4 x 4",
            found=f"rows of {[len(row) for row in rows]}",
        )
    operations = []
    for destination, row in enumerate(rows):
        for source, code in enumerate(row):
            if (source, destination) not in EDGES and _number(code) != 0:
                raise SpaceError(
                    "A matrix has an entry where the space has no edge.",
                    where=f"row {destination}, column {source}",
                    expected="0: rows are destinations, columns are sources",
                    found=repr(code)[:200],
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
    if not isinstance(cell, Mapping) or set(cell) != set(EDGE_NAMES):
        raise SpaceError(
            "A cell's dict does not name its six edges.",
            expected=", ".join(EDGE_NAMES),
            found=repr(cell)[:200],
        )
    return tuple(_operation(cell[name]) for name in EDGE_NAMES)


def to_config(operations: Sequence[str]) -> dict[str, str]:
    """``{'0_1': 'nor_conv_1x1', ...}``; `from_nni` reads it too."""
    return dict(zip(EDGE_NAMES, operations, strict=True))


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
    if not hasattr(codes, "__len__") or len(codes) != len(edges):
        raise SpaceError("A cell has six edges.", expected="six codes", found=repr(codes)[:200])
    on = {edge: _coded(code, names) for edge, code in zip(edges, codes, strict=True)}
    return tuple(on[edge] for edge in EDGES)


def to_codes(operations: Sequence[str], convention: str) -> tuple[int, ...]:
    """The tuple of integers of six operations; the inverse of `from_codes`."""
    names, edges = _CODES[convention]
    on = dict(zip(EDGES, operations, strict=True))
    return tuple(names.index(on[edge]) for edge in edges)


def to_graph(operations: Sequence[str]) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
    """`GRAPH` and the labels of its vertices: the form that graph predictors read."""
    return GRAPH, ("input", *operations, "output")


def from_graph(graph: Any) -> Operations:
    """The six operations of a pair of adjacency and labels as `to_graph` gives it."""
    try:
        adjacency, labels = graph
        rows, labels = tuple(tuple(row) for row in adjacency), list(labels)
    except (TypeError, ValueError):
        rows, labels = (), []
    if rows != GRAPH or len(labels) != len(GRAPH) or labels[0] != "input" or labels[-1] != "output":
        raise SpaceError(
            "This is not the graph of a cell with operations as vertices.",
            expected=f"the adjacency {GRAPH}, and input, six operations, output",
            found=repr(graph)[:200],
        )
    return from_names(labels[1:-1])


def to_one_hot(operations: Sequence[str]) -> list[int]:
    """30 bits: for each edge of `EDGES` one for each of `OPERATIONS`."""
    return one_hot(to_codes(operations, "nats"), len(OPERATIONS))


def from_one_hot(bits: Any) -> Operations:
    """The six operations of 30 bits as `to_one_hot` gives them."""
    return from_codes(codes_of(bits, len(EDGES), len(OPERATIONS)), "nats")


def operations_of(architecture: Any, convention: str | None = None) -> Operations:
    """The six operations of an architecture in any encoding that says what it is.

    Parameters
    ----------
    architecture
        Index, architecture string, object with ``tostr()``, six operation names, NNI's dict, 4 x 4
        matrix, graph (`to_graph`), or six integers together with ``convention``.
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
        return parse(architecture)
    if isinstance(architecture, Mapping):
        return from_nni(architecture)
    if integer(architecture) is not None:
        return at_index(architecture)
    try:
        items = list(architecture)
    except TypeError:
        raise _unknown(architecture) from None
    return _from_sequence(items, convention)


def encode(architecture: Any, convention: str | None = None) -> str:
    """Architecture string of an architecture in any encoding that `operations_of` reads."""
    return arch_str(operations_of(architecture, convention))


def _from_sequence(items: list[Any], convention: str | None) -> Operations:
    if len(items) == len(EDGES) and all(isinstance(item, str) for item in items):
        return from_names(items)
    nested = all(hasattr(item, "__len__") and not isinstance(item, str) for item in items)
    if nested and len(items) == 4:
        return from_matrix(items)
    if nested and len(items) == 2:
        return from_graph(items)
    if items and all(integer(item) is not None for item in items):
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


def _coded(code: Any, names: tuple[str, ...]) -> str:
    number = _number(code)
    if not 0 <= number < len(names):
        raise SpaceError(
            "There is no operation of this code.",
            expected=f"0 to {len(names) - 1}",
            found=repr(code)[:200],
        )
    return names[number]


def _number(code: Any) -> int:
    """A whole number, also one that is written as a float; -1 for anything else."""
    try:
        number = int(code)
    except (TypeError, ValueError, OverflowError):  # no number, NaN, infinity
        return -1
    return number if number == code else -1


def _operation(name: Any) -> str:
    if isinstance(name, str) and name in _NAMES:
        return _NAMES[name]
    raise SpaceError(
        f"There is no operation {name!r:.80} in this space.",
        expected=", ".join(OPERATIONS),
        found=repr(name)[:200],
        todo=did_you_mean(name, list(_NAMES)),
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
def _numbers() -> tuple[int, ...]:
    """Number of every architecture by index: its codes as digits, the first edge highest.

    Upstream listed the strings in this order and shuffled the list with seed 88. How a list is
    shuffled depends on its length alone, so numbers stand for the strings: that is much faster.
    """
    import random  # an architecture string needs none of this

    numbers = list(range(SIZE))
    random.Random(88).shuffle(numbers)
    return tuple(numbers)


@cache
def _indexes_by_number() -> Sequence[int]:
    indexes = [0] * SIZE
    for index, number in enumerate(_numbers()):
        indexes[number] = index
    return indexes


def at_index(index: Any) -> Operations:
    """The six operations of an index, upstream's (`SpaceError` if there is none such)."""
    number = _numbers()[position(index, SIZE)]
    operations = []
    for _ in EDGES:
        number, code = divmod(number, len(OPERATIONS))
        operations.append(OPERATIONS[code])
    return tuple(reversed(operations))


def index_of(operations: Sequence[str]) -> int:
    """Upstream's index of six operations."""
    number = 0
    for code in to_codes(operations, "nats"):
        number = number * len(OPERATIONS) + code
    return _indexes_by_number()[number]


@cache
def enumeration() -> tuple[str, ...]:
    """All 15,625 architecture strings in upstream's index order."""
    strings = [arch_str(operations) for operations in product(OPERATIONS, repeat=len(EDGES))]
    return tuple(strings[number] for number in _numbers())


@cache
def indexes() -> Mapping[str, int]:
    """Index of every architecture string."""
    return {text: index for index, text in enumerate(enumeration())}


def neighbours(operations: Sequence[str]) -> Iterator[Operations]:
    """The 24 cells that differ in one operation."""
    for edge, present in enumerate(operations):
        for operation in OPERATIONS:
            if operation != present:
                yield (*operations[:edge], operation, *operations[edge + 1 :])


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
