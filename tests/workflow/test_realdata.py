"""Genuine pieces of the releases: every number of them is in the artifacts, in every form.

The golden rows are those that NNI's documentation shows, from databases that its authors built of
the same releases. All tests are skipped where the pieces are not at hand.
"""

from __future__ import annotations

import base64
import csv
import gzip
import itertools
import json
import random
import shutil

import expected
import plain
import pytest
import releases
from compare import assert_artifacts, duckdb_rows
from harness import Workflow
from stepwise import build

from nasbase.errors import IncompleteReleaseError

pytestmark = pytest.mark.realdata

FOLDERS = {
    "nats_tss": "NATS-tss-v1_0-3ffb9-simple",
    "nats_sss": "NATS-sss-v1_0-50262-simple",
}
REAL = {"synthetic": False, "partial": True}


@pytest.fixture(scope="module")
def records(realdata) -> dict:
    """Hash -> cell and three repeats of 108 epochs, as google's API gives them."""
    return json.loads((realdata / "nb101" / "nb101_only108_records.json").read_text())


@pytest.fixture(scope="module")
def built(realdata, records, tmp_path_factory) -> Workflow:
    """The real members of both NATS spaces and 27 real cells of NAS-Bench-101."""
    folder = tmp_path_factory.mktemp("real")
    rows: dict = {
        benchmark: {
            "1.0": [{"name": name, "form": "dir", "urls": [(realdata / "nats" / name).as_uri()]}]
        }
        for benchmark, name in FOLDERS.items()
    }
    rows["nb101"] = {"only108": [releases.describe(only108(folder, records))]}
    releases.write_table(folder / "sources.yaml", rows, **REAL)
    workflow = Workflow(folder, config={"sources": "sources.yaml", "shards": 2})
    workflow.run()
    return workflow


def only108(folder, records):
    """The real records as a TFRecord release; only the evaluation before training is made up."""
    rng = random.Random(108)
    payloads = []
    for cell in records.values():
        for repeat in cell["computed"]["108"]:
            points = [[0.0, 0.0, *[releases.float32(998 / 9984)] * 3]]
            for epoch, name in ((54.0, "halfway"), (108.0, "final")):
                keys = (
                    "training_time",
                    *(f"{s}_accuracy" for s in ("train", "validation", "test")),
                )
                points.append([epoch, *(repeat[f"{name}_{key}"] for key in keys)])
            message = releases.metrics_message(cell["trainable_parameters"], points, 2000.0)
            row = releases.nb101_row(
                cell["module_adjacency"],
                cell["module_operations"],
                108,
                base64.encodebytes(message).decode(),
            )
            payloads.append(row)
    order = list(range(len(payloads)))
    rng.shuffle(order)
    order.sort(key=lambda i: i % 3)  # the repeats of a cell keep their order
    path = folder / "nasbench_only108.tfrecord"
    path.write_bytes(b"".join(releases.frame(payloads[i]) for i in order))
    return path


# ---------------------------------------------------------------------------------------------
# NATS-Bench


@pytest.mark.parametrize(("benchmark", "count"), [("nats_tss", 34), ("nats_sss", 40)])
def test_real_members(realdata, built, benchmark, count):
    raw = plain.nats(realdata / "nats" / FOLDERS[benchmark])
    assert len(raw) == count
    tables = expected.nats(benchmark, raw)
    folder = built.results(benchmark, "1.0")
    assert assert_artifacts(folder, benchmark, tables) > 10_000
    report = json.loads((folder / "validation.json").read_text())
    failed = [check["id"] for check in report["checks"] if not check["passed"]]
    assert not failed  # what was learnt of genuine records holds for genuine records


