"""Every question without an answer: an error that says what exists, never an empty answer."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

import nasbase
from nasbase.errors import QueryError

QUESTION = {"dataset": "cifar100", "num_epochs": 200}


def refused(ask, *words):
    """The message of the QueryError that a question ends with; it must hold all the words."""
    with pytest.raises(QueryError) as caught:
        ask()
    message = str(caught.value)
    for word in words:
        assert word in message, message
    return message


ASKS = {
    "trials": lambda bench, **q: bench.trials(0, **q),
    "mean": lambda bench, **q: bench.mean(0, **q),
    "means": lambda bench, **q: bench.means(0, **q),
    "value": lambda bench, **q: bench.value(0, "test_acc", **q),
    "curve": lambda bench, **q: bench.curve(0, series="test_acc", run=0, **q),
    "values": lambda bench, **q: bench.values("test_acc", **q),
    "best": lambda bench, **q: bench.best(**q),
    "pareto": lambda bench, **q: bench.pareto(maximize=("test_acc", "valid_acc"), **q),
    "ecdf": lambda bench, **q: bench.ecdf("test_acc", **q),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_unknown_names(bench, ask):
    handle = bench("nats_tss")
    refused(
        lambda: ask(handle, dataset="cifar-100x", num_epochs=200),
        "There is no data set 'cifar-100x'",
        "cifar10, cifar10-valid, cifar100, ImageNet16-120",
        "Did you mean 'cifar100'?",
    )
    refused(lambda: ask(handle, dataset="cifar100", num_epochs=90), "12", "200")
    refused(lambda: ask(handle, dataset="cifar100", hp="9x"), "no schedule '9x'", "full")
    refused(lambda: ask(handle, dataset="cifar100", hp="90"), "12", "200")
    refused(lambda: ask(handle, num_epochs=12, hp="200", dataset="cifar100"), "different schedules")
    refused(lambda: ask(handle, dataset="cifar100", num_epochs="200"), "not a whole number")
    refused(lambda: ask(handle, dataset="cifar100", num_epochs=200.0), "not a whole number")


@pytest.mark.parametrize("ask", [ASKS[n] for n in ASKS if n not in ("trials", "means")])
def test_a_question_with_several_answers_is_refused(bench, ask):
    handle = bench("nats_tss")
    refused(lambda: ask(handle, num_epochs=200), "does not say which data set", "cifar10-valid")
    refused(lambda: ask(handle, dataset="cifar10"), "does not say which training schedule", "12")


def test_the_only_data_set_and_schedule_need_no_naming(bench):
    nds = bench("nds")
    assert nds.values("test_acc", dataset="imagenet").num_epochs == 50
    assert bench("nb101").value(0, "test_acc", num_epochs=108).dataset == "cifar10"


def test_unknown_roles_and_columns(bench):
    handle = bench("nats_tss")
    refused(
        lambda: handle.value(0, "validacc", **QUESTION),
        "no role or column 'validacc'",
        "Did you mean 'valid_acc'?",
        "x_valid_acc_pct",
    )
    refused(lambda: handle.values("tets_acc", **QUESTION), "Did you mean 'test_acc'?")
    refused(lambda: handle.split_of(7, "cifar10"), "no role or column")
    refused(lambda: handle.split_of(["test_acc"], "cifar10"), "no role or column")
    refused(lambda: bench("nb101").value(0, "x_valid", num_epochs=108), "Did you mean")
    refused(
        lambda: handle.series_values(0, "cifar10", 200, 0, "ori_test_acc"),
        "no series",
        "Did you mean 'ori_test_acc_pct'?",
    )


def test_roles_that_nds_lacks(bench):
    handle = bench("nds")
    for ask in (
        lambda: handle.value(0, "valid_acc", dataset="cifar10"),
        lambda: handle.best(dataset="cifar10"),
        lambda: handle.values("valid_loss", dataset="imagenet"),
    ):
        refused(ask, "NDS has no validation split", "test_acc")


def test_validation_inside_a_long_run_was_released_for_cifar10_only(bench):
    handle = bench("nats_tss")
    message = refused(
        lambda: handle.value(0, "valid_acc", at_epoch=50, **QUESTION),
        "did not release x_valid_acc_pct at epoch 50 of 200-epoch runs on cifar100",
        "epoch 200 of 200",
        "on cifar100 upstream released train_acc_pct, ori_test_acc_pct",
        "x_valid_acc_pct on cifar10-valid",
    )
    assert message == refused(lambda: handle.value(0, "valid_acc", at_epoch=50, run=0, **QUESTION))
    assert message == refused(lambda: handle.values("valid_acc", at_epoch=50, **QUESTION))
    refused(lambda: handle.value(0, "valid_acc", at_epoch=201, **QUESTION), "epoch 200 of 200")
    refused(lambda: handle.value(0, "valid_acc", at_epoch=0, **QUESTION), "epoch 200 of 200")
    curve = handle.curve(0, series="valid_acc", run=0, **QUESTION)
    assert list(curve.epochs) == [200]
    refused(lambda: curve.at(50), "epoch 200 of 200")


def test_splits_that_a_data_set_lacks(bench):
    handle = bench("nats_tss")
    words = ("x_valid_acc_pct", "at no epoch", "on cifar10-valid")
    refused(lambda: handle.value(0, "x-valid", dataset="cifar10", num_epochs=12), *words)
    refused(lambda: handle.values("x-valid", dataset="cifar10", num_epochs=12), *words)
    refused(lambda: handle.curve(0, series="x-valid", run=0, dataset="cifar10", hp="12"), *words)
    refused(
        lambda: handle.best(select="x-valid", dataset="cifar10", num_epochs=12),
        "Upstream released no x_valid_acc_pct there",
    )
    row = handle.mean(0, dataset="cifar10", num_epochs=12)
    assert row.x_valid_acc_pct is None


def test_top5_was_recorded_in_short_runs_only(bench):
    handle = bench("nats_tss")
    assert handle.value(0, "train_acc5", dataset="cifar10", num_epochs=12) > 0
    refused(
        lambda: handle.value(0, "train_acc5", dataset="cifar10", num_epochs=200),
        "did not release train_acc5_pct",
    )


def test_points_of_nb101(bench):
    handle = bench("nb101")
    refused(lambda: handle.value(0, "valid_acc", num_epochs=108, at_epoch=50), "epoch 0, 54, 108")
    assert handle.value(0, "valid_acc", num_epochs=108, at_epoch=0) < 20


def test_what_has_no_curve(bench):
    handle = bench("nats_tss")
    refused(lambda: handle.curve(0, series="latency_s", run=0, **QUESTION), "whole run")
    refused(lambda: handle.value(0, "latency_s", at_epoch=3, **QUESTION), "whole run")
    refused(lambda: handle.values("latency_s", at_epoch=3, **QUESTION), "whole run")
    refused(lambda: handle.curve(0, series="macs", run=0, **QUESTION), "whole run")


def test_runs_and_seeds_that_do_not_exist_are_listed(bench):
    handle = bench("nats_tss")
    words = ("has no such run", "num_epochs=200, run=0, seed=777", "cifar100")
    for which in ({"run": 7}, {"seed": 111}, {"run": 0, "seed": 888}):
        refused(lambda which=which: handle.trials(0, **which, **QUESTION), *words)
        refused(lambda which=which: handle.value(0, "test_acc", **which, **QUESTION), *words)
        refused(
            lambda which=which: handle.value(0, "test_acc", at_epoch=9, **which, **QUESTION), *words
        )
        refused(lambda which=which: handle.curve(0, series="test", **which, **QUESTION), *words)
    refused(lambda: handle.series_values(0, "cifar100", 200, 7, "train_acc_pct"), *words)
    refused(lambda: handle.trials(0, seed=5), "has no such run", "seed=111")


def test_a_curve_is_of_one_run(bench):
    handle = bench("nats_tss")
    several = next(a for a in handle if len(handle.runs(a.arch_id, "cifar10", 200)) > 1)
    single = next(a for a in handle if len(handle.runs(a.arch_id, "cifar10", 200)) == 1)
    question = {"series": "test_acc", "dataset": "cifar10", "num_epochs": 200}
    refused(lambda: handle.curve(several, **question), "the question is about one", "seed=777")
    assert handle.curve(single, **question).run == 0


def test_other_benchmarks_have_no_configurations(bench):
    handle = bench("nats_tss")
    for ask in (
        lambda: handle.trials(0, proposer="amoeba"),
        lambda: handle.mean(0, base_lr=0.1, **QUESTION),
        lambda: handle.value(0, "test_acc", generator="random", **QUESTION),
        lambda: handle.values("test_acc", model_family="nas_cell", **QUESTION),
        lambda: handle.best(proposer="amoeba", **QUESTION),
    ):
        refused(ask, "There is no filter")


# ---------------------------------------------------------------------------------------------
# NDS: configurations are never averaged


@pytest.fixture
def trained_twice(home, rows_of, tmp_path):
    """An NDS architecture with two configurations: in a copy, one gets another one's trainings."""
    shutil.copytree(home / "nds", tmp_path / "nds")
    shutil.copy(home / "catalog.json", tmp_path)
    cifar = [row for row in rows_of("nds", "configurations") if row["dataset"] == "cifar10"]
    first = cifar[0]
    second = next(row for row in cifar if row["base_lr"] != first["base_lr"])
    with sqlite3.connect(tmp_path / "nds" / "sample" / "nds.sqlite") as database:
        for table in ("configurations", "trials"):
            database.execute(
                f"UPDATE {table} SET arch_id = ? WHERE config_id = ?",
                (first["arch_id"], second["config_id"]),
            )
    database.close()
    rows = sorted([first, second], key=lambda row: row["config_id"])
    return nasbase.open("nds", home=tmp_path), first["arch_id"], "cifar10", rows


