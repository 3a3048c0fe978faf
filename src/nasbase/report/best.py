"""The best networks of a build: the table ``best`` with strings to copy, and pictures."""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import Any

from nasbase.query.vocabulary import ROLES
from nasbase.report.cells import draw
from nasbase.report.data import Installed
from nasbase.report.html import copyable, details, table

_RULES = {"mean": "mean over the runs", "single": "best single run"}

Row = dict[str, Any]


def best_tables(build: Installed) -> str:
    """Every ranking of the build, by data set and schedule; the longest schedules come first."""
    parts: list[str] = []
    for (dataset, epochs), rows in groupby(_rows(build), lambda r: (r["dataset"], r["num_epochs"])):
        rankings = groupby(rows, lambda row: (row["role"], row["rule"]))
        made = "".join(_table(build, list(ranking)) for _, ranking in rankings)
        parts.append(details(f"{dataset}, {epochs} epochs", made, opened=not parts))
    return "".join(parts)


def _rows(build: Installed) -> list[Row]:
    """Rows of ``best``: the data sets in upstream's order, the longest schedule of each first."""
    rows = build.read("best").to_pylist()
    # The sort is stable: below schedules the table is in the order of its key.
    datasets = list(ROLES[build.benchmark])
    return sorted(rows, key=lambda row: (datasets.index(row["dataset"]), -row["num_epochs"]))


def _table(build: Installed, ranking: list[Row]) -> str:
    """The places of one ranking."""
    role, split, where, rule = (ranking[0][k] for k in ("role", "split", "measured_on", "rule"))
    head = ["place", build.subject, f"{split} (%)", "run" if rule == "single" else "runs"]
    columns = [
        [str(row["rank"]) for row in ranking],
        [str(row[build.subject]) for row in ranking],
        [f"{row['value']:.3f}" for row in ranking],
        [_runs(row) for row in ranking],
    ]
    if (role, rule) != ("test", "mean"):  # there it is the value itself
        head.append("mean test (%)")
        known = [row["test_acc_pct"] for row in ranking]
        columns.append(["" if value is None else f"{value:.3f}" for value in known])
    sides = ">" * len(head)
    if build.families is not None:
        head.append("family")
        columns.append([escape(build.family(row)) for row in ranking])
    head.append("architecture")
    columns.append([copyable(build.name(row[build.subject])) for row in ranking])
    return table(
        head,
        zip(*columns, strict=True),
        sides=sides.ljust(len(head), "<"),
        caption=f"Best {role}: {split} accuracy on {where}, {_RULES[rule]}",
    )


def _runs(row: Row) -> str:
    """How many runs, or which one."""
    if row["run"] is None:
        return str(row["n"])
    return str(row["run"]) if row["seed"] is None else f"{row['run']} (seed {row['seed']})"


def best_cells(build: Installed) -> str:
    """Pictures of the best mean of each data set and role, for NDS of each family that has one."""
    firsts: dict[tuple[str, str, str], Row] = {}
    for row in _rows(build):
        if row["rule"] == "mean":
            firsts.setdefault((row["dataset"], row["role"], build.family(row)), row)
    drawn: dict[int, tuple[Row, list[str]]] = {}
    for (dataset, role, family), row in firsts.items():
        where = ", ".join(filter(None, [dataset, f"{row['num_epochs']} epochs", family]))
        said = f"best {role} of {where}: {row['value']:.2f} %"
        architecture = build.architecture(row[build.subject])
        drawn.setdefault(row["arch_id"], (architecture, []))[1].append(said)
    parts = [
        f'<figure class="cell">{draw(build.benchmark, architecture)}'
        f"<figcaption>arch_id {arch_id}<br>{'<br>'.join(map(escape, reasons))}</figcaption>"
        "</figure>"
        for arch_id, (architecture, reasons) in drawn.items()
    ]
    return f'<div class="cells">{"".join(parts)}</div>'
