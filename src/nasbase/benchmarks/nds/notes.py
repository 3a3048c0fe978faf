"""What is known about NDS beyond its numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.benchmarks.room import Facts, column_note

PAPER = "arXiv:1905.13214"
CONVERTER = "NNI, nds/db_gen.py"

_COSTS = {"params": "params", "flops": "macs"}
"""Recorded costs, and the columns of ``costs`` that they should equal."""


def annotate(costs: pa.Table, trials: pa.Table) -> Iterator[Mapping[str, Any]]:
    """Notes on single trials: costs that contradict the formula, and diverged runs."""
    yield from _cost_notes(costs, trials)
    diverged = np.asarray(pc.fill_null(pc.is_nan(trials["train_loss"]), False))
    for trial_id in trials["trial_id"].to_numpy()[diverged].tolist():
        yield {
            "table": "trials",
            "key": json.dumps({"trial_id": trial_id}),
            "column": "train_loss",
            "kind": "outcome",
            "code": "diverged",
            "sentence": "The training diverged: its last training loss is NaN.",
            "value": None,
            "reference": None,
        }


def _cost_notes(costs: pa.Table, trials: pa.Table) -> Iterator[Mapping[str, Any]]:
    cifar = trials.filter(pc.equal(trials["dataset"], "cifar10"))
    formula = costs.filter(pc.equal(costs["dataset"], "cifar10"))
    place = pc.index_in(cifar["arch_id"], value_set=formula["arch_id"])
    computed = {column: formula[cost].take(place) for column, cost in _COSTS.items()}
    differ = {
        column: np.asarray(pc.fill_null(pc.not_equal(cifar[column], computed[column]), False))
        for column in _COSTS  # NULL, where there is no formula or nothing is recorded, does not
    }
    for row in np.flatnonzero(np.logical_or.reduce([*differ.values()])).tolist():
        for column in _COSTS:
            if differ[column][row]:
                trial_id, found, right = (
                    values[row].as_py()
                    for values in (cifar["trial_id"], cifar[column], computed[column])
                )
                yield {
                    "table": "trials",
                    "key": json.dumps({"trial_id": trial_id}),
                    "column": column,
                    "kind": "erratum",
                    "code": f"{column}-differ",
                    "sentence": f"The recorded {column} ({found}) differ from what the structure "
                    f"of the network gives ({right}).",
                    "value": float(right),
                    "reference": None,
                }


def _setup(dataset: str, num_epochs: int, setting: str, value: str) -> dict[str, Any]:
    return {"dataset": dataset, "num_epochs": num_epochs, "setting": setting, "value": value}


_SETTINGS = {
    "code": "pycls",
    "base_lr": "as each configuration says; 0.1 in CIFAR-10 files other than lr-wd",
    "weight_decay": "as each configuration says; 5e-4 in CIFAR-10 files other than lr-wd",
    "lr-wd files": "base_lr from 1e-3 to 1, weight decay from 1e-5 to 1e-2, both log-uniform",
}

_SETUPS = [
    _setup(dataset, epochs, setting, value)
    for dataset, epochs in (("cifar10", 100), ("imagenet", 50))
    for setting, value in _SETTINGS.items()
]


def _split(dataset: str, split: str, images: int, meaning: str) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "split": split,
        "images": images,
        "evaluated": images,
        "meaning": meaning,
    }


_SPLITS = [
    _split("cifar10", "train", 50_000, "CIFAR-10's training set, as seen in training."),
    _split("cifar10", "test", 10_000, "CIFAR-10's test set."),
    _split("imagenet", "train", 1_281_167, "ImageNet's training set, as seen in training."),
    _split("imagenet", "test", 50_000, "ImageNet's validation set, which NDS calls test."),
]


_NOTES = [
    column_note(
        "architectures",
        None,
        "sample-of-space",
        "Only a random sample of each design space was trained: most networks have no row.",
        reference=PAPER,
    ),
    column_note(
        "architectures",
        "cell_spec",
        "all-nodes",
        "All nodes of both cells are kept; NNI's converter writes as many nodes of the reduction "
        "cell as the normal cell has.",
        reference=CONVERTER,
    ),
    column_note(
        "configurations",
        "generator",
        "origin-lost",
        "Reruns and further seeds share a configuration under generator random, as in NNI's "
        "databases, which lose the file of a row: source_file and source_group of trials keep it.",
        reference=CONVERTER,
    ),
    column_note(
        "trials",
        "test_err_pct",
        "no-validation-split",
        "NDS has no validation split: selecting by test error and reporting it use the same "
        "images.",
        reference=PAPER,
    ),
    column_note(
        "trials",
        "min_test_err_pct",
        "best-epoch",
        "The lowest test error of any epoch, which the paper's figures use, not that of the last.",
        reference=PAPER,
    ),
    column_note(
        "trials",
        "run",
        "few-repeats",
        "Trainings are repeated only where the reruns and rng files of ResNet and Vanilla do.",
        reference=PAPER,
    ),
    column_note(
        "trials",
        "prec_time_s",
        "object",
        "Where upstream recorded the timings of single passes as an object, extra keeps it and "
        "this column is NULL.",
    ),
    column_note(
        "trials",
        "flops",
        "counting",
        "A multiply-accumulate counts 1, a batch normalisation 5 per element of its output.",
    ),
    column_note(
        "costs",
        None,
        "formula",
        "The formula covers stacks of stages on CIFAR-10 and was derived from three published "
        "rows; NAS cells and ImageNet have none.",
    ),
    column_note(
        "iterations",
        "sample",
        "sampled",
        "Upstream sampled the iterations at an interval that the release does not state.",
    ),
]

FACTS = Facts(training_setups=_SETUPS, splits=_SPLITS, notes=_NOTES)
