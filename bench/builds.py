"""What is asked: sample releases, built as the workflow builds them, and kept in a cache folder.

The builds of whole spaces are there for questions about all architectures. That of NAS-Bench-101 is
a sample release of all its 423,624 cells under one schedule. That of NATS-Bench's topology space
would take some ten minutes to write and decode; so its shards are made up directly, with every
training of every cell but only the last epoch of each curve: the tables that such questions read
(`architectures`, `costs`, `trials`, `means`, `notes`) have their full size.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from nasbase.benchmarks import room_of
from nasbase.benchmarks.room import Batch, RawRelease
from nasbase.checks.check import Artifacts
from nasbase.checks.validate import validate
from nasbase.cli import main as command
from nasbase.sources.fetched import write_fetched
from nasbase.sources.obtain import fetch_release
from nasbase.sources.table import SourcesTable
from nasbase.steps import assemble_step, convert_step, plan_step
from nasbase.store.install import install, write_catalog
from nasbase.store.sqlite import write_sqlite
from nasbase.tables.assemble import assemble
from nasbase.tables.runs import write_runs
from nasbase.tables.shards import shard_trials

SAMPLE, WHOLE = "sample", "sample-whole-space"
"""Releases: some architectures with all that is recorded of them; all, for questions about all."""

SAID = {
    "citation": "Made-up numbers; nothing to cite.",
    "homepage": None,
    "code_licence": "MIT",
    "data_licence": "made-up numbers, no rights reserved",
}

SPLITS = {
    "cifar10": ("train", "ori_test"),
    "cifar10-valid": ("train", "x_valid", "ori_test"),
    "cifar100": ("train", "x_valid", "x_test", "ori_test"),
    "ImageNet16-120": ("train", "x_valid", "x_test", "ori_test"),
}
"""Splits on which a network of the topology space was evaluated after its last epoch."""

SEEDS = {12: (111,), 200: (777, 888, 999)}


def topology_sample(folder: Path, architectures: int) -> Path:
    """Write and build a directory-form sample of NATS-Bench's topology space, once.

    Returns
    -------
    Path
        The released directory, which nats_bench reads with ``fast_mode=True``; the build is
        installed in ``folder / "results"``.
    """
    options = [f"--architectures={architectures}", "--form=dir"]
    sample_build("nats_tss", SAMPLE, folder, options)
    return folder / "samples" / "NATS-tss-sample-simple"


def whole_cells(folder: Path) -> None:
    """Build a sample of all cells of NAS-Bench-101 under the 108-epoch schedule, once."""
    options = ["--architectures=423624", "--schedules=108"]
    sample_build("nb101", WHOLE, folder, options)


def sample_build(name: str, release: str, folder: Path, options: Sequence[str]) -> None:
    """Write a sample release and build it in ``folder``, once."""
    if _installed(folder, name, release):
        return
    samples, work = folder / "samples", folder / "work" / name
    work.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):  # the table of sources
        arguments = ["sample", f"--benchmark={name}", f"--release={release}", *options]
        if command([*arguments, "--seed=1", str(samples)]):
            raise SystemExit(1)
    table = SourcesTable.load(samples / "sources.yaml")
    raw = fetch_release(table, name, release, store_dir=folder / "store", raw_dir=folder / "raw")
    fetched, plan, shard = work / "fetched.json", work / "plan.json", work / "000-of-001"
    write_fetched(fetched, replace(raw, partial=True))
    plan_step(fetched, plan, shards=1, partial=True)
    convert_step(fetched, plan, shard, partial=True)
    parquet = work / "parquet"
    assemble_step(fetched, plan, [shard], parquet, partial=True, provenance=SAID)
    _finish(folder, replace(raw, partial=True), parquet)


def whole_topology(folder: Path) -> None:
    """Build the whole topology space without its curves, once (see the top of this file)."""
    if _installed(folder, "nats_tss", WHOLE):
        return
    room = room_of("nats_tss")
    raw = RawRelease("nats_tss", WHOLE, files=(), partial=False, synthetic=True)
    work = folder / "work" / "topology"
    shard, parquet = work / "000-of-001", work / "parquet"
    for made in (shard, parquet):
        made.mkdir(parents=True, exist_ok=True)
    write_runs("nats_tss", _topology_batches(), shard)
    assemble(room, raw, expected={}, folders=[shard], source_rows=[], out=parquet)
    _finish(folder, raw, parquet)


def _topology_batches() -> Iterator[Batch]:
    """Made-up trainings of every cell: their identity, and the last point of each curve."""
    room = room_of("nats_tss")
    rng = np.random.default_rng(1)
    texts = room.enumeration()
    sizes = [room.architecture_costs(text, "cifar10") for text in texts]
    # Larger networks are better, up to noise: enough for a ranking to be one.
    quality = np.log([params for params, _ in sizes])
    quality = 40 + 50 * (quality - quality.min()) / np.ptp(quality)
    architectures = room.architecture_rows(range(len(texts)))
    position = 0
    for dataset in SPLITS:
        for num_epochs, seeds in SEEDS.items():
            for seed in seeds:
                trials = _trials(rng, quality, (dataset, num_epochs, seed))
                yield Batch(architectures, trials.set_column(*_position(trials, position)))
                position += 1


def _position(trials: pa.Table, position: int) -> tuple[int, pa.Field, pa.Array]:
    i = trials.schema.get_field_index("source_pos")
    return i, trials.schema.field(i), pa.array(np.full(len(trials), position, np.int32))


def _trials(
    rng: np.random.Generator,
    quality: np.ndarray,
    training: tuple[str, int, int],
) -> pa.Table:
    dataset, num_epochs, seed = training
    count = len(quality)
    columns = {
        "arch_id": np.arange(count),
        "dataset": [dataset] * count,
        "num_epochs": np.full(count, num_epochs),
        "run_order": np.full(count, seed),
        "seed": np.full(count, seed),
        "latency_s": quality / 4000,
        "source_file": ["made-up"] * count,
        "source_pos": np.zeros(count),
    }
    series = {"epoch": np.full(count, num_epochs)}
    for split in SPLITS[dataset]:
        accuracy = np.clip(quality + rng.normal(0, 1, count), 0, 100)
        series[f"{split}_acc_pct"] = np.round(accuracy, 2)
        series[f"{split}_loss"] = 2.5 - accuracy / 50
        series[f"{split}_time_s"] = quality / 10
    schema = shard_trials("nats_tss")
    arrays = []
    for field in schema:
        if field.name in series:
            one_each = pa.array(series[field.name]).cast(field.type.value_type)
            arrays.append(pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32), one_each))
        elif field.name in columns:
            arrays.append(pa.array(columns[field.name]).cast(field.type))
        else:
            arrays.append(pa.nulls(count, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _installed(folder: Path, name: str, release: str) -> bool:
    return (folder / "results" / name / release / "manifest.json").exists()


def _finish(folder: Path, raw: RawRelease, parquet: Path) -> None:
    """SQLite, validation, installation, catalogue: the last steps of the workflow."""
    work = parquet.parent
    database = work / f"{raw.benchmark}.sqlite"
    write_sqlite(parquet, database)
    artifacts = Artifacts(
        benchmark=raw.benchmark,
        release=raw.release,
        folder=parquet,
        partial=raw.partial,
        synthetic=True,
        forms=("parquet", "sqlite"),
        others=work,
    )
    validate(artifacts, work / "validation.json")
    install(
        folder / "results" / raw.benchmark / raw.release,
        parquet=parquet,
        forms={"sqlite": database},
        validation=work / "validation.json",
        description={"status": "supported", **SAID},
    )
    write_catalog(folder / "results")
