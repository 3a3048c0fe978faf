"""Legal but awkward releases are built; hostile and damaged ones are refused, and leave nothing."""

from __future__ import annotations

import base64
import bz2
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
from harness import Workflow, settings
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


@pytest.mark.parametrize("count", [1001])
def test_more_architectures_than_one_batch_of_a_pickle(tmp_path, count):
    """Pickles set 1000 items at a time, and a single one that is left in another way."""
    rng = random.Random(count)
    one = releases.record("nats_sss", 0, ("01",), rng)["01"]
    records = {}
    for index in range(count):
        text = "".join(releases.SPACES["nats_sss"][index])
        state = {**one, "arch_index": index, "arch_str": text}
        records[index] = {"01": unshared(state)}
    path = releases.nats_pickle(tmp_path, "nats_sss", records, rng)
    table(tmp_path, "nats_sss", path, "pickle")
    # Every number is compared below: a second reading of all of them would add nothing.
    folder = build(tmp_path, "nats_sss", "sample-x", outputs=["parquet"], reread="sample")
    tables = expected.nats("nats_sss", plain.nats(path))
    assert len(tables["architectures"]) == count
    # The configurations are of architecture 0: for all others they are kept as they are.
    others = [trial for trial in tables["trials"] if trial["arch_id"]]
    assert all("arch_config" in trial["extra"] for trial in others)
    assert assert_parquet(folder, tables) > 20 * count


def unshared(value):
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


# ---------------------------------------------------------------------------------------------
# hostile and damaged: each case writes a file and names benchmark, step and words of the message

CASES = {}


def case(benchmark: str, step: str, *words: str, form: str | None = None, **marks):
    """Register a maker: (folder, rng) -> path."""

    def register(make):
        CASES[make.__name__] = (make, benchmark, step, words, form, marks)
        return make

    return register


HTML = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"


@case("nb101", "plan", "423624 architectures", "9 architectures", "only108.tfrecord", partial=False)
def fewer_cells(folder, rng):
    return releases.nb101(folder, 1, schedules=(108,)).rename(folder / "only108.tfrecord")


@case("nb101", "plan", "423624 architectures", "found: 1 architectures, 4 trainings", partial=False)
def four_repeats(folder, rng):
    return nb101_of(folder, [nb101_payload(releases.nb101_cell(rng))] * 4)


@case("nats_tss", "plan", "15625", "found: 3", form="tar", partial=False)
def fewer_members(folder, rng):
    return releases.nats_tar(nats_members(folder, rng), rng)


@case("nats_tss", "convert", "15625", "found: 2", form="pickle", partial=False)
def fewer_entries(folder, rng):
    return releases.nats_pickle(folder, "nats_tss", nats_records(rng, 2), rng)


@case("nb201", "convert", "15625", "found: 2", partial=False)
def fewer_entries_of_torch(folder, rng):
    records = {i: releases.record("nb201", i, ("full", "less"), rng) for i in (0, 7)}
    return releases.nb201(folder, records, "zip", rng, pickle.dumps)


@case("nds", "plan", "34 JSON files", "33; missing: ResNet_rng2.json", partial=False)
def fewer_files(folder, rng):
    return releases.nds(folder, 1, [stem for stem in releases.NDS_STEMS if stem != "ResNet_rng2"])


# NAS-Bench-101


def nb101_payload(cell, epochs=108, message=None, text=None):
    points = [[epochs * share, 900 * share, 0.5, 0.5, 0.5] for share in (0.0, 0.5, 1.0)]
    message = message or releases.metrics_message(releases.nb101_params(*cell), points, 1.0)
    return releases.nb101_row(*cell, epochs, text or base64.encodebytes(message).decode())


def nb101_of(folder, payloads):
    path = folder / "nasbench.tfrecord"
    path.write_bytes(b"".join(map(releases.frame, payloads)))
    return path


@case("nb101", "convert", "CRC", "record 2", "byte")
def corrupted_checksum(folder, rng):
    payload = nb101_payload(releases.nb101_cell(rng))
    path = nb101_of(folder, [payload] * 3)
    data = bytearray(path.read_bytes())
    data[-100] ^= 4
    path.write_bytes(data)
    return path


