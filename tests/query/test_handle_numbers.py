"""Answers about single architectures, number by number against the Parquet tables."""

from __future__ import annotations

import json
import math
import pickle
import statistics

import numpy as np
import pytest

from nasbase.benchmarks import NAMES
from nasbase.errors import QueryError
from nasbase.tables.catalogue import series

RECORDS = ("nb201", "nats_tss", "nats_sss")


def same(one, two):
    """Equal, NaN to NaN."""
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    both = isinstance(one, float) and isinstance(two, float)
    return (both and math.isnan(one) and math.isnan(two)) or one == two


@pytest.mark.parametrize("name", NAMES)
def test_trials(bench, rows_of, name):
    handle = bench(name)
    expected = rows_of(name, "trials")
    for arch in handle:
        rows = [row for row in expected if row["arch_id"] == arch.arch_id]
        answered = handle.trials(arch.arch_id)
        assert len(answered) == len(rows)
        for trial, row in zip(answered, rows, strict=True):
            assert same(trial.to_dict(), row)
            assert all(same(getattr(trial, column), row[column]) for column in row)
            assert all(same(trial[column], row[column]) for column in row)
    one = expected[-1]
    keys = ("dataset", "num_epochs", "run")
    question = {key: one[key] for key in keys}
    if name == "nds":
        question["config_id"] = one["config_id"]
    (trial,) = handle.trials(one["arch_id"], **question)
    assert trial.trial_id == one["trial_id"]


@pytest.mark.parametrize("name", NAMES)
def test_trials_convert(bench, rows_of, name):
    handle = bench(name)
    arch_id = handle.sample(1, 3)[0].arch_id
    rows = [row for row in rows_of(name, "trials") if row["arch_id"] == arch_id]
    trials = handle.trials(arch_id)
    assert len(trials.to_arrow().to_pylist()) == len(rows)
    assert all(map(same, trials.to_arrow().to_pylist(), rows))
    assert list(trials.to_pandas()["trial_id"]) == [row["trial_id"] for row in rows]
    assert trials.trial_id == trials["trial_id"] == [row["trial_id"] for row in rows]
    assert trials[0].to_arrow().num_rows == len(trials[:1]) == 1
    assert trials.to_arrow().schema == handle.table("trials").to_arrow().schema.remove_metadata()


def test_released_nan_comes_back(bench, rows_of):
    handle = bench("nds")
    diverged = [row for row in rows_of("nds", "trials") if same(row["train_loss"], math.nan)]
    assert diverged, "no run of the sample diverged: nothing was tested"
    for row in diverged:
        (trial,) = handle.trials(row["arch_id"], config_id=row["config_id"], run=row["run"])
        assert math.isnan(trial.train_loss)
        assert math.isnan(trial.to_dict()["train_loss"])
        assert {note.code for note in trial.notes} >= {"diverged", "not-a-number"}
        assert "diverged" in repr(trial)
        question = {"dataset": row["dataset"], "config_id": row["config_id"]}
        assert math.isnan(handle.value(row["arch_id"], "train_loss", run=row["run"], **question))
        mean = handle.mean(row["arch_id"], **question)
        assert math.isnan(mean.train_loss)
        everything = handle.values("train_loss", dataset=row["dataset"])
        assert math.isnan(everything[everything.ids.tolist().index(row["config_id"])])


@pytest.mark.parametrize("name", NAMES)
def test_means(bench, rows_of, name):
    handle = bench(name)
    configurations = {}
    if name == "nds":
        configurations = {row["config_id"]: row for row in rows_of(name, "configurations")}
    for row in rows_of(name, "means"):
        question = {"dataset": row["dataset"], "num_epochs": row["num_epochs"]}
        arch_id = row.get("arch_id")
        if configurations:
            arch_id = configurations[row["config_id"]]["arch_id"]
            question["config_id"] = row["config_id"]
        mean = handle.mean(arch_id, **question)
        assert same(mean.to_dict(), row)
        assert mean.n == row["n"]
        assert same(mean.test_acc_pct if name in ("nb101", "nds") else mean.ori_test_acc_pct,
                    row.get("test_acc_pct_mean", row.get("ori_test_acc_pct_mean")))  # fmt: skip
    assert len(handle.means(arch_id)) >= 1
    assert handle.means(arch_id).to_arrow().num_rows == len(handle.means(arch_id))


