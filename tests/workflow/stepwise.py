"""The steps of a build called one after another, where snakemake itself adds nothing to a test."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import ROOT

from nasbase.config import BuildConfig, read_config
from nasbase.sources.table import Release
from nasbase.steps import assemble_step, convert_step, fetch_step, plan_step, validate_step
from nasbase.store.hdf5 import write_hdf5
from nasbase.store.install import install, write_catalog
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


@dataclass(frozen=True)
class Made:
    """What the steps before validation have left in ``build``."""

    config: BuildConfig
    row: Release
    work: Path
    fetched: Path
    others: dict[str, Path]


def build(
    folder: Path, benchmark: str, release: str, table: str = "sources.yaml", **settings: object
) -> Path:
    """What `snakemake` does for one release in ``folder``; the installed folder."""
    with inside(folder):
        _validate_and_install(_make(benchmark, release, table, settings))
    return folder / "results" / benchmark / release


def build_all(samples: Path, folder: Path, benchmarks: Iterable[str], **settings: object) -> Path:
    """What `snakemake` does for several sample releases; the results folder."""
    folder.mkdir(exist_ok=True)
    table, names = str(samples / "sources.yaml"), list(benchmarks)
    given = {"reread": "sample", "benchmarks": names, **settings}
    with inside(folder):
        for made in [_make(name, "sample", table, given) for name in names]:
            _validate_and_install(made)
    write_catalog(folder / "results")
    return folder / "results"


def make(
    folder: Path, benchmark: str, release: str, table: str = "sources.yaml", **settings: object
) -> Made:
    """The same up to validation, for tests of validation; paths are relative to ``folder``."""
    with inside(folder):
        return _make(benchmark, release, table, settings)


def _make(benchmark: str, release: str, table: str, settings: dict) -> Made:
    given = {"sources": table, "benchmarks": [benchmark], "shards": 2, "reread": "all"}
    config = read_config({**given, **settings}, SCHEMA, ROOT)
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
    parquet = work / "parquet"
    assemble_step(
        fetched, work / "plan.json", shards, parquet, partial=partial, provenance=row.provenance
    )
    files = {
        "sqlite": work / f"{benchmark}.sqlite",
        "hdf5": work / "curves.h5",
        "nni": work / "nni" / f"{DATABASES.get(benchmark)}.db",
    }
    others = {form: files[form] for form in forms[1:]}
    for form, path in others.items():
        {"sqlite": write_sqlite, "hdf5": write_hdf5, "nni": write_nni}[form](parquet, path)
    return Made(config, row, work, fetched, others)


def _validate_and_install(made: Made) -> None:
    row, parquet, report = made.row, made.work / "parquet", made.work / "validation.json"
    other = made.config.counterpart_of(row)
    validate_step(
        made.fetched,
        parquet,
        report,
        forms=made.config.forms_of(row.benchmark),
        partial=made.config.is_partial(row),
        reread=made.config.reread,
        counterpart=Path("build", other.benchmark, other.key, "parquet") if other else None,
    )
    install(
        Path("results", row.benchmark, row.release),
        parquet=parquet,
        forms=made.others,
        validation=report,
        description={**row.provenance, "status": row.status},
    )
