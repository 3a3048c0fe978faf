"""What NAS-Bench-201 is compared with, and that the comparison counts what a plain one counts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
from defects_nats import kept_trials, last, trial
from harness import sample
from hypothesis import given
from hypothesis import strategies as st
from tampering import Copy, good_build, next_up

from nasbase.benchmarks import room_of
from nasbase.benchmarks.nb201 import checks
from nasbase.benchmarks.room import choose_counterpart
from nasbase.tables.catalogue import series

CHECKS = {check.id.rpartition(".")[2]: check for check in checks.counterpart_checks()}
NUMBERS = {"accuracies": "_pct", "losses": "_loss", "times": "_time_s"}


@dataclass(frozen=True)
class Named:
    release: str
    synthetic: bool


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Parquet tables of both, by name: nothing else is compared."""
    folder = tmp_path_factory.mktemp("good")
    built = {}
    for name in ("nb201", "nats_tss"):
        sample(folder / "samples", name, architectures=6)
        light = {"outputs": "parquet", "reread": "sample"}
        built[name] = good_build(folder, name, "samples/sources.yaml", **light)
    return built.__getitem__


@pytest.fixture
def other(good, tmp_path) -> Copy:
    """A build of nats_tss that can be changed."""
    return Copy(good("nats_tss"), tmp_path / "nats_tss", ())


@pytest.fixture
def ours(good, tmp_path, other):
    """What is compared with it."""
    artifacts = Copy(good("nb201"), tmp_path / "nb201", ()).artifacts
    return replace(artifacts, counterpart=other.parquet)


# ---------------------------------------------------------------------------------------------
# what is compared


def test_a_release_is_compared_with_its_likes():
    real, made, twin = Named("1.0", False), Named("sample", True), Named("sample-2", True)
    assert choose_counterpart(Named("1.1", False), [made, real]) is real
    assert choose_counterpart(Named("1.1", False), [made, twin]) is None
    assert choose_counterpart(twin, [real, made, twin]) is twin
    assert choose_counterpart(Named("sample-3", True), [made, twin]) is made
    assert choose_counterpart(made, []) is None


def test_no_two_benchmarks_wait_for_each_other():
    named = {name: room_of(name).counterpart for name in ("nb101", "nb201", "nats_tss", "nds")}
    assert named == {"nb101": None, "nb201": "nats_tss", "nats_tss": None, "nds": None}


@pytest.mark.parametrize(
    ("change", "silent", "reason"),
    [
        ({"counterpart": None}, set(CHECKS), "nats_tss was not built with it."),
        ({"synthetic": False}, set(CHECKS), "The numbers of one of the two builds are made up."),
        ({"release": "1.0"}, {"times", "latencies"}, "Release 1.0 measured its times another way."),
    ],
)
def test_what_cannot_be_compared_says_why(ours, change, silent, reason):
    records = {name: check.report(replace(ours, **change)) for name, check in CHECKS.items()}
    said = {name: r["not_applicable"] for name, r in records.items() if "not_applicable" in r}
    assert said == dict.fromkeys(silent, reason)
    assert all(record["passed"] for record in records.values())
    assert {name for name, record in records.items() if record["checked"]} == set(CHECKS) - silent


def test_complete_builds_have_the_same_cells(ours, other):
    for name in ("architectures", "costs"):
        assert CHECKS[name].report(ours)["passed"]
    other.write("architectures", other.rows("architectures"), partial="false")
    lonely = {r["arch_id"] for r in ours.table("architectures").to_pylist()}
    lonely ^= {r["arch_id"] for r in other.rows("architectures")}
    for name, factor in (("architectures", 1), ("costs", 4)):
        record = CHECKS[name].report(replace(ours, partial=False))
        assert record["failed"] == factor * len(lonely) > 0
        assert "arch_id 347" in record["examples"][0]
        assert record["examples"][0].endswith("in nb201 alone")


# ---------------------------------------------------------------------------------------------
# what is counted


def damage(other: Copy) -> None:
    """Seeds and points that only one build has, rounding, other numbers, NaN in one alone."""
    lost = trial(other, num_epochs=200, run=1)
    kept_trials(other, [r["trial_id"] for r in other.rows("trials") if r["trial_id"] != lost])
    short, long = (trial(other, dataset="cifar100", num_epochs=n) for n in (12, 200))
    other.put("curves", "x_test_acc_pct", None, trial_id=short)
    other.edit("curves", lambda rows: [r for r in rows if (r["trial_id"], r["epoch"]) != (long, 7)])
    rounded = last(other, long)
    other.put("curves", "ori_test_acc_pct", lambda r: next_up(r["ori_test_acc_pct"]), **rounded)
    other.put("curves", "train_acc_pct", 50.0, trial_id=long, epoch=100)
    other.put("curves", "train_loss", math.nan, trial_id=long, epoch=101)
    other.put("curves", "train_time_s", lambda row: 2 * row["train_time_s"], trial_id=short)


def plain(artifacts) -> tuple[dict, dict]:
    """Points by training, read row by row, and the names of all trainings."""
    trainings = {
        row["trial_id"]: tuple(row[name] for name in checks.TRAINING)
        for row in artifacts.table("trials").to_pylist()
    }
    curves = artifacts.table("curves").to_pylist()
    points = {(trainings[row["trial_id"]], row["epoch"]): row for row in curves}
    return points, set(trainings.values())


