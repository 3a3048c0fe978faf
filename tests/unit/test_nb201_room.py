"""NAS-Bench-201: sample files in upstream's format become the tables that they stand for."""

from __future__ import annotations

import copy
import hashlib
import io
import math
import pickle

import numpy as np
import pyarrow as pa
import pytest

from nasbase.benchmarks import room_of
from nasbase.benchmarks.nats_common import topology
from nasbase.benchmarks.nats_common.datasets import DATASETS
from nasbase.benchmarks.nb201 import sample
from nasbase.benchmarks.room import RawFile, RawRelease
from nasbase.containers import pickles
from nasbase.containers.torch_file import locate, write_legacy, write_zip
from nasbase.errors import ConfigError, IncompleteReleaseError, RawDataError, SpaceError
from nasbase.tables.shards import shard_architectures, shard_trials

ROOM = room_of("nb201")
FEW = 8


def release(path, *, partial=True, name="sample"):
    file = RawFile(path.name, path, None, path.stat().st_size, "0" * 64)
    return RawRelease("nb201", name, (file,), partial, True)


def write(folder, architectures=FEW, seed=3, **options):
    rows = ROOM.write_sample(
        folder, architectures=architectures, seed=seed, options=options, progress=lambda _: None
    )
    return folder / rows[0]["name"], rows


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("nb201"), order="shuffled")[0]


def decode(path, **options):
    batches = list(ROOM.decode(release(path, **options), {"stream": True}))
    architectures = pa.concat_tables(batch.architectures for batch in batches)
    return architectures, pa.concat_tables(batch.trials for batch in batches)


def plain(path):
    """The object of a file, by the ordinary way: everything in memory."""
    found = locate(path)
    with found.open() as stream:
        data = stream.read()
    end = data.rindex(b"\x80\x02]q\x00.") if found.container == "legacy" else len(data)
    return pickles.load(data[:end], where=path.name)


def rewrite(path, top):
    with path.open("wb") as out:
        write_legacy(out, [pickles.dumps(top, 2)])
    return path


# ------------------------------------------------------------------ samples


def test_a_sample_is_byte_for_byte_an_ordinary_pickle_in_its_container(tmp_path):
    """What upstream's pickler writes of the same objects, identities of strings included."""
    for container, writer in (("legacy", write_legacy), ("zip", write_zip)):
        path, rows = write(tmp_path / container, container=container)
        indexes = list(plain(path)["arch2infos"])
        strings = list(topology.enumeration())
        top = {
            "meta_archs": strings,
            "total_archs": len(strings),
            "arch2infos": {i: sample.record(i, 3, "1.1") for i in indexes},
            "evaluated_indexes": sorted(indexes),
        }
        out = io.BytesIO()
        writer(out, [pickles.dumps(top, 2)])
        raw = path.read_bytes()
        assert raw == out.getvalue()
        assert rows == [
            {
                "name": "NAS-Bench-201-sample.pth",
                "form": None,
                "urls": ["NAS-Bench-201-sample.pth"],
                "bytes": len(raw),
                "sha256": hashlib.sha256(raw).hexdigest(),
            }
        ]


def test_a_sample_depends_on_its_arguments_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(sample, "_INLINE", 4)  # by several processes
    parallel = write(tmp_path / "a", architectures=9)[0].read_bytes()
    monkeypatch.setattr(sample, "_INLINE", 1000)
    assert write(tmp_path / "b", architectures=9)[0].read_bytes() == parallel
    assert write(tmp_path / "c", architectures=9, seed=4)[0].read_bytes() != parallel


