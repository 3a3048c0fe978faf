"""The rooms of NATS-Bench: archives become tables, and the checks find what is wrong."""

from __future__ import annotations

import bz2
import copy
import json
import pickle
import shutil
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from bitwise import content

from nasbase.benchmarks import room_of
from nasbase.benchmarks.nats_common.room import MEMBERS
from nasbase.benchmarks.room import RawFile, RawRelease
from nasbase.checks.check import Artifacts
from nasbase.checks.generic import generic_checks
from nasbase.containers.pickles import dumps
from nasbase.containers.tar_index import add_member, new_tar, pack_directory
from nasbase.errors import IncompleteReleaseError, RawDataError
from nasbase.tables.assemble import assemble
from nasbase.tables.runs import write_runs

ROOMS = ("nats_tss", "nats_sss")
COUNT = 8


def release(room, path, form, *, partial=True):
    file = RawFile(path.name, path, form, path.stat().st_size, "0" * 64)
    return RawRelease(room, "sample", (file,), partial, synthetic=True)


def decode(raw, shards=1):
    room = room_of(raw.benchmark)
    plan = room.plan(raw, shards)
    assert len(plan.shards) == shards
    # The plan travels between processes as JSON.
    return [
        batch for shard in json.loads(json.dumps(plan.shards)) for batch in room.decode(raw, shard)
    ]


def tables(batches):
    trials = pa.concat_tables([batch.trials for batch in batches])
    return pa.concat_tables([batch.architectures for batch in batches]), trials


@pytest.fixture(scope="module", params=ROOMS)
def samples(request, tmp_path_factory):
    """Room, folder and sources rows of a sample in all forms."""
    folder = tmp_path_factory.mktemp(request.param)
    rows = room_of(request.param).write_sample(
        folder, architectures=COUNT, seed=3, options={"form": "all"}, progress=lambda _: None
    )
    return request.param, folder, {row["form"]: row for row in rows}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The same for the size space alone, whose members are small."""
    folder = tmp_path_factory.mktemp("small")
    rows = room_of("nats_sss").write_sample(
        folder, architectures=COUNT, seed=3, options={"form": "all"}, progress=lambda _: None
    )
    return "nats_sss", folder, {row["form"]: row for row in rows}


@pytest.fixture(scope="module")
def build(samples, tmp_path_factory):
    """The Parquet tables of the sample's tar."""
    name, folder, rows = samples
    room, raw = room_of(name), release(name, folder / rows["tar"]["name"], "tar")
    base = tmp_path_factory.mktemp("build")
    plan = room.plan(raw, 3)
    for number, shard in enumerate(plan.shards):
        (base / str(number)).mkdir()
        write_runs(name, room.decode(raw, shard), base / str(number))
    out = base / "parquet"
    out.mkdir()
    source = {
        "file": "x", "form": "tar", "bytes": 1, "sha256": "0", "release": "sample",
        "synthetic": True, "citation": "", "code_licence": "", "data_licence": "",
    }  # fmt: skip
    assemble(
        room,
        raw,
        expected=plan.expected,
        folders=[base / str(number) for number in range(3)],
        source_rows=[source],
        out=out,
    )
    return name, out


# ---------------------------------------------------------------------------------------------
# forms and shards


def test_shards_change_nothing(samples):
    name, folder, rows = samples
    raw = release(name, folder / rows["tar"]["name"], "tar")
    whole = [content(table) for table in tables(decode(raw))]
    for shards in (2, COUNT, COUNT + 5):
        assert [content(table) for table in tables(decode(raw, shards))] == whole


def test_the_three_forms_hold_the_same_records(samples, tmp_path):
    name, folder, rows = samples
    packed = tmp_path / "packed.tar"
    pack_directory(folder / rows["dir"]["name"], packed, MEMBERS)
    forms = [
        release(name, folder / rows["tar"]["name"], "tar"),
        release(name, packed, "dir"),
        release(name, folder / rows["pickle"]["name"], "pickle"),
    ]
    tar, directory, stream = (tables(decode(raw, 2)) for raw in forms)
    assert content(tar[1]) == content(directory[1])
    assert tar[0].equals(directory[0])
    assert tar[0].equals(stream[0])
    places = ["source_file", "source_pos", "source_offset", "source_bytes"]
    assert content(tar[1].drop(places)) == content(stream[1].drop(places))
    assert stream[1]["source_pos"].to_pylist() == list(range(stream[1].num_rows))
    assert set(stream[1]["source_file"].to_pylist()) == {rows["pickle"]["name"]}


