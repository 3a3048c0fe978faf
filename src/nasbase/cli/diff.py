"""`nasbase diff`: what differs between two releases or builds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasbase.cli import output
from nasbase.environment import find_home
from nasbase.errors import NasbaseError

if TYPE_CHECKING:
    from nasbase.diff.result import Diff


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "diff",
        help="compare two releases or builds, row by row and number by number",
        description="Architectures and trainings added, removed and changed between two builds, "
        "matched by what they name (hash, string, specification; data set, schedule, seed). "
        "Exit status: 0 the same rows and numbers (wherever they come from), 1 they differ, "
        "2 they cannot be compared.",
        epilog="example: nasbase diff nb201@1.0 nb201@1.1 --html changes.html",
    )
    for side in "ab":
        parser.add_argument(
            side,
            metavar=side.upper(),
            help="an installed build (nb201, nb201@1.0) or a folder of Parquet tables",
        )
    parser.add_argument("--home", type=Path, help="folder of builds, for names")
    parser.add_argument(
        "--json", dest="form", action="store_const", const="json", default="text", help="print JSON"
    )
    parser.add_argument("--html", type=Path, metavar="PAGE", help="write a page as well")
    parser.set_defaults(run=_diff)


def _diff(given: argparse.Namespace) -> int:
    try:
        return _compare(given)
    except NasbaseError as error:  # as diff(1): 1 says that they differ, 2 that something is wrong
        print(f"nasbase: {error}", file=sys.stderr)
        return 2


def _compare(given: argparse.Namespace) -> int:
    from nasbase.diff.compare import diff
    from nasbase.diff.sides import open_side

    home = find_home(given.home)
    a, b = open_side(given.a, home), open_side(given.b, home)
    found = diff(a, b)
    if given.html:
        from nasbase.report.changes import changes_page
        from nasbase.staging import staged_file

        with staged_file(given.html) as temporary:
            temporary.write_text(changes_page(found))
    output.show(
        given.form,
        f"{a.label} -> {b.label}",
        synthetic=a.build.synthetic or b.build.synthetic,
        text=_text(found),
        data=found.to_dict(),
    )
    return 0 if found.same else 1


def _text(found: Diff) -> str:
    """The comparison, most important first."""
    from nasbase.diff.text import (
        COLUMN_HEAD,
        TABLE_HEAD,
        column_rows,
        key_text,
        table_row,
        verdict,
    )

    lines = [f"a: {found.a['label']}", f"b: {found.b['label']}", verdict(found), ""]
    lines.append(output.table([TABLE_HEAD, *map(table_row, found.tables)], "<>>>>><"))
    for table in found.tables:
        if table.columns:
            rows = [["", *cells] for cells in [COLUMN_HEAD, *column_rows(table)]]
            values = output.table(rows, "<<>>>>><")
            lines += ["", f"{table.table}: values that differ", values]
        if table.table not in ("architectures", "trials"):
            continue  # the rows of the others follow from these
        for word, examples in (("b", table.added_examples), ("a", table.removed_examples)):
            if examples:
                lines += ["", f"{table.table}: only in {word}, for example"]
                lines += [f"  {key_text(key)}" for key in examples]
    return "\n".join(lines)
