"""Assembly, with a room that makes up its own records."""

import json
import math
import random
import statistics

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nasbase.benchmarks.room import Batch, Facts, RawRelease
from nasbase.checks.check import Artifacts
from nasbase.checks.generic import generic_checks
from nasbase.errors import IncompleteReleaseError, RawDataError
from nasbase.store.hdf5 import write_hdf5
from nasbase.store.sqlite import write_sqlite
from nasbase.tables import assemble as assembly
from nasbase.tables.assemble import assemble
from nasbase.tables.catalogue import series, tables
from nasbase.tables.runs import ARCHITECTURES, write_arrow, write_runs
from nasbase.tables.shards import shard_architectures, shard_trials

SPLITS = [column.name for column in series("nats_sss")]


class Room:
    """As much of a room as assembly asks for."""

    name = "nats_sss"
    space_size = 6

    def costs(self, architectures):
        return pa.table(
            {
                "arch_id": architectures["arch_id"],
                "dataset": ["cifar10"] * architectures.num_rows,
                "params": pa.nulls(architectures.num_rows, pa.int64()),
                "macs": pa.nulls(architectures.num_rows, pa.int64()),
            }
        )

    def annotate(self, costs, trials):
        assert set(trials["arch_id"].to_pylist()) == set(costs["arch_id"].to_pylist())
        return []

    def facts(self, release):
        note = {"table": "trials", "kind": "by_design", "code": release, "sentence": "A note."}
        return Facts([], [], [note])


RAW = RawRelease("nats_sss", "sample", (), partial=False, synthetic=True)


def architecture(arch_id):
    return {"arch_id": arch_id, "arch_str": f"a{arch_id}", **{f"c{i}": arch_id for i in range(5)}}


def trial(rng, arch_id, dataset, epochs, seed):
    """One training: dense and missing series, NaN, constants."""
    curves = {name: [rng.random() for _ in range(epochs)] for name in SPLITS}
    curves["x_valid_acc_pct"] = None if dataset == "cifar10" else curves["x_valid_acc_pct"]
    curves["x_test_loss"] = [None] * (epochs - 1) + [math.nan]
    curves["train_loss"] = [math.nan] * epochs if seed == 2 else curves["train_loss"]
    if arch_id == 3:
        curves["train_time_s"][0] = None
    return {
        "arch_id": arch_id, "dataset": dataset, "num_epochs": epochs, "run_order": seed,
        "seed": seed, "params_m": 1.5, "flops_m": None, "latency_s": math.nan,
        "source_file": "f", "source_pos": seed, "extra": None,
        "epoch": list(range(1, epochs + 1)), **curves,
    }  # fmt: skip


@pytest.fixture
def records():
    rng = random.Random(4)
    return [
        trial(rng, arch_id, dataset, epochs, seed)
        for arch_id in range(6)
        for dataset in ("cifar10", "ImageNet16-120")
        for epochs in (1, 12)
        for seed in range(1, 2 + arch_id % 3)
    ]


def build(folder, records, *, shards=1, per_batch=1000, raw=RAW, expected=None, rows=None):
    """Cut records into shards and batches, and assemble them; what assembly reports."""
    folder.mkdir()
    pieces = [records[i::shards] for i in range(shards)]
    for number, piece in enumerate(pieces):
        batches = [piece[i : i + per_batch] for i in range(0, len(piece), per_batch)]
        (folder / f"{number}").mkdir()
        write_runs("nats_sss", map(batch_of, batches), folder / f"{number}")
    if rows is not None:
        table = pa.Table.from_pylist(rows, schema=shard_architectures("nats_sss"))
        write_arrow(table, folder / "0" / ARCHITECTURES)
    (folder / "out").mkdir()
    return assemble(
        Room(), raw, expected=expected or {}, folders=[folder / f"{i}" for i in range(shards)],
        source_rows=[], out=folder / "out",
    )  # fmt: skip


def batch_of(records):
    ids = sorted({record["arch_id"] for record in records})
    return Batch(
        pa.Table.from_pylist(
            [architecture(i) for i in ids], schema=shard_architectures("nats_sss")
        ),
        pa.Table.from_pylist(records, schema=shard_trials("nats_sss")),
    )


def read(folder, table):
    return pq.read_table(folder / "out" / f"{table}.parquet").to_pylist()


def same(a, b):
    return a == b or (a is not None and b is not None and math.isnan(a) and math.isnan(b))


def test_every_number_comes_out_where_it_belongs(tmp_path, records):
    shuffled = random.Random(1).sample(records, len(records))
    build(tmp_path / "b", shuffled, shards=3, per_batch=5)
    trials = read(tmp_path / "b", "trials")
    key = lambda r: (r["arch_id"], r["dataset"], r["num_epochs"], r["seed"])  # noqa: E731
    assert [key(t) for t in trials] == sorted(map(key, records))
    assert [t["trial_id"] for t in trials] == list(range(len(records)))
    curves = iter(read(tmp_path / "b", "curves"))
    for found in trials:
        (record,) = [r for r in records if key(r) == key(found)]
        assert found["run"] == record["seed"] - 1
        for name in SPLITS:
            last = record[name][-1] if record[name] else None
            assert same(found[name], last)
        for epoch in range(record["num_epochs"]):
            point = next(curves)
            assert (point["trial_id"], point["epoch"]) == (found["trial_id"], epoch + 1)
            assert point["run"] == found["run"]
            for name in SPLITS:
                assert same(point[name], record[name][epoch] if record[name] else None)
        times = record["train_time_s"]
        assert found["train_time_total_s"] == (None if None in times else sum(times))
    assert next(curves, None) is None


