"""A comparison as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nasbase.cli.output import table as aligned
from nasbase.diff.result import ColumnDiff, Diff, TableDiff

_IDS = ("arch_id", "config_id", "trial_id", "note_id")
"""Numbers within one build, which say nothing across two."""

_LONGEST = 100


def as_text(found: Diff) -> str:
    """The comparison, most important first."""
    lines = [f"a: {found.a['label']}", f"b: {found.b['label']}", verdict(found), ""]
    lines += [overview(found)]
    for table in found.tables:
        if table.columns:
            lines += ["", f"{table.table}: values that differ", column_table(table)]
        if table.table not in ("architectures", "trials"):
            continue  # the others follow from these
        for word, examples in (("b only", table.added_examples), ("a only", table.removed_examples)):
            if examples:
                lines += ["", f"{table.table}: in {word}, for example"]
                lines += [f"  {key_text(key)}" for key in examples]
    return "\n".join(lines)


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


def overview(found: Diff) -> str:
    """One line per table."""
    head = ["table", "rows in a", "rows in b", "added", "removed", "changed", ""]
    rows = [
        [
            table.table,
            *(f"{n:,}" for n in (table.rows_a, table.rows_b)),
            *(f"{n:,}" for n in (table.added, table.removed, table.changed)),
            remark(table),
        ]
        for table in found.tables
    ]
    return aligned([head, *rows], "<>>>>><")


def remark(table: TableDiff) -> str:
    """What the counts of a table do not say."""
    if table.identical:
        return "identical"
    if table.table == "sources":
        return "provenance"
    if not table.differs:
        return "the same numbers" + ("; provenance differs" if table.columns else "")
    return ""


def column_table(table: TableDiff) -> str:
    """One line per column that differs."""
    head = ["", "column", "rows", "appeared", "vanished", "largest", "median", "where, a -> b"]
    return aligned([head, *(["", *cells] for cells in column_rows(table))], "<<>>>>><")


def column_rows(table: TableDiff) -> Iterator[list[str]]:
    """The cells of `column_table`."""
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
    return f"{column.largest:.6g} {column.unit}".strip(), f"{about}{column.median:.6g}"


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
