"""Whole files of NAS-Bench-101: plan, decode, samples."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from nasbase.benchmarks.nb101 import ROOM, convert
from nasbase.benchmarks.nb101.sample import ALWAYS, FILE_NAME
from nasbase.benchmarks.nb101.space import SPACE_SIZE, cell_of
from nasbase.benchmarks.room import RawFile, RawRelease
from nasbase.containers import tfrecord
from nasbase.containers.protobuf import bytes_field, double_field, varint_field
from nasbase.containers.tfrecord import encode_frames
from nasbase.errors import ConfigError, IncompleteReleaseError, RawDataError
from nasbase.tables.shards import shard_architectures, shard_trials

TUTORIAL = "00005c142e6f48ac74fdcf73e3439874"
HASHES = [f"{number:032x}" for number in range(8)]


def evaluation(*values: float) -> bytes:
    return b"".join(double_field(number + 1, value) for number, value in enumerate(values))


def record(cell_hash, epochs, cell, evaluations, params, *, total=5000.0) -> bytes:
    """One row, put together by hand from the description of the format."""
    message = b"".join(bytes_field(1, evaluation(*each)) for each in evaluations)
    message += varint_field(2, params) + double_field(3, total)
    text = base64.encodebytes(message).decode()
    return json.dumps([cell_hash, epochs, *cell, text]).encode()


def simple(cell_hash=HASHES[0], epochs=4, points=None, text_epochs=None, cell=None) -> bytes:
    points = (0.0, epochs / 2, float(epochs)) if points is None else points
    evaluations = [(point, 10.0 * point, 0.1, 0.1, 0.1) for point in points]
    cell = cell or ("0100", "input,output")
    return record(cell_hash, text_epochs or epochs, cell, evaluations, 882570)


def release(path: Path, name: str = "sample", *, partial: bool = True) -> RawRelease:
    data = path.read_bytes()
    file = RawFile(path.name, path, None, len(data), hashlib.sha256(data).hexdigest())
    return RawRelease("nb101", name, (file,), partial, synthetic=name.startswith("sample"))


def written(folder: Path, payloads, name: str = "sample", **options) -> RawRelease:
    path = folder / "some.tfrecord"
    path.write_bytes(encode_frames(payloads))
    return release(path, name, **options)


def decoded(raw: RawRelease, shards: int) -> tuple[pa.Table, pa.Table]:
    """Everything, through the doors: trials by file position, and all architecture rows."""
    plan = ROOM.plan(raw, shards)
    assert len(plan.shards) == shards
    assert json.loads(json.dumps(plan.shards)) == plan.shards
    batches = [batch for shard in plan.shards for batch in ROOM.decode(raw, shard)]
    architectures = pa.concat_tables([batch.architectures for batch in batches])
    trials = pa.concat_tables([batch.trials for batch in batches])
    assert trials.num_rows == plan.expected["trials"]
    return architectures, trials.sort_by("source_pos")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    (file,) = ROOM.write_sample(
        folder, architectures=200, seed=5, options={}, progress=lambda _: None
    )
    return folder, file


# ------------------------------------------------------------------ plan


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 50, 5000])
def test_shards_tile_the_file_at_records(sample, shards, monkeypatch):
    raw = release(sample[0] / FILE_NAME)
    original = convert.read_blocks
    monkeypatch.setattr(convert, "read_blocks", lambda path: original(path, block_bytes=4096))
    plan = ROOM.plan(raw, shards)
    assert plan.expected == {"trials": 2400}
    assert len(plan.shards) == shards
    end = record_number = 0
    for shard in plan.shards:
        assert (shard["start"], shard["first_record"]) == (end, record_number)
        end, record_number = shard["end"], record_number + shard["records"]
    assert (end, record_number) == (raw.files[0].bytes, 2400)
    sizes = [shard["end"] - shard["start"] for shard in plan.shards]
    assert max(sizes) - min(sizes) < 1000  # about two records


@pytest.mark.parametrize("shards", [1, 3, 4000])
def test_the_union_of_shards_is_always_the_same(sample, shards, monkeypatch):
    raw = release(sample[0] / FILE_NAME)
    whole = decoded(raw, 1)
    original = convert.read_blocks
    monkeypatch.setattr(
        convert, "read_blocks", lambda *a, **k: original(*a, **k, block_bytes=50_000)
    )
    parts = decoded(raw, shards)
    assert parts[1].equals(whole[1])
    distinct = {tuple(row.values()) for row in parts[0].to_pylist()}
    assert distinct == {tuple(row.values()) for row in whole[0].to_pylist()}
    assert len(distinct) == 200


def test_every_record_brings_its_architecture(sample):
    raw = release(sample[0] / FILE_NAME)
    (batch,) = ROOM.decode(raw, ROOM.plan(raw, 1).shards[0])
    assert batch.architectures.schema.equals(shard_architectures("nb101"), check_metadata=True)
    assert batch.trials.schema.equals(shard_trials("nb101"), check_metadata=True)
    assert batch.architectures["hash"].to_pylist() == batch.trials["hash"].to_pylist()
    assert len(batch.architectures["hash"].unique()) == 200
    for row in batch.architectures.to_pylist():
        cell = cell_of(row)
        assert row["hash"] == cell.hash
        assert (row["num_vertices"], row["num_edges"]) == (
            len(cell.ops),
            sum(map(sum, cell.matrix)),
        )
        assert (row["adjacency"], row["operations"]) == (cell.adjacency, cell.operations)


def test_cells_that_disagree_both_come(tmp_path):
    """Assembly refuses them; decoding must not hide one."""
    other = ("011001000", "input,maxpool3x3,output")
    raw = written(tmp_path, [simple(), simple(cell=other), simple()])
    architectures, _ = decoded(raw, 1)
    assert architectures["num_vertices"].to_pylist() == [2, 3, 2]
    assert set(architectures["hash"].to_pylist()) == {HASHES[0]}


def test_unusual_rows_are_counted_by_parsing(tmp_path):
    usual = simple(HASHES[1], 12)
    tight = json.dumps(json.loads(simple(HASHES[2], 36)), separators=(",", ":")).encode()
    spaced = b"  " + simple(HASHES[3], 108)
    long_epochs = simple(HASHES[4], 30000)
    as_text = simple(HASHES[5], 36, text_epochs="36")
    raw = written(tmp_path, [usual, tight, spaced, long_epochs, as_text, usual])
    _, trials = decoded(raw, 2)
    assert trials["num_epochs"].to_pylist() == [12, 36, 108, 30000, 36, 12]
    assert trials["hash"].to_pylist() == [HASHES[i] for i in (1, 2, 3, 4, 5, 1)]


@pytest.mark.parametrize("name", ["full", "only108", "sample"])
def test_an_incomplete_release_is_refused(sample, name):
    with pytest.raises(IncompleteReleaseError) as caught:
        ROOM.plan(release(sample[0] / FILE_NAME, name, partial=False), 4)
    error = caught.value
    assert "200 architectures, 2400 trainings" in str(error.found)
    assert "600 of 4 epochs, 600 of 12 epochs" in str(error.found)
    total = SPACE_SIZE * 3 * (1 if name == "only108" else 4)
    assert f"{SPACE_SIZE} architectures, {total} trainings" in str(error.expected)
    assert FILE_NAME in str(error.where)
    assert "partial" in error.todo


def test_a_complete_release_is_accepted(tmp_path, monkeypatch):
    """With a space of two cells: six trainings; assembly sees whether they are of two cells."""
    monkeypatch.setattr(convert, "SPACE_SIZE", 2)
    good = [simple(h, 108) for h in HASHES[:2] for _ in range(3)]
    plan = ROOM.plan(written(tmp_path, good, "only108", partial=False), 1)
    assert plan.expected == {"trials": 6}
    for bad, kind in (
        (good[:-1], IncompleteReleaseError),
        ([*good, good[0]], RawDataError),
        (good + [simple(h, 4) for h in HASHES[:2]], RawDataError),
    ):
        with pytest.raises(kind, match="exactly once"):
            ROOM.plan(written(tmp_path, bad, "only108", partial=False), 1)


def test_unknown_schedules_need_a_partial_build(tmp_path):
    payloads = [simple(epochs=50)]
    with pytest.raises(RawDataError, match="schedules") as caught:
        ROOM.plan(written(tmp_path, payloads, partial=False), 1)
    assert "50" in str(caught.value.found)
    assert ROOM.plan(written(tmp_path, payloads), 1).expected["trials"] == 1


def test_an_empty_file(tmp_path):
    assert ROOM.plan(written(tmp_path, []), 3).expected == {"trials": 0}
    for name in ("full", "sample"):
        with pytest.raises(RawDataError):
            ROOM.plan(written(tmp_path, [], name, partial=False), 3)


def test_a_release_is_one_file(tmp_path):
    raw = written(tmp_path, [simple()])
    for files in ((), raw.files * 2):
        bad = RawRelease("nb101", "sample", files, True, True)
        with pytest.raises(RawDataError, match="expected: a TFRecord file"):
            ROOM.plan(bad, 1)


# ------------------------------------------------------------------ decode: faults


@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize(
    "points",
    [
        (0.0, 2.0, 5.0),
        (0.0, 2.5, 4.0),
        (0.0, 4.0, 2.0),
        (2.0, 2.0, 4.0),
        (-1.0, 2.0, 4.0),
        (0.0, float("nan"), 4.0),
        (float("-inf"), 2.0, 4.0),
    ],
)
def test_evaluations_at_wrong_epochs(tmp_path, points, partial):
    raw = written(tmp_path, [simple(), simple(points=points)], partial=partial)
    shard = {"start": 0, "end": raw.files[0].bytes, "first_record": 7, "records": 2}
    with pytest.raises(RawDataError, match="other epochs") as caught:
        list(ROOM.decode(raw, shard))
    assert "record 8" in str(caught.value.where)
    assert None not in (caught.value.expected, caught.value.found, caught.value.todo)


def test_evaluations_elsewhere_need_a_partial_build(tmp_path):
    payloads = [simple(epochs=36, points=(0.0, 1.0, 36.0))]
    raw = written(tmp_path, payloads)
    _, trials = decoded(raw, 1)
    assert trials["epoch"].to_pylist() == [[0, 1, 36]]
    strict = written(tmp_path, payloads, partial=False)
    with pytest.raises(RawDataError, match="other epochs"):
        list(ROOM.decode(strict, ROOM.plan(raw, 1).shards[0]))


def test_corrupted_records_are_refused_when_decoded(sample, tmp_path):
    data = bytearray((sample[0] / FILE_NAME).read_bytes())
    data[100_000] ^= 4
    path = tmp_path / FILE_NAME
    path.write_bytes(data)
    raw = release(path)
    with pytest.raises(RawDataError, match="checksum") as caught:
        decoded(raw, 3)
    assert str(path) in str(caught.value.where)


def test_a_truncated_file_is_refused_when_planned(sample, tmp_path):
    path = tmp_path / FILE_NAME
    path.write_bytes((sample[0] / FILE_NAME).read_bytes()[:-1])
    with pytest.raises(RawDataError, match="ends inside a record") as caught:
        ROOM.plan(release(path), 2)
    assert "record 2399" in str(caught.value.where)


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b"",
        b'["' + b"x" * 60,
        json.dumps([HASHES[0], 4, "0100", "input,output", "!"]).encode(),
    ],
)
def test_junk_with_right_checksums(tmp_path, payload):
    raw = written(tmp_path, [simple(), payload])
    shard = {"start": 0, "end": raw.files[0].bytes, "first_record": 0, "records": 2}
    with pytest.raises(RawDataError) as caught:
        list(ROOM.decode(raw, shard))
    assert "record 1" in str(caught.value.where)
    with pytest.raises(RawDataError):
        decoded(raw, 1)


def test_another_file_than_planned(tmp_path):
    raw = written(tmp_path, [simple()] * 4)
    (shard,) = ROOM.plan(raw, 1).shards
    with pytest.raises(RawDataError, match="not the one that was planned"):
        list(ROOM.decode(raw, {**shard, "records": 5}))


def test_a_bad_cell_names_its_record(tmp_path):
    raw = written(tmp_path, [simple(), simple(HASHES[1], cell=("1100", "input,output"))])
    with pytest.raises(RawDataError, match="backward edge") as caught:
        decoded(raw, 1)
    assert "record 1" in str(caught.value.where)


# ------------------------------------------------------------------ decode: values


def test_values_of_one_record(tmp_path):
    evaluations = [
        (0.0, 0.0, 0.1, 0.1001, 0.1002),
        (54.0, 883.4580078125, 0.8282251358032227, 0.7776442170143127, 0.7740384340286255),
        (108.0, 1769.1279296875, 1.0, 0.9241786599159241, 0.9211738705635071),
    ]
    cell = (ALWAYS[0].adjacency, ALWAYS[0].operations)
    payload = record(TUTORIAL, 108, cell, evaluations, 8555530, total=2000.5)
    _, trials = decoded(written(tmp_path, [payload]), 1)
    (row,) = trials.to_pylist()
    assert row == {
        "hash": TUTORIAL,
        "dataset": "cifar10",
        "num_epochs": 108,
        "run_order": 0,
        "seed": None,
        "params": 8555530,
        "total_time_s": 2000.5,
        "source_file": "some.tfrecord",
        "source_pos": 0,
        "source_offset": 0,
        "source_bytes": len(payload) + 16,
        "extra": None,
        "epoch": [0, 54, 108],
        "elapsed_train_time_s": [0.0, 883.4580078125, 1769.1279296875],
        "train_acc_pct": [10.0, 82.82251358032227, 100.0],
        "valid_acc_pct": [100 * 0.1001, 77.76442170143127, 92.41786599159241],
        "test_acc_pct": [100 * 0.1002, 77.40384340286255, 92.11738705635071],
    }


def test_percents_give_the_released_fractions_back():
    """All k of 9984 and one ulp below, as float32: times 100, divided by 100, bit for bit."""
    grid = (np.arange(9985) / 9984).astype(np.float32)
    released = np.concatenate([grid, np.nextafter(grid, np.float32(0))])
    percents = released.astype(np.float64) * 100.0
    assert ((percents / 100).astype(np.float32) == released).all()


# ------------------------------------------------------------------ samples


def test_a_sample_is_what_its_row_says(sample):
    folder, file = sample
    data = (folder / FILE_NAME).read_bytes()
    assert file == {
        "name": "nasbench_sample.tfrecord",
        "form": None,
        "urls": ["nasbench_sample.tfrecord"],
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def test_a_sample_is_plausible(sample):
    architectures, trials = decoded(release(sample[0] / FILE_NAME), 2)
    assert {TUTORIAL, "28cfc7874f6d200472e1a9dcd8650aa0"} <= set(architectures["hash"].to_pylist())
    assert set(architectures["num_vertices"].to_pylist()) >= {4, 5, 6, 7}
    runs = Counter(zip(trials["hash"].to_pylist(), trials["num_epochs"].to_pylist(), strict=True))
    assert set(runs.values()) == {3}
    assert len(runs) == 200 * 4
    assert trials["hash"].to_pylist() == sorted(trials["hash"].to_pylist())
    series = {
        name: np.array(trials[name].to_pylist())
        for name in ("elapsed_train_time_s", "train_acc_pct", "valid_acc_pct", "test_acc_pct")
    }
    elapsed = series.pop("elapsed_train_time_s")
    assert (elapsed[:, 0] == 0).all()
    assert (np.diff(elapsed) > 0).all()
    assert (elapsed.astype(np.float32) == elapsed).all()
    assert (trials["total_time_s"].to_numpy() > elapsed[:, 2]).all()
    below = 0
    for values in series.values():
        assert (abs(values[:, 0] - 10) < 2).all()
        released = (values / 100).astype(np.float32)
        nearest = (np.rint(released * np.float64(9984)) / 9984).astype(np.float32)
        lower = np.nextafter(nearest, np.float32(0))
        assert ((released == nearest) | (released == lower)).all()
        below += int((released == lower).sum())
    assert below > 1000
    final = series["test_acc_pct"][:, 2]
    long = trials["num_epochs"].to_numpy() == 108
    assert 0 < (final <= 11).sum() < 0.05 * len(final)
    assert 85 < np.median(final[long]) < 95
    sizes, times = trials["params"].to_numpy()[long], elapsed[long, 2]
    assert np.corrcoef(sizes, times)[0, 1] > 0.9


def test_a_sample_depends_on_its_arguments_alone(tmp_path, sample):
    def digest(name, **arguments):
        arguments = {"architectures": 200, "seed": 5, "options": {}} | arguments
        return ROOM.write_sample(tmp_path / name, **arguments, progress=lambda _: None)[0]["sha256"]

    assert digest("again") == sample[1]["sha256"]
    assert digest("seed", seed=6) != sample[1]["sha256"]


def test_a_shuffled_sample_holds_the_same_records(tmp_path, sample):
    options = {"order": "shuffled", "schedules": [108]}
    for order in ("shuffled", "hash"):
        ROOM.write_sample(
            tmp_path / order,
            architectures=100,
            seed=1,
            options=options | {"order": order},
            progress=lambda _: None,
        )
    payloads = [
        [
            block.payload(index)
            for block in tfrecord.read_blocks(tmp_path / order / FILE_NAME)
            for index in range(len(block))
        ]
        for order in ("shuffled", "hash")
    ]
    assert payloads[0] != payloads[1]
    assert sorted(payloads[0]) == sorted(payloads[1])
    assert len(payloads[0]) == 300
    _, trials = decoded(release(tmp_path / "shuffled" / FILE_NAME), 3)
    assert trials["hash"].to_pylist() != sorted(trials["hash"].to_pylist())


@pytest.mark.parametrize(
    ("arguments", "options", "what"),
    [
        ({"architectures": 1}, {}, "so many architectures"),
        ({"architectures": SPACE_SIZE + 1}, {}, "so many architectures"),
        ({}, {"schedules": [5]}, "schedules"),
        ({}, {"schedules": []}, "schedules"),
        ({}, {"order": "random"}, "order"),
        ({}, {"colour": "red"}, "option"),
    ],
)
def test_arguments_of_a_sample_that_are_refused(tmp_path, arguments, options, what):
    arguments = {"architectures": 5, "seed": 0} | arguments
    with pytest.raises(ConfigError, match=what):
        ROOM.write_sample(tmp_path, **arguments, options=options, progress=lambda _: None)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ real records


@pytest.mark.realdata
def test_real_records_keep_every_number(realdata, tmp_path):
    """27 real cells in the release's form; what is not in the source is made up here."""
    records = json.loads((realdata / "nb101" / "nb101_only108_records.json").read_text())
    payloads, expected = [], []
    for cell_hash, cell in records.items():
        adjacency = "".join(str(bit) for row in cell["module_adjacency"] for bit in row)
        operations = ",".join(cell["module_operations"])
        for run in cell["computed"]["108"]:
            points = [
                (epoch, *(run[f"{stage}_{key}"] for key in ("training_time", *KEYS)))
                for epoch, stage in ((54.0, "halfway"), (108.0, "final"))
            ]
            points.insert(0, (0.0, 0.0, 0.1, 0.1, 0.1))
            params = cell["trainable_parameters"]
            payloads.append(record(cell_hash, 108, (adjacency, operations), points, params))
            expected.append((cell_hash, adjacency, operations, params, points))
    architectures, trials = decoded(written(tmp_path, payloads, "only108"), 4)
    assert trials.num_rows == 81
    cells = {row["hash"]: row for row in architectures.to_pylist()}
    for row, (cell_hash, adjacency, operations, params, points) in zip(
        trials.to_pylist(), expected, strict=True
    ):
        assert (row["hash"], row["params"]) == (cell_hash, params)
        assert (cells[cell_hash]["adjacency"], cells[cell_hash]["operations"]) == (
            adjacency,
            operations,
        )
        assert row["epoch"] == [0, 54, 108]
        assert row["elapsed_train_time_s"] == [point[1] for point in points]
        for column, place in (("train", 2), ("valid", 3), ("test", 4)):
            percents = np.array(row[f"{column}_acc_pct"])
            released = np.array([point[place] for point in points])
            assert percents.tolist() == (released * 100.0).tolist()
            back = (percents / 100).astype(np.float32)
            assert (back[1:] == released[1:]).all()  # the doubles are float32 values


KEYS = ("train_accuracy", "validation_accuracy", "test_accuracy")


@pytest.mark.realdata
def test_ec_nas_is_decoded_as_partial_and_refused_as_complete(realdata):
    path = realdata / "ecnas" / "energy_4V9E.tfrecord"
    architectures, trials = decoded(release(path, "ecnas"), 3)
    assert trials.num_rows == 1092
    assert architectures.num_rows >= 91
    assert trials["epoch"].to_pylist()[0] == [0, 1, 36]
    for name in ("full", "ecnas"):
        with pytest.raises(IncompleteReleaseError, match="91 architectures, 1092 trainings"):
            ROOM.plan(release(path, name, partial=False), 1)
