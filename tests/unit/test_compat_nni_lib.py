"""`nasbase.compat.nni` on small databases made here: statements, joins, cells, models, names."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tracemalloc
from collections import deque
from contextlib import closing
from itertools import islice

import numpy as np
import peewee
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.benchmarks.nb101 import space
from nasbase.compat.nni import nasbench101, nasbench201, nds, notices, utils
from nasbase.compat.nni.constants import nni_cache_home
from nasbase.compat.nni.nasbench101 import graph_util
from nasbase.compat.nni.trials import reduced, trials
from nasbase.store.nni.schema import TABLES

pytestmark = pytest.mark.filterwarnings("ignore::nasbase.compat.nni.NniWarning")

PACKAGES = {"nb101": nasbench101, "nb201": nasbench201, "nds": nds}
ARCH = {
    "op1": "conv3x3-bn-relu",
    "op2": "maxpool3x3",
    "op3": "conv3x3-bn-relu",
    "op4": "conv3x3-bn-relu",
    "op5": "conv1x1-bn-relu",
    "input1": [0],
    "input2": [1],
    "input3": [2],
    "input4": [0],
    "input5": [0, 3, 4],
    "input6": [2, 5],
}
HASH = "00005c142e6f48ac74fdcf73e3439874"
ROWS = 800
POINTS = 6


def value(column, number: int):
    """A value of a column that differs from row to row."""
    if column.type == "JSON":
        return (
            None
            if column.null and number % 7 == 0
            else json.dumps({"a": [number, 0.5]}, separators=(",", ":"))
        )
    if column.type.startswith("VARCHAR"):
        return f"{column.name}-{number % 3}"
    if column.type == "INTEGER":
        return number % 4
    return None if column.null and number % 5 == 0 else number / 7


@pytest.fixture(params=list(TABLES))
def filled(request, tmp_path):
    """A benchmark, and a database with one trial in two configurations, each with some points.

    The trials of a configuration do not lie side by side, nor do the points of a trial.
    """
    benchmark, path = request.param, tmp_path / "some.db"
    configs, stats, points = TABLES[benchmark]
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous = OFF")
        for table in TABLES[benchmark]:
            database.execute(table.statement)
            for statement in table.index_statements:
                database.execute(statement)

        def insert(table, rows):
            places = ", ".join("?" * len(table.names))
            database.executemany(f"INSERT INTO {table.name} VALUES ({places})", rows)

        insert(
            configs,
            ([n, *(value(column, n) for column in configs.columns)] for n in range(1, ROWS // 2)),
        )
        insert(
            stats,
            (
                [n, n * 7 % (ROWS // 4) + 1, *(value(column, n) for column in stats.columns[1:])]
                for n in range(1, ROWS)
            ),
        )
        insert(
            points,
            (
                [n, n * 11 % ROWS + 1, *(value(column, n) for column in points.columns[1:])]
                for n in range(1, ROWS * POINTS)
                if n % 5  # then some trials have none
            ),
        )
        database.commit()
    database = peewee.SqliteDatabase(path)
    yield benchmark, database
    database.close()


def ask(filled, asked=None, *, seek=None, mean=False, points=False):
    benchmark, database = filled
    return trials(
        database, benchmark, asked or {}, seek=seek, mean=mean, include_intermediates=points
    )


def plain_rows(filled, table):
    _, database = filled
    return [
        dict(zip(table.names, row, strict=True))
        for row in database.execute_sql(f"SELECT * FROM {table.name} ORDER BY id")
    ]


def nested(filled, where=None):
    """What the tables hold, joined here."""
    configs, stats, points = TABLES[filled[0]]
    of_trial: dict = {}
    for point in plain_rows(filled, points):
        of_trial.setdefault(point.pop("trial_id"), []).append(point)
    json_names = [column.name for column in configs.columns if column.type == "JSON"]
    found = {}
    for config in plain_rows(filled, configs):
        for name in json_names:
            config[name] = config[name] and json.loads(config[name])
        found[config["id"]] = config
    return [
        {
            "id": trial.pop("id"),
            "config": found[trial.pop("config_id")],
            **trial,
            "intermediates": of_trial.get(number, []),
        }
        for number, trial in enumerate(plain_rows(filled, stats), start=1)
        if where is None or where(found[trial["config_id"]])
    ]


def test_every_trial_with_its_points(filled):
    expected = nested(filled)
    assert any(not trial["intermediates"] for trial in expected)
    found = list(ask(filled, points=True))
    assert list(map(repr, found)) == list(map(repr, expected))
    without = [{k: v for k, v in trial.items() if k != "intermediates"} for trial in expected]
    assert list(ask(filled)) == without


def test_some_configurations(filled):
    name = TABLES[filled[0]].configs.columns[-1].name
    wanted = 2 if name == "num_epochs" else f"{name}-2"
    expected = nested(filled, lambda config: config[name] == wanted)
    expected.sort(key=lambda trial: (trial["config"]["id"], trial["id"]))
    assert len(expected) > 50
    for seek in (None, name):
        found = list(ask(filled, {name: wanted}, seek=seek, points=True))
        assert list(map(repr, found)) == list(map(repr, expected))


def test_means(filled):
    benchmark, _ = filled
    groups: dict = {}
    for trial in nested(filled):
        groups.setdefault(trial["config"]["id"], []).append(trial)
    found = list(ask(filled, mean=True, points=True))
    assert [row["config"]["id"] for row in found] == sorted(groups)
    for row in found:
        group = groups[row["config"]["id"]]
        assert [*row] == [*group[0]]
        assert (row["id"], row["intermediates"]) == (None, [])
        assert row["config"] == group[0]["config"]
        for key in {*row} - {"id", "config", "intermediates"}:
            known = [trial[key] for trial in group if trial[key] is not None]
            if key == "seed" or not known:
                assert row[key] is None
            else:
                assert row[key] == pytest.approx(sum(known) / len(known), rel=1e-12)
    assert ("seed" in found[0]) == (benchmark != "nb101")
    assert list(ask(filled, mean=True)) == [
        {key: value for key, value in row.items() if key != "intermediates"} for row in found
    ]


def statements(database, call) -> list[str]:
    """What is asked of SQLite meanwhile."""
    heard: list[str] = []
    database.connection().set_trace_callback(heard.append)
    deque(call(), maxlen=0)
    database.connection().set_trace_callback(None)
    return heard


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("selective", [False, True])
def test_two_statements_and_nothing_sorted(filled, mean, selective):
    benchmark, database = filled
    configs = TABLES[benchmark].configs
    seek = configs.columns[0].name if selective else None
    asked = {}
    if selective:
        asked = {column.name: value(column, 1) for column in configs.columns if column.index}
        json_names = {column.name for column in configs.columns if column.type == "JSON"}
        asked = {k: json.loads(v) if k in json_names else v for k, v in asked.items()}
    heard = statements(database, lambda: ask(filled, asked, seek=seek, mean=mean, points=True))
    assert len(heard) == (1 if mean else 2)
    for statement in heard:
        plan = [row[3] for row in database.execute_sql(f"EXPLAIN QUERY PLAN {statement}")]
        assert not [step for step in plan if "TEMP B-TREE" in step]
        if selective:
            assert f"USING INDEX {configs.name}_{seek} " in plan[0]


def test_questions_use_the_selective_index(filled):
    benchmark, database = filled
    PACKAGES[benchmark].schema.proxy.initialize(database)
    questions = {
        "nb101": [
            (nasbench101.query_nb101_trial_stats(ARCH, 108), "hash"),
            (nasbench101.query_nb101_trial_stats(ARCH, 108, isomorphism=False), "arch"),
        ],
        "nb201": [(nasbench201.query_nb201_trial_stats({"0_1": "none"}, 200, "cifar10"), "arch")],
        "nds": [
            (nds.query_nds_trial_stats(*["a"] * 3, {"a": 1}, cell, "cifar10"), index)
            for cell, index in (({"b": 1}, "cell_spec"), ({}, "model_spec"), (None, "model_spec"))
        ],
    }
    for rows, index in questions[benchmark]:
        (statement,) = statements(database, lambda rows=rows: rows)
        plan = [row[3] for row in database.execute_sql(f"EXPLAIN QUERY PLAN {statement}")]
        assert f"USING INDEX {benchmark}trialconfig_{index} " in plan[0]
    PACKAGES[benchmark].schema.proxy.initialize(None)


def test_rows_stream(filled):
    """All rows pass through little memory, and the first does not wait for the last."""
    one = list(islice(ask(filled, points=True), 1))
    assert one[0]["id"] == 1
    tracemalloc.start()
    count = sum(1 for _ in ask(filled, points=True))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == ROWS - 1
    assert peak < 100_000


def test_every_row_is_its_own(filled):
    first, second = (next(ask(filled, points=True)) for _ in range(2))
    assert first == second
    first["config"].clear()
    first["intermediates"].clear()
    assert first != second == next(ask(filled, points=True))


def test_models_answer_from_the_same_tables(filled):
    benchmark, database = filled
    module = PACKAGES[benchmark].schema
    module.proxy.initialize(database)
    names = {"nb101": "Nb101", "nb201": "Nb201", "nds": "Nds"}
    config, trial, point = (
        getattr(module, names[benchmark] + kind)
        for kind in ("TrialConfig", "TrialStats", "IntermediateStats")
    )
    for model, table in zip((config, trial, point), TABLES[benchmark], strict=True):
        assert model._meta.table_name == table.name
        assert [field.column_name for field in model._meta.sorted_fields] == table.names
        assert {f.column_name for f in model._meta.sorted_fields if f.null} == {
            column.name for column in table.columns if column.null
        }
        assert {f.column_name for f in model._meta.sorted_fields if f.index} == {
            column.name for column in table.columns if column.index or column.references
        }
    expected = nested(filled)[5]
    found = trial.get_by_id(expected["id"])
    assert found.config.id == expected["config"]["id"]
    assert found in found.config.trial_stats
    assert [one.id for one in found.intermediates] == [
        one["id"] for one in expected["intermediates"]
    ]
    column = TABLES[benchmark].configs.columns[0]
    if column.type == "JSON":
        row = config.get(getattr(config, column.name) == {"a": [9, 0.5]})
        assert (row.id, getattr(row, column.name)) == (9, {"a": [9, 0.5]})
    module.proxy.initialize(None)


@pytest.mark.parametrize("reduction", ["median", "", 0, "None", False])
def test_other_reductions(reduction):
    with pytest.raises(ValueError, match=f"^Unsupported reduction: '{reduction}'$"):
        reduced(reduction)
    assert [reduced(known) for known in (None, "none", "mean")] == [False, False, True]


# ---------------------------------------------------------------------------------------------
# cells of NAS-Bench-101


def test_recorded_cell():
    assert graph_util.infer_num_vertices(ARCH) == 7
    assert graph_util.hash_module(ARCH, 7) == HASH
    assert graph_util.hash_module({"input1": [0]}, 2) == "043721b9c7fe8c5fad811d47d83132ec"


@st.composite
def cells(draw):
    size = draw(st.integers(2, 7))
    matrix = [[int(u < v and draw(st.booleans())) for v in range(size)] for u in range(size)]
    labels = [draw(st.sampled_from(space.LABELS)) for _ in range(size - 2)]
    return np.array(matrix), ["input", *labels, "output"]


@given(cells())
def test_forms_of_a_cell(cell):
    matrix, labels = cell
    size, arch = graph_util.nasbench_format_to_architecture_repr(matrix, labels)
    assert graph_util.infer_num_vertices(arch) == size == len(labels)
    assert [*arch] == [
        *(f"op{v}" for v in range(1, size - 1)),
        *(f"input{v}" for v in range(1, size)),
    ]
    for vertex in range(1, size):
        assert arch[f"input{vertex}"] == np.flatnonzero(matrix[:, vertex]).tolist()
    assert graph_util.hash_module(arch, size) == space.cell_hash(
        tuple(map(tuple, matrix.tolist())), labels
    )


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"op7": "maxpool3x3"}, AssertionError),
        ({"op": "maxpool3x3"}, AssertionError),
        ({"op3": "no such operation"}, KeyError),
        ({"op3": ["maxpool3x3"]}, TypeError),
        ({"input6": None}, TypeError),
        ({"input6": [7]}, IndexError),
        ({"input6": ["0"]}, IndexError),
        ({"input6": [0.0]}, IndexError),
        ({5: 0}, AttributeError),
    ],
)
def test_what_is_no_cell(change, error):
    arch = ARCH | change
    with pytest.raises(error):
        graph_util.hash_module(arch, graph_util.infer_num_vertices(arch))


def test_what_is_no_cell_either():
    with pytest.raises(KeyError, match="input6"):
        graph_util.hash_module({k: v for k, v in ARCH.items() if k != "input6"}, 7)
    with pytest.raises(AssertionError):
        graph_util.hash_module({}, 1)
    with pytest.raises(AssertionError):
        graph_util.nasbench_format_to_architecture_repr(np.zeros((2, 2)), ["input"])
    with pytest.raises(AssertionError):
        graph_util.nasbench_format_to_architecture_repr(np.zeros((3, 3)), ["input"] * 3)


# ---------------------------------------------------------------------------------------------
# names and places


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("ImageNet16-120", ("cifar10", "imagenet16-120"), "imagenet16-120"),
        ("CIFAR-10", ("cifar10",), "cifar10"),
        ("cifar10", ("cifar10",), None),
        ("svhn", ("cifar10",), None),
        (7, ("cifar10",), None),
        ("ResNet_B", ("resnet", "resnet-b"), "resnet-b"),
    ],
)
def test_other_spellings(name, known, found):
    assert notices.respelled(name, known) == found


def test_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("NNI_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert nni_cache_home() == str(tmp_path / ".cache" / "nni")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/caches")
    assert nni_cache_home() == str(tmp_path / "caches" / "nni")
    monkeypatch.setenv("NNI_HOME", "~/mine")
    assert nni_cache_home() == str(tmp_path / "mine")
    assert {*utils.DB_URLS} == {"nasbench101", "nasbench201", "nds"}


def test_constants():
    assert nasbench101.constants.LABEL2ID[nasbench101.MAXPOOL3X3] == 2
    assert [*space.LABELS] == [
        nasbench101.CONV3X3_BN_RELU,
        nasbench101.CONV1X1_BN_RELU,
        nasbench101.MAXPOOL3X3,
    ]
    assert [
        *("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3"),
    ] == nasbench201.constants.PRIMITIVES
    names = [name for name in nds.__all__ if name.isupper()]
    assert [getattr(nds, name) for name in names] == [name.lower() for name in names]
    assert len(names) == 16


def test_imports_are_light():
    code = "import sys, nasbase.compat.nni.nds; print(*sys.modules)"
    environment = {**os.environ, "NASBASE_HOME": "nowhere"}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    loaded = {*found.stdout.split()}
    assert "peewee" in loaded
    assert not {"numpy", "pandas", "pyarrow", "h5py", "nni"} & loaded
