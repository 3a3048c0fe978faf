"""How the papers searched, and what they report.

NATS-Bench (Dong, Liu, Musial and Gabrys, TPAMI 2021, multi-trial methods): searches see the
validation accuracy of 12-epoch trainings; the architecture with the best one so far is scored by
its mean over all seeds at the full schedule, interpolated at the budget; 500 runs.
NAS-Bench-101 (Ying et al., ICML 2019): 500 runs of 10 million simulated seconds at 108 epochs, one
of the three repeats drawn per query, scored by mean test accuracy at 108 epochs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from nasbase.errors import QueryError


class Protocol(NamedTuple):
    """How long a search runs, what it sees, and by which schedule it is scored.

    Attributes
    ----------
    time_budget_s
        Simulated seconds.
    num_epochs
        Schedule of the evaluations.
    full_epochs
        Schedule of the scores.
    rule
        How the score at the budget is read (`nasbase.search.study.RULES`).
    """

    time_budget_s: float
    num_epochs: int
    full_epochs: int
    rule: str


RUNS = 500
"""Runs behind every published figure."""

PROTOCOLS: Mapping[str, Mapping[str, Protocol]] = {
    "nats_tss": {
        "cifar10": Protocol(20_000, 12, 200, "nearest"),
        "cifar100": Protocol(40_000, 12, 200, "nearest"),
        "ImageNet16-120": Protocol(120_000, 12, 200, "nearest"),
    },
    "nats_sss": {
        "cifar10": Protocol(20_000, 12, 90, "nearest"),
        "cifar100": Protocol(40_000, 12, 90, "nearest"),
        "ImageNet16-120": Protocol(60_000, 12, 90, "nearest"),
    },
    "nb201": {
        dataset: Protocol(12_000, 12, 200, "last")
        for dataset in ("cifar10", "cifar100", "ImageNet16-120")
    },
    "nb101": {"cifar10": Protocol(10_000_000, 108, 108, "last")},
}
"""By benchmark and data set."""


class Reported(NamedTuple):
    """Test accuracy in percent that a paper reports: mean and standard deviation over runs.

    These figures are quoted at second hand. They are there to be compared with, not to be failed
    by; `firm` marks those whose mean a re-simulation on the real records agreed with, or that were
    read in a published source.
    """

    mean: float
    sd: float
    firm: bool


REPORTED: Mapping[str, Mapping[str, Mapping[str, Reported]]] = {
    "nats_tss": {
        "cifar10": {
            "random search": Reported(93.86, 0.23, True),
            "regularized evolution": Reported(94.02, 0.31, True),
            "REINFORCE": Reported(93.90, 0.26, True),
            "BOHB": Reported(93.94, 0.28, False),
        },
        "cifar100": {
            "random search": Reported(71.55, 0.97, True),
            "regularized evolution": Reported(72.23, 0.84, True),
            "REINFORCE": Reported(71.86, 0.89, True),
            "BOHB": Reported(72.00, 0.86, False),
        },
        "ImageNet16-120": {
            "random search": Reported(45.28, 0.97, True),
            "regularized evolution": Reported(45.77, 0.80, True),
            "REINFORCE": Reported(45.64, 0.78, True),
            "BOHB": Reported(45.70, 0.86, False),
        },
    },
    "nats_sss": {
        "cifar10": {
            "random search": Reported(93.03, 0.25, False),
            "regularized evolution": Reported(93.22, 0.16, False),
            "REINFORCE": Reported(93.16, 0.21, False),
            "BOHB": Reported(93.01, 0.24, False),
        },
        "cifar100": {
            "random search": Reported(69.72, 0.61, False),
            "regularized evolution": Reported(70.11, 0.61, False),
            "REINFORCE": Reported(69.96, 0.57, False),
            "BOHB": Reported(69.90, 0.60, False),
        },
        "ImageNet16-120": {
            "random search": Reported(45.42, 0.86, False),
            "regularized evolution": Reported(45.94, 0.92, False),
            "REINFORCE": Reported(45.71, 0.93, False),
            "BOHB": Reported(45.56, 0.81, False),
        },
    },
    "nb201": {
        "cifar10": {
            "random search": Reported(93.70, 0.36, False),
            "regularized evolution": Reported(93.92, 0.30, False),
            "REINFORCE": Reported(93.85, 0.37, True),
            "BOHB": Reported(93.61, 0.52, False),
        },
        "cifar100": {
            "random search": Reported(71.04, 1.07, False),
            "regularized evolution": Reported(71.84, 0.99, False),
            "REINFORCE": Reported(71.71, 1.09, True),
            "BOHB": Reported(70.85, 1.28, False),
        },
        "ImageNet16-120": {
            "random search": Reported(44.57, 1.25, False),
            "regularized evolution": Reported(45.54, 1.03, False),
            "REINFORCE": Reported(45.24, 1.18, True),
            "BOHB": Reported(44.42, 1.49, False),
        },
    },
}
"""By benchmark, data set and method.

The NAS-Bench-201 paper's figures come from an older file of that benchmark than release 1.1."""


def protocol(benchmark: str, dataset: str) -> Protocol:
    """The published protocol of a benchmark and data set.

    Raises
    ------
    QueryError
        If none is known.
    """
    known = PROTOCOLS.get(benchmark, {})
    by_lowered = {name.lower(): name for name in known}
    if dataset.lower() not in by_lowered:
        raise QueryError(
            f"No published protocol of searches on {benchmark}, {dataset} is known.",
            expected=", ".join(known) or f"one of {', '.join(PROTOCOLS)}",
            found=f"{benchmark}, {dataset}",
        )
    return known[by_lowered[dataset.lower()]]
