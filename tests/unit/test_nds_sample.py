"""NDS: made-up releases look like upstream's and can be built."""

from __future__ import annotations

import hashlib
import json
import math
import zipfile
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from nasbase.benchmarks import room_of
from nasbase.benchmarks.nds.files import STEMS
from nasbase.benchmarks.nds.sample import MINIMUM, shares
from nasbase.benchmarks.room import RawFile, RawRelease
from nasbase.checks.check import Artifacts
from nasbase.tables.assemble import assemble
from nasbase.tables.runs import write_runs

nds = room_of("nds")
TRAININGS = 700


def write(out, trainings=TRAININGS, seed=5, options=None):
    lines = []
    (file,) = nds.write_sample(
        out, architectures=trainings, seed=seed, options=options or {}, progress=lines.append
    )
    return file, lines


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    out = tmp_path_factory.mktemp("sample")
    return out, write(out)[0]


@pytest.fixture(scope="module")
def jobs(sample):
    """All jobs by stem; reruns as they are."""
    out, file = sample
    with zipfile.ZipFile(out / file["name"]) as archive:
        assert archive.testzip() is None
        return {
            name.removeprefix("nds_data/").removesuffix(".json"): json.loads(archive.read(name))
            for name in archive.namelist()
        }


def flat(content):
    return content if isinstance(content, list) else content["top"] + content["mid"]


