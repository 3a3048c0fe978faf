"""The table of published figures, and what it means to agree with one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

Certainty = Literal["published", "derived", "recomputed", "remembered"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure.

    Attributes
    ----------
    id
        ``<benchmark>.figure.<what>``.
    claim
        What it says, in one sentence.
    releases
        Releases that it was published of.
    quantity, of
        Function of `nasbase.checks.figures.quantities` that recomputes it, and its arguments.
    expected
        A number, a text, a list or mapping of them, or ``{at_least: number}``.
    tolerance
        Difference that is still agreement; 0 for what must be equal.
    level
        ``fail`` stops a build that disagrees; ``report`` says so.
    citation
        Where it was published.
    certainty
        ``published``: read there; ``derived``: follows from what is published, exactly;
        ``recomputed``: by others, from a copy of the release; ``remembered``: not seen again.
    """

    id: str
    claim: str
    releases: tuple[str, ...]
    quantity: str
    of: Mapping[str, Any]
    expected: Any
    tolerance: float
    level: Literal["fail", "report"]
    citation: str
    certainty: Certainty

    def facts(self) -> dict[str, Any]:
        """What a reader of the report wants beside the verdict."""
        names = ("expected", "tolerance", "level", "citation", "certainty")
        return {name: getattr(self, name) for name in names}


@cache
def _document() -> dict[str, Any]:
    text = files("nasbase.checks.figures").joinpath("published.yaml").read_text("utf-8")
    return yaml.safe_load(text)


@cache
def figures(benchmark: str) -> tuple[Figure, ...]:
    """The published figures of one benchmark, in the order of the table."""
    document = _document()
    found = []
    for row in document["figures"]:
        own, _, what = row["id"].partition(".")
        for name, given in {own: {}, **row.get("also", {})}.items():
            if name == benchmark:
                found.append(_figure(f"{name}.figure.{what}", row | given, document["citations"]))
    return tuple(found)


def _figure(name: str, row: Mapping[str, Any], citations: Mapping[str, str]) -> Figure:
    return Figure(
        id=name,
        claim=row["claim"],
        releases=tuple(row["releases"]),
        quantity=row["quantity"],
        of=row.get("of", {}),
        expected=row["expected"],
        tolerance=float(row.get("tolerance", 0)),
        level=row["level"],
        citation=citations[row["citation"]],
        certainty=row["certainty"],
    )


def agrees(found: Any, expected: Any, tolerance: float) -> bool:
    """Whether a recomputed figure is the published one; NaN and None never are."""
    if isinstance(expected, Mapping):
        if set(expected) == {"at_least"}:
            return _is_number(found) and found >= expected["at_least"] - tolerance
        return (
            isinstance(found, Mapping)
            and found.keys() == expected.keys()
            and all(agrees(found[key], expected[key], tolerance) for key in expected)
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(agrees(f, e, tolerance) for f, e in zip(found, expected, strict=True))
        )
    if _is_number(expected):
        return _is_number(found) and abs(found - expected) <= tolerance
    return bool(found == expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