def test_a_sample_has_the_structure_of_the_release(written):
    top = plain(written)
    assert list(top) == ["meta_archs", "total_archs", "arch2infos", "evaluated_indexes"]
    assert tuple(top["meta_archs"]) == topology.enumeration()
    indexes = list(top["arch2infos"])
    assert set(sample.ALWAYS) <= set(indexes)
    assert len(indexes) == FEW
    assert indexes != sorted(indexes)
    assert top["evaluated_indexes"] == sorted(indexes)
    for index, records in top["arch2infos"].items():
        assert list(records) == ["full", "less"]
        assert {s["arch_str"] for s in records.values()} == {topology.enumeration()[index]}
        less = list(records["less"]["all_results"])
        assert sorted(less) == sorted([("cifar10-valid", 777), *((d, 111) for d in DATASETS)])
    assert top["arch2infos"][347]["full"]["dataset_seed"]["cifar10"] == [777, 888]


def test_the_first_release_lacked_times_and_short_runs(tmp_path):
    path, _ = write(tmp_path, version="1.0")
    architectures, trials = decode(path)
    assert architectures.num_rows == FEW
    rows = trials.to_pylist()
    for row in rows:
        if row["num_epochs"] == 12:
            assert row["dataset"] == "cifar10-valid"
            assert row["train_time_s"][0] > 0
        else:
            assert row["train_time_s"] is None
            assert row["ori_test_time_s"] is None
    latencies = {r["latency_s"] for r in rows if r["arch_id"] == 11 and r["num_epochs"] == 200}
    assert len(latencies) == 12


@pytest.mark.parametrize("options", [{"container": "tar"}, {"form": "tar"}, {"version": "2"}])
def test_unknown_options_are_named(tmp_path, options):
    with pytest.raises(ConfigError, match="no such option") as error:
        write(tmp_path, **options)
    assert "legacy or zip" in error.value.expected


# ------------------------------------------------------------------ decoding


def expected_series(result, name, epochs):
    split, _, end = name.partition("_time_s")
    end = "time_s"
    for suffix in ("_acc5_pct", "_acc_pct", "_loss", "_time_s"):
        if name.endswith(suffix):
            split, end = name.removesuffix(suffix), suffix[1:]
    tables = {
        ("train", "acc_pct"): "train_acc1es",
        ("train", "acc5_pct"): "train_acc5es",
        ("train", "loss"): "train_losses",
        ("train", "time_s"): "train_times",
    }
    if split == "train":
        table = result[tables[split, end]] or {}
        keys = list(range(epochs))
    else:
        table = result[{"acc_pct": "eval_acc1es", "loss": "eval_losses"}.get(end, "eval_times")]
        keys = [f"{split.replace('_', '-')}@{epoch}" for epoch in range(epochs)]
    values = [table.get(key) for key in keys]
    return None if all(value is None for value in values) else values


def bits(values):
    return (
        None if values is None else [None if v is None else np.float64(v).tobytes() for v in values]
    )


@pytest.mark.parametrize("container", ["legacy", "zip"])
def test_every_number_of_the_file_is_in_the_tables(tmp_path, container):
    path, _ = write(tmp_path, architectures=7, container=container, order="shuffled")
    top = plain(path)
    architectures, trials = decode(path)
    assert architectures.schema == shard_architectures("nb201")
    assert trials.schema == shard_trials("nb201")
    assert architectures["arch_id"].to_pylist() == list(top["arch2infos"])
    assert architectures["arch_str"].to_pylist() == [
        topology.enumeration()[index] for index in top["arch2infos"]
    ]
    results = [
        (index, epochs, key, result)
        for index, records in top["arch2infos"].items()
        for epochs, state in zip((200, 12), records.values(), strict=True)
        for key, result in state["all_results"].items()
    ]
    rows = trials.to_pylist()
    assert len(rows) == len(results)
    # NNI numbers its rows in this order: arch2infos, full then less, all_results.
    assert [row["source_pos"] for row in rows] == list(range(len(rows)))
    assert {row["source_file"] for row in rows} == {path.name}
    scalars = {"params_m": "params", "flops_m": "flop"}
    series = [f.name for f in trials.schema if pa.types.is_list(f.type) and f.name != "epoch"]
    diverged = 0
    for row, (index, epochs, (dataset, seed), result) in zip(rows, results, strict=True):
        place = (row["arch_id"], row["num_epochs"], row["dataset"], row["seed"], row["run_order"])
        assert place == (index, epochs, dataset, seed, seed)
        assert row["epoch"] == list(range(1, epochs + 1))
        assert all(row[column] == result[key] for column, key in scalars.items())
        assert row["latency_s"] == result["latency"][0]
        assert row["extra"] is None
        for name in series:
            assert bits(row[name]) == bits(expected_series(result, name, epochs)), name
        diverged += math.isnan(row["train_loss"][-1])
    assert diverged >= 1


