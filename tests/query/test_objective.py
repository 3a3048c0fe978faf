"""The objective in HPOBench's style, and the defects of HPOBench's NAS-Bench-201 as tests."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest

from nasbase.errors import QueryError, SpaceError


@pytest.fixture
def nb201(bench):
    return bench("nb201")


def configuration_of(bench, arch_id):
    row = bench[arch_id]
    stored = (row.adjacency, row.operations) if bench.name == "nb101" else row.arch_str
    return bench.space.to_config(stored)


@pytest.mark.parametrize("name", ["nb101", "nb201", "nats_tss", "nats_sss"])
def test_it_answers_like_the_clock(bench, name):
    one = bench(name)
    arch_id = one.architectures[4].arch_id
    objective = one.objective("cifar10", seed=0)
    answer = objective.objective_function(configuration_of(one, arch_id))
    info = answer["info"]
    clock = one.simulator("cifar10", num_epochs=max(one.schedules))
    seen = clock.evaluate(arch_id, run=info["run"])
    assert answer["function_value"] == 100 - seen.value == 100 - info["valid_acc_pct"]
    assert answer["cost"] == seen.time_s == info["train_time_s"] + info["eval_time_s"]
    assert (info["status"], info["arch_id"]) == ("ok", arch_id)
    assert (info["dataset"], info["split"]) == (seen.dataset, seen.split)
    assert info["fidelity"] == {"num_epochs": seen.num_epochs, "epoch": seen.epoch}
    assert info["synthetic"] is True
    assert not [key for key in info if "test" in key]


def test_a_fidelity_is_a_schedule_and_an_epoch(nb201):
    objective = nb201.objective("cifar10", seed=0)
    arch_id = nb201.architectures[0].arch_id
    ask = objective.objective_function
    long = ask(arch_id, {"num_epochs": 200, "epoch": 12}, run="mean")
    short = ask(arch_id, {"num_epochs": 12}, run="mean")
    assert long["info"]["fidelity"] == {"num_epochs": 200, "epoch": 12}
    assert short["info"]["fidelity"] == {"num_epochs": 12, "epoch": 12}
    assert long["function_value"] != short["function_value"]
    assert ask(arch_id)["info"]["fidelity"] == {"num_epochs": 200, "epoch": 200}
    for wrong in ({"budget": 12}, {"num_epochs": 12, "iepoch": 3}):
        with pytest.raises(QueryError, match="a schedule and an epoch"):
            ask(arch_id, wrong)
    with pytest.raises(QueryError, match="an epoch from 1 to 12"):
        ask(arch_id, {"num_epochs": 12, "epoch": 13})
    with pytest.raises(QueryError, match="12, 200"):
        ask(arch_id, {"num_epochs": 50})


def test_fidelities_are_what_was_validated(bench):
    tss = bench("nats_tss")
    assert tss.objective("cifar10").fidelities() == tuple(
        (num_epochs, epoch) for num_epochs in (12, 200) for epoch in range(1, num_epochs + 1)
    )
    assert tss.objective("cifar100").fidelities() == (
        *((12, epoch) for epoch in range(1, 13)),
        (200, 200),
    )
    assert bench("nb101").objective("cifar10").fidelities() == (
        (4, 2), (4, 4), (12, 6), (12, 12), (36, 18), (36, 36), (108, 54), (108, 108),
    )  # fmt: skip
    for fidelity in tss.objective("cifar100").fidelities():
        ask = tss.objective("cifar100").objective_function
        ask(0, dict(zip(("num_epochs", "epoch"), fidelity, strict=True)))


# ---------------------------------------------------------------------------------------------
# what HPOBench's NAS-Bench-201 gets wrong


def test_the_test_score_is_not_the_validation_score(bench):
    """HPOBench reads its test accuracy from the validation key."""
    tss = bench("nats_tss")
    for dataset, split in (("cifar10", "ori_test"), ("cifar100", "x_test")):
        objective = tss.objective(dataset, seed=0)
        for row in tss.architectures[:5]:
            valid = objective.objective_function(row.arch_id, run="mean")
            test = objective.objective_function_test(row.arch_id)
            assert test["info"]["split"] == split
            assert test["info"]["test_acc_pct"] == tss.value(
                row.arch_id, "test_acc", dataset=dataset, num_epochs=200
            )
            assert test["function_value"] == 100 - test["info"]["test_acc_pct"]
            assert test["function_value"] != valid["function_value"]


def test_the_first_epoch_is_charged(nb201):
    """HPOBench's sums of times start at the second epoch: its first one is free."""
    arch_id = nb201.architectures[0].arch_id
    answer = nb201.objective("cifar10", seed=0).objective_function(
        arch_id, {"num_epochs": 200, "epoch": 1}, run=0
    )
    times = {
        series: nb201.series_values(arch_id, "cifar10-valid", 200, 0, series)[0]
        for series in ("train_time_s", "x_valid_time_s")
    }
    assert answer["info"]["train_time_s"] == times["train_time_s"] > 0
    assert answer["info"]["eval_time_s"] == times["x_valid_time_s"] > 0


def test_no_seed_is_assumed(bench):
    """HPOBench wants seeds 777, 888 and 999 of every network, and copies those that are missing."""
    tss = bench("nats_tss")
    lengths = {row.arch_id: len(tss.runs(row.arch_id, "cifar10-valid", 200)) for row in tss}
    assert min(lengths.values()) < 3 <= max(lengths.values())
    objective = tss.objective("cifar10", seed=0)
    for arch_id, count in lengths.items():
        drawn = {objective.objective_function(arch_id)["info"]["run"] for _ in range(20)}
        assert drawn <= set(range(count))
        assert objective.objective_function_test(arch_id)["info"]["n"] == len(
            tss.runs(arch_id, "cifar10", 200)
        )


