"""NDS: releases written by hand, read back number by number; broken ones refused."""

from __future__ import annotations

import copy
import json
import math
import random
import zipfile

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.benchmarks import room_of
from nasbase.benchmarks.nds import records
from nasbase.benchmarks.nds.files import STEMS
from nasbase.benchmarks.room import RawFile, RawRelease
from nasbase.checks.check import Artifacts
from nasbase.checks.generic import generic_checks
from nasbase.errors import IncompleteReleaseError, NasbaseError, RawDataError
from nasbase.tables.assemble import assemble
from nasbase.tables.runs import write_runs
from nasbase.tables.shards import shard_architectures, shard_trials

nds = room_of("nds")

STAGES = {
    "block_type": "res_basic_block",
    "ds": [1, 12, 12, 12],
    "ss": [1, 1, 2, 2],
    "ws": [16, 24, 24, 40],
    "bot_muls": [],
    "num_gs": [],
}
CELLS = {
    "genotype": {
        "normal": [["sep_conv_3x3", 0], ["skip_connect", 1], ["conv_1x1", 2], ["none", 0]],
        "normal_concat": [2, 3],
        "reduce": [["max_pool_3x3", 1], ["sep_conv_5x5", 0], ["conv_3x3", 2], ["none", 1]],
        "reduce_concat": [3],
    },
    "depth": 12,
    "width": 32,
    "aux": False,
    "drop_prob": 0.0,
}
NOT_HERE = object()


def job(net=STAGES, **changes):
    """One job with upstream's keys; NOT_HERE takes a key away."""
    record = {
        "job_id": 17,
        "rng_seed": 1,
        "exp_mem": 1500,
        "act_mem": 1391.25,
        "prec_time": 12.5,
        "iter_time": 0.065,
        "params": 594138,
        "flops": 184519578,
        "net": copy.deepcopy(net),
        "optim": {"base_lr": 0.1, "wd": 0.0005, "max_ep": 3},
        "min_test_top1": 9.61,
        "train_ep_loss": [1.5, 0.7, 0.116],
        "train_ep_top1": [58.24, 45.34, 3.702],
        "test_ep_top1": [58.24, 9.61, 40.03],
        "train_it_loss": [2.302, 0.9],
        "train_it_top1": [90.625, 31.25],
    }
    record |= changes
    return {key: value for key, value in record.items() if value is not NOT_HERE}


