"""best and rank_correlation of small builds, against pandas and scipy."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from tables_by_hand import accuracy_tables, write

from nasbase.checks import summaries as checks
from nasbase.checks.check import Artifacts
from nasbase.tables.catalogue import tables
from nasbase.tables.statistics import correlations, correlations_of_shares, inversions, levels
from nasbase.tables.summaries import highest, write_summaries

HALVES = ("cifar100", "ImageNet16-120")
ROLES = {  # written down once more
    "nb101": {"cifar10": {"valid": ("cifar10", "valid"), "test": ("cifar10", "test")}},
    "nats_tss": {
        "cifar10": {"valid": ("cifar10-valid", "x_valid"), "test": ("cifar10", "ori_test")},
        "cifar10-valid": {
            "valid": ("cifar10-valid", "x_valid"),
            "test": ("cifar10-valid", "ori_test"),
        },
        **{name: {"valid": (name, "x_valid"), "test": (name, "x_test")} for name in HALVES},
    },
    "nds": {name: {"test": (name, "test")} for name in ("cifar10", "imagenet")},
}


def nb101(rng):
    # Few different values, so that equal ones abound.
    return [
        {
            "arch_id": arch, "dataset": "cifar10", "num_epochs": epochs, "run": run,
            "valid_acc_pct": rng.choice([math.nan, *range(80, 95)]),
            "test_acc_pct": float(rng.randrange(80, 95)),
        }
        for arch in range(37) for epochs in (4, 12, 108) for run in range(3)
    ]  # fmt: skip


def nats_tss(rng):
    trials = []
    for arch in [*range(30), 400]:
        seeds = sorted(rng.sample([777, 888, 999], rng.randrange(1, 4)))
        quality = rng.random()
        for dataset, epochs in itertools.product(("cifar10-valid", "cifar10", *HALVES), (12, 200)):
            for run, seed in enumerate(seeds if epochs == 200 else [111]):
                own = {"arch_id": arch, "dataset": dataset, "num_epochs": epochs, "run": run}
                splits = ["ori_test"]
                splits += ["x_valid"] if dataset != "cifar10" else []
                splits += ["x_test"] if dataset in HALVES else []
                for split in splits:
                    value = round(100 * quality + rng.gauss(0, 5))
                    own[f"{split}_acc_pct"] = float(min(max(value, 0), 100))
                if dataset == "cifar100" and rng.random() < 0.2:
                    own["x_valid_acc_pct"] = None
                trials.append({**own, "seed": seed})
    return [t for t in trials if (t["arch_id"], t["dataset"]) != (7, "cifar10")]


def nds(rng):
    trials = []
    for config in range(60):
        dataset, epochs = ("imagenet", 50) if config % 5 == 0 else ("cifar10", 100)
        for run in range(rng.choice([1, 1, 4])):
            own = {"config_id": config, "arch_id": config // 2, "dataset": dataset, "run": run}
            accuracies = {f"{s}_acc_pct": rng.uniform(50, 99) for s in ("train", "test")}
            trials.append({**own, "num_epochs": epochs, "seed": 5 + run, **accuracies})
    return trials


@pytest.fixture(scope="module", params=["nb101", "nats_tss", "nds"])
def build(request, tmp_path_factory):
    """Benchmark, folder of its tables, and its trials."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    trials = {"nb101": nb101, "nats_tss": nats_tss, "nds": nds}[name](random.Random(5))
    accuracy_tables(folder, name, trials)
    if name == "nds":
        configurations = {t["config_id"]: t["arch_id"] for t in trials}
        rows = [
            {"config_id": c, "arch_id": a, "proposer": ("darts", "enas", "resnet")[c % 3]}
            for c, a in configurations.items()
        ]
        write(folder, name, "configurations", rows)
    write_summaries(name, folder, {})
    return name, folder, trials


def value(row, column):
    found = row.get(column)
    return None if found is None or math.isnan(found) else found


def single(trials, subject, place, epochs):
    """Per network the best run: value, run, seed."""
    found = {}
    for t in trials:
        if (t["dataset"], t["num_epochs"]) == (place[0], epochs):
            number = value(t, f"{place[1]}_acc_pct")
            if number is not None and number > found.get(t[subject], (-1,))[0]:
                found[t[subject]] = (number, t["run"], t.get("seed"))
    return found


