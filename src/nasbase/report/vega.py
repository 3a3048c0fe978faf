"""Pieces of Vega-Lite that the figures share, and the program that draws them.

A figure is a specification (plain data, https://vega.github.io/vega-lite) and its numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

from nasbase.errors import ConfigError
from nasbase.report.html import asset

Spec = dict[str, Any]

COLOURS = {
    "train": "#8a8f98",
    "valid": "#0072b2",
    "x_valid": "#0072b2",
    "test": "#d55e00",
    "x_test": "#d55e00",
    "ori_test": "#009e73",
}
"""One colour per split, the same in every figure; readable without red and green."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a page.

    Attributes
    ----------
    id
        Anchor on the page.
    title, caption
        Plain text: what it shows, and how to read it.
    spec
        Vega-Lite; its data sets are named.
    data
        Data set -> column -> packed values (`nasbase.report.numbers.packed`).
    """

    id: str
    title: str
    caption: str
    spec: Spec
    data: dict[str, dict[str, Any]]

    def html(self, build: str) -> str:
        """The place where the figure is drawn, with the build that it shows."""
        return (
            f'<figure><h3>{escape(self.title)}</h3><div class="chart" id="{self.id}"></div>'
            f'<figcaption>{escape(self.caption)} <span class="build">{escape(build)}</span>'
            "</figcaption></figure>"
        )

    def document(self, build: str) -> dict[str, Any]:
        """What the drawing program is given; a saved picture says its build."""
        title = {"text": build, "anchor": "start"}
        spec = {**_FRAME, "description": self.title, **self.spec, "title": title}
        return {"spec": spec, "data": self.data}


_FRAME: Spec = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
    "background": "white",
    "autosize": {"type": "fit-x", "contains": "padding"},
    "config": {
        "axis": {"labelLimit": 150},
        "legend": {"orient": "bottom", "columns": 4, "labelLimit": 320},
        "title": {"fontSize": 10, "fontWeight": "normal", "color": "#5b6470"},
        "view": {"stroke": "#d9dde3"},
    },
}


def figures_script(figures: Sequence[Figure], build: str) -> str:
    """The numbers of all figures of a page, as an element of it."""
    documents = {figure.id: figure.document(build) for figure in figures}
    text = json.dumps(documents, allow_nan=False, separators=(",", ":"))
    text = text.replace("</", "<\\/")
    return f'<script type="application/json" id="figures">{text}</script>'


@cache
def drawing_program() -> str:
    """Vega, Vega-Lite and vega-embed in one text, without any address to load from.

    Raises
    ------
    ConfigError
        If the package that carries them is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise ConfigError(
            "The report needs the package vl-convert-python, which is not installed.",
            expected="the extra `report`: pip install 'nasbase[report]'",
            found=str(error),
            todo="Install it, or build without a report: snakemake --config report=false.",
        ) from error
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;") + "\n" + asset("charts.js")


# ---------------------------------------------------------------------------------------------
# pieces of specifications


def picker(name: str, label: str, options: Sequence[str]) -> Spec:
    """A list to choose from, below the figure; its first option is chosen."""
    bind = {"input": "select", "options": list(options), "name": f"{label}: "}
    return {"name": name, "value": options[0], "bind": bind}


def chosen(field: str) -> Spec:
    """Keeps the rows whose field is what the picker of the same name says."""
    return {"filter": f"datum.{field} == {field}_choice"}


def choice(field: str, label: str, options: Sequence[str]) -> Spec:
    """The picker that `chosen` refers to."""
    return picker(f"{field}_choice", label, options)


def quantity(field: str, title: str, **more: Any) -> Spec:
    """A number along an axis that need not start at zero."""
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        **more,
        "scale": {"zero": False, "nice": False, **more.get("scale", {})},
    }


def share(field: str, title: str, **more: Any) -> Spec:
    """A fraction, written as percent."""
    return {"field": field, "type": "quantitative", "title": title, "axis": {"format": "%"}, **more}


def colour_of_split(splits: Sequence[str]) -> Spec:
    """Colour by split."""
    scale = {"domain": list(splits), "range": [COLOURS[split] for split in splits]}
    return {"field": "split", "type": "nominal", "title": None, "scale": scale}


def told(*fields: str, **formats: str) -> list[Spec]:
    """What a pointer on a mark is told: texts, then numbers by their format."""
    texts = [{"field": field, "type": "nominal"} for field in fields]
    numbers = [
        {"field": field, "type": "quantitative", "format": form} for field, form in formats.items()
    ]
    return [*texts, *numbers]