def test_batches_are_cut_by_size(samples, monkeypatch):
    name, folder, rows = samples
    raw = release(name, folder / rows["tar"]["name"], "tar")
    monkeypatch.setattr("nasbase.benchmarks.nats_common.room.BATCH_BYTES", 1)
    batches = decode(raw)
    assert [batch.architectures.num_rows for batch in batches] == [1] * COUNT
    assert len({batch.trials["arch_id"][0].as_py() for batch in batches}) == COUNT


@pytest.mark.parametrize("name", ROOMS)
def test_real_members_keep_their_names_and_positions(realdata, tmp_path, name):
    (folder,) = (realdata / "nats").glob(f"NATS-{name[-3:]}-*")
    packed = tmp_path / "x.tar"
    pack_directory(folder, packed, MEMBERS)
    architectures, trials = tables(decode(release(name, packed, "dir"), 2))
    assert architectures["arch_id"].to_pylist() == [0, 11]
    for index in (0, 11):
        member = f"{index:06d}.pickle.pbz2"
        real = pickle.loads(bz2.decompress((folder / member).read_bytes()))
        rows = trials.filter(pc.equal(trials["source_file"], member)).to_pylist()
        results = [
            (state["arch_index"], int(key[1]), key[0], result)
            for state in real.values()
            for key, result in state["all_results"].items()
        ]
        assert [row["source_pos"] for row in rows] == list(range(len(results)))
        for row, (arch, seed, dataset, result) in zip(rows, results, strict=True):
            assert (row["arch_id"], row["seed"], row["dataset"]) == (arch, seed, dataset)
            assert row["train_loss"] == [result["train_losses"][e - 1] for e in row["epoch"]]
            last = result["epochs"] - 1
            assert row["ori_test_acc_pct"][-1] == result["eval_acc1es"][f"ori-test@{last}"]
    room = room_of(name)
    numbered = trials.append_column("trial_id", pa.array(range(trials.num_rows), pa.int32()))
    assert list(room.annotate(room.costs(architectures), numbered)) == []


# ---------------------------------------------------------------------------------------------
# damaged and hostile releases


def repack(source, target, change):
    """Copy a tar; ``change`` gets name and bytes and gives pairs of them."""
    with tarfile.open(source) as old, new_tar(target) as new:
        for entry in old.getmembers():
            for name, data in change(entry.name, old.extractfile(entry).read()):
                add_member(new, name, data)
    return target


def edit(member, function):
    """A change of one member's object."""

    def change(name, data):
        if not name.endswith(f"/{member}.pickle.pbz2"):
            return [(name, data)]
        value = pickle.loads(bz2.decompress(data))
        changed = function(value)
        value = changed if isinstance(changed, list) else value
        return [(name, bz2.compress(dumps(value, 4)))]

    return change


def rename(old, new):
    return lambda name, data: [(name.replace(old, new), data)]


def twice(old, new):
    return lambda name, data: [(name, data)] + [(name.replace(old, new), data)] * (old in name)


def drop(member):
    return lambda name, data: [] if member in name else [(name, data)]


def swap_first_two(meta):
    meta["meta_archs"][:2] = meta["meta_archs"][1::-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("meta"), "no list of architectures"),
        (rename("000011", "11"), None),
        (twice("000011", "11"), "an architecture twice"),
        (rename("000011", "999999"), "outside its space"),
        (rename("000011", "000013"), "another architecture"),
        (edit("meta", swap_first_two), "other architectures than its space"),
        (edit("meta", lambda m: m["meta_archs"].pop()), "other architectures than its space"),
        (edit("meta", lambda m: m.pop("total_archs")), "another structure"),
        (edit("meta", lambda m: m.update(total_archs=3)), "counts other architectures"),
        (edit("meta", lambda _: [1]), "another structure"),
        (edit("000011", lambda m: m.update({"24": m["12"]})), "other schedules"),
        (edit("000011", lambda m: m.update({12: m.pop("12")})), "other schedules"),
        (edit("000011", lambda m: m.clear()), "other schedules"),
        (edit("000011", lambda _: [1]), "other schedules"),
        (edit("000011", lambda m: m.update({"12": None})), "not an ArchResults"),
        (edit("000011", lambda m: m["12"].update(arch_str="x")), "not the one at its index"),
        (lambda n, d: [(n, d[:-5] if "000011" in n else d)], "truncated"),
        (lambda n, d: [(n, d[:90] + b"xxxx" + d[94:] if "000011" in n else d)], "damaged"),
    ],
)
def test_damaged_archives(small, tmp_path, change, message):
    name, folder, rows = small
    path = repack(folder / rows["tar"]["name"], tmp_path / "bad.tar", change)
    raw = release(name, path, "tar")
    if message is None:
        assert tables(decode(raw))[0].num_rows == COUNT
        return
    with pytest.raises(RawDataError, match=message) as caught:
        decode(raw)
    text = str(caught.value)
    assert all(label in text for label in ("where: ", "expected: ", "found: ", "what to do: "))


