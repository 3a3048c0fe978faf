"""Small builds of all five benchmarks, and a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, find

# The generators of releases and the steps of a build stand beside the tests of the workflow.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from harness import sample
from stepwise import build

from nasbase.benchmarks import NAMES
from nasbase.store.install import write_catalog

ARCHITECTURES = {"nb101": 40, "nb201": 16, "nats_tss": 30, "nats_sss": 24, "nds": 90}


@pytest.fixture(scope="session")
def builds(shared) -> Path:
    """A results folder with a sample build of every benchmark; tests change nothing in it."""

    def fill(folder: Path) -> None:
        for name in NAMES:
            sample(folder, name, architectures=ARCHITECTURES[name])
            build(folder, name, "sample", releases={name: ["sample"]}, outputs=["parquet"])
        write_catalog(folder / "results")

    return shared("report", fill) / "results"


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[Browser]:
    """A headless Chromium."""
    program = find()
    if program is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    with Browser(program, tmp_path_factory.mktemp("profile")) as browser:
        yield browser