def test_golden_row_of_nas_bench_201(built):
    """Index 0 on cifar100 after 200 epochs; three runs."""
    folder = built.results("nats_tss", "1.0")
    runs = {
        row["seed"]: row
        for row in duckdb_rows(folder / "trials.parquet")
        if (row["arch_id"], row["dataset"], row["num_epochs"]) == (0, "cifar100", 200)
    }
    golden = {
        999: (53.14000000610351, 53.07999995727539, 53.11, 57.82),
        777: (51.88, 51.979999938964845, 51.93, 57.578),
        888: (53.08000000610352, 53.67999998779297, 53.38, 57.792),
    }
    assert set(runs) == set(golden)
    for seed, (valid, test, ori, train) in golden.items():
        row = runs[seed]
        # The two releases evaluated the halves separately: equal but for rounding.
        assert row["x_valid_acc_pct"] == pytest.approx(valid, abs=1e-7)
        assert row["x_test_acc_pct"] == pytest.approx(test, abs=1e-7)
        assert row["ori_test_acc_pct"] == pytest.approx(ori, abs=1e-7)
        assert row["train_acc_pct"] == pytest.approx(train, abs=1e-7)
        assert row["params_m"] == 0.135156
        assert row["flops_m"] == 15.65322
        assert row["latency_s"] == 0.013182918230692545
        assert row["train_time_s"] * 200 == 2888.4371995925903
        assert row["train_time_total_s"] == pytest.approx(2888.4371995925903, rel=1e-12)
        assert row["x_valid_time_s"] == row["x_test_time_s"] == 0.5097958473932176
        assert row["ori_test_time_s"] == 1.0195916947864352


def test_twelve_epochs_of_nas_bench_201(realdata, built):
    """A published table of NAS-Bench-201 has the means of the same trainings."""
    path = realdata / "nb201" / "nb201_12epoch_seed_any.csv.gz"
    with gzip.open(path, "rt") as file:
        table = {int(row["arch"]): row for row in csv.DictReader(file)}
    columns = {
        "cifar10-test": ("cifar10", "ori_test_acc_pct"),
        "cifar10-val": ("cifar10-valid", "x_valid_acc_pct"),
        "cifar100-test": ("cifar100", "x_test_acc_pct"),
        "cifar100-val": ("cifar100", "x_valid_acc_pct"),
        "imagenet-test": ("ImageNet16-120", "x_test_acc_pct"),
        "imagenet-val": ("ImageNet16-120", "x_valid_acc_pct"),
    }
    folder = built.results("nats_tss", "1.0")
    means = {
        (row["arch_id"], row["dataset"]): row
        for row in duckdb_rows(folder / "means.parquet")
        if row["num_epochs"] == 12
    }
    assert means[0, "cifar10-valid"]["n"] == 2
    architectures = duckdb_rows(folder / "architectures.parquet")
    assert [row["arch_id"] for row in architectures] == [0, 11]
    for architecture in architectures:
        published = table[architecture["arch_id"]]
        assert published["cellstr"] == architecture["arch_str"]
        for name, (dataset, column) in columns.items():
            mean = means[architecture["arch_id"], dataset][f"{column}_mean"]
            assert mean == pytest.approx(float(published[name]), abs=1e-7), name


# ---------------------------------------------------------------------------------------------
# NAS-Bench-101


def test_real_cells(built, records):
    path = built.folder / "nasbench_only108.tfrecord"
    tables = expected.nb101(plain.nb101(path), path.name)
    folder = built.results("nb101", "only108")
    assert assert_artifacts(folder, "nb101", tables) > 5000
    # Once more against the JSON itself, past the writer and the reader of this test.
    architectures = {row["arch_id"]: row for row in duckdb_rows(folder / "architectures.parquet")}
    assert {row["hash"] for row in architectures.values()} == set(records)
    curves = duckdb_rows(folder / "curves.parquet")
    assert len(curves) == 27 * 3 * 3
    for row in curves:
        repeat = records[architectures[row["arch_id"]]["hash"]]["computed"]["108"][row["run"]]
        if row["epoch"]:
            point = {54: "halfway", 108: "final"}[row["epoch"]]
            assert row["elapsed_train_time_s"] == repeat[f"{point}_training_time"]
            for column, key in (("train", "train"), ("valid", "validation"), ("test", "test")):
                assert row[f"{column}_acc_pct"] == repeat[f"{point}_{key}_accuracy"] * 100
    report = json.loads((folder / "validation.json").read_text())
    assert [check["id"] for check in report["checks"] if not check["passed"]] == []