@case("nb101", "plan", "bytes")
def truncated_record(folder, rng):
    path = nb101_of(folder, [nb101_payload(releases.nb101_cell(rng))] * 3)
    path.write_bytes(path.read_bytes()[:-7])
    return path


@case("nb101", "plan", "nasbench.tfrecord")
def page_for_a_record(folder, rng):
    path = folder / "nasbench.tfrecord"
    path.write_bytes(HTML)
    return path


@case("nb101", "convert", "same architecture differently", "hash")
def cell_in_two_orders(folder, rng):
    """Isomorphic cells share a hash; a release stores one of them."""
    matrix = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4]
    inner = ("conv3x3-bn-relu", "maxpool3x3")
    payloads = [
        nb101_payload((matrix, ["input", *labels, "output"])) for labels in (inner, inner[::-1])
    ]
    return nb101_of(folder, payloads)


@case("nb101", "convert", "other epochs", "[0.0, 109.0, 108.0]", "record 0")
def epochs_beyond_the_schedule(folder, rng):
    cell = releases.nb101_cell(rng)
    points = [[epoch, epoch, 0.5, 0.5, 0.5] for epoch in (0.0, 109.0, 108.0)]
    message = releases.metrics_message(releases.nb101_params(*cell), points, 1.0)
    return nb101_of(folder, [nb101_payload(cell, message=message)])


@case("nb101", "convert", "wire type 7")
def unknown_wire_type(folder, rng):
    cell = releases.nb101_cell(rng)
    message = releases.metrics_message(5, [], 1.0) + releases.varint(9 << 3 | 7)
    return nb101_of(folder, [nb101_payload(cell, message=message)])


@case("nb101", "convert", "base64", "record 1")
def broken_base64(folder, rng):
    cell = releases.nb101_cell(rng)
    return nb101_of(folder, [nb101_payload(cell), nb101_payload(cell, text="CRE*")])


@case("nb101", "validate", "nb101.hashes", "nothing was installed")
def hash_of_another_cell(folder, rng):
    payload = nb101_payload(releases.nb101_cell(rng))
    return nb101_of(folder, [payload[:2] + b"0123456789abcdef" * 2 + payload[34:]])


@case("nb101", "validate", "all.ranges", "150.0")
def accuracy_above_one(folder, rng):
    cell = releases.nb101_cell(rng)
    points = [[108 * share, 900 * share, 0.5, 1.5, 0.5] for share in (0.0, 0.5, 1.0)]
    message = releases.metrics_message(releases.nb101_params(*cell), points, 1.0)
    return nb101_of(folder, [nb101_payload(cell, message=message)])


# NATS-Bench


def nats_records(rng, count=3, hps=("12",)):
    return {i: releases.record("nats_tss", i, hps, rng) for i in range(count)}


def nats_members(folder, rng, **changed):
    """A folder of members; ``changed`` alters the record of architecture 1."""
    records = nats_records(rng)
    for change in changed.values():
        change(records[1])
    return releases.nats_dir(folder, "nats_tss", records, rng)


def nats_of(change):
    def make(folder, rng):
        return releases.nats_tar(nats_members(folder, rng, change=change), rng)

    return make


def first_result(record):
    return next(iter(record["12"]["all_results"].values()))


