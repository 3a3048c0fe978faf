"""Tables of a build written by hand: what a test does not say is made up."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from nasbase.store.parquet import TableWriter
from nasbase.tables.arrow import arrow_schema
from nasbase.tables.catalogue import tables

EMPTY = {"string": "", "bool": False, "float64": 0.0}


def write(folder: Path, benchmark: str, name: str, rows: list[dict]) -> None:
    """Write one table; columns that a row lacks are NULL where they may be, else 0 or empty."""
    table = tables(benchmark)[name]
    unknown = {key for row in rows for key in row} - set(table.names)
    assert not unknown, unknown
    whole = [
        {
            c.name: row.get(c.name, None if c.nullable else EMPTY.get(c.type, 0))
            for c in table.columns
        }
        for row in rows
    ]
    whole.sort(key=lambda row: [row[key] for key in table.sort_key])
    with TableWriter(folder / f"{name}.parquet", table, {}) as writer:
        writer.write(pa.Table.from_pylist(whole, schema=arrow_schema(table)))


def accuracy_tables(folder: Path, benchmark: str, trials: list[dict]) -> None:
    """Write ``trials`` and the ``means`` that follow from them: NULL unless every run has it."""
    subject = "config_id" if benchmark == "nds" else "arch_id"
    groups: dict[tuple, list[dict]] = {}
    for number, trial in enumerate(trials):
        trial["trial_id"] = number
        groups.setdefault((trial[subject], trial["dataset"], trial["num_epochs"]), []).append(trial)
    means = []
    for (identity, dataset, num_epochs), runs in groups.items():
        mean = {subject: identity, "dataset": dataset, "num_epochs": num_epochs, "n": len(runs)}
        for column in {key for run in runs for key in run if key.endswith(("_pct", "_total_s"))}:
            values = [run.get(column) for run in runs]
            if None not in values:
                mean[f"{column}_mean"] = sum(values) / len(values)
        means.append(mean)
    write(folder, benchmark, "trials", trials)
    write(folder, benchmark, "means", means)
