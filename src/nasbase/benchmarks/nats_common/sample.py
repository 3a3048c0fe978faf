"""Made-up records in upstream's exact structure.

The numbers are plausible and nothing more: accuracy grows with the number of parameters, curves
rise, seeds scatter, and the quirks of the real records (presence of splits, pseudo times, wrong
sizes of some runs, diverged runs, the order of trials) are all there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import log
from typing import Any

import numpy as np

from nasbase.benchmarks.nats_common import topology
from nasbase.benchmarks.nats_common.datasets import (
    CLASSES,
    DATASETS,
    EPOCHS,
    FULL_SEEDS,
    IMAGES,
    SHORT_SEED,
    architecture_config,
    eval_sets,
)

_SEED_TEXTS = {seed: f"{seed:04d}" for seed in (SHORT_SEED, *FULL_SEEDS)}
TWO_SEEDS_INDEX, THREE_SEEDS_INDEX = 347, 11
"""Architectures whose number of runs is the same in every sample: tests rely on them."""
WRONG_SIZE_INDEX, DIVERGED_INDEX = 12, 1224
"""Architectures that always have a run with wrong sizes and a diverged run."""

_BATCH = 256  # images, in the timings of the size space
_BEST = {"cifar10-valid": 91.5, "cifar10": 94.3, "cifar100": 73.5, "ImageNet16-120": 47.3}
_SCHEDULE = {1: 0.45, 12: 0.8, 90: 0.97, 200: 1.0}
_SIZES = {"topology": (73_306, 1_531_546), "size": (11_714, 700_000)}
_DENSE_VALID = ("cifar10-valid",)  # x-valid after every epoch of 200; else ori-test


@dataclass(frozen=True, slots=True)
class _Network:
    """What all records of one architecture share."""

    benchmark: str
    index: int
    arch_str: str
    quality: float
    times: Mapping[str, Mapping[str, float]]
    latency: Mapping[str, float]


def arch_results(
    benchmark: str, index: int, arch_str: str, hp: str, rng: np.random.Generator
) -> dict[str, Any]:
    """One ``ArchResults`` state, as upstream pickled it.

    Parameters
    ----------
    benchmark
        ``nb201``, ``nats_tss`` or ``nats_sss``.
    index, arch_str
        The architecture.
    hp
        Name of the schedule: ``12``, ``200``, ``01``, ``90``, ``less`` or ``full``.
    rng
        Source of what differs between samples; times and latencies depend on ``index`` alone,
        because upstream gives all records of an architecture the same ones.
    """
    network = _network(benchmark, index, arch_str)
    trials = _trials(benchmark, index, hp, rng)
    results = {
        (dataset, seed): _result(network, dataset, seed, hp, rng) for dataset, seed in trials
    }
    seeds = {
        dataset: sorted(seed for name, seed in trials if name == dataset) for dataset in DATASETS
    }
    return {
        "arch_index": index,
        "arch_str": arch_str,
        "all_results": results,
        "dataset_seed": seeds,
        "clear_net_done": True,
    }


def full_seeds(index: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Seeds of the long schedule of the topology space: one to three, as often as upstream."""
    draw = int(rng.integers(15_625))
    count = {TWO_SEEDS_INDEX: 2, THREE_SEEDS_INDEX: 3, WRONG_SIZE_INDEX: 3}.get(
        index, 1 + (draw >= 2_225) + (draw >= 2_225 + 5_439)
    )
    return FULL_SEEDS[:count]


def _trials(benchmark: str, index: int, hp: str, rng: np.random.Generator) -> list[tuple[str, int]]:
    if benchmark != "nats_sss" and EPOCHS[hp] == 12:
        return [(DATASETS[0], FULL_SEEDS[0]), *((dataset, SHORT_SEED) for dataset in DATASETS)]
    if benchmark == "nats_sss":
        seeds: Sequence[int] = FULL_SEEDS if hp == "12" else FULL_SEEDS[:1]
    else:
        seeds = full_seeds(index, rng)
    # Upstream stored the runs in the order in which they came back from the machines.
    order = rng.permutation(len(seeds))
    return [(dataset, seeds[i]) for i in order for dataset in DATASETS]


# ---------------------------------------------------------------------------------------------
# one trial


