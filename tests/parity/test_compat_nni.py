"""`nasbase.compat.nni`: NNI's tutorial, its published rows, and NNI 3.0 itself on our databases.

The last only with NASBASE_PARITY_NNI=1: thousands of random questions, wildcards and malformed
cells among them, must be answered with equal rows in equal order, or with the same exceptions.
"""

from __future__ import annotations

import base64
import bz2
import io
import itertools
import json
import math
import os
import pickle
import pprint
import random
import shutil
import sqlite3
import subprocess
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, redirect_stdout
from importlib import import_module
from pathlib import Path

import peewee
import plain
import pytest
import releases
from playhouse import shortcuts
from stepwise import build

from nasbase.cli import main
from nasbase.compat.nni import NniWarning, notices, utils
from nasbase.errors import ArtifactError
from nasbase.store.install import write_catalog
from nasbase.tables.catalogue import SCHEMA_VERSION

ASKED = Path(__file__).with_name("nni_asked.py")
TUTORIAL = Path(__file__).with_name("nni_tutorial.txt")
NAMES = {"nb101": "nasbench101", "nb201": "nasbench201", "nds": "nds"}
QUERIES = {
    "nasbench101": "query_nb101_trial_stats",
    "nasbench201": "query_nb201_trial_stats",
    "nds": "query_nds_trial_stats",
}
ARCHITECTURES = {"nb101": 30, "nb201": 6, "nds": 150}
FORMS = ["parquet", "nni"]


def query(name):
    return getattr(import_module(f"nasbase.compat.nni.{name}"), QUERIES[name])


@pytest.fixture
def unbound():
    """No benchmark is open yet, nothing has been said."""

    def forget():
        for name in NAMES.values():
            import_module(f"nasbase.compat.nni.{name}.schema").proxy.initialize(None)
        for database in utils._loaded_benchmarks.values():
            database.close()
        utils._loaded_benchmarks.clear()
        notices._said.clear()

    forget()
    yield
    forget()


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> Path:
    """A results folder with NNI's databases of a sample of each benchmark."""
    folder = tmp_path_factory.mktemp("nni")
    for name, count in ARCHITECTURES.items():
        asked = [f"--benchmark={name}", f"--architectures={count}", "--seed=21"]
        assert main(["sample", *asked, str(folder / "samples")]) == 0
        table = "samples/sources.yaml"
        build(folder, name, "sample", table, partial=True, outputs=FORMS)
    write_catalog(folder / "results")
    return folder / "results"


# ---------------------------------------------------------------------------------------------
# NNI's tutorial


@pytest.fixture(scope="module")
def real(realdata, tmp_path_factory) -> Path:
    """NNI's databases of real records where there are any, and of jobs as the tutorial's."""
    folder = tmp_path_factory.mktemp("tutorial")
    rows = {
        "nb101": {"full": [releases.describe(full(folder, realdata))]},
        "nb201": {"1.1": [releases.describe(pth(folder, realdata))]},
        "nds": {"1": [releases.describe(jobs(folder))]},
    }
    releases.write_table(folder / "sources.yaml", rows, synthetic=False, partial=True)
    for name, listed in rows.items():
        build(folder, name, next(iter(listed)), partial=True, outputs=FORMS)
    write_catalog(folder / "results")
    return folder / "results"


def full(folder, realdata) -> Path:
    """The real 108-epoch records; of the other schedules, numbers made up."""
    records = json.loads((realdata / "nb101" / "nb101_only108_records.json").read_text())
    payloads = []
    for text in sorted(records):
        cell = records[text]
        for epochs, repeat in itertools.product((4, 12, 36, 108), cell["computed"]["108"]):
            points = [[0.0, 0.0, *[releases.float32(998 / 9984)] * 3]]
            for epoch, name in ((epochs / 2, "halfway"), (epochs, "final")):
                keys = (
                    "training_time",
                    *(f"{s}_accuracy" for s in ("train", "validation", "test")),
                )
                points.append([epoch, *(repeat[f"{name}_{key}"] for key in keys)])
            message = releases.metrics_message(cell["trainable_parameters"], points, 2000.0)
            payloads.append(
                releases.nb101_row(
                    cell["module_adjacency"],
                    cell["module_operations"],
                    epochs,
                    base64.encodebytes(message).decode(),
                )
            )
    path = folder / "nasbench_full.tfrecord"
    path.write_bytes(b"".join(map(releases.frame, payloads)))
    return path


