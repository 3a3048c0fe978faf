"""The page and the plot of `full.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import vl_convert

Found = Mapping[str, Any]

DECODE_AT_MOST = {"nb101": 2.0, "nb201": 1.5, "nats_tss": 1.3, "nats_sss": 1.3, "nds": 2.0}
"""CPU time of plan and convert, as a multiple of reading the same bytes with C libraries alone."""
WRITE_AT_MOST = 2.0
_FLOORS = {
    "decode": ("plan and convert, by the floor of decoding", None),
    "parquet": ("assemble, by the floor of Parquet", WRITE_AT_MOST),
    "sqlite": ("sqlite, by the floor of inserting", WRITE_AT_MOST),
}
POINT_AT_MOST = 1.5
"""Time of a point query in the largest build, as a multiple of that in the smallest."""
COLUMN_AT_MOST = 1.0
"""Time of reading a column through Parquet, by that of reading as many bytes from the disk."""
FORMS_AT_MOST_S, PEAK_AT_MOST_MB, NB201_PEAK_AT_MOST_MB = 900, 2000, 500
VALIDATE_AT_MOST_S = 180
PARQUET_AT_MOST = {"nats_tss": 0.8, "nats_sss": 0.8, "nb101": 0.35}
"""Parquet bytes, as a multiple of the raw bytes."""
SCALING_AT_LEAST = 1.7


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that was wanted: what was found, and its bound."""

    what: str
    found: float
    bound: float
    unit: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether what was found lies within the bound."""
        return self.found >= self.bound if self.at_least else self.found <= self.bound

    def cells(self) -> tuple[str, ...]:
        """The line as the table shows it."""
        bound = f"{'>=' if self.at_least else '<='} {self.bound:g}{self.unit}"
        return self.what, f"{self.found:.3g}{self.unit}", bound, "pass" if self.met else "SHORT"


def write(found: Found, folder: Path) -> None:
    """Write ``full.md`` and ``full.svg``."""
    (folder / "full.md").write_text(page(found))
    spec = vl_convert.vegalite_to_svg(plot(found))
    (folder / "full.svg").write_text(spec)


def page(found: Found) -> str:
    """The page in Markdown."""
    whole = found["builds"][_largest(found)]
    wanted = list(targets(found))
    short = "; ".join(target.what for target in wanted if not target.met)
    facts = [
        f"{found['machine']}; {found['cores']} cores used",
        f"made-up releases of {_largest(found)} % of each space, "
        + ", ".join(f"{name} {mb / 1000:.2f} GB" for name, mb in whole["raw_mb"].items()),
        f"all their forms in {whole['forms_s']:.0f} s",
        f"validated, installed and drawn in another {whole['rest_s']:.0f} s"
        if whole["rest_s"]
        else "the run was ended before all of them were validated",
    ]
    parts = [
        "# Whole releases",
        "Written by `bench/full.py`; [README.md](../README.md) says how it is measured.",
        "\n".join(f"* {fact}" for fact in facts),
        f"Targets missed: {short}." if short else "Every target is met.",
        _table(("", "found", "wanted", ""), [target.cells() for target in wanted]),
        "## What each rule used",
        (
            "Sums over the jobs of a rule; `longest`, `peak` and `on disk` are those of its "
            "largest job. Peaks are the operating system's (VmHWM)."
        ),
        _table(_RULE_HEAD, _rule_rows(whole)),
        "## How it grows",
        "CPU seconds of all jobs of a release, and how many times more than for a tenth of it.",
        _table(*_growth(found)),
        "![Seconds and memory by rule and size](full.svg)",
    ]
    return "\n\n".join(parts) + "\n"


def targets(found: Found) -> Iterator[Target]:
    """What was wanted of whole releases."""
    whole = found["builds"][_largest(found)]
    for name, floor in found["floors"].items():
        for kind, (what, most) in _FLOORS.items():
            times = floor[f"own_{kind}_s"] / floor[f"{kind}_s"]
            yield Target(f"{name}: {what}", times, most or DECODE_AT_MOST[name], "x")
        scanned = floor["column_s"] / floor["column_disk_s"]
        yield Target(f"{name}: one column of all curves, by the disk", scanned, COLUMN_AT_MOST, "x")
    yield Target("all forms of all releases", whole["forms_s"], FORMS_AT_MOST_S, " s")
    for row in whole["rules"]:
        if row["rule"] == "validate":
            name = row["benchmark"]
            yield Target(f"{name}: validate", row["wall_s"], VALIDATE_AT_MOST_S, " s")
    peak = max(row["peak_mb"] for row in whole["rules"])
    yield Target("memory of the largest job", peak, PEAK_AT_MOST_MB, " MB")
    if "nb201" in found["benchmarks"]:
        (pth,) = (r for r in whole["rules"] if (r["benchmark"], r["rule"]) == ("nb201", "convert"))
        yield Target("memory of reading the .pth", pth["peak_mb"], NB201_PEAK_AT_MOST_MB, " MB")
    for name, most in PARQUET_AT_MOST.items():
        if name in whole["parquet_mb"]:
            size = whole["parquet_mb"][name] / whole["raw_mb"][name]
            yield Target(f"{name}: Parquet, by the raw bytes", size, most, "x")
    smallest, largest = min(found["builds"], key=float), _largest(found)
    for name, asked in found["point_us"].items():
        times = asked[largest] / asked[smallest]
        yield Target(
            f"{name}: point query, by that in the smallest build", times, POINT_AT_MOST, "x"
        )
    for name, seconds in found["shards"].items():
        gain = seconds["1"] / seconds["2"]
        yield Target(f"{name}: shards on 2 cores", gain, SCALING_AT_LEAST, "x", at_least=True)


_RULE_HEAD = (
    "release",
    "rule",
    "jobs",
    "wall s",
    "CPU s",
    "longest s",
    "peak MB",
    "read MB",
    "written MB",
    "on disk MB",
)


def _rule_rows(build: Found) -> Iterator[tuple[str, ...]]:
    for r in build["rules"]:
        seconds = (f"{r[key]:.1f}" for key in ("wall_s", "cpu_s", "longest_s"))
        sizes = (f"{r[key]:,.0f}" for key in ("peak_mb", "read_mb", "written_mb", "disk_mb"))
        yield r["benchmark"], r["rule"], str(r["jobs"]), *seconds, *sizes


def _growth(found: Found) -> tuple[Sequence[str], list[Sequence[str]]]:
    percents = sorted(found["builds"], key=float)
    rows = []
    for name in found["benchmarks"]:
        seconds = [_cpu(found["builds"][percent], name) for percent in percents]
        times = [f"{b / a:.1f}x" for a, b in pairwise(seconds)]
        rows.append([name, *(f"{s:.1f}" for s in seconds), *times])
    head = ["release", *(f"{p} %" for p in percents)]
    return [*head, *(f"{p} %, times" for p in percents[1:])], rows


def plot(found: Found) -> dict[str, Any]:
    """CPU seconds and memory against the size, a panel each; Vega-Lite."""
    rows = [
        {"percent": float(percent), **row}
        for percent, build in found["builds"].items()
        for row in build["rules"]
        if row["rule"] not in ("fetch", "install")
    ]
    x = {
        "field": "percent",
        "type": "quantitative",
        "scale": {"type": "log"},
        "title": "% of the release",
    }

    def panel(field: str, title: str, scale: str) -> dict[str, Any]:
        y = {"field": field, "type": "quantitative", "title": title, "scale": {"type": scale}}
        colour = {"field": "rule", "type": "nominal", "scale": {"scheme": "tableau10"}}
        return {
            "facet": {"column": {"field": "benchmark", "title": None}},
            "spec": {
                "width": 150,
                "height": 200,
                "mark": {"type": "line", "point": True},
                "encoding": {"x": x, "y": y, "color": colour},
            },
        }

    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "data": {"values": rows},
        "vconcat": [panel("cpu_s", "CPU seconds", "log"), panel("peak_mb", "peak MB", "linear")],
    }


def _largest(found: Found) -> str:
    return str(max(found["builds"], key=float))


def _cpu(build: Found, name: str) -> float:
    return sum(r["cpu_s"] for r in build["rules"] if r["benchmark"] == name)


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
