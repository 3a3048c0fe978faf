"""Rank correlations as the table ``rank_correlation`` has them: of all networks and of the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from nasbase.query.vocabulary import ROLES
from nasbase.report.data import Installed
from nasbase.report.numbers import packed
from nasbase.report.vega import Figure, Spec, choice, chosen, picker, told

FEWEST = 10
"""Fewer networks than this have no ranking that means anything."""

STATISTICS = ("kendall_tau_b", "spearman", "pearson")

_LEFT_OUT = f"Shares of fewer than {FEWEST} networks are left out."
_PICKED: Spec = {"calculate": "datum[statistic]", "as": "correlation"}
_TOLD = {"n": ",", **dict.fromkeys(STATISTICS, ".4f")}


def figures(build: Installed) -> list[Figure]:
    """The pairs side by side, and what the best networks leave of each."""
    rows = _correlations(build)
    return [figure for figure in (matrix(build, rows), pairs(rows)) if figure is not None]


def _correlations(build: Installed) -> pa.Table:
    """Rows whose correlations are defined and of enough networks."""
    rows = build.read("rank_correlation")
    ranked = pc.greater_equal(rows["n"], FEWEST)
    return rows.filter(pc.and_(ranked, pc.is_valid(rows["kendall_tau_b"])))


def _numbers(rows: pa.Table) -> dict[str, Any]:
    """The columns that both figures draw."""
    tops = [_top(share) for share in rows["top_pct"].to_pylist()]
    return {"top": packed(tops), **{name: packed(rows[name]) for name in _TOLD}}


def _top(share: int) -> str:
    return "all" if share == 100 else f"top {share} %"


def _tops(rows: pa.Table) -> list[str]:
    """Shares of the networks, the largest first."""
    return [_top(share) for share in sorted(pc.unique(rows["top_pct"]).to_pylist(), reverse=True)]


def _statistic() -> Spec:
    return picker("statistic", "correlation", STATISTICS)


# ---------------------------------------------------------------------------------------------
# pairs of means side by side


def matrix(build: Installed, rows: pa.Table) -> Figure | None:
    """Mean accuracies against each other; not for NDS, whose families differ."""
    rows = rows.filter(pc.is_null(rows["x_run"]))
    if build.benchmark == "nds" or not rows.num_rows:
        return None
    points = rows.to_pylist()
    names = _points(build, points)
    axis = {"type": "nominal", "scale": {"domain": names}}
    labels = {"labelLimit": 200}
    spec = {
        "width": "container",
        "height": 60 + 16 * len(names),
        "params": [choice("top", "networks", _tops(rows)), _statistic()],
        "data": {"name": "rows"},
        "transform": [chosen("top"), _PICKED],
        "mark": {"type": "rect", "stroke": "white"},
        "encoding": {
            "x": {"field": "y", "title": "against", "axis": {"labelAngle": -60, **labels}, **axis},
            "y": {"field": "x", "title": None, "axis": labels, **axis},
            "color": {
                "field": "correlation",
                "type": "quantitative",
                "scale": {"domain": [-1, 1], "scheme": "blueorange", "reverse": True},
            },
            "tooltip": told("x", "y", **_TOLD),
        },
    }
    sides = {side: packed([_name(row, side) for row in points]) for side in ("x", "y")}
    return Figure(
        "rank-matrix",
        "Rank correlations at a glance",
        "Mean accuracies (data set, split, epochs) that differ in one thing, and validation after "
        "a short schedule against test after the longest: the pairs that the table "
        "rank_correlation of the build holds. Other pairs are empty. The best are the best by "
        f"what stands below. {_LEFT_OUT}",
        spec,
        {"rows": {**sides, **_numbers(rows)}},
    )


def _points(build: Installed, rows: list[dict[str, Any]]) -> list[str]:
    """Names of what is compared, x before y: by what networks are chosen, then what is reported."""
    roles = ROLES[build.benchmark].values()
    places = [by_role[role] for role in ("valid", "test") for by_role in roles]
    order = {
        _name(row, side): (
            places.index((row[f"{side}_dataset"], row[f"{side}_split"])),
            row[f"{side}_num_epochs"],
        )
        for row in rows
        for side in ("x", "y")
    }
    return sorted(order, key=order.__getitem__)


# ---------------------------------------------------------------------------------------------
# shares of the networks


def pairs(rows: pa.Table) -> Figure | None:
    """Correlation against the share of the networks, by what differs in a pair."""
    if not rows.num_rows:
        return None
    kinds = [_kind(row) for row in rows.to_pylist()]
    spec = {
        "width": "container",
        "height": 300,
        "params": [choice("kind", "what differs", list(dict.fromkeys(kinds))), _statistic()],
        "data": {"name": "rows"},
        "transform": [chosen("kind"), _PICKED],
        "mark": {"type": "line", "point": True, "strokeWidth": 1.5},
        "encoding": {
            "x": {
                "field": "top",
                "type": "ordinal",
                "sort": _tops(rows),
                "title": "networks, best by the second of the pair",
                "axis": {"labelAngle": 0},
            },
            "y": {"field": "correlation", "type": "quantitative"},
            "color": {
                "field": "pair",
                "type": "nominal",
                "title": None,
                "sort": None,
                "legend": {"columns": 1, "symbolLimit": 60},
                "scale": {"scheme": "tableau20"},
            },
            "tooltip": told("pair", "top", **_TOLD),
        },
    }
    names = [_pair(row) for row in rows.to_pylist()]
    return Figure(
        "rank-pairs",
        "How rankings agree, over all and over the best",
        "Whole-space correlations flatter: among the best networks rankings agree far less. Two "
        "runs of the same training (seeds) are the ceiling that noise sets; proxy is validation "
        "after a shorter schedule against test after the longest. Numbers of a pair are its "
        f"epochs. {_LEFT_OUT}",
        spec,
        {"rows": {"kind": packed(kinds), "pair": packed(names), **_numbers(rows)}},
    )


def _kind(row: Mapping[str, Any]) -> str:
    """What differs; there are too many pairs of runs for one picture."""
    return row["kind"] if row["x_run"] is None else f"{row['kind']}: {_side(row, 'x')[0]}"


def _pair(row: Mapping[str, Any]) -> str:
    """Both sides of a pair; what they share is said once."""
    both = zip(_side(row, "x"), _side(row, "y"), strict=True)
    said = [" / ".join(dict.fromkeys(parts)) for parts in both]
    return ", ".join(filter(None, [*said, row.get("proposer")]))


def _name(row: Mapping[str, Any], side: str) -> str:
    """One side of a pair."""
    return ", ".join(filter(None, _side(row, side)))


def _side(row: Mapping[str, Any], side: str) -> tuple[str, str, str]:
    """What one side is: data set and split, schedule, and run where it is not a mean."""
    names = ("dataset", "split", "num_epochs", "run")
    dataset, split, epochs, run = (row[f"{side}_{name}"] for name in names)
    return f"{dataset} {split}", str(epochs), "" if run is None else f"run {run}"