def register_records():
    def unknown_hp(record):
        record["300"] = record.pop("12")

    def epoch_beyond(record):
        first_result(record)["train_losses"][12] = 1.0

    def evaluation_beyond(record):
        first_result(record)["eval_acc1es"]["ori-test@12"] = 1.0

    def unknown_split(record):
        first_result(record)["eval_losses"]["x-train@1"] = 1.0

    def text_for_a_number(record):
        first_result(record)["train_losses"][1] = "1.0"

    def other_architecture(record):
        record["12"]["arch_str"] = releases.SPACES["nats_tss"][2]

    def other_index(record):
        record["12"]["arch_index"] = 2

    def other_seed(record):
        first_result(record)["seed"] = "0001"

    def lost_trial(record):
        record["12"]["all_results"].popitem()

    def other_length(record):
        first_result(record)["epochs"] = 200

    words = {
        unknown_hp: ("other schedules", "'300'", "12, 200"),
        epoch_beyond: ("train_losses", "0 to 11", "12"),
        evaluation_beyond: ("eval_acc1es", "ori-test@12"),
        unknown_split: ("eval_losses", "x-train@1"),
        text_for_a_number: ("train_losses", "numbers"),
        other_architecture: (releases.SPACES["nats_tss"][1], releases.SPACES["nats_tss"][2]),
        other_index: ("another architecture", "expected: 1", "found: 2"),
        other_seed: ("seed", "'0001'"),
        lost_trial: ("dataset_seed", "5 trials", "4 trials"),
        other_length: ("12 epochs", "found: 200"),
    }
    for change, expect in words.items():
        make = nats_of(change)
        make.__name__ = change.__name__
        where = ("1.pickle.pbz2", *expect)
        case("nats_tss", "convert", *where, form="tar")(make)


register_records()


@case("nats_tss", "plan", "tar", form="tar")
def truncated_tar(folder, rng):
    path = releases.nats_tar(nats_members(folder, rng), rng)
    path.write_bytes(path.read_bytes()[:40_000])
    return path


@case("nats_tss", "convert", "bz2 file is truncated", form="pickle")
def truncated_stream(folder, rng):
    path = releases.nats_pickle(folder, "nats_tss", nats_records(rng), rng)
    path.write_bytes(path.read_bytes()[:-20_000])
    return path


def odd_member(name, kind, target):
    def make(folder, rng):
        path = releases.nats_tar(nats_members(folder, rng), rng)
        with tarfile.open(path, "a") as archive:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
        return path

    return make


def register_members():
    kinds = {
        "symlink": ("x/7.pickle.pbz2", tarfile.SYMTYPE, "/etc/passwd", "regular files"),
        "hardlink": ("x/7.pickle.pbz2", tarfile.LNKTYPE, "../secret", "regular files"),
        "device": ("x/7.pickle.pbz2", tarfile.CHRTYPE, "", "regular files"),
        "path_outside": ("../7.pickle.pbz2", tarfile.REGTYPE, "", "leads elsewhere"),
        "absolute_path": ("/tmp/7.pickle.pbz2", tarfile.REGTYPE, "", "leads elsewhere"),
        "foreign_file": ("x/install.sh", tarfile.REGTYPE, "", "install.sh"),
    }
    for name, (member, kind, target, word) in kinds.items():
        make = odd_member(member, kind, target)
        make.__name__ = name
        case("nats_tss", "plan", word, member, form="tar")(make)


register_members()


@case("nats_tss", "plan", "architecture twice", "1.pickle.pbz2", "000001.pickle.pbz2", form="tar")
def member_under_both_names(folder, rng):
    members = nats_members(folder, rng)
    (old,) = [path for path in members.iterdir() if path.name.lstrip("0") == "1.pickle.pbz2"]
    for name in ("1", "000001"):
        (members / f"{name}.pickle.pbz2").write_bytes(old.read_bytes())
    return releases.nats_tar(members, rng)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/nasbase-was-here",)


@case("nats_tss", "convert", "system", "Do not use this file", form="tar")
def program_in_a_member(folder, rng):
    return nats_of(lambda record: first_result(record).update(comment=Evil()))(folder, rng)


@case("nats_tss", "convert", "system", "Do not use this file", form="pickle")
def program_in_the_stream(folder, rng):
    records = nats_records(rng)
    first_result(records[1])["comment"] = Evil()
    return releases.nats_pickle(folder, "nats_tss", records, rng)


@case("nats_tss", "plan", "meta.pickle.pbz2", "system", form="tar")
def program_in_the_list(folder, rng):
    members = nats_members(folder, rng)
    (members / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(Evil(), 4)))
    return releases.nats_tar(members, rng)


