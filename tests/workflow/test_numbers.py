"""Every number in the built artifacts equals the number in the raw file.

Releases come from `releases.py`, and what is right from `plain.py` and `expected.py`, none of which
shares code with nasbase. Builds are made step by step; that snakemake makes the same bytes of the
same input is shown in `test_build.py`.
"""

from __future__ import annotations

import pickle
import random
import struct

import expected
import plain
import pytest
import releases
from compare import assert_artifacts, duckdb_rows
from harness import Workflow
from stepwise import build

from nasbase.benchmarks.nats_common import room as nats_room
from nasbase.benchmarks.nb201 import room as nb201_room
from nasbase.benchmarks.nds import records as nds_records
from nasbase.store import hdf5, parquet
from nasbase.tables import assemble, runs

INDEXES = {
    "nats_tss": (0, 11, 347, 9, 15_624),
    "nats_sss": (0, 11, 284, 32_767, 4097),
    "nb201": (11, 0, 15_624, 123),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A working folder with awkward releases of everything, and the raw files by release."""
    folder = tmp_path_factory.mktemp("awkward")
    out = folder / "samples"
    out.mkdir()
    rng = random.Random(2024)
    files = {"nb101": {"sample-a": (releases.nb101(out, 1), None)}}
    hps = {"nats_tss": ("12", "200"), "nats_sss": ("01", "12", "90")}
    for benchmark in ("nats_tss", "nats_sss"):
        records = {
            i: releases.record(benchmark, i, hps[benchmark], rng) for i in INDEXES[benchmark]
        }
        members = releases.nats_dir(out, benchmark, records, rng)
        files[benchmark] = {
            "sample-dir": (members, "dir"),
            "sample-tar": (releases.nats_tar(members, rng), "tar"),
            "sample-pickle": (releases.nats_pickle(out, benchmark, records, rng), "pickle"),
        }
    records = {i: releases.record("nb201", i, ("full", "less"), rng) for i in INDEXES["nb201"]}
    files["nb201"] = {
        f"sample-{kind}": (releases.nb201(out, records, kind, rng, dumps), None)
        for kind, dumps in (("legacy", releases.dumps_old), ("zip", pickle.dumps))
    }
    files["nds"] = {"sample-a": (releases.nds(out, 5), None)}
    table = {
        benchmark: {name: [releases.describe(*file)] for name, file in rows.items()}
        for benchmark, rows in files.items()
    }
    releases.write_table(out / "sources.yaml", table)
    return folder, {b: {name: file[0] for name, file in rows.items()} for b, rows in files.items()}


@pytest.fixture(scope="module")
def built(made):
    folder, files = made
    for benchmark, rows in files.items():
        for release in rows:
            build(
                folder, benchmark, release, "samples/sources.yaml", releases={benchmark: [release]}
            )
    return Workflow(folder)


def test_nb101(made, built):
    raw_file = made[1]["nb101"]["sample-a"]
    raw = plain.nb101(raw_file)
    tables = expected.nb101(raw, raw_file.name)
    folder = built.results("nb101", "sample-a")
    assert assert_artifacts(folder, "nb101", tables) > 10 * len(raw)


def test_nb101_fractions_come_back(made, built):
    raw = plain.nb101(made[1]["nb101"]["sample-a"])
    released = sorted(v for record in raw.values() for point in record["points"] for v in point[2:])
    rows = duckdb_rows(built.results("nb101", "sample-a") / "curves.parquet")
    columns = ("train_acc_pct", "valid_acc_pct", "test_acc_pct")
    back = sorted(
        struct.unpack("<f", struct.pack("<f", row[column] / 100))[0]
        for row in rows
        for column in columns
    )
    assert back == released


@pytest.mark.parametrize("form", ["dir", "tar", "pickle"])
@pytest.mark.parametrize("benchmark", ["nats_tss", "nats_sss"])
def test_nats(made, built, benchmark, form):
    raw = plain.nats(made[1][benchmark][f"sample-{form}"])
    assert {key[0] for key in raw} == set(INDEXES[benchmark])
    tables = expected.nats(benchmark, raw)
    folder = built.results(benchmark, f"sample-{form}")
    assert assert_artifacts(folder, benchmark, tables) > 50 * len(raw)
    assert {note[0] for note in tables["notes"]} == {"nan", "erratum"}


@pytest.mark.parametrize("benchmark", ["nats_tss", "nats_sss"])
def test_forms_of_the_same_records_give_equal_numbers(built, benchmark):
    tables = ("architectures", "costs", "curves", "means")
    digests = [
        {name: built.manifest(benchmark, f"sample-{form}")["tables"][name] for name in tables}
        for form in ("dir", "tar", "pickle")
    ]
    assert digests[0] == digests[1] == digests[2]
    where = (
        "source_file",
        "source_pos",
        "source_offset",
        "source_bytes",
    )  # all that may differ in trials
    trials = [
        [
            {name: str(value) for name, value in row.items() if name not in where}
            for row in duckdb_rows(built.results(benchmark, f"sample-{form}") / "trials.parquet")
        ]
        for form in ("dir", "tar", "pickle")
    ]
    assert trials[0] == trials[1] == trials[2]


@pytest.mark.parametrize("container", ["legacy", "zip"])
def test_nb201(made, built, container):
    raw = plain.nb201(made[1]["nb201"][f"sample-{container}"])
    tables = expected.nats("nb201", raw)
    folder = built.results("nb201", f"sample-{container}")
    assert assert_artifacts(folder, "nb201", tables) > 50 * len(raw)


def test_nds(made, built):
    raw = plain.nds(made[1]["nds"]["sample-a"])
    tables = expected.nds(raw)
    assert assert_artifacts(built.results("nds", "sample-a"), "nds", tables) > 50 * len(raw)
    assert max(row["n"] for row in tables["means"]) > 3  # seeds and reruns share configurations


@pytest.mark.parametrize("benchmark", ["nb101", "nats_tss", "nb201", "nds"])
def test_numbers_do_not_depend_on_the_size_of_batches(monkeypatch, tmp_path, benchmark):
    """Everything that is done piece by piece, in very small pieces."""
    monkeypatch.setattr(assemble, "RANGE_VALUES", 3000)
    monkeypatch.setattr(runs, "_DISTINCT_ROWS", 3)
    monkeypatch.setattr(hdf5, "CHUNK_BYTES", 9000)
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 113)
    monkeypatch.setattr(parquet.read_batches, "__defaults__", (113, None))
    for room in (nats_room, nb201_room, nds_records):
        monkeypatch.setattr(room, "BATCH_BYTES", 30_000)
    rng, form = random.Random(7), None
    if benchmark == "nb101":
        path = releases.nb101(tmp_path, 7)
        tables = expected.nb101(plain.nb101(path), path.name)
    elif benchmark == "nds":
        path = releases.nds(tmp_path, 7, ["DARTS", "ResNet", "ResNet_reruns", "Vanilla_lr-wd_in"])
        tables = expected.nds(plain.nds(path))
    elif benchmark == "nb201":
        records = {i: releases.record("nb201", i, ("full", "less"), rng) for i in (8, 3, 9)}
        path = releases.nb201(tmp_path, records, "legacy", rng, pickle.dumps)
        tables = expected.nats("nb201", plain.nb201(path))
    else:
        records = {i: releases.record("nats_tss", i, ("12", "200"), rng) for i in (8, 3, 9)}
        path = releases.nats_pickle(tmp_path, "nats_tss", records, rng)
        tables, form = expected.nats("nats_tss", plain.nats(path)), "pickle"
    table = {benchmark: {"sample-x": [releases.describe(path, form)]}}
    releases.write_table(tmp_path / "sources.yaml", table)
    folder = build(tmp_path, benchmark, "sample-x", shards=3)
    assert assert_artifacts(folder, benchmark, tables)
