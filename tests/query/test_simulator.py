"""The simulated clock: nats_bench's numbers to the last bit, and no test value in sight."""

from __future__ import annotations

import csv
import json
import pickle
import random
import sys
from collections import Counter
from dataclasses import replace

import pytest
import yaml

from nasbase.checks.check import Artifacts
from nasbase.checks.validate import validate
from nasbase.cli import main
from nasbase.errors import QueryError
from nasbase.query.opening import open_folder
from nasbase.query.simulator import BudgetExhausted, Evaluation, History, Simulator
from nasbase.sources.fetched import write_fetched
from nasbase.sources.obtain import fetch_release
from nasbase.sources.table import SourcesTable
from nasbase.steps import assemble_step, convert_step, plan_step
from nasbase.store.install import install
from nasbase.store.sqlite import write_sqlite

nats_bench = pytest.importorskip("nats_bench")

FOLDERS = {"nats_tss": "NATS-tss-v1_0-3ffb9-simple", "nats_sss": "NATS-sss-v1_0-50262-simple"}
UPSTREAM_DATASETS = ("cifar10", "cifar100", "ImageNet16-120")


# ---------------------------------------------------------------------------------------------
# nats_bench beside it


def build_members(name, members, table, release, folder):
    """A handle on a build of a folder of members, and nats_bench's own on that folder."""
    raw = fetch_release(
        SourcesTable.load(table), name, release, store_dir=folder / "store", raw_dir=folder / "raw"
    )
    raw = replace(raw, partial=True)
    fetched, plan, shard = folder / "fetched.json", folder / "plan.json", folder / "000-of-001"
    said = dict.fromkeys(("code_licence", "data_licence", "citation", "homepage"), "as upstream")
    parquet, database = folder / "parquet", folder / f"{name}.sqlite"
    write_fetched(fetched, raw)
    plan_step(fetched, plan, shards=1, partial=True)
    convert_step(fetched, plan, shard, partial=True)
    assemble_step(fetched, plan, [shard], parquet, partial=True, provenance=said)
    write_sqlite(parquet, database)
    artifacts = Artifacts(
        benchmark=name,
        release=release,
        folder=parquet,
        partial=True,
        synthetic=raw.synthetic,
        forms=("parquet", "sqlite"),
        others=folder,
    )
    validate(artifacts, folder / "validation.json")
    installed = folder / "results" / name / release
    install(
        installed,
        parquet=parquet,
        forms={"sqlite": database},
        validation=folder / "validation.json",
        description={"status": "supported", **said},
    )
    api = nats_bench.create(str(members), name[-3:], fast_mode=True, verbose=False)
    return open_folder(installed), api


@pytest.fixture(scope="module", params=["nats_tss", "nats_sss"])
def sampled(request, tmp_path_factory):
    """A made-up release of a few members."""
    folder = tmp_path_factory.mktemp("members")
    samples = folder / "samples"
    where = [f"--benchmark={request.param}", "--form=dir", "--architectures=6", "--seed=5"]
    assert main(["sample", *where, str(samples)]) == 0
    (members,) = (path for path in samples.iterdir() if path.is_dir())
    return build_members(request.param, members, samples / "sources.yaml", "sample", folder)


@pytest.fixture(scope="module", params=["nats_tss", "nats_sss"])
def real(request, realdata, tmp_path_factory):
    """The real members."""
    name, folder = request.param, tmp_path_factory.mktemp("real")
    members = realdata / "nats" / FOLDERS[name]
    said = dict.fromkeys(("code_licence", "data_licence", "citation", "homepage"), "as upstream")
    files = [{"name": members.name, "form": "dir", "urls": [members.as_uri()]}]
    row = {**said, "status": "latest", "synthetic": False, "partial": True, "files": files}
    table = folder / "sources.yaml"
    table.write_text(yaml.safe_dump({name: {"1.0": row}}))
    return build_members(name, members, table, "1.0", folder)


