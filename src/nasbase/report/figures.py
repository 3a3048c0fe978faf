"""The figures of a build: what is drawn, how, and from which numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nasbase.report import curves, ranks
from nasbase.report.data import Installed, Setting
from nasbase.report.numbers import (
    GRID,
    MOST_POINTS,
    TAIL,
    ecdf,
    floor,
    front,
    grid,
    histogram,
    packed,
)
from nasbase.report.vega import (
    Figure,
    Spec,
    choice,
    chosen,
    colour_of_split,
    quantity,
    share,
    told,
)

Columns = dict[str, np.ndarray]

SIZES = {
    "params": "trainable parameters",
    "macs": "multiply-accumulates of one forward pass",
    "flops": "operations of one forward pass, as recorded",
    "latency_s_mean": "latency (seconds per batch of 256 images)",
    "iter_time_s_mean": "seconds per training iteration",
    "train_time_total_s_mean": "seconds of training",
}
"""What a network may cost, in the order in which it is drawn."""


def figures_of(build: Installed) -> list[Figure]:
    """Every figure that the build has numbers for."""
    made = [
        distribution(build),
        cumulative(build),
        *size_figures(build),
        selection(build),
        noise(build),
        *ranks.figures(build),
        curves.figure(build),
    ]
    return [figure for figure in made if figure is not None]


def stacked(parts: Sequence[Columns]) -> dict[str, Any]:
    """Columns of several parts below each other, packed for the page."""
    return {name: packed(np.concatenate([part[name] for part in parts])) for name in parts[0]}


def labelled(columns: Columns, **constants: str) -> Columns:
    """Columns, and constants beside them."""
    count = len(next(iter(columns.values())))
    return columns | {name: np.full(count, text) for name, text in constants.items()}


def _accuracies(build: Installed) -> Iterator[tuple[Setting, str, np.ndarray]]:
    """Every accuracy that a setting has, without the networks that lack it."""
    for setting in build.settings:
        for split in build.splits:
            values = setting.accuracy(split)
            values = values[np.isfinite(values)]
            if len(values):
                yield setting, split, values


LEFT_OUT = (
    f"Where the {TAIL:.0%} least accurate networks would take more than half of the axis, they are "
    "left out. "
)


# ---------------------------------------------------------------------------------------------
# distributions


def distribution(build: Installed) -> Figure | None:
    """How many networks reach which accuracy."""
    parts, settings = [], []
    for setting, split, values in _accuracies(build):
        borders, counts = histogram(values[values >= floor(values)])
        columns = {
            "low": borders[:-1],
            "high": borders[1:],
            "count": counts,
            "share": counts / len(values),
        }
        full = counts > 0
        columns = {name: column[full] for name, column in columns.items()}
        parts.append(labelled(columns, setting=setting.label, split=split))
        settings.append(setting.label)
    if not parts:
        return None
    encoding = {
        "x": quantity("low", "accuracy (%)", bin={"binned": True}),
        "x2": {"field": "high"},
        "y": share("share", "share of networks", stack=None),
        "color": colour_of_split(build.splits),
        "tooltip": told("split", low=".1f", high=".1f", count=",", share=".2%"),
    }
    spec = {
        "width": "container",
        "height": 260,
        "params": [choice("setting", "trained on", list(dict.fromkeys(settings)))],
        "data": {"name": "rows"},
        "transform": [chosen("setting")],
        "mark": {"type": "bar", "opacity": 0.6},
        "encoding": encoding,
    }
    return Figure(
        "distribution",
        "Distribution of accuracies",
        f"Mean over runs of every network after its last epoch, by split. {LEFT_OUT}",
        spec,
        {"rows": stacked(parts)},
    )


def cumulative(build: Installed) -> Figure | None:
    """Empirical distribution functions: by split, for NDS by family."""
    by_family = build.families is not None
    parts, pages = [], []
    for setting, split, values in _accuracies(build):
        x, p = ecdf(values)
        shown = x >= floor(values)
        x, p = x[shown], p[shown]
        page = f"{setting.dataset}, {setting.num_epochs} epochs, {split}"
        page, line = (page, setting.family) if by_family else (setting.label, split)
        name = "family" if by_family else "split"
        parts.append(labelled({"x": x, "p": p}, setting=page, **{name: line}))
        pages.append(page)
    if not parts:
        return None
    colour = colour_of_split(build.splits)
    if by_family:
        colour = {"field": "family", "type": "nominal", "title": None}
        colour |= {"scale": {"scheme": "tableau20"}, "legend": {"columns": 3}}
        # What is reported is test accuracy: it is what a reader sees first.
        pages.sort(key=lambda page: not page.endswith("test"))
    legend = {"type": "point", "fields": ["family" if by_family else "split"]}
    spec = {
        "width": "container",
        "height": 300,
        "params": [
            choice("setting", "trained on", list(dict.fromkeys(pages))),
            {"name": "shown", "select": legend, "bind": "legend"},
        ],
        "data": {"name": "rows"},
        "transform": [chosen("setting")],
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5},
        "encoding": {
            "x": quantity("x", "accuracy (%)"),
            "y": share("p", "share of networks at most as accurate"),
            "color": colour,
            "opacity": {"condition": {"param": "shown", "value": 1}, "value": 0.1},
            "tooltip": told(legend["fields"][0], x=".2f", p=".1%"),
        },
    }
    what = "search space and generator" if by_family else "split"
    return Figure(
        "ecdf",
        "Cumulative distribution of accuracies",
        f"One line per {what}; choose a line in the legend to see it alone. {LEFT_OUT}",
        spec,
        {"rows": stacked(parts)},
    )


# ---------------------------------------------------------------------------------------------
# accuracy against size


def size_figures(build: Installed) -> list[Figure]:
    """Test accuracy against everything that a network costs, with the Pareto front."""
    known: dict[str, list[tuple[Setting, np.ndarray, str, np.ndarray]]] = {}
    for setting in build.settings:
        test = build.by_role(setting, "test")
        if test is not None:
            for name, cost in build.sizes(setting).items():
                known.setdefault(name, []).append((setting, cost, *test))
    return [
        figure
        for name in SIZES
        if name in known and (figure := _size_figure(build, name, known[name])) is not None
    ]


def _size_figure(
    build: Installed, name: str, known: list[tuple[Setting, np.ndarray, str, np.ndarray]]
) -> Figure | None:
    whole = np.concatenate([cost for _, cost, _, _ in known])
    whole = whole[np.isfinite(whole)]
    log = bool(whole.min() > 0 and whole.max() > 30 * whole.min())
    points, cells, fronts, settings, counted = [], [], [], [], False
    for setting, cost, _, gain in known:
        valued = np.isfinite(cost) & np.isfinite(gain)
        if not valued.any():
            continue
        valued[valued] = gain[valued] >= floor(gain[valued])
        ids, x, y = setting.ids[valued], cost[valued], gain[valued]
        settings.append(setting.label)
        best = front(x, y)
        names = np.array([_brief(build.name(int(i))) for i in ids[best]])
        fronts.append(labelled({"x": x[best], "y": y[best], "name": names}, setting=setting.label))
        if len(ids) > MOST_POINTS:
            counted = True
            cells.append(labelled(grid(x, y, log=log), setting=setting.label))
        else:
            points.append(labelled({"x": x, "y": y, "id": ids}, setting=setting.label))
    if not fronts:
        return None
    form = ",.4~r" if name.endswith("_s_mean") else "~s"  # no m for milli: it reads as minutes
    x_axis = quantity("x", SIZES[name], axis={"format": form, "labelOverlap": True})
    if log:
        x_axis["scale"] = {"type": "log", "nice": False}
    y_axis = quantity("y", "test accuracy (%)")
    both = {"x": x_axis, "y": y_axis}
    layers = []
    if cells:
        count = _networks("greys")
        tooltip = told(count=",", x=".4s", x2=".4s", y=".2f", y2=".2f")
        borders = {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
        encoding = both | borders | {"color": count, "tooltip": tooltip}
        layers.append(_layer("cells", {"type": "rect"}, encoding))
    if points:
        tooltip = told("id", x=".6~s", y=".2f")
        mark = {"type": "circle", "size": 14, "opacity": 0.4, "color": "#0072b2"}
        layers.append(_layer("points", mark, both | {"tooltip": tooltip}))
    dots = {"size": 36, "color": "#d55e00"}
    line = {"type": "line", "interpolate": "step-after", "color": "#d55e00", "point": dots}
    layers.append(_layer("front", line, both | {"tooltip": told("name", x=".6~s", y=".3f")}))
    data = {"cells": cells, "points": points, "front": fronts}
    spec = {
        "width": "container",
        "height": 320,
        "params": [choice("setting", "trained on", settings)],
        "layer": layers,
    }
    how = (
        f"Grey cells ({GRID[0]} x {GRID[1]}) count all networks of the settings with more than "
        f"{MOST_POINTS:,}. "
        if counted
        else ""
    )
    return Figure(
        f"size-{name.removesuffix('_mean').replace('_', '-')}",
        f"Test accuracy against {SIZES[name]}",
        f"{how}Line: Pareto front, the networks that no network costing as little or less beats. "
        f"{LEFT_OUT}{_role_note(build)}",
        spec,
        {key: stacked(parts) for key, parts in data.items() if parts},
    )


def _networks(scheme: str) -> Spec:
    """Colour by the number of networks in a cell."""
    scale = {"type": "log", "scheme": scheme}
    return {"field": "count", "type": "quantitative", "title": "networks", "scale": scale}


def _layer(data: str, mark: Spec, encoding: Spec) -> Spec:
    return {
        "data": {"name": data},
        "transform": [chosen("setting")],
        "mark": mark,
        "encoding": encoding,
    }


def _brief(name: str, longest: int = 100) -> str:
    return name if len(name) <= longest else f"{name[:longest]}..."


def _role_note(build: Installed) -> str:
    """Which splits play the roles, as the query module has it."""
    said = []
    for setting in build.settings:
        test = build.by_role(setting, "test")
        if test is not None:
            said.append(f"{setting.dataset} {test[0]}")
    return f"Test is {', '.join(dict.fromkeys(said))}." if said else ""


# ---------------------------------------------------------------------------------------------
# choosing by one split, reporting another


def selection(build: Installed) -> Figure | None:
    """What validation accuracy (nds: training accuracy) says of test accuracy."""
    role = "train" if build.benchmark == "nds" else "valid"
    parts, settings = [], []
    for setting in build.settings:
        known, test = build.by_role(setting, role), build.by_role(setting, "test")
        if known is None or test is None:
            continue
        both = np.isfinite(known[1]) & np.isfinite(test[1])
        if both.sum() > 1:
            x, y = known[1][both], test[1][both]
            shown = (x >= floor(x)) & (y >= floor(y))
            parts.append(labelled(grid(x[shown], y[shown]), setting=setting.label))
            settings.append(setting.label)
    if not parts:
        return None
    upper = {
        "height": 240,
        "params": [{"name": "brush", "select": {"type": "interval", "encodings": ["x"]}}],
        "mark": "rect",
        "encoding": {
            "x": quantity("x", f"{role} accuracy (%)"),
            "x2": {"field": "x2"},
            "y": quantity("y", "test accuracy (%)"),
            "y2": {"field": "y2"},
            "color": _networks("blues"),
            "tooltip": told(count=",", x=".2f", x2=".2f", y=".2f", y2=".2f"),
        },
    }
    added = {"op": "sum", "field": "count", "as": "networks"}
    by_test = {"aggregate": [added], "groupby": ["y", "y2"]}
    lower = {
        "height": 110,
        "encoding": {
            "x": quantity("y", "test accuracy (%)", bin={"binned": True}),
            "x2": {"field": "y2"},
            "y": {"field": "networks", "type": "quantitative"},
            "tooltip": told(networks=",", y=".2f", y2=".2f"),
        },
        "layer": [
            # All of them behind the chosen ones: a choice of none leaves the axes as they are.
            {"transform": [by_test], "mark": {"type": "bar", "color": "#d9dde3"}},
            {
                "transform": [{"filter": {"param": "brush"}}, by_test],
                "mark": {"type": "bar", "color": "#d55e00"},
            },
        ],
    }
    spec = {
        "autosize": {"type": "pad"},
        "params": [choice("setting", "trained on", settings)],
        "data": {"name": "cells"},
        "transform": [chosen("setting")],
        "vconcat": [upper, lower],
    }
    return Figure(
        "selection",
        f"Choosing by {role} accuracy",
        f"Drag over the upper picture to choose networks by {role} accuracy; the lower one counts "
        f"the chosen ones by test accuracy, before all of them. {LEFT_OUT}{_role_note(build)}",
        spec,
        {"cells": stacked(parts)},
    )


# ---------------------------------------------------------------------------------------------
# noise


def noise(build: Installed) -> Figure | None:
    """How far runs of one network lie apart."""
    parts, settings = [], []
    for setting in build.settings:
        for split in build.splits:
            spread = setting.columns[f"{split}_acc_pct_sd"]
            spread = spread[np.isfinite(spread)]
            if len(spread):
                x, p = ecdf(spread)
                x, p = x[x > 0], p[x > 0]  # the axis is logarithmic: a few runs are all wrong
                parts.append(labelled({"sd": x, "p": p}, setting=setting.label, split=split))
                settings.append(setting.label)
    if not parts:
        return None
    spec = {
        "width": "container",
        "height": 260,
        "params": [choice("setting", "trained on", list(dict.fromkeys(settings)))],
        "data": {"name": "rows"},
        "transform": [chosen("setting")],
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.5},
        "encoding": {
            "x": {
                "field": "sd",
                "type": "quantitative",
                "title": "standard deviation over runs (percentage points)",
                "scale": {"type": "log", "nice": False},
            },
            "y": share("p", "share of networks with at most this"),
            "color": colour_of_split(build.splits),
            "tooltip": told("split", sd=".3f", p=".1%"),
        },
    }
    return Figure(
        "noise",
        "Noise of training",
        "Sample standard deviation (n - 1) over the runs of each network that has several; the "
        "axis is logarithmic.",
        spec,
        {"rows": stacked(parts)},
    )