def means_of(folder, subject, place, epochs):
    return {
        row[subject]: (row[f"{place[1]}_acc_pct_mean"], row["n"])
        for row in pq.read_table(folder / "means.parquet").to_pylist()
        if (row["dataset"], row["num_epochs"]) == (place[0], epochs)
        and value(row, f"{place[1]}_acc_pct_mean") is not None
    }


def test_best(build):
    name, folder, trials = build
    subject = "config_id" if name == "nds" else "arch_id"
    arch_of = {t[subject]: t["arch_id"] for t in trials}
    expected = []
    for dataset, roles in ROLES[name].items():
        for role, place in roles.items():
            for epochs in {t["num_epochs"] for t in trials if t["dataset"] == place[0]}:
                test = means_of(folder, subject, roles["test"], epochs)
                means = means_of(folder, subject, place, epochs)
                both = {
                    "mean": {i: (v, n, None, None) for i, (v, n) in means.items()},
                    "single": {
                        i: (v, 1, run, seed)
                        for i, (v, run, seed) in single(trials, subject, place, epochs).items()
                    },
                }
                for rule, networks in both.items():
                    order = sorted(networks, key=lambda i, known=networks: (-known[i][0], i))
                    for rank, i in enumerate(order[:10], start=1):
                        number, n, run, seed = networks[i]
                        expected.append({
                            "dataset": dataset, "role": role, "num_epochs": epochs, "rule": rule,
                            "rank": rank, "measured_on": place[0], "split": place[1],
                            subject: i, "arch_id": arch_of[i], "run": run, "seed": seed, "n": n,
                            "value": number, "test_acc_pct": test.get(i, (None,))[0],
                        })  # fmt: skip
    key = tables(name)["best"].key
    expected.sort(key=lambda row: [row[column] for column in key])
    assert pq.read_table(folder / "best.parquet").to_pylist() == expected
    assert len(expected) > 30


def side(folder, row, which):
    """Numbers of x or y by subject, through pandas."""
    subject = "config_id" if "proposer" in row else "arch_id"
    run = row[f"{which}_run"]
    frame = pd.read_parquet(folder / ("means.parquet" if run is None else "trials.parquet"))
    frame = frame[frame["dataset"] == row[f"{which}_dataset"]]
    frame = frame[frame["num_epochs"] == row[f"{which}_num_epochs"]]
    if run is not None:
        frame = frame[frame["run"] == run]
    column = f"{row[f'{which}_split']}_acc_pct" + ("_mean" if run is None else "")
    return frame.set_index(subject)[column].dropna()


