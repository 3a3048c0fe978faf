"""NNI 3.0's own converters and queries beside nasbase, on the same raw files.

Only with NASBASE_PARITY_NNI=1: NNI gets an environment of its own, made once in the cache folder.

Every number of NNI is ours, by the derivations of its converter; its known differences are
asserted as what they are:

* nb101: the time of a trial is 60 times the seconds that were released.
* nb201: cifar10's validation accuracy is its test accuracy; a training takes its last epoch's time
  times the number of epochs; NaN is NULL.
* An upstream spelling (``ImageNet16-120``, ``nor_conv_3x3``) or a cell with a loose vertex is an
  empty answer, and no error.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path

import pytest
from stepwise import build

from nasbase.cli import main
from nasbase.errors import QueryError
from nasbase.query.opening import open_folder

pytestmark = pytest.mark.skipif(
    os.environ.get("NASBASE_PARITY_NNI") != "1", reason="set NASBASE_PARITY_NNI=1 to install NNI"
)

DRIVER = Path(__file__).with_name("nni_driver.py")
NAMES = {"nb101": "nasbench101", "nb201": "nasbench201", "nds": "nds"}
ARCHITECTURES = {"nb101": 10, "nb201": 6, "nds": 120}
SPLITS = {
    "cifar10-valid": ("x_valid", "ori_test", "ori_test"),
    "cifar10": ("ori_test", "ori_test", "ori_test"),
    "cifar100": ("x_valid", "x_test", "ori_test"),
    "ImageNet16-120": ("x_valid", "x_test", "ori_test"),
}
"""Data set -> what NNI calls valid, test and ori_test."""


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A sample release of a benchmark: our handle, and the raw file."""
    made = {}

    def make(benchmark):
        if benchmark not in made:
            folder = tmp_path_factory.mktemp(benchmark)
            count = ARCHITECTURES[benchmark]
            asked = [f"--benchmark={benchmark}", f"--architectures={count}", "--seed=21"]
            assert main(["sample", *asked, str(folder / "samples")]) == 0
            (raw,) = (p for p in (folder / "samples").iterdir() if p.name != "sources.yaml")
            table, forms = "samples/sources.yaml", ["parquet", "sqlite"]
            installed = build(folder, benchmark, "sample", table, partial=True, outputs=forms)
            made[benchmark] = open_folder(installed), raw
        return made[benchmark]

    return make


@pytest.fixture
def nni(python, release, tmp_path):
    """NNI's answers to questions: pairs of leading arguments and further ones by name."""

    def ask(benchmark, questions):
        asked, answers = tmp_path / "questions.json", tmp_path / "answers.json"
        asked.write_text(json.dumps(questions))
        command = [python, DRIVER, NAMES[benchmark], release(benchmark)[1], asked, answers]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(answers.read_text())

    return ask


FULL = {"include_intermediates": True}
MEAN = {"reduction": "mean"}


def null(number):
    """NNI's spelling: NaN is NULL."""
    return None if number is None or math.isnan(number) else number


def ascending(rows):
    return sorted(rows, key=lambda row: row["id"])


# ---------------------------------------------------------------------------------------------
# NAS-Bench-101


def loose(cell: dict) -> dict:
    """The same cell with one more vertex that feeds nothing."""
    size = max(int(key[5:]) for key in cell if key.startswith("input"))
    return {
        **cell,
        f"op{size}": "maxpool3x3",
        f"input{size}": [0],
        f"input{size + 1}": cell[f"input{size}"],
    }