def test_configurations_are_never_averaged(trained_twice):
    handle, arch_id, dataset, rows = trained_twice
    words = ["never averaged", *(f"config_id={row['config_id']}" for row in rows)]
    refused(lambda: handle.mean(arch_id, dataset=dataset), *words)
    refused(lambda: handle.value(arch_id, "test_acc", dataset=dataset), *words)
    refused(lambda: handle.value(arch_id, "test_acc", dataset=dataset, run=0), *words)
    refused(lambda: handle.value(arch_id, "test_acc", dataset=dataset, at_epoch=3), *words)
    refused(lambda: handle.runs(arch_id, dataset, rows[0]["num_epochs"]), *words)
    refused(
        lambda: handle.series_values(arch_id, dataset, rows[0]["num_epochs"], 0, "test_acc_pct"),
        *words,
    )
    refused(lambda: handle.curve(arch_id, series="test_acc", dataset=dataset), "question is about")
    assert handle.means(arch_id, dataset=dataset).config_id == [row["config_id"] for row in rows]


def test_a_configuration_is_named_by_what_differs(trained_twice):
    handle, arch_id, dataset, rows = trained_twice
    for row in rows:
        names = ("proposer", "generator", "base_lr", "weight_decay")
        mean = handle.mean(arch_id, dataset=dataset, **{name: row[name] for name in names})
        assert mean.config_id == row["config_id"]
        value = handle.value(arch_id, "test_acc", dataset=dataset, config_id=row["config_id"])
        assert value == mean.test_acc_pct
    refused(
        lambda: handle.mean(arch_id, dataset=dataset, base_lr=123.0), "has no such run", "base_lr"
    )
    refused(lambda: handle.mean(arch_id, dataset=dataset, lr=0.1), "Did you mean 'base_lr'?")