def write_archive(path, files, folder="nds_data/"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for stem, content in files.items():
            text = content if isinstance(content, str | bytes) else json.dumps(content)
            archive.writestr(f"{folder}{stem}.json", text)
    return path


def release(folder, files, *, partial=True, synthetic=True, name="data.zip"):
    path = write_archive(folder / name, files)
    file = RawFile(name, path, None, path.stat().st_size, "0" * 64)
    return RawRelease("nds", "1", (file,), partial, synthetic)


def decode(raw, shards=1):
    batches = [batch for shard in nds.plan(raw, shards).shards for batch in nds.decode(raw, shard)]
    for batch in batches:
        assert batch.trials.schema == shard_trials("nds")
        assert batch.architectures.schema == shard_architectures("nds")
        batch.trials.validate(full=True)
        batch.architectures.validate(full=True)
    trials = pa.concat_tables(batch.trials for batch in batches)
    return trials, pa.concat_tables(batch.architectures for batch in batches)


def rows(folder, jobs, stem="ResNet"):
    return decode(release(folder, {stem: jobs}))[0].to_pylist()


def build(folder, files, shards=2, **marks):
    """A whole build: shards, assembly, and the artifacts that checks look at."""
    raw = release(folder, files, **marks)
    folders = []
    for number, shard in enumerate(nds.plan(raw, shards).shards):
        folders.append(folder / f"shard-{number}")
        folders[-1].mkdir()
        write_runs("nds", nds.decode(raw, shard), folders[-1])
    out = folder / "tables"
    out.mkdir()
    assemble(nds, raw, expected={}, folders=folders, source_rows=[], out=out)
    return Artifacts("nds", "1", out, raw.partial, raw.synthetic)


def results(artifacts):
    return {check.id: check.report(artifacts) for check in nds.checks()}


def table(artifacts, name):
    return pq.read_table(artifacts.folder / f"{name}.parquet")


# ---------------------------------------------------------------------------------------------
# decoding


def test_every_column_of_one_job(tmp_path):
    (row,) = rows(tmp_path, [job()])
    spec = '{"ds":[1,12,12,12],"ss":[1,1,2,2],"ws":[16,24,24,40]}'
    assert row == {
        "arch_key": f'{{"cell_spec":{{}},"model_family":"residual_basic","model_spec":{spec}}}',
        "dataset": "cifar10",
        "proposer": "resnet",
        "generator": "random",
        "base_lr": 0.1,
        "weight_decay": 0.0005,
        "num_epochs": 3,
        "run_order": STEMS.index("ResNet") << 32,
        "seed": 1,
        "params": 594138,
        "flops": 184519578,
        "iter_time_s": 0.065,
        "min_test_err_pct": 9.61,
        "exp_mem": 1500.0,
        "act_mem": 1391.25,
        "prec_time_s": 12.5,
        "job_id": 17,
        "source_file": "ResNet.json",
        "source_group": None,
        "source_pos": 0,
        "extra": '{"net":{"block_type":"res_basic_block","bot_muls":[],"num_gs":[]}}',
        "epoch": [1, 2, 3],
        "train_err_pct": [58.24, 45.34, 3.702],
        "test_err_pct": [58.24, 9.61, 40.03],
        "train_loss": [1.5, 0.7, 0.116],
        "train_acc_pct": [100 - 58.24, 100 - 45.34, 100 - 3.702],
        "test_acc_pct": [100 - 58.24, 100 - 9.61, 100 - 40.03],
        "sample_train_loss": [2.302, 0.9],
        "sample_train_err_pct": [90.625, 31.25],
    }


def test_architectures_of_both_kinds(tmp_path):
    _, architectures = decode(release(tmp_path, {"DARTS": [job(CELLS), job(), job(CELLS)]}))
    cells, stages = architectures.to_pylist()
    assert stages["model_family"] == "residual_basic"
    assert stages["cell_spec"] == "{}"
    assert cells["model_family"] == "nas_cell"
    assert json.loads(cells["model_spec"]) == {
        "num_nodes_normal": 2, "num_nodes_reduce": 2, "depth": 12, "width": 32,
        "aux": False, "drop_prob": 0.0,
    }  # fmt: skip
    assert json.loads(cells["cell_spec"])["reduce_1_op_x"] == "conv_3x3"
    assert nds.decode_architecture(cells.pop("arch_key")) == cells


def test_nothing_is_left_over_of_a_plain_cell_job(tmp_path):
    (row,) = rows(tmp_path, [job(CELLS)], "DARTS")
    assert row["extra"] is None


def test_missing_optional_values_are_null(tmp_path):
    bare = job(CELLS, optim={"base_lr": 1, "wd": 0, "max_ep": 3})
    names = ("job_id", "rng_seed", "exp_mem", "act_mem", "prec_time", "iter_time", "params")
    for name in (*names, "flops", "min_test_top1", "train_it_loss", "train_it_top1"):
        del bare[name]
    (row,) = rows(tmp_path, [bare], "DARTS_in")
    null = {name for name, value in row.items() if value is None}
    assert null == {
        "job_id", "seed", "exp_mem", "act_mem", "prec_time_s", "iter_time_s", "params", "flops",
        "min_test_err_pct", "sample_train_loss", "sample_train_err_pct", "source_group", "extra",
    }  # fmt: skip
    assert (row["base_lr"], row["weight_decay"]) == (1.0, 0.0)


def test_what_a_column_cannot_hold_goes_to_extra(tmp_path):
    odd = {
        "job_id": "a-17",
        "rng_seed": 2**40,
        "prec_time": {"train_fw_bw": 0.02},
        "iter_time": [0.1],
        "params": 1.5,
        "flops": True,
        "exp_mem": None,
        "act_mem": 2**53 + 1,
    }
    (row,) = rows(tmp_path, [job(CELLS, **odd)], "DARTS")
    assert json.loads(row["extra"]) == odd
    names = (
        "job_id",
        "seed",
        "prec_time_s",
        "iter_time_s",
        "params",
        "flops",
        "exp_mem",
        "act_mem",
    )
    assert [row[name] for name in names] == [None] * 8


def test_whole_floats_fill_integer_columns(tmp_path):
    optim = {"base_lr": 0.1, "wd": 0.0005, "max_ep": 3.0}
    (row,) = rows(tmp_path, [job(CELLS, params=594138.0, optim=optim)], "DARTS")
    assert (row["params"], row["num_epochs"], row["extra"]) == (594138, 3, None)


def test_nan_stays_nan_and_is_not_null(tmp_path):
    losses = [1.5, math.nan, math.nan]
    jobs = [job(train_ep_loss=losses, train_it_loss=[math.nan, 1.0], iter_time=math.nan)]
    trials, _ = decode(release(tmp_path, {"ResNet": json.dumps(jobs)}))
    assert "NaN" in json.dumps(jobs)
    for name, expected in (("train_loss", losses), ("sample_train_loss", [math.nan, 1.0])):
        values = pc.list_flatten(trials[name])
        assert values.null_count == 0
        assert pc.is_nan(values).to_pylist() == [math.isnan(value) for value in expected]
    assert pc.is_nan(trials["iter_time_s"]).to_pylist() == [True]


def test_short_curves_end_in_nulls(tmp_path):
    short = job(
        train_ep_top1=[50, 40], test_ep_top1=[], train_it_loss=[2, 1, 0.5], train_it_top1=NOT_HERE
    )
    first, row, last = rows(tmp_path, [job(), short, job()])
    assert row["epoch"] == [1, 2, 3]
    assert row["train_err_pct"] == [50.0, 40.0, None]
    assert row["train_acc_pct"] == [50.0, 60.0, None]
    assert row["test_err_pct"] == row["test_acc_pct"] == [None] * 3
    assert row["train_loss"] == [1.5, 0.7, 0.116]
    assert row["sample_train_loss"] == [2.0, 1.0, 0.5]
    assert row["sample_train_err_pct"] == [None] * 3
    for name in ("train_err_pct", "test_acc_pct", "sample_train_err_pct"):
        assert first[name] == last[name]
        assert None not in first[name]


@pytest.mark.parametrize("order", [("top", "mid"), ("mid", "top")])
def test_reruns_keep_group_and_nni_order(tmp_path, order):
    groups = {"top": [job(rng_seed=1), job(rng_seed=2)], "mid": [job(rng_seed=3)]}
    found = rows(tmp_path, {key: groups[key] for key in order}, "ResNet_reruns")
    found.sort(key=lambda row: row["run_order"])
    places = [(row["seed"], row["source_group"], row["source_pos"]) for row in found]
    assert places == [(1, "top", 0), (2, "top", 1), (3, "mid", 0)]
    assert {row["source_file"] for row in found} == {"ResNet_reruns.json"}


def test_file_names_decide_configurations(tmp_path):
    trials, _ = decode(release(tmp_path, {stem: [job()] for stem in STEMS}), shards=5)
    found = {row["source_file"]: row for row in trials.to_pylist()}
    assert len(found) == 34
    for name, expected in {
        "Amoeba_in.json": ("imagenet", "amoeba", "random"),
        "DARTS_lr-wd_in.json": ("imagenet", "darts", "tune_lr_wd"),
        "PNAS_fix-w-d.json": ("cifar10", "pnas", "fix_w_d"),
        "ResNet-B.json": ("cifar10", "resnet-b", "random"),
        "Vanilla_rng2.json": ("cifar10", "vanilla", "random"),
    }.items():
        row = found[name]
        assert (row["dataset"], row["proposer"], row["generator"]) == expected
    by_order = sorted(found.values(), key=lambda row: row["run_order"])
    assert [row["source_file"] for row in by_order] == [f"{stem}.json" for stem in STEMS]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
more_keys = st.dictionaries(
    st.text(min_size=1, max_size=8).map("x_".__add__), json_values, max_size=3
)
scalar_changes = st.dictionaries(
    st.sampled_from(["job_id", "rng_seed", "params", "flops", "prec_time", "exp_mem", "act_mem"]),
    json_values | st.floats(allow_nan=False),
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_part_of_a_job_is_lost(tmp_path_factory, data):
    """The row and its architecture give back the whole job."""
    net = {**data.draw(st.sampled_from([STAGES, CELLS])), **data.draw(more_keys)}
    optim = {"base_lr": 0.25, "wd": 1e-05, "max_ep": 3, **data.draw(more_keys)}
    errors = data.draw(st.lists(st.floats(0, 100), min_size=3, max_size=3))
    changes = data.draw(more_keys) | data.draw(scalar_changes)
    record = job(net, optim=optim, test_ep_top1=errors, **changes)
    folder = tmp_path_factory.mktemp("nds")
    (row,) = rows(folder, [record], "DARTS")
    columns = nds.decode_architecture(row["arch_key"])
    back = json.loads(row["extra"] or "{}")
    back["optim"] = {
        "base_lr": row["base_lr"], "wd": row["weight_decay"], "max_ep": row["num_epochs"],
        **back.get("optim", {}),
    }  # fmt: skip
    spec = json.loads(columns["model_spec"])
    back["net"] = {**back.get("net", {}), **spec}
    if "genotype" in net:
        cell = json.loads(columns["cell_spec"])
        back["net"]["genotype"] = {
            **{f"{kind}_concat": cell[f"{kind}_concat"] for kind in ("normal", "reduce")},
            **{
                kind: [
                    [cell[f"{kind}_{node}_op_{side}"], cell[f"{kind}_{node}_input_{side}"]]
                    for node in range(spec[f"num_nodes_{kind}"])
                    for side in "xy"
                ]
                for kind in ("normal", "reduce")
            },
        }
        del back["net"]["num_nodes_normal"], back["net"]["num_nodes_reduce"]
    released = {
        "job_id": "job_id", "seed": "rng_seed", "params": "params", "flops": "flops",
        "iter_time_s": "iter_time", "min_test_err_pct": "min_test_top1", "exp_mem": "exp_mem",
        "act_mem": "act_mem", "prec_time_s": "prec_time", "train_err_pct": "train_ep_top1",
        "test_err_pct": "test_ep_top1", "train_loss": "train_ep_loss",
        "sample_train_loss": "train_it_loss", "sample_train_err_pct": "train_it_top1",
    }  # fmt: skip
    back |= {key: row[name] for name, key in released.items() if row[name] is not None}
    assert back == record


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 40])
def test_any_number_of_shards_gives_the_same_rows(tmp_path, shards):
    rng = random.Random(3)
    files = {stem: [job(job_id=rng.randrange(99))] * rng.randrange(1, 6) for stem in STEMS}
    raw = release(tmp_path, files)
    plan = nds.plan(raw, shards)
    assert len(plan.shards) == shards
    assert sorted(stem for shard in plan.shards for stem in shard.get("files", [])) == sorted(STEMS)
    assert all(shard == {} for shard in plan.shards if not shard.get("files"))
    assert json.loads(json.dumps(plan.shards)) == plan.shards
    trials, _ = decode(raw, shards)
    expected, _ = decode(raw, 1)
    order = [("run_order", "ascending")]
    assert trials.sort_by(order).equals(expected.sort_by(order))


