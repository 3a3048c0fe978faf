"""Questions about all architectures, against brute force over the Parquet tables."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.tables.statistics import (
    inversions,
    kendall_tau_b,
    mean_ranks,
    non_dominated,
    pearson,
    spearman,
)

QUESTION = {"dataset": "cifar10", "num_epochs": 200}


@pytest.fixture
def table(rows_of):
    """Per architecture: means of cifar10-valid and cifar10, and the computed sizes."""
    means = {
        (row["arch_id"], row["dataset"]): row
        for row in rows_of("nats_tss", "means")
        if row["num_epochs"] == 200
    }
    costs = {(row["arch_id"], row["dataset"]): row for row in rows_of("nats_tss", "costs")}
    architectures = {row["arch_id"]: row for row in rows_of("nats_tss", "architectures")}
    return {
        arch_id: {
            **architecture,
            "valid": means[arch_id, "cifar10-valid"]["x_valid_acc_pct_mean"],
            "test": means[arch_id, "cifar10"]["ori_test_acc_pct_mean"],
            "latency": means[arch_id, "cifar10-valid"]["latency_s_mean"],
            "loss": means[arch_id, "cifar10-valid"]["x_valid_loss_mean"],
            "params": costs[arch_id, "cifar10"]["params"],
            "macs": costs[arch_id, "cifar10"]["macs"],
        }
        for arch_id, architecture in architectures.items()
    }


def ranked(rows, key, k, *, smaller=False):
    there = [arch_id for arch_id in rows if not math.isnan(rows[arch_id][key])]
    sign = 1 if smaller else -1
    return sorted(there, key=lambda arch_id: (sign * rows[arch_id][key], arch_id))[:k]


def test_best(bench, table):
    answer = bench("nats_tss").best(k=10, **QUESTION)
    assert [one.arch_id for one in answer] == ranked(table, "valid", 10)
    for rank, one in enumerate(answer, start=1):
        row = table[one.arch_id]
        assert (one.rank, one.architecture) == (rank, row["arch_str"])
        assert float(one.selected) == row["valid"]
        assert float(one.reported) == row["test"]
        assert one.selected.dataset == "cifar10-valid"
        assert one.reported.split == "ori_test"
    assert list(answer.to_pandas()["arch_id"]) == [one.arch_id for one in answer]
    assert answer[0].arch_id == bench("nats_tss").best(**QUESTION)[0].arch_id


def test_smaller_losses_are_better(bench, table):
    answer = bench("nats_tss").best(select="valid_loss", report=None, k=5, **QUESTION)
    assert [one.arch_id for one in answer] == ranked(table, "loss", 5, smaller=True)
    assert answer[0].reported is None


@pytest.mark.parametrize(
    ("limits", "passes"),
    [
        ({"max_params": 600_000}, lambda row: row["params"] <= 600_000),
        ({"min_params": 600_000}, lambda row: row["params"] >= 600_000),
        ({"max_macs": 5e7, "min_macs": 1e7}, lambda row: 1e7 <= row["macs"] <= 5e7),
        ({"max_latency_s": 0.016}, lambda row: row["latency"] <= 0.016),
        ({"where": {"op_0_1": "nor_conv_3x3"}}, lambda row: row["op_0_1"] == "nor_conv_3x3"),
        (
            {"where": {"op_0_1": ["none", "skip_connect"]}, "max_params": 400_000},
            lambda row: row["op_0_1"] in ("none", "skip_connect") and row["params"] <= 400_000,
        ),
        (
            {"where": lambda arch: "none" not in arch.text},
            lambda row: "none" not in row["arch_str"],
        ),
    ],
)
def test_filters(bench, table, limits, passes):
    handle = bench("nats_tss")
    chosen = {arch_id: row for arch_id, row in table.items() if passes(row)}
    assert 0 < len(chosen) < len(table)
    answer = handle.best(k=48, **limits, **QUESTION)
    assert [one.arch_id for one in answer] == ranked(chosen, "valid", 48)
    values = handle.values("valid_acc", **limits, **QUESTION)
    assert values.ids.tolist() == sorted(chosen)
    assert values.tolist() == [chosen[arch_id]["valid"] for arch_id in sorted(chosen)]


def test_best_single_trial(bench, rows_of):
    answer = bench("nats_tss").best(rule="trial", k=48, **QUESTION)
    best: dict = {}
    for row in rows_of("nats_tss", "trials"):
        if (row["dataset"], row["num_epochs"]) == ("cifar10-valid", 200):
            key = (-row["x_valid_acc_pct"], row["run"])
            best[row["arch_id"]] = min(key, best.get(row["arch_id"], (0.0, 0)))
    expected = sorted(best, key=lambda arch_id: (best[arch_id][0], arch_id))
    assert [one.arch_id for one in answer] == expected
    assert [-one.selected for one in answer] == [best[i][0] for i in expected]
    assert [one.selected.run for one in answer] == [best[i][1] for i in expected]
    assert all(one.selected.n == 1 for one in answer)
    # Reported on another data set, whose runs are others: the mean over them.
    assert all(one.reported.run is None for one in answer)
    same = bench("nats_tss").best(rule="trial", dataset="cifar100", num_epochs=200, k=3)
    assert all(one.reported.run == one.selected.run for one in same)


def test_ties_go_to_the_lowest_index(home, tmp_path):
    """Two architectures get the same mean in a copy of a database."""
    import shutil
    import sqlite3

    import nasbase

    shutil.copytree(home / "nb101", tmp_path / "nb101")
    shutil.copy(home / "catalog.json", tmp_path)
    path = tmp_path / "nb101" / "sample" / "nb101.sqlite"
    with sqlite3.connect(path) as database:
        database.execute(
            "UPDATE means SET valid_acc_pct_mean = 99.5 WHERE arch_id IN (3, 40, 7) "
            "AND num_epochs = 108"
        )
    database.close()
    answer = nasbase.open("nb101", home=tmp_path).best(num_epochs=108, k=4)
    assert [one.arch_id for one in answer][:3] == [3, 7, 40]


def test_nds_filters(bench, rows_of):
    handle = bench("nds")
    architectures = {row["arch_id"]: row for row in rows_of("nds", "architectures")}
    means = {row["config_id"]: row["test_acc_pct_mean"] for row in rows_of("nds", "means")}
    params = {row["config_id"]: row["params"] for row in rows_of("nds", "trials")}
    rows = [row for row in rows_of("nds", "configurations") if row["dataset"] == "cifar10"]
    question = {"dataset": "cifar10", "select": "test_acc", "k": 500}
    for limits, passes in (
        ({}, lambda _: True),
        (
            {"model_family": "nas_cell"},
            lambda row: architectures[row["arch_id"]]["model_family"] == "nas_cell",
        ),
        ({"proposer": rows[0]["proposer"]}, lambda row: row["proposer"] == rows[0]["proposer"]),
        (
            {"generator": ["fix_w_d", "tune_lr_wd"]},
            lambda row: row["generator"] in ("fix_w_d", "tune_lr_wd"),
        ),
        (
            {"generator": "random", "max_params": 2_000_000},
            lambda row: row["generator"] == "random" and params[row["config_id"]] <= 2_000_000,
        ),
        ({"base_lr": 0.1}, lambda row: row["base_lr"] == 0.1),
    ):
        chosen = [row["config_id"] for row in rows if passes(row)]
        assert chosen, limits
        expected = sorted(chosen, key=lambda config_id: (-means[config_id], config_id))
        answer = handle.best(**question, **limits)
        assert [one.config_id for one in answer] == expected
        values = handle.values("test_acc", dataset="cifar10", **limits)
        assert values.ids.tolist() == sorted(chosen)
        owner = {row["config_id"]: row["arch_id"] for row in rows}
        assert values.arch_ids.tolist() == [owner[i] for i in sorted(chosen)]


# ---------------------------------------------------------------------------------------------
# Pareto fronts


def dominated(row, rows):
    return any(
        all(a >= b for a, b in zip(other, row, strict=True)) and other != row for other in rows
    )


@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(st.tuples(*[st.integers(0, 6)] * width), min_size=1, max_size=40)
    )
)
def test_non_dominated_by_brute_force(rows):
    expected = [not dominated(row, rows) for row in rows]
    assert non_dominated(np.array(rows, dtype=float)).tolist() == expected


def test_pareto(bench, table):
    front = bench("nats_tss").pareto(maximize="test_acc", minimize=["params"], **QUESTION)
    rows = {arch_id: (row["test"], -row["params"]) for arch_id, row in table.items()}
    expected = {arch_id for arch_id, row in rows.items() if not dominated(row, rows.values())}
    assert set(front.ids) == expected
    assert front.considered == len(table)
    accuracies = front.to_dict()["test_acc"]
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies == [table[arch_id]["test"] for arch_id in front.ids]
    assert front.to_pandas().shape == (len(front), 3)


# ---------------------------------------------------------------------------------------------
# rank correlation


def tau_b_by_pairs(x, y):
    concordant = discordant = tied_x = tied_y = 0
    for i, j in combinations(range(len(x)), 2):
        dx, dy = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
        tied_x += dx == 0
        tied_y += dy == 0
        concordant += dx * dy > 0
        discordant += dx * dy < 0
    pairs = len(x) * (len(x) - 1) // 2
    return (concordant - discordant) / math.sqrt((pairs - tied_x) * (pairs - tied_y))


numbers = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=40)


@given(numbers)
def test_correlations_by_brute_force(pairs):
    x, y = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(kendall_tau_b(x, y))
        assert math.isnan(spearman(x, y))
        assert math.isnan(pearson(x, y))
        return
    assert math.isclose(kendall_tau_b(x, y), tau_b_by_pairs(x, y), abs_tol=1e-12)
    assert math.isclose(pearson(x, y), np.corrcoef(x, y)[0, 1], abs_tol=1e-12)
    ranks = [[sum(b < a for b in z) + (sum(b == a for b in z) + 1) / 2 for a in z] for z in (x, y)]
    assert mean_ranks(x).tolist() == ranks[0]
    assert math.isclose(spearman(x, y), np.corrcoef(*ranks)[0, 1], abs_tol=1e-12)


@given(st.lists(st.integers(0, 50), max_size=60))
def test_inversions_by_brute_force(ranks):
    expected = sum(ranks[i] > ranks[j] for i, j in combinations(range(len(ranks)), 2))
    assert inversions(np.array(ranks, dtype=np.int64)) == expected


def test_correlations_agree_with_scipy():
    scipy = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=2000).round(1), rng.normal(size=2000).round(1)
    assert math.isclose(kendall_tau_b(x, y), scipy.kendalltau(x, y).statistic, abs_tol=1e-12)
    assert math.isclose(spearman(x, y), scipy.spearmanr(x, y).statistic, abs_tol=1e-12)


def test_rank_correlation(bench, table):
    handle = bench("nats_tss")
    answer = handle.rank_correlation("params", "test_acc", top=[1, 0.25], **QUESTION)
    ids = sorted(table)
    x = np.array([float(table[i]["params"]) for i in ids])
    y = np.array([table[i]["test"] for i in ids])
    best = np.argsort(-y, kind="stable")[:12]
    assert answer.n == (48, 12)
    assert math.isclose(answer.kendall[0], tau_b_by_pairs(x, y))
    assert math.isclose(answer.kendall[1], tau_b_by_pairs(x[best], y[best]))
    assert math.isclose(answer.pearson[1], np.corrcoef(x[best], y[best])[0, 1])
    assert answer.to_pandas().shape == (2, 5)
    values = handle.values("params", dataset="cifar10")
    assert handle.rank_correlation(values, "test_acc", **QUESTION).spearman == answer.spearman[:1]
    assert handle.rank_correlation(x.tolist(), y.tolist()).kendall == answer.kendall[:1]
    some = {handle[i].text: table[i]["params"] for i in ids[::3]}
    answer = handle.rank_correlation(some, "test_acc", **QUESTION)
    assert answer.n == (16,)
    assert math.isclose(answer.kendall[0], tau_b_by_pairs(x[::3], y[::3]))


def test_the_top_by_a_loss_is_where_it_is_small(bench):
    handle = bench("nats_tss")
    question = {"dataset": "cifar10-valid", "num_epochs": 12}
    losses = handle.values("test_loss", **question)
    answer = handle.rank_correlation("test_acc", "test_loss", top=[0.25], **question)
    best = np.argsort(losses, kind="stable")[:12]
    accuracies = np.asarray(handle.values("test_acc", **question))[best]
    assert math.isclose(answer.pearson[0], np.corrcoef(accuracies, np.asarray(losses)[best])[0, 1])


# ---------------------------------------------------------------------------------------------
# empirical distribution


def test_ecdf(bench, table):
    answer = bench("nats_tss").ecdf("test_acc", **QUESTION)
    tests = sorted(row["test"] for row in table.values())
    assert answer.n == 48
    assert answer.p[-1] == 1.0
    for number in (*tests, tests[0] - 1, tests[-1] + 1):
        assert answer.at(number) == sum(test <= number for test in tests) / 48
    assert answer.quantile(0.5) == tests[23]
    assert answer.quantile(1.0) == tests[-1]
    assert answer.to_dict()["x"] == sorted(set(tests))