# ---------------------------------------------------------------------------------------------
# what is no architecture, and what is not there


def test_an_invalid_cell_has_a_status(bench):
    nb101 = bench("nb101")
    objective = nb101.objective("cifar10", seed=0)
    valid = configuration_of(nb101, 3)
    all_edges = valid | {name: 1 for name in valid if name.startswith("edge_")}
    no_edges = valid | {name: 0 for name in valid if name.startswith("edge_")}
    for configuration in (all_edges, no_edges):
        for ask in (objective.objective_function, objective.objective_function_test):
            answer = ask(configuration)
            assert (answer["function_value"], answer["cost"]) == (100.0, 0.0)
            assert answer["info"]["status"] == "invalid"
            assert answer["info"]["reason"]
    assert objective.objective_function(valid)["info"]["status"] == "ok"
    with pytest.raises(SpaceError):  # a misspelt hash is a mistake, not a bad network
        objective.objective_function("not a hash")


def test_a_mistake_in_another_space_stays_an_error(bench):
    with pytest.raises(SpaceError, match="nor_conv_3x3"):
        bench("nats_tss").objective("cifar10").objective_function(
            {"0_1": "nor_conv_3x33", "0_2": "none", "1_2": "none", "0_3": "none", "1_3": "none",
             "2_3": "none"}
        )  # fmt: skip


def test_an_architecture_that_is_not_built_is_an_error(bench):
    sss = bench("nats_sss")
    absent = next(i for i in range(100) if i not in {row.arch_id for row in sss})
    for ask in ("objective_function", "objective_function_test"):
        with pytest.raises(QueryError, match="does not hold architecture"):
            getattr(sss.objective("cifar10"), ask)(absent)


def test_nds_has_no_objective(bench):
    with pytest.raises(QueryError, match="NDS has no validation split"):
        bench("nds").objective("cifar10")


def test_what_was_never_released_is_refused(bench):
    tss = bench("nats_tss")
    with pytest.raises(QueryError, match="one of the epochs 200"):
        tss.objective("cifar100").objective_function(0, {"num_epochs": 200, "epoch": 50})
    answer = tss.objective("cifar100", fallback="ori_test").objective_function(
        0, {"num_epochs": 200, "epoch": 50}
    )
    assert answer["info"]["split"] == "ori_test"
    with pytest.raises(QueryError, match="at the end of the training"):
        tss.objective("cifar100").objective_function_test(0, {"num_epochs": 200, "epoch": 50})


# ---------------------------------------------------------------------------------------------
# draws


def test_rng_decides_the_run(bench):
    tss = bench("nats_tss")

    def drawn(objective, **rng):
        ask = objective.objective_function
        return [ask(row.arch_id, **rng)["info"]["run"] for row in tss]

    own = drawn(tss.objective("cifar10", seed=5))
    assert drawn(tss.objective("cifar10", seed=5)) == own
    assert drawn(tss.objective("cifar10", seed=6)) != own
    any_ = tss.objective("cifar10")
    for make in (int, random.Random, np.random.default_rng, np.random.RandomState):
        assert drawn(any_, rng=make(3)) == drawn(any_, rng=make(3))


def test_mean_or_one_run(bench):
    tss = bench("nats_tss")
    arch_id = next(r.arch_id for r in tss if len(tss.runs(r.arch_id, "cifar10-valid", 200)) > 1)
    ask = tss.objective("cifar10").objective_function
    values = [ask(arch_id, run=run)["function_value"] for run in (0, 1)]
    assert len(set(values)) == 2
    mean = ask(arch_id, run="mean")
    assert mean["info"]["run"] is None
    assert 100 - mean["function_value"] == pytest.approx(
        tss.value(arch_id, "valid_acc", dataset="cifar10", num_epochs=200)
    )
    with pytest.raises(QueryError, match="no way to choose a run"):
        ask(arch_id, run="best")


# ---------------------------------------------------------------------------------------------
# spaces of the package ConfigSpace


def test_without_the_package_the_error_names_it(bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "ConfigSpace", None)
    with pytest.raises(QueryError, match="pip install ConfigSpace"):
        bench("nats_tss").objective("cifar10").get_fidelity_space()


@pytest.mark.parametrize("name", ["nb101", "nats_tss", "nats_sss"])
def test_configurations_can_be_drawn(bench, name):
    pytest.importorskip("ConfigSpace")
    one = bench(name)
    objective = one.objective("cifar10", seed=0)
    space = objective.get_configuration_space(seed=1)
    for configuration in space.sample_configuration(40):
        if not one.space.is_valid(configuration):
            answer = objective.objective_function(configuration)
            assert (name, answer["info"]["status"]) == ("nb101", "invalid")
        elif configuration in one:
            assert objective.objective_function(configuration)["info"]["status"] == "ok"
        else:  # most of the space is not in a sample
            with pytest.raises(QueryError, match="does not hold architecture"):
                objective.objective_function(configuration)
    fidelity = objective.get_fidelity_space(seed=1).get_default_configuration()
    answer = objective.objective_function(one.architectures[0].arch_id, dict(fidelity))
    assert answer["info"]["fidelity"]["num_epochs"] == max(one.schedules)
