"""The topology space of NATS-Bench: 15,625 cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nasbase.benchmarks.nats_common.topology import OPERATIONS
from nasbase.compat.nats_bench._space import SpaceAPI
from nasbase.compat.nats_bench.genotype_utils import node_inputs, topology_str2structure
from nasbase.compat.records.answers import information_lines

ALL_BASE_NAMES = ["NATS-tss-v1_0-3ffb9"]

SETS_SHOWN = {
    "cifar10-valid": [("valid", "x-valid")],
    "cifar10": [("test ", "ori-test")],
    "": [("valid", "x-valid"), ("test", "x-test")],
}
"""What is shown of each data set beside the training set: label and set."""


def print_information(information: Any, extra_info: Any = None, show: bool = False) -> list[str]:
    """Lines about the record of an architecture; ``show`` prints them, too."""
    strings = information_lines(information, extra_info, SETS_SHOWN)
    if show:
        print("\n".join(strings))
    return strings


class NATStopology(SpaceAPI):
    """The topology space; see `SpaceAPI` for what it is made from."""

    _all_base_names = ALL_BASE_NAMES
    _benchmark = "nats_tss"
    _search_space_name = "topology"
    _full_train_epochs = 200

    _print_information = staticmethod(print_information)

    @property
    def is_size(self) -> bool:
        """Whether this is the size space."""
        return False

    @property
    def is_topology(self) -> bool:
        """Whether this is the topology space."""
        return True

    @property
    def full_epochs_in_paper(self) -> int:
        """Length of the schedule that the paper reports."""
        return 200

    def get_unique_str(self, arch: Any) -> str:
        """A text that cells have in common which compute the same function."""
        structure = topology_str2structure(self.meta_archs[self.query_index_by_arch(arch)])
        return structure.to_unique_str(consider_zero=True)

    @staticmethod
    def str2lists(arch_str: str) -> list[tuple[tuple[str, int], ...]]:
        """For every node after the first the operations on its inputs: (operation, source)."""
        return [tuple(node_inputs(node)) for node in arch_str.split("+")]

    @staticmethod
    def str2matrix(arch_str: str, search_space: Sequence[str] = OPERATIONS) -> Any:
        """The cell as a matrix: row destination, column source, value code of the operation.

        Returns
        -------
        numpy.ndarray
            float64 of shape (4, 4).

        Raises
        ------
        ValueError
            If an operation is not one of ``search_space``.
        """
        import numpy as np

        nodes = arch_str.split("+")
        matrix = np.zeros((len(nodes) + 1, len(nodes) + 1))
        for destination, node in enumerate(nodes, start=1):
            for operation, source in node_inputs(node):
                if operation not in search_space:
                    raise ValueError(f"this op ({operation}) is not in {search_space}")
                matrix[destination, source] = search_space.index(operation)
        return matrix