def same(ours, theirs):
    """Equal to the last bit; from Python 3.12 on nats_bench's `sum` compensates its rounding."""
    if sys.version_info >= (3, 12):
        return ours == pytest.approx(theirs, rel=1e-13, abs=0)
    return ours == theirs


def compare(bench, api, monkeypatch):
    """Every architecture, schedule, data set and seed, at some epochs: value, cost, clock."""
    compared = 0
    rng = random.Random(0)
    for dataset in UPSTREAM_DATASETS:
        where = bench.split_of("valid_acc", dataset).dataset
        for num_epochs in bench.trainings[where]:
            hp = f"{num_epochs:02d}"
            clock = Simulator(bench, dataset, num_epochs=num_epochs, fallback="ori_test", seed=0)
            api.reset_time()
            for row in bench:
                for trial in bench.trials(row.arch_id, dataset=where, num_epochs=num_epochs):
                    # Upstream draws a seed up to twice; here both times the same one.
                    monkeypatch.setattr(random, "choice", lambda _, seed=trial.seed: seed)
                    for epoch in {None, 1, rng.randint(1, num_epochs)}:
                        theirs = api.simulate_train_eval(
                            row.arch_id, dataset, iepoch=epoch and epoch - 1, hp=hp
                        )
                        ours = clock.evaluate(row.arch_id, at_epoch=epoch, run=trial.run)
                        assert ours.value == theirs[0]
                        assert same(ours.time_s, theirs[2])
                        assert same(ours.elapsed_s, theirs[3])
                        compared += 1
    return compared


def test_the_clock_is_nats_benchs(sampled, monkeypatch):
    assert compare(*sampled, monkeypatch) > 100


@pytest.mark.realdata
def test_the_clock_is_nats_benchs_on_real_records(real, monkeypatch):
    assert compare(*real, monkeypatch) > 40


@pytest.mark.realdata
@pytest.mark.parametrize("real", ["nats_tss"], indirect=True)
def test_known_costs_of_a_real_network(real):
    """Figures that nats_bench 1.8 gave for network 11 of the topology space."""
    bench, _ = real
    for dataset, expected in {
        "cifar10": 153.6959332625071,
        "cifar100": 299.9196134408315,
        "ImageNet16-120": 907.9352778453829,
    }.items():
        assert same(bench.simulator(dataset, num_epochs=12).evaluate(11).time_s, expected)
    clock = bench.simulator("cifar100", num_epochs=200, fallback="ori_test")
    assert same(clock.evaluate(11, at_epoch=25).time_s, 623.9330901304882)


# ---------------------------------------------------------------------------------------------
# what is charged


@pytest.fixture
def tss(bench):
    return bench("nats_tss")


def ids(bench):
    return [row.arch_id for row in bench]


def test_an_evaluation_says_what_it_is(tss):
    clock = tss.simulator("cifar10", num_epochs=12, time_budget_s=20_000, seed=0)
    arch = tss.architectures[3]
    seen = clock.evaluate(arch.arch_str)
    trial = tss.trials(arch.arch_id, dataset="cifar10-valid", num_epochs=12)[seen.run]
    assert seen.value == trial.x_valid_acc_pct
    assert (seen.arch_id, seen.dataset, seen.split) == (arch.arch_id, "cifar10-valid", "x_valid")
    assert (seen.num_epochs, seen.epoch, seen.resumed_at) == (12, 12, None)
    assert seen.train_time_s == trial.train_time_total_s
    assert seen.time_s == seen.train_time_s + seen.eval_time_s == seen.elapsed_s
    assert "cifar10-valid x_valid" in repr(seen)
    assert "SYNTHETIC" in repr(clock)