def test_shards_are_balanced_by_size(tmp_path):
    sizes = {"ResNet": 90, "Vanilla": 50, "DARTS": 40, "ENAS": 5, "PNAS": 4}
    files = {stem: json.dumps([job()]) + " " * (10_000 * size) for stem, size in sizes.items()}
    plan = nds.plan(release(tmp_path, files), 2)
    assert [shard["files"] for shard in plan.shards] == [
        ["ENAS", "ResNet"],
        ["DARTS", "PNAS", "Vanilla"],
    ]


def test_batches_are_bounded(tmp_path, monkeypatch):
    jobs = [job(rng_seed=i) for i in range(50)]
    whole = rows(tmp_path, jobs)
    monkeypatch.setattr(records, "BATCH_BYTES", 5 * records.ROW_BYTES)
    raw = release(tmp_path, {"ResNet": jobs})
    batches = list(nds.decode(raw, nds.plan(raw, 1).shards[0]))
    assert len(batches) > 10
    assert max(batch.trials.num_rows for batch in batches) <= 5
    assert [row for batch in batches for row in batch.trials.to_pylist()] == whole


# ---------------------------------------------------------------------------------------------
# refusal


def refused(call, kind=RawDataError, *parts):
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    assert type(error) is kind
    for field in (error.what, error.where, error.expected, error.found, error.todo):
        assert field
    for part in parts:
        assert part in str(error)
    assert len(str(error)) < 3000
    return error