def test_batches_are_bounded(written, monkeypatch):
    from nasbase.benchmarks.nb201 import room

    whole = decode(written)
    monkeypatch.setattr(room, "BATCH_BYTES", 1 << 18)
    batches = list(ROOM.decode(release(written), {"stream": True}))
    assert len(batches) > 2
    cut = pa.concat_tables(b.trials for b in batches)
    assert repr(cut.to_pylist()) == repr(whole[1].to_pylist())  # NaN is not equal to itself


def test_a_plan_is_one_shard(written):
    plan = ROOM.plan(release(written), 3)
    assert [bool(shard) for shard in plan.shards] == [True, False, False]
    assert plan.expected == {}
    assert ROOM.plan(release(written, partial=False), 1).expected == {"architectures": 15_625}
    assert list(ROOM.decode(release(written), {})) == []


# ------------------------------------------------------------------ files that are wrong


@pytest.fixture(scope="module")
def small():
    """The object of a file of three architectures."""
    strings = list(topology.enumeration())
    return {
        "meta_archs": strings,
        "total_archs": len(strings),
        "arch2infos": {index: sample.record(index, 0, "1.1") for index in (0, 11, 12)},
        "evaluated_indexes": [0, 11, 12],
    }


def test_an_incomplete_release_is_refused_unless_it_is_partial(tmp_path, small):
    path = rewrite(tmp_path / "x.pth", small)
    with pytest.raises(IncompleteReleaseError) as error:
        decode(path, partial=False)
    assert "15625" in str(error.value.expected)
    assert str(error.value.found).startswith("3;")
    assert decode(path)[0].num_rows == 3
    empty = rewrite(tmp_path / "y.pth", {**small, "arch2infos": {}, "evaluated_indexes": []})
    for partial in (True, False):
        with pytest.raises(IncompleteReleaseError):
            ROOM.plan(release(empty, partial=partial), 1)


@pytest.mark.parametrize("listed", ["full", "cut", "own"])
def test_the_list_of_architectures_may_be_cut_in_partial_files(tmp_path, small, listed):
    strings = topology.enumeration()
    own = list(small["arch2infos"])
    archs = {
        "full": list(strings),
        "cut": list(strings[: max(own) + 1]),
        "own": [strings[i] for i in own],
    }[listed]
    top = {"arch2infos": small["arch2infos"], "meta_archs": archs, "total_archs": len(archs)}
    top["evaluated_indexes"] = own
    assert decode(rewrite(tmp_path / "x.pth", top))[0].num_rows == 3


