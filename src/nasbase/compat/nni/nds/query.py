"""NNI's question to NDS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nasbase.benchmarks.nds.space import FAMILIES
from nasbase.compat.nni.nds.schema import proxy
from nasbase.compat.nni.notices import respelled, warn_once
from nasbase.compat.nni.trials import Trial, reduced, trials
from nasbase.compat.nni.utils import bound

NAMES = {
    "model_family": FAMILIES,
    "proposer": (
        *("amoeba", "darts", "enas", "nasnet", "pnas"),
        *("resnext-a", "resnext-b", "resnet", "resnet-b", "vanilla"),
    ),
    "generator": ("random", "fix_w_d", "tune_lr_wd"),
    "dataset": ("cifar10", "imagenet"),
}
"""Column -> its values in NNI's spelling."""


def query_nds_trial_stats(
    model_family: str | None,
    proposer: str | None,
    generator: str | None,
    model_spec: Mapping[str, Any] | None,
    cell_spec: Mapping[str, Any] | None,
    dataset: str | None,
    num_epochs: int | None = None,
    reduction: str | None = None,
    include_intermediates: bool = False,
) -> Iterator[Trial]:
    """Trials of NDS, as NNI gives them; None stands for every value of an argument.

    Parameters
    ----------
    model_family, proposer, generator, dataset
        One of `NAMES`.
    model_spec
        What describes the network: the very dict, but for the order of its keys.
    cell_spec
        What describes its cell; ``{}`` asks for networks without cells.
    num_epochs
        Length of the schedule.
    reduction
        ``'mean'`` averages the trials of a configuration (their ``id`` and ``seed`` are None);
        ``'none'`` and None do not.
    include_intermediates
        Add what was recorded after each epoch; NNI gives none of an average.

    Yields
    ------
    dict
        ``id``, ``config`` (a dict), ``seed``, accuracies (percent) and losses at the end and at
        best, ``parameters`` and ``flops`` (millions), ``iter_time`` (s).

    Raises
    ------
    ValueError
        At the first row: another reduction.
    """
    database = bound(proxy, "nds")
    mean = reduced(reduction)
    asked = {
        "model_family": model_family,
        "proposer": proposer,
        "generator": generator,
        "model_spec": model_spec,
        "cell_spec": cell_spec,
        "dataset": dataset,
        "num_epochs": num_epochs,
    }
    # Cells of one width and depth share their model_spec, networks without cells their cell_spec.
    seek = "cell_spec" if cell_spec else "model_spec" if model_spec is not None else None
    found = False
    for trial in trials(
        database,
        "nds",
        asked,
        seek=seek,
        mean=mean,
        include_intermediates=include_intermediates,
    ):
        found = True
        yield trial
    if found:
        return
    for column, known in NAMES.items():
        if name := respelled(asked[column], known):
            warn_once(f"nds.{column}", f"NNI's name of the {column} {asked[column]!r} is {name!r}.")
