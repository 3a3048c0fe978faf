"""The first page: what is installed, what to cite, what was checked, what the build cost."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from nasbase.benchmarks import NAMES
from nasbase.diff.compare import diff
from nasbase.diff.sides import open_side
from nasbase.report.build_page import checks_summary
from nasbase.report.changes import changes_part
from nasbase.report.data import Installed
from nasbase.report.html import details, facts, link, page, paragraph, section, size, table
from nasbase.staging import staged_file

PAGES = "page"
"""The rule that draws pages, whose cost is not that of a build."""


def write_index_page(results: Path, path: Path, *, costs: Path) -> None:
    """Write the first page of the report on what is installed in ``results``."""
    text = index_page(results, costs)
    with staged_file(path) as temporary:
        temporary.write_text(text, "utf-8")


def index_page(results: Path, costs: Path) -> str:
    """The page ``index.html``.

    Parameters
    ----------
    results
        Folder of installed builds, with its ``catalog.json``.
    costs
        Folder of the files in which Snakemake notes what each job cost (``logs/benchmarks``).
    """
    catalog = json.loads((results / "catalog.json").read_text())["benchmarks"]
    builds = [
        Installed(results / entry["folder"])
        for name in NAMES
        if name in catalog
        for entry in catalog[name]["releases"].values()
    ]
    body = [
        "<h1>Tabular NAS benchmarks, rebuilt</h1>",
        section("cite", "Cite the originals", _citations(builds)),
        *(_build_section(build, results) for build in builds),
        *_changes(catalog, results),
        section("cost", "Cost of the build", _costs(builds, costs)),
    ]
    synthetic = any(build.synthetic for build in builds)
    return page("Tabular NAS benchmarks, rebuilt", body, synthetic=synthetic)


def _citations(builds: list[Installed]) -> str:
    """Every publication once, with the builds that hold its numbers."""
    by_citation: dict[str, list[Installed]] = defaultdict(list)
    for build in builds:
        by_citation[build.manifest["citation"]].append(build)
    items = []
    for text, cited in by_citation.items():
        links = ", ".join(f'<a href="#{escape(b.key)}">{escape(b.label)}</a>' for b in cited)
        items.append(f"<li>{escape(text)}<br>{links}</li>")
    return (
        paragraph(
            "These numbers are the work of the authors of the benchmarks. nasbase rebuilt the "
            "tables from the files that they released."
        )
        + f"<ul>{''.join(items)}</ul>"
    )


def _build_section(build: Installed, results: Path) -> str:
    manifest = build.manifest
    rows = {name: content["rows"] for name, content in manifest["tables"].items()}
    counted = f"{rows['architectures']:,} architectures, {rows['trials']:,} trainings"
    installed = sum(file["bytes"] for file in manifest["files"].values())
    about = facts(
        [
            ("version", f"<code>{escape(manifest['version'])}</code>"),
            ("content", f"{counted}, {rows['curves']:,} points of curves"),
            ("complete", "no, a part of its space" if manifest["partial"] else "yes"),
            ("made from", "<br>".join(map(_raw, manifest["raw"]))),
            ("licence of the data", escape(manifest["data_licence"])),
            ("licence of the code", escape(manifest["code_licence"])),
            ("homepage", link(manifest["homepage"])),
            ("forms", f"{escape(', '.join(manifest['forms']))}, {size(installed)}"),
        ]
    )
    title = f"{manifest['title']}, release {build.release}"
    if build.synthetic:
        title += " (made-up numbers)"
    pages = ""
    if (results / "report" / f"{build.key}.html").is_file():
        text = "Pictures, best architectures, checks, notes"
        pages = f'<p><a href="{escape(build.key)}.html">{text}</a></p>'
    return section(build.key, title, pages, about, checks_summary(build))


def _raw(file: Mapping[str, Any]) -> str:
    return (
        f"{escape(file['file'])}, {size(file['bytes'])}<br>"
        f"<code>sha256:{escape(file['sha256'])}</code>"
    )


# ---------------------------------------------------------------------------------------------
# what changed between releases


def _changes(catalog: Mapping[str, Any], results: Path) -> Iterator[str]:
    """One part per benchmark that has several releases of one kind: each against the one before."""
    for name in filter(catalog.__contains__, NAMES):
        for synthetic in (False, True):
            releases = catalog[name]["releases"].values()
            alike = [each for each in releases if each["synthetic"] is synthetic]
            for one, other in pairwise(alike):
                found = diff(*(open_side(results / each["folder"]) for each in (one, other)))
                title = f"What changed: {name} from {one['version']} to {other['version']}"
                names = [each["folder"].replace("/", "@") for each in (one, other)]
                hint = f"nasbase diff {' '.join(names)} --html changes.html"
                anchor = "changes-" + "-".join(names)
                yield section(
                    anchor,
                    title,
                    changes_part(found),
                    f"<p>Column by column: <code>{escape(hint)}</code></p>",
                )


# ---------------------------------------------------------------------------------------------
# cost


@dataclass(slots=True)
class Cost:
    """What the jobs of one rule cost for one build."""

    jobs: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    memory_mb: float = 0.0


def read_costs(folder: Path, builds: Sequence[str]) -> dict[str, dict[str, Cost]]:
    """Cost by build and rule, from the tables that Snakemake writes.

    Parameters
    ----------
    folder
        ``logs/benchmarks``: one folder per rule, and in it a table per job.
    builds
        ``<benchmark>-<release>``, with which the names of a build's tables begin.
    """
    found: dict[str, dict[str, Cost]] = {build: defaultdict(Cost) for build in builds}
    for path in sorted(folder.glob("*/*.tsv")):
        # The longest name: the tables of release `sample-two` begin with `sample` as well.
        owners = [build for build in builds if f"{path.stem}-".startswith(f"{build}-")]
        if path.parent.name == PAGES or not owners:
            continue
        cost = found[max(owners, key=len)][path.parent.name]
        with path.open(newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                cost.jobs += 1
                cost.seconds += _number(row["s"])
                cost.processor += _number(row["cpu_time"])
                cost.memory_mb = max(cost.memory_mb, _number(row["max_rss"]))
    return found


def _number(text: str) -> float:
    """Snakemake writes NA, or nothing, for a job too short to be measured."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def _costs(builds: list[Installed], folder: Path) -> str:
    found = read_costs(folder, [build.key for build in builds])
    parts = [_cost_table(build, found[build.key]) for build in builds if found[build.key]]
    if not parts:
        return paragraph("Not known here: these builds were made elsewhere.")
    return paragraph(
        "Measured by Snakemake, added up over the jobs of each rule that were run last; memory is "
        "that of the largest job."
    ) + "".join(parts)


def _cost_table(build: Installed, found: Mapping[str, Cost]) -> str:
    total = sum(cost.seconds for cost in found.values())
    rows = [
        [
            escape(rule),
            str(cost.jobs),
            f"{cost.seconds:,.1f}",
            f"{cost.processor:,.1f}",
            f"{cost.memory_mb:,.0f}",
            f'<span class="bar" style="width:{8 * cost.seconds / max(total, 1e-9):.2f}rem"></span>',
        ]
        for rule, cost in sorted(found.items(), key=lambda item: -item[1].seconds)
    ]
    head = ["rule", "jobs", "seconds", "processor seconds", "most memory (MB)", ""]
    made = table(head, rows, sides="<>>>><")
    return details(f"{build.label}: {total:,.0f} seconds of jobs", made)
