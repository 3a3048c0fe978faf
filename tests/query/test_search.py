"""Searches: what they may see, how they are scored, and the four methods of the papers."""

from __future__ import annotations

import csv
import io
import math
import random
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.errors import NasbaseError, QueryError
from nasbase.query.handle import Benchmark
from nasbase.query.simulator import BudgetExhausted, Evaluation, Simulator
from nasbase.query.spaces import space_of
from nasbase.search import ResultsTable, Run, SearchSpace, run_searches, search_space
from nasbase.search.command import load_search, main
from nasbase.search.protocol import PROTOCOLS, REPORTED
from nasbase.search.space import CODINGS
from nasbase.search.study import last, nearest, summary

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("random_search", "regularized_evolution", "reinforce", "bohb_style")
SEARCHES = {name: load_search(ROOT / "examples" / f"{name}.py") for name in METHODS}


@pytest.fixture
def tss(bench):
    return bench("nats_tss")


def random_search(clock, space, rng):
    while True:
        clock.evaluate(space.architecture(space.random(rng)))


def short(bench, search=random_search, dataset="cifar10", **options):
    options = {"runs": 3, "time_budget_s": 2_000.0, **options}
    return run_searches(bench, dataset, search, **options)


# ---------------------------------------------------------------------------------------------
# what a search may see


def test_a_search_cannot_reach_a_test_value(tss):
    def curious(clock, space, rng):
        seen = clock.evaluate(space.architecture(space.random(rng)))
        for thing in (clock, space, seen):
            for name in ("bench", "_bench", "simulator", "_simulator", "trials", "value", "values",
                         "mean", "best", "test_acc", "test_acc_pct", "x_test_acc_pct",
                         "ori_test_acc_pct", "history"):  # fmt: skip
                if (thing, name) != (seen, "value"):
                    with pytest.raises(AttributeError):
                        getattr(thing, name)
        for thing in (clock, space, seen):
            assert not reached(thing, (Benchmark, Simulator))
        with pytest.raises(AttributeError):
            clock.bench = 1

    assert len(short(tss, curious, runs=1).runs[0]) == 1


def reached(thing, kinds, depth=4):
    """Objects of some classes that attributes lead to."""
    found = {repr(thing)} if isinstance(thing, kinds) else set()
    if depth and not isinstance(thing, (str, bytes, int, float, type)):
        for name in dir(thing):
            if name.startswith("__"):
                continue
            found |= reached(getattr(thing, name), kinds, depth - 1)
    return found


def test_the_walk_does_find_a_benchmark(tss):
    assert reached(tss.simulator("cifar10", num_epochs=12), (Benchmark,), depth=2)


def test_a_search_has_time_and_continues_trainings(tss):
    def halving(clock, space, rng):
        assert (clock.benchmark, clock.dataset) == ("nats_tss", "cifar10")
        assert (clock.num_epochs, clock.time_budget_s, clock.elapsed_s) == (200, 9_000.0, 0.0)
        begun = [
            clock.evaluate(space.architecture(space.random(rng)), at_epoch=10) for _ in range(4)
        ]
        best = max(begun, key=lambda seen: seen.value)
        assert clock.resume(best, at_epoch=50).resumed_at == 10
        assert clock.evaluate(best.arch_id, num_epochs=12).num_epochs == 12
        assert clock.elapsed_s > 0

    study = short(tss, halving, num_epochs=200, time_budget_s=9_000.0, runs=2)
    assert [list(run.epochs) for run in study] == [[10, 10, 10, 10, 50, 12]] * 2
    assert [list(run.num_epochs) for run in study] == [[200] * 5 + [12]] * 2


# ---------------------------------------------------------------------------------------------
# runs


