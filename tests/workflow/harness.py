"""Whole-workflow tests run `snakemake` itself, in folders of their own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from nasbase.cli import main

ROOT = Path(__file__).resolve().parents[2]


_SUMS = ("all", "total")
"""Lines of a dry run's table that are no jobs of their own."""


@dataclass
class Result:
    """What a run of snakemake did."""

    code: int
    text: str

    @property
    def rules(self) -> list[str]:
        """Rules of the jobs that finished, in alphabetical order, `all` aside."""
        return sorted(
            r for r in re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", self.text) if r != "all"
        )

    @property
    def planned(self) -> list[str]:
        """Rules of the jobs that a dry run lists, in alphabetical order, `all` aside."""
        (table,) = re.findall(r"^job +count\n-[- ]*\n((?:\w+ +\d+\n)+)", self.text, re.M)[:1]
        counts = (line.split() for line in table.splitlines())
        return [r for r, count in sorted(counts) for _ in range(int(count)) if r not in _SUMS]

    @property
    def nothing_to_do(self) -> bool:
        return "Nothing to be done" in self.text


@dataclass
class Workflow:
    """A working folder, and the workflow that runs in it."""

    folder: Path
    root: Path = ROOT
    config: dict = field(default_factory=dict)

    def command(self, *arguments: str, cores: int = 2, **config) -> list[str]:
        given = {**self.config, **config}
        pairs = [
            f"{key}={value if isinstance(value, str) else json.dumps(value)}"
            for key, value in given.items()
        ]
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(self.root / "Snakefile")]
        return [
            *snakemake,
            "--cores",
            str(cores),
            *arguments,
            *(["--config", *pairs] if pairs else []),
        ]

    def run(self, *arguments: str, ok: bool = True, **settings) -> Result:
        done = subprocess.run(
            self.command(*arguments, **settings),
            cwd=self.folder,
            env=environment(),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        result = Result(done.returncode, done.stdout)
        assert not ok or result.code == 0, result.text
        assert ok or result.code != 0, result.text
        return result

    def results(self, benchmark: str, release: str = "sample") -> Path:
        return self.folder / "results" / benchmark / release

    def manifest(self, benchmark: str, release: str = "sample") -> dict:
        return json.loads((self.results(benchmark, release) / "manifest.json").read_text())

    def digests(self) -> dict[str, str]:
        """SHA-256 of everything that is installed, by path."""
        return digests(self.folder / "results")

    def edit_table(self, change) -> None:
        path = self.folder / "samples" / "sources.yaml"
        table = yaml.safe_load(path.read_text())
        change(table)
        path.write_text(yaml.safe_dump(table, sort_keys=False))


def environment() -> dict[str, str]:
    """The environment of a job: the interpreter that runs the tests comes first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path}


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".snakemake_timestamp"
    }


def sample(out: Path, benchmark: str, architectures: int = 12, seed: int = 1, **options) -> None:
    """Write a sample release and add it to ``out/sources.yaml``."""
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
    numbers = [f"--architectures={architectures}", f"--seed={seed}"]
    assert main(["sample", f"--benchmark={benchmark}", *numbers, *flags, str(out)]) == 0


def workflow_in(folder: Path, samples: Path, **config) -> Workflow:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(samples, folder / "samples")
    return Workflow(folder, config=settings(**config))


def settings(**config) -> dict:
    """The configuration of a test's workflow."""
    # Pages are no artifacts, and their cost is not that of a test about artifacts.
    return {"sources": "samples/sources.yaml", "shards": 2, "report": False, **config}
