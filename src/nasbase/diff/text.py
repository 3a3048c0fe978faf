"""A comparison in words: the sentences and cells that the terminal and the page share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nasbase.diff.result import ColumnDiff, Diff, TableDiff

_IDS = ("arch_id", "config_id", "trial_id", "note_id")
"""Numbers within one build, which say nothing across two."""

_LONGEST = 100


def verdict(found: Diff) -> str:
    """One sentence: whether they differ, and how much."""
    provenance = any(not table.identical for table in found.tables)
    if found.same:
        return "The same rows and numbers" + (
            "; where they come from differs." if provenance else ", and the same provenance."
        )
    architectures, trials, curves = (found[n] for n in ("architectures", "trials", "curves"))
    return (
        f"They differ: architectures {counts(architectures)}; trainings {counts(trials)}; "
        f"points of curves {counts(curves)}, in {curves.trials or 0:,} trainings. "
        f"{found.touched:,} architectures that both have are touched."
    )


def counts(table: TableDiff) -> str:
    """``+added -removed ~changed`` rows."""
    return f"+{table.added:,} -{table.removed:,} ~{table.changed:,}"


def remark(table: TableDiff) -> str:
    """What the counts of a table do not say."""
    if table.identical:
        return "identical"
    if table.table == "sources":
        return "provenance"
    if not table.differs:
        return "the same numbers" + ("; provenance differs" if table.columns else "")
    return ""


TABLE_HEAD = ("table", "rows in a", "rows in b", "added", "removed", "changed", "")
COLUMN_HEAD = ("column", "rows", "appeared", "vanished", "largest", "median", "where, a to b")


def table_row(table: TableDiff) -> list[str]:
    """The cells below `TABLE_HEAD`."""
    counted = (table.rows_a, table.rows_b, table.added, table.removed, table.changed)
    return [table.table, *(f"{n:,}" for n in counted), remark(table)]


def column_rows(table: TableDiff) -> Iterator[list[str]]:
    """The cells below `COLUMN_HEAD`, a row per column that differs."""
    for column in table.columns:
        yield [
            column.column,
            *(f"{n:,}" for n in (column.rows, column.appeared, column.vanished)),
            *_sizes(column),
            _where(column),
        ]


def _sizes(column: ColumnDiff) -> tuple[str, str]:
    if column.largest is None or column.median is None:
        return "", ""
    about = "" if column.median_is_exact else "~"
    return f"{column.largest:.6g}", f"{about}{column.median:.6g}"


def _where(column: ColumnDiff) -> str:
    key = {k: v for k, v in column.largest_at.items() if k not in ("a", "b")}
    values = " -> ".join(_short(column.largest_at[side]) for side in ("a", "b"))
    return f"{key_text(key)}: {values}" + (" (provenance)" if column.provenance else "")


def key_text(key: dict[str, Any]) -> str:
    """A row's key without the numbers that mean something in one build only."""
    shown = {k: v for k, v in key.items() if k not in _IDS and v is not None}
    return ", ".join(
        _short(value) if isinstance(value, str) else f"{name} {value}"
        for name, value in shown.items()
    )


def _short(value: Any) -> str:
    text = "NULL" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
