"""The benchmarks' rooms, found by name."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from nasbase.errors import ConfigError

if TYPE_CHECKING:
    from nasbase.benchmarks.room import Room

NAMES = ("nb101", "nb201", "nats_tss", "nats_sss", "nds")
ALIASES = {"nasbench101": "nb101", "nasbench201": "nb201", "tss": "nats_tss", "sss": "nats_sss"}


def canonical_name(name: str) -> str:
    """Name of a benchmark from any accepted spelling.

    Raises
    ------
    ConfigError
        If there is no such benchmark; the message suggests the nearest name.
    """
    lowered = str(name).strip().lower().replace("-", "_")
    if lowered in NAMES:
        return lowered
    if lowered in ALIASES:
        return ALIASES[lowered]
    near = difflib.get_close_matches(lowered, [*NAMES, *ALIASES], n=1, cutoff=0.4)
    raise ConfigError(
        f"There is no benchmark {name!r}.",
        expected=", ".join(NAMES),
        found=repr(name),
        todo=f"Did you mean {near[0]!r}?" if near else None,
    )


@cache
def room_of(name: str) -> Room:
    """The room of one benchmark; only its own modules are imported."""
    return import_module(f"nasbase.benchmarks.{canonical_name(name)}").ROOM