@case("nats_tss", "plan", "other architectures than its space", "at index 3", form="tar")
def list_in_another_order(folder, rng):
    members = nats_members(folder, rng)
    head = releases.head("nats_tss", set())
    head["meta_archs"][3], head["meta_archs"][4] = head["meta_archs"][4], head["meta_archs"][3]
    (members / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(head, 4)))
    return releases.nats_tar(members, rng)


# NAS-Bench-201


@case("nb201", "plan", "web page", "dropin")
def page_for_a_torch_file(folder, rng):
    path = folder / "NAS-Bench-201.pth"
    path.write_bytes(HTML)
    return path


@pytest.mark.parametrize("container", ["legacy", "zip"])
@pytest.mark.parametrize("place", [0, 2])
def test_a_program_in_a_torch_file(tmp_path, container, place):
    rng = random.Random(place)
    records = {i: releases.record("nb201", i, ("full", "less"), rng) for i in (5, 6, 7)}
    result = next(iter([*records.values()][place]["full"]["all_results"].values()))
    result["comment"] = Evil()
    path = releases.nb201(tmp_path, records, container, rng, pickle.dumps)
    table(tmp_path, "nb201", path)
    # The first entry, in an order of its own, is looked at when the build is planned.
    with pytest.raises(NasbaseError, match="system"):
        build(tmp_path, "nb201", "sample-x")
    assert not Path("/tmp/nasbase-was-here").exists()
    assert left_behind(tmp_path) <= {"fetch", "plan"}


@case("nb201", "convert", "end")
def truncated_torch_file(folder, rng):
    records = {i: releases.record("nb201", i, ("full", "less"), rng) for i in (5, 6, 7)}
    path = releases.nb201(folder, records, "legacy", rng, releases.dumps_old)
    path.write_bytes(path.read_bytes()[:-30_000])
    return path


@case("nb201", "convert", "architecture", "full, less", "'full'")
def torch_file_without_short_runs(folder, rng):
    records = {i: releases.record("nb201", i, ("full",), rng) for i in (5, 6)}
    return releases.nb201(folder, records, "legacy", rng, pickle.dumps)


# NDS


def nds_of(folder, text, stem="Amoeba"):
    path = folder / "nds.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"nds_data/{stem}.json", text)
    return path


def nds_job(rng, **changed):
    job = releases.nds_job(releases.nds_net("Amoeba", rng), "Amoeba", rng)
    return {**job, **changed}


@case("nds", "convert", "Amoeba.json")
def truncated_json(folder, rng):
    return nds_of(folder, json.dumps([nds_job(rng), nds_job(rng)])[:-100])


@case("nds", "plan", "zip")
def page_for_a_zip(folder, rng):
    path = folder / "nds.zip"
    path.write_bytes(HTML)
    return path


@case("nds", "plan", "Amoeba.json", "once")
def file_twice(folder, rng):
    path = nds_of(folder, json.dumps([nds_job(rng)]))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("Amoeba.json", "[]")
    return path


@case("nds", "convert", "too long", "8 epochs", "9 values", "job 0")
def curve_beyond_the_schedule(folder, rng):
    return nds_of(folder, json.dumps([nds_job(rng, train_ep_top1=[1.0] * 9)]))


@case("nds", "convert", "job 1", "list of numbers")
def text_in_a_curve(folder, rng):
    return nds_of(folder, json.dumps([nds_job(rng), nds_job(rng, train_ep_loss=["low"])]))


@case("nds", "convert", "Amoeba.json")
def deep_json(folder, rng):
    return nds_of(folder, "[" * 100_000 + "]" * 100_000)


@case("nds", "validate", "nds.min_test_err")
def wrong_minimum(folder, rng):
    return nds_of(folder, json.dumps([nds_job(rng, test_ep_top1=[50.0] * 8, min_test_top1=49.0)]))


@case("nds", "convert", "CRC")
def corrupted_zip(folder, rng):
    path = nds_of(folder, json.dumps([nds_job(rng)]))
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    return path


# the sources table


@case("nb101", "fetch", "0" * 64, "nasbench.tfrecord")
def wrong_digest(folder, rng):
    return nb101_of(folder, [nb101_payload(releases.nb101_cell(rng))])


