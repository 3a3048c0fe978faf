"""The steps of a build called one after another, where snakemake itself adds nothing to a test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import ROOT

from nasbase.config import read_config
from nasbase.steps import assemble_step, convert_step, fetch_step, plan_step, validate_step
from nasbase.store.hdf5 import write_hdf5
from nasbase.store.install import install
from nasbase.store.nni import DATABASES
from nasbase.store.nni.writer import write_nni
from nasbase.store.sqlite import write_sqlite

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def build(
    folder: Path, benchmark: str, release: str, table: str = "sources.yaml", **settings: object
) -> Path:
    """What `snakemake` does for one release in ``folder``; the installed folder."""
    with inside(folder):
        _build(benchmark, release, {"sources": table, "benchmarks": [benchmark], **settings})
    return folder / "results" / benchmark / release


def _build(benchmark: str, release: str, settings: dict) -> None:
    config = read_config({"shards": 2, "reread": "all", **settings}, SCHEMA, ROOT)
    row = config.table.release(benchmark, release)
    partial, forms = config.is_partial(row), config.forms_of(benchmark)
    fetched = Path("resources/raw", benchmark, row.key, "fetched.json")
    work = Path("build", benchmark, row.key)
    fetch_step(config, benchmark, release, fetched)
    count = config.shards_of(benchmark)
    plan_step(fetched, work / "plan.json", shards=count, partial=partial)
    shards = [work / "shards" / f"{i:03d}-of-{count:03d}" for i in range(count)]
    for shard in shards:
        convert_step(fetched, work / "plan.json", shard, partial=partial)
    keys = ("citation", "homepage", "code_licence", "data_licence")
    provenance = {key: getattr(row, key) for key in keys}
    parquet = work / "parquet"
    assemble_step(
        fetched, work / "plan.json", shards, parquet, partial=partial, provenance=provenance
    )
    files = {
        "sqlite": work / f"{benchmark}.sqlite",
        "hdf5": work / "curves.h5",
        "nni": work / "nni" / f"{DATABASES.get(benchmark)}.db",
    }
    others = {form: files[form] for form in forms[1:]}
    for form, path in others.items():
        {"sqlite": write_sqlite, "hdf5": write_hdf5, "nni": write_nni}[form](parquet, path)
    report = work / "validation.json"
    validate_step(fetched, parquet, report, forms=forms, partial=partial, reread=config.reread)
    install(
        Path("results", benchmark, release),
        parquet=parquet,
        forms=others,
        validation=report,
        description={**provenance, "status": row.status},
    )
