"""What the jobs of a build used, from the last lines of their logs, and what they left on disk."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nasbase.benchmarks import NAMES
from nasbase.joblog import USED

RULES = (
    "fetch",
    "plan",
    "convert",
    "assemble",
    "sqlite",
    "hdf5",
    "nni",
    "validate",
    "install",
    "page",
)
"""Rules of one release, in the order of the data."""

_LOG = re.compile(rf"(?P<benchmark>{'|'.join(NAMES)})-.*\.log")


@dataclass(frozen=True, slots=True)
class Used:
    """What the jobs of one rule used for one release.

    Attributes
    ----------
    jobs
        Number of jobs.
    wall_s, cpu_s
        Seconds of all jobs together.
    longest_s
        Seconds of the longest job.
    peak_mb
        Resident memory of the largest job, as the operating system counted it.
    read_mb, written_mb
        Of all jobs, through system calls.
    disk_mb
        What the largest job left on disk; of shards, which are temporary, what it wrote.
    """

    benchmark: str
    rule: str
    jobs: int
    wall_s: float
    cpu_s: float
    longest_s: float
    peak_mb: float
    read_mb: float
    written_mb: float
    disk_mb: float


def used_by(folder: Path) -> list[Used]:
    """Sums per benchmark and rule of a build in ``folder``."""
    logs: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in sorted((folder / "logs").glob("*/*.log")):
        if (found := _LOG.fullmatch(path.name)) and path.parent.name in RULES:
            logs[found["benchmark"], path.parent.name].append(path)
    sizes = _disk(folder)
    return [
        _sum(benchmark, rule, logs[benchmark, rule], sizes.get((benchmark, rule), 0.0))
        for benchmark in NAMES
        for rule in RULES
        if (benchmark, rule) in logs
    ]


def _sum(benchmark: str, rule: str, logs: Sequence[Path], disk_mb: float) -> Used:
    jobs = [_last(path) for path in logs]
    if rule == "convert":
        disk_mb = max(job["written_mb"] for job in jobs)
    total = {key: round(sum(job[key] for job in jobs), 2) for key in jobs[0]}
    return Used(
        benchmark=benchmark,
        rule=rule,
        jobs=len(jobs),
        wall_s=total["wall_s"],
        cpu_s=total["cpu_s"],
        longest_s=max(job["wall_s"] for job in jobs),
        peak_mb=max(job["peak_mb"] for job in jobs),
        read_mb=total["read_mb"],
        written_mb=total["written_mb"],
        disk_mb=round(disk_mb, 2),
    )


def _last(path: Path) -> dict[str, float]:
    line = path.read_text().splitlines()[-1]
    marked, _, found = line.partition(f"INFO {USED}")
    if not found:
        raise SystemExit(f"{path} does not end with what its job used: {marked}")
    numbers: dict[str, float] = json.loads(found)
    return numbers


def _disk(folder: Path) -> dict[tuple[str, str], float]:
    """MB of what is on disk, by benchmark and rule."""
    found = {}
    for work in (folder / "build").glob("*/*"):
        name = work.parent.name
        found[name, "assemble"] = size_mb([work / "parquet"])
        found[name, "sqlite"] = size_mb([work / f"{name}.sqlite"])
        found[name, "hdf5"] = size_mb([work / "curves.h5"])
        found[name, "nni"] = size_mb([work / "nni"])
    for page in (folder / "results" / "report").glob("*.html"):
        found[page.name.partition("-")[0], "page"] = size_mb([page])
    for raw in (folder / "resources" / "raw").glob("*/*"):
        found[raw.parent.name, "fetch"] = size_mb([raw])
    return found


def size_mb(paths: Iterable[Path]) -> float:
    """Bytes of files and folders, in 10^6."""
    files = (file for path in paths for file in _files(path))
    return sum(file.stat().st_size for file in files) / 1e6


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (file for file in path.rglob("*") if file.is_file())


def plain(rows: Iterable[Used]) -> list[dict[str, object]]:
    """Rows for JSON."""
    return [asdict(row) for row in rows]