# ---------------------------------------------------------------------------------------------
# questions about all architectures


def test_best_says_what_is_wrong(bench):
    handle = bench("nats_tss")
    refused(lambda: handle.best(k=0, **QUESTION), "at least 1")
    refused(lambda: handle.best(rule="max", **QUESTION), "mean or trial")
    refused(lambda: handle.best(max_param=5, **QUESTION), "no filter", "Did you mean 'max_params'?")
    refused(lambda: handle.best(max_params="5", **QUESTION), "not a number")
    refused(lambda: handle.best(max_params=5, **QUESTION), "Nothing passes the filters", "of 48")
    refused(lambda: handle.best(where={"op": "none"}, **QUESTION), "no column of architectures")
    refused(lambda: handle.best(where=lambda _: False, **QUESTION), "Nothing passes")
    refused(lambda: handle.best(select="params_m", **QUESTION), "cannot be ranked by params_m")
    refused(lambda: handle.values("test_acc", max_params=5, **QUESTION), "Nothing passes")
    refused(lambda: handle.values("test_acc", missing="zero", **QUESTION), "'nan'")


def test_fronts_and_correlations_say_what_is_wrong(bench):
    handle = bench("nats_tss")
    refused(lambda: handle.pareto(maximize="test_acc", **QUESTION), "at least two")
    refused(lambda: handle.rank_correlation([1.0, 2.0], "test_acc", **QUESTION), "48 numbers")
    refused(lambda: handle.rank_correlation([float("nan")] * 48, "test_acc", **QUESTION), "48 NaN")
    refused(
        lambda: handle.rank_correlation("params", "test_acc", top=[10], **QUESTION), "at most 1"
    )
    refused(lambda: handle.rank_correlation({0: 1.0}, "test_acc", **QUESTION), "fewer than two")
    distribution = handle.ecdf("test_acc", **QUESTION)
    refused(lambda: distribution.quantile(1.5), "at most 1")