def test_a_column_that_a_row_lacks_is_an_attribute_error(bench):
    trials = bench("nats_tss").trials(0)
    with pytest.raises(AttributeError, match="did you mean 'x_valid_acc_pct'"):
        _ = trials[0].x_valid_acc_pc
    with pytest.raises(AttributeError, match="did you mean"):
        _ = trials.x_valid_acc_pc
    with pytest.raises(QueryError, match="Did you mean 'x_valid_acc_pct'"):
        trials[0]["x_valid_acc_pc"]
    with pytest.raises(QueryError, match="Did you mean"):
        trials["x_valid_acc_pc"]
    with pytest.raises(AttributeError, match="read-only"):
        trials[0].x_valid_acc_pct = 100.0
    with pytest.raises(AttributeError, match="read-only"):
        del trials[0].seed


# ---------------------------------------------------------------------------------------------
# roles


ROLES = {
    ("nb101", "cifar10", "valid"): ("cifar10", "valid"),
    ("nb101", "cifar10", "test"): ("cifar10", "test"),
    **{
        (name, asked, role): answer
        for name in RECORDS
        for (asked, role), answer in {
            ("cifar10", "valid"): ("cifar10-valid", "x_valid"),
            ("cifar10", "test"): ("cifar10", "ori_test"),
            ("cifar10", "train"): ("cifar10", "train"),
            ("cifar10-valid", "valid"): ("cifar10-valid", "x_valid"),
            ("cifar10-valid", "test"): ("cifar10-valid", "ori_test"),
            ("cifar100", "valid"): ("cifar100", "x_valid"),
            ("cifar100", "test"): ("cifar100", "x_test"),
            ("ImageNet16-120", "valid"): ("ImageNet16-120", "x_valid"),
            ("ImageNet16-120", "test"): ("ImageNet16-120", "x_test"),
        }.items()
    },
    ("nds", "cifar10", "test"): ("cifar10", "test"),
    ("nds", "imagenet", "test"): ("imagenet", "test"),
}


@pytest.mark.parametrize(("name", "asked", "role"), ROLES)
def test_roles(bench, rows_of, name, asked, role):
    handle = bench(name)
    dataset, split = ROLES[name, asked, role]
    answered = handle.split_of(f"{role}_acc", asked)
    assert answered == (dataset, f"{split}_acc_pct", split)
    assert handle.split_of(role, asked.upper()) == answered
    assert handle.split_of(f"{role}_loss", asked).dataset == dataset if name in RECORDS else True
    num_epochs = handle.trainings[dataset][-1]
    for row in rows_of(name, "means"):
        if (row["dataset"], row["num_epochs"]) != (dataset, num_epochs):
            continue
        arch_id, more = row.get("arch_id"), {}
        if name == "nds":
            configuration = rows_of(name, "configurations")[row["config_id"]]
            arch_id, more = configuration["arch_id"], {"config_id": row["config_id"]}
        value = handle.value(arch_id, f"{role}_acc", dataset=asked, num_epochs=num_epochs, **more)
        assert same(float(value), row[f"{split}_acc_pct_mean"])
        assert (value.dataset, value.split, value.n) == (dataset, split, row["n"])
        assert same(value.sd, row[f"{split}_acc_pct_sd"])
        assert f"{split} of {dataset}" in repr(value)


def test_validation_of_cifar10_says_where_it_comes_from(bench):
    handle = bench("nats_tss")
    question = {"dataset": "CIFAR10", "num_epochs": 12}
    value = handle.value(0, "valid_acc", **question)
    for answer in (
        value,
        handle.curve(0, series="valid_acc", run=0, **question),
        handle.values("valid_acc", **question),
        handle.best(**question),
        handle.ecdf("valid_acc", **question),
        handle.pareto(maximize=["valid_acc", "test_acc"], **question),
        handle.rank_correlation("valid_acc", "test_acc", **question),
    ):
        assert "x_valid of cifar10-valid, which validates cifar10" in repr(answer)
    assert value.asked == "cifar10"
    assert value.dataset == "cifar10-valid"


@pytest.mark.parametrize(
    ("what", "column"),
    [
        ("x-valid", "x_valid_acc_pct"),
        ("ori-test", "ori_test_acc_pct"),
        ("x-test_loss", "x_test_loss"),
        ("ori_test_time", "ori_test_time_s"),
        ("x_test_acc_pct", "x_test_acc_pct"),
        ("train_acc5", "train_acc5_pct"),
        ("latency_s", "latency_s"),
        ("macs", "macs"),
    ],
)
def test_spellings_of_splits_and_columns(bench, what, column):
    answered = bench("nats_tss").split_of(what, "cifar100")
    assert answered.series == column
    assert answered.dataset == "cifar100"


