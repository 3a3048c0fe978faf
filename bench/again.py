"""The steps that floors are compared with, run again right beside them.

What a core delivers changes by half within the hour on a machine that others share, so a step and
its floor are compared as they ran one after the other, each on all cores at once.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nasbase import steps
from nasbase.sources.table import Release
from nasbase.store.sqlite import write_sqlite

SHARDS = 8


class Steps:
    """Steps of the build of one release in ``work``; what they write goes to ``scratch``.

    Each method gives the CPU seconds of its processes, imports included, and needs what those
    before it wrote.
    """

    def __init__(self, release: Release, work: Path, scratch: Path, cores: int) -> None:
        self._release = release
        self._work, self._scratch, self._cores = work.absolute(), scratch.absolute(), cores
        self._fetched = f"resources/raw/{release.benchmark}/{release.key}/fetched.json"
        self._plan = self._scratch / "plan.json"
        self._partial = {"partial": release.partial}

    def decode(self) -> float:
        """Plan, and all shards; a single one on every core."""
        fetched = Path(self._fetched)
        plan = steps.plan_step, fetched, self._plan
        seconds = self._run([(plan, {"shards": SHARDS, **self._partial})])
        shards = len(json.loads(self._plan.read_text())["shards"])
        times = -(-self._cores // shards)
        jobs = [
            ((steps.convert_step, fetched, self._plan, shard), self._partial)
            for time in range(times)
            for shard in self._shards(time, shards)
        ]
        return round(seconds + self._run(jobs) / times, 2)

    def assemble(self) -> float:
        """The tables, on every core."""
        shards = sorted(self._scratch.glob("0/*-of-*"))
        jobs = [
            (
                (steps.assemble_step, Path(self._fetched), self._plan, shards, parquet),
                {**self._partial, "provenance": self._release.provenance},
            )
            for parquet in self._each("parquet")
        ]
        return round(self._run(jobs) / self._cores, 2)

    def sqlite(self) -> float:
        """The database, on every core."""
        jobs = [
            ((write_sqlite, parquet, parquet.with_suffix(".sqlite")), {})
            for parquet in self._each("parquet")
        ]
        return round(self._run(jobs) / self._cores, 2)

    def _shards(self, time: int, count: int) -> list[Path]:
        folder = self._scratch / f"{time}"
        folder.mkdir()
        return [folder / f"{number:03d}-of-{count:03d}" for number in range(count)]

    def _each(self, name: str) -> list[Path]:
        return [self._scratch / f"{name}-{core}" for core in range(self._cores)]

    def _run(self, jobs: Sequence[tuple[tuple, dict]]) -> float:
        """Run jobs in a process each, as the workflow does; their CPU seconds."""
        with ThreadPoolExecutor(self._cores) as pool:
            return sum(pool.map(self._cpu_of, jobs))

    def _cpu_of(self, job: tuple[tuple, dict]) -> float:
        """Seconds of the processor that the operating system counts for a process."""
        alone = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, "-c", _JOB],
            stdin=subprocess.PIPE,
            cwd=self._work,
            env={**os.environ, **alone},
        )
        with process.stdin as stream:
            pickle.dump(job, stream)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{job}: status {os.waitstatus_to_exitcode(status)}")
        return used.ru_utime + used.ru_stime


_JOB = """
import pickle, sys
(step, *given), named = pickle.load(sys.stdin.buffer)
from nasbase.joblog import job_log
with job_log("/dev/null"):
    step(*given, **named)
"""
