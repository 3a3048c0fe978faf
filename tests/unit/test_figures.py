"""Published figures: the table, agreement, and every quantity on numbers made by hand."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import yaml
from tables_by_hand import accuracy_tables, write

from nasbase.benchmarks import NAMES
from nasbase.benchmarks.nb101 import space
from nasbase.checks import figures as package
from nasbase.checks.check import Artifacts
from nasbase.checks.figures import figure_checks
from nasbase.checks.figures.numbers import NoNumberError, NotComparableError, Numbers
from nasbase.checks.figures.published import Figure, agrees, figures
from nasbase.checks.figures.quantities import QUANTITIES, _labelled, _points
from nasbase.tables.catalogue import tables
from nasbase.tables.summaries import write_summaries

ROOT = Path(__file__).resolve().parents[2]
ALL = [figure for name in NAMES for figure in figures(name)]


# ---------------------------------------------------------------------------------------------
# the table


def test_figures_have_names_of_their_own():
    assert [i for i, n in Counter(figure.id for figure in ALL).items() if n > 1] == []
    assert len(ALL) > 120


@pytest.mark.parametrize("figure", ALL, ids=lambda figure: figure.id)
def test_a_figure_is_well_formed(figure):
    benchmark = figure.id.split(".")[0]
    inspect.signature(QUANTITIES[figure.quantity]).bind(None, **figure.of)
    assert figure.level in ("fail", "report")
    assert figure.level == "report" or figure.certainty in ("published", "derived")
    assert figure.certainty in ("published", "derived", "recomputed", "remembered")
    sources = yaml.safe_load((ROOT / "config" / "sources.yaml").read_text())
    assert set(figure.releases) <= set(sources[benchmark])
    table = {"points_of": "curves", "job_curve": "curves"}.get(figure.quantity, "trials")
    known = tables(benchmark)[figure.of.get("table", table)].names
    assert set(figure.of.get("columns", [])) <= set(known)
    assert figure.of.get("column", "params") in {*known, "params"}
    assert figure.tolerance >= 0
    assert figure.claim.endswith(".")


def test_every_citation_and_quantity_is_used():
    document = yaml.safe_load((Path(package.__file__).parent / "published.yaml").read_text())
    assert {row["citation"] for row in document["figures"]} == set(document["citations"])
    assert {row["quantity"] for row in document["figures"]} == set(QUANTITIES)


# ---------------------------------------------------------------------------------------------
# agreement


@pytest.mark.parametrize(
    ("found", "expected", "tolerance", "verdict"),
    [
        (1.5, 1.0, 0.5, True),
        (0.5, 1.0, 0.5, True),
        (math.nextafter(1.5, 2), 1.0, 0.5, False),
        (0.5 - 1e-15, 1.0, 0.5, False),
        (3, 3, 0, True),
        (4, 3, 0, False),
        (math.nan, 1.0, 9, False),
        (math.inf, 1.0, 9, False),
        (None, 1.0, 9, False),
        (True, 1, 0, False),
        ([1, 2.0], [1, 2.5], 0.5, True),
        ([1, 2.0, 3], [1, 2.0], 0.5, False),
        ([[1], [2]], [[1], [2]], 0, True),
        ([[1], [3]], [[1], [2]], 0, False),
        (1, [1], 0, False),
        ("a", "a", 0, True),
        ({"a": 1}, {"a": 1}, 0, True),
        ({"a": 1}, {"b": 1}, 0, False),
        (50, {"at_least": 50}, 0, True),
        (49.9, {"at_least": 50}, 0, False),
        (math.nan, {"at_least": 50}, 0, False),
    ],
)
def test_agreement(found, expected, tolerance, verdict):
    assert agrees(found, expected, tolerance) is verdict


# ---------------------------------------------------------------------------------------------
# applying a figure


def figure_of(**changes):
    given = {
        "id": "nb101.figure.cells", "claim": "Two cells.", "releases": ("full",),
        "quantity": "rows", "of": {"table": "architectures"}, "expected": 2, "tolerance": 0.0,
        "level": "fail", "citation": "Somebody", "certainty": "published",
    }  # fmt: skip
    return Figure(**(given | changes))


@pytest.fixture
def two_cells(tmp_path):
    write(tmp_path, "nb101", "architectures", [{"arch_id": 0}, {"arch_id": 1}])
    return tmp_path


def run(monkeypatch, folder, figure, *, release="full", partial=False, synthetic=False):
    monkeypatch.setattr(package, "figures", lambda _benchmark: (figure,))
    artifacts = Artifacts("nb101", release, folder, partial=partial, synthetic=synthetic)
    (check,) = figure_checks(artifacts)
    return check.report(artifacts)


def test_a_right_figure(monkeypatch, two_cells):
    record = run(monkeypatch, two_cells, figure_of())
    assert record == {
        "id": "nb101.figure.cells", "claim": "Two cells.", "severity": "error", "passed": True,
        "checked": 1, "failed": 0, "examples": [], "expected": 2, "found": 2, "tolerance": 0.0,
        "level": "fail", "citation": "Somebody", "certainty": "published",
    }  # fmt: skip


@pytest.mark.parametrize(("level", "severity"), [("fail", "error"), ("report", "warning")])
def test_a_wrong_figure(monkeypatch, two_cells, level, severity):
    record = run(monkeypatch, two_cells, figure_of(expected=3, level=level))
    assert (record["passed"], record["severity"]) == (False, severity)
    assert (record["found"], record["expected"], record["failed"]) == (2, 3, 1)
    assert record["examples"] == ["found 2, published 3 (Somebody)"]


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        ({"partial": True}, "a part of the release"),
        ({"synthetic": True}, "made up"),
        ({"release": "only108"}, "published of release full"),
    ],
)
def test_a_figure_of_something_else(monkeypatch, two_cells, build, reason):
    record = run(monkeypatch, two_cells, figure_of(expected=3), **build)
    assert reason in record["not_applicable"]
    assert (record["passed"], record["checked"], record["expected"]) == (True, 0, 3)
    assert "found" not in record


def test_a_number_that_a_whole_release_has_is_missing(monkeypatch, two_cells):
    accuracy_tables(two_cells, "nb101", [{"arch_id": 0, "dataset": "cifar10", "num_epochs": 4}])
    figure = figure_of(quantity="median", of={"where": ["cifar10", "test", 108]})
    record = run(monkeypatch, two_cells, figure)
    assert (record["passed"], record["found"], record["checked"]) == (False, None, 1)
    assert record["examples"] == ["found nothing, published 2 (Somebody)"]


def test_a_figure_that_cannot_be_compared(monkeypatch, two_cells):
    runs = [{"arch_id": 0, "dataset": "cifar10", "num_epochs": 4, "run": run} for run in range(2)]
    accuracy_tables(two_cells, "nb101", runs)
    figure = figure_of(quantity="mean_of_all", of={"where": ["cifar10", "test", 4]})
    record = run(monkeypatch, two_cells, figure)
    assert "several runs" in record["not_applicable"]
    assert (record["passed"], record["checked"]) == (True, 0)
    assert "found" not in record


# ---------------------------------------------------------------------------------------------
# quantities

C10, C10V, C100 = "cifar10", "cifar10-valid", "cifar100"


def tss_trial(arch, dataset, seed=777, run=0, epochs=200, **values):
    return {
        "arch_id": arch, "dataset": dataset, "num_epochs": epochs, "run": run, "seed": seed,
        "params_m": 1.0 + arch, "flops_m": 10.0, "latency_s": 0.1, **values,
    }  # fmt: skip


@pytest.fixture(scope="module")
def tss(tmp_path_factory):
    """Three networks; the second has two runs, the last one's size is wrong in one of them."""
    folder = tmp_path_factory.mktemp("tss")
    trials = [
        tss_trial(0, C10, ori_test_acc_pct=10.0, train_time_total_s=20.0),
        tss_trial(1, C10, ori_test_acc_pct=94.0, train_time_total_s=40.0),
        tss_trial(1, C10, 888, 1, ori_test_acc_pct=95.0, train_time_total_s=40.0),
        tss_trial(2, C10, 777, 0, ori_test_acc_pct=94.5, train_time_total_s=90.0, params_m=9.0),
        tss_trial(2, C10, 888, 1, ori_test_acc_pct=94.5, train_time_total_s=90.0),
        tss_trial(0, C100, x_valid_acc_pct=1.0, ori_test_acc_pct=1.0, train_time_total_s=40.0),
        tss_trial(1, C100, x_valid_acc_pct=70.0, ori_test_acc_pct=71.0, train_time_total_s=80.0),
        tss_trial(2, C100, x_valid_acc_pct=69.0, ori_test_acc_pct=72.0, train_time_total_s=189.0),
        *(tss_trial(i, C10, 111, epochs=12, ori_test_acc_pct=50.0 + i) for i in range(3)),
    ]
    accuracy_tables(folder, "nats_tss", trials)
    strings = ("a", "b", "c")
    rows = [
        {"arch_id": i, "arch_str": s, "isomorphism_class": i // 2} for i, s in enumerate(strings)
    ]
    write(folder, "nats_tss", "architectures", rows)
    costs = [
        {"arch_id": i, "dataset": name, "params": (1 + i) * 10**6, "macs": 10**7}
        for i, name in product(range(3), (C10, C100))
    ]
    write(folder, "nats_tss", "costs", costs)
    write_summaries("nats_tss", folder, {})
    return Numbers(Artifacts("nats_tss", "1.0", folder, partial=False, synthetic=False))


TEST, TEST_100 = [C10, "ori_test", 200], [C100, "ori_test", 200]
NATS = [
    ("rows", {"table": "trials"}, 11),
    ("rows", {"table": "trials", "dataset": C10, "num_epochs": 200}, 5),
    ("distinct", {"table": "architectures", "column": "isomorphism_class"}, 2),
    ("rows_up_to", {"table": "architectures", "column": "isomorphism_class", "at_most": 0}, 2),
    ("networks_by_runs", {"dataset": C10, "num_epochs": 200}, [1, 2, 0]),
    ("networks_by_runs", {"dataset": C100, "num_epochs": 200}, [3, 0, 0]),
    ("best_mean", {"where": TEST}, [94.5, 1]),  # 1 and 2 are equal
    ("best_mean_value", {"where": TEST_100}, 72.0),
    ("best_mean_network", {"where": TEST_100}, 2),
    ("best_run", {"where": TEST}, [95.0, 1]),
    ("mean_of", {"arch": 1, "where": TEST}, 94.5),
    ("mean_of", {"arch": 2, "where": [C100, "x_valid", 200]}, 69.0),
    (
        "means_of",
        {
            "arch": 1,
            "dataset": C10,
            "num_epochs": 200,
            "columns": ["train_time_total_s", "ori_test_acc_pct"],
        },
        [40.0, 94.5],
    ),
    (
        "means_of",
        {"arch": 9, "dataset": C10, "num_epochs": 200, "columns": ["ori_test_acc_pct"]},
        [None],
    ),
    (
        "runs_of",
        {"arch": 1, "dataset": C10, "num_epochs": 200, "columns": ["seed", "ori_test_acc_pct"]},
        [[777, 94.0], [888, 95.0]],
    ),
    ("mean_of_all", {"where": TEST_100}, 48.0),
    ("percent_above", {"where": TEST, "above": 90}, 100 * 2 / 3),
    ("percent_below", {"where": TEST, "below": 20}, 100 / 3),
    ("networks_above", {"where": TEST, "above": 94.4}, 2),
    ("networks_above", {"where": TEST, "above": 94.5}, 0),
    ("median", {"where": TEST_100}, 71.0),
    ("constant_networks", {"levels": [[TEST, 10.0], [TEST_100, 1.0]]}, 1),
    ("constant_networks", {"levels": [[TEST, 10.0], [TEST_100, 2.0]]}, 0),
    ("pareto_size", {"where": TEST_100, "cost": "params"}, 3),
    ("pareto_size", {"where": TEST_100, "cost": "macs"}, 1),
    ("pareto_size", {"where": TEST, "cost": "params"}, 2),  # equal accuracy, more parameters
    ("time_ratio", {"dataset": C100, "base": C10, "num_epochs": 200}, [2.0, 2.1]),
    ("trainings_of_unequal_time", {"num_epochs": 200}, 0),
    ("wrong_params", {"num_epochs": 200, "datasets": [C10]}, [1, 1]),
    ("wrong_params", {"num_epochs": 12, "datasets": [C10]}, [0, 0]),
    # cifar100 has no schedule of 12 epochs; of network 2 seed 888 counts, which is right.
    ("pairs_of_equal_size", {"schedules": [12, 200], "tolerance": 1e-4}, 3),
    (
        "rank_correlation",
        {"statistic": "spearman", "kind": "schedules", "x": [C10, "ori_test", 12], "y": TEST},
        math.sqrt(3) / 2,  # ranks 1, 2, 3 and 1, 2.5, 2.5
    ),
]


@pytest.mark.parametrize(("name", "of", "expected"), NATS)
def test_quantities_of_nats(tss, name, of, expected):
    found = QUANTITIES[name](tss, **of)
    assert agrees(found, expected, 1e-12), found


def test_seed_888_decides_sizes(tmp_path):
    trials = [
        tss_trial(0, C10, 111, epochs=12),
        tss_trial(0, C10, 777, 0),
        tss_trial(0, C10, 888, 1, params_m=7.0),  # wrong where upstream looks
        tss_trial(1, C10, 111, epochs=12),
        tss_trial(1, C10, 777, 0, flops_m=11.0),
        tss_trial(1, C10, 999, 1),  # none to decide
        tss_trial(2, C10, 111, epochs=12),
        tss_trial(2, C10, 777, 0, params_m=3.0001),  # within the tolerance
    ]
    accuracy_tables(tmp_path, "nats_tss", trials)
    numbers = Numbers(Artifacts("nats_tss", "1.0", tmp_path, partial=False, synthetic=False))
    equal = QUANTITIES["pairs_of_equal_size"]
    assert equal(numbers, schedules=[12, 200], tolerance=1e-4) == 1
    assert equal(numbers, schedules=[12, 200], tolerance=1e-6) == 0


def test_deviations(tmp_path):
    rows = [
        {
            "arch_id": i,
            "dataset": C10,
            "num_epochs": 200,
            "n": n,
            "ori_test_acc_pct_sd": sd,
            "train_time_total_s_sd": time,
        }
        for i, (n, sd, time) in enumerate(
            [(3, 0.1, 0.0), (3, 0.5, 1e-9), (3, 0.2, 1.0), (2, 9.0, 0.0), (1, None, None)]
        )
    ]
    write(tmp_path, "nats_tss", "means", rows)
    write(tmp_path, "nats_tss", "trials", [])
    numbers = Numbers(Artifacts("nats_tss", "1.0", tmp_path, partial=False, synthetic=False))
    assert QUANTITIES["median_deviation"](numbers, where=TEST, runs=3) == 0.2
    assert QUANTITIES["trainings_of_unequal_time"](numbers, num_epochs=200) == 1


NOT_THERE = [
    ("best_mean", {"where": [C10, "x_valid", 200]}, "nothing"),
    ("best_run", {"where": [C10, "x_valid", 200]}, "nothing"),
    ("percent_above", {"where": [C10, "ori_test", 90], "above": 1}, "nothing"),
    ("median_deviation", {"where": TEST, "runs": 3}, "no network with 3 runs"),
    (
        "rank_correlation",
        {"statistic": "spearman", "kind": "seeds", "x": [*TEST, 0], "y": [*TEST, 2]},
        "no such comparison",
    ),
]


@pytest.mark.parametrize(("name", "of", "reason"), NOT_THERE)
def test_quantities_that_a_build_does_not_have(tss, name, of, reason):
    with pytest.raises(NoNumberError, match=reason):
        QUANTITIES[name](tss, **of)


def test_a_mean_of_runs_drawn_at_random_cannot_be_compared(tss):
    with pytest.raises(NotComparableError, match="several runs"):
        QUANTITIES["mean_of_all"](tss, where=TEST)


# NAS-Bench-101 ----------------------------------------------------------------------------------

DIAMOND = ("0110000100010000", "input,conv3x3-bn-relu,maxpool3x3,output")
CHAIN = ("0100001000010000", "input,conv1x1-bn-relu,conv1x1-bn-relu,output")


@pytest.fixture(scope="module")
def nb101(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nb101")
    cells = [
        {"arch_id": i, "hash": f"h{i}", "num_vertices": 4, "adjacency": bits, "operations": ops}
        for i, (bits, ops) in enumerate([DIAMOND, CHAIN, CHAIN])
    ]
    write(folder, "nb101", "architectures", cells)
    trials = [
        {
            "arch_id": i,
            "dataset": C10,
            "num_epochs": 108,
            "run": run,
            "params": 5,
            "test_acc_pct": value,
        }
        for i, values in enumerate([(94.0, 95.0, 96.0), (93.9, 94.0, 94.1), (93.0, 93.0, 93.0)])
        for run, value in enumerate(values)
    ]
    accuracy_tables(folder, "nb101", trials)
    rows = [
        {
            "arch_id": i,
            "dataset": C10,
            "num_epochs": 108,
            "n": 3,
            "test_acc_pct_mean": m,
            "test_acc_pct_sd": sd,
        }
        for i, (m, sd) in enumerate([(95.0, 1.0), (94.0, 0.1), (93.0, 0.0)])
    ]
    write(folder, "nb101", "means", rows)
    points = [
        {
            "trial_id": 3 * i + r,
            "arch_id": i,
            "dataset": C10,
            "num_epochs": 108,
            "run": r,
            "epoch": e,
            "elapsed_train_time_s": 10.0 * i + r + e,
        }
        for i, r, e in product(range(3), range(3), (0, 54, 108))
    ]
    write(folder, "nb101", "curves", points)
    return Numbers(Artifacts("nb101", "full", folder, partial=False, synthetic=False))


def test_quantities_of_nb101(nb101):
    where = [C10, "test", 108]
    ask = {name: lambda n=name, **of: QUANTITIES[n](nb101, **of) for name in QUANTITIES}
    assert ask["runs_of"](arch="h1", columns=["params", "test_acc_pct"], num_epochs=108) == [
        [5, 93.9],
        [5, 94.0],
        [5, 94.1],
    ]
    half = {"arch": "h2", "columns": ["elapsed_train_time_s"], "num_epochs": 108, "epoch": 54}
    assert ask["points_of"](**half) == [[74.0], [75.0], [76.0]]
    assert ask["points_of"](**half, run=1) == [[75.0]]
    assert ask["mean_of"](arch="h0", where=where) == 95.0
    with pytest.raises(NoNumberError, match="no cell h9"):
        ask["mean_of"](arch="h9", where=where)
    assert ask["labelled_cells_of_best"](where=where) == 2  # the two inner vertices exchanged
    # Two standard errors are 2 / sqrt(3) = 1.15 percent: the second cell is near, the third not.
    assert ask["cells_within_two_errors"](where=where) == 1
    near = sum(_points(*cell(*text)) for text in (DIAMOND, CHAIN))
    assert ask["points_within_two_errors"](where=where) == near


def cell(bits, operations):
    operations = operations.split(",")
    return np.array(list(map(int, bits))).reshape(len(operations), -1), operations


@pytest.mark.parametrize("vertices", [4, 5])
@pytest.mark.parametrize("text", [DIAMOND, CHAIN])
def test_points_are_the_graphs_that_prune_to_a_cell(text, vertices):
    """Against every labelled graph of so many vertices."""
    wanted = space.cell_of(text).hash
    labels = sorted({*text[1].split(",")[1:-1]}) if vertices == 4 else space_operations()
    pairs = [(i, j) for j in range(vertices) for i in range(j)]
    count = 0
    for bits in product((0, 1), repeat=len(pairs)):
        matrix = np.zeros((vertices, vertices), dtype=int)
        for (i, j), bit in zip(pairs, bits, strict=True):
            matrix[i, j] = bit
        kept = kept_vertices(matrix)
        if len(kept) != 4:
            continue
        inner = matrix[np.ix_(kept, kept)]
        for inside in product(labels, repeat=2):
            operations = ["input", *inside, "output"]
            same = space.cell_of((inner.tolist(), operations)).hash == wanted
            count += same * len(space_operations()) ** (vertices - 4)
    assert _points(*cell(*text), vertices=vertices) == count
    assert _labelled(*cell(*text)) == (count if vertices == 4 else _labelled(*cell(*text)))


def space_operations():
    return ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")


def kept_vertices(matrix):
    last = len(matrix) - 1
    paths = np.linalg.matrix_power(matrix + np.eye(len(matrix), dtype=int), len(matrix)) > 0
    return [v for v in range(last + 1) if paths[0, v] and paths[v, last]]


# NDS --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nds")
    params = [0.0, 0.5, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0]  # bounds are excluded: 1 in each of 4 bins...
    trials = [
        {
            "config_id": i,
            "arch_id": i,
            "dataset": C10,
            "num_epochs": 2,
            "source_file": "A.json",
            "source_pos": i,
            "params": int(p * 1e6),
            "flops": int(p * 1e9),
            "test_acc_pct": 90.0 + i,
        }
        for i, p in enumerate(params)
    ]
    accuracy_tables(folder, "nds", trials)
    points = [
        {
            "trial_id": t,
            "arch_id": t,
            "dataset": C10,
            "num_epochs": 2,
            "epoch": e,
            "test_acc_pct": value + t,
        }
        for t in range(8)
        for e, value in ((1, 91.0), (2, 90.0))
    ]
    write(folder, "nds", "curves", points)
    specs = [
        '{"ds":[1,2,3],"ws":[9,8,8]}',
        '{"ds":[1,3,2],"ws":[7,8,8]}',
        '{"ds":[1,2,2],"ws":[9,4,4]}',
    ]
    rows = [{"arch_id": i, "model_spec": text} for i, text in enumerate(specs)]
    write(folder, "nds", "architectures", rows)
    configurations = [
        {"config_id": i, "arch_id": i, "dataset": C10, "proposer": "vanilla" if i < 2 else "resnet"}
        for i in range(3)
    ]
    write(folder, "nds", "configurations", configurations)
    return Numbers(Artifacts("nds", "1", folder, partial=False, synthetic=False))


def test_quantities_of_nds(nds):
    ask = {name: lambda n=name, **of: QUANTITIES[n](nds, **of) for name in QUANTITIES}
    assert ask["trainings_in"](files=["A.json", "B.json"]) == 8
    assert ask["trainings_in"](files=["B.json"]) == 0
    window = {"params": [0.0, 4.0]}
    assert ask["normalized_bins"](files=["A.json"], windows=window, bins=4) == [0, 0.0]
    empty, off = ask["normalized_bins"](files=["A.json"], windows={"flops": [0.0, 8.0]}, bins=8)
    assert (empty, off) == (3, 0.375)  # each of the other five bins weighs one eighth
    assert ask["normalized_bins"](files=["B.json"], windows=window, bins=4) == [4, 1.0]
    job = {"file": "A.json", "position": 3}
    assert ask["job"](**job, columns=["test_acc_pct", "params"]) == [93.0, 2_000_000]
    assert ask["job"](file="A.json", position=9, columns=["params"]) == [None]
    assert ask["job_curve"](**job, column="test_acc_pct", epochs=[2, 1, 7]) == [
        94.0,
        93.0,
        94.0,
        None,
    ]
    with pytest.raises(NoNumberError, match="no training 9"):
        ask["job_curve"](file="A.json", position=9, column="test_acc_pct", epochs=[])
    assert ask["stage_settings"](proposer="vanilla", dataset=C10) == 2  # (2, 8) and (3, 8)
    assert ask["stage_settings"](proposer="resnet", dataset=C10) == 1
    assert ask["stage_settings"](proposer="resnet", dataset="imagenet") == 0