def pth(folder, realdata) -> Path:
    """A real member of the topology space as NAS-Bench-201 stores it."""
    members = realdata / "nats" / "NATS-tss-v1_0-3ffb9-simple"
    member = plain.unpickle(bz2.decompress((members / "000000.pickle.pbz2").read_bytes()))
    records = {0: {"full": member["200"], "less": member["12"]}}
    return releases.nb201(folder, records, "legacy", random.Random(1), releases.dumps_old)


# The jobs of NDS in the tutorial, as its published rows tell of them: what is not published of
# their curves (and the ids, which count the whole release) is made up.
NETS = {
    "ResNeXt-A": {
        "block_type": "res_bottleneck_block",
        "bot_muls": [0.0, 0.25, 0.25, 0.25],
        "ds": [1, 16, 1, 4],
        "num_gs": [1, 2, 1, 2],
        "ss": [1, 1, 2, 2],
        "ws": [16, 64, 128, 16],
    },
    "ResNet": {
        "block_type": "res_basic_block",
        "ds": [1, 12, 12, 12],
        "ss": [1, 1, 2, 2],
        "ws": [16, 24, 24, 40],
        "num_gs": [],
        "bot_muls": [],
    },
    "Vanilla": {
        "block_type": "double_plain_block",
        "ds": [1, 12, 12, 12],
        "ss": [1, 1, 2, 2],
        "ws": [16, 24, 32, 40],
        "num_gs": [],
        "bot_muls": [],
    },
    "Amoeba": {
        "genotype": {
            "normal": [
                *(["avg_pool_3x3", 0], ["conv_7x1_1x7", 1], ["sep_conv_3x3", 2]),
                *(["sep_conv_5x5", 0], ["dil_sep_conv_3x3", 2], ["dil_sep_conv_3x3", 2]),
                *(["skip_connect", 4], ["dil_sep_conv_3x3", 4], ["conv_7x1_1x7", 2]),
                ["sep_conv_3x3", 4],
            ],
            "normal_concat": [3, 5, 6],
            "reduce": [
                *(["avg_pool_3x3", 0], ["dil_sep_conv_3x3", 1], ["sep_conv_3x3", 0]),
                *(["sep_conv_3x3", 0], ["skip_connect", 2], ["sep_conv_7x7", 0]),
                *(["conv_7x1_1x7", 4], ["skip_connect", 4], ["conv_7x1_1x7", 0]),
                ["conv_7x1_1x7", 5],
            ],
            "reduce_concat": [3, 6],
        },
        "depth": 12,
        "width": 32,
        "aux": False,
        "drop_prob": 0.0,
    },
}
PUBLISHED = {
    "ResNeXt-A": {
        "final_train_acc": 96.298,
        "final_train_loss": 0.116,
        "final_test_acc": 90.39,
        "best_train_acc": 96.356,
        "best_train_loss": 0.116,
        "best_test_acc": 90.48,
        "parameters": 0.083002,
        "flops": 69.890986,
        "iter_time": 0.065,
    },
    "ResNet": {
        "final_train_acc": 99.772,
        "final_train_loss": 0.011,
        "final_test_acc": 93.49,
        "best_train_acc": 99.772,
        "best_train_loss": 0.011,
        "best_test_acc": 93.58,
        "parameters": 0.594138,
        "flops": 184.519578,
        "iter_time": 0.059,
    },
    "Vanilla": {
        "final_train_acc": 89.633,
        "final_train_loss": 0.303,
        "final_test_acc": 84.35,
        "best_train_acc": 89.66499999999999,
        "best_train_loss": 0.302,
        "best_test_acc": 84.5,
        "parameters": 0.68977,
        "flops": 208.36393,
        "iter_time": 0.058,
    },
    "Amoeba": {
        "final_train_acc": 99.91,
        "final_train_loss": 0.006,
        "final_test_acc": 93.27,
        "best_train_acc": 99.91,
        "best_train_loss": 0.006,
        "best_test_acc": 93.37,
        "parameters": 4.190314,
        "flops": 664.400586,
        "iter_time": 0.281,
    },
}
FIRST_POINTS = [  # of the ResNeXt-A job: test_acc, train_acc, train_loss
    *((41.76, 30.421000000000006, 1.793), (54.66, 47.24, 1.415), (59.97, 56.983, 1.179)),
    *((62.91, 61.955, 1.048), (66.16, 64.493, 0.983), (66.5, 66.274, 0.937)),
    *((67.55, 67.426, 0.907), (69.45, 68.45400000000001, 0.878), (70.14, 69.295, 0.857)),
    (69.47, 70.304, 0.832),
]


