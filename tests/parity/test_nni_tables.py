"""NNI 3.0's own converters beside ours: every row of every table, and stock NNI on our databases.

Only with NASBASE_PARITY_NNI=1. On releases that its converters can take they are run as they are;
on awkward ones NNI itself says which trainings it cannot hold (see ``nni_driver.py``).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import sqlite3
import subprocess
from pathlib import Path

import plain_nni
import pytest
import releases
from stepwise import build

from nasbase.cli import main
from nasbase.store.install import write_catalog
from nasbase.store.nni import DATABASES

pytestmark = pytest.mark.skipif(
    os.environ.get("NASBASE_PARITY_NNI") != "1", reason="set NASBASE_PARITY_NNI=1 to install NNI"
)

DRIVER = Path(__file__).with_name("nni_driver.py")


@pytest.fixture
def convert(python, tmp_path):
    """NNI's database of a raw file, and what the converter's process printed."""

    def call(benchmark, raw, *options, questions=()):
        asked, answers = tmp_path / "questions.json", tmp_path / "answers.json"
        asked.write_text(json.dumps(questions))
        command = [python, DRIVER, DATABASES[benchmark], raw, asked, answers, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return answers.with_suffix(".db")

    return call


def ours(folder: Path, benchmark: str, release: str, table: str = "sources.yaml") -> Path:
    forms = ["parquet", "sqlite", "nni"]
    installed = build(folder, benchmark, release, table, partial=True, outputs=forms)
    (database,) = (installed / "nni").iterdir()
    return database


def sample(folder: Path, benchmark: str, *options: str) -> Path:
    with contextlib.redirect_stdout(io.StringIO()):
        arguments = ["sample", f"--benchmark={benchmark}", *options, str(folder / "samples")]
        assert main(arguments) == 0
    (raw,) = (p for p in (folder / "samples").iterdir() if p.name != "sources.yaml")
    return raw


def rows(database: Path, table: str) -> list[tuple]:
    """All columns of a table and their storage classes, in the order of the rows."""
    with sqlite3.connect(database) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        types = ", ".join(f"typeof({name})" for name in names)
        return connection.execute(f"SELECT *, {types} FROM {table} ORDER BY rowid").fetchall()


def schema(database: Path) -> list[tuple]:
    """What SQLite keeps of tables and indexes, but our own table and the places in the file."""
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name != 'nasbase_build'"
    with sqlite3.connect(database) as connection:
        pragmas = ("page_size", "user_version", "application_id", "encoding", "journal_mode")
        header = [connection.execute(f"PRAGMA {name}").fetchone() for name in pragmas]
        return [*connection.execute(query), *header]


def assert_equal(theirs: Path, mine: Path, benchmark: str) -> int:
    """Compare whole databases; the number of rows compared."""
    assert schema(theirs) == schema(mine)
    count = 0
    for table in ("trialconfig", "trialstats", "intermediatestats"):
        expected, found = rows(theirs, benchmark + table), rows(mine, benchmark + table)
        different = [pair for pair in zip(expected, found, strict=False) if pair[0] != pair[1]]
        assert not different, different[:2]
        assert len(expected) == len(found)
        count += len(expected)
    return count


# ---------------------------------------------------------------------------------------------
# samples, as the converters take them


SAMPLES = [
    ("nb101", ["--architectures=12", "--seed=1"]),
    ("nb101", ["--architectures=8", "--seed=2", "--order=shuffled"]),
    ("nb201", ["--architectures=6", "--seed=3"]),
    ("nb201", ["--architectures=5", "--seed=4", "--order=shuffled"]),
    ("nds", ["--architectures=120", "--seed=5"]),
    ("nds", ["--architectures=400", "--seed=6"]),
]


@pytest.mark.parametrize(("benchmark", "options"), SAMPLES, ids="".join)
def test_samples(convert, tmp_path, benchmark, options):
    raw = sample(tmp_path, benchmark, *options)
    mine = ours(tmp_path, benchmark, "sample", "samples/sources.yaml")
    assert assert_equal(convert(benchmark, raw, "whole"), mine, benchmark) > 100
    with sqlite3.connect(mine) as database:
        assert ("left_out", "0") in set(database.execute("SELECT * FROM nasbase_build"))


# ---------------------------------------------------------------------------------------------
# awkward releases


def left_out(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        found = dict(connection.execute("SELECT * FROM nasbase_build"))
    return int(found["left_out"])


@pytest.mark.parametrize("seed", range(3))
def test_awkward_nds(convert, tmp_path, seed):
    raw = releases.nds(tmp_path, seed)
    releases.write_table(tmp_path / "sources.yaml", {"nds": {"sample-x": [releases.describe(raw)]}})
    mine = ours(tmp_path, "nds", "sample-x")
    assert assert_equal(convert("nds", raw, "tolerant"), mine, "nds") > 100
    assert left_out(mine) > 10


@pytest.mark.parametrize("seed", range(3))
def test_awkward_nb201(convert, tmp_path, seed):
    rng = random.Random(seed)
    indexes = rng.sample(range(15_625), 4)
    hps = ("full", "less") if seed else ("less", "full")
    records = {i: plain_nni.mended(releases.record("nb201", i, hps, rng), rng) for i in indexes}
    raw = releases.nb201(tmp_path, records, "legacy", rng, releases.dumps_old)
    files = [releases.describe(raw)]
    releases.write_table(tmp_path / "sources.yaml", {"nb201": {"sample-x": files}})
    mine = ours(tmp_path, "nb201", "sample-x")
    theirs = convert("nb201", raw, "tolerant")
    assert left_out(mine) > 0
    # NNI was given the configurations of these cells alone: its ids of them are others.
    query = """SELECT t.*, arch, num_epochs, dataset FROM nb201trialstats t
               JOIN nb201trialconfig c ON c.id = config_id ORDER BY t.id"""
    answers = []
    for database in (theirs, mine):
        with sqlite3.connect(database) as connection:
            answers.append([(row[0], *row[2:]) for row in connection.execute(query)])
    assert answers[0] == answers[1]
    assert len(answers[0]) > 20
    points = [rows(database, "nb201intermediatestats") for database in (theirs, mine)]
    assert points[0] == points[1]
    assert len(points[0]) > 500


@pytest.mark.parametrize("seed", range(2))
def test_awkward_nb101(convert, tmp_path, seed):
    """Unknown fields, odd JSON and orders; NNI takes no release that lacks a training."""
    raw = releases.nb101(tmp_path, seed, schedules=(4, 12, 36, 108), complete=True)
    files = [releases.describe(raw)]
    releases.write_table(tmp_path / "sources.yaml", {"nb101": {"sample-x": files}})
    mine = ours(tmp_path, "nb101", "sample-x")
    assert assert_equal(convert("nb101", raw), mine, "nb101") == 9 * (4 + 12 + 24)


# ---------------------------------------------------------------------------------------------
# stock NNI on an installed database


ASK = """
import json, sys, nni
nni.set_default_framework("none")
LINE
from nni.nas.benchmark.MODULE import QUERY
print(json.dumps([list(QUERY(*leading, **named)) for leading, named in json.load(sys.stdin)]))
"""
QUERIES = {"nb101": "query_nb101_trial_stats", "nb201": "query_nb201_trial_stats"}


@pytest.fixture
def ask(python, realdata, tmp_path, monkeypatch, capsys):
    """Stock NNI's answers from a database that ``nasbase nni-install`` has put into place."""
    monkeypatch.setenv("NASBENCHMARK_DIR", str(tmp_path / "databases"))

    def call(benchmark, make, questions):
        files = [releases.describe(make(realdata, tmp_path))]
        releases.write_table(
            tmp_path / "sources.yaml", {benchmark: {"1.1": files}}, synthetic=False
        )
        ours(tmp_path, benchmark, "1.1")
        write_catalog(tmp_path / "results")
        capsys.readouterr()
        assert main(["nni-install", benchmark, "--home", str(tmp_path / "results")]) == 0
        said = capsys.readouterr().out
        (line,) = (line.strip() for line in said.splitlines() if "DB_URLS" in line)
        assert "SYNTHETIC" not in said
        program = ASK.replace("LINE", line).replace("MODULE", DATABASES[benchmark])
        done = subprocess.run(
            [python, "-c", program.replace("QUERY", QUERIES[benchmark])],
            input=json.dumps(questions), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])  # NNI's log is above

    return call


