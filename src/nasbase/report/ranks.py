"""Rank correlations: between schedules, data sets, splits and runs; of all and of the best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from nasbase.query.vocabulary import ROLES
from nasbase.report.data import Installed, Setting, full_settings
from nasbase.report.numbers import packed
from nasbase.report.vega import Figure, choice, chosen, picker, told
from nasbase.tables.statistics import kendall_tau_b, spearman

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
        "height": 60 + 16 * len(names),
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
                yield Ranking(name, setting.ids, found[1])


# ---------------------------------------------------------------------------------------------
# the pairs that people ask about


def pairs(build: Installed) -> Figure | None:
    """Correlation against the part of the networks, for pairs that differ in one thing."""
    rows = []
    largest = []
    for kind, name, score, against in _pairs(build):
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


Pair = tuple[str, str, Setting, Ranking | None, Ranking | None]
"""Kind of a pair, what it compares, one of its settings, and its rankings as far as they exist."""


def _pairs(build: Installed) -> Iterator[tuple[str, str, Ranking, Ranking]]:
    """Kind of the pair, its name, and the two rankings."""
    for pair in (*_of_schedules(build), *_of_splits(build), *_of_datasets(build), *_of_runs(build)):
        kind, what, setting, score, against = pair
        if score is not None and against is not None:
            yield kind, ", ".join(filter(None, [what, setting.family])), score, against


def _of_schedules(build: Installed) -> Iterator[Pair]:
    """What is known of a shorter training, against what the longest is reported with."""
    for longest in full_settings(build.settings):
        for setting in build.settings:
            alike = (setting.dataset, setting.family) == (longest.dataset, longest.family)
            if alike and setting is not longest:
                what = f"valid {setting.num_epochs} / test {longest.num_epochs}"
                found = _ranked(build, setting, "valid"), _ranked(build, longest, "test")
                yield "schedules", f"{setting.dataset}: {what}", setting, *found


def _of_splits(build: Installed) -> Iterator[Pair]:
    """What is chosen by, against what is reported."""
    role = "train" if build.benchmark == "nds" else "valid"
    for setting in full_settings(build.settings):
        found = _ranked(build, setting, role), _ranked(build, setting, "test")
        what = f"{setting.dataset} {setting.num_epochs}: {role} / test"
        yield "splits", what, setting, *found


def _of_datasets(build: Installed) -> Iterator[Pair]:
    for one, other in combinations(full_settings(build.settings), 2):
        if one.family == other.family and one.dataset != other.dataset:
            found = _ranked(build, one, "test"), _ranked(build, other, "test")
            yield "data sets", f"test: {one.dataset} / {other.dataset}", one, *found


def _of_runs(build: Installed) -> Iterator[Pair]:
    """Two runs of the same trainings."""
    trials = build.first_runs()
    for setting in build.settings:
        test = build.by_role(setting, "test")
        if test is not None:
            column = f"{test[0]}_acc_pct"
            one, other = (Ranking("", *trials.of(setting, run, column)) for run in (0, 1))
            what = f"{setting.dataset} {setting.num_epochs}: {test[0]} run 0 / run 1"
            yield "runs", what, setting, one, other


def _ranked(build: Installed, setting: Setting, role: str) -> Ranking | None:
    values = build.by_role(setting, role)
    if values is None:
        return None
    # NDS trains some architectures in several ways: the first configuration counts.
    ids, first = np.unique(build.arch_ids(setting.ids), return_index=True)
    return Ranking("", ids, values[1][first])
