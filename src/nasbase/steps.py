"""The steps of a build, as the workflow's scripts call them: files in, files out.

Each step imports what it needs when it runs: the modules that a step loads are the ones that its
rule declares as inputs, and a test compares the two.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasbase.benchmarks import room_of
from nasbase.benchmarks.room import Plan, RawRelease
from nasbase.sources.fetched import ensure_linked, read_fetched, write_fetched
from nasbase.sources.store import Store
from nasbase.staging import staged_file, staged_folder

if TYPE_CHECKING:
    from nasbase.checks.raw import Extent
    from nasbase.config import BuildConfig

logger = logging.getLogger(__name__)

STORE = Path("resources/store")
RAW = Path("resources/raw")


def fetch_step(config: BuildConfig, benchmark: str, release: str, fetched: Path) -> None:
    """Obtain, verify and link the files of a release."""
    from nasbase.sources.obtain import fetch_release

    raw = fetch_release(
        config.table,
        benchmark,
        release,
        store_dir=STORE,
        raw_dir=RAW,
        dropin=config.dropin,
        disk_factor=room_of(benchmark).disk_factor,
    )
    write_fetched(fetched, raw)


def raw_release(fetched: Path, *, partial: bool) -> RawRelease:
    """The raw files of a release; a file that was deleted comes back from the store."""
    raw = replace(read_fetched(fetched), partial=partial)
    ensure_linked(raw, Store(STORE))
    return raw


def plan_step(fetched: Path, plan: Path, *, shards: int, partial: bool) -> None:
    """Cut a release into shards, after a look at the free disk that its build needs."""
    from nasbase.sources.disk import check_free_disk

    raw = raw_release(fetched, partial=partial)
    this = room_of(raw.benchmark)
    needed = int(this.disk_factor * sum(file.bytes for file in raw.files))
    needs = {f"{raw.benchmark} {raw.release}": needed}
    check_free_disk(plan.parent, needs, purpose=f"building {raw.where}")
    made = this.plan(raw, shards)
    document = {"expected": dict(made.expected), "shards": list(made.shards)}
    with staged_file(plan) as temporary:
        temporary.write_text(json.dumps(document) + "\n")


def read_plan(path: Path) -> Plan:
    """The plan that `plan_step` wrote."""
    document = json.loads(path.read_text())
    return Plan(shards=document["shards"], expected=document["expected"])


def convert_step(fetched: Path, plan: Path, shard: Path, *, partial: bool) -> None:
    """Turn one shard (``.../<number>-of-<count>``) of a release into sorted runs."""
    from nasbase.tables.runs import write_runs

    raw = raw_release(fetched, partial=partial)
    number = int(shard.name.split("-")[0])
    batches = room_of(raw.benchmark).decode(raw, read_plan(plan).shards[number])
    with staged_folder(shard) as folder:
        write_runs(raw.benchmark, batches, folder)


def assemble_step(
    fetched: Path,
    plan: Path,
    shards: Sequence[Path],
    parquet: Path,
    *,
    partial: bool,
    provenance: Mapping[str, Any],
) -> None:
    """Merge the shards of a release into its Parquet tables."""
    from nasbase.tables.assemble import assemble

    raw = replace(read_fetched(fetched), partial=partial)
    marks = {"release": raw.release, "synthetic": raw.synthetic, **provenance}
    sources = [
        {"file": f.name, "form": f.form, "bytes": f.bytes, "sha256": f.sha256, **marks}
        for f in raw.files
    ]
    with staged_folder(parquet) as folder:
        contents = assemble(
            room_of(raw.benchmark),
            raw,
            expected=read_plan(plan).expected,
            folders=shards,
            source_rows=sources,
            out=folder,
        )
    for name, content in contents.items():
        logger.info("%s: %s rows, %s", name, f"{content.rows:,}", content.digest)


def validate_step(
    fetched: Path,
    parquet: Path,
    report: Path,
    *,
    forms: Sequence[str],
    partial: bool,
    reread: Extent,
    counterpart: Path | None = None,
    processes: int = 1,
) -> None:
    """Run every check on the artifacts of a build, the raw files at hand.

    ``counterpart`` is the folder of Parquet tables that they are compared with, if there is one;
    ``processes`` checks run at once.
    """
    from nasbase.checks.check import Artifacts
    from nasbase.checks.validate import validate
    from nasbase.store.build import read_build

    build = read_build(parquet)
    artifacts = Artifacts(
        benchmark=build.benchmark,
        release=build.release,
        folder=parquet,
        partial=partial,
        synthetic=build.synthetic,
        forms=tuple(forms),
        others=parquet.parent,
        counterpart=counterpart,
    )
    raw = raw_release(fetched, partial=partial)
    validate(artifacts, report, raw=raw, reread=reread, processes=processes)
