"""NAS-Bench-201 as NNI stores it.

What its converter does, and a user of the database should know:

* All 15,625 cells have a configuration for 12 and for 200 epochs on each data set, trained or not:
  125,000 of them; the id is 8 * index + 4 for 200 epochs + the data set's number + 1.
* Operations lose their ``nor_``, data sets are in lower case: ``conv_3x3``, ``imagenet16-120``.
* cifar10 has no validation set, so its ``valid_acc`` is the test set's; cifar10-valid has one test
  set, so its ``test_acc`` is ``ori_test_acc``.
* ``training_time`` is the last epoch's time multiplied by the number of epochs, not their sum.
* ``parameters`` and ``flops`` are the released ones in millions, wrong where upstream's are.
* A NaN becomes NULL, as does what was not evaluated at an epoch; an epoch at which nothing was
  evaluated has no row.
* Ids of trials follow the file: architectures, then ``full`` and ``less``, then the trainings in
  the order in which they were stored, which is none of their seeds'.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nasbase.benchmarks.nats_common import topology
from nasbase.store.nni.rows import Content, RowFile, numbers, recorded
from nasbase.store.nni.schema import TABLES
from nasbase.store.parquet import read_batches

SCHEDULES = (12, 200)
DATASETS = ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
"""Data sets in upstream's spelling, in NNI's order."""

CHANNELS, CELLS = 16, 5
"""First channels, and cells per stage, of every network."""

SPLITS = {
    "train": ("train", "train", "train", "train"),
    "valid": ("x_valid", "ori_test", "x_valid", "x_valid"),
    "test": ("ori_test", "ori_test", "x_test", "x_test"),
    "ori_test": ("ori_test", "ori_test", "ori_test", "ori_test"),
}
"""NNI's name of a split -> the released one on each of `DATASETS`."""


def content(parquet: Path, folder: Path) -> Content:
    """Rows of NNI's tables from the Parquet tables; ``folder`` is for temporary files."""
    path = parquet / "trials.parquet"
    ids = pq.read_table(path, columns=["arch_id", "dataset", "num_epochs", "source_pos"])
    dataset = _dataset_codes(ids)
    trials = RowFile(TABLES["nb201"].trials, len(dataset), folder)
    scored = np.ones(len(dataset), dtype=bool)
    for batch in read_batches(path):
        _append_trials(trials, batch, dataset, scored)
    points = RowFile(TABLES["nb201"].intermediates, len(dataset), folder)
    for batch in read_batches(parquet / "curves.parquet"):
        _append_points(points, batch, dataset)
    kept = np.flatnonzero(trials.fits & scored)
    order = kept[np.argsort(ids["source_pos"].to_numpy()[kept], kind="stable")]
    long = ids["num_epochs"].to_numpy()[order] == SCHEDULES[1]
    config = 8 * ids["arch_id"].to_numpy()[order] + 4 * long + dataset[order] + 1
    return Content(_configs(), trials, points, order, config)


def _configs() -> Iterator[list[tuple]]:
    names = [dataset.lower() for dataset in DATASETS]
    each = [(epochs, CHANNELS, CELLS, name) for epochs in SCHEDULES for name in names]
    texts = map(_arch_text, topology.enumeration())
    rows = ((text, *facts) for text in texts for facts in each)
    yield [(number, *row) for number, row in enumerate(rows, start=1)]


def _arch_text(arch_str: str) -> str:
    cell = topology.to_nni(topology.parse(arch_str))
    return json.dumps(cell, sort_keys=True, separators=(",", ":"))


def _dataset_codes(rows: pa.Table) -> np.ndarray:
    """Position of each row's data set in `DATASETS`."""
    return pc.index_in(rows["dataset"], value_set=pa.array(DATASETS)).to_numpy()


def _append_trials(
    trials: RowFile, batch: pa.Table, dataset: np.ndarray, scored: np.ndarray
) -> None:
    """Add trainings, and mark those that lack a loss, which NNI reads but need not be a number."""
    trial_id = batch["trial_id"].to_numpy()
    codes = dataset[trial_id]
    values = {"seed": batch["seed"].to_numpy()}
    for name in SPLITS:
        values[f"{name}_acc"], _ = _of_split(batch, name, "acc_pct", codes)
        values[f"{name}_loss"], present = _of_split(batch, name, "loss", codes)
        scored[trial_id] &= present
        if name != "train":
            values[f"{name}_evaluation_time"], _ = _of_split(batch, name, "time_s", codes)
    values["parameters"] = numbers(batch, "params_m")
    values["flops"] = numbers(batch, "flops_m")
    values["latency"] = recorded(batch, "latency_s", _first_latency)
    values["training_time"] = numbers(batch, "train_time_s") * batch["num_epochs"].to_numpy()
    trials.append(trial_id, values)


def _first_latency(extra: Mapping[str, Any]) -> Any:
    """NNI takes the first of several latencies."""
    latencies = extra.get("latency")
    return latencies[0] if isinstance(latencies, list) and latencies else None


def _append_points(points: RowFile, batch: pa.Table, dataset: np.ndarray) -> None:
    trial_id = batch["trial_id"].to_numpy()
    codes = dataset[trial_id]
    evaluated = np.zeros(len(trial_id), dtype=bool)
    values = {"current_epoch": batch["epoch"].to_numpy()}
    for name in SPLITS:
        for kind, series in (("acc", "acc_pct"), ("loss", "loss")):
            values[f"{name}_{kind}"], present = _of_split(batch, name, series, codes)
            evaluated |= present
    points.append(trial_id[evaluated], {key: v[evaluated] for key, v in values.items()})


def _of_split(
    rows: pa.Table, name: str, series: str, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values of one of NNI's splits, and where upstream has any (a NaN is one)."""
    splits = SPLITS[name]
    values = numbers(rows, f"{splits[0]}_{series}")
    present = np.asarray(rows[f"{splits[0]}_{series}"].is_valid())
    for split in {*splits} - {splits[0]}:
        here = np.isin(codes, [i for i, own in enumerate(splits) if own == split])
        values = np.where(here, numbers(rows, f"{split}_{series}"), values)
        present = np.where(here, np.asarray(rows[f"{split}_{series}"].is_valid()), present)
    return values, present
