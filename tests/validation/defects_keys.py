"""Defects of the keys of tables: one for each table of a benchmark."""

from __future__ import annotations

from tampering import Copy, defect

from nasbase.tables.catalogue import tables


def first_row_twice(table: str):
    def change(copy: Copy) -> None:
        copy.edit(table, lambda rows: [rows[0], *rows])

    change.__name__ = f"{table}_row_twice"
    return change


for name, description in tables("nds").items():
    key = description.key[0]
    what = "The first row is there twice."
    defect("nds", name, what, {f"all.key.{name}": f"'{key}': "})(first_row_twice(name))