def test_the_row_describes_the_file(sample):
    out, file = sample
    data = (out / "nds-sample.zip").read_bytes()
    assert file == {
        "name": "nds-sample.zip",
        "form": None,
        "urls": ["nds-sample.zip"],
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def test_all_files_with_the_wanted_number_of_trainings(jobs):
    assert list(jobs) == list(STEMS)
    counts = {stem: len(flat(content)) for stem, content in jobs.items()}
    assert counts == shares(TRAININGS)
    assert sum(counts.values()) == TRAININGS
    assert min(counts.values()) >= 2
    assert max(counts, key=counts.__getitem__) in ("ResNet", "ResNeXt-A", "ResNeXt-B", "Vanilla")


def test_bytes_depend_on_the_arguments_alone(sample, tmp_path):
    _, file = sample
    assert write(tmp_path / "a")[0] == file
    assert write(tmp_path / "b", seed=6)[0]["sha256"] != file["sha256"]


def test_too_few_trainings_are_raised_and_said(tmp_path):
    file, lines = write(tmp_path, trainings=3)
    assert any("too few" in line and str(MINIMUM) in line for line in lines)
    with zipfile.ZipFile(tmp_path / file["name"]) as archive:
        for name in archive.namelist():
            assert len(flat(json.loads(archive.read(name)))) == 2


def test_the_number_of_sampled_iterations_is_an_option(tmp_path):
    file, _ = write(tmp_path, trainings=MINIMUM, options={"iterations": 3})
    with zipfile.ZipFile(tmp_path / file["name"]) as archive:
        (first, _) = json.loads(archive.read("nds_data/PNAS_in.json"))
    assert [len(first[key]) for key in ("train_it_loss", "train_it_top1")] == [3, 3]


def test_schedules_and_keys_are_upstreams(jobs):
    for stem, content in jobs.items():
        imagenet = "_in" in stem
        for job in flat(content):
            epochs = 50 if imagenet else 100
            assert job["optim"]["max_ep"] == epochs
            for key in ("train_ep_loss", "train_ep_top1", "test_ep_top1"):
                assert len(job[key]) == epochs
            assert len(job["train_it_loss"]) == len(job["train_it_top1"]) == 20
            assert job["min_test_top1"] == min(job["test_ep_top1"])
            assert ("prec_time" in job) is not imagenet
            assert isinstance(job["params"], int)
            assert isinstance(job["flops"], int)


def test_some_losses_are_nan_literals(sample, jobs):
    out, file = sample
    with zipfile.ZipFile(out / file["name"]) as archive:
        assert b"NaN" in archive.read("nds_data/DARTS.json")
        assert b"null" not in archive.read("nds_data/DARTS.json")
    last = [job["train_ep_loss"][-1] for content in jobs.values() for job in flat(content)]
    diverged = [loss for loss in last if math.isnan(loss)]
    assert len(STEMS) - 4 <= len(diverged) < TRAININGS / 5


def test_lr_wd_files_vary_the_hyper_parameters(jobs):
    rates = [job["optim"]["base_lr"] for job in jobs["DARTS_lr-wd"]]
    decays = [job["optim"]["wd"] for job in jobs["DARTS_lr-wd"]]
    assert len(set(rates)) == len(rates)
    assert all(1e-3 <= rate <= 1 for rate in rates)
    assert all(1e-5 <= decay <= 1e-2 for decay in decays)
    assert np.log10(rates).std() > 0.5
    assert {job["optim"]["base_lr"] for job in jobs["DARTS"]} == {0.1}


@pytest.mark.parametrize("home", ["ResNet", "Vanilla"])
def test_configurations_are_reused(jobs, home):
    known = {json.dumps(job["net"]) for job in jobs[home]}
    for seed in (1, 2, 3):
        repeated = jobs[f"{home}_rng{seed}"]
        assert {json.dumps(job["net"]) for job in repeated} <= known
        assert {job["rng_seed"] for job in repeated} == {seed}
        assert repeated[0]["test_ep_top1"] != jobs[home][0]["test_ep_top1"]
    reruns = jobs[f"{home}_reruns"]
    for group in ("top", "mid"):
        assert len({json.dumps(job["net"]) for job in reruns[group]}) == 1
    assert len({job["rng_seed"] for job in flat(reruns)}) == len(flat(reruns))


def test_both_key_orders_of_reruns_are_there(jobs):
    assert list(jobs["ResNet_reruns"]) == ["top", "mid"]
    assert list(jobs["Vanilla_reruns"]) == ["mid", "top"]


def test_networks_of_nnis_documentation_are_there(jobs):
    bottleneck, basic, vanilla = (jobs[s][0] for s in ("ResNeXt-A", "ResNet", "Vanilla"))
    assert bottleneck["net"]["ws"] == [16, 64, 128, 16]
    assert (bottleneck["params"], bottleneck["flops"]) == (83_002, 69_890_986)
    assert basic["net"]["ws"] == [16, 24, 24, 40]
    assert (basic["params"], basic["flops"]) == (594_138, 184_519_578)
    assert (vanilla["params"], vanilla["flops"]) == (689_770, 208_363_930)
    amoeba = json.loads(nds.decode_architecture(nds.encode(jobs["Amoeba"][0]))["cell_spec"])
    assert amoeba["normal_3_op_x"] == "skip_connect"
    assert amoeba["normal_4_input_y"] == 4
    assert amoeba["reduce_2_op_y"] == "sep_conv_7x7"
    assert amoeba["reduce_concat"] == [3, 6]


def test_a_sample_can_be_built_and_passes_its_checks(sample, tmp_path):
    out, file = sample
    path = out / file["name"]
    archive = RawFile(file["name"], path, None, file["bytes"], file["sha256"])
    raw = RawRelease("nds", "sample", (archive,), partial=False, synthetic=True)
    folders = []
    for number, shard in enumerate(nds.plan(raw, 3).shards):
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        write_runs("nds", nds.decode(raw, shard), folders[-1])
    tables = tmp_path / "tables"
    tables.mkdir()
    assemble(nds, raw, expected={}, folders=folders, source_rows=[], out=tables)
    artifacts = Artifacts("nds", "sample", tables, partial=False, synthetic=True)
    for check in nds.checks():
        report = check.report(artifacts)
        assert report["passed"], report
    files = pq.read_table(tables / "trials.parquet")["source_file"].to_pylist()
    assert Counter(files) == {f"{stem}.json": n for stem, n in shares(TRAININGS).items()}
    configurations = pq.read_metadata(tables / "configurations.parquet").num_rows
    assert configurations < TRAININGS - 100
