"""Legal but awkward releases are built; hostile and damaged ones are refused, and leave nothing."""

from __future__ import annotations

import base64
import bz2
import io
import json
import os
import pickle
import random
import struct
import tarfile
import zipfile
from pathlib import Path

import expected
import plain
import pytest
import releases
from compare import assert_artifacts, assert_hdf5, assert_parquet, assert_sqlite
from harness import Workflow
from stepwise import build

from nasbase.errors import NasbaseError

STEPS = ("fetch", "plan", "convert", "assemble", "validate")


def table(folder: Path, benchmark: str, path: Path, form: str | None = None, **marks) -> None:
    row = releases.describe(path, form)
    releases.write_table(folder / "sources.yaml", {benchmark: {"sample-x": [row]}}, **marks)


def left_behind(folder: Path) -> set[str]:
    """Steps whose outputs stand under their final names."""
    finals = {
        "fetch": "resources/raw/*/*/fetched.json",
        "plan": "build/*/*/plan.json",
        "convert": "build/*/*/shards/00*",
        "assemble": "build/*/*/parquet",
        "validate": "build/*/*/validation.json",
    }
    return {step for step, pattern in finals.items() if list(folder.glob(pattern))}


def assert_refused(folder: Path, benchmark: str, step: str, words: tuple[str, ...], **settings):
    """The build stops at ``step`` with a whole message, and leaves what came before alone."""
    with pytest.raises(NasbaseError) as caught:
        build(folder, benchmark, "sample-x", shards=1, **settings)
    error = caught.value
    fields = {name: getattr(error, name) for name in ("where", "expected", "found", "todo")}
    assert None not in fields.values(), f"{error.what}: {fields}"
    assert error.what.endswith("."), error.what
    message = str(error)
    assert not [word for word in words if word not in message], message
    assert left_behind(folder) == set(STEPS[: STEPS.index(step)])
    assert not (folder / "results").exists()
    assert not [*folder.rglob(".*.tmp")]


# ---------------------------------------------------------------------------------------------
# legal


def test_a_comparison_notices_one_bit(tmp_path):
    """The tests of numbers can fail, in every form."""
    rng = random.Random(8)
    path = releases.nats_pickle(
        tmp_path, "nats_sss", {5: releases.record("nats_sss", 5, ("12",), rng)}, rng
    )
    table(tmp_path, "nats_sss", path, "pickle")
    folder = build(tmp_path, "nats_sss", "sample-x")
    tables = expected.nats("nats_sss", plain.nats(path))
    assert assert_artifacts(folder, "nats_sss", tables)
    point = next(row for row in tables["curves"] if row["train_acc_pct"])
    (bits,) = struct.unpack("<q", struct.pack("<d", point["train_acc_pct"]))
    (point["train_acc_pct"],) = struct.unpack("<d", struct.pack("<q", bits ^ 1))
    for check in (
        lambda: assert_parquet(folder, tables),
        lambda: assert_sqlite(folder / "nats_sss.sqlite", "nats_sss", tables),
        lambda: assert_hdf5(folder / "curves.h5", "nats_sss", tables),
    ):
        with pytest.raises(AssertionError):
            check()


@pytest.mark.parametrize("count", [1000, 1001, 1002])
def test_more_architectures_than_one_batch_of_a_pickle(tmp_path, count):
    """Pickles set 1000 items at a time, and a single one that is left in another way."""
    rng = random.Random(count)
    one = releases.record("nats_sss", 0, ("01",), rng)["01"]
    records = {}
    for index in range(count):
        text = "".join(releases.SPACES["nats_sss"][index])
        results = {
            pair: {**result, "arch_config": {**result["arch_config"], "arch_str": text}}
            for pair, result in one["all_results"].items()
        }
        state = {**one, "arch_index": index, "arch_str": text, "all_results": results}
        records[index] = {"01": json_like(state)}
    path = releases.nats_pickle(tmp_path, "nats_sss", records, rng)
    table(tmp_path, "nats_sss", path, "pickle")
    folder = build(tmp_path, "nats_sss", "sample-x", outputs=["parquet"])
    tables = expected.nats("nats_sss", plain.nats(path))
    assert len(tables["architectures"]) == count
    for trial in tables["trials"]:  # the configs are of another architecture: kept as they are
        trial["extra"] = None
    found = {**tables}
    del found["trials"]
    assert assert_parquet(folder, found) > 20 * count


def json_like(value):
    """A deep copy that shares nothing but the floats."""
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("benchmark", ["nats_tss", "nb201"])
def test_a_pickle_whose_records_share_their_strings(tmp_path, benchmark):
    """What one process wrote refers back to the strings of earlier architectures."""
    rng = random.Random(3)
    hps = ("full", "less") if benchmark == "nb201" else ("12", "200")
    known: dict[str, str] = {}

    def shared(value):
        if isinstance(value, str):
            return known.setdefault(value, value)
        if isinstance(value, dict):
            return type(value)((shared(key), shared(item)) for key, item in value.items())
        return type(value)(map(shared, value)) if isinstance(value, (list, tuple)) else value

    records = {i: shared(releases.record(benchmark, i, hps, rng)) for i in (3, 1, 4, 15, 9)}
    # In whatever order they are, some data set comes first in a record that is not the first.
    for record, dataset in zip(records.values(), [*releases.CLASSES, "cifar100"], strict=True):
        for state in record.values():
            for pair in [pair for pair in state["all_results"] if pair[0] != dataset]:
                del state["all_results"][pair]
            state["dataset_seed"] = {
                name: seeds for name, seeds in state["dataset_seed"].items() if name == dataset
            }
    if benchmark == "nb201":
        path, form = releases.nb201(tmp_path, records, "legacy", rng, pickle.dumps), None
        raw = plain.nb201(path)
    else:
        path, form = releases.nats_pickle(tmp_path, benchmark, records, rng), "pickle"
        raw = plain.nats(path)
    table(tmp_path, benchmark, path, form)
    folder = build(tmp_path, benchmark, "sample-x", outputs=["parquet"])
    assert assert_parquet(folder, expected.nats(benchmark, raw)) > 100