def test_rank_correlation(build):
    name, folder, _trials = build
    rows = pq.read_table(folder / "rank_correlation.parquet").to_pylist()
    assert [row["top_pct"] for row in rows] == [1, 10, 25, 50, 100] * (len(rows) // 5)
    for row in rows:
        pair = pd.DataFrame({"x": side(folder, row, "x"), "y": side(folder, row, "y")}).dropna()
        if name == "nds":
            configurations = pd.read_parquet(folder / "configurations.parquet")
            own = configurations[configurations["proposer"] == row["proposer"]]["config_id"]
            pair = pair[pair.index.isin(own)]
        pair = pair.sort_index().sort_values("y", ascending=False, kind="stable")
        pair = pair.iloc[: max(2, round(len(pair) * row["top_pct"] / 100))]
        assert row["n"] == len(pair)
        constant = pair["x"].nunique() == 1 or pair["y"].nunique() == 1
        for column, function in (
            ("pearson", scipy.stats.pearsonr),
            ("spearman", scipy.stats.spearmanr),
            ("kendall_tau_b", scipy.stats.kendalltau),
        ):
            if constant:
                assert row[column] is None
            else:
                wanted = function(pair["x"], pair["y"]).statistic
                assert row[column] == pytest.approx(wanted, abs=1e-12), (row, column)


KINDS = {
    # valid and test: pairs of 3 schedules; splits and 3 pairs of runs: each schedule.
    "nb101": {"schedules": 2 * 3, "splits": 3, "seeds": 2 * 3 * 3, "proxy": 2},
    # valid on 3 data sets, test on 4; of two data sets 3 + 6 pairs; 3 pairs of runs at 200 epochs.
    "nats_tss": {"schedules": 7, "datasets": 9 * 2, "splits": 4 * 2, "seeds": 7 * 3, "proxy": 4},
    # 3 proposers; train and test; 6 pairs of 4 runs.
    "nds": {"splits": 2 * 3, "seeds": 2 * 2 * 3 * 6},
}


def test_what_is_compared(build):
    name, folder, _trials = build
    rows = pq.read_table(folder / "rank_correlation.parquet").to_pylist()
    whole = [row for row in rows if row["top_pct"] == 100]
    assert [row["comparison_id"] for row in whole] == list(range(len(whole)))
    found = pd.Series([row["kind"] for row in whole]).value_counts().to_dict()
    if name == "nds":  # a comparison of fewer than two networks is none
        assert found["splits"] == KINDS[name]["splits"]
        assert 0 < found["seeds"] <= KINDS[name]["seeds"]
        assert set(found) == {"splits", "seeds"}
    else:
        assert found == KINDS[name]
    for row in whole:
        x, y = ([row[f"{s}_{c}"] for c in ("dataset", "split", "num_epochs", "run")] for s in "xy")
        same = [one == other for one, other in zip(x, y, strict=True)]
        if row["kind"] == "schedules":
            assert same == [True, True, False, True]
            assert x[2] < y[2]
        if row["kind"] == "datasets":
            assert (same[0], same[2]) == (False, True)
        if row["kind"] == "splits":
            assert (same[1], same[2]) == (False, True)
        if row["kind"] == "seeds":
            assert same == [True, True, True, False]
            assert x[3] < y[3]
        if row["kind"] == "proxy":
            assert x[2] < y[2] == {"nb101": 108, "nats_tss": 200}[name]


def test_the_checks_agree(build):
    name, folder, _trials = build
    artifacts = Artifacts(name, "sample", folder, partial=True, synthetic=True)
    for check in checks.summary_checks():
        record = check.report(artifacts)
        assert record["passed"], record["examples"]
        assert record["checked"] > 20


DEFECTS = {
    "best": [
        ("two places exchanged", lambda rows: swap(rows, "rank", 0, 1)),
        ("one unit in the last place", lambda rows: nudge(rows, "value")),
        ("test of another network", lambda rows: swap(rows, "test_acc_pct", 0, 1)),
        ("another network", lambda rows: change(rows, "arch_id", 5 - rows[0]["arch_id"])),
        ("another run", lambda rows: change(by_run(rows), "run", 1 - by_run(rows)[0]["run"])),
        ("another number of runs", lambda rows: change(rows, "n", rows[0]["n"] + 1)),
        ("measured elsewhere", lambda rows: change(rows, "measured_on", "cifar10-valid")),
        ("a place is missing", lambda rows: rows.pop(3)),
    ],
    "rank_correlation": [
        ("pearson", lambda rows: change(rows, "pearson", rows[4]["pearson"] + 1e-6, at=4)),
        ("spearman", lambda rows: change(rows, "spearman", rows[4]["spearman"] - 1e-6, at=4)),
        ("tau", lambda rows: change(rows, "kendall_tau_b", rows[4]["spearman"], at=4)),
        ("n", lambda rows: change(rows, "n", rows[4]["n"] - 1, at=4)),
        ("another run", lambda rows: change(rows, "x_run", 2, at=4)),
        ("a share is missing", lambda rows: rows.pop(2)),
    ],
}


def change(rows, column, value, at=0):
    rows[at][column] = value


def by_run(rows):
    return [row for row in rows if row["rule"] == "single" and row["run"] in (0, 1)]


def nudge(rows, column):
    rows[0][column] = float(np.nextafter(rows[0][column], np.inf))


def swap(rows, column, first, second):
    rows[first][column], rows[second][column] = rows[second][column], rows[first][column]


@pytest.mark.parametrize(
    ("table", "what", "defect"), [(t, *defect) for t, many in DEFECTS.items() for defect in many]
)
def test_the_checks_find_a_defect(tmp_path, table, what, defect):
    rng = random.Random(3)
    trials = [
        {**t, "valid_acc_pct": rng.uniform(80, 95), "test_acc_pct": rng.uniform(80, 95)}
        for t in nb101(rng)
    ]
    accuracy_tables(tmp_path, "nb101", trials)
    write_summaries("nb101", tmp_path, {})
    path = tmp_path / f"{table}.parquet"
    rows = pq.read_table(path).to_pylist()
    before = [dict(row) for row in rows]
    defect(rows)
    assert rows != before
    write(tmp_path, "nb101", table, rows)
    artifacts = Artifacts("nb101", "sample", tmp_path, partial=True, synthetic=True)
    found = [check.id for check in checks.summary_checks() if not check.report(artifacts)["passed"]]
    assert found == [f"all.{table}"]


def test_a_large_build_is_sampled(monkeypatch, build):
    name, folder, _trials = build
    monkeypatch.setattr(checks, "SAMPLED_NETWORKS", 60)
    artifacts = Artifacts(name, "sample", folder, partial=True, synthetic=True)
    record = checks.summary_checks()[1].report(artifacts)
    rows = pq.read_metadata(folder / "rank_correlation.parquet").num_rows
    assert record["passed"]
    assert 1 < record["checked"] < 4 * rows


@given(st.lists(st.tuples(st.integers(0, 6), st.floats(0, 3).map(round)), min_size=2, max_size=60))
def test_correlations(pairs):
    x, y = np.array(pairs, dtype=float).T
    found = correlations(x, y)
    for name, function in (
        ("pearson", scipy.stats.pearsonr),
        ("spearman", scipy.stats.spearmanr),
        ("kendall_tau_b", scipy.stats.kendalltau),
    ):
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            assert math.isnan(getattr(found, name))
        else:
            assert getattr(found, name) == pytest.approx(function(x, y).statistic, abs=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), min_size=2, max_size=60),
    st.sets(st.integers(2, 60)),
)
def test_correlations_of_shares(pairs, sizes):
    x, y = np.array(sorted(pairs, key=lambda pair: -pair[1]), dtype=float).T
    sizes = sorted(size for size in sizes if size <= len(x))
    # Levels among more numbers have gaps.
    found = correlations_of_shares(x, y, 2 * levels(x) + 1, 3 * levels(y) + 2, sizes)
    alone = [correlations(x[:size], y[:size]) for size in sizes]
    assert np.array_equal(found, alone, equal_nan=True)