@case("nb101", "fetch", "abcde", "nasbench.tfrecord")
def wrong_suffix(folder, rng):
    return nb101_of(folder, [nb101_payload(releases.nb101_cell(rng))])


IN_TABLE = {"wrong_digest": {"sha256": "0" * 64}, "wrong_suffix": {"md5_suffix": "abcde"}}


@pytest.mark.parametrize("name", CASES)
def test_refused(tmp_path, name):
    make, benchmark, step, words, form, marks = CASES[name]
    path = make(tmp_path, random.Random(name))
    row = {**releases.describe(path, form), **IN_TABLE.get(name, {})}
    releases.write_table(tmp_path / "sources.yaml", {benchmark: {"sample-x": [row]}}, **marks)
    assert_refused(tmp_path, benchmark, step, words)
    assert not Path("/tmp/nasbase-was-here").exists()


# ---------------------------------------------------------------------------------------------
# random damage


def damaged(data: bytes, rng: random.Random, start: int = 0, end: int | None = None) -> bytes:
    """A few bytes changed, lost, added or copied between ``start`` and ``end``."""
    end = len(data) if end is None else end
    body = bytearray(data[start:end])
    for _wound in range(rng.choice([1, 1, 2, 4])):
        at, other = rng.randrange(len(body)), rng.randrange(len(body))
        kind = rng.randrange(4)
        if kind == 0:
            body[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del body[at : at + rng.randrange(1, 9)]
        elif kind == 2:
            body[at:at] = rng.randbytes(rng.randrange(1, 5))
        else:
            body[at : at + 8] = body[other : other + 8]
    return data[:start] + bytes(body) + data[end:]


def inside_records(data: bytes) -> tuple[int, int]:
    """Where the records of a pickle are; the long list of architectures is spared."""
    return max(0, data.find(b"all_results") - 300), data.rfind(b"net_state_dict") + 400


def damaged_nb101(folder, rng):
    path = releases.nb101(folder, rng.randrange(100), cells=2)
    payloads = [payload for _, payload in plain.tfrecord_payloads(path)]
    chosen = rng.randrange(len(payloads))
    row = json.loads(payloads[chosen])
    row[4] = base64.b64encode(damaged(base64.b64decode(row[4]), rng)).decode()
    payloads[chosen] = rng.choice([json.dumps(row).encode(), damaged(payloads[chosen], rng)])
    return nb101_of(folder, payloads)


def damaged_nats_sss(folder, rng):
    records = {i: releases.record("nats_sss", i, ("01",), rng) for i in (1, 2, 3)}
    path = releases.nats_pickle(folder, "nats_sss", records, rng)
    data = bz2.decompress(path.read_bytes())
    path.write_bytes(bz2.compress(damaged(data, rng, *inside_records(data))))
    return path


def damaged_nats_tss(folder, rng):
    members = nats_members(folder, rng)
    member = rng.choice([p for p in sorted(members.iterdir()) if not p.name.startswith("meta")])
    member.write_bytes(bz2.compress(damaged(bz2.decompress(member.read_bytes()), rng)))
    return releases.nats_tar(members, rng)


def damaged_nb201(folder, rng):
    records = {i: releases.record("nb201", i, ("full", "less"), rng) for i in (1, 2)}
    path = releases.nb201(folder, records, "legacy", rng, pickle.dumps)
    data = path.read_bytes()
    path.write_bytes(damaged(data, rng, *inside_records(data)))
    return path


def damaged_nds(folder, rng):
    path = releases.nds(folder, rng.randrange(100), ["Amoeba", "ResNeXt-A", "ResNet_reruns"])
    with zipfile.ZipFile(path) as archive:
        texts = {name: archive.read(name) for name in archive.namelist()}
    chosen = rng.choice([name for name in texts if name.endswith(".json")])
    texts[chosen] = damaged(texts[chosen], rng)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return path


DAMAGED = {
    "nb101": (damaged_nb101, None, lambda f: expected.nb101(plain.nb101(f), f.name)),
    "nats_tss": (damaged_nats_tss, "tar", lambda f: expected.nats("nats_tss", plain.nats(f))),
    "nats_sss": (damaged_nats_sss, "pickle", lambda f: expected.nats("nats_sss", plain.nats(f))),
    "nb201": (damaged_nb201, None, lambda f: expected.nats("nb201", plain.nb201(f))),
    "nds": (damaged_nds, None, lambda f: expected.nds(plain.nds(f))),
}


@pytest.mark.parametrize("benchmark", DAMAGED)
def test_random_damage_is_refused_or_harmless(tmp_path, benchmark):
    """No damage ends in another exception, nor in numbers that the file does not hold."""
    make, form, right = DAMAGED[benchmark]
    outcomes = set()
    for seed in range(12):
        folder = tmp_path / str(seed)
        folder.mkdir()
        path = make(folder, random.Random(f"{benchmark} {seed}"))
        table(folder, benchmark, path, form)
        error = refusal(folder, benchmark)
        installed = folder / "results" / benchmark / "sample-x"
        if error is None:  # the damage hit a number, or a name that nothing depends on
            assert assert_parquet(installed, right(path))
        else:
            assert error.where, error
            assert error.todo, error
            assert not installed.exists()
        outcomes.add(error is None)
    assert False in outcomes


def refusal(folder: Path, benchmark: str) -> NasbaseError | None:
    try:
        build(folder, benchmark, "sample-x", shards=1, outputs=["parquet"])
    except NasbaseError as error:
        return error
    return None


# ---------------------------------------------------------------------------------------------
# accepted after all


@pytest.mark.parametrize(
    "name", ["fewer_cells", "four_repeats", "fewer_members", "fewer_entries", "fewer_files"]
)
def test_fewer_records_are_accepted_when_asked_for(tmp_path, name):
    make, benchmark, _step, _words, form, marks = CASES[name]
    table(tmp_path, benchmark, make(tmp_path, random.Random(name)), form, **marks)
    folder = build(tmp_path, benchmark, "sample-x", partial=True)
    assert json.loads((folder / "manifest.json").read_text())["partial"]
    report = json.loads((folder / "validation.json").read_text())
    warned = {check["id"] for check in report["checks"] if not check["passed"]}
    assert ("nb101.repeats-partial" in warned) == (benchmark == "nb101")


# ---------------------------------------------------------------------------------------------
# through snakemake


def test_snakemake_says_why_and_builds_the_rest(tmp_path):
    """Several refusals in one run: every message is printed, and what is good is installed."""
    out = tmp_path / "samples"
    out.mkdir()
    rng = random.Random(0)
    wrong = ("fewer_cells", "symlink", "page_for_a_torch_file", "fewer_files")
    rows: dict = {}
    for name in wrong:
        make, benchmark, _step, _words, form, _marks = CASES[name]
        rows[benchmark] = {"sample-bad": [releases.describe(make(out, rng), form)]}
    rows["nb101"]["sample-good"] = [releases.describe(releases.nb101(out, 4))]
    releases.write_table(out / "sources.yaml", rows, partial=False)
    names = {benchmark: list(of) for benchmark, of in rows.items()}
    table_text = json.loads((out / "sources.yaml").read_text())
    table_text["nb101"]["sample-good"]["partial"] = True
    (out / "sources.yaml").write_text(json.dumps(table_text))
    workflow = Workflow(tmp_path, config=settings(shards=1, outputs="parquet"))
    chosen = "{" + ", ".join(f"{b}: [{', '.join(of)}]" for b, of in names.items()) + "}"
    result = workflow.run("--keep-going", ok=False, releases=chosen)
    for name in wrong:
        _make, _benchmark, _step, words, _form, _marks = CASES[name]
        assert not [word for word in words if word not in result.text], name
    assert result.text.count("what to do:") >= len(wrong)
    assert "Traceback" not in result.text
    assert [path.name for path in (tmp_path / "results").glob("*/*")] == ["sample-good"]
    assert not (tmp_path / "results" / "catalog.json").exists()