def test_runs_follow_from_the_seed_alone(tss):
    random.seed(1)
    one = short(tss, runs=5, seed=3)
    random.seed(2)
    for workers in (2, 3):
        assert short(tss, runs=5, seed=3, workers=workers).runs == one.runs
    assert short(tss, runs=2, seed=3).runs == one.runs[:2]
    assert short(tss, runs=5, seed=4).runs != one.runs
    assert len({tuple(run.arch_ids) for run in one}) == 5
    assert [run.index for run in one] == [0, 1, 2, 3, 4]


def test_runs_end_after_the_evaluation_that_crosses_the_budget(tss):
    for run in short(tss):
        assert run.elapsed_s[-2] < 2_000 <= run.elapsed_s[-1]


def test_a_failing_search_says_which_run(tss):
    def broken(clock, space, rng):
        raise ZeroDivisionError("of my own making")

    for workers in (1, 2):
        with pytest.raises(NasbaseError, match="The search function failed") as caught:
            short(tss, broken, workers=workers)
        assert "run 0 of seed 0" in str(caught.value)
        assert "ZeroDivisionError: of my own making" in str(caught.value)


def test_a_study_needs_evaluations_runs_and_a_protocol(bench, tss):
    with pytest.raises(QueryError, match="ended without an evaluation"):
        short(tss, lambda *_: None)
    with pytest.raises(QueryError, match="runs and workers of 1 or more"):
        short(tss, runs=0)
    with pytest.raises(QueryError, match="No published protocol"):
        run_searches(tss, "cifar10-valid", random_search, runs=1)
    with pytest.raises(QueryError, match="no space to search"):
        short(bench("nds"), num_epochs=100, full_epochs=100)
    given = {"num_epochs": 12, "full_epochs": 200}
    assert short(tss, dataset="cifar10-valid", runs=1, **given).score().valid.n == 1


def test_published_protocols_are_the_default(bench):
    budgets = {"cifar10": 20_000, "cifar100": 40_000, "ImageNet16-120": 120_000}
    for dataset, budget in budgets.items():
        terms = run_searches(bench("nats_tss"), dataset, random_search, runs=1).protocol
        assert terms == (budget, 12, 200, "nearest")
    assert PROTOCOLS["nats_sss"]["ImageNet16-120"] == (60_000, 12, 90, "nearest")
    assert PROTOCOLS["nb101"]["cifar10"] == (10_000_000, 108, 108, "last")


# ---------------------------------------------------------------------------------------------
# scores


def evaluations(*triples):
    return [
        Evaluation(arch, value, 1.0, elapsed, 1.0, 0.0, "cifar10", "x_valid", 12, 12, 0)
        for elapsed, value, arch in triples
    ]


def test_the_best_so_far_is_the_first_of_the_highest():
    nan = math.nan
    run = Run(0, evaluations((1, nan, 9), (2, 5, 1), (3, 7, 2), (4, 7, 3), (5, nan, 4), (6, 8, 5)))
    assert run.best_so_far() == [9, 1, 2, 2, 2, 5]


def test_the_rules_by_hand():
    times, scores = [10.0, 20.0, 40.0], [1.0, 2.0, 4.0]
    assert nearest(times, scores, 25) == pytest.approx(1.5 + 1)  # 20 and 10 are the nearest
    assert nearest(times, scores, 35) == pytest.approx(3.5)
    assert nearest(times, scores, 40) == 4.0
    assert nearest([10.0, 30.0, 31.0], [1.0, 2.0, 4.0], 29) == pytest.approx(0.0)  # extended
    assert nearest(times, scores, 50) == 4.0  # ended before its budget
    assert nearest([10.0], [1.0], 5) == 1.0
    assert nearest([10.0, 10.0], [1.0, 2.0], 10) == 2.0
    assert [last(times, scores, budget) for budget in (10, 19.9, 20, 1e9)] == [1.0, 1.0, 2.0, 4.0]
    with pytest.raises(QueryError, match="No evaluation of a run ended within the budget"):
        last(times, scores, 9.9)


