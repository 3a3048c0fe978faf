"""Checks of the tables of words: what describes a build is what this version says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pyarrow.parquet as pq

from nasbase.benchmarks import room_of
from nasbase.benchmarks.room import RawRelease
from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.checks.computed import NOTE_SENTENCES
from nasbase.tables.catalogue import SCHEMA_VERSION, tables
from nasbase.tables.derive import column_rows

_MARKS = ("benchmark", "release", "schema", "synthetic", "partial")

_SENTENCES = {
    "columns": ("meaning",),
    "splits": ("meaning",),
    "training_setups": (),
    "notes": NOTE_SENTENCES,
}
"""Columns that hold prose, by table: another version of nasbase may put it in other words."""


_Row = Mapping[str, Any]


def described_checks() -> list[Check]:
    """The checks of this module; they hold for every benchmark."""
    return [
        Check("all.build", "Every table says that it belongs to this one build.", _build),
        Check("all.columns", "The table columns is the catalogue.", _columns),
        Check(
            "all.facts",
            "Splits, training setups and the notes on whole columns are those of the release.",
            _facts,
        ),
        Check(
            "all.citation",
            "Every raw file has a digest, a citation and licences, and names this release.",
            _citation,
        ),
    ]


def source_check(raw: RawRelease) -> Check:
    """The check that the table ``sources`` describes the raw files at hand."""

    def run(artifacts: Artifacts, outcome: Outcome) -> None:
        keys = ("file", "form", "bytes", "sha256")
        right = [(f.name, f.form, f.bytes, f.sha256) for f in raw.files]
        demanded = [dict(zip(keys, row, strict=True)) for row in right]
        found = [{key: row[key] for key in keys} for row in _rows(artifacts, "sources")]
        _same_rows("sources", found, demanded, (), outcome)
        for file in raw.files:
            size = file.path.stat().st_size
            wrong = f"{file.name} has {size} bytes, not {file.bytes}"
            outcome.count(1, [wrong] if size != file.bytes else [])

    return Check("all.sources", "The table sources describes the raw files.", run)


def _rows(artifacts: Artifacts, table: str) -> list[dict[str, Any]]:
    return artifacts.table(table).to_pylist()


def _build(artifacts: Artifacts, outcome: Outcome) -> None:
    said = (artifacts.benchmark, artifacts.release, SCHEMA_VERSION)
    marks = [str(artifacts.synthetic).lower(), str(artifacts.partial).lower()]
    right = dict(zip(_MARKS, [*map(str, said), *marks], strict=True))
    for name in tables(artifacts.benchmark):
        metadata = pq.read_metadata(artifacts.path(name)).metadata or {}
        found = {key: metadata.get(f"nasbase.{key}".encode(), b"").decode() for key in right}
        differ = [f"{key} {found[key]}" for key in right if found[key] != right[key]]
        outcome.count(len(right), [f"{name}: {one}" for one in differ])


def _columns(artifacts: Artifacts, outcome: Outcome) -> None:
    demanded = column_rows(tables(artifacts.benchmark).values())
    _described(artifacts, "columns", _rows(artifacts, "columns"), demanded, outcome)


def _facts(artifacts: Artifacts, outcome: Outcome) -> None:
    facts = room_of(artifacts.benchmark).facts(artifacts.release)
    notes = [row for row in _rows(artifacts, "notes") if row["key"] is None]
    for row in notes:
        del row["note_id"]
    _described(artifacts, "splits", _rows(artifacts, "splits"), facts.splits, outcome)
    setups = _rows(artifacts, "training_setups")
    _described(artifacts, "training_setups", setups, facts.training_setups, outcome)
    _described(artifacts, "notes", notes, facts.notes, outcome)


def _described(
    artifacts: Artifacts,
    table: str,
    found: Collection[_Row],
    demanded: Collection[_Row],
    outcome: Outcome,
) -> None:
    """Compare rows without their sentences; then the sentences of the rows that are right."""
    prose = _SENTENCES[table]
    _same_rows(table, found, demanded, prose, outcome)
    facts, whole = ({_items(row, without) for row in demanded} for without in (prose, ()))
    right = [row for row in found if _items(row, prose) in facts]
    other = [f"{table} has {dict(_items(row))}" for row in right if _items(row) not in whole]
    outcome.count_sentences(artifacts.made_by, table, len(right), other)


def _same_rows(
    table: str,
    found: Iterable[_Row],
    demanded: Iterable[_Row],
    without: Collection[str],
    outcome: Outcome,
) -> None:
    """Compare rows in whatever order, without some columns; what is left out is NULL."""
    mine, right = (Counter(_items(row, without) for row in rows) for rows in (found, demanded))
    lost = [f"{table} has not {dict(row)}" for row in (right - mine).elements()]
    more = [f"{table} has {dict(row)}" for row in (mine - right).elements()]
    outcome.count(right.total() + len(more), lost + more)


def _items(row: _Row, without: Collection[str] = ()) -> tuple[tuple[str, Any], ...]:
    kept = [(key, row[key]) for key in sorted(row) if key not in without]
    return tuple(item for item in kept if item[1] is not None)


def _citation(artifacts: Artifacts, outcome: Outcome) -> None:
    rows = _rows(artifacts, "sources")
    outcome.count(1, [] if rows else ["sources has no row"])
    for row in rows:
        words = ("citation", "code_licence", "data_licence", "sha256")
        wrong = [name for name in words if not row[name].strip()]
        wrong += ["release"] if row["release"] != artifacts.release else []
        wrong += ["synthetic"] if row["synthetic"] != artifacts.synthetic else []
        outcome.count(len(words) + 2, [f"{row['file']}: {name} {row[name]!r}" for name in wrong])
