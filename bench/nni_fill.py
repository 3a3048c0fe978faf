"""How fast NNI's databases are filled, beside NNI's own converters on the same releases.

    python bench/nni_fill.py

NNI reads the raw file of a sample release, nasbase its Parquet tables; every row is compared before
the table is printed. Seconds are those of the CPU (of all threads), so that a busy machine does not
decide. NNI's reading of the raw file is not counted, nor is its list of the 125,000
configurations of NAS-Bench-201, which it inserts one by one: it gets those of the sample alone.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from time import process_time

import builds
import nni_database
import pyarrow.parquet as pq
from report import Line, quantity, text

from nasbase.store.nni import DATABASES
from nasbase.store.nni.writer import write_nni

DRIVER = Path(__file__).resolve().parents[1] / "tests" / "parity" / "nni_driver.py"
TARGETS = {"nb101": 30, "nb201": 15, "nds": 10}
UNITS = {"nb101": "record", "nb201": "architecture", "nds": "job"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table; the result is the exit status."""
    parser = argparse.ArgumentParser(description="Speed of filling NNI's databases, beside NNI.")
    parser.add_argument("--nb101", type=int, default=5000, help="cells (default: 5000)")
    parser.add_argument("--nb201", type=int, default=800, help="architectures (default: 800)")
    parser.add_argument("--nds", type=int, default=3000, help="jobs (default: 3000)")
    parser.add_argument("--repeat", type=int, default=3, help="times that nasbase writes")
    parser.add_argument("--cache", type=Path, default=Path("build/bench"))
    given = parser.parse_args(arguments)
    cache = given.cache.absolute()
    python = nni_database.environment(cache)
    if python is None:
        print("NNI's environment could not be made", file=sys.stderr)
        return 1
    sizes = {name: getattr(given, name) for name in TARGETS}
    print(text([*measured(cache, python, sizes, given.repeat)]))
    return 0


def measured(cache: Path, python: Path, sizes: dict[str, int], repeat: int) -> Iterator[Line]:
    """One line per benchmark: seconds for each record, architecture or job."""
    for name, size in sizes.items():
        folder = cache / f"nni-fill-{name}-{size}"
        builds.sample_build(name, builds.SAMPLE, folder, [f"--architectures={size}"])
        parquet = folder / "results" / name / builds.SAMPLE
        (raw,) = (path for path in (folder / "samples").iterdir() if path.suffix != ".yaml")
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            mine, theirs = Path(scratch, "mine.db"), Path(scratch, "theirs.db")
            took = median([ours(parquet, mine) for _ in range(repeat)])
            spent = nnis(python, name, raw, theirs)
            compare(name, mine, theirs)
        units = count(name, parquet)
        whole = f"{units:,} {UNITS[name]}s in {quantity(took, 's')}, {units / took:,.0f} per s"
        other = f"db_gen: {quantity(spent, 's')}, {units / spent:,.1f} per s"
        question = f"{DATABASES[name]}: {whole}"
        yield Line(question, took / units, other, spent / units, TARGETS[name])


def ours(parquet: Path, database: Path) -> float:
    """CPU seconds of the rule's step."""
    start = process_time()
    write_nni(parquet, database)
    return process_time() - start


def nnis(python: Path, name: str, raw: Path, database: Path) -> float:
    """CPU seconds of NNI's converter."""
    answers, questions = database.with_suffix(".json"), database.with_name("questions.json")
    questions.write_text("[]")
    command = [str(python), str(DRIVER), DATABASES[name], str(raw), str(questions), str(answers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])["seconds"]


def count(name: str, parquet: Path) -> int:
    """Records (nb101) or jobs (nds), which are trainings; architectures (nb201)."""
    table = "architectures" if name == "nb201" else "trials"
    return pq.read_metadata(parquet / f"{table}.parquet").num_rows


def compare(name: str, mine: Path, theirs: Path) -> None:
    """End the run if the databases differ: then there is nothing to compare."""
    tables = ["trialconfig", "trialstats", "intermediatestats"]
    for table in tables[name == "nb201" :]:  # NNI has been given fewer configurations
        found = []
        for path in (mine, theirs):
            with closing(sqlite3.connect(path)) as database:
                rows = database.execute(f"SELECT * FROM {name}{table} ORDER BY id")  # noqa: S608
                cut = 2 if (name, table) == ("nb201", "trialstats") else 0
                found.append([row[cut:] for row in rows])
        if found[0] != found[1]:
            raise SystemExit(f"{name}{table}: the rows differ")


if __name__ == "__main__":
    sys.exit(main())
