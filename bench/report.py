"""The table that a run prints and keeps."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """One measured question.

    Attributes
    ----------
    question
        What was asked of nasbase.
    ours
        Seconds per question, or bytes.
    peer
        What the other package was asked; None where the target is not a ratio.
    theirs
        Its seconds per question.
    at_least
        Times that nasbase should be faster; None is for information.
    at_most
        Seconds or bytes that it may take at most.
    """

    question: str
    ours: float
    peer: str | None = None
    theirs: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        """How many times faster nasbase is."""
        return None if self.theirs is None else self.theirs / self.ours

    @property
    def verdict(self) -> str:
        """Whether the target is met; a dash where there is none."""
        met = []
        if self.at_least is not None and self.ratio is not None:
            met.append(self.ratio >= self.at_least)
        if self.at_most is not None:
            met.append(self.ours <= self.at_most)
        if not met:
            return "-"
        return "pass" if all(met) else "FALLS SHORT"

    def cells(self) -> tuple[str, ...]:
        """The line as the table shows it."""
        targets = []
        if self.at_least is not None:
            targets.append(f">= {self.at_least:g}x")
        if self.at_most is not None:
            targets.append(f"<= {quantity(self.at_most, self.unit)}")
        return (
            self.question,
            quantity(self.ours, self.unit),
            self.peer or "-",
            "-" if self.theirs is None else quantity(self.theirs, self.unit),
            "-" if self.ratio is None else times(self.ratio),
            ", ".join(targets) or "-",
            self.verdict,
        )


HEAD = ("nasbase", "takes", "the other", "takes", "ratio", "target", "")


def times(ratio: float) -> str:
    """A ratio with two digits or, if it is large, none after the point."""
    return f"{ratio:.2g}x" if ratio < 10 else f"{ratio:,.0f}x"


def quantity(number: float, unit: str) -> str:
    """Seconds or bytes with three digits and a fitting unit."""
    if unit == "B":
        return f"{number / 1e6:.3g} MB"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if number * factor >= 1 or name == "us":
            return f"{number * factor:.3g} {name}"
    raise AssertionError


def text(lines: Sequence[Line]) -> str:
    """The table for a terminal."""
    cells = [HEAD, *(line.cells() for line in lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rows = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(row.rstrip() for row in rows)


def markdown(lines: Sequence[Line], facts: Sequence[str]) -> str:
    """The table and what it was measured on, as a page."""
    rows = [HEAD, ["---"] * len(HEAD), *(line.cells() for line in lines)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    short = [line.question for line in lines if line.verdict == "FALLS SHORT"]
    verdict = f"Targets missed: {', '.join(short)}." if short else "Every target is met."
    listed = "\n".join(f"* {fact}" for fact in facts)
    source = "Written by `bench/query.py`; [README.md](../README.md) says how it is measured."
    return f"# Speed of questions\n\n{source}\n\n{listed}\n\n{verdict}\n\n{table}\n"


def machine() -> str:
    """The machine, and how busy it was."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [n for n in cpuinfo.read_text().splitlines() if n.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"{os.cpu_count()} cores, {model}, {platform.system()}; load averages {load}"
