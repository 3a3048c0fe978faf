"""Three questions to an installed build, with nothing but sqlite3, pandas and h5py.

Run it after `make demo` (made-up numbers) or after a build of the real releases:

    python examples/three_questions.py [results]
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import h5py
import pandas as pd


def installed(results: Path) -> dict[str, Path]:
    """Folder of the default release of every installed benchmark; prints the list."""
    catalog = json.loads((results / "catalog.json").read_text())
    folders = {}
    for name, benchmark in catalog["benchmarks"].items():
        release = benchmark["releases"][benchmark["latest"]]
        marks = " SYNTHETIC: made-up numbers" if release["synthetic"] else ""
        print(
            f"  {name:9} {release['version']:26} {release['architectures']:>7,} architectures "
            f"{release['trials']:>9,} trials {release['bytes'] / 1e6:8.1f} MB{marks}"
        )
        folders[name] = results / release["folder"]
    return folders


def best_cell(folder: Path) -> None:
    """SQLite: the cell with the best mean validation accuracy, and its test accuracy."""
    query = """
        SELECT hash, num_vertices, valid_acc_pct_mean, test_acc_pct_mean, n
        FROM means JOIN architectures USING (arch_id)
        WHERE dataset = 'cifar10' AND num_epochs = 108
        ORDER BY valid_acc_pct_mean DESC LIMIT 1
    """
    database = sqlite3.connect(f"file:{folder / 'nb101.sqlite'}?mode=ro&immutable=1", uri=True)
    cell, vertices, valid, test, runs = database.execute(query).fetchone()
    print("\n1. NAS-Bench-101: which cell is best on validation, and what is its test accuracy?")
    print(f"   {cell} ({vertices} vertices): {valid:.2f} % valid, {test:.2f} % test,")
    print(f"   the means of {runs} runs of 108 epochs")


def seed_noise(folder: Path) -> None:
    """Parquet: how much the seed alone moves an accuracy."""
    trials = pd.read_parquet(folder / "trials.parquet")
    runs = trials[(trials.dataset == "cifar100") & (trials.num_epochs == 200)]
    spread = runs.groupby("arch_id").x_test_acc_pct.agg(["count", "mean", "std"])
    repeated = spread[spread["count"] > 1]
    print("\n2. NATS-Bench topology: how far apart are two seeds of the same architecture?")
    print(f"   {repeated['std'].median():.2f} percentage points of CIFAR-100 test accuracy: the")
    print(f"   median standard deviation over {len(repeated)} architectures with several seeds")


def learning_curve(folder: Path) -> None:
    """HDF5: the learning curve of one architecture."""
    with h5py.File(folder / "curves.h5") as file:
        group = file["ImageNet16-120/90"]
        row = group["arch_id"][()].searchsorted(1234)
        curve = group["x_valid_acc_pct"][row, 0]
    points = ", ".join(f"{curve[epoch - 1]:.1f} % ({epoch})" for epoch in (1, 30, 60, 90))
    print("\n3. NATS-Bench size: how does architecture 1234 learn on ImageNet16-120?")
    print(f"   validation accuracy after an epoch: {points}")


def main() -> None:
    """List what is installed and ask."""
    results = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    print(f"Installed in {results.resolve()}:")
    folders = installed(results)
    best_cell(folders["nb101"])
    seed_noise(folders["nats_tss"])
    learning_curve(folders["nats_sss"])


if __name__ == "__main__":
    main()
