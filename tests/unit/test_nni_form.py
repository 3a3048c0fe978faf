"""NNI's databases: every row against a plain reading of the raw files, published rows, and checks.

NNI's own converters are run beside ours in ``tests/parity/test_nni_tables.py``.
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import sys
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

import plain
import plain_nni
import releases
from stepwise import build

from nasbase.checks.check import Artifacts
from nasbase.checks.nni import nni_checks
from nasbase.store.nni import DATABASES, FOLDER, rows
from nasbase.store.nni.writer import write_nni

TABLES = ("trialconfig", "trialstats", "intermediatestats")


def built(folder: Path, benchmark: str, raw: Path) -> Path:
    """The Parquet tables of a raw file."""
    files = [releases.describe(raw)]
    releases.write_table(folder / "sources.yaml", {benchmark: {"sample-x": files}})
    return build(folder, benchmark, "sample-x", outputs=["parquet"])


def stored(database: Path, benchmark: str) -> tuple[list[tuple], ...]:
    with sqlite3.connect(database) as connection:
        return tuple(
            connection.execute(f"SELECT * FROM {benchmark}{table} ORDER BY id").fetchall()
            for table in TABLES
        )


def left_out(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        return int(dict(connection.execute("SELECT * FROM nasbase_build"))["left_out"])


def failed(tables: Path, database: Path) -> dict[str, list[str]]:
    """Checks that fail, and their examples; the database is put where a build has it."""
    benchmark = next(name for name, own in DATABASES.items() if own == database.stem)
    artifacts = Artifacts(
        benchmark=benchmark,
        release="sample-x",
        folder=tables,
        partial=True,
        synthetic=True,
        forms=("parquet", "nni"),
        others=database.parent.parent,
    )
    reports = [check.report(artifacts) for check in nni_checks()]
    assert all(report["checked"] for report in reports)
    return {r["id"].removeprefix("all.nni."): r["examples"] for r in reports if not r["passed"]}


def written(folder: Path, benchmark: str, tables: Path) -> Path:
    database = folder / FOLDER / f"{DATABASES[benchmark]}.db"
    write_nni(tables, database)
    return database


# ---------------------------------------------------------------------------------------------
# every row


def raw_nb101(folder, seed):
    path = releases.nb101(folder, seed, schedules=(4, 12, 20, 36, 108))
    return path, plain_nni.nb101(path)


def raw_nb201(folder, seed):
    rng = random.Random(seed)
    indexes = rng.sample(range(15_625), 4)
    hps = ("full", "less") if seed % 2 else ("less", "full")
    records = {i: plain_nni.mended(releases.record("nb201", i, hps, rng), rng) for i in indexes}
    path = releases.nb201(folder, records, "legacy", rng, releases.dumps_old)
    with path.open("rb") as stream:
        for _head in range(3):
            plain.Unpickler(stream).load()
        return path, plain_nni.nb201(plain.Unpickler(stream).load())


def raw_nds(folder, seed):
    path = releases.nds(folder, seed)
    return path, plain_nni.nds(path)


RAW = {"nb101": raw_nb101, "nb201": raw_nb201, "nds": raw_nds}


@pytest.mark.parametrize(
    ("benchmark", "seed"), [("nb101", 1), ("nb101", 2), ("nb201", 1), ("nds", 1), ("nds", 2)]
)
def test_every_row_of_an_awkward_release(tmp_path, monkeypatch, benchmark, seed):
    raw, expected = RAW[benchmark](tmp_path, seed)
    tables = built(tmp_path, benchmark, raw)
    database = written(tmp_path, benchmark, tables)
    for found, wanted in zip(stored(database, benchmark), expected, strict=True):
        assert found == wanted
        assert len(found) > 10
    assert left_out(database) > 0
    assert failed(tables, database) == {}
    monkeypatch.setattr(rows, "PIECE_ROWS", 7)
    whole = database.read_bytes()
    assert written(tmp_path / "pieces", benchmark, tables).read_bytes() == whole
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_release_that_nni_has_no_place_for(tmp_path):
    """EC-NAS's schedules are none of NNI's: the tables are there and empty."""
    raw = releases.nb101(tmp_path, 3, schedules=(20,))
    tables = built(tmp_path, "nb101", raw)
    database = written(tmp_path, "nb101", tables)
    assert stored(database, "nb101") == ([], [], [])
    assert left_out(database) == len(plain.nb101(raw))
    assert failed(tables, database) == {}


def test_cells_that_differ_only_where_nni_does_not_look(tmp_path):
    """NNI writes as many nodes of the reduction cell as the normal cell has."""
    edge = ["sep_conv_3x3", 0]
    cells = [
        {
            "normal": [edge, edge],
            "reduce": [edge, edge, ["skip_connect", 1], [operation, 2]],
            "normal_concat": [2],
            "reduce_concat": [2, 3],
        }
        for operation in ("none", "skip_connect", "avg_pool_3x3")
    ]
    jobs = [
        {
            "net": {"genotype": g, "depth": 4, "width": 8, "aux": False, "drop_prob": 0.0},
            "optim": {"base_lr": 0.1, "wd": 5e-4, "max_ep": 2},
            "train_ep_top1": [50.0, 40.5 + i],
            "test_ep_top1": [30.0, 60.0],
            "train_ep_loss": [float("nan"), 2],
            "rng_seed": i,
            "iter_time": 0.065,
            "params": 83002,
            "flops": 69890986,
        }
        for i, g in enumerate(cells)
    ]
    raw = tmp_path / "nds.zip"
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("nds_data/ENAS.json", json.dumps(jobs))
    tables = built(tmp_path, "nds", raw)
    configs, trials, points = stored(written(tmp_path, "nds", tables), "nds")
    (config,) = configs
    assert [key for key in json.loads(config[3]) if key.startswith("reduce_1")] == []
    assert [(row[1], row[2], row[3]) for row in trials] == [(1, i, 59.5 - i) for i in range(3)]
    assert trials[0][4:] == (2.0, 40.0, 59.5, 2.0, 70.0, 0.083002, 69.890986, 0.065)
    assert points[:2] == [(1, 1, 1, None, 50.0, 70.0), (2, 1, 2, 2.0, 59.5, 40.0)]


# ---------------------------------------------------------------------------------------------
# published rows


ARCH = (
    '{"input1":[0],"input2":[1],"input3":[2],"input4":[0],"input5":[0,3,4],"input6":[2,5],'
    '"op1":"conv3x3-bn-relu","op2":"maxpool3x3","op3":"conv3x3-bn-relu","op4":"conv3x3-bn-relu",'
    '"op5":"conv1x1-bn-relu"}'
)


def test_published_rows_of_nas_bench_101(realdata, tmp_path):
    """Cell 00005c14...: the first of the release, at 108 epochs; other schedules are made up."""
    raw = plain_nni.published_nb101(realdata, tmp_path)
    configs, trials, points = stored(
        written(tmp_path, "nb101", built(tmp_path, "nb101", raw)), "nb101"
    )
    assert configs[3] == (4, ARCH, 7, "00005c142e6f48ac74fdcf73e3439874", 108)
    assert trials[9:] == [
        (10, 4, 100.0, 92.41786599159241, 92.11738705635071, 8.55553, 106147.67578125),
        (11, 4, 100.0, 92.45793223381042, 91.90705418586731, 8.55553, 1768.2509765625 * 60),
        (12, 4, 100.0, 93.04887652397156, 92.15745329856873, 8.55553, 1768.9759521484375 * 60),
    ]
    half = (82.82251358032227, 77.76442170143127, 77.40384340286255, 883.4580078125)
    assert points[18] == (19, 10, 54, *half)
    assert points[19][-1] == 1769.1279296875


def test_published_rows_of_nas_bench_201(realdata, tmp_path):
    """Cell 0 on cifar100 after 200 epochs: NATS-Bench's member of the cell has the same trainings.

    It evaluated some of them anew, so the last digits of NNI's accuracies are others.
    """
    raw = plain_nni.published_nb201(realdata, tmp_path)
    configs, trials, _ = stored(written(tmp_path, "nb201", built(tmp_path, "nb201", raw)), "nb201")
    assert len(configs) == 125_000
    cell = '{"0_1":"avg_pool_3x3","0_2":"conv_1x1","0_3":"conv_1x1","1_2":"skip_connect",'
    cell += '"1_3":"skip_connect","2_3":"skip_connect"}'
    assert configs[6] == (7, cell, 200, 16, 5, "cifar100")
    found = [row for row in trials if row[1] == 7]
    assert [(row[0], row[2]) for row in found] == [(3, 999), (7, 777), (11, 888)]
    assert [row[3] for row in found] == [57.82, 57.578, 57.792]
    accuracies = [
        (53.14000000610351, 53.07999995727539, 53.11),
        (51.88, 51.979999938964845, 51.93),
        (53.08000000610352, 53.67999998779297, 53.38),
    ]
    for row, published in zip(found, accuracies, strict=True):
        assert row[4:7] == pytest.approx(published, abs=1e-6)
        assert row[11:15] == (0.135156, 0.013182918230692545, 15.65322, 2888.4371995925903)
        assert row[15:] == (0.5097958473932176, 0.5097958473932176, 1.0195916947864352)


# ---------------------------------------------------------------------------------------------
# checks


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A build of every benchmark: folder of the tables, and the database."""
    made = {}

    def make(benchmark):
        if benchmark not in made:
            folder = tmp_path_factory.mktemp(benchmark)
            raw, _ = RAW[benchmark](folder, 5)
            tables = built(folder, benchmark, raw)
            made[benchmark] = tables, written(folder, benchmark, tables)
        return made[benchmark]

    return make