def test_an_incomplete_release_is_refused_unless_declared(small):
    name, folder, rows = small
    size = room_of(name).space_size
    for form in ("tar", "pickle"):
        raw = release(name, folder / rows[form]["name"], form, partial=False)
        with pytest.raises(IncompleteReleaseError) as caught:
            decode(raw)
        text = str(caught.value)
        assert f"expected: {size} architectures" in text
        assert f"found: {COUNT}; the first missing indexes are [" in text
        assert "partial" in text


def edited_pickle(source, target, function):
    value = pickle.loads(bz2.decompress(source.read_bytes()))
    function(value)
    target.write_bytes(bz2.compress(dumps(value, 4)))
    return target


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda v: v.update(evaluated_indexes={1, 2}), "evaluated_indexes"),
        (lambda v: v.update(evaluated_indexes=[[0]]), "evaluated_indexes"),
        (lambda v: v.update(evaluated_indexes=None), "evaluated_indexes"),
        (lambda v: v.update(total_archs=3), "counts other architectures"),
        (swap_first_two, "other architectures than its space"),
        (lambda v: v["arch2infos"].update({-1: v["arch2infos"].pop(11)}), "no architecture's"),
        (lambda v: v["arch2infos"].update({"11": v["arch2infos"].pop(11)}), "no architecture's"),
        (lambda v: v["arch2infos"].update({13: v["arch2infos"].pop(11)}), "another architecture"),
        (lambda v: v["arch2infos"].clear(), "fewer architectures"),
        (lambda v: v.pop("arch2infos"), None),
    ],
)
def test_damaged_benchmark_files(small, tmp_path, function, message):
    name, folder, rows = small
    source = folder / rows["pickle"]["name"]
    path = edited_pickle(source, tmp_path / "bad.pickle.pbz2", function)
    with pytest.raises(RawDataError, match=message):
        decode(release(name, path, "pickle"))