def without(record, *path):
    record = copy.deepcopy(record)
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return record


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ([], "no object"),
        (without(job(), "net"), "'net'"),
        (without(job(), "optim"), "'optim'"),
        (job(optim=[]), "optim"),
        (without(job(), "optim", "base_lr"), "'base_lr'"),
        (without(job(), "optim", "wd"), "'wd'"),
        (without(job(), "optim", "max_ep"), "'max_ep'"),
        (without(job(), "test_ep_top1"), "'test_ep_top1'"),
        (without(job(), "train_ep_loss"), "'train_ep_loss'"),
        (job(optim={"base_lr": "0.1", "wd": 0, "max_ep": 3}), "base_lr"),
        (job(optim={"base_lr": math.nan, "wd": 0, "max_ep": 3}), "base_lr"),
        (job(optim={"base_lr": 0.1, "wd": math.inf, "max_ep": 3}), "wd"),
        (job(optim={"base_lr": 0.1, "wd": 0, "max_ep": 0}), "max_ep"),
        (job(optim={"base_lr": 0.1, "wd": 0, "max_ep": 2}), "2 epochs"),
        (job(optim={"base_lr": 0.1, "wd": 0, "max_ep": 40_000}), "32767"),
        (job(optim={"base_lr": 0.1, "wd": 0, "max_ep": True}), "max_ep"),
        (job(test_ep_top1=[1, 2, 3, 4]), "test_ep_top1 is too long"),
        (job(test_ep_top1=[1, None, 3]), "test_ep_top1"),
        (job(test_ep_top1=[1, True, 3]), "test_ep_top1"),
        (job(test_ep_top1="123"), "test_ep_top1"),
        (job(train_ep_loss=[1, "2", 3]), "train_ep_loss"),
        (job(train_ep_loss=[1, 10**400, 3]), "train_ep_loss"),
        (job(train_it_loss=None), "train_it_loss"),
        (job({**STAGES, "block_type": "squeeze"}), "block type"),
        (job({**STAGES, "ws": [1, 2]}), "ws"),
        (job({**CELLS, "aux": 2}), "aux"),
        (job({**CELLS, "genotype": {}}), "normal cell"),
        (job(""), "A net is no object"),
    ],
)
def test_malformed_jobs_are_refused_by_name(tmp_path, wrong, part):
    files = {"ResNet_reruns": {"top": [job()], "mid": [job(), wrong]}}
    error = refused(lambda: decode(release(tmp_path, files)), RawDataError, part)
    assert error.where == "data.zip, member nds_data/ResNet_reruns.json, job 1 of 'mid'"