def test_stopping_earlier_costs_less(tss):
    clock = tss.simulator("cifar10", num_epochs=200, seed=0)
    arch_id = ids(tss)[0]
    costs = [clock.evaluate(arch_id, at_epoch=epoch, run=0).time_s for epoch in (1, 2, 12, 200)]
    assert costs == sorted(costs)
    assert costs[0] > 0  # the first epoch is paid, too
    with pytest.raises(QueryError, match="an epoch from 1 to 200"):
        clock.evaluate(arch_id, at_epoch=0)
    with pytest.raises(QueryError, match="an epoch from 1 to 200"):
        clock.evaluate(arch_id, at_epoch=201)
    with pytest.raises(QueryError, match="12, 200"):
        clock.evaluate(arch_id, num_epochs=100)
    assert len(clock.history) == 4  # what failed cost nothing


def test_twelve_epochs_of_a_long_run_are_not_the_short_run(tss):
    clock = tss.simulator("cifar10", num_epochs=12, seed=0)
    short = clock.evaluate(ids(tss)[0])
    part = clock.evaluate(ids(tss)[0], num_epochs=200, at_epoch=12)
    assert (short.num_epochs, short.epoch) == (12, 12)
    assert (part.num_epochs, part.epoch) == (200, 12)
    assert short.value != part.value


def test_a_training_continues_by_the_difference(tss):
    clock = tss.simulator("cifar10", num_epochs=200, seed=1)
    arch_id = ids(tss)[2]
    first = clock.evaluate(arch_id, at_epoch=50)
    second = clock.resume(first, at_epoch=100)
    third = clock.resume(second)
    times = list(tss.series_values(arch_id, "cifar10-valid", 200, first.run, "train_time_s"))
    assert {first.run, second.run, third.run} == {first.run}
    assert second.train_time_s == pytest.approx(sum(times[50:100]), rel=1e-12)
    assert third.train_time_s == pytest.approx(sum(times[100:]), rel=1e-12)
    assert (third.epoch, third.resumed_at) == (200, 100)
    whole = clock.evaluate(arch_id, run=first.run)
    assert third.value == whole.value
    assert second.eval_time_s > 0  # a new pass over the validation set
    for epoch in (99, 100):
        with pytest.raises(QueryError, match="an epoch after 100, up to 200"):
            clock.resume(second, at_epoch=epoch)
    with pytest.raises(QueryError, match="an epoch from 1 to 200"):
        clock.resume(second, at_epoch=201)


def test_cells_are_charged_their_training_time_only(bench):
    nb101 = bench("nb101")
    clock = nb101.simulator("cifar10", num_epochs=108, seed=0)
    half = clock.evaluate(7, at_epoch=54)
    full = clock.resume(half)
    curves = {
        series: nb101.series_values(7, "cifar10", 108, half.run, series)
        for series in ("elapsed_train_time_s", "valid_acc_pct")
    }
    assert half.time_s == curves["elapsed_train_time_s"][53]
    assert full.time_s == curves["elapsed_train_time_s"][107] - half.time_s
    assert (half.value, full.value) == (curves["valid_acc_pct"][53], curves["valid_acc_pct"][107])
    assert half.eval_time_s == full.eval_time_s == 0.0
    assert clock.evaluate(7, num_epochs=4).epoch == 4
    with pytest.raises(QueryError, match="one of the epochs 54, 108"):
        clock.evaluate(7, at_epoch=53)


def test_the_budget_ends_the_search(tss):
    clock = tss.simulator("cifar10", num_epochs=12, time_budget_s=500.0, seed=0)
    for arch_id in ids(tss):
        if clock.exhausted:
            break
        clock.evaluate(arch_id)
    with pytest.raises(BudgetExhausted, match="The time budget is spent") as caught:
        clock.evaluate(ids(tss)[0])
    elapsed = [seen.elapsed_s for seen in clock.history]
    assert elapsed[-2] < 500 <= elapsed[-1]  # the one that crosses the budget is given out whole
    assert clock.elapsed_s == elapsed[-1]
    assert clock.exhausted
    with pytest.raises(BudgetExhausted):
        clock.resume(clock.history[0])
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


# ---------------------------------------------------------------------------------------------
# draws


