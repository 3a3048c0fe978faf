"""The size space of NATS-Bench: 32,768 choices of five widths."""

from __future__ import annotations

from typing import Any

from nasbase.compat.nats_bench._space import SpaceAPI
from nasbase.compat.records.answers import information_lines

ALL_BASE_NAMES = ["NATS-sss-v1_0-50262"]

_SETS = {
    "cifar10-valid": [("valid", "x-valid"), ("test", "ori-test")],
    "cifar10": [("test ", "ori-test")],
    "": [("valid", "x-valid"), ("test", "x-test")],
}


def print_information(information: Any, extra_info: Any = None, show: bool = False) -> list[str]:
    """Lines about the record of an architecture; ``show`` prints them, too."""
    strings = information_lines(information, extra_info, _SETS)
    if show:
        print("\n".join(strings))
    return strings


class NATSsize(SpaceAPI):
    """The size space; see `SpaceAPI` for what it is made from."""

    _all_base_names = ALL_BASE_NAMES
    _benchmark = "nats_sss"
    _search_space_name = "size"
    _full_train_epochs = 90
    _timeless = False

    _print_information = staticmethod(print_information)

    @property
    def is_size(self) -> bool:
        """Whether this is the size space."""
        return True

    @property
    def is_topology(self) -> bool:
        """Whether this is the topology space."""
        return False

    @property
    def full_epochs_in_paper(self) -> int:
        """Length of the schedule that the paper reports."""
        return 90