def changed(top, change):
    top = copy.deepcopy(top)
    change(top)
    return top


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda t: t.update(meta_archs=t["meta_archs"][::-1]), "lists other architectures"),
        (lambda t: t.update(meta_archs=("a",)), "lists other architectures"),
        (lambda t: t.update(meta_archs=[]), "lists other architectures"),
        (lambda t: t.update(total_archs=7), "counts other architectures"),
        (lambda t: t.pop("meta_archs"), "another structure"),
        (lambda t: t.pop("arch2infos"), "lacks the dictionary"),
        (lambda t: t.update(evaluated_indexes=[0, 11]), "does not list the entries"),
        (lambda t: t.update(evaluated_indexes=[0, 11, 11]), "does not list the entries"),
        (lambda t: t.update(evaluated_indexes=None), "does not list the entries"),
        (lambda t: t["arch2infos"].update({15_625: t["arch2infos"].pop(11)}), "no architecture's"),
        (lambda t: t["arch2infos"].update({"11": t["arch2infos"].pop(11)}), "no architecture's"),
        (lambda t: t["arch2infos"].update({13: t["arch2infos"].pop(11)}), "another architecture"),
        (lambda t: t["arch2infos"][11].pop("less"), "other schedules"),
        (lambda t: t["arch2infos"][11].update(more=1), "other schedules"),
        (lambda t: t["arch2infos"].update({11: None}), "other schedules"),
        (lambda t: t["arch2infos"][11]["less"].update(arch_str="|none~0|"), "not the one at"),
        (lambda t: t["arch2infos"][11].update(less=t["arch2infos"][11]["full"]), "epochs"),
    ],
)
def test_what_contradicts_the_release_is_refused(tmp_path, small, change, what):
    path = rewrite(tmp_path / "x.pth", changed(small, change))
    with pytest.raises(RawDataError, match=what) as error:
        decode(path)
    assert "x.pth" in str(error.value.where)
    assert error.value.expected is not None
    assert error.value.found is not None
    assert error.value.todo


def test_an_architecture_twice_is_refused(tmp_path, small):
    data = pickles.dumps({**small, "arch2infos": {0: small["arch2infos"][0], 1: 5}}, 2)
    twice = data.replace(b"K\x01K\x05u", b"K\x00}u")
    assert twice != data
    path = tmp_path / "x.pth"
    with path.open("wb") as out:
        write_legacy(out, [twice])
    with pytest.raises(RawDataError, match="or a second one"):
        decode(path)


def test_damaged_files_are_errors(tmp_path, written):
    raw = written.read_bytes()
    path = tmp_path / "x.pth"
    for size in (0, 50, 300, len(raw) // 2, len(raw) - 7, len(raw) - 1):
        path.write_bytes(raw[:size])
        with pytest.raises(RawDataError) as error:
            decode(path)
        assert "x.pth" in str(error.value.where)
        assert error.value.todo
    path.write_bytes(raw + b"more")
    with pytest.raises(RawDataError, match="Something follows"):
        decode(path)
    path.write_bytes(b"<!DOCTYPE html><html>Quota exceeded</html>")
    with pytest.raises(RawDataError, match="A web page"):
        ROOM.plan(release(path), 1)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(RawDataError, match="magic number"):
        ROOM.plan(release(path), 1)


def test_several_files_are_refused(written):
    raw = release(written)
    two = RawRelease("nb201", "sample", raw.files * 2, True, True)
    with pytest.raises(RawDataError, match="is one file"):
        ROOM.plan(two, 1)


# ------------------------------------------------------------------ the other doors


def test_costs_notes_facts_and_checks(written):
    architectures, trials = decode(written)
    costs = ROOM.costs(architectures)
    assert costs.num_rows == 4 * FEW
    trials = trials.append_column("trial_id", pa.array(range(trials.num_rows), pa.int32()))
    notes = list(ROOM.annotate(costs, trials))
    assert {note["code"] for note in notes} == {"params-differ", "flops-differ"}
    first, later = (ROOM.facts(release).notes for release in ("1.0", "1.1"))
    assert first != later
    ids = [check.id for check in ROOM.checks()]
    assert len(ids) == len(set(ids))
    assert all(check_id.startswith("nb201.") for check_id in ids)


def test_architectures_are_encoded():
    text = topology.enumeration()[11]
    assert ROOM.encode(11) == ROOM.encode(text) == text
    assert ROOM.decode_architecture(text)["isomorphism_class"] <= 11
    with pytest.raises(SpaceError):
        ROOM.encode(15_625)