def jobs(folder) -> Path:
    path = folder / "nds.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for stem, net in NETS.items():
            archive.writestr(f"nds_data/{stem}.json", json.dumps([job(net, PUBLISHED[stem])]))
    return path


def job(net, row) -> dict:
    """A job that NNI's converter turns into this row: errors are released with three digits."""

    def curve(name, first, best, final) -> list[float]:
        start = [point[first] for point in FIRST_POINTS]
        curve = [*start, *[start[-1]] * 80, *[row[best]] * 9, row[final]]
        return curve if name == "loss" else [round(100 - value, 3) for value in curve]

    test = curve("test", 0, "best_test_acc", "final_test_acc")
    return {
        "net": net,
        "optim": {"base_lr": 0.1, "wd": 0.0005, "max_ep": 100, "lr_policy": "cos"},
        "train_ep_top1": curve("train", 1, "best_train_acc", "final_train_acc"),
        "train_ep_loss": curve("loss", 2, "best_train_loss", "final_train_loss"),
        "test_ep_top1": test,
        "min_test_top1": min(test),
        "job_id": 1,
        "rng_seed": 1,
        "params": round(row["parameters"] * 1e6),
        "flops": round(row["flops"] * 1e6),
        "iter_time": row["iter_time"],
        "exp_mem": 1.0,
        "act_mem": 1.0,
        "prec_time": 0.5,
        "train_it_loss": [],
        "train_it_top1": [],
    }


TRIAL = {
    "config": {
        "arch": {
            "input1": [0],
            "input2": [1],
            "input3": [2],
            "input4": [0],
            "input5": [0, 3, 4],
            "input6": [2, 5],
            "op1": "conv3x3-bn-relu",
            "op2": "maxpool3x3",
            "op3": "conv3x3-bn-relu",
            "op4": "conv3x3-bn-relu",
            "op5": "conv1x1-bn-relu",
        },
        "hash": "00005c142e6f48ac74fdcf73e3439874",
        "id": 4,
        "num_epochs": 108,
        "num_vertices": 7,
    },
    "id": 10,
    "intermediates": [
        {
            "current_epoch": 54,
            "id": 19,
            "test_acc": 77.40384340286255,
            "train_acc": 82.82251358032227,
            "training_time": 883.4580078125,
            "valid_acc": 77.76442170143127,
        },
        {
            "current_epoch": 108,
            "id": 20,
            "test_acc": 92.11738705635071,
            "train_acc": 100.0,
            "training_time": 1769.1279296875,
            "valid_acc": 92.41786599159241,
        },
    ],
    "parameters": 8.55553,
    "test_acc": 92.11738705635071,
    "train_acc": 100.0,
    "training_time": 106147.67578125,
    "valid_acc": 92.41786599159241,
}
"""The first row that the tutorial prints."""

CELL = {
    "0_1": "avg_pool_3x3",
    "0_2": "conv_1x1",
    "0_3": "conv_1x1",
    "1_2": "skip_connect",
    "1_3": "skip_connect",
    "2_3": "skip_connect",
}
CONFIG = (
    "{{'id': {}, 'arch': {}, 'num_epochs': {}, 'num_channels': 16, 'num_cells': 5, "
    "'dataset': 'imagenet16-120'}}"
)
CELL_TRIALS = [  # id, seed, valid_acc, test_acc, ori_test_acc, train_acc, ori_test_loss
    (3, 999, 53.14000000610351, 53.07999995727539, 53.11, 57.82, 1.7307863704681397),
    (7, 777, 51.88, 51.979999938964845, 51.93, 57.578, 1.7572312774658203),
    (11, 888, 53.08000000610352, 53.67999998779297, 53.38, 57.792, 1.7281623031616211),
]


