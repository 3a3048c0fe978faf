"""Built tables of NAS-Bench-101: costs, notes, facts, and checks that must notice what is wrong."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from nasbase.benchmarks.nb101 import ROOM, checks
from nasbase.benchmarks.nb101.costs import trainable_parameters
from nasbase.benchmarks.nb101.sample import FILE_NAME
from nasbase.benchmarks.room import RawFile, RawRelease
from nasbase.checks.check import Artifacts
from nasbase.tables.arrow import arrow_schema
from nasbase.tables.assemble import assemble
from nasbase.tables.catalogue import SPLITS, tables
from nasbase.tables.runs import write_runs

CELLS = 60


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A sample, built as the workflow builds it."""
    folder = tmp_path_factory.mktemp("nb101")
    (row,) = ROOM.write_sample(
        folder, architectures=CELLS, seed=2, options={}, progress=lambda _: None
    )
    file = RawFile(FILE_NAME, folder / FILE_NAME, None, row["bytes"], row["sha256"])
    raw = RawRelease("nb101", "sample", (file,), partial=True, synthetic=True)
    plan = ROOM.plan(raw, 3)
    folders = []
    for number, shard in enumerate(plan.shards):
        folders.append(folder / f"shard-{number}")
        folders[-1].mkdir()
        write_runs("nb101", ROOM.decode(raw, shard), folders[-1])
    out = folder / "parquet"
    out.mkdir()
    said = {"release": "sample", "synthetic": True, "citation": "none"}
    source = said | {"file": file.name, "bytes": file.bytes, "sha256": file.sha256}
    source |= {"code_licence": "none", "data_licence": "none"}
    assemble(ROOM, raw, expected=plan.expected, folders=folders, source_rows=[source], out=out)
    return out


