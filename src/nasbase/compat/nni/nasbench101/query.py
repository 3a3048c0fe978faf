"""NNI's question to NAS-Bench-101."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nasbase.benchmarks.nb101 import space
from nasbase.compat.nni.nasbench101.constants import INPUT, OUTPUT
from nasbase.compat.nni.nasbench101.graph_util import adjacency, hash_module, infer_num_vertices
from nasbase.compat.nni.nasbench101.schema import proxy
from nasbase.compat.nni.notices import warn_once
from nasbase.compat.nni.trials import Trial, reduced, trials
from nasbase.compat.nni.utils import bound
from nasbase.errors import SpaceError

_TIME = (
    "NNI's training_time of a NAS-Bench-101 trial is 60 times the seconds that were released "
    "(that of its intermediates is right): the right ones are elapsed_train_time_s of "
    'nasbase.open("nb101").'
)
_UNPRUNED = (
    "NNI looks for the cell exactly as given, and this one has vertices on no path from input to "
    'output, so it has no trials: nasbase.open("nb101") removes them first.'
)


def query_nb101_trial_stats(
    arch: Mapping[str, Any] | None,
    num_epochs: int | None,
    isomorphism: bool = True,
    reduction: str | None = None,
    include_intermediates: bool = False,
) -> Iterator[Trial]:
    """Trials of NAS-Bench-101, as NNI gives them.

    Parameters
    ----------
    arch
        A cell: ``op1``, ``op2``, ... and ``input1``, ``input2``, ... (lists of earlier vertices;
        0 is the cell's input). None stands for all cells.
    num_epochs
        4, 12, 36 or 108; None stands for all.
    isomorphism
        Find every form of the same graph; else only the very same dict.
    reduction
        ``'mean'`` averages the trials of a configuration (their ``id`` is None); ``'none'`` and
        None do not.
    include_intermediates
        Add the evaluations halfway and at the end; NNI gives none of an average.

    Yields
    ------
    dict
        ``id``, ``config`` (a dict), ``train_acc``, ``valid_acc``, ``test_acc`` (percent),
        ``parameters`` (millions), ``training_time`` (60 times the seconds).

    Raises
    ------
    ValueError, AssertionError, KeyError, IndexError
        At the first row: another reduction; a cell whose operations or inputs are incomplete.
    """
    database = bound(proxy, "nasbench101")
    mean = reduced(reduction)
    cell = arch if isomorphism else None
    asked = {
        "arch": arch if cell is None else None,
        "hash": None if cell is None else hash_module(cell, infer_num_vertices(cell)),
        "num_epochs": num_epochs,
    }
    seek = next((name for name in ("arch", "hash") if asked[name] is not None), None)
    found = False
    for trial in trials(
        database,
        "nb101",
        asked,
        seek=seek,
        mean=mean,
        include_intermediates=include_intermediates,
    ):
        if not found:
            warn_once("nb101.training_time", _TIME)
        found = True
        yield trial
    if not found and cell is not None and _loose(cell):
        warn_once("nb101.arch", _UNPRUNED)


def _loose(arch: Mapping[str, Any]) -> bool:
    """Whether a cell has vertices that upstream would remove."""
    size = infer_num_vertices(arch)
    ops = [INPUT, *(arch[f"op{vertex}"] for vertex in range(1, size - 1)), OUTPUT]
    try:
        return len(space.prune(adjacency(arch, size), ops)[1]) < size
    except SpaceError:  # no path at all
        return False
