"""The benchmark of questions runs on a small sample; what it measures is not judged here."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))


def test_a_small_run_prints_and_keeps_its_table(tmp_path):
    out = tmp_path / "query.md"
    command = [sys.executable, str(BENCH / "query.py"), "--no-nni", "--no-whole-spaces"]
    small = ["--architectures=6", "--questions=20", f"--cache={tmp_path}", f"--out={out}"]
    done = subprocess.run(
        [*command, *small, "--date=2026-01-31"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["nasbase", "takes", "the", "other", "takes", "ratio", "target"]
    asked = [line.split("  ")[0] for line in lines[1:]]
    for question in ("trials", "mean", "value", "complexity", "simulator step"):
        assert {f"{question}, 12 epochs", f"{question}, 200 epochs"} <= {*asked}
    assert "first answer of a fresh interpreter" in asked
    assert any(line.startswith("memory after 200 random questions") for line in lines)
    page = out.read_text()
    assert "* 2026-01-31\n" in page
    assert "nats_bench 1.8" in page
    assert page.count("\n|") == len(lines) + 1  # the table has a rule below its head


def test_verdicts_and_units():
    from report import Line, quantity, text

    faster = Line("a", 1e-5, "peer", 2e-4, at_least=10)
    assert (round(faster.ratio), faster.verdict) == (20, "pass")
    assert Line("a", 1e-5, "peer", 2e-4, at_least=50).verdict == "FALLS SHORT"
    assert Line("a", 0.09, "peer", 0.2, at_most=0.08).verdict == "FALLS SHORT"
    assert Line("a", 0.07, "peer", 0.2, at_most=0.08).verdict == "pass"
    assert Line("a", 0.07, "peer", 0.2).verdict == "-"
    assert quantity(0.0000123, "s") == "12.3 us"
    assert quantity(0.0123, "s") == "12.3 ms"
    assert quantity(12.3, "s") == "12.3 s"
    assert quantity(37.4e6, "B") == "37.4 MB"
    assert "FALLS SHORT" in text([Line("a", 1.0, at_most=0.5)])


def test_contenders_are_asked_the_same_questions_in_turns():
    from timing import here, medians

    said = []
    contenders = {
        name: here(lambda number, name=name: said.append((name, number))) for name in ("a", "b")
    }
    took = medians(contenders, [(i,) for i in range(4)], block=2)
    assert said == [(name, i) for block in ((0, 1), (2, 3)) for name in "ab" for i in block]
    assert all(seconds > 0 for seconds in took.values())


def test_answers_that_differ_end_the_run():
    from query import agree

    agree(93.7, 93.7 * (1 + 1e-12), "accuracy")
    with pytest.raises(SystemExit, match=r"answers differ about accuracy: 93\.7 and 93\.8"):
        agree(93.7, 93.8, "accuracy")


def test_nni_database_holds_the_same_trainings(home, rows_of, tmp_path):
    import nni_database

    path = tmp_path / "nasbench201.db"
    nni_database.write(home / "nats_tss" / "sample", path)
    trials = rows_of("nats_tss", "trials")
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        stored = database.execute(
            "SELECT * FROM nb201trialstats t JOIN nb201trialconfig c ON c.id = t.config_id"
        ).fetchall()
        assert len(stored) == len(trials)
        wanted = next(
            t for t in trials if (t["arch_id"], t["dataset"], t["num_epochs"])
            == (11, "cifar100", 200)
        )  # fmt: skip
        (found,) = [
            row
            for row in stored
            if row["config_id"] == 8 * 11 + 4 + 2 + 1 and row["seed"] == wanted["seed"]
        ]
        assert (found["dataset"], found["num_epochs"]) == ("cifar100", 200)
        assert found["valid_acc"] == wanted["x_valid_acc_pct"]
        assert found["test_acc"] == wanted["x_test_acc_pct"]
        assert found["training_time"] == wanted["train_time_s"] * 200
        points = database.execute(
            "SELECT current_epoch, ori_test_acc FROM nb201intermediatestats WHERE trial_id = ? "
            "ORDER BY id",
            (found["id"],),
        ).fetchall()
    curve = [
        (row["epoch"], row["ori_test_acc_pct"])
        for row in rows_of("nats_tss", "curves")
        if row["trial_id"] == wanted["trial_id"]
    ]
    assert [tuple(point) for point in points] == curve


def test_made_up_trainings_of_the_whole_topology_space():
    import builds

    from nasbase.tables.shards import shard_architectures, shard_trials

    batch = next(builds._topology_batches())
    assert len(batch.trials) == 15_625
    assert batch.trials.schema == shard_trials("nats_tss")
    batch.architectures.cast(shard_architectures("nats_tss"))
    assert batch.trials["epoch"][0].as_py() == batch.trials["num_epochs"][:1].to_pylist()