def test_stock_nni_asks_nb101(ask):
    arch = {
        "op1": "conv3x3-bn-relu", "op2": "maxpool3x3", "op3": "conv3x3-bn-relu",
        "op4": "conv3x3-bn-relu", "op5": "conv1x1-bn-relu", "input1": [0], "input2": [1],
        "input3": [2], "input4": [0], "input5": [0, 3, 4], "input6": [2, 5],
    }  # fmt: skip
    rows, (mean,) = ask(
        "nb101",
        plain_nni.published_nb101,
        [[[arch, 108], {"include_intermediates": True}], [[arch, 108], {"reduction": "mean"}]],
    )
    config = {"id": 4, "arch": arch, "num_vertices": 7, "num_epochs": 108}
    assert {key: rows[0]["config"][key] for key in config} == config
    assert [row["id"] for row in rows] == [10, 11, 12]
    assert rows[0]["valid_acc"] == 92.41786599159241
    assert rows[0]["training_time"] == 106147.67578125
    assert rows[0]["parameters"] == 8.55553
    half, final = rows[0]["intermediates"]
    assert (half["current_epoch"], half["valid_acc"]) == (54, 77.76442170143127)
    assert (final["current_epoch"], final["training_time"]) == (108, 1769.1279296875)
    assert mean["valid_acc"] == pytest.approx(sum(row["valid_acc"] for row in rows) / 3)


def test_stock_nni_asks_nb201(ask):
    arch = {
        "0_1": "avg_pool_3x3", "0_2": "conv_1x1", "1_2": "skip_connect", "0_3": "conv_1x1",
        "1_3": "skip_connect", "2_3": "skip_connect",
    }  # fmt: skip
    (rows,) = ask(
        "nb201",
        plain_nni.published_nb201,
        [[[arch, 200, "cifar100"], {"include_intermediates": True}]],
    )
    assert [(row["config"]["id"], row["id"], row["seed"]) for row in rows] == [
        (7, 3, 999),
        (7, 7, 777),
        (7, 11, 888),
    ]
    assert [row["train_acc"] for row in rows] == [57.82, 57.578, 57.792]
    assert {row["training_time"] for row in rows} == {2888.4371995925903}
    assert {row["latency"] for row in rows} == {0.013182918230692545}
    assert {len(row["intermediates"]) for row in rows} == {200}