@pytest.fixture
def artifacts(build, tmp_path):
    """A copy of the build whose tables may be replaced."""
    for file in build.glob("*.parquet"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return Artifacts("nb101", "sample", tmp_path, partial=True, synthetic=True)


def rewrite(artifacts: Artifacts, table: str, change, row_group_size: int = 101) -> None:
    path = artifacts.folder / f"{table}.parquet"
    rows = change(pq.read_table(path))
    pq.write_table(rows, path, row_group_size=row_group_size)


def set_value(column: str, row: int, value):
    """Change one value of a table."""

    def change(rows: pa.Table) -> pa.Table:
        values = rows[column].to_pylist()
        values[row] = value
        place = rows.schema.get_field_index(column)
        field = rows.schema.field(column)
        return rows.set_column(place, field, [pa.array(values, field.type)])

    return change


def report(artifacts: Artifacts) -> dict[str, dict]:
    return {check.id: check.report(artifacts) for check in ROOM.checks()}


def test_a_good_build_passes_every_check(artifacts):
    for table in ("curves", "trials", "architectures"):
        rewrite(artifacts, table, lambda rows: rows, row_group_size=7)  # groups cut curves
    found = report(artifacts)
    assert {key: each["failed"] for key, each in found.items()} == dict.fromkeys(found, 0)
    checked = {key.removeprefix("nb101."): each["checked"] for key, each in found.items()}
    trials = CELLS * 12
    assert checked == {
        "space": 0,  # for complete builds only
        "rank": CELLS,
        "repeats": 0,
        "repeats-partial": CELLS * 4,
        "params": CELLS + trials,
        "costs": CELLS * 2,
        "frames": trials + 1,
        "accuracy-grid": trials * 3 * 3,
        "curves": trials * 3 + 1,
        "hashes": CELLS,
    }


@pytest.mark.parametrize(
    ("check", "table", "change"),
    [
        ("rank", "architectures", set_value("hash", 30, "0" * 32)),
        ("rank", "architectures", set_value("arch_id", 59, 60)),
        ("params", "trials", set_value("params", 700, 12345)),
        ("params", "costs", set_value("params", 3, 12345)),
        ("accuracy-grid", "curves", set_value("train_acc_pct", 2, 90.005)),
        ("accuracy-grid", "curves", set_value("test_acc_pct", 2, float("nan"))),
        ("accuracy-grid", "curves", set_value("valid_acc_pct", 2000, None)),
        ("curves", "curves", set_value("elapsed_train_time_s", 101, 0.0)),  # first of a group
        ("curves", "curves", set_value("elapsed_train_time_s", 1, 1e9)),
        ("curves", "curves", set_value("epoch", 0, 1)),
        ("curves", "curves", set_value("epoch", 2, 3)),
        ("curves", "curves", set_value("epoch", CELLS * 36 - 1, 109)),
        ("curves", "curves", lambda rows: rows.filter(pc.not_equal(rows["epoch"], 108))),
        ("hashes", "architectures", set_value("hash", 7, "f" * 32)),
        ("hashes", "architectures", set_value("operations", 7, "input,output")),
        ("hashes", "architectures", set_value("operations", 7, "junk")),
        ("hashes", "architectures", set_value("adjacency", 7, "0111")),
        ("hashes", "architectures", set_value("adjacency", 7, "0" * 49)),
        ("repeats-partial", "trials", lambda rows: rows.slice(1)),
        ("repeats-partial", "trials", lambda rows: pa.concat_tables([rows, rows.slice(40, 1)])),
    ],
)
def test_a_check_notices(artifacts, check, table, change):
    rewrite(artifacts, table, change)
    found = next(c for c in ROOM.checks() if c.id == f"nb101.{check}").report(artifacts)
    assert not found["passed"]
    assert 1 <= found["failed"] <= found["checked"]
    assert found["examples"]


def test_repeats_stop_a_complete_build_and_warn_of_a_partial_one(artifacts):
    rewrite(artifacts, "trials", lambda rows: rows.slice(1))
    severities = {check.id: check.severity for check in ROOM.checks()}
    partial, complete = report(artifacts), report(replace(artifacts, partial=False))
    for found, failing, idle in (
        (partial, "nb101.repeats-partial", "nb101.repeats"),
        (complete, "nb101.repeats", "nb101.repeats-partial"),
    ):
        assert found[failing]["failed"] == 1
        assert found[failing]["examples"] == ["arch_id 0, 4 epochs: 2 runs"]
        assert found[idle]["checked"] == 0
    assert severities["nb101.repeats"] == "error"
    assert severities["nb101.repeats-partial"] == "warning"
    assert severities["nb101.accuracy-grid"] == "warning"


def test_a_complete_build_has_the_digest_of_the_space(artifacts, monkeypatch):
    complete = replace(artifacts, partial=False)
    found = report(complete)["nb101.space"]
    assert not found["passed"]
    assert f"{CELLS} hashes" in found["examples"][0]
    hashes = complete.parquet("architectures").read()["hash"].to_pylist()
    digest = hashlib.sha256("".join(f"{text}\n" for text in sorted(hashes)).encode()).hexdigest()
    monkeypatch.setattr(checks, "HASHES_SHA256", digest)
    assert report(complete)["nb101.space"]["passed"]


def test_check_ids_are_unique_and_named():
    ids = [check.id for check in ROOM.checks()]
    assert len(set(ids)) == len(ids)
    assert all(text.startswith("nb101.") for text in ids)


# ------------------------------------------------------------------ costs and notes


def test_costs(build):
    architectures = pq.read_table(build / "architectures.parquet")
    costs = ROOM.costs(architectures)
    assert costs.schema.equals(arrow_schema(tables("nb101")["costs"]), check_metadata=True)
    assert costs["arch_id"].to_pylist() == list(range(CELLS))
    assert set(costs["dataset"].to_pylist()) == {"cifar10"}
    assert costs["macs"].null_count == CELLS
    expected = trainable_parameters(
        architectures["adjacency"].to_pylist(), architectures["operations"].to_pylist()
    )
    assert costs["params"].to_pylist() == expected.tolist()
    reversed_rows = architectures.take(np.arange(CELLS)[::-1])
    assert ROOM.costs(reversed_rows).equals(costs)  # key order, whatever comes in
    assert ROOM.costs(architectures.slice(0, 0)).num_rows == 0


def test_notes_on_trainings(build):
    costs = pq.read_table(build / "costs.parquet")
    trials = pq.read_table(build / "trials.parquet")
    chance = pc.sum(pc.less_equal(trials["test_acc_pct"], 11)).as_py()
    notes = list(ROOM.annotate(costs, trials))
    assert chance >= 12
    assert Counter(note["code"] for note in notes) == {"no-better-than-chance": chance}
    assert {(note["kind"], note["column"], note["value"]) for note in notes} == {
        ("outcome", "test_acc_pct", None)
    }
    assert all("issue 21" in note["reference"] for note in notes)
    changed = set_value("params", 17, 99)(set_value("test_acc_pct", 17, 90.0)(trials))
    (note,) = ROOM.annotate(costs, changed.slice(17, 1))
    right = trials["params"][17].as_py()
    assert note == {
        "table": "trials",
        "key": json.dumps({"trial_id": 17}),
        "column": "params",
        "kind": "erratum",
        "code": "params-differ",
        "sentence": f"99 parameters are recorded, the cell has {right}.",
        "value": float(right),
        "reference": None,
    }


def test_notes_are_stored(build):
    stored = pq.read_table(build / "notes.parquet").to_pylist()
    codes = Counter(note["code"] for note in stored)
    assert codes["no-better-than-chance"] >= 12
    assert codes["k-of-9984"] == 3


@pytest.mark.parametrize(("release", "schedules"), [("full", 4), ("only108", 1), ("sample", 4)])
def test_facts_fit_their_tables(release, schedules):
    facts = ROOM.facts(release)
    catalogue = tables("nb101")
    for name, rows in (("training_setups", facts.training_setups), ("splits", facts.splits)):
        schema = arrow_schema(catalogue[name])
        assert pa.Table.from_pylist(rows, schema=schema).num_rows == len(rows)
        assert all(set(row) == set(schema.names) for row in rows)
        keys = [tuple(row[column] for column in catalogue[name].key) for row in rows]
        assert len(set(keys)) == len(keys)
    per_schedule = [row for row in facts.training_setups if row["num_epochs"]]
    assert len(per_schedule) == schedules
    assert [row["split"] for row in facts.splits] == list(SPLITS["nb101"])
    assert {row["evaluated"] for row in facts.splits} == {9984}
    for note in facts.notes:
        assert note["key"] is None
        assert note["column"] in catalogue[note["table"]].names
        assert set(note) == set(catalogue["notes"].names) - {"note_id"}