def test_means_are_the_textbooks(tmp_path, records):
    build(tmp_path / "b", records)
    trials = read(tmp_path / "b", "trials")
    means = read(tmp_path / "b", "means")
    assert len(means) == 24
    for row in means:
        mine = [
            t for t in trials if all(t[k] == row[k] for k in ("arch_id", "dataset", "num_epochs"))
        ]
        assert row["n"] == len(mine)
        for name in (*SPLITS, "train_time_total_s", "latency_s"):
            values = [t[name] for t in mine]
            mean, deviation = row[f"{name}_mean"], row[f"{name}_sd"]
            if None in values:
                assert mean is deviation is None
            elif any(map(math.isnan, values)):
                assert math.isnan(mean)
            else:
                assert mean == sum(values) / len(values)
                if len(values) > 1:
                    assert deviation == pytest.approx(statistics.stdev(values), rel=1e-12)
                else:
                    assert deviation is None


def test_bytes_do_not_depend_on_shards_batches_or_order(tmp_path, records, monkeypatch):
    monkeypatch.setattr(assembly, "RANGE_VALUES", 700)
    build(tmp_path / "one", records)
    build(tmp_path / "many", random.Random(2).sample(records, len(records)), shards=5, per_batch=3)
    for name in tables("nats_sss"):
        one, many = (tmp_path / b / "out" / f"{name}.parquet" for b in ("one", "many"))
        assert one.read_bytes() == many.read_bytes(), name
    for form, write in (("nats_sss.sqlite", write_sqlite), ("curves.h5", write_hdf5)):
        for b in ("one", "many"):
            write(tmp_path / b / "out", tmp_path / b / form)
        assert (tmp_path / "one" / form).read_bytes() == (tmp_path / "many" / form).read_bytes()


def test_every_nan_has_its_note(tmp_path, records):
    build(tmp_path / "b", records)
    notes = [n for n in read(tmp_path / "b", "notes") if n["kind"] == "nan"]
    trials = read(tmp_path / "b", "trials")
    expected = {
        (t["trial_id"], name)
        for t in trials
        for name in (*SPLITS, "latency_s")
        if t[name] is not None and math.isnan(t[name])
    }
    found = {
        (json.loads(n["key"])["trial_id"], n["column"]) for n in notes if n["table"] == "trials"
    }
    assert found == expected
    assert any(n["table"] == "means" for n in notes)


def test_missing_architectures_are_refused_unless_partial(tmp_path, records):
    some = [r for r in records if r["arch_id"] != 2]
    with pytest.raises(IncompleteReleaseError, match="6 architectures") as error:
        build(tmp_path / "b", some)
    assert "5 architectures" in str(error.value)
    assert "partial" in error.value.todo
    assert list((tmp_path / "b" / "out").iterdir()) == []
    raw = RawRelease("nats_sss", "sample", (), partial=True, synthetic=True)
    assert build(tmp_path / "c", some, raw=raw)["architectures"].rows == 5


def test_missing_trials_are_refused(tmp_path, records):
    with pytest.raises(IncompleteReleaseError, match=f"{len(records) + 1} trials"):
        build(tmp_path / "b", records, expected={"trials": len(records) + 1})


def test_the_same_training_twice_is_refused(tmp_path, records):
    again = {**records[7], "source_pos": 99}
    with pytest.raises(RawDataError, match="twice") as error:
        build(tmp_path / "b", [*records, again], shards=2)
    assert "99" in str(error.value)


def test_an_architecture_described_twice_is_refused(tmp_path, records):
    rows = [architecture(i) for i in range(6)] + [{**architecture(4), "arch_str": "other"}]
    with pytest.raises(RawDataError, match="differently") as error:
        build(tmp_path / "b", records, shards=2, rows=rows)
    assert "'other'" in str(error.value)


@pytest.mark.parametrize("unknown", [0, 3, 5])
def test_a_trial_of_an_unknown_architecture_is_refused(tmp_path, records, unknown):
    raw = RawRelease("nats_sss", "sample", (), partial=True, synthetic=True)
    rows = [architecture(i) for i in range(6) if i != unknown]
    with pytest.raises(RawDataError, match="does not describe") as error:
        build(tmp_path / "b", records, raw=raw, rows=rows)
    known = sum(record["arch_id"] != unknown for record in records)
    assert f"{known} trials with a known architecture" in str(error.value)


@pytest.mark.parametrize(
    ("table", "column", "check"),
    [
        ("trials", "x_test_acc_pct", "all.finals"),
        ("curves", "ori_test_loss", "all.digest"),
        ("trials", "arch_id", "all.references"),
        ("trials", "trial_id", "all.key.trials"),
        ("trials", "train_acc_pct", "all.ranges"),
        ("trials", "x_test_loss", "all.nan_notes"),
    ],
)
def test_a_damaged_table_fails_its_check(tmp_path, records, table, column, check):
    build(tmp_path / "b", records)
    path = tmp_path / "b" / "out" / f"{table}.parquet"
    rows = pq.read_table(path)
    values = rows[column].to_numpy().copy()
    values[-1] = -7 if values.dtype.kind == "i" else -700.0
    changed = rows.set_column(
        rows.column_names.index(column), rows.schema.field(column),
        pa.array(values, rows[column].type, mask=np.asarray(rows[column].is_null())),
    )  # fmt: skip
    recorded = pq.read_metadata(path).metadata
    with pq.ParquetWriter(path, rows.schema) as writer:
        writer.write_table(changed)
        writer.add_key_value_metadata({k: v for k, v in recorded.items() if k != b"ARROW:schema"})
    artifacts = Artifacts(
        "nats_sss", "sample", tmp_path / "b" / "out", partial=False, synthetic=True
    )
    failed = {c.id for c in generic_checks("nats_sss") if not c.report(artifacts)["passed"]}
    assert check in failed