def test_the_clock_has_a_generator_of_its_own(tss):
    def runs(seed):
        clock = tss.simulator("cifar10", num_epochs=200, seed=seed)
        return [clock.evaluate(arch_id).run for arch_id in ids(tss) * 2]

    random.seed(1)
    state = random.getstate()
    first = runs(3)
    assert random.getstate() == state
    random.seed(2)
    assert runs(3) == first
    assert runs(4) != first


def test_every_run_is_drawn_as_often(tss):
    clock = tss.simulator("cifar10", num_epochs=200, seed=0)
    arch_id = next(i for i in ids(tss) if len(tss.runs(i, "cifar10-valid", 200)) == 3)
    drawn = Counter(clock.evaluate(arch_id).run for _ in range(1500))
    assert set(drawn) == {0, 1, 2}
    assert min(drawn.values()) > 420


def test_a_drawn_seed_can_be_read_and_given_again(tss):
    clock = tss.simulator("cifar10", num_epochs=200)
    drawn = [clock.evaluate(arch_id).run for arch_id in ids(tss)]
    again = tss.simulator("cifar10", num_epochs=200, seed=clock.seed)
    assert [again.evaluate(arch_id).run for arch_id in ids(tss)] == drawn


def test_mean_or_one_run(tss):
    arch_id = next(i for i in ids(tss) if len(tss.runs(i, "cifar10-valid", 200)) == 3)
    mean = tss.simulator("cifar10", num_epochs=200, run="mean").evaluate(arch_id)
    asked = {"dataset": "cifar10", "num_epochs": 200}
    assert mean.run is None
    assert mean.value == pytest.approx(tss.value(arch_id, "valid_acc", **asked), rel=1e-12)
    fixed = tss.simulator("cifar10", num_epochs=200, run=1)
    assert [fixed.evaluate(arch_id).run for _ in range(3)] == [1, 1, 1]
    for wrong in ("best", True, None):
        with pytest.raises(QueryError, match="no way to choose a run"):
            tss.simulator("cifar10", num_epochs=200, run=wrong)
    with pytest.raises(QueryError):
        fixed.evaluate(arch_id, run=9)


# ---------------------------------------------------------------------------------------------
# refusals


def test_schedules_by_upstreams_name(tss):
    assert tss.simulator("cifar10", hp="12").num_epochs == 12
    assert tss.objective("cifar10", hp="200").num_epochs == 200
    with pytest.raises(QueryError, match="which training schedule"):
        tss.simulator("cifar10")
    with pytest.raises(QueryError, match="different schedules"):
        tss.simulator("cifar10", num_epochs=12, hp="200")


def test_what_was_never_released_is_refused(tss):
    clock = tss.simulator("cifar100", num_epochs=200, seed=0)
    with pytest.raises(QueryError) as caught:
        clock.evaluate(ids(tss)[0], at_epoch=50)
    assert "No x_valid_acc_pct was released at epoch 50" in str(caught.value)
    assert "one of the epochs 200" in str(caught.value)
    assert 'fallback="ori_test" reads test data' in str(caught.value)
    assert clock.evaluate(ids(tss)[0]).split == "x_valid"


def test_the_fallback_names_its_split(tss):
    clock = tss.simulator("cifar100", num_epochs=200, seed=0, fallback="ori_test")
    arch_id = ids(tss)[0]
    early, late = clock.evaluate(arch_id, at_epoch=50), clock.evaluate(arch_id)
    values = tss.series_values(arch_id, "cifar100", 200, early.run, "ori_test_acc_pct")
    assert (early.value, early.split) == (values[49], "ori_test")
    assert late.split == "x_valid"
    mean = tss.simulator("cifar100", num_epochs=200, run="mean", fallback="ori_test")
    assert mean.evaluate(arch_id, at_epoch=50).split == "ori_test"
    for wrong in ("x_test", "test", ""):
        with pytest.raises(QueryError, match="no such split to fall back to"):
            tss.simulator("cifar100", num_epochs=200, fallback=wrong)


