"""NNI's environment, and NNI's database of the sample, so that NNI answers from the same records.

The trainings are those of NATS-Bench, which NNI has no database of; so they are put into its tables
of NAS-Bench-201 here, as its converter would. Only the configurations of the sample's architectures
are written: with those of all 15,625 cells, SQLite answers NNI's query by looking through every
configuration of the schedule, which takes 20 ms a question.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from nasbase.benchmarks.nats_common import topology
from nasbase.store.nni.schema import TABLES

REQUIREMENTS = ("nni==3.0", "peewee<4", "tqdm")  # NNI 3.0 cannot be imported beside peewee 4

DATASETS = {
    "cifar10-valid": "cifar10-valid",
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "ImageNet16-120": "imagenet16-120",
}
"""Data set -> NNI's spelling, in NNI's order."""

SPLITS = {
    "cifar10-valid": ("x_valid", "ori_test", "ori_test"),
    "cifar10": ("ori_test", "ori_test", "ori_test"),
    "cifar100": ("x_valid", "x_test", "ori_test"),
    "ImageNet16-120": ("x_valid", "x_test", "ori_test"),
}
"""Data set -> splits that NNI's converter stores as valid, test and ori_test."""


def environment(folder: Path) -> Path | None:
    """The Python of an environment with NNI, made once; None where it cannot be installed."""
    python = folder / "nni-venv" / "bin" / "python"
    ready = folder / "nni-venv" / "ready"
    if not ready.exists():
        print("making an environment for NNI ...", file=sys.stderr)
        venv.create(python.parents[1], with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        if subprocess.run([*install, *REQUIREMENTS], check=False).returncode:
            return None
        ready.touch()
    return python


def write(parquet: Path, path: Path) -> None:
    """Write NNI's database of the trainings in a build's Parquet tables, once."""
    if path.exists():
        return
    temporary = path.with_suffix(".part")
    temporary.unlink(missing_ok=True)
    with closing(sqlite3.connect(temporary)) as database:
        for table in TABLES["nb201"]:
            for statement in (table.statement, *table.index_statements):
                database.execute(statement)
        architectures = pq.read_table(parquet / "architectures.parquet").to_pylist()
        _insert(database, "nb201trialconfig", 6, _configurations(architectures))
        trials = pq.read_table(parquet / "trials.parquet").to_pylist()
        # Upstream's order: the 200-epoch trainings of an architecture, then the 12-epoch ones.
        trials.sort(key=lambda t: (t["arch_id"], -t["num_epochs"], t["source_pos"]))
        _insert(database, "nb201trialstats", 18, map(_trial, range(1, len(trials) + 1), trials))
        points = _intermediates(parquet / "curves.parquet", trials)
        _insert(database, "nb201intermediatestats", 11, points)
        database.commit()
    temporary.rename(path)


def _insert(database: sqlite3.Connection, table: str, columns: int, rows: Any) -> None:
    places = ", ".join("?" * columns)
    database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608


def arch_text(arch_str: str) -> str:
    """A cell as NNI stores it."""
    cell = topology.to_nni(topology.parse(arch_str))
    return json.dumps(cell, sort_keys=True, separators=(",", ":"))


def _config_id(arch_id: int, num_epochs: int, dataset: str) -> int:
    return 8 * arch_id + 4 * (num_epochs == 200) + list(DATASETS).index(dataset) + 1


def _configurations(architectures: list[dict[str, Any]]) -> Iterator[tuple]:
    for architecture in architectures:
        arch_id, text = architecture["arch_id"], arch_text(architecture["arch_str"])
        for num_epochs in (12, 200):
            for dataset, name in DATASETS.items():
                yield _config_id(arch_id, num_epochs, dataset), text, num_epochs, 16, 5, name


def _trial(number: int, trial: Mapping[str, Any]) -> tuple:
    dataset, num_epochs = trial["dataset"], trial["num_epochs"]
    splits = SPLITS[dataset]
    return (
        number,
        _config_id(trial["arch_id"], num_epochs, dataset),
        trial["seed"],
        *(trial[f"{split}_acc_pct"] for split in ("train", *splits)),
        *(trial[f"{split}_loss"] for split in ("train", *splits)),
        trial["params_m"],
        trial["latency_s"],
        trial["flops_m"],
        trial["train_time_s"] * num_epochs,
        *(trial[f"{split}_time_s"] for split in splits),
    )


def _intermediates(curves: Path, trials: list[dict[str, Any]]) -> Iterator[tuple]:
    number = 0
    file = pq.ParquetFile(curves)
    order = {trial["trial_id"]: i for i, trial in enumerate(trials, start=1)}
    for group in range(file.num_row_groups):
        for row in file.read_row_group(group).to_pylist():
            splits = ("train", *SPLITS[row["dataset"]])
            accuracies = [row[f"{split}_acc_pct"] for split in splits]
            losses = [row[f"{split}_loss"] for split in splits]
            if any(value is not None for value in (*accuracies, *losses)):
                number += 1
                yield number, order[row["trial_id"]], row["epoch"], *accuracies, *losses
