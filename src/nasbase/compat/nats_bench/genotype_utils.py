"""Cells of the topology space as objects."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import product
from typing import Any

NodeInput = tuple[str, int]
"""An operation and the node that it reads."""


def node_inputs(text: str) -> list[NodeInput]:
    """What a node's part of an architecture string says: ``|op~source|...``."""
    parts = [part for part in text.split("|") if part]
    for part in parts:
        if len(part.split("~")) != 2:
            raise AssertionError(f"invalid input length : {part}")
    pairs = (part.split("~") for part in parts)
    return [(operation, int(source)) for operation, source in pairs]


def topology_str2structure(xstr: Any) -> TopologyStructure:
    """The cell of an architecture string."""
    return TopologyStructure.str2structure(xstr)


def get_combination(space: Sequence[str], num: int) -> list[list[NodeInput]]:
    """Every choice of operations on the ``num`` inputs of a node, the first input slowest."""
    return [list(zip(choice, range(num), strict=True)) for choice in product(space, repeat=num)]


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


class TopologyStructure:
    """A cell: for every node after the first, the operations on its inputs.

    Parameters
    ----------
    genotype
        For every such node a sequence of (operation, source).

    Raises
    ------
    AssertionError
        If it is no such sequence, or a node reads a later one.
    """

    def __init__(self, genotype: Sequence[Sequence[NodeInput]]) -> None:
        kinds = (list, tuple)
        _require(isinstance(genotype, kinds), f"invalid class of genotype : {type(genotype)}")
        self.node_num = len(genotype) + 1
        self.nodes: list[tuple[NodeInput, ...]] = []
        self.node_N: list[int] = []
        for index, node in enumerate(genotype):
            _require(isinstance(node, kinds), f"invalid class of node_info : {type(node)}")
            _require(len(node) >= 1, f"invalid length : {len(node)}")
            for one in node:
                _require(isinstance(one, kinds), f"invalid class of in-node : {type(one)}")
                _require(len(one) == 2 and one[1] <= index, f"invalid in-node : {one}")
            self.node_N.append(len(node))
            self.nodes.append(tuple(deepcopy(node)))

    def tolist(self, remove_str: str | None) -> tuple[list[tuple[NodeInput, ...]] | None, bool]:
        """The inputs of every node by source, without one operation; no list if a node has none."""
        kept = []
        for node in self.nodes:
            ordered = sorted(node, key=lambda one: (one[1], one[0]))
            kept.append(tuple(one for one in ordered if one[0] != remove_str))
            if not kept[-1]:
                return None, False
        return kept, True

    def node(self, index: int) -> tuple[NodeInput, ...]:
        """Inputs at a position; like upstream's, it checks for 1 to n and counts from 0."""
        _require(0 < index <= len(self), f"invalid index={index} < {len(self)}")
        return self.nodes[index]

    def tostr(self) -> str:
        """The architecture string."""
        return "+".join(
            "|" + "|".join(f"{operation}~{source}" for operation, source in node) + "|"
            for node in self.nodes
        )

    def check_valid(self) -> bool:
        """Whether anything but zeros reaches the last node."""
        reached = [True]
        for node in self.nodes:
            reached.append(any(op != "none" and reached[source] for op, source in node))
        return reached[-1]

    def to_unique_str(self, consider_zero: bool | None = False) -> str:
        """A text that cells have in common which compute the same function.

        Parameters
        ----------
        consider_zero
            Whether what is multiplied by zero is left out; None: every operation is written down.
        """
        texts = ["0"]
        for node in self.nodes:
            texts.append(
                "+".join(sorted(_input_text(op, texts[at], consider_zero) for op, at in node))
            )
        return texts[-1]

    def check_valid_op(self, op_names: Sequence[str]) -> bool:
        """Whether every operation is one of some."""
        return all(operation in op_names for node in self.nodes for operation, _ in node)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.node_num} nodes with {self.tostr()})"

    def __len__(self) -> int:
        return len(self.nodes) + 1

    def __getitem__(self, index: int) -> tuple[NodeInput, ...]:
        return self.nodes[index]

    @staticmethod
    def str2structure(xstr: Any) -> TopologyStructure:
        """The cell of an architecture string; a cell is given back as it is."""
        if isinstance(xstr, TopologyStructure):
            return xstr
        _require(isinstance(xstr, str), f"must take string (not {type(xstr)}) as input")
        return TopologyStructure([tuple(node_inputs(node)) for node in xstr.split("+")])

    @staticmethod
    def str2fullstructure(xstr: str, default_name: str = "none") -> TopologyStructure:
        """The cell of an architecture string, inputs that it leaves out filled in."""
        _require(isinstance(xstr, str), f"must take string (not {type(xstr)}) as input")
        genotype = []
        for index, text in enumerate(xstr.split("+")):
            node = node_inputs(text)
            given = {source for _, source in node}
            node += [(default_name, source) for source in range(index) if source not in given]
            genotype.append(tuple(sorted(node, key=lambda one: (one[1], one[0]))))
        return TopologyStructure(genotype)

    @staticmethod
    def gen_all(search_space: Sequence[str], num: int, return_ori: bool) -> list[Any]:
        """Every cell of ``num`` nodes; upstream's function fails, as it calls what is not there."""
        _require(
            isinstance(search_space, list | tuple),
            f"invalid class of search-space : {type(search_space)}",
        )
        _require(num >= 2, f"There should be at least two nodes in a neural cell instead of {num}")
        choices = [get_combination(search_space, count) for count in range(1, num)]
        cells = [[tuple(node) for node in nodes] for nodes in product(*choices)]
        return cells if return_ori else [TopologyStructure(cell) for cell in cells]


def _input_text(operation: str, source: str, consider_zero: bool | None) -> str:
    if consider_zero and (operation == "none" or source == "#"):
        return "#"
    if consider_zero is not None and operation == "skip_connect":
        return source
    return f"({source})@{operation}"