def test_cells_have_no_fallback(bench):
    with pytest.raises(QueryError, match="no such split to fall back to"):
        bench("nb101").simulator("cifar10", num_epochs=108, fallback="ori_test")


def test_nds_has_nothing_to_search_by(bench):
    with pytest.raises(QueryError, match="NDS has no validation split"):
        bench("nds").simulator("cifar10", num_epochs=100)


def test_unknown_names_are_refused(tss):
    with pytest.raises(QueryError, match="cifar100"):
        tss.simulator("cifar1000", num_epochs=12)
    with pytest.raises(QueryError, match="12, 200"):
        tss.simulator("cifar10", num_epochs=90)
    absent = next(i for i in range(len(tss) + 1) if i not in set(ids(tss)))
    with pytest.raises(QueryError, match="does not hold architecture"):
        tss.simulator("cifar10", num_epochs=12).evaluate(absent)


def test_a_training_without_times_cannot_be_charged(tss, monkeypatch):
    """NAS-Bench-201 1.0 has none at 200 epochs."""
    read = type(tss).series_values

    def without_times(self, *training_and_series):
        values = read(self, *training_and_series)
        return [None] * len(values) if training_and_series[-1].endswith("_time_s") else values

    monkeypatch.setattr(type(tss), "series_values", without_times)
    clock = tss.simulator("cifar10", num_epochs=200, seed=0)
    with pytest.raises(QueryError, match="No train_time_s was released"):
        clock.evaluate(ids(tss)[0])
    assert clock.elapsed_s == 0
    assert len(clock.history) == 0


def test_no_test_value_is_ever_read(tss, monkeypatch):
    asked = set()
    read = type(tss).series_values

    def spied(self, *training_and_series):
        asked.add(training_and_series[-1])
        return read(self, *training_and_series)

    monkeypatch.setattr(type(tss), "series_values", spied)
    for dataset in UPSTREAM_DATASETS:
        for num_epochs in (12, 200):
            clock = tss.simulator(dataset, num_epochs=num_epochs, seed=0)
            first = clock.evaluate(ids(tss)[0])
            assert not [name for name in first.to_dict() if "test" in name]
    assert asked == {"x_valid_acc_pct", "train_time_s", "x_valid_time_s"}


# ---------------------------------------------------------------------------------------------
# the log


@pytest.fixture
def searched(tss):
    clock = tss.simulator("cifar10", num_epochs=200, time_budget_s=50_000, seed=7)
    for arch_id in ids(tss)[:4]:
        clock.resume(clock.evaluate(arch_id, at_epoch=20))
    clock.evaluate(ids(tss)[5], num_epochs=12)
    return clock


def test_a_log_repeats_itself(tss, searched):
    log = json.loads(json.dumps(searched.to_dict()))
    again = Simulator.replay(tss, log)
    assert list(again.history) == list(searched.history)
    assert again.to_dict() == searched.to_dict()


@pytest.mark.parametrize("key", ["value", "time_s", "elapsed_s", "split"])
def test_a_log_of_other_numbers_is_refused(tss, searched, key):
    log = searched.to_dict()
    log["evaluations"][2] = log["evaluations"][2] | {key: "x_test" if key == "split" else 12.5}
    with pytest.raises(QueryError, match="evaluation 2"):
        Simulator.replay(tss, log)


def test_a_history_is_a_sequence_that_converts(searched, tmp_path):
    history = searched.history
    assert len(history) == 9
    assert history[0] == next(iter(history))
    assert isinstance(history[1:3], History)
    assert history.best().value == max(seen.value for seen in history)
    frame = history.to_pandas()
    assert frame["elapsed_s"].tolist() == [seen.elapsed_s for seen in history]
    history.to_csv(tmp_path / "log.csv")
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["time_s"]) for row in rows] == [seen.time_s for seen in history]
    assert list(rows[0]) == list(Evaluation._fields)
    with pytest.raises(QueryError, match="Nothing was evaluated"):
        History().best()
    assert repr(History()) == "History(empty)"