@settings(deadline=None)
@given(st.lists(st.sampled_from([0, 1, 0.0, -0.0, 1.0, 2.5, math.nan]) | json_values, max_size=4))
def test_curves_are_lists_of_numbers_and_nothing_else(tmp_path_factory, values):
    """Booleans are no numbers, though 0.0 and 1.0 look like them among packed floats."""
    raw = release(tmp_path_factory.mktemp("nds"), {"ENAS": [job(train_it_loss=values)]})
    if not {int, float}.issuperset(map(type, values)):
        refused(lambda: decode(raw), RawDataError, "a list of numbers")
        return
    (row,) = decode(raw)[0].to_pylist()
    found = row["sample_train_loss"][: len(values)]
    assert list(map(repr, found)) == [repr(float(value)) for value in values]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_mutation_is_read_or_refused(tmp_path_factory, data):
    """Whatever stands in place of one value, the reader gives valid rows or its own error."""
    record = job(data.draw(st.sampled_from([STAGES, CELLS])))
    inner = record
    while True:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = data.draw(st.sampled_from(keys))
        deeper = isinstance(inner[key], dict | list) and inner[key]
        if not deeper or data.draw(st.booleans()):
            break
        inner = inner[key]
    inner[key] = data.draw(json_values | st.floats() | st.integers())
    folder = tmp_path_factory.mktemp("nds")
    raw = release(folder, {"ENAS": [record]})
    try:
        decode(raw)
    except RawDataError:
        error = refused(lambda: decode(raw))
        assert error.where.endswith("job 0")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        '[{"net": ',
        json.dumps([job()])[:-1],
        json.dumps([job()]) + "]",
        '{"top": []}',
        "{}",
    ],
)
def test_broken_json_is_refused(tmp_path, text):
    error = refused(lambda: decode(release(tmp_path, {"DARTS": text})))
    assert "member nds_data/DARTS.json, byte" in error.where


