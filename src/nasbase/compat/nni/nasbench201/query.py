"""NNI's question to NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nasbase.benchmarks.nats_common import datasets
from nasbase.compat.nni.nasbench201.schema import proxy
from nasbase.compat.nni.notices import respelled, warn_once
from nasbase.compat.nni.trials import Trial, reduced, trials
from nasbase.compat.nni.utils import bound

DATASETS = tuple(name.lower() for name in datasets.DATASETS)
"""Data sets in NNI's spelling."""

_LEAK = (
    "NNI's valid_acc and valid_loss of cifar10 are those of the test set, because these networks "
    "were trained on all of CIFAR-10: select by those of cifar10-valid, x_valid_acc_pct of "
    'nasbase.open("nb201").'
)


def query_nb201_trial_stats(
    arch: Mapping[str, str] | None,
    num_epochs: int | None,
    dataset: str | None,
    reduction: str | None = None,
    include_intermediates: bool = False,
) -> Iterator[Trial]:
    """Trials of NAS-Bench-201, as NNI gives them.

    Parameters
    ----------
    arch
        A cell: ``0_1``, ``0_2``, ``0_3``, ``1_2``, ``1_3``, ``2_3`` -> operation in NNI's spelling
        (`nasbase.compat.nni.nasbench201.constants`). None stands for all cells.
    num_epochs
        12 or 200; None stands for both.
    dataset
        One of `DATASETS`; None stands for all.
    reduction
        ``'mean'`` averages the trials of a configuration (their ``id`` and ``seed`` are None);
        ``'none'`` and None do not.
    include_intermediates
        Add what was evaluated after each epoch; NNI gives none of an average.

    Yields
    ------
    dict
        ``id``, ``config`` (a dict), ``seed``, accuracies (percent), losses, ``parameters`` and
        ``flops`` (millions), ``latency`` and times (s).

    Raises
    ------
    ValueError
        At the first row: another reduction.
    """
    database = bound(proxy, "nasbench201")
    mean = reduced(reduction)
    asked = {"arch": arch, "num_epochs": num_epochs, "dataset": dataset}
    seek = None if arch is None else "arch"
    found = False
    for trial in trials(
        database,
        "nb201",
        asked,
        seek=seek,
        mean=mean,
        include_intermediates=include_intermediates,
    ):
        found = True
        if trial["config"]["dataset"] == "cifar10":
            warn_once("nb201.cifar10", _LEAK)
        yield trial
    if not found and (name := respelled(dataset, DATASETS)):
        warn_once("nb201.dataset", f"NNI's name of the data set {dataset!r} is {name!r}.")
    if not found and _upstream(arch):
        warn_once("nb201.arch", f"NNI writes cells as dicts and operations without nor_: {arch!r}.")


def _upstream(arch: object) -> bool:
    """Whether a cell is spelled as NAS-Bench-201 spells it."""
    if isinstance(arch, Mapping):
        return any(isinstance(op, str) and op.startswith("nor_conv") for op in arch.values())
    return isinstance(arch, str)