@pytest.mark.parametrize(
    ("name", "hp", "num_epochs"),
    [
        ("nats_tss", "12", 12),
        ("nats_tss", "200", 200),
        ("nats_tss", 200, 200),
        ("nb201", "less", 12),
        ("nb201", "full", 200),
        ("nats_sss", "01", 1),
        ("nats_sss", "90", 90),
        ("nb101", "108", 108),
    ],
)
def test_hp(bench, name, hp, num_epochs):
    handle = bench(name)
    dataset = handle.datasets[0]
    assert set(handle.trials(handle.architectures[0], hp=hp).num_epochs) == {num_epochs}
    assert handle.mean(0, dataset=dataset, hp=hp).num_epochs == num_epochs
    assert handle.value(0, "test_acc", dataset=dataset, hp=hp).num_epochs == num_epochs


# ---------------------------------------------------------------------------------------------
# values


def test_a_value_is_a_float_that_explains_itself(bench):
    handle = bench("nats_tss")
    arch = next(a for a in handle if len(handle.trials(a, dataset="cifar100", hp=200)) == 3)
    value = handle.value(arch, "test_acc", dataset="cifar100", num_epochs=200)
    runs = handle.trials(arch, dataset="cifar100", num_epochs=200).x_test_acc_pct
    assert isinstance(value, float)
    assert value == sum(runs) / 3
    assert type(value - 1.0) is float
    assert f"{value:.2f}" == f"{sum(runs) / 3:.2f}"
    assert json.dumps(value) == json.dumps(float(value))
    assert math.isclose(value.sd, statistics.stdev(runs))
    assert f"mean of 3 runs, sd {value.sd:.6g}" in repr(value)
    assert value.unit == "%"
    assert value.to_dict()["value"] == float(value)
    assert value.to_dict()["synthetic"] is True
    assert value.to_pandas().loc[0, "split"] == "x_test"
    assert value.to_arrow().num_rows == 1
    with pytest.raises(AttributeError, match="read-only"):
        value.n = 1
    for run, number in enumerate(runs):
        one = handle.value(arch, "test_acc", dataset="cifar100", num_epochs=200, run=run)
        assert (float(one), one.run, one.n, one.sd) == (number, run, 1, None)
        by_seed = handle.value(arch, "test_acc", dataset="cifar100", hp="200", seed=one.seed)
        assert by_seed == one
        assert f"run {run}, seed {one.seed}" in repr(one)