@given(st.lists(st.sampled_from([0.0, -0.0, 1.5, -2.0, math.inf, -math.inf, math.nan]), max_size=9))
def test_levels(numbers):
    order = sorted({(math.isnan(x), 0.0 if math.isnan(x) else x + 0.0) for x in numbers})
    expected = [order.index((math.isnan(x), 0.0 if math.isnan(x) else x)) for x in numbers]
    assert levels(np.array(numbers)).tolist() == expected


@given(st.lists(st.integers(0, 40), max_size=50))
def test_inversions(ranks):
    pairs = itertools.combinations(ranks, 2)
    assert inversions(np.array(ranks, dtype=np.int64)) == sum(a > b for a, b in pairs)


@given(
    st.lists(st.sampled_from([math.nan, -math.inf, 0.0, 1.0, 2.0]), max_size=12), st.integers(1, 14)
)
def test_the_highest_are_the_first_of_all(values, places):
    values = np.array(values)
    assert highest(values, places).tolist() == highest(values).tolist()[:places]


def test_summaries_do_not_depend_on_row_groups(monkeypatch, build):
    name, folder, _trials = build
    whole = {t: pq.read_table(folder / f"{t}.parquet") for t in ("best", "rank_correlation")}
    monkeypatch.setattr("nasbase.store.parquet.ROW_GROUP_ROWS", 7)
    for table in ("means", "trials"):
        write(folder, name, table, pq.read_table(folder / f"{table}.parquet").to_pylist())
    write_summaries(name, folder, {})
    for table, before in whole.items():
        assert pq.read_table(folder / f"{table}.parquet").equals(before)
