"""What differs between two builds, as a page and as a part of the index."""

from __future__ import annotations

from html import escape

from nasbase.diff.result import Diff, TableDiff
from nasbase.diff.text import (
    COLUMN_HEAD,
    TABLE_HEAD,
    column_rows,
    key_text,
    table_row,
    verdict,
)
from nasbase.report.html import details, facts, page, paragraph, section, table


def changes_page(found: Diff) -> str:
    """A page of its own."""
    a, b = found.a, found.b
    body = [
        f"<h1>{escape(a['benchmark'])}: from {escape(a['version'])} to {escape(b['version'])}</h1>",
        facts([("a", _side(a)), ("b", _side(b))]),
        section("summary", "What differs", changes_part(found)),
        *(_table_section(each) for each in found.tables if each.columns or each.added_examples),
    ]
    title = f"{a['version']} and {b['version']} of {a['benchmark']}"
    return page(title, body, synthetic=a["synthetic"] or b["synthetic"])


def _side(side: dict[str, object]) -> str:
    return f"{escape(str(side['label']))}<br><code>{escape(str(side['folder']))}</code>"


def changes_part(found: Diff) -> str:
    """The verdict, and a line per table."""
    rows = [[escape(cell) for cell in table_row(each)] for each in found.tables]
    return paragraph(verdict(found)) + table(TABLE_HEAD, rows, sides="<>>>>><")


def _table_section(each: TableDiff) -> str:
    parts = []
    if each.columns:
        rows = [[escape(cell) for cell in cells] for cells in column_rows(each)]
        parts.append(table(COLUMN_HEAD, rows, sides="<>>>>><", caption="Values that differ"))
    for word, examples in (("b", each.added_examples), ("a", each.removed_examples)):
        if examples:
            keys = [[f"<code>{escape(key_text(key))}</code>"] for key in examples]
            listed = table(["row"], keys, sides="<")
            parts.append(details(f"Rows that only {word} has, for example", listed))
    return section(f"table-{each.table}", each.table, *parts)
