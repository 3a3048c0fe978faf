"""The page that lists every table and column, written from the catalogue.

``python -m nasbase.tables.document > docs/tables.md``
"""

from __future__ import annotations

import sys

from nasbase.tables.catalogue import BENCHMARKS, SCHEMA_VERSION, tables
from nasbase.tables.columns import Column, Table

_HEAD = f"""\
# Tables and columns

Written by `python -m nasbase.tables.document`; schema version {SCHEMA_VERSION}.

Every table is a Parquet file `results/<benchmark>/<release>/<table>.parquet` and a table of
`<benchmark>.sqlite`. Two long tables have another shape in SQLite: `curves` (except in nb101) and
`iterations` are stored as `trial_curves` and `trial_iterations`, one blob per trial. `curves.h5`
holds the curves as tensors (nb201, NATS, NDS).

* NULL means "not released" or "not applicable", never zero. A released NaN is NaN in Parquet and
  HDF5 and in the blobs; in a REAL column of SQLite it is NULL, and a row of `notes` of kind `nan`
  says so.
* Ids and `run` count from 0, `epoch` from 1 (nb101: 0, half and full schedule).
* Accuracies are percent everywhere. Times are seconds.
* Origin: *released* as upstream wrote it (at most rescaled by a factor that can be inverted
  exactly), *computed* by nasbase, *identifier*, *provenance*, or *described* by hand from
  upstream's papers and code.

## The blob of a trial

All little-endian. One byte per series, in the order of the table below without the identifying
columns: 0 absent, 1 dense, 2 constant, 3 partial; zeros up to a multiple of 8 bytes. Then, series
by series: nothing (absent); `length` float64 (dense); one float64 that holds at every point
(constant); a mask of `length` bits, first point in the lowest bit, padded to a multiple of 8 bytes,
and the float64 of the points that are present (partial). `length` is a column beside the blob.
`nasbase.store.series_blob.decode` reads it.
"""


def document() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for benchmark in BENCHMARKS:
        parts.append(f"\n## {benchmark}\n")
        parts += [_section(benchmark, table) for table in tables(benchmark).values()]
    return "".join(parts)


def _section(benchmark: str, table: Table) -> str:
    if benchmark != BENCHMARKS[0] and table == tables(BENCHMARKS[0]).get(table.name):
        return f"\n### {benchmark} `{table.name}`\n\nAs in {BENCHMARKS[0]}.\n"
    rows = "".join(_row(column) for column in table.columns)
    key = ", ".join(f"`{name}`" for name in table.key)
    return (
        f"\n### {benchmark} `{table.name}`\n\n{table.meaning} Key: {key}.\n\n"
        "| column | type | unit | meaning | upstream | origin |\n|---|---|---|---|---|---|\n" + rows
    )


def _row(column: Column) -> str:
    kind = f"{column.type}, NULL" if column.nullable else column.type
    upstream = f"`{column.upstream}`" if column.upstream else ""
    cells = (f"`{column.name}`", kind, column.unit, column.meaning, upstream, column.origin)
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(document())
