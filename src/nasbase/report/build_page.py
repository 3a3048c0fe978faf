"""The page of one build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from nasbase.report.best import best_cells, best_tables
from nasbase.report.data import Installed
from nasbase.report.figures import figures_of
from nasbase.report.html import details, facts, link, page, paragraph, section, size, table
from nasbase.report.vega import drawing_program, figures_script
from nasbase.staging import staged_file


def write_build_page(folder: Path, path: Path) -> None:
    """Write the page of the build that is installed in a folder."""
    text = build_page(Installed(folder))
    with staged_file(path) as temporary:
        temporary.write_text(text, "utf-8")


def build_page(build: Installed) -> str:
    """Everything about one build: where it comes from, what was checked, what it looks like."""
    program = drawing_program()
    figures = figures_of(build)
    title = f"{build.manifest['title']}, release {build.release}"
    pictures = "".join(figure.html(build.label) for figure in figures)
    sections = {
        "source": "Source",
        "content": "Content",
        "pictures": "Pictures",
        "best": "Best architectures",
        "checks": "Checks",
        "notes": "Notes",
    }
    navigation = "".join(f'<a href="#{name}">{text}</a>' for name, text in sections.items())
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="build">{escape(build.label)}</p>',
        f'<nav><a href="index.html">All builds</a>{navigation}</nav>',
        section("source", "Source", citation(build), _provenance(build)),
        section("content", "Content", _trainings(build), _tables(build)),
        section("pictures", "Pictures", f'<div class="figures">{pictures}</div>'),
        section("best", "Best architectures", best_cells(build), best_tables(build)),
        section("checks", "Checks", checks_summary(build), _checks(build)),
        section("notes", "Notes", _notes(build)),
        figures_script(figures, build.label),
    ]
    return page(title, body, synthetic=build.synthetic, scripts=[program])


# ---------------------------------------------------------------------------------------------
# provenance


def citation(build: Installed) -> str:
    """The publication to cite, before everything else."""
    return f'<p class="citation"><strong>Cite</strong> {escape(build.manifest["citation"])}</p>'


def _provenance(build: Installed) -> str:
    manifest = build.manifest
    said = facts(
        [
            ("homepage", link(manifest["homepage"])),
            ("licence of the data", escape(manifest["data_licence"])),
            ("licence of the code", escape(manifest["code_licence"])),
            ("version", f"<code>{escape(manifest['version'])}</code>"),
            ("complete", "no, a part of its space" if manifest["partial"] else "yes"),
            ("built by", escape(f"nasbase {manifest['nasbase']}, {_tools(manifest)}")),
        ]
    )
    raw = table(
        ["raw file", "form", "size", "SHA-256"],
        [
            [
                escape(file["file"]),
                escape(file["form"] or ""),
                size(file["bytes"]),
                f"<code>{escape(file['sha256'])}</code>",
            ]
            for file in manifest["raw"]
        ],
        sides="<<><",
    )
    files = table(
        ["file", "size", "SHA-256"],
        [
            [escape(name), size(file["bytes"]), f"<code>{file['sha256']}</code>"]
            for name, file in manifest["files"].items()
        ],
        sides="<><",
    )
    return said + raw + details("Digests of the installed files", files)


def _tools(manifest: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in manifest["tools"].items())


# ---------------------------------------------------------------------------------------------
# content


def _trainings(build: Installed) -> str:
    """How many networks were trained in which way, and how often."""
    rows = []
    for setting in build.settings:
        repeats = sorted(Counter(setting.n.tolist()).items())
        rows.append(
            [
                escape(setting.label),
                f"{len(setting.ids):,}",
                f"{int(setting.n.sum()):,}",
                ", ".join(f"{runs}: {count:,}" for runs, count in repeats),
            ]
        )
    head = ["trained on", "networks", "trainings", "networks by number of runs"]
    return table(head, rows, sides="<>><")


def _tables(build: Installed) -> str:
    rows = [
        [escape(name), f"{content['rows']:,}", f"<code>{content['digest']}</code>"]
        for name, content in build.manifest["tables"].items()
    ]
    return details(
        "Tables and their digests",
        table(["table", "rows", "digest of the content"], rows, sides="<><"),
    )


# ---------------------------------------------------------------------------------------------
# checks and notes


def checks_summary(build: Installed) -> str:
    """One sentence about all checks."""
    records = build.validation["checks"]
    failed = [record for record in records if not record["passed"]]
    checked = sum(record["checked"] for record in records)
    verdict = (
        '<span class="ok">all passed</span>'
        if not failed
        else f'<span class="warning">{len(failed)} reported something</span>'
    )
    return f"<p>{len(records)} checks looked at {checked:,} things: {verdict}.</p>"


def _checks(build: Installed) -> str:
    records = build.validation["checks"]
    rows = [
        [
            _verdict(record),
            f"<code>{escape(record['id'])}</code>",
            escape(record["claim"]) + _counts(record) + _examples(record),
            f"{record['checked']:,}",
            f"{record['failed']:,}",
        ]
        for record in sorted(records, key=lambda record: (record["passed"], record["id"]))
    ]
    return table(["", "check", "what it proves", "checked", "failed"], rows, sides="<<<>>")


def _verdict(record: Mapping[str, Any]) -> str:
    if not record["passed"]:
        return f'<span class="{_severity(record)}">{escape(record["severity"])}</span>'
    if not record["checked"]:
        return '<span class="note">nothing to check</span>'
    return '<span class="ok">passed</span>'


def _severity(record: Mapping[str, Any]) -> str:
    return "failed" if record["severity"] == "error" else "warning"


def _counts(record: Mapping[str, Any]) -> str:
    """What a check counted column by column, where it did: the numbers that are not 0."""
    lines = []
    for name, counts in record.get("counts", {}).items():
        found = [f"{n:,} {how.replace('_', ' ', 1)}" for how, n in sorted(counts.items()) if n]
        lines.append(f"{name}: {', '.join(found) or 'nothing in common'}")
    return "".join(f'<br><span class="note">{escape(text)}</span>' for text in lines)


def _examples(record: Mapping[str, Any]) -> str:
    return "".join(f'<br><span class="note">{escape(text)}</span>' for text in record["examples"])


def _notes(build: Installed) -> str:
    """Notes by kind and code, with one sentence as an example of each."""
    notes = build.read("notes", ["table", "column", "kind", "code", "sentence", "reference"])
    found: dict[tuple[str, str, str, str], tuple[int, str, str]] = {}
    for row in notes.to_pylist():
        key = (row["kind"], row["code"], row["table"], row["column"] or "")
        count, sentence, reference = found.get(key, (0, row["sentence"], row["reference"] or ""))
        found[key] = (count + 1, sentence, reference)
    rows = []
    for (kind, code, name, column), (count, sentence, reference) in sorted(found.items()):
        about = f"{name}.{column}" if column else name
        said = escape(sentence)
        if reference:
            said += f'<br><span class="note">{escape(reference)}</span>'
        cells = [escape(kind), f"<code>{escape(code)}</code>", escape(about)]
        rows.append([*cells, f"{count:,}", said])
    intro = paragraph(
        "What is known about rows and columns that their values do not say: errata of upstream, "
        "properties by design, outcomes of trainings, and values released as NaN."
    )
    head = ["kind", "code", "about", "rows", "what was found (the first of its kind)"]
    return intro + table(head, rows, sides="<<<><")