@given(
    st.lists(st.floats(0.1, 50), min_size=2, max_size=30),
    st.lists(st.floats(0, 100), min_size=30, max_size=30),
    st.floats(0, 1),
)
def test_nearest_is_a_line_through_two_evaluations(steps, scores, fraction):
    times = np.cumsum(steps).tolist()
    scores = scores[: len(times)]
    budget = times[0] + fraction * (times[-1] - times[0])
    a, b = sorted(np.argsort(np.abs(np.array(times) - budget), kind="stable")[:2].tolist())
    slope = (scores[b] - scores[a]) / (times[b] - times[a])
    expected = scores[a] + slope * (budget - times[a])
    assert nearest(times, scores, budget) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_a_summary_is_numpys_mean_and_std(values):
    found = summary(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.sd == pytest.approx(np.std(values), abs=1e-6)  # ddof 0
    assert found.n == len(values)


def in_order(clock, space, rng):
    """Every architecture of a partial build in turn."""
    for genes in space.present:
        clock.evaluate(space.architecture(genes))


def test_scores_are_means_at_the_full_schedule(tss):
    study = short(tss, in_order, runs=4)
    for rule, read in (("nearest", nearest), ("last", last)):
        for role, found in zip(("valid_acc", "test_acc"), study.score(rule), strict=True):
            asked = {"dataset": "cifar10", "num_epochs": 200}
            expected = [
                read(
                    run.elapsed_s,
                    [tss.value(arch, role, **asked) for arch in run.best_so_far()],
                    2_000,
                )
                for run in study
            ]
            assert found.mean == pytest.approx(np.mean(expected), rel=1e-12)
            assert found.sd == pytest.approx(np.std(expected), abs=1e-9)
    assert study.score() == study.score("nearest")
    with pytest.raises(QueryError, match="nearest, last"):
        study.score("closest")


def test_regret_is_the_distance_to_the_best_mean_test(tss):
    study = short(tss, runs=6)
    asked = {"dataset": "cifar10", "num_epochs": 200}
    accuracies = {row.arch_id: tss.value(row.arch_id, "test_acc", **asked) for row in tss}
    assert study.best_test_acc_pct == max(accuracies.values())
    curve = study.regret(points=23)
    assert curve.times_s[0] == max(run.elapsed_s[0] for run in study)
    assert curve.times_s[-1] == 2_000
    for position, time in enumerate(curve.times_s):
        regrets = []
        for run in study:
            done = sum(elapsed <= time for elapsed in run.elapsed_s)
            regrets.append(max(accuracies.values()) - accuracies[run.best_so_far()[done - 1]])
        assert curve.mean[position] == pytest.approx(np.mean(regrets), abs=1e-9)
        assert curve.sd[position] == pytest.approx(np.std(regrets), abs=1e-9)
        assert curve.median[position] == pytest.approx(statistics.median(regrets), abs=1e-9)
    assert min(curve.mean) >= 0
    assert len(curve.to_pandas()) == 23


def test_a_study_converts(tss):
    study = short(tss)
    frame = study.to_pandas()
    assert len(frame) == sum(map(len, study))
    assert frame.groupby("run")["best_arch_id"].last().tolist() == [
        run.best_so_far()[-1] for run in study
    ]
    said = study.to_dict()
    assert (said["time_budget_s"], said["runs"], said["synthetic"]) == (2_000.0, 3, True)
    assert said["test_acc_pct"]["mean"] == study.score().test.mean
    assert "SYNTHETIC, partial build" in repr(study)


# ---------------------------------------------------------------------------------------------
# spaces


def complete(name):
    return SearchSpace(name, CODINGS[name])


@pytest.mark.parametrize("name", ["nats_tss", "nats_sss", "nb201"])
def test_genes_are_architectures(name):
    space, rng = complete(name), random.Random(0)
    drawn = [space.random(rng) for _ in range(300)]
    for genes in drawn:
        text = space.architecture(genes)
        assert space_of(name).to_config(text) == space.configuration(genes)
    columns = list(zip(*drawn, strict=True))
    assert all(len(set(column)) == size for column, size in zip(columns, space.sizes, strict=True))


def test_genes_of_cells():
    space, rng = complete("nb101"), random.Random(0)
    drawn = [space.random(rng) for _ in range(400)]
    names = [space.architecture(genes) for genes in drawn]
    assert 60 < sum(name is not None for name in names) < 200
    for genes, name in zip(drawn, names, strict=True):
        edges = sum(genes[5:])
        if edges > 9:  # counted before pruning
            assert name is None
        elif name is not None:
            assert space_of("nb101").encode(space.configuration(genes)) == name


def test_a_mutation_changes_one_gene_as_upstream_does():
    rng = random.Random(0)
    space = complete("nats_tss")
    parent = (0, 1, 2, 3, 4, 0)
    changed = Counter()
    for _ in range(3_000):
        child = space.mutate(parent, rng)
        (gene,) = [gene for gene in range(6) if child[gene] != parent[gene]]
        changed[gene] += 1
    shares = [changed[gene] / 3_000 for gene in range(6)]
    # A node first, then one of its edges.
    assert shares == pytest.approx([1 / 3, 1 / 6, 1 / 6, 1 / 9, 1 / 9, 1 / 9], abs=0.03)
    size = complete("nats_sss")
    kept = sum(size.mutate((0,) * 5, rng) == (0,) * 5 for _ in range(4_000))
    assert kept / 4_000 == pytest.approx(1 / 8, abs=0.03)  # draws without looking at the old width
    cell = complete("nb101")
    child = cell.mutate((0,) * 26, rng)
    assert sum(child) in (1, 2)
    assert sum(gene > 0 for gene in child) == 1


@pytest.mark.parametrize("name", ["nb101", "nb201", "nats_tss", "nats_sss"])
def test_a_partial_build_is_searched_among_its_own(bench, name):
    one, rng = bench(name), random.Random(0)
    space = search_space(one)
    assert sorted(one.find(text) for text in space.present.values()) == [r.arch_id for r in one]
    for genes, text in space.present.items():
        assert space.architecture(genes) == text
    found = {one.find(space.architecture(space.random(rng))) for _ in range(400)}
    assert len(found) > len(one) / 2
    proposed = [complete(name).random(rng) for _ in range(100)]
    texts = [space.architecture(genes) for genes in proposed]
    assert all(text in space.present.values() for text in texts if text is not None)
    assert search_space(one, present_only=False).present is None


def test_the_nearest_of_a_partial_build_differs_least(bench):
    space = search_space(bench("nats_sss"))
    for genes in [complete("nats_sss").random(random.Random(seed)) for seed in range(20)]:
        chosen = space.architecture(genes)
        distances = {
            text: sum(a != b for a, b in zip(genes, other, strict=True))
            for other, text in space.present.items()
        }
        assert distances[chosen] == min(distances.values())


def test_proposals_outside_a_partial_build_are_errors_unless_told(tss):
    with pytest.raises(QueryError, match="does not hold architecture"):
        short(tss, present_only=False)


# ---------------------------------------------------------------------------------------------
# methods


class Counted:
    """A clock that counts: the value of an architecture is the share of its best operation."""

    benchmark, dataset, num_epochs = "nats_tss", "cifar10", 12

    def __init__(self, evaluations):
        self.left, self.seen = evaluations, []

    def evaluate(self, arch, *, num_epochs=12, at_epoch=12):
        if not self.left:
            raise BudgetExhausted("over")
        self.left -= 1
        value = 100 * arch.count("nor_conv_3x3") / 6
        self.seen.append((arch, num_epochs, at_epoch, value))
        return Evaluation(0, value, 1, 1, 1, 0, "cifar10", "x_valid", num_epochs, at_epoch, 0)


def counted(method, evaluations, seed):
    clock = Counted(evaluations)
    with pytest.raises(BudgetExhausted):
        SEARCHES[method][1](clock, complete("nats_tss"), random.Random(seed))
    return clock.seen


def mean_value(method, tail=100):
    return statistics.fmean(
        value for seed in range(5) for *_, value in counted(method, 400, seed)[-tail:]
    )


def test_methods_learn_what_is_good():
    chance = mean_value("random_search")
    assert chance == pytest.approx(100 / 5, abs=3)
    assert mean_value("regularized_evolution") > chance + 20
    assert mean_value("reinforce") > chance + 20
    assert mean_value("bohb_style") > chance + 3


def test_evolution_forgets_its_oldest():
    """Ten random architectures first; every child is one edit away from one of the last ten."""
    seen = [arch for arch, *_ in counted("regularized_evolution", 300, 1)]
    operations = [space_of("nats_tss").decode(arch, "ops") for arch in seen]
    for position in range(10, 300):
        alive = operations[position - 10 : position]
        edits = [
            sum(a != b for a, b in zip(operations[position], parent, strict=True))
            for parent in alive
        ]
        assert min(edits) <= 1
        assert 1 in edits


def test_brackets_are_those_of_hyperband():
    epochs = [at_epoch for _, _, at_epoch, _ in counted("bohb_style", 40, 0)]
    assert epochs[:20] == [1] * 9 + [4] * 3 + [12] + [4] * 3 + [12] + [12] * 3
    assert epochs[20:33] == [1] * 9 + [4] * 3 + [12]


def test_brackets_promote_the_best():
    seen = counted("bohb_style", 13, 3)
    first, second, third = seen[:9], seen[9:12], seen[12:]
    ranked = sorted(first, key=lambda one: -one[3])
    assert [one[0] for one in second] == [one[0] for one in ranked[:3]]
    assert third[0][0] == ranked[0][0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["nb101", "nats_sss"])
def test_methods_search_every_space(bench, method, name):
    label, search = SEARCHES[method]
    budget = 100_000.0 if name == "nb101" else 3_000.0
    study = short(bench(name), search, name=label, time_budget_s=budget, runs=2)
    assert study.method == label
    assert min(map(len, study)) > 10
    assert short(bench(name), search, time_budget_s=budget, runs=2).runs == study.runs
    schedules = {pair for run in study for pair in zip(run.num_epochs, run.epochs, strict=True)}
    if method != "bohb_style":
        assert schedules == {(108, 108)} if name == "nb101" else {(12, 12)}
    elif name == "nb101":
        assert schedules == {(4, 4), (12, 12), (36, 36), (108, 108)}
    else:
        assert schedules == {(12, 1), (12, 4), (12, 12)}


# ---------------------------------------------------------------------------------------------
# tables and commands


@pytest.fixture
def table(tss):
    searches = [SEARCHES[name] for name in ("random_search", "regularized_evolution")]
    return ResultsTable(
        [
            short(tss, search, dataset=dataset, name=name)
            for name, search in searches
            for dataset in ("cifar10", "cifar100")
        ]
    )


def test_the_text_names_versions_protocol_and_citation(table, tss):
    text = table.text()
    assert "SYNTHETIC: made-up numbers" in text
    assert "Partial build" in text
    assert tss.version in text
    assert tss.cite() in text
    assert "3 runs of 2,000 s, seed 0; searched at 12 epochs, scored at 200" in text
    score = table.studies[0].score()
    assert f"{score.valid} | {score.test} (93.86 ± 0.23)" in text
    assert str(table) == text
    assert "(93.86" not in ResultsTable(table.studies, reported=False).text()


def test_the_csv_reads_back(table):
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert [(row["method"], row["dataset"]) for row in rows] == [
        (method, dataset)
        for method in ("random search", "regularized evolution")
        for dataset in ("cifar10", "cifar100")
    ]
    for row, study in zip(rows, table.studies, strict=True):
        assert float(row["test_acc_pct_mean"]) == study.score().test.mean
        assert row["version"] == study.bench.version
        assert row["rule"] == "nearest"
        assert row["synthetic"] == "True"


def test_the_latex_is_a_table(table, tss):
    latex = table.latex()
    lines = latex.splitlines()
    body = [line for line in lines if not line.startswith("%")]
    assert body[0] == r"\begin{tabular}{lcccc}"
    assert body[-1] == r"\end{tabular}"
    rows = [line for line in body if line.endswith(r"\\") and "multicolumn" not in line]
    assert {row.count("&") for row in rows} == {4}
    assert "nats\\_tss cifar10" in latex
    assert r"\textbf{SYNTHETIC: made-up numbers}" in latex
    assert any(tss.version in line for line in lines if line.startswith("%"))


def test_a_method_that_lacks_a_data_set_leaves_a_gap(table):
    gap = ResultsTable(table.studies[:3])
    assert "-- & --" in gap.latex()
    assert gap.text().splitlines()[3].endswith("-")


def test_reported_figures_are_there_for_every_method():
    names = {name for name, _ in SEARCHES.values()}
    for benchmark in ("nats_tss", "nats_sss", "nb201"):
        for dataset, figures in REPORTED[benchmark].items():
            assert dataset in PROTOCOLS[benchmark]
            assert set(figures) == names


def test_examples_say_what_the_papers_report():
    for name, (label, _) in SEARCHES.items():
        said = (ROOT / "examples" / f"{name}.py").read_text()
        for benchmark in ("nats_tss", "nats_sss"):
            for figures in REPORTED[benchmark].values():
                assert f"{figures[label].mean:.2f} +- {figures[label].sd:.2f}" in said


@pytest.mark.parametrize("method", METHODS)
def test_examples_run(home, method, tmp_path):
    script = ROOT / "examples" / f"{method}.py"
    options = ["--dataset=cifar10", "--runs=2", f"--home={home}", "--time-budget=5000"]
    files = [f"--curve={tmp_path / 'curve.csv'}", f"--log={tmp_path / 'log.csv'}"]
    ran = subprocess.run(
        [sys.executable, script, *options, *files], capture_output=True, text=True, check=True
    )
    assert SEARCHES[method][0] in ran.stdout
    assert "SYNTHETIC" in ran.stdout
    assert len((tmp_path / "curve.csv").read_text().splitlines()) == 101
    assert (tmp_path / "log.csv").read_text().startswith("dataset,run,elapsed_s,valid_acc_pct")


def test_the_table_command(home, capsys):
    scripts = [str(ROOT / "examples" / f"{name}.py") for name in METHODS]
    options = ["--runs=2", f"--home={home}", "--time-budget=3000", "--format=csv", "--workers=2"]
    other = str(ROOT / "examples" / "three_questions.py")
    assert main(["table", *scripts, other, *options]) == 0
    said = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert len(rows) == 4 * 3
    assert "three_questions.py: no function `search`" in said.err


def test_the_table_command_refuses(home, capsys, tmp_path):
    script = str(ROOT / "examples" / "random_search.py")
    assert main(["table", str(tmp_path / "missing.py"), f"--home={home}"]) == 1
    assert "no such script" in capsys.readouterr().err
    assert main(["table", script, f"--home={home}", "--dataset=cifar1000"]) == 1
    assert "cifar100" in capsys.readouterr().err
    assert main(["table", script, f"--home={home}", "--benchmark=nds"]) == 1
    assert "no space to search" in capsys.readouterr().err
    empty = tmp_path / "empty.py"
    empty.write_text("")
    assert main(["table", str(empty), f"--home={home}"]) == 1
    assert "No script has a function `search`" in capsys.readouterr().err


def test_importing_searches_loads_no_heavy_library():
    code = (
        "import sys, nasbase.search, nasbase.query.objective\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'h5py', 'peewee'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