def test_nb101(release, nni):
    bench, _ = release("nb101")
    cells = {
        one.arch_id: bench.space.decode((one.adjacency, one.operations), "nni") for one in bench
    }
    asked = [(arch_id, epochs) for arch_id in cells for epochs in bench.schedules]
    small = [i for i, cell in cells.items() if len(cell) < 11]
    assert small
    questions = [[[cells[arch_id], epochs], FULL] for arch_id, epochs in asked]
    questions += [[[cells[arch_id], epochs], MEAN] for arch_id, epochs in asked]
    questions += [[[loose(cells[arch_id]), 108], {}] for arch_id in small]
    answers = nni("nb101", questions)
    for (arch_id, epochs), rows in zip(asked, answers, strict=False):
        trials = bench.trials(cells[arch_id], num_epochs=epochs)
        assert len(rows) == len(trials) == 3
        for row, trial in zip(ascending(rows), trials, strict=True):
            assert row["config"]["hash"] == bench[arch_id].hash
            for split in ("train", "valid", "test"):
                assert row[f"{split}_acc"] == trial[f"{split}_acc_pct"]
            assert row["parameters"] == trial.params / 1e6
            assert row["training_time"] == trial.elapsed_train_time_s * 60  # NNI's mistake
            which = {"num_epochs": epochs, "run": trial.run}
            assert [point["current_epoch"] for point in row["intermediates"]] == [
                epochs // 2,
                epochs,
            ]
            for point in row["intermediates"]:
                at = {**which, "at_epoch": point["current_epoch"]}
                for split in ("train", "valid", "test"):
                    assert point[f"{split}_acc"] == bench.value(arch_id, f"{split}_acc", **at)
                time = bench.value(arch_id, "elapsed_train_time_s", **at)
                assert point["training_time"] == time
    for (arch_id, epochs), (row,) in zip(asked, answers[len(asked) :], strict=False):
        mean = bench.mean(arch_id, num_epochs=epochs)
        for split in ("train", "valid", "test"):  # SQLite adds with a compensation of its own
            assert row[f"{split}_acc"] == pytest.approx(mean[f"{split}_acc_pct"], rel=1e-14)
    assert answers[2 * len(asked) :] == [[]] * len(small)  # NNI does not prune
    assert [bench.find(loose(cells[arch_id])) for arch_id in small] == small


# ---------------------------------------------------------------------------------------------
# NAS-Bench-201


def test_nb201(release, nni):
    bench, _ = release("nb201")
    asked = [
        (one.arch_id, epochs, dataset)
        for one in bench
        for dataset in SPLITS
        for epochs in bench.schedules
    ]
    cells = {one.arch_id: bench.space.decode(one.arch_id, "nni") for one in bench}
    where = [[cells[arch_id], epochs, dataset.lower()] for arch_id, epochs, dataset in asked]
    upstream = {**cells[0], "0_1": "nor_conv_3x3"}
    odd = [[[cells[0], 200, "ImageNet16-120"], {}], [[upstream, 200, "cifar10"], {}]]
    answers = nni("nb201", [[w, FULL] for w in where] + [[w, MEAN] for w in where] + odd)
    for (arch_id, epochs, dataset), rows in zip(asked, answers, strict=False):
        trials = bench.trials(cells[arch_id], dataset=dataset, num_epochs=epochs)
        assert sorted(row["seed"] for row in rows) == sorted(trials.seed)
        for row in rows:
            (trial,) = (trial for trial in trials if trial.seed == row["seed"])
            compare_nb201(bench, trial, row)
    for (arch_id, epochs, dataset), (row,) in zip(asked, answers[len(asked) :], strict=False):
        mean = bench.mean(arch_id, dataset=dataset, num_epochs=epochs)
        for name, split in zip(("valid", "test", "ori_test"), SPLITS[dataset], strict=True):
            assert row[f"{name}_acc"] == pytest.approx(mean[f"{split}_acc_pct"], rel=1e-14)
    assert answers[-2:] == [[], []]  # silently nothing; we know both spellings
    assert bench.value(cells[0], "test", dataset="imagenet16-120", num_epochs=200) > 0
    leaked = bench.value(0, "valid_acc", dataset="cifar10", num_epochs=200)
    assert (leaked.dataset, leaked.split) == ("cifar10-valid", "x_valid")


