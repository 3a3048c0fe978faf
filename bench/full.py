"""Whole releases: what it costs to build them, rule by rule, beside floors of the same run.

    python bench/full.py                                # 1, 10 and 100 % of all five releases
    python bench/full.py --percent 1 --benchmarks nds   # a first look
    python bench/full.py --built                        # floors and queries only, of what stands

Made-up releases in upstream's formats are written once and kept. Each is built by `snakemake`, as a
user would: first every form of every release, then the rest (validation, installation, report).
The floors (`floors.py`) are what the libraries below need for the same bytes and rows without any
of ours.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import full_page
from floors import RELEASE, floors
from jobs import plain, size_mb, used_by
from points import point_queries_us
from report import machine

from nasbase.benchmarks import NAMES, room_of
from nasbase.sources.table import SourcesTable
from nasbase.steps import read_plan
from nasbase.store.nni import DATABASES

ROOT = Path(__file__).resolve().parents[1]

WHOLE = {
    "nb101": 423_624,
    "nb201": 15_625,
    "nats_tss": 15_625,
    "nats_sss": 32_768,
    "nds": 180_000,
}
"""Architectures of a whole release; for NDS trainings."""

OPTIONS = {"nb101": ["--order=shuffled"]}
"""The order of upstream's records is not known for certain; none is harder than no order."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the samples, build them, measure, write the page; the result is the exit status."""
    given = _arguments(arguments)
    cache = given.cache.absolute()
    if given.built:
        builds = json.loads((given.out / "full.json").read_text())["builds"]
    else:
        builds = {
            f"{percent:g}": build(cache, percent, given.benchmarks, given.cores)
            for percent in given.percent
        }
    largest = cache / max(builds, key=float)
    found = {
        "machine": machine(),
        "cores": given.cores,
        "benchmarks": given.benchmarks,
        "builds": builds,
        "point_us": {name: point_queries(cache, [*builds], name) for name in given.benchmarks},
        "floors": {name: floors(name, largest, given.cores) for name in given.benchmarks},
        "shards": {} if given.no_scaling else scaling(largest, given.benchmarks),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "full.json").write_text(json.dumps(found, indent=1) + "\n")
    full_page.write(found, given.out)
    print((given.out / "full.md").read_text())
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Cost of building whole releases.")
    parser.add_argument("--percent", type=_numbers, default=[1, 10, 100], metavar="1,10,100")
    parser.add_argument("--benchmarks", type=_names, default=list(NAMES), metavar=",".join(NAMES))
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--built", action="store_true", help="keep the builds of the last run")
    parser.add_argument("--no-scaling", action="store_true", help="do not convert on one core, too")
    parser.add_argument("--cache", type=Path, default=Path("build/bench/full"))
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[float]:
    return sorted(float(part) for part in text.split(","))


def _names(text: str) -> list[str]:
    return [name for name in NAMES if name in text.split(",")]


# ---------------------------------------------------------------------------------------------
# samples and builds


def write_sample(out: Path, name: str, percent: float) -> None:
    """Write a made-up release, once; its table says that it is whole or partial."""
    if (out / f"{name}.written").exists():
        return
    count = max(50, round(WHOLE[name] * percent / 100))
    options = [f"--benchmark={name}", f"--architectures={count}", "--seed=1"]
    command = [sys.executable, "-m", "nasbase.cli", "sample", *options, *OPTIONS.get(name, [])]
    start = perf_counter()
    subprocess.run([*command, str(out)], check=True, stdout=subprocess.DEVNULL)
    (out / f"{name}.written").write_text(f"{perf_counter() - start:.0f} s\n")


def build(cache: Path, percent: float, benchmarks: Sequence[str], cores: int) -> dict[str, Any]:
    """Build releases from nothing; wall seconds of both halves, and what each rule used."""
    folder = cache / f"{percent:g}"
    for name in benchmarks:
        write_sample(folder / "samples", name, percent)
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    table = SourcesTable.load(folder / "samples" / "sources.yaml")
    config = {"sources": table.path, "benchmarks": ",".join(benchmarks)}
    releases = [table.release(name, RELEASE) for name in benchmarks]
    forms = [
        f"build/{r.benchmark}/{r.key}/{form}" for r in releases for form in _forms(r.benchmark)
    ]
    seconds = {
        "forms_s": snakemake(work, forms, cores, config),
        "rest_s": snakemake(work, [], cores, config),
    }
    raw = {name: size_mb([work / "resources" / "raw" / name]) for name in benchmarks}
    parquet = {
        r.benchmark: size_mb([work / "build" / r.benchmark / r.key / "parquet"]) for r in releases
    }
    return {
        **seconds,
        "raw_mb": raw,
        "parquet_mb": parquet,
        "rules": plain(used_by(work)),
    }


def point_queries(cache: Path, sizes: Sequence[str], name: str) -> dict[str, float]:
    """Microseconds of a point query in the installed builds of one benchmark, by their size."""
    installed = Path("work", "results", name, RELEASE, f"{name}.sqlite")
    asked = point_queries_us([cache / size / installed for size in sizes])
    return dict(zip(sizes, asked, strict=True))


def _forms(benchmark: str) -> Iterable[str]:
    yield f"{benchmark}.sqlite"
    if benchmark in DATABASES:
        yield f"nni/{DATABASES[benchmark]}.db"
    if benchmark != "nb101":
        yield "curves.h5"


def snakemake(
    work: Path, targets: Sequence[str], cores: int, config: Mapping[str, object], *options: str
) -> float:
    """Run the workflow in ``work``; its wall seconds."""
    pairs = [f"{key}={value}" for key, value in config.items()]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += [*targets, f"--cores={cores}", *options, "--config", *pairs]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    start = perf_counter()
    with (work / "snakemake.log").open("a") as log:
        subprocess.run(
            command, cwd=work, env={**os.environ, "PATH": path}, check=True, stdout=log, stderr=log
        )
    return round(perf_counter() - start, 2)


# ---------------------------------------------------------------------------------------------
# shards on one core and on two


def scaling(folder: Path, benchmarks: Sequence[str]) -> dict[str, dict[str, float]]:
    """Wall seconds of converting all shards of a planned release, by cores: the faster of two."""
    work = folder / "work"
    table = SourcesTable.load(folder / "samples" / "sources.yaml")
    found: dict[str, dict[str, float]] = {}
    for name in benchmarks:
        if room_of(name).max_shards == 1:
            continue
        release = table.release(name, RELEASE)
        config = {"sources": table.path, "benchmarks": name, "report": "false"}
        built = Path("build", name, release.key)
        count = len(read_plan(work / built / "plan.json").shards)
        shards = [f"{built}/shards/{i:03d}-of-{count:03d}" for i in range(count)]
        times: dict[str, list[float]] = {"1": [], "2": []}
        for cores in (1, 2, 2, 1):  # in turn, so that both meet the same machine
            options = ["--notemp", "--force", "--allowed-rules=convert"]
            times[str(cores)].append(snakemake(work, shards, cores, config, *options))
            for shard in shards:
                shutil.rmtree(work / shard)
        found[name] = {cores: min(seconds) for cores, seconds in times.items()}
    return found


if __name__ == "__main__":
    sys.exit(main())