@pytest.mark.parametrize("name", NAMES)
def test_values_at_every_released_epoch(bench, rows_of, name):
    """Each point of the long table is asked for, run by run; what it lacks is an error."""
    handle = bench(name)
    chosen = {one.arch_id for one in handle.sample(2, 5)}
    points = [row for row in rows_of(name, "curves") if row["arch_id"] in chosen]
    config = {row["trial_id"]: row.get("config_id") for row in rows_of(name, "trials")}
    names = [column.name for column in series(name)]
    asked = 0
    for row in points[:: max(1, len(points) // 150)]:
        question = {key: row[key] for key in ("dataset", "num_epochs", "run")}
        if name == "nds":
            question["config_id"] = config[row["trial_id"]]
        for column in names:
            if row[column] is None:
                with pytest.raises(QueryError, match="Upstream did not release"):
                    handle.value(row["arch_id"], column, at_epoch=row["epoch"], **question)
            else:
                value = handle.value(row["arch_id"], column, at_epoch=row["epoch"], **question)
                assert same(float(value), row[column])
                assert value.epoch == row["epoch"]
                asked += 1
    assert asked > 100


def test_means_at_an_epoch(bench, rows_of):
    handle = bench("nats_tss")
    arch = next(a for a in handle if len(handle.trials(a, dataset="cifar10", hp=200)) == 3)
    value = handle.value(arch, "test_acc", dataset="cifar10", num_epochs=200, at_epoch=12)
    points = [
        row["ori_test_acc_pct"]
        for row in rows_of("nats_tss", "curves")
        if (row["arch_id"], row["dataset"]) == (arch.arch_id, "cifar10")
        and (row["num_epochs"], row["epoch"]) == (200, 12)
    ]
    assert float(value) == sum(points) / 3
    assert math.isclose(value.sd, statistics.stdev(points))
    assert value.n == 3
    assert value != handle.value(arch, "test_acc", dataset="cifar10", num_epochs=12)


def test_sizes(bench, rows_of):
    handle = bench("nats_tss")
    for row in rows_of("nats_tss", "costs"):
        for column in ("params", "macs"):
            value = handle.value(row["arch_id"], column, dataset=row["dataset"])
            assert value == row[column]
        complexity = handle.complexity(row["arch_id"], row["dataset"])
        assert (complexity.params, complexity.macs) == (row["params"], row["macs"])
    assert value.n == 0
    assert "computed" in repr(value)


@pytest.mark.parametrize("name", NAMES)
def test_recorded_sizes(bench, rows_of, name):
    handle = bench(name)
    for arch in handle.sample(10, 2):
        rows = [row for row in rows_of(name, "trials") if row["arch_id"] == arch.arch_id]
        for dataset in {row["dataset"] for row in rows}:
            answer = handle.complexity(arch, dataset)
            there = [row for row in rows if row["dataset"] == dataset]
            columns = answer.to_dict()
            for name_, key in zip(answer.recorded, answer.columns[4:], strict=True):
                assert columns[name_] == [row[key] for row in there]
                if len({row[key] for row in there}) == 1:
                    assert getattr(answer, name_) == there[0][key]
            assert answer.to_pandas().shape[0] == len(there)


def test_wrong_recorded_sizes_are_not_passed_on_in_silence(bench, rows_of):
    handle = bench("nats_tss")
    errata = [
        json.loads(note["key"])["trial_id"]
        for note in rows_of("nats_tss", "notes")
        if note["kind"] == "erratum" and note["key"] and note["column"] == "params_m"
    ]
    assert errata, "no recorded size of the sample is wrong: nothing was tested"
    for trial_id in errata:
        row = rows_of("nats_tss", "trials")[trial_id]
        question = {"dataset": row["dataset"], "num_epochs": row["num_epochs"]}
        (trial,) = handle.trials(row["arch_id"], run=row["run"], **question)
        assert "erratum" in repr(trial)
        value = handle.value(row["arch_id"], "params_m", run=row["run"], **question)
        assert [note.kind for note in value.notes] == ["erratum"]
        assert "erratum" in repr(value)
        complexity = handle.complexity(row["arch_id"], row["dataset"])
        assert "erratum" in repr(complexity)
        runs = {trial.params_m for trial in handle.trials(row["arch_id"], dataset=row["dataset"])}
        if len(runs) > 1:
            with pytest.raises(QueryError, match="do not agree on params_m"):
                _ = complexity.params_m


# ---------------------------------------------------------------------------------------------
# curves


@pytest.mark.parametrize("name", NAMES)
def test_curves(bench, rows_of, name):
    handle = bench(name)
    chosen = {one.arch_id for one in handle.sample(3, 11)}
    curves: dict = {}
    for row in rows_of(name, "curves"):
        if row["arch_id"] in chosen:
            curves.setdefault(row["trial_id"], []).append(row)
    for trial_id, points in curves.items():
        first = points[0]
        question = {key: first[key] for key in ("dataset", "num_epochs", "run")}
        if name == "nds":
            question["config_id"] = rows_of(name, "trials")[trial_id]["config_id"]
        for column in (column.name for column in series(name)):
            there = [(row["epoch"], row[column]) for row in points if row[column] is not None]
            if not there:
                with pytest.raises(QueryError, match="Upstream did not release"):
                    handle.curve(first["arch_id"], series=column, **question)
                continue
            curve = handle.curve(first["arch_id"], series=column, **question)
            assert list(curve.epochs) == [epoch for epoch, _ in there]
            assert all(map(same, curve.values, [value for _, value in there]))
            assert same(curve.at(there[-1][0]), curve[-1])
            assert curve.to_arrow()["epoch"].to_pylist() == list(curve.epochs)
            with pytest.raises(QueryError, match="did not release"):
                curve.at(999)


@pytest.mark.parametrize("name", NAMES)
def test_series_values(bench, rows_of, name):
    handle = bench(name)
    single = {}
    for row in rows_of(name, "trials"):
        single.setdefault(row["arch_id"], set()).add(row.get("config_id"))
    chosen = {arch_id for arch_id, ways in list(single.items())[:8] if len(ways) == 1}
    expected: dict = {}
    for row in rows_of(name, "curves"):
        if row["arch_id"] in chosen and row["epoch"] > 0:
            key = tuple(row[k] for k in ("arch_id", "dataset", "num_epochs", "run"))
            expected.setdefault(key, []).append(row)
    assert expected
    for key, rows in expected.items():
        assert key[3] in handle.runs(*key[:3])
        for column in (column.name for column in series(name)):
            values = [None] * key[2]
            for row in rows:
                values[row["epoch"] - 1] = row[column]
            answered = handle.series_values(*key, column)
            assert len(answered) == key[2]
            assert all(map(same, answered, values))


# ---------------------------------------------------------------------------------------------
# all architectures at once


@pytest.mark.parametrize("name", NAMES)
def test_values_of_all(bench, rows_of, name):
    handle = bench(name)
    key = handle.subject
    ids = sorted(row["arch_id"] for row in rows_of(name, "architectures"))
    for dataset, schedules in handle.trainings.items():
        num_epochs = schedules[-1]
        rows = {
            row[key]: row
            for row in rows_of(name, "means")
            if (row["dataset"], row["num_epochs"]) == (dataset, num_epochs)
        }
        if name == "nds":
            ids = sorted(rows)
        for column in ("train_acc_pct", "train_loss" if name != "nb101" else "valid_acc_pct"):
            expected = [rows.get(i, {}).get(f"{column}_mean") for i in ids]
            question = {"dataset": dataset, "num_epochs": num_epochs}
            values = handle.values(column, missing="nan", **question)
            assert values.ids.tolist() == ids
            assert values.dtype == np.float64
            as_nan = [math.nan if number is None else number for number in expected]
            np.testing.assert_array_equal(np.asarray(values), as_nan)
            if None in expected:
                with pytest.raises(QueryError, match="missing='nan'"):
                    handle.values(column, **question)
            else:
                np.testing.assert_array_equal(values, handle.values(column, **question))


@pytest.mark.parametrize(
    ("name", "dataset", "num_epochs", "epoch"),
    [
        ("nb101", "cifar10", 108, 54),
        ("nats_tss", "cifar10", 200, 17),
        ("nats_sss", "ImageNet16-120", 90, 1),
        ("nds", "imagenet", 50, 3),
    ],
)
def test_values_of_all_at_an_epoch(bench, name, dataset, num_epochs, epoch):
    handle = bench(name)
    question = {"dataset": dataset, "num_epochs": num_epochs, "at_epoch": epoch}
    values = handle.values("test_acc", missing="nan", **question)
    first = handle.values("test_acc", missing="nan", run=0, **question)
    compared = 0
    for i, arch_id in enumerate(values.arch_ids.tolist()):
        more = {"config_id": int(values.ids[i])} if name == "nds" else {}
        if not math.isnan(values[i]):
            assert values[i] == handle.value(arch_id, "test_acc", **question, **more)
            assert first[i] == handle.value(arch_id, "test_acc", run=0, **question, **more)
            compared += 1
    assert compared > 10


def test_values_of_one_run_or_seed(bench, rows_of):
    handle = bench("nats_tss")
    question = {"dataset": "cifar100", "num_epochs": 200}
    for which in ({"run": 0}, {"run": 1}, {"seed": 999}):
        ((key, wanted),) = which.items()
        rows = {
            row["arch_id"]: row["x_test_acc_pct"]
            for row in rows_of("nats_tss", "trials")
            if (row["dataset"], row["num_epochs"], row[key]) == ("cifar100", 200, wanted)
        }
        values = handle.values("test_acc", missing="nan", **which, **question)
        expected = [rows.get(i, math.nan) for i in values.ids.tolist()]
        np.testing.assert_array_equal(np.asarray(values), expected)
    with pytest.raises(QueryError, match=r"\d+ of 48 have no x_test_acc_pct"):
        handle.values("test_acc", seed=999, **question)


def test_values_convert(bench):
    values = bench("nats_tss").values("test_acc", dataset="cifar100", num_epochs=12)
    assert values.to_pandas().index.name == "arch_id"
    assert values.to_arrow()["x_test_acc_pct"].to_pylist() == values.tolist()
    again = pickle.loads(pickle.dumps(values))
    assert repr(again) == repr(values)
    assert "x_test of cifar100" in str(values)
    assert "x_test" not in repr(values[:3] - 1)
    assert float(values.mean()) == pytest.approx(sum(values.tolist()) / len(values))