def compare_nb201(bench, trial, row) -> None:
    """One trial: what its converter derives, and the curve."""
    names = dict(zip(("valid", "test", "ori_test"), SPLITS[trial.dataset], strict=True))
    for name, split in {"train": "train", **names}.items():
        assert row[f"{name}_acc"] == trial[f"{split}_acc_pct"]
        assert row[f"{name}_loss"] == null(trial[f"{split}_loss"])
    for name, split in names.items():
        assert row[f"{name}_evaluation_time"] == trial[f"{split}_time_s"]
    assert row["parameters"] == trial.params_m
    assert row["flops"] == trial.flops_m
    assert row["latency"] == trial.latency_s
    assert row["training_time"] == trial.train_time_s * trial.num_epochs
    assert row["training_time"] == pytest.approx(trial.train_time_total_s, rel=1e-12)
    of = (trial.arch_id, trial.dataset, trial.num_epochs, trial.run)
    for name, split in {"train": "train", **names}.items():
        for column, ours in (("acc", "acc_pct"), ("loss", "loss")):
            found = [None] * trial.num_epochs
            for point in row["intermediates"]:
                found[point["current_epoch"] - 1] = point[f"{name}_{column}"]
            curve = bench.series_values(*of, f"{split}_{ours}")
            assert found == [null(value) for value in curve]


# ---------------------------------------------------------------------------------------------
# NDS


def test_nds(release, nni):
    bench, _ = release("nds")
    configurations = bench.table("configurations").to_arrow().to_pylist()
    questions = []
    for config in configurations:
        one = bench[config["arch_id"]]
        leading = [one.model_family, config["proposer"], config["generator"]]
        leading += [json.loads(one.model_spec), json.loads(one.cell_spec or "{}")]
        questions.append([[*leading, config["dataset"], config["num_epochs"]], FULL])
    answers = nni("nds", questions)
    compared = 0
    for config, rows in zip(configurations, answers, strict=True):
        keys = ("proposer", "generator", "base_lr", "weight_decay")
        wanted = {key: config[key] for key in keys}
        of_config = [row for row in rows if {key: row["config"][key] for key in keys} == wanted]
        where = {"dataset": config["dataset"], "num_epochs": config["num_epochs"]}
        trials = bench.trials(config["arch_id"], **where, **wanted)
        assert len(of_config) == len(trials)
        ours = sorted((numbers_of(bench, trial) for trial in trials), key=str)
        theirs = sorted(map(numbers_in, of_config), key=str)
        assert ours == theirs
        compared += len(of_config)
    assert compared == len(bench.table("trials"))
    with pytest.raises(QueryError, match="no validation split"):
        bench.value(0, "valid_acc", dataset=configurations[0]["dataset"])


def numbers_of(bench, trial) -> list:
    which = {"dataset": trial.dataset, "run": trial.run, "config_id": trial.config_id}
    curves = {}
    for series in ("train_err_pct", "test_err_pct", "train_loss"):
        curve = bench.curve(trial.arch_id, series=series, num_epochs=trial.num_epochs, **which)
        assert list(curve.epochs) == list(range(1, trial.num_epochs + 1))
        curves[series] = curve.values
    points = [
        [null(loss), 100 - train, 100 - test]
        for train, test, loss in zip(*curves.values(), strict=True)
    ]
    losses = [loss for loss in curves["train_loss"] if not math.isnan(loss)]
    return [
        trial.seed, trial.train_acc_pct, null(trial.train_loss), trial.test_acc_pct,
        100 - min(curves["train_err_pct"]), min(losses), 100 - min(curves["test_err_pct"]),
        trial.params / 1e6, trial.flops / 1e6, trial.iter_time_s, points,
    ]  # fmt: skip


def numbers_in(row: dict) -> list:
    names = (
        "seed", "final_train_acc", "final_train_loss", "final_test_acc", "best_train_acc",
        "best_train_loss", "best_test_acc", "parameters", "flops", "iter_time",
    )  # fmt: skip
    points = [[p["train_loss"], p["train_acc"], p["test_acc"]] for p in row["intermediates"]]
    return [*(row[name] for name in names), points]
