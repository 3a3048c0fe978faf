"""What is rebuilt when something changes, and what is not."""

import hashlib
import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from harness import ROOT, Workflow, digests, environment, sample, workflow_in
from stepwise import build_all

from nasbase.containers.tfrecord import encode_frames

AFTER_FETCH = sorted(
    ["plan", "convert", "convert", "assemble", "nni", "sqlite", "validate", "install", "catalog"]
)


def test_touched_and_restored_raw_files_rebuild_nothing(small):
    for folder in ("resources/raw", "samples"):
        for path in (small.folder / folder).rglob("*"):
            if path.is_file() and path.suffix != ".yaml":
                content = path.read_bytes()
                path.unlink()
                path.write_bytes(content)
    assert small.run("-n").nothing_to_do


def test_deleted_raw_files_are_not_fetched_again(small):
    shutil.rmtree(small.folder / "resources")
    (small.folder / "samples" / "nasbench_sample.tfrecord").unlink()
    assert small.run("-n").nothing_to_do


def test_a_deleted_raw_file_comes_back_from_the_store(small):
    (raw,) = (small.folder / "resources/raw").rglob("*.tfrecord")
    raw.unlink()
    (small.folder / "samples" / "nasbench_sample.tfrecord").unlink()
    before = small.digests()
    result = small.run("--forcerun", "plan")
    assert result.rules == AFTER_FETCH
    assert small.digests() == before
    assert raw.exists()


def test_deleted_results_are_installed_again(small):
    before = small.digests()
    shutil.rmtree(small.folder / "results")
    assert small.run().rules == ["catalog", "install"]
    assert small.digests() == before


def test_one_deleted_release_is_installed_again(small):
    before = small.digests()
    shutil.rmtree(small.folder / "results/nb101/sample")
    assert small.run().rules == ["catalog", "install"]
    assert small.digests() == before


def test_a_release_is_built_again_where_everything_of_it_was_deleted(small):
    before = small.digests()
    for folder in ("results/nb101", "build/nb101", "resources/raw/nb101"):
        shutil.rmtree(small.folder / folder)
    assert small.run().rules == sorted(["fetch", *AFTER_FETCH])
    assert small.digests() == before


def test_a_new_mirror_downloads_nothing(small):
    def change(table):
        (row,) = table["nb101"]["sample"]["files"]
        row["urls"].insert(0, "https://mirror.invalid/nasbench_sample.tfrecord")
        row["manual"] = "Ask a colleague."

    small.edit_table(change)
    assert small.run("-n").nothing_to_do


def test_another_number_of_shards_gives_the_same_bytes(small):
    before = small.digests()
    result = small.run(shards=5)
    assert "fetch" not in result.rules
    assert result.rules.count("convert") == 5
    assert small.digests() == before


def test_a_new_release_rebuilds_only_itself(small):
    before = small.digests()
    sample(small.folder / "samples", "nb101", seed=2, release="sample-two", schedules="108")
    result = small.run(releases="{nb101: [sample, sample-two]}")
    assert result.rules == sorted(["fetch", *AFTER_FETCH])
    after = small.digests()
    assert {
        path: digest for path, digest in after.items() if path in before and path != "catalog.json"
    } == {path: digest for path, digest in before.items() if path != "catalog.json"}
    assert small.manifest("nb101", "sample-two")["version"] != small.manifest("nb101")["version"]


def test_a_repinned_release_replaces_the_old_one(small):
    old = small.manifest("nb101")
    sample(small.folder / "samples", "nb101", seed=3)
    result = small.run()
    assert result.rules == sorted(["fetch", *AFTER_FETCH])
    new = small.manifest("nb101")
    assert new["version"] != old["version"]
    assert new["raw"][0]["sha256"] != old["raw"][0]["sha256"]
    assert len(list((small.folder / "resources/raw/nb101").iterdir())) == 2
    assert small.run("-n").nothing_to_do


# ---------------------------------------------------------------------------------------------
# failures


def break_hashes(path):
    """Give every record a well-formed hash that is not its cell's."""
    data, offset, payloads = path.read_bytes(), 0, []
    while offset < len(data):
        (length,) = struct.unpack_from("<Q", data, offset)
        payload = data[offset + 12 : offset + 12 + length]
        payloads.append(payload[:2] + payload[3:34] + payload[2:3] + payload[34:])
        offset += 16 + length
    path.write_bytes(encode_frames(payloads))


