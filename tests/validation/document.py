"""The tables of docs/validation.md, written from the checks and the list of defects.

``python tests/validation/document.py`` writes them anew.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow"))

from defects import DEFECTS, MODULES
from tampering import FORMS

from nasbase.benchmarks.room import RawFile, RawRelease
from nasbase.checks.check import Artifacts
from nasbase.checks.described import source_check
from nasbase.checks.figures import figure_checks
from nasbase.checks.raw import raw_checks
from nasbase.checks.validate import checks_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "validation.md"
MARK = "<!-- From here on written by `python tests/validation/document.py`. -->\n"

NATS = ("nb201", "nats_tss", "nats_sss")
"""Benchmarks whose rooms share their checks."""


def every_check() -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Check -> severity, claim and benchmarks; published figures are left out."""
    found: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    for benchmark, forms in FORMS.items():
        artifacts = Artifacts(benchmark, "sample", Path(), True, True, ("parquet", *forms), Path())
        file = RawFile("raw", Path(), "pickle", 0, "")
        raw = RawRelease(benchmark, "sample", (file,), partial=True, synthetic=True)
        figures = {figure.id for figure in figure_checks(artifacts)}
        for check in [*checks_of(artifacts), source_check(raw), *raw_checks(raw, "all")]:
            if check.id not in figures:
                *_, before = found.get(check.id, ("", "", ()))
                found[check.id] = check.severity, check.claim, (*before, benchmark)
    return found


def document() -> str:
    """The generated part of the page."""
    counted = Counter(name for defect in DEFECTS for name in defect.checks)
    lines = [MARK, "## The checks", "", "| check | severity | what it proves | defects |"]
    lines.append("|---|---|---|---|")
    for name, (severity, claim, _) in every_check().items():
        lines.append(f"| `{name}` | {severity} | {claim} | {counted[name] or ''} |")
    lines += ["", "## The defects", ""]
    lines.append(f"{len(DEFECTS)} defects, one at a time; every check named here reports them.")
    for module in MODULES:
        mine = [d for d in DEFECTS if d.change.__module__ == module.__name__]
        lines += ["", f"### {(module.__doc__ or '').split(chr(10))[0].rstrip('.')}", ""]
        lines += ["| build | where | what was done | reported by |", "|---|---|---|---|"]
        for one in mine:
            checks = ", ".join(f"`{name}`" for name in one.checks)
            mark = " (warning)" if one.severity == "warning" else ""
            lines.append(f"| {one.benchmark} | {one.where} | {one.what} | {checks}{mark} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the generated part of the page behind what is written by hand."""
    by_hand = PAGE.read_text().split(MARK)[0]
    PAGE.write_text(by_hand + document())


if __name__ == "__main__":
    main()
