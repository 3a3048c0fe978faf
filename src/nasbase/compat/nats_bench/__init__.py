"""Drop-in for nats_bench 1.8: ``from nasbase.compat.nats_bench import create``."""

from __future__ import annotations

from typing import Any

from nasbase.compat.nats_bench.api_size import NATSsize
from nasbase.compat.nats_bench.api_topology import NATStopology
from nasbase.compat.nats_bench.api_utils import (
    ArchResults,
    ResultsCount,
    pickle_load,
    pickle_save,
)

__all__ = [
    "ArchResults",
    "NATS_BENCH_API_VERSIONs",
    "NATS_BENCH_SSS_NAMEs",
    "NATS_BENCH_TSS_NAMEs",
    "NATSsize",
    "NATStopology",
    "ResultsCount",
    "create",
    "pickle_load",
    "pickle_save",
    "search_space_info",
    "version",
]

NATS_BENCH_API_VERSIONs = ["v1.0", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8"]
NATS_BENCH_SSS_NAMEs = ("sss", "size")
NATS_BENCH_TSS_NAMEs = ("tss", "topology")


def version() -> str:
    """The version of nats_bench that this stands in for."""
    return NATS_BENCH_API_VERSIONs[-1]


def create(
    file_path_or_dict: Any, search_space: str, fast_mode: bool = False, verbose: bool = True
) -> NATStopology | NATSsize:
    """Open a search space of NATS-Bench.

    Parameters
    ----------
    file_path_or_dict
        The folder of a build, upstream's directory, tar or benchmark file, or a dictionary of its
        contents; None: the latest installed build, else upstream's file in its usual place.
    search_space
        ``tss`` or ``topology``, ``sss`` or ``size``.
    fast_mode
        Whether architectures are loaded as they are asked for.
    verbose
        Whether every call is printed.

    Raises
    ------
    ValueError
        If there is no such search space, or nothing at the path.
    """
    if search_space in NATS_BENCH_TSS_NAMEs:
        return NATStopology(file_path_or_dict, fast_mode, verbose)
    if search_space in NATS_BENCH_SSS_NAMEs:
        return NATSsize(file_path_or_dict, fast_mode, verbose)
    raise ValueError(f"invalid search space : {search_space}")


def search_space_info(main_tag: str, aux_tag: str | None) -> dict[str, Any]:
    """Operations and nodes of the topology space, or widths and layers of the size space."""
    from nasbase.benchmarks.nats_common.topology import OPERATIONS
    from nasbase.benchmarks.nats_sss.space import CANDIDATES, LAYERS

    topology = {"op_names": list(OPERATIONS), "num_nodes": 4}
    if main_tag == "nats-bench":
        if aux_tag in NATS_BENCH_SSS_NAMEs:
            return {"candidates": list(CANDIDATES), "num_layers": LAYERS}
        if aux_tag in NATS_BENCH_TSS_NAMEs:
            return topology
        raise ValueError(f"Unknown auxiliary tag: {aux_tag}")
    if main_tag == "nas-bench-201":
        if aux_tag is not None:
            raise ValueError("For NAS-Bench-201, the auxiliary tag should be None.")
        return topology
    raise ValueError(f"Unknown main tag: {main_tag}")