@pytest.mark.filterwarnings("ignore::nasbase.compat.nni.NniWarning")
def test_tutorial(real, tmp_path, monkeypatch, unbound):
    """The databases lie where NNI keeps them; what is published is printed again."""
    folder = tmp_path / ".cache" / "nni" / "nasbenchmark"
    folder.mkdir(parents=True)
    for path in real.glob("*/*/nni/*.db"):
        shutil.copy(path, folder)
    for name in ("NNI_HOME", "XDG_CACHE_HOME", "NASBENCHMARK_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NASBASE_HOME", str(tmp_path))
    shown: list = []
    monkeypatch.setattr(pprint, "pprint", shown.append)
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(TUTORIAL.read_text(), TUTORIAL, "exec"), {})
    cell, cells, rest = shown[:3], shown[3:6], shown[6:]
    assert cell[0] == TRIAL
    assert [trial["id"] for trial in cell] == [10, 11, 12]
    assert [trial["training_time"] for trial in cell] == [
        *(106147.67578125, 106095.05859375, 106138.55712890625),
    ]
    assert [[point["id"] for point in trial["intermediates"]] for trial in cell] == [
        *([19, 20], [21, 22], [23, 24]),
    ]
    for trial, published in zip(cells, CELL_TRIALS, strict=True):
        keys = ("id", "seed", "valid_acc", "test_acc", "ori_test_acc", "train_acc", "ori_test_loss")
        assert tuple(trial[key] for key in keys) == pytest.approx(published, rel=1e-8)
        exact = {"parameters": 0.135156, "flops": 15.65322, "latency": 0.013182918230692545}
        exact |= {"training_time": 2888.4371995925903, "valid_evaluation_time": 0.5097958473932176}
        assert {key: trial[key] for key in exact} == exact
        assert trial["config"] == {
            "arch": CELL,
            "dataset": "cifar100",
            "id": 7,
            "num_cells": 5,
            "num_channels": 16,
            "num_epochs": 200,
        }
    lines = printed.getvalue().splitlines()
    assert lines[:-1] == [
        line
        for config, points in ((4, 12), (8, 200), (8, 200), (8, 200))
        for line in (
            CONFIG.format(config, CELL, points),
            f"Intermediates: {points}",
        )
    ]
    assert lines[-1] == "NDS (amoeba) count: 1"
    bottleneck, points, *others = rest
    for stem, trial in zip(PUBLISHED, (bottleneck, *others), strict=True):
        assert {key: trial[key] for key in PUBLISHED[stem]} == PUBLISHED[stem]
        assert trial["seed"] == 1
        assert trial["config"]["proposer"] == stem.lower()
    assert [
        (point["current_epoch"], point["test_acc"], point["train_acc"], point["train_loss"])
        for point in points
    ] == [(epoch, *point) for epoch, point in enumerate(FIRST_POINTS, start=1)]


# ---------------------------------------------------------------------------------------------
# where the databases are


def test_the_newest_build_answers(samples, monkeypatch, unbound, tmp_path):
    monkeypatch.setenv("NASBASE_HOME", str(samples))
    monkeypatch.delenv("NASBENCHMARK_DIR", raising=False)
    with pytest.warns(NniWarning, match="made up"):
        database = utils.load_benchmark("nasbench101")
    assert utils.load_benchmark("nasbench101") is database
    assert "nb101/sample/nni" in database.database
    assert utils.download_benchmark("nasbench101") is None
    with pytest.raises(peewee.OperationalError, match="readonly"):
        database.execute_sql("DELETE FROM nb101trialconfig")
    with pytest.raises(KeyError):
        utils.load_benchmark("nats")


