"""Sample builds of all five benchmarks, made once per session without snakemake."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import nasbase
from nasbase.benchmarks import NAMES, room_of
from nasbase.checks.check import Artifacts
from nasbase.checks.validate import validate
from nasbase.cli import main
from nasbase.sources.fetched import write_fetched
from nasbase.sources.obtain import fetch_release
from nasbase.sources.table import SourcesTable
from nasbase.steps import assemble_step, convert_step, plan_step
from nasbase.store.install import install, write_catalog
from nasbase.store.sqlite import write_sqlite

ARCHITECTURES = {"nb101": 80, "nb201": 24, "nats_tss": 48, "nats_sss": 48, "nds": 120}


def build(name: str, folder: Path, results: Path) -> None:
    """Write a sample release and build it: the steps of the workflow, called one by one."""
    count = ARCHITECTURES[name]
    samples = folder / "samples"
    arguments = ["sample", f"--benchmark={name}", f"--architectures={count}", "--seed=1"]
    assert main([*arguments, str(samples)]) == 0
    raw = fetch_release(
        SourcesTable.load(samples / "sources.yaml"),
        name,
        "sample",
        store_dir=folder / "store",
        raw_dir=folder / "raw",
    )
    work = folder / name
    work.mkdir()
    fetched, plan, parquet = work / "fetched.json", work / "plan.json", work / "parquet"
    write_fetched(fetched, replace(raw, partial=True))
    plan_step(fetched, plan, shards=1, partial=True)
    shard = work / "000-of-001"
    convert_step(fetched, plan, shard, partial=True)
    said = {
        "citation": f"Made-up numbers in the format of {room_of(name).title}; nothing to cite.",
        "homepage": None,
        "code_licence": "MIT",
        "data_licence": "made-up numbers",
    }
    assemble_step(fetched, plan, [shard], parquet, partial=True, provenance=said)
    write_sqlite(parquet, work / f"{name}.sqlite")
    artifacts = Artifacts(
        benchmark=name,
        release="sample",
        folder=parquet,
        partial=True,
        synthetic=True,
        forms=("parquet", "sqlite"),
        others=work,
    )
    validate(artifacts, work / "validation.json")
    install(
        results / name / "sample",
        parquet=parquet,
        forms={"sqlite": work / f"{name}.sqlite"},
        validation=work / "validation.json",
        description={"status": "supported", **said},
    )


@pytest.fixture(scope="session")
def home(shared) -> Path:
    """A results folder with sample builds of all five benchmarks; tests change nothing in it."""

    def fill(folder: Path) -> None:
        for name in NAMES:
            build(name, folder, folder / "results")
        write_catalog(folder / "results")

    return shared("query", fill) / "results"


@pytest.fixture
def bench(home):
    """Open one of the sample builds by name; every call gives a new handle."""
    return lambda name, **where: nasbase.open(name, home=where.pop("home", home), **where)


@pytest.fixture(scope="session")
def manifest_of(home):
    """The manifest of one of the sample builds."""
    return lambda name: json.loads((home / name / "sample" / "manifest.json").read_text())


@pytest.fixture(scope="session")
def rows_of(home):
    """Rows of a Parquet table as dicts: a path to the numbers that the handle has no part in."""

    @cache
    def read(name: str, table: str) -> list[dict]:
        return pq.read_table(home / name / "sample" / f"{table}.parquet").to_pylist()

    return read