def test_a_truncated_benchmark_file_is_refused(small, tmp_path):
    name, folder, rows = small
    data = (folder / rows["pickle"]["name"]).read_bytes()
    path = tmp_path / "bad.pickle.pbz2"
    for size in (0, 10, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(RawDataError, match="truncated"):
            decode(release(name, path, "pickle"))


def test_two_files_are_not_one_release(small):
    name, folder, rows = small
    one = release(name, folder / rows["tar"]["name"], "tar")
    raw = RawRelease(name, "sample", one.files * 2, partial=True, synthetic=True)
    with pytest.raises(RawDataError, match="is one file"):
        room_of(name).plan(raw, 1)


# ---------------------------------------------------------------------------------------------
# checks


def report(name, folder, *, partial=True):
    artifacts = Artifacts(name, "sample", Path(folder), partial=partial, synthetic=True)
    return {check.id.split(".")[1]: check.report(artifacts) for check in room_of(name).checks()}


def test_a_good_build_passes(build):
    name, folder = build
    records = report(name, folder)
    assert {what: record["examples"] for what, record in records.items()} == {
        what: [] for what in records
    }
    idle = {what for what, record in records.items() if not record["checked"]}
    assert idle <= {"classes", "entries"}  # of whole spaces, and of large pickles only
    artifacts = Artifacts(name, "sample", folder, partial=True, synthetic=True)
    for check in generic_checks(name):
        assert check.report(artifacts)["passed"], check.id


def test_a_build_holds_what_follows_from_its_architectures(build):
    name, folder = build
    room = room_of(name)
    costs = pq.read_table(folder / "costs.parquet").to_pylist()
    assert len(costs) == 4 * COUNT
    for row in costs:
        text = room.enumeration()[row["arch_id"]]
        assert (row["params"], row["macs"]) == room.architecture_costs(text, row["dataset"])
    notes = pq.read_table(folder / "notes.parquet").to_pylist()
    wrong = [note for note in notes if note["code"] == "params-differ"]
    assert bool(wrong) == (name == "nats_tss")
    trials = pq.read_table(folder / "trials.parquet")
    for note in wrong:
        row = trials.slice(json.loads(note["key"])["trial_id"], 1).to_pylist()[0]
        text = room.enumeration()[row["arch_id"]]
        exact = room.architecture_costs(text, row["dataset"])[0]
        assert note["value"] == exact / 1e6 != row["params_m"]


def test_without_partial_missing_schedules_fail(build):
    name, folder = build
    assert report(name, folder, partial=False)["schedules"]["passed"]


def set_value(table, column, row, value):
    values = table[column].to_pylist()
    values[row] = value
    array = pa.array(values, type=table.schema.field(column).type)
    return table.set_column(table.column_names.index(column), table.schema.field(column), array)


def on(dataset, column, value):
    """A change of the first value of a column on one data set."""

    def change(table):
        there = [
            i
            for i, (name, old) in enumerate(
                zip(table["dataset"].to_pylist(), table[column].to_pylist(), strict=True)
            )
            if name == dataset and old is not None
        ]
        old = table[column][there[0]].as_py()
        return set_value(table, column, there[0], value(old))

    return change


@pytest.mark.parametrize(
    ("table", "change", "failing"),
    [
        ("architectures", lambda t: set_value(t, "arch_str", 0, "x"), "enumeration"),
        ("costs", on("cifar10", "macs", lambda old: old + 1), "costs"),
        ("costs", lambda t: t.slice(0, t.num_rows - 1), "costs"),
        ("trials", lambda t: t.filter(pc.not_equal(t["arch_id"], 11)), "schedules"),
        ("trials", on("cifar10", "params_m", lambda old: old + 1e-6), "sizes"),
        ("trials", on("cifar100", "flops_m", lambda old: old * 2), "sizes"),
        ("trials", on("cifar10", "seed", lambda _: 778), "known"),
        ("trials", on("cifar10", "num_epochs", lambda _: 13), "known"),
        ("curves", on("cifar10", "train_acc_pct", lambda old: old + 1e-4), "grid"),
        ("curves", on("cifar100", "ori_test_acc_pct", lambda old: old + 0.01), "halves"),
        ("curves", on("ImageNet16-120", "x_test_acc_pct", lambda old: old + 100 / 3000), "halves"),
    ],
)
def test_each_check_finds_what_it_is_for(build, tmp_path, table, change, failing):
    name, folder = build
    copied = tmp_path / "parquet"
    shutil.copytree(folder, copied)
    path = copied / f"{table}.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    records = report(name, copied)
    assert not records[failing]["passed"]
    assert records[failing]["examples"]


def test_a_wrong_size_without_its_note_fails(build, tmp_path):
    name, folder = build
    copied = tmp_path / "parquet"
    shutil.copytree(folder, copied)
    notes = pq.read_table(copied / "notes.parquet")
    without = notes.filter(pc.not_equal(notes["code"], "params-differ"))
    pq.write_table(without, copied / "notes.parquet")
    # Only runs of the topology space have wrong sizes, and so such notes.
    assert (without.num_rows < notes.num_rows) == (name == "nats_tss")
    assert report(name, copied)["sizes"]["passed"] == (name == "nats_sss")


def test_facts_describe_every_split_and_only_known_columns(build):
    name, _ = build
    from nasbase.tables.catalogue import tables as catalogue

    facts = room_of(name).facts("1.0")
    known = {table: set(this.names) for table, this in catalogue(name).items()}
    for note in facts.notes:
        assert note["column"] in known[note["table"]]
        assert set(note) == known["notes"] - {"note_id"}
    keys = [(row["dataset"], row["split"]) for row in facts.splits]
    assert len(keys) == len(set(keys)) == 13
    setups = [(row["dataset"], row["num_epochs"], row["setting"]) for row in facts.training_setups]
    assert len(setups) == len(set(setups))
    assert copy.deepcopy(facts) == facts