def test_a_key_twice_in_a_job_is_refused(tmp_path):
    text = json.dumps([job()]).replace('"params": 594138', '"params": 1, "params": 594138')
    refused(lambda: decode(release(tmp_path, {"DARTS": text})), RawDataError, "'params' twice")


def test_deep_nesting_is_refused(tmp_path):
    text = json.dumps([job(more="@")]).replace('"@"', "[" * 900 + "]" * 900)
    try:
        decode(release(tmp_path, {"DARTS": text}))
    except RawDataError:  # how deep is too deep depends on the interpreter
        refused(lambda: decode(release(tmp_path, {"DARTS": text})), RawDataError, "too deeply")
    text = text.replace("[" * 900, "[" * 90_000)
    refused(lambda: decode(release(tmp_path, {"DARTS": text})), RawDataError, "nested too deeply")


def test_flipped_bytes_never_pass(tmp_path):
    """NDS files carry no checksum of their own; that of the zip catches what parses."""
    raw = release(tmp_path, {"DARTS": [job()] * 3})
    path = raw.files[0].path
    good = path.read_bytes()
    expected, _ = decode(raw)
    for position in range(0, len(good), 7):
        data = bytearray(good)
        data[position] ^= 0x10
        path.write_bytes(data)
        try:
            found, _ = decode(raw)
        except NasbaseError:
            continue
        assert found.equals(expected)  # a byte that carries nothing, such as a date


def test_missing_files_are_named_unless_partial(tmp_path):
    files = {stem: [job()] for stem in STEMS if stem not in ("ENAS_in", "Vanilla_rng2")}
    raw = release(tmp_path, files, partial=False)
    error = refused(lambda: nds.plan(raw, 2), IncompleteReleaseError, "34", "partial: true")
    assert error.found == "32; missing: ENAS_in.json, Vanilla_rng2.json"
    assert decode(release(tmp_path, files, partial=True))[0].num_rows == 32


def test_an_archive_without_any_file_is_refused(tmp_path):
    refused(lambda: nds.plan(release(tmp_path, {}), 1), IncompleteReleaseError)


def test_an_empty_file_is_refused_unless_partial(tmp_path):
    files = {stem: [job()] for stem in STEMS} | {"PNAS": []}
    raw = release(tmp_path, files, partial=False)
    error = refused(lambda: decode(raw), IncompleteReleaseError, "partial: true")
    assert "PNAS.json" in error.where
    assert decode(release(tmp_path, files))[0].num_rows == 33


def test_unknown_and_repeated_json_files_are_refused(tmp_path):
    raw = release(tmp_path, {"ResNet": [job()], "ResNet_rng4": [job()]})
    refused(lambda: nds.plan(raw, 1), RawDataError, "ResNet_rng4.json")
    with zipfile.ZipFile(raw.files[0].path, "w") as archive:
        archive.writestr("a/ResNet.json", "[]")
        archive.writestr("b/ResNet.json", "[]")
    refused(lambda: nds.plan(raw, 1), RawDataError, "'b/ResNet.json' beside 'a/ResNet.json'")