def test_a_folder_of_ones_own_comes_first(samples, monkeypatch, unbound, tmp_path):
    monkeypatch.setenv("NASBASE_HOME", str(samples))
    monkeypatch.setenv("NASBENCHMARK_DIR", str(tmp_path))
    (source,) = samples.glob("nds/sample/nni/nds-*.db")
    names = ["nds.db", "nds-00000000.db", "nds-ffffffff.db", "nds-5745c235.db"]
    for age, name in enumerate(names):
        shutil.copy(source, tmp_path / name)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    for name in ("nds-5745c235.db", "nds-00000000.db", "nds-ffffffff.db", "nds.db"):
        assert utils._find("nds") == (tmp_path / name, None)
        (tmp_path / name).unlink()
    found, version = utils._find("nds")
    assert (found, version.startswith(f"sample+s{SCHEMA_VERSION}.")) == (source, True)
    monkeypatch.setitem(utils.DB_URLS, "nds", "https://x/nds-mine.db")  # as for NNI itself
    shutil.copy(source, tmp_path / "nds-mine.db")
    assert utils._find("nds") == (tmp_path / "nds-mine.db", None)


def test_nothing_to_find(monkeypatch, unbound, tmp_path):
    for name in ("NASBASE_HOME", "NASBENCHMARK_DIR", "NNI_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for call in (utils.load_benchmark, utils.download_benchmark):
        with pytest.raises(FileNotFoundError, match="--config benchmarks=nb201") as missing:
            call("nasbench201")
        for name in ("NASBENCHMARK_DIR", "NNI_HOME/nasbenchmark"):
            assert str(tmp_path / name) in str(missing.value)
    with pytest.raises(FileNotFoundError):
        next(query("nasbench201")(None, None, None, reduction="no such"))


@pytest.mark.parametrize("kind", ["text", "empty", "tables", "other"])
def test_another_file(samples, monkeypatch, unbound, tmp_path, kind):
    monkeypatch.setenv("NASBASE_HOME", str(tmp_path))
    monkeypatch.setenv("NASBENCHMARK_DIR", str(tmp_path))
    path = tmp_path / "nasbench101.db"
    (nds,) = samples.glob("nds/sample/nni/nds-*.db")
    if kind == "tables":
        shutil.copy(nds, path)
    elif kind == "other":  # the catalogue lists another build than the one that lies there
        monkeypatch.delenv("NASBENCHMARK_DIR")
        home = tmp_path / "results"
        shutil.copytree(samples, home)
        catalog = json.loads((home / "catalog.json").read_text())
        catalog["benchmarks"]["nb101"]["releases"]["sample"]["version"] = (
            f"sample+s{SCHEMA_VERSION}.00000000"
        )
        (home / "catalog.json").write_text(json.dumps(catalog))
        monkeypatch.setenv("NASBASE_HOME", str(home))
    else:
        path.write_text("no database, but long enough to look at" * 40 if kind == "text" else "")
    with pytest.raises(ArtifactError, match="not NNI's database"):
        utils.load_benchmark("nasbench101")


# ---------------------------------------------------------------------------------------------
# what NNI's numbers do not say


def one_config(path, table, where="1"):
    """A configuration that was trained."""
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        prefix = table.removesuffix("trialconfig")
        sql = f"""SELECT c.* FROM {table} c WHERE {where} AND EXISTS
            (SELECT 1 FROM {prefix}trialstats t WHERE t.config_id = c.id)"""
        return dict(database.execute(sql).fetchone())


@pytest.fixture
def sample(samples, monkeypatch, unbound):
    monkeypatch.setenv("NASBASE_HOME", str(samples))
    monkeypatch.delenv("NASBENCHMARK_DIR", raising=False)
    notices._said.update(f"{name}.synthetic" for name in NAMES.values())
    return {path.parts[-4]: path for path in samples.glob("*/*/nni/*.db")}


def heard(call) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            list(call())
    assert all(warning.category is NniWarning for warning in caught)
    assert all(warning.filename == __file__ for warning in caught)
    return [str(warning.message) for warning in caught]


def test_a_misleading_number_is_named_once(sample):
    ask = query("nasbench101")
    (said,) = heard(lambda: [row for row in ask(None, 108)])  # noqa: C416 - the row is asked here
    assert "60 times" in said
    assert "elapsed_train_time_s" in said
    assert "simplefilter" in said
    ask = query("nasbench201")
    assert heard(lambda: ask_all(ask(None, None, "cifar100"))) == []
    (said,) = heard(lambda: ask_all(ask(None, 12, None, "mean")))
    assert "x_valid_acc_pct" in said


def ask_all(rows):
    return [row for row in rows]  # noqa: C416 - the rows are asked for in this file


def test_upstreams_spelling_is_named(sample):
    arch = json.loads(one_config(sample["nb201"], "nb201trialconfig")["arch"])
    ask = query("nasbench201")
    (said,) = heard(lambda: ask_all(ask(arch, 200, "ImageNet16-120")))
    assert "'ImageNet16-120' is 'imagenet16-120'" in said
    upstream = {key: f"nor_{op}" if op.startswith("conv") else op for key, op in arch.items()}
    assert upstream != arch
    (said,) = heard(lambda: ask_all(ask(upstream, 200, None)))
    assert "without nor_" in said
    assert heard(lambda: ask_all(ask(None, 13, "no such data set"))) == []
    ask = query("nds")
    (said,) = heard(lambda: ask_all(ask(None, "DARTS", None, None, None, None)))
    assert "'DARTS' is 'darts'" in said
    (said,) = heard(lambda: ask_all(ask(None, None, "fix-w-d", None, None, None)))
    assert "'fix_w_d'" in said


@pytest.mark.filterwarnings("ignore::nasbase.compat.nni.NniWarning")
def test_a_cell_that_nni_does_not_find(sample):
    ask = query("nasbench101")
    config = one_config(sample["nb101"], "nb101trialconfig", "num_vertices < 7")
    cell = json.loads(config["arch"])
    assert len(ask_all(ask(cell, 108))) == 3
    size = config["num_vertices"]
    moved = {f"op{size - 1}": "maxpool3x3", f"input{size}": cell[f"input{size - 1}"]}
    loose = {**cell, **moved, f"input{size - 1}": [0]}
    (said,) = heard(lambda: ask_all(ask(loose, 108)))
    assert "no path" in said
    assert heard(lambda: ask_all(ask(cell, 5))) == []


@pytest.mark.filterwarnings("ignore::nasbase.compat.nni.NniWarning")
def test_threads_ask_side_by_side(sample):
    ask = query("nasbench101")
    expected = [ask_all(ask(None, epochs, include_intermediates=True)) for epochs in (4, 12, 108)]
    open_one = ask(None, None)  # and one answer is being read meanwhile
    first = next(open_one)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(
            lambda epochs: ask_all(ask(None, epochs, include_intermediates=True)), [4, 12, 108] * 8
        )
        assert list(found) == expected * 8
    assert [first, *open_one] == ask_all(ask(None, None))


# ---------------------------------------------------------------------------------------------
# models


@pytest.mark.filterwarnings("ignore::nasbase.compat.nni.NniWarning")
def test_models(sample):
    from nasbase.compat.nni.nasbench201 import (
        Nb201IntermediateStats,
        Nb201TrialConfig,
        Nb201TrialStats,
    )
    from nasbase.compat.nni.nasbench201.schema import proxy

    proxy.initialize(utils.load_benchmark("nasbench201"))
    config = one_config(sample["nb201"], "nb201trialconfig", "dataset = 'cifar100'")
    arch = json.loads(config["arch"])
    found = Nb201TrialConfig.get(
        Nb201TrialConfig.arch == arch,
        Nb201TrialConfig.dataset == "cifar100",
        Nb201TrialConfig.num_epochs == config["num_epochs"],
    )
    assert (found.id, found.arch) == (config["id"], arch)
    asked = query("nasbench201")(arch, config["num_epochs"], "cifar100", None, True)
    for trial, row in zip(found.trial_stats, asked, strict=True):
        assert trial.config == found
        assert shortcuts.model_to_dict(trial) == {
            key: value for key, value in row.items() if key != "intermediates"
        }
        assert [point.current_epoch for point in trial.intermediates] == [
            point["current_epoch"] for point in row["intermediates"]
        ]
    best = Nb201TrialStats.select().order_by(Nb201TrialStats.valid_acc.desc()).first()
    assert best.valid_acc == max(row["valid_acc"] for row in query("nasbench201")(None, None, None))
    assert Nb201IntermediateStats.select().count() > 1000
    assert pickle.loads(pickle.dumps(best)) == best


# ---------------------------------------------------------------------------------------------
# NNI itself


def nni_answers(python, samples, folder, questions) -> list:
    databases = folder / "databases"
    databases.mkdir()
    for path in samples.glob("*/*/nni/*.db"):
        shutil.copy(path, databases)
    asked, answers = folder / "questions.pickle", folder / "answers.pickle"
    asked.write_bytes(pickle.dumps(questions))
    command = [python, ASKED, databases, asked, answers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return pickle.loads(answers.read_bytes())


def our_answer(name, arguments, named, count):
    try:
        return list(itertools.islice(query(name)(*arguments, **named), count))
    except (ValueError, AssertionError, LookupError, TypeError, AttributeError) as error:
        return type(error).__name__, error.args
    except (OverflowError, peewee.OperationalError) as error:
        return type(error).__name__, error.args


def comparable(answer):
    """Rows with types and order of keys, to the last bit; of most exceptions the type."""
    if isinstance(answer, tuple):
        kind, arguments = answer
        return (kind, arguments) if kind in ("KeyError", "ValueError") else kind
    return [repr(row) for row in answer]


def shuffled_keys(rng, mapping):
    return dict(rng.sample([*mapping.items()], len(mapping)))


def isomorphic(rng, cell):
    """A cell with its interior vertices in another order that is as good."""
    size = max(int(key[5:]) for key in cell if key.startswith("input")) + 1
    sources = {v: cell[f"input{v}"] for v in range(1, size)}
    while True:
        order = [0, *rng.sample(range(1, size - 1), size - 2), size - 1]
        place = {vertex: at for at, vertex in enumerate(order)}
        moved = {place[v]: sorted(place[u] for u in sources[v]) for v in sources}
        if all(u < v for v, into in moved.items() for u in into):
            ops = {f"op{place[v]}": cell[f"op{v}"] for v in range(1, size - 1)}
            return ops | {f"input{v}": into for v, into in moved.items()}


def broken(rng, cell):
    """A cell that NNI stumbles over, or does not find."""
    changed = shuffled_keys(rng, cell)
    key = rng.choice([*cell])
    kind = rng.randrange(9)
    if kind == 0:
        del changed[key]
    elif kind == 1:
        changed["op9"] = "maxpool3x3"
    elif kind == 2:
        changed["opx"] = "maxpool3x3"
    elif kind == 3:
        changed[key] = "no such operation" if key.startswith("op") else [rng.randrange(-9, 9)]
    elif kind == 4:
        changed[key] = rng.choice([None, 7, "text", ["0"], [None.__class__], [0.5], {}])
    elif kind == 5:
        changed[7] = 0
    elif kind == 6:
        changed["input99"] = [0]
    elif kind == 7:
        return rng.choice([{}, [], "text", 7, [cell], {"op1": "maxpool3x3"}])
    else:
        changed["input1"] = [rng.choice([-1, 0, 1, 2])]
    return changed


EPOCHS = (None, 4, 12, 36, 108, 200, 100, 5, "108", 108.0, 12.7, "twelve", math.nan, True, 2**70)
REDUCTIONS = (None, None, "none", "mean", "mean", "median", 0)


def questions_nb101(rng, configs):
    cell = json.loads(rng.choice(configs)["arch"])
    kind = rng.randrange(10)
    if kind < 2:
        cell = shuffled_keys(rng, cell)
    elif kind < 4:
        cell = isomorphic(rng, cell)
    elif kind < 6:
        cell = broken(rng, cell)
    elif kind == 6:
        cell = None
    epochs = rng.choice([108, 108, 4, 12, *EPOCHS])
    return [cell, epochs], {"isomorphism": rng.choice([True, True, False])}


def questions_nb201(rng, configs):
    config = rng.choice(configs)
    arch = shuffled_keys(rng, json.loads(config["arch"]))
    kind = rng.randrange(10)
    if kind == 0:
        arch = None
    elif kind == 1:
        arch = {key: op.replace("conv", "nor_conv") for key, op in arch.items()}
    elif kind == 2:
        arch = rng.choice([{}, [], "|none~0|", 7, [arch], {**arch, "0_1": {1, 2}}, {0: 1, "a": 2}])
    epochs = rng.choice([config["num_epochs"], config["num_epochs"], 12, 200, *EPOCHS])
    names = [None, "cifar10", "cifar10-valid", "cifar100", "imagenet16-120"]
    wrong = ["ImageNet16-120", "", b"cifar10", b"\xff", 7, "CIFAR10"]
    dataset = rng.choice([config["dataset"], *names, *names, *wrong])
    return [arch, epochs, dataset], {}


def questions_nds(rng, configs):
    config = rng.choice(configs)
    names = ("model_family", "proposer", "generator", "model_spec", "cell_spec", "dataset")
    given = {name: config[name] for name in names}
    for name in ("model_spec", "cell_spec"):
        given[name] = shuffled_keys(rng, json.loads(given[name]))
    for name in names:
        if rng.random() < 0.4:
            given[name] = None
    if rng.random() < 0.2:
        other = rng.choice(configs)
        name = rng.choice(names)
        given[name] = json.loads(other[name]) if name.endswith("spec") else other[name]
    if rng.random() < 0.1:
        given[rng.choice(names)] = rng.choice([{}, "", "DARTS", 7, ["ds"], {"ds": 1}, "{}"])
    epochs = rng.choice([None, None, config["num_epochs"], *EPOCHS])
    return [given[name] for name in names] + [epochs], {}


MAKERS = {"nb101": questions_nb101, "nb201": questions_nb201, "nds": questions_nds}
COUNTS = {"nb101": 2500, "nb201": 1200, "nds": 2500}


ARGUMENTS = {
    "nasbench101": ("arch", "num_epochs"),
    "nasbench201": ("arch", "num_epochs", "dataset"),
    "nds": (
        *("model_family", "proposer", "generator", "model_spec", "cell_spec", "dataset"),
        "num_epochs",
    ),
}


def wildcards(name, configs) -> Iterator[tuple]:
    """Every pair of an argument and a value that it can have, beside wildcards."""
    arguments = ARGUMENTS[name]
    for place, argument in enumerate(arguments):
        for value in {config[argument] for config in configs}:
            asked: list = [None] * len(arguments)
            asked[place] = json.loads(value) if str(value).startswith("{") else value
            for reduction in (None, "mean"):
                yield name, asked, {"reduction": reduction}, 10**6


def all_questions(rng, paths) -> list[tuple]:
    questions = []
    for benchmark, name in NAMES.items():
        with closing(sqlite3.connect(paths[benchmark])) as database:
            database.row_factory = sqlite3.Row
            sql = f"""SELECT c.* FROM {benchmark}trialconfig c JOIN
                (SELECT DISTINCT config_id FROM {benchmark}trialstats) ON config_id = c.id"""
            configs = [dict(row) for row in database.execute(sql)]
        for _ in range(COUNTS[benchmark]):
            arguments, named = MAKERS[benchmark](rng, configs)
            named["reduction"] = rng.choice(REDUCTIONS)
            # NNI takes 0.1 s for the points of one 200-epoch training.
            named["include_intermediates"] = rng.random() < (0.04 if benchmark == "nb201" else 0.3)
            questions.append((name, arguments, named, rng.choice([1, 2, 3, 5, 40, 400])))
        questions += wildcards(name, configs)
        everything = [None] * {"nb101": 2, "nb201": 3, "nds": 6}[benchmark]
        for reduction, points in itertools.product((None, "mean"), (False, True)):
            rows = 12 if points and benchmark == "nb201" else 10**6
            named = {"reduction": reduction, "include_intermediates": points}
            questions.append((name, everything, named, rows))
    return questions


@pytest.mark.skipif(
    os.environ.get("NASBASE_PARITY_NNI") != "1", reason="set NASBASE_PARITY_NNI=1 to install NNI"
)
@pytest.mark.filterwarnings("ignore::nasbase.compat.nni.NniWarning")
def test_nni_answers_the_same(python, samples, sample, tmp_path):
    questions = all_questions(random.Random(5), sample)
    theirs = nni_answers(python, samples, tmp_path, questions)
    kinds = Counter()
    for question, answer in zip(questions, theirs, strict=True):
        ours = our_answer(*question)
        assert comparable(ours) == comparable(answer), question
        kinds[question[0], answer[0] if isinstance(answer, tuple) else bool(answer)] += 1
    for name in NAMES.values():
        assert kinds[name, True] > 200, kinds
        assert kinds[name, False] > 20, kinds
        assert kinds[name, "ValueError"] > 50, kinds
    assert kinds["nasbench101", "AssertionError"] > 20, kinds
    assert kinds["nasbench101", "KeyError"] > 20, kinds
