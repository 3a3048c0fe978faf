"""Good builds, copies of them that can be changed, and what a defect is."""

from __future__ import annotations

import bz2
import hashlib
import io
import json
import os
import pickle
import shutil
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from releases import frame
from stepwise import make

from nasbase.benchmarks import room_of
from nasbase.benchmarks.room import RawRelease
from nasbase.checks.check import Artifacts
from nasbase.sources.fetched import read_fetched
from nasbase.store.hdf5 import write_hdf5
from nasbase.store.nni import DATABASES
from nasbase.store.nni.writer import write_nni
from nasbase.store.parquet import TableWriter
from nasbase.store.sqlite import write_sqlite
from nasbase.tables.arrow import arrow_schema
from nasbase.tables.catalogue import series, tables
from nasbase.tables.derive import mean_rows, nan_notes
from nasbase.tables.summaries import write_summaries

Rows = list[dict[str, Any]]

WRITERS = {"sqlite": write_sqlite, "hdf5": write_hdf5, "nni": write_nni}

FORMS = {
    "nb101": ("sqlite", "nni"),
    "nb201": ("sqlite", "hdf5", "nni"),
    "nats_tss": ("sqlite", "hdf5"),
    "nats_sss": ("sqlite", "hdf5"),
    "nds": ("sqlite", "hdf5", "nni"),
}


# ---------------------------------------------------------------------------------------------
# what a defect is


@dataclass(frozen=True)
class Defect:
    """One defect: what is done to a good build, and the checks that have to notice.

    Attributes
    ----------
    id, what
        Name, and what is done in one sentence.
    benchmark, where
        Build that is damaged, and the piece of it.
    checks
        Check -> words that its examples must hold; ``{place}`` is what ``change`` returns.
    change
        Does it, to a copy.
    forms
        Forms beside Parquet that the copy has.
    severity
        Of the checks: a warning must be recorded, an error must stop the build.
    whole
        Whether all checks are run, and not only those that have to notice.
    """

    id: str
    what: str
    benchmark: str
    where: str
    checks: Mapping[str, str]
    change: Callable[[Copy], str | None] = field(repr=False)
    forms: tuple[str, ...] = ()
    severity: str = "error"
    whole: bool = False


DEFECTS: list[Defect] = []


def defect(
    benchmark: str, where: str, what: str, checks: Mapping[str, str], **marks: Any
) -> Callable[[Callable[[Copy], str | None]], Callable[[Copy], str | None]]:
    """Put a function on the list of defects under its own name."""

    def listed(change: Callable[[Copy], str | None]) -> Callable[[Copy], str | None]:
        name = change.__name__.replace("_", "-")
        DEFECTS.append(Defect(name, what, benchmark, where, checks, change, **marks))
        return change

    return listed


# ---------------------------------------------------------------------------------------------
# good builds