def _result(
    network: _Network, dataset: str, seed: int, hp: str, rng: np.random.Generator
) -> dict[str, Any]:
    num_epochs = EPOCHS[hp]
    long = num_epochs == 200
    sets = eval_sets(dataset)
    dense = sets[0] if dataset in _DENSE_VALID else sets[-1]
    ordered = (dense, *(name for name in sets if name != dense)) if long else sets
    curves = _Curves(network.quality, dataset, num_epochs, rng)
    if _diverges(network, seed, hp, rng):
        curves.diverge(rng)
    points = [
        (name, epoch)
        for name in ordered
        for epoch in (range(num_epochs) if not long or name == dense else (num_epochs - 1,))
    ]
    accuracies, losses = curves.evaluated(ordered)
    times = [(name, epoch) for name in sets for epoch in range(num_epochs)]
    keys = [f"{name}@{epoch}" for name, epoch in points]
    # Which equal strings are one object shows in the pickle: in 200-epoch records, which were
    # merged from several files, no keys are shared; in the others all tables of a run share them.
    loss_keys = [f"{name}@{epoch}" for name, epoch in points] if long else keys
    time_keys = [f"{name}@{epoch}" for name, epoch in times] if long else keys
    params, macs = _sizes(network, dataset, seed, hp, rng)
    seconds = network.times[dataset]
    return {
        "name": dataset,
        "train_acc1es": curves.train_table(curves.train_accuracy),
        "train_acc5es": None if long else curves.train_table(curves.train_top5),
        "train_losses": curves.train_table(curves.train_loss),
        "train_times": OrderedDict((epoch, seconds["train"]) for epoch in range(num_epochs)),
        "arch_config": architecture_config(network.benchmark, network.arch_str, dataset),
        "params": np.float64(params / 1e6),
        "flop": macs / 1e6,
        "seed": _SEED_TEXTS[seed],
        "epochs": num_epochs,
        "latency": [np.float64(network.latency[dataset])],
        "eval_names": list(ordered) if long else [f"{name}@".rstrip("@") for name in sets],
        "eval_acc1es": {key: accuracies[point] for key, point in zip(keys, points, strict=True)},
        "eval_times": {
            key: seconds[name] for key, (name, _epoch) in zip(time_keys, times, strict=True)
        },
        "eval_losses": {key: losses[point] for key, point in zip(loss_keys, points, strict=True)},
        "net_state_dict": None,
    }


def _diverges(network: _Network, seed: int, hp: str, rng: np.random.Generator) -> bool:
    draw = rng.random() < 0.002
    return draw or (network.index == DIVERGED_INDEX and seed == FULL_SEEDS[0] and EPOCHS[hp] >= 90)