def pin(workflow, path):
    """Write the digest that a file has now into the table."""
    row = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
    workflow.edit_table(lambda table: table["nb101"]["sample"]["files"][0].update(row))


def test_a_failed_validation_leaves_the_installed_results(small):
    before = small.digests()
    path = small.folder / "samples" / "nasbench_sample.tfrecord"
    break_hashes(path)
    pin(small, path)
    result = small.run(ok=False)
    assert "nb101.hashes" in result.text
    assert "nothing was installed" in result.text
    assert small.digests() == before


def test_a_failed_fetch_leaves_the_installed_results(small):
    before = small.digests()
    small.edit_table(lambda table: table["nb101"]["sample"]["files"][0].update(sha256="0" * 64))
    result = small.run(ok=False)
    assert "0" * 64 in result.text
    assert small.digests() == before


def test_a_build_that_was_killed_while_it_installed_recovers(small):
    before = small.digests()
    # What Snakemake leaves when it is killed then: its copy of the installed folder, which it
    # refuses to write over in every later run.
    shutil.copytree(
        small.folder / "results/nb101/sample",
        small.folder / ".snakemake/backups/results/nb101/sample",
    )
    assert small.run("--forcerun", "install").rules == ["catalog", "install"]
    assert small.digests() == before


# ---------------------------------------------------------------------------------------------
# code


@pytest.fixture
def checkout(samples, tmp_path) -> Workflow:
    """A copy of the workflow's own code, with nb101 built by it."""
    root = tmp_path / "checkout"
    shutil.copytree(
        ROOT,
        root,
        ignore=shutil.ignore_patterns(
            ".*", "results", "build", "resources", "logs", "tests", "__pycache__"
        ),
    )
    shutil.copytree(ROOT / "profiles", root / "profiles", dirs_exist_ok=True)
    workflow = workflow_in(tmp_path / "work", samples, benchmarks="nb101")
    workflow.root = root
    workflow.run()
    return workflow


@contextmanager
def changed(workflow: Workflow, *modules: str) -> Iterator[None]:
    """Change modules, and take it back: what is rebuilt is told by content, not by times."""
    paths = [workflow.root / "src/nasbase" / module for module in modules]
    texts = [path.read_text() for path in paths]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text + "\n# changed\n")
    yield
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)


RERUN = {
    "store/sqlite.py": ["catalog", "install", "sqlite", "validate"],
    "checks/generic.py": ["catalog", "install", "validate"],
    "benchmarks/nb101/checks.py": ["catalog", "install", "validate"],
    "benchmarks/nb101/space.py": AFTER_FETCH,
    "containers/tfrecord.py": AFTER_FETCH,
    "store/install.py": ["catalog", "install"],
    "store/nni/rows.py": ["catalog", "install", "nni", "validate"],
    "store/nni/nb101.py": ["catalog", "install", "nni", "validate"],
}
IDLE = (
    "benchmarks/nds/space.py",
    "sources/download.py",
    "benchmarks/nb101/sample.py",
    "query/handle.py",
    "tables/document.py",
    "store/nni/nb201.py",
)


def test_changed_code_reruns_what_depends_on_it(checkout):
    before = checkout.digests()
    found = {}
    for module in RERUN:
        with changed(checkout, module):
            found[module] = checkout.run("-n").planned
    assert found == RERUN
    with changed(checkout, *IDLE):
        assert checkout.run("-n").nothing_to_do
    with changed(checkout, *RERUN, *IDLE):
        assert checkout.run().rules == AFTER_FETCH
        assert checkout.run("-n").nothing_to_do
    assert checkout.digests() == before


# ---------------------------------------------------------------------------------------------
# interruption


def test_a_killed_build_recovers(samples, tmp_path):
    chosen = {"outputs": "parquet", "shards": 4}  # it is killed before any other form is begun
    workflow = workflow_in(tmp_path / "killed", samples, benchmarks="nb101,nds", **chosen)
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            workflow.command(),
            cwd=workflow.folder,
            env=environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not list((workflow.folder / "build").glob("*/*/shards/*")):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)  # its jobs live on as orphans
        process.wait()
    workflow.run("--unlock")
    workflow.run()
    assert workflow.run("-n").nothing_to_do
    whole = build_all(samples, tmp_path / "whole", ("nb101", "nds"), outputs=["parquet"])
    assert workflow.digests() == digests(whole)