@dataclass(frozen=True)
class Good:
    """A build as `snakemake` leaves it before installation, and the raw release it was made of.

    ``counterpart`` are the tables of the build that it is compared with.
    """

    benchmark: str
    work: Path
    raw: RawRelease
    counterpart: Path | None = None

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file that a defect may change, by name."""
        return digests([*self.work.rglob("*"), *(file.path for file in self.raw.files)])


def digests(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of files by name."""
    files = [path for path in paths if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def good_build(folder: Path, benchmark: str, sources: str, **settings: Any) -> Good:
    """Build the sample release of a folder up to validation; only what that looks at is kept."""
    made = make(folder, benchmark, "sample", sources, **settings)
    work, raw = folder / made.work, read_fetched(folder / made.fetched)
    files = tuple(replace(file, path=folder / file.path) for file in raw.files)
    shutil.rmtree(work / "shards")
    (work / "plan.json").unlink()
    partial = made.config.is_partial(made.row)
    return Good(benchmark, work, replace(raw, files=files, partial=partial))


# ---------------------------------------------------------------------------------------------
# copies


class Copy:
    """A copy of a good build: files are links to the good ones until they are changed."""

    def __init__(self, good: Good, folder: Path, forms: Sequence[str]) -> None:
        self.benchmark = good.benchmark
        self.folder = folder
        self.parquet = folder / "parquet"
        names = [path.relative_to(good.work) for path in good.work.rglob("*") if path.is_file()]
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(good.work / name, folder / name)
        files = []
        for file in good.raw.files:
            os.link(file.path, folder / file.name)
            files.append(replace(file, path=folder / file.name))
        self.raw = replace(good.raw, files=tuple(files))
        self.forms = tuple(forms)
        self.counterpart = good.counterpart

    @property
    def artifacts(self) -> Artifacts:
        """What validation gets."""
        return Artifacts(
            benchmark=self.benchmark,
            release=self.raw.release,
            folder=self.parquet,
            partial=self.raw.partial,
            synthetic=self.raw.synthetic,
            forms=("parquet", *self.forms),
            others=self.folder,
            counterpart=self.counterpart,
        )

    def own(self, path: Path) -> Path:
        """A file that can be changed without changing the good one."""
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
        return path

    def digests(self) -> dict[str, str]:
        """SHA-256 of every file, by name."""
        return digests(self.folder.rglob("*"))

    # ------------------------------------------------------------------ Parquet

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.parquet / f"{name}.parquet")

    def rows(self, name: str) -> Rows:
        return self.table(name).to_pylist()

    def row(self, name: str, /, **key: Any) -> dict[str, Any]:
        """The first row with these values."""
        return next(row for row in self.rows(name) if row.items() >= key.items())

    def marks(self, name: str = "architectures") -> dict[str, str]:
        """What a Parquet file says of its build."""
        metadata = pq.read_metadata(self.parquet / f"{name}.parquet").metadata
        text = {key.decode(): value.decode() for key, value in metadata.items()}
        made = ("nasbase.table", "nasbase.rows", "nasbase.digest", "ARROW:schema")
        return {key: value for key, value in text.items() if key not in made}

    def write(self, name: str, rows: Rows | pa.Table, **marks: str) -> None:
        """Write a table as a build does: rows and digest in its metadata are those of its rows."""
        path, table = self.parquet / f"{name}.parquet", tables(self.benchmark)[name]
        if isinstance(rows, list):
            rows = pa.Table.from_pylist(rows, schema=arrow_schema(table))
        metadata = self.marks(name) | {f"nasbase.{key}": value for key, value in marks.items()}
        path.unlink()
        with TableWriter(path, table, metadata) as writer:
            writer.write(rows)

    def write_stale(self, name: str, table: pa.Table) -> None:
        """Write a table whose metadata, digest included, is that of the good one."""
        path = self.parquet / f"{name}.parquet"
        metadata = pq.read_schema(path).metadata | pq.read_metadata(path).metadata
        metadata.pop(b"ARROW:schema", None)
        path.unlink()
        pq.write_table(table.replace_schema_metadata(metadata), path)

    def edit(self, name: str, change: Callable[[Rows], Rows | None]) -> None:
        """Change the rows of a table in place, or give other ones."""
        rows = self.rows(name)
        self.write(name, change(rows) or rows)

    def put(self, name: str, column: str, value: Any, /, **key: Any) -> None:
        """Set a column of the rows with these values; ``value`` may compute it from the row."""
        rows = self.rows(name)
        chosen = [row for row in rows if row.items() >= key.items()]
        assert chosen, f"{name} has no row {key}"
        for row in chosen:
            row[column] = value(row) if callable(value) else value
        self.write(name, rows)

    def exchange(self, name: str, columns: Sequence[str], one: dict, two: dict) -> None:
        """Exchange columns of two rows, or of the rows of two keys in their order."""
        rows = self.rows(name)
        firsts, seconds = ([r for r in rows if r.items() >= key.items()] for key in (one, two))
        assert firsts
        for first, second in zip(firsts, seconds, strict=True):
            for column in columns:
                first[column], second[column] = second[column], first[column]
        self.write(name, rows)

    def scale(self, columns: Sequence[str], factor: float) -> None:
        """Multiply columns of curves and trials: another unit."""
        for name in ("curves", "trials"):
            table = self.table(name)
            for column in set(columns) & set(table.column_names):
                values = table[column].to_numpy() * factor
                mask = np.asarray(table[column].is_null())
                at = table.column_names.index(column)
                table = table.set_column(at, column, pa.array(values, mask=mask))
            self.write(name, table)

    def swap_columns(self, one: str, two: str) -> None:
        """Exchange two columns of curves and trials."""
        for name in ("curves", "trials"):
            table = self.table(name)
            names = [{one: two, two: one}.get(column, column) for column in table.column_names]
            self.write(name, table.rename_columns(names))

    # ------------------------------------------------------------------ what follows

    def finals(self) -> None:
        """Make the last values in trials those of the curves, and the sums of their times."""
        ends = {r["trial_id"]: r for r in self.rows("curves") if r["epoch"] == r["num_epochs"]}
        names = [column.name for column in series(self.benchmark)]
        rows = self.rows("trials")
        for row in rows:
            end = ends.get(row["trial_id"], {})
            row |= {name: end.get(name) for name in names}
            if "elapsed_train_time_s" in names:
                row["train_time_total_s"] = row["elapsed_train_time_s"]
        self.write("trials", rows)
        if "train_time_s" in names:
            self.total_times()

    def total_times(self) -> None:
        """Make the sums of times in trials those of the curves."""
        times: dict[int, list[float]] = {}
        for row in self.rows("curves"):
            if row["train_time_s"] is not None:
                times.setdefault(row["trial_id"], []).append(row["train_time_s"])
        rows = self.rows("trials")
        for row in rows:
            own = times.get(row["trial_id"], [])
            total = 0.0
            for value in own:
                total += value
            row["train_time_total_s"] = total if len(own) == row["num_epochs"] else None
        self.write("trials", rows)

    def follow(self, *, finals: bool = False) -> None:
        """Compute what follows from the changed tables, as a build with the defect would have."""
        if finals:
            self.finals()
        trials, room = self.table("trials"), room_of(self.benchmark)
        means = mean_rows(self.benchmark, trials)
        self.write("means", means)
        notes = [row for row in self.rows("notes") if row["key"] is None]
        notes += map(dict, room.annotate(room.costs(self.table("architectures")), trials))
        noted = ["trials", "means", *(["curves"] if self.benchmark == "nb101" else [])]
        for name in noted:
            notes += map(dict, nan_notes(tables(self.benchmark)[name], self.table(name)))
        for number, note in enumerate(notes):
            note["note_id"] = number
        self.write("notes", notes)
        self.summaries()

    def summaries(self) -> None:
        """Compute the tables that sum the build up once more."""
        marks = self.marks()
        for name in ("best", "rank_correlation"):
            (self.parquet / f"{name}.parquet").unlink()
        write_summaries(self.benchmark, self.parquet, marks)

    def write_forms(self) -> None:
        """Write the other forms from the changed tables: they agree with them."""
        for form in self.forms:
            path = self.path(form)
            path.unlink()
            WRITERS[form](self.parquet, path)

    # ------------------------------------------------------------------ other forms

    def path(self, form: str) -> Path:
        name = self.benchmark
        files = {"sqlite": f"{name}.sqlite", "hdf5": "curves.h5"}
        return self.folder / (files.get(form) or f"nni/{DATABASES[name]}.db")

    @contextmanager
    def database(self, form: str = "sqlite") -> Iterator[sqlite3.Connection]:
        """SQLite's database, or NNI's, to be changed."""
        with closing(sqlite3.connect(self.own(self.path(form)))) as database:
            yield database
            database.commit()

    def execute(self, statement: str, *values: Any, form: str = "sqlite") -> None:
        """Change rows of a database; it must not leave all as they were."""
        with self.database(form) as database:
            assert database.execute(statement, values).rowcount != 0

    @contextmanager
    def tensors(self) -> Iterator[h5py.File]:
        """The HDF5 file, to be changed."""
        with h5py.File(self.own(self.path("hdf5")), "r+") as file:
            yield file

    # ------------------------------------------------------------------ raw files

    @property
    def raw_file(self) -> Path:
        (file,) = self.raw.files
        return file.path

    def raw_bytes(self, change: Callable[[bytes], bytes]) -> None:
        """Change the bytes of the raw file."""
        path = self.own(self.raw_file)
        path.write_bytes(change(path.read_bytes()))

    def raw_records(self, change: Callable[[list[bytes]], list[bytes] | None]) -> None:
        """Change the records of a TFRecord file; its checksums are right again."""
        data, payloads, at = self.raw_file.read_bytes(), [], 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 8], "little")
            payloads.append(data[at + 12 : at + 12 + length])
            at += length + 16
        payloads = change(payloads) or payloads
        self.own(self.raw_file).write_bytes(b"".join(map(frame, payloads)))

    def raw_members(self, change: Callable[[dict[str, bytes]], None]) -> None:
        """Change the members of a tar."""
        with tarfile.open(self.raw_file) as archive:
            members = [(m, archive.extractfile(m)) for m in archive]
            found = {m.name: stream.read() for m, stream in members if stream is not None}
        change(found)
        with tarfile.open(self.own(self.raw_file), "w") as archive:
            for name, data in found.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    def raw_record(self, index: int, change: Callable[[dict], None]) -> None:
        """Change the record of one architecture in a tar."""

        def edit(members: dict[str, bytes]) -> None:
            (name,) = (name for name in members if name.endswith(f"{index:06d}.pickle.pbz2"))
            record = pickle.loads(bz2.decompress(members[name]))
            change(record)
            members[name] = bz2.compress(pickle.dumps(record, 4))

        self.raw_members(edit)

    def raw_jobs(self, stem: str, change: Callable[[Any], Any]) -> None:
        """Change the jobs of one file of NDS; giving nothing leaves the file out."""
        with zipfile.ZipFile(self.raw_file) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        (name,) = (name for name in members if name.endswith(f"/{stem}.json"))
        document = change(json.loads(members[name]))
        if document is None:
            del members[name]
        else:
            members[name] = json.dumps(document).encode()
        with zipfile.ZipFile(self.own(self.raw_file), "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in members.items():
                archive.writestr(member, data)


def next_up(value: float) -> float:
    """One unit in the last place more."""
    return float(np.nextafter(value, np.inf))
