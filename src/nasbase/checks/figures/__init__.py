"""Figures that were published of the releases, recomputed from the artifacts.

`published.yaml` lists them; `quantities` computes them; `figure_checks` compares the two.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from nasbase.checks.check import Artifacts, Check, Outcome
from nasbase.checks.figures.numbers import NoNumberError, NotComparableError, Numbers
from nasbase.checks.figures.published import Figure, agrees, figures
from nasbase.checks.figures.quantities import QUANTITIES


def figure_checks(artifacts: Artifacts) -> list[Check]:
    """One check per published figure of the benchmark, whatever release it holds for."""
    numbers = Numbers(artifacts)  # read once for all figures, when the first is computed
    return [
        Check(
            figure.id,
            figure.claim,
            partial(_compare, figure=figure, numbers=numbers),
            severity="error" if figure.level == "fail" else "warning",
        )
        for figure in figures(artifacts.benchmark)
    ]


def not_applicable(figure: Figure, artifacts: Artifacts) -> str | None:
    """Why a figure says nothing of a build; None if it does."""
    if artifacts.synthetic:
        return "The numbers of this build are made up."
    if artifacts.partial:
        return "This build may hold a part of the release only."
    if artifacts.release not in figure.releases:
        return f"It was published of release {', '.join(figure.releases)}."
    return None


def _compare(artifacts: Artifacts, outcome: Outcome, *, figure: Figure, numbers: Numbers) -> None:
    outcome.facts = figure.facts()
    outcome.not_applicable = not_applicable(figure, artifacts)
    if outcome.not_applicable:
        return
    try:
        found = QUANTITIES[figure.quantity](numbers, **figure.of)
    except NotComparableError as error:
        outcome.not_applicable = str(error)
        return
    except NoNumberError as error:  # a release that is whole has it
        outcome.facts["found"] = None
        outcome.count(1, [_differs(error, figure)])
        return
    outcome.facts["found"] = found
    right = agrees(found, figure.expected, figure.tolerance)
    outcome.count(1, [] if right else [_differs(found, figure)])


def _differs(found: Any, figure: Figure) -> str:
    expected = f"{figure.expected}" + (f" ± {figure.tolerance:g}" if figure.tolerance else "")
    return f"found {found}, published {expected} ({figure.citation})"