class _Curves:
    """Curves of one run: counts of right answers on every split, so that the grids are right."""

    def __init__(
        self, quality: float, dataset: str, num_epochs: int, rng: np.random.Generator
    ) -> None:
        self.dataset, self.num_epochs = dataset, num_epochs
        self.classes = CLASSES[dataset]
        steps = np.arange(1, num_epochs + 1) / num_epochs
        rise = (1 - np.exp(-4 * steps)) / (1 - np.exp(-4.0))
        chance = 100 / self.classes
        best = chance + (_BEST[dataset] * _SCHEDULE[num_epochs] - chance) * quality
        best += rng.normal(0, 0.25)
        test = chance + (best - chance) * (0.25 + 0.75 * rise)
        test += rng.normal(0, 1.2, num_epochs) * (1.05 - steps)
        train = test + (99.5 - test) * 0.8 * rise * quality
        self._rounding = rng.uniform(-5e-7, 5e-7, (5, num_epochs))
        self.train_accuracy = self._percent(self._counts(train, "train"), "train", 0)
        top5 = train + (100 - train) * (0.88 if self.classes == 10 else 0.45)
        self.train_top5 = self._percent(self._counts(top5, "train"), "train", 1)
        self.train_loss = self._loss(train, rng)
        # The two halves are counted apart, so that the whole test set is their sum.
        self._right = {
            name: self._counts(test + rng.normal(0, 0.3, num_epochs), name)
            for name in eval_sets(dataset)
        }
        self._loss_on = {name: self._loss(test, rng) + 0.02 for name in eval_sets(dataset)}
        self._join_halves()

    def _join_halves(self) -> None:
        if "x-test" in self._right:
            self._right["ori-test"] = self._right["x-valid"] + self._right["x-test"]
            self._loss_on["ori-test"] = (self._loss_on["x-valid"] + self._loss_on["x-test"]) / 2

    def diverge(self, rng: np.random.Generator) -> None:
        """From one third of the schedule on: chance accuracy and NaN losses."""
        start = self.num_epochs // 3
        chance = np.full(self.num_epochs, 100 / self.classes)
        for row, curve in enumerate((self.train_accuracy, self.train_top5)):
            counts = self._counts((1, 5)[row] * chance, "train")
            curve[start:] = self._percent(counts, "train", row)[start:]
        self.train_loss[start:] = np.nan
        for name in self._right:
            scattered = chance + rng.normal(0, 0.05, self.num_epochs)
            self._right[name][start:] = self._counts(scattered, name)[start:]
            self._loss_on[name][start:] = np.nan
        self._join_halves()

    def _counts(self, percent: np.ndarray, split: str) -> np.ndarray:
        images = IMAGES[self.dataset][split]
        return np.clip(np.rint(percent * (images / 100)), 0, images)

    def _percent(self, counts: np.ndarray, split: str, row: int) -> np.ndarray:
        # Upstream's averages over batches carry rounding noise of some 1e-7 images on some splits.
        images = IMAGES[self.dataset][split]
        noisy = split.startswith("x-") or self.dataset == "ImageNet16-120"
        right = counts + self._rounding[row] if noisy else counts
        return np.clip(right / images * 100, 0, 100)

    def _loss(self, percent: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        wrong = 1 - percent / 100
        return log(self.classes) * wrong * (1.05 + rng.normal(0, 0.01, self.num_epochs)) + 1e-3

    def train_table(self, values: np.ndarray) -> dict[int, float]:
        """Epochs from 0 and their values."""
        return dict(enumerate(values.tolist()))

    def evaluated(
        self, names: Sequence[str]
    ) -> tuple[dict[tuple[str, int], float], dict[tuple[str, int], float]]:
        """Accuracy and loss by split and epoch."""
        accuracies: dict[tuple[str, int], float] = {}
        losses: dict[tuple[str, int], float] = {}
        for row, name in enumerate(names, start=2):
            percent = self._percent(self._right[name], name, row)
            accuracies.update(zip(_points(name, self.num_epochs), percent.tolist(), strict=True))
            values = self._loss_on[name].tolist()
            losses.update(zip(_points(name, self.num_epochs), values, strict=True))
        return accuracies, losses


@cache
def _points(name: str, num_epochs: int) -> tuple[tuple[str, int], ...]:
    return tuple((name, epoch) for epoch in range(num_epochs))


# ---------------------------------------------------------------------------------------------
# one architecture


def costs(benchmark: str, arch_str: str, dataset: str) -> tuple[int, int]:
    """Parameters and multiply-accumulates in either space."""
    if benchmark == "nats_sss":
        from nasbase.benchmarks.nats_sss import space

        return space.costs(arch_str, dataset)
    return topology.costs(arch_str, dataset)


def _network(benchmark: str, index: int, arch_str: str) -> _Network:
    size = benchmark == "nats_sss"
    fixed = np.random.default_rng((201, index, int(size)))
    params, macs = costs(benchmark, arch_str, "cifar10")
    low, high = _SIZES["size" if size else "topology"]
    grown = log(params / low) / log(high / low)
    quality = float(np.clip(0.55 + 0.42 * grown + fixed.normal(0, 0.02), 0.05, 0.99))
    times = _measured_times(macs, fixed) if size else _pseudo_times(macs, fixed)
    if size:
        latency = {name: _mean_batch_time(name, times[name]) for name in DATASETS}
    else:
        # cifar10 and cifar10-valid have one latency, the mean of both.
        shared, *others = fixed.uniform(0.012, 0.02, 3).tolist()
        latency = dict(zip(DATASETS, (shared, shared, *others), strict=True))
    return _Network(benchmark, index, arch_str, quality, times, latency)


def _pseudo_times(macs: int, fixed: np.random.Generator) -> dict[str, dict[str, float]]:
    """Topology space: everything follows from one training and one evaluation time."""
    train = 6.0 + macs / 1e6 * 0.055 * (1 + fixed.normal(0, 0.05))
    per_image = (3e-5 + macs / 1e6 * 6e-7) * (1 + fixed.normal(0, 0.05))
    return {
        dataset: {
            "train": train / 25_000 * images["train"],
            **{name: per_image * images[name] for name in eval_sets(dataset)},
        }
        for dataset, images in IMAGES.items()
    }


def _measured_times(macs: int, fixed: np.random.Generator) -> dict[str, dict[str, float]]:
    """Size space: one measurement per data set and split."""
    times = {}
    for dataset, images in IMAGES.items():
        rate = 1.1e-4 * (1 + macs / 2e8)
        times[dataset] = {
            name: count * rate * (1 if name == "train" else 0.5) * (1 + fixed.normal(0, 0.04))
            for name, count in images.items()
        }
    return times


def _mean_batch_time(dataset: str, times: Mapping[str, float]) -> float:
    sets = eval_sets(dataset)
    return sum(times[name] / -(-IMAGES[dataset][name] // _BATCH) for name in sets) / len(sets)


@cache
def _class_members() -> dict[int, list[int]]:
    members: dict[int, list[int]] = {}
    for index, lowest in enumerate(topology.isomorphism_classes()):
        members.setdefault(lowest, []).append(index)
    return members


def _sizes(
    network: _Network, dataset: str, seed: int, hp: str, rng: np.random.Generator
) -> tuple[int, int]:
    right = costs(network.benchmark, network.arch_str, dataset)
    draw = rng.random() < 0.02
    if network.benchmark == "nats_sss" or EPOCHS[hp] != 200 or seed == 888:
        return right
    if not (draw or (network.index == WRONG_SIZE_INDEX and seed == 999)):
        return right
    # Upstream copied some long runs from an isomorphic cell, its sizes included.
    lowest = topology.isomorphism_classes()[network.index]
    strings = (topology.enumeration()[index] for index in _class_members()[lowest])
    for text in strings:
        copied = topology.costs(text, dataset)
        if copied != right:
            return copied
    return right