LAST = "(SELECT max(id) FROM {table})"

FAULTS = [
    ("nb101", "rows", "UPDATE nb101trialstats SET valid_acc = valid_acc + 1e-13 WHERE id = 5"),
    ("nb101", "rows", "UPDATE nb101trialstats SET training_time = training_time / 60 WHERE id = 1"),
    ("nb101", "rows", "UPDATE nb101trialstats SET config_id = config_id - 1 WHERE id = 9"),
    ("nb101", "rows", "UPDATE nb101trialconfig SET arch = json_set(arch, '$.input1', json('[]'))"),
    ("nb101", "rows", "UPDATE nb101trialconfig SET arch = ' ' || arch WHERE id = 3"),
    ("nb101", "rows", "UPDATE nb101trialconfig SET num_epochs = 36 WHERE id = 2"),
    ("nb101", "rows", "UPDATE nb101intermediatestats SET current_epoch = 1 WHERE id = 3"),
    ("nb101", "rows", f"DELETE FROM nb101intermediatestats WHERE id = {LAST}"),
    ("nb101", "rows", f"DELETE FROM nb101trialstats WHERE id = {LAST}"),
    ("nb101", "rows", f"DELETE FROM nb101trialconfig WHERE id = {LAST}"),
    ("nb101", "rows", "INSERT INTO nb101trialconfig VALUES (NULL, '{{}}', 7, 'x', 108)"),
    ("nb101", "rows", "UPDATE nasbase_build SET value = '0' WHERE key = 'left_out'"),
    ("nb101", "build", "UPDATE nasbase_build SET value = 'false' WHERE key = 'synthetic'"),
    ("nb101", "schema", "DROP INDEX nb101trialstats_config_id"),
    ("nb101", "schema", "PRAGMA user_version = 1"),
    ("nb201", "rows", "UPDATE nb201trialconfig SET arch = replace(arch, 'conv', 'nor_conv')"),
    ("nb201", "rows", "UPDATE nb201trialconfig SET dataset = 'ImageNet16-120' WHERE id = 8"),
    ("nb201", "rows", "UPDATE nb201trialstats SET config_id = config_id + 1 WHERE id = 2"),
    ("nb201", "rows", "UPDATE nb201trialstats SET valid_loss = NULL WHERE valid_loss NOT NULL"),
    ("nb201", "rows", "UPDATE nb201intermediatestats SET test_acc = valid_acc"),
    ("nb201", "rows", f"DELETE FROM nb201trialconfig WHERE id = {LAST}"),
    ("nds", "rows", "UPDATE ndstrialconfig SET model_spec = replace(model_spec, '1', '2')"),
    ("nds", "rows", "UPDATE ndstrialconfig SET base_lr = base_lr * 2 WHERE id = 4"),
    ("nds", "rows", "UPDATE ndstrialstats SET best_test_acc = final_test_acc"),
    ("nds", "rows", "UPDATE ndstrialstats SET seed = seed + 1 WHERE id = 7"),
    ("nds", "rows", "UPDATE ndsintermediatestats SET train_loss = 0.5 WHERE train_loss IS NULL"),
    ("nds", "rows", "UPDATE ndstrialstats SET config_id = 3 - config_id WHERE config_id < 3"),
]  # fmt: skip


@pytest.mark.parametrize(("benchmark", "check", "statement"), FAULTS)
def test_a_check_notices(good, tmp_path, benchmark, check, statement):
    tables, whole = good(benchmark)
    database = tmp_path / FOLDER / whole.name
    database.parent.mkdir()
    shutil.copyfile(whole, database)
    table = statement.split()[2]
    with sqlite3.connect(database) as connection:
        before = connection.total_changes
        connection.execute(statement.format(table=table))
        assert connection.total_changes > before or check == "schema"
    assert [*failed(tables, database)] == [check]


def test_the_good_ones_pass(good):
    assert all(failed(*good(benchmark)) == {} for benchmark in RAW)