def counted(name: str, ours: dict, theirs: dict, common: set) -> tuple[dict, set]:
    """What there is to count of one column, and the trainings that differ."""
    found, differ = Counter(), set()
    for key in {*ours, *theirs}:
        a, b = (points.get(key, {}).get(name) for points in (ours, theirs))
        if key[0] not in common or (a is None and b is None):
            continue
        if a is None or b is None:
            found["only_nats_tss" if a is None else "only_nb201"] += 1
        elif a == b or (math.isnan(a) and math.isnan(b)):
            found["equal"] += 1
        elif abs(a - b) < 1e-10:
            found["rounded"] += 1
        else:
            found["different"] += 1
            differ.add(key[0])
    return dict(found), differ


@pytest.mark.parametrize("rows", [499, 122_880])
def test_numbers_are_counted_as_a_plain_comparison_counts_them(ours, other, monkeypatch, rows):
    """In pieces of any size, wherever they end."""
    monkeypatch.setattr(checks, "BATCH_ROWS", rows)
    damage(other)
    (mine, my_trainings), (others, their_trainings) = plain(ours), plain(other.artifacts)
    common = my_trainings & their_trainings
    seen = Counter()
    for what, end in NUMBERS.items():
        record, differ = CHECKS[what].report(ours), set()
        names = [column.name for column in series("nb201") if column.name.endswith(end)]
        for name in names:
            wanted, differing = counted(name, mine, others, common)
            assert {how: n for how, n in record["counts"][name].items() if n} == wanted, name
            seen.update(wanted)
            differ |= differing
        assert record["trainings"] == len(common)
        assert record["trainings_that_differ"] == len(differ)
        counts = record["counts"].values()
        assert record["failed"] == sum(found["different"] for found in counts) > 0
        judged = ("equal", "rounded", "different")
        assert record["checked"] == sum(found[how] for found in counts for how in judged)
    assert all(seen[how] for how in ("equal", "rounded", "different", "only_nb201"))


def test_trainings_that_one_release_lacks_are_counted(ours, other):
    damage(other)
    record = CHECKS["trainings"].report(ours)
    (_, mine), (_, others) = plain(ours), plain(other.artifacts)
    both = {t[0] for t in mine} & {t[0] for t in others}
    lonely = {training for training in mine - others if training[0] in both}
    assert record["failed"] == len(lonely) == 1
    assert record["counts"]["200 epochs"]["only_nb201"] == 1
    assert record["counts"]["200 epochs"]["only_nats_tss"] == 0
    assert record["checked"] == sum(t[0] in both for t in mine)


def test_a_training_that_nats_bench_added_is_no_failure(ours, other, good, tmp_path):
    """Upstream trained cells again after NAS-Bench-201 had been released."""
    mine = Copy(good("nb201"), tmp_path / "less", ())
    lost = trial(mine, num_epochs=200, run=1)
    kept_trials(mine, [r["trial_id"] for r in mine.rows("trials") if r["trial_id"] != lost])
    less = replace(mine.artifacts, counterpart=other.parquet)
    record = CHECKS["trainings"].report(less)
    assert record["passed"]
    assert record["counts"]["200 epochs"]["only_nats_tss"] == 1
    assert all(CHECKS[what].report(less)["passed"] for what in NUMBERS)


def test_corrected_sizes_can_be_told(ours, other):
    note = other.row("notes", code="params-differ")
    right = note["value"]
    number = int(note["key"].strip("}").split(": ")[1])
    other.put("trials", "params_m", right, trial_id=number)
    other.follow()
    record = CHECKS["sizes"].report(ours)
    assert record["failed"] == record["counts"]["params_m"]["different"] == 1
    counts = record["counts"]["params_m"]
    assert counts["errata_nb201"] == len(
        [n for n in ours.table("notes").to_pylist() if n["code"] == "params-differ"]
    )
    assert counts["errata_nats_tss"] == len(
        [n for n in other.rows("notes") if n["code"] == "params-differ"]
    )


def test_builds_that_order_their_trials_differently_are_refused(ours, other):
    one, two = (trial(other, dataset=name, num_epochs=12) for name in ("cifar10", "cifar100"))
    other.exchange("trials", ["dataset"], {"trial_id": one}, {"trial_id": two})
    record = CHECKS["latencies"].report(ours)
    assert not record["passed"]
    assert "Two builds order their trials differently" in record["examples"][0]


# ---------------------------------------------------------------------------------------------
# two streams


@st.composite
def streams(draw) -> list[np.ndarray]:
    """Ascending keys, cut into pieces anywhere."""
    keys = np.array(sorted(draw(st.sets(st.integers(0, 40)))), dtype=np.int64)
    cuts = sorted(draw(st.sets(st.integers(1, max(len(keys) - 1, 1)))))
    return [piece for piece in np.split(keys, cuts) if len(piece)]


@given(streams(), streams())
def test_streams_are_cut_at_the_same_keys(one, two):
    pieces = list(checks.side_by_side(*(map(points, side) for side in (one, two))))
    for side, whole in enumerate((one, two)):
        keys = [key for pair in pieces for key in pair[side].rows["key"].to_pylist()]
        assert keys == [key for pair in pieces for key in pair[side].key.tolist()]
        assert keys == [key for piece in whole for key in piece.tolist()]
    seen = [{*a.key.tolist(), *b.key.tolist()} for a, b in pieces]
    assert sum(map(len, seen)) == len(set().union(*seen))


def points(keys: np.ndarray) -> checks.Points:
    return checks.Points(keys, pa.table({"key": keys}))