def test_other_folders_and_junk_are_no_obstacle(tmp_path):
    raw = release(tmp_path, {})
    with zipfile.ZipFile(raw.files[0].path, "w") as archive:
        archive.writestr("data/", "")
        archive.writestr("ResNet.json", json.dumps([job()]))
        archive.writestr("data/ENAS.json", json.dumps([job()]))
        archive.writestr("__MACOSX/data/._ENAS.json", "junk")
        archive.writestr("data/.DS_Store", "junk")
        archive.writestr("LICENSE", "text")
    assert decode(raw)[0].num_rows == 2


def test_a_release_is_one_file(tmp_path):
    raw = release(tmp_path, {"ResNet": [job()]})
    twice = RawRelease("nds", "1", raw.files * 2, partial=True, synthetic=True)
    refused(lambda: nds.plan(twice, 1), RawDataError, "is one file", "data.zip, data.zip")


# ---------------------------------------------------------------------------------------------
# builds: assembly, notes, checks


VANILLA = {**STAGES, "block_type": "double_plain_block", "ws": [16, 24, 32, 40]}


def complete_files():
    files: dict = {stem: [job(CELLS)] for stem in STEMS}
    files |= {f"ResNet_rng{seed}": [job(rng_seed=seed)] for seed in (1, 2, 3)}
    files["ResNet"] = [job(), job(VANILLA, params=689770, flops=208363930)]
    files["ResNet_reruns"] = {"mid": [job(rng_seed=9)], "top": [job(rng_seed=8)]}
    return files


def test_a_build_passes_its_checks(tmp_path):
    artifacts = build(tmp_path, complete_files())
    found = results(artifacts)
    assert all(result["passed"] for result in found.values()), found
    assert {name for name, result in found.items() if not result["checked"]} == {"nds.counts"}
    assert found["nds.min_test_err"]["checked"] == 36
    assert found["nds.cost_formula"]["checked"] == 2 * 7


def test_reruns_and_seeds_share_one_configuration(tmp_path):
    artifacts = build(tmp_path, complete_files())
    trials = table(artifacts, "trials").to_pylist()
    basic = next(row for row in trials if row["source_file"] == "ResNet_rng1.json")
    runs = [row for row in trials if row["config_id"] == basic["config_id"]]
    assert [(row["run"], row["source_file"], row["source_group"], row["seed"]) for row in runs] == [
        (0, "ResNet.json", None, 1),
        (1, "ResNet_reruns.json", "top", 8),
        (2, "ResNet_reruns.json", "mid", 9),
        (3, "ResNet_rng1.json", None, 1),
        (4, "ResNet_rng2.json", None, 2),
        (5, "ResNet_rng3.json", None, 3),
    ]


def failing(tmp_path, jobs, stem="ResNet", **marks):
    found = results(build(tmp_path, {stem: jobs}, **marks))
    return {name: result for name, result in found.items() if not result["passed"]}


def test_a_wrong_minimum_is_found(tmp_path):
    failed = failing(tmp_path, [job(), job(min_test_top1=9.6), job(min_test_top1=NOT_HERE)])
    result = failed.pop("nds.min_test_err")
    assert not failed
    assert (result["severity"], result["checked"], result["failed"]) == ("error", 2, 1)
    assert result["examples"] == ["trial 1: recorded 9.6, lowest of the curve 9.61"]


def test_the_minimum_is_found_across_row_groups(tmp_path):
    artifacts = build(tmp_path, {"ResNet": [job(rng_seed=i) for i in range(5)]})
    path = artifacts.folder / "curves.parquet"
    pq.write_table(pq.read_table(path), path, row_group_size=2)
    result = results(artifacts)
    assert result["nds.min_test_err"]["failed"] == 0
    assert result["nds.min_test_err"]["checked"] == 5
    assert result["nds.curve_lengths"]["failed"] == 0


def test_errors_out_of_range_are_found(tmp_path):
    wrong = [
        job(train_ep_top1=[-0.5, 1, 2]),
        job(train_it_top1=[1, 100.5]),
        job(train_ep_top1=[math.nan, 0, 100]),
    ]
    artifacts = build(tmp_path, {"ResNet": wrong})
    found = next(c for c in generic_checks("nds") if c.id == "all.ranges").report(artifacts)
    assert sorted(found["examples"]) == [
        "curves 0: train_acc_pct 100.5",
        "curves 0: train_err_pct -0.5",
        "iterations 1: train_err_pct 100.5",
    ]


