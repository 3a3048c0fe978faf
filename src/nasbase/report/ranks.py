"""Rank correlations: between schedules, data sets, splits and runs; of all and of the best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from nasbase.query.statistics import kendall_tau_b, spearman
from nasbase.query.vocabulary import ROLES
from nasbase.report.data import Installed, Setting
from nasbase.report.numbers import packed
from nasbase.report.vega import Figure, choice, chosen, picker, told

TOP = {"all": 1.0, "top 50 %": 0.5, "top 25 %": 0.25, "top 10 %": 0.1, "top 1 %": 0.01}
"""Parts of the networks that are ranked: the best by the second of the two compared."""

FEWEST = 10
"""Fewer networks than this have no ranking that means anything."""

MOST_RANKED = 50_000
"""Of more networks, as many are taken, evenly over their ids."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """One number per network."""

    name: str
    ids: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two rankings agree on a part of the networks."""

    top: str
    n: int
    spearman: float
    kendall: float


def agreements(score: Ranking, against: Ranking) -> Iterator[Agreement]:
    """Correlations over all networks that both rank, and over the best by ``against``."""
    _, i, j = np.intersect1d(score.ids, against.ids, assume_unique=True, return_indices=True)
    x, y = score.values[i], against.values[j]
    valued = np.isfinite(x) & np.isfinite(y)
    x, y = x[valued], y[valued]
    if len(x) > MOST_RANKED:
        some = np.linspace(0, len(x) - 1, MOST_RANKED).astype(np.int64)
        x, y = x[some], y[some]
    order = np.argsort(-y, kind="stable")
    for name, fraction in TOP.items():
        best = order[: round(fraction * len(order))]
        if len(best) >= FEWEST:
            part = x[best], y[best]
            yield Agreement(name, len(best), spearman(*part), kendall_tau_b(*part))


def figures(build: Installed) -> list[Figure]:
    """The matrix of all rankings, and the pairs that people ask about."""
    return [f for f in (matrix(build), pairs(build)) if f is not None]


# ---------------------------------------------------------------------------------------------
# every ranking against every other


def matrix(build: Installed) -> Figure | None:
    """Every data set, role and schedule against every other; not for NDS, whose families differ."""
    if build.benchmark == "nds":
        return None
    rankings = list(_rankings(build))
    rows = []
    for score in rankings:
        for against in rankings:
            rows += [(score.name, against.name, a) for a in agreements(score, against)]
    if len(rankings) < 2 or not rows:
        return None
    names = [ranking.name for ranking in rankings]
    tops = [top for top in TOP if any(row[2].top == top for row in rows)]
    axis = {"type": "nominal", "sort": names}
    spec = {
        "width": "container",
        "height": {"step": 20},
        "params": [
            choice("top", "networks", tops),
            picker("statistic", "correlation", ["kendall", "spearman"]),
        ],
        "data": {"name": "rows"},
        "transform": [chosen("top"), {"calculate": "datum[statistic]", "as": "correlation"}],
        "mark": {"type": "rect", "stroke": "white"},
        "encoding": {
            "x": {"field": "against", "title": "against", "axis": {"labelAngle": -60}, **axis},
            "y": {"field": "score", "title": None, **axis},
            "color": {
                "field": "correlation",
                "type": "quantitative",
                "scale": {"domain": [-1, 1], "scheme": "blueorange", "reverse": True},
            },
            "tooltip": told("score", "against", n=",", kendall=".4f", spearman=".4f"),
        },
    }
    return Figure(
        "rank-matrix",
        "Rank correlation of every pair",
        "Kendall's tau-b or Spearman's rho. The best are the best by what stands below, so the "
        "picture of a part is not symmetric. " + _sampled(rankings),
        spec,
        {
            "rows": {
                "score": packed([row[0] for row in rows]),
                "against": packed([row[1] for row in rows]),
                **_columns([row[2] for row in rows]),
            }
        },
    )


def _columns(found: list[Agreement]) -> dict[str, object]:
    return {
        "top": packed([a.top for a in found]),
        "n": packed(np.array([a.n for a in found])),
        "kendall": packed(np.array([a.kendall for a in found])),
        "spearman": packed(np.array([a.spearman for a in found])),
    }


def _sampled(rankings: list[Ranking]) -> str:
    most = max(len(ranking.ids) for ranking in rankings)
    if most <= MOST_RANKED:
        return ""
    return f"Of {most:,} networks {MOST_RANKED:,} were ranked, evenly over their ids."