def test_golden_rows_of_nas_bench_101(built):
    folder = built.results("nb101", "only108")
    (cell,) = (
        row
        for row in duckdb_rows(folder / "architectures.parquet")
        if row["hash"] == "00005c142e6f48ac74fdcf73e3439874"
    )
    trials = [
        row for row in duckdb_rows(folder / "trials.parquet") if row["arch_id"] == cell["arch_id"]
    ]
    columns = ("train_acc_pct", "valid_acc_pct", "test_acc_pct", "train_time_total_s", "params")
    assert [tuple(row[column] for column in columns) for row in trials] == [
        (100, 92.41786599159241, 92.11738705635071, 1769.1279296875, 8_555_530),
        (100, 92.45793223381042, 91.90705418586731, 1768.2509765625, 8_555_530),
        (100, 93.04887652397156, 92.15745329856873, 1768.9759521484375, 8_555_530),
    ]
    half = [
        row
        for row in duckdb_rows(folder / "curves.parquet")
        if row["arch_id"] == cell["arch_id"] and row["epoch"] == 54
    ]
    times = [row["elapsed_train_time_s"] for row in half]
    assert times == [883.4580078125, 883.6810302734375, 883.4569702148438]
    assert tuple(half[0][column] for column in columns[:3]) == (
        82.82251358032227,
        77.76442170143127,
        77.40384340286255,
    )


def test_the_first_record_of_the_full_release(realdata, tmp_path):
    text = (realdata / "nb101" / "first_record_full.b64").read_text()
    path = tmp_path / "nasbench_full.tfrecord"
    path.write_bytes(base64.b64decode(text.partition("\n")[2]))
    assert path.stat().st_size == 417
    ((_, payload),) = plain.tfrecord_payloads(path)
    assert releases.frame(payload) == path.read_bytes()  # the checksums of the generator are right
    releases.write_table(
        tmp_path / "sources.yaml", {"nb101": {"full": [releases.describe(path)]}}, **REAL
    )
    folder = build(tmp_path, "nb101", "full")
    raw = plain.nb101(path)
    assert assert_artifacts(folder, "nb101", expected.nb101(raw, path.name)) > 50
    ((key, record),) = raw.items()
    assert key == ("00005c142e6f48ac74fdcf73e3439874", "cifar10", 4, 0)
    assert [point[0] for point in record["points"]] == [0.0, 2.0, 4.0]
    assert record["points"][0][1] == 0.0


def test_a_file_of_the_same_schema(realdata, tmp_path):
    """EC-NAS: unknown fields, other budgets; a partial release, and refused as the whole one."""
    path = tmp_path / "energy_4V9E.tfrecord"
    shutil.copyfile(realdata / "ecnas" / path.name, path)
    raw = plain.nb101(path)
    assert len(raw) == 1092
    row = {"nb101": {"full": [releases.describe(path)]}}
    releases.write_table(tmp_path / "sources.yaml", row, synthetic=False, partial=False)
    with pytest.raises(IncompleteReleaseError) as refused:
        build(tmp_path, "nb101", "full")
    for words in ("423624 architectures", "5083488 trainings", "91 architectures", "1092 train"):
        assert words in str(refused.value)
    assert not (tmp_path / "results").exists()
    folder = build(tmp_path, "nb101", "full", partial=True)
    assert assert_artifacts(folder, "nb101", expected.nb101(raw, path.name)) > 50_000


def test_order_of_the_repeats(built):
    """Runs count the records of a training in the order of the file."""
    trials = duckdb_rows(built.results("nb101", "only108") / "trials.parquet")
    for _cell, rows in itertools.groupby(trials, key=lambda row: row["arch_id"]):
        places = [row["source_pos"] for row in rows]
        assert places == sorted(places)
        assert len(places) == 3