def test_short_curves_are_a_warning(tmp_path):
    failed = failing(tmp_path, [job(), job(train_ep_top1=[50, 40])])
    assert list(failed) == ["nds.curve_lengths"]
    assert failed["nds.curve_lengths"]["severity"] == "warning"
    assert failed["nds.curve_lengths"]["examples"] == ["trial 1: train_err_pct has 2 of 3 epochs"]


def test_costs_that_contradict_the_formula_are_noted(tmp_path):
    artifacts = build(tmp_path, {"ResNet": [job(), job(params=594139)], "ResNet_lr-wd_in": [job()]})
    failed = {name: result for name, result in results(artifacts).items() if not result["passed"]}
    assert list(failed) == ["nds.cost_formula"]
    assert failed["nds.cost_formula"]["severity"] == "warning"
    assert failed["nds.cost_formula"]["failed"] == 1
    (note,) = (n for n in table(artifacts, "notes").to_pylist() if n["kind"] == "erratum")
    wrong = next(row for row in table(artifacts, "trials").to_pylist() if row["params"] == 594139)
    assert json.loads(note["key"]) == {"trial_id": wrong["trial_id"]}
    assert (note["table"], note["column"], note["value"]) == ("trials", "params", 594138.0)


def test_diverged_runs_are_noted(tmp_path):
    jobs = [job(), job(train_ep_loss=[1, 2, math.nan]), job(train_ep_loss=[math.nan, 1, 2])]
    artifacts = build(tmp_path, {"ResNet": jobs})
    notes = [n for n in table(artifacts, "notes").to_pylist() if n["code"] == "diverged"]
    trials = table(artifacts, "trials").to_pylist()
    diverged = [row["trial_id"] for row in trials if row["source_pos"] == 1]
    assert [json.loads(note["key"])["trial_id"] for note in notes] == diverged
    assert notes[0]["kind"] == "outcome"


def test_counts_of_a_real_release_are_compared(tmp_path):
    artifacts = build(tmp_path, complete_files(), partial=False, synthetic=False)
    result = results(artifacts)["nds.counts"]
    assert result["severity"] == "warning"
    assert result["checked"] == result["failed"] > 20
    assert "Amoeba.json: 1 trainings, not 4983" in result["examples"]


def rewrite(artifacts, name, column, values):
    path = artifacts.folder / f"{name}.parquet"
    content = pq.read_table(path)
    index = content.column_names.index(column)
    field = content.schema.field(column)
    pq.write_table(content.set_column(index, field, pa.array(values, field.type)), path)


def test_tampered_tables_are_found(tmp_path):
    artifacts = build(tmp_path, complete_files())
    curves = table(artifacts, "curves")
    accuracy = curves["test_acc_pct"].to_pylist()
    rewrite(artifacts, "curves", "test_acc_pct", [math.nextafter(accuracy[0], 0), *accuracy[1:]])
    specs = table(artifacts, "architectures")["model_spec"].to_pylist()
    spaced = specs[0].replace(",", ", ")
    rewrite(artifacts, "architectures", "model_spec", [spaced, "{}", *specs[2:]])
    failed = {name: r["failed"] for name, r in results(artifacts).items() if not r["passed"]}
    # One network has lost its stages: its costs cannot be computed again.
    assert failed == {"nds.complement": 1, "nds.specs_canonical": 2, "nds.costs": 1}


def test_facts_name_existing_columns():
    from nasbase.tables.catalogue import tables

    facts = nds.facts("1")
    catalogue = tables("nds")
    for note in facts.notes:
        assert note["key"] is None
        assert note["column"] is None or note["column"] in catalogue[note["table"]].names
    images = {(row["dataset"], row["split"]): row["images"] for row in facts.splits}
    assert images == {
        ("cifar10", "train"): 50_000,
        ("cifar10", "test"): 10_000,
        ("imagenet", "train"): 1_281_167,
        ("imagenet", "test"): 50_000,
    }
