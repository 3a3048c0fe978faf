"""`nasbase verify`: whether the installed files are the ones that were validated."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nasbase
from nasbase.benchmarks import NAMES, canonical_name, room_of
from nasbase.benchmarks.room import choose_counterpart
from nasbase.cli import output
from nasbase.cli.arguments import add_home
from nasbase.environment import find_home
from nasbase.errors import ArtifactError, DamagedError

WARNING = "warning: "
"""Begins the verdict on what is as it may be, and yet worth knowing."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "verify",
        help="compare installed files with their manifest",
        description="Compare size and SHA-256 of every installed file with its manifest; with "
        "--checks, run every check of the validate step again. Exit status 3 if something differs. "
        "Of a build that another version of nasbase made, sentences may differ: a warning.",
        epilog="example: nasbase verify nb101 --checks",
    )
    parser.add_argument("benchmark", nargs="*", help="builds to verify (default: all installed)")
    parser.add_argument("--checks", action="store_true", help="run the checks again as well")
    add_home(parser)
    parser.set_defaults(run=_verify)


def _verify(given: argparse.Namespace) -> None:
    home = find_home(given.home)
    wanted = [canonical_name(name) for name in given.benchmark] or list(NAMES)
    manifests = [path for name in wanted for path in sorted(home.glob(f"{name}/*/manifest.json"))]
    if not manifests:
        raise ArtifactError(
            "There is nothing to verify.",
            where=home,
            expected=f"a build of {', '.join(wanted)}",
            found="none",
            todo="`nasbase list` shows what is installed.",
        )
    rows = []
    for path in manifests:
        name, release = path.parent.parent.name, path.parent.name
        bench = nasbase.open(name, release=release, home=home)
        rows += list(_files(bench))
        if given.checks:
            rows += list(_checks(bench, _counterpart(bench, home)))
    told = [row for row in rows if row["verdict"] != "ok"]
    bad = [row for row in told if not row["verdict"].startswith(WARNING)]
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    lines = [_line(row) for row in told]
    lines.append(
        f"{len(rows)} things verified in {len(manifests)} builds, {len(bad)} differ, "
        f"{len(told) - len(bad)} warnings."
    )
    synthetic = any(row["synthetic"] for row in rows)
    output.show(given.form, str(home), synthetic=synthetic, text="\n".join(lines), data=columns)
    if bad:
        raise DamagedError(
            f"{len(bad)} installed files or checks are not as they were.",
            where=home,
            expected="what the manifests say",
            found="; ".join(_line(row) for row in bad[:3]),
            todo="Delete the folder of the build and run snakemake: it installs it again.",
        )


def _line(row: dict[str, Any]) -> str:
    return f"{row['build']}: {row['what']}: {row['verdict']}"


def _row(bench: Any, what: str, verdict: str) -> dict[str, Any]:
    build = f"{bench.name} {bench.version}"
    return {"build": build, "synthetic": bench.synthetic, "what": what, "verdict": verdict}


def _files(bench: Any) -> Iterator[dict[str, Any]]:
    for name, recorded in sorted(bench.manifest["files"].items()):
        yield _row(bench, name, _compare(bench.folder / name, recorded))


def _compare(path: Path, recorded: dict[str, Any]) -> str:
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size != recorded["bytes"]:
        return f"has {size} bytes, not {recorded['bytes']}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return "ok" if digest == recorded["sha256"] else f"has the SHA-256 {digest}"


def _counterpart(bench: Any, home: Path) -> Path | None:
    """Folder of the installed build that the checks compare a build with."""
    name = room_of(bench.name).counterpart
    folders = [path.parent for path in sorted(home.glob(f"{name}/*/manifest.json"))]
    installed = [nasbase.open(str(name), release=f.name, home=home) for f in folders]
    chosen = choose_counterpart(bench, installed)
    return None if chosen is None else chosen.folder


def _checks(bench: Any, counterpart: Path | None) -> Iterator[dict[str, Any]]:
    from nasbase.checks.check import Artifacts
    from nasbase.checks.pool import run_checks
    from nasbase.checks.validate import checks_of

    artifacts = Artifacts(
        benchmark=bench.name,
        release=bench.release,
        folder=bench.folder,
        partial=bench.manifest["partial"],
        synthetic=bench.synthetic,
        forms=tuple(bench.manifest["forms"]),
        made_by=bench.manifest["nasbase"],
        counterpart=counterpart,
    )
    for record in run_checks(checks_of(artifacts), artifacts, min(2, os.cpu_count() or 1)):
        yield _row(bench, f"check {record['id']}", _verdict(record))


def _verdict(record: dict[str, Any]) -> str:
    if record["passed"]:
        return WARNING + "; ".join(record["warnings"]) if "warnings" in record else "ok"
    failed = f"{record['failed']} of {record['checked']} failed: {record['examples'][:2]}"
    return failed if record["severity"] == "error" else WARNING + failed