def _rankings(build: Installed) -> Iterator[Ranking]:
    known = set()
    for setting in build.settings:
        for role in ("valid", "test"):
            found = build.by_role(setting, role)
            # One split may play a role for two data sets: it is ranked once.
            where = ROLES[build.benchmark][setting.dataset].get(role), setting.num_epochs
            if found is not None and where not in known and np.isfinite(found[1]).any():
                known.add(where)
                name = f"{setting.dataset} {role}, {setting.num_epochs}"
                yield Ranking(name, build.arch_ids(setting.ids), found[1])


# ---------------------------------------------------------------------------------------------
# the pairs that people ask about


def pairs(build: Installed) -> Figure | None:
    """Correlation against the part of the networks, for pairs that differ in one thing."""
    rows = []
    largest = []
    for kind, score, against in _pairs(build):
        name = f"{score.name} / {against.name}"
        rows += [(kind, name, agreement) for agreement in agreements(score, against)]
        largest += [score, against]
    if not rows:
        return None
    kinds = list(dict.fromkeys(kind for kind, _, _ in rows))
    spec = {
        "width": "container",
        "height": 300,
        "params": [
            choice("kind", "between", kinds),
            picker("statistic", "correlation", ["kendall", "spearman"]),
        ],
        "data": {"name": "rows"},
        "transform": [chosen("kind"), {"calculate": "datum[statistic]", "as": "correlation"}],
        "mark": {"type": "line", "point": True, "strokeWidth": 1.5},
        "encoding": {
            "x": {
                "field": "top",
                "type": "ordinal",
                "sort": list(TOP),
                "title": "networks, best by the second of the pair",
                "axis": {"labelAngle": 0},
            },
            "y": {"field": "correlation", "type": "quantitative"},
            "color": {
                "field": "pair",
                "type": "nominal",
                "title": None,
                "legend": {"columns": 1, "symbolLimit": 40},
                "scale": {"scheme": "tableau20"},
            },
            "tooltip": told("pair", "top", n=",", kendall=".4f", spearman=".4f"),
        },
    }
    return Figure(
        "rank-pairs",
        "How rankings agree, over all and over the best",
        "Whole-space correlations flatter: among the best networks rankings agree far less. Two "
        "runs of the same training are the ceiling that noise sets. " + _sampled(largest),
        spec,
        {
            "rows": {
                "kind": packed([row[0] for row in rows]),
                "pair": packed([row[1] for row in rows]),
                **_columns([row[2] for row in rows]),
            }
        },
    )


def _pairs(build: Installed) -> Iterator[tuple[str, Ranking, Ranking]]:
    """Kind of the pair, and the two rankings."""
    longest: dict[tuple[str, str], Setting] = {}
    for setting in build.settings:  # of one data set, the longest schedule comes first
        longest.setdefault((setting.dataset, setting.family), setting)
    for setting in build.settings:
        full = longest[setting.dataset, setting.family]
        if setting is not full:
            yield from _pair("schedules", (build, setting, "valid"), (build, full, "test"))
    full_settings = list(longest.values())
    role = "train" if build.benchmark == "nds" else "valid"
    for setting in full_settings:
        yield from _pair("splits", (build, setting, role), (build, setting, "test"))
    for one, other in combinations(full_settings, 2):
        if one.family == other.family and one.dataset != other.dataset:
            yield from _pair("data sets", (build, one, "test"), (build, other, "test"))
    yield from _runs(build)


def _pair(
    kind: str, one: tuple[Installed, Setting, str], other: tuple[Installed, Setting, str]
) -> Iterator[tuple[str, Ranking, Ranking]]:
    found = [_ranked(*one), _ranked(*other)]
    if found[0] is not None and found[1] is not None:
        yield kind, found[0], found[1]


def _ranked(build: Installed, setting: Setting, role: str) -> Ranking | None:
    values = build.by_role(setting, role)
    if values is None:
        return None
    ids, numbers = _one_each(build.arch_ids(setting.ids), values[1])
    return Ranking(f"{setting.label} {role}", ids, numbers)


def _one_each(ids: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NDS trains some architectures in several ways: the first configuration counts."""
    unique, first = np.unique(ids, return_index=True)
    return unique, values[first]


def _runs(build: Installed) -> Iterator[tuple[str, Ranking, Ranking]]:
    """The first two runs of every training, on the split that is reported."""
    trials = build.first_runs()
    for setting in build.settings:
        test = build.by_role(setting, "test")
        if test is None:
            continue
        column = f"{test[0]}_acc_pct"
        found = [trials.of(setting, run, column) for run in (0, 1)]
        if min(len(ids) for ids, _ in found) >= FEWEST:
            yield "runs", *(
                Ranking(f"{setting.label} {test[0]} run {run}", ids, values)
                for run, (ids, values) in enumerate(found)
            )
