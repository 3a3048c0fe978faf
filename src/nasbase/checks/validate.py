"""The validate step: every check of a benchmark, run on the artifacts, and its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nasbase.benchmarks import room_of
from nasbase.benchmarks.room import RawRelease
from nasbase.checks.check import Artifacts, Check
from nasbase.checks.computed import computed_checks
from nasbase.checks.described import described_checks, source_check
from nasbase.checks.figures import figure_checks
from nasbase.checks.forms import form_checks
from nasbase.checks.generic import generic_checks
from nasbase.checks.pool import run_checks
from nasbase.checks.raw import Extent, raw_checks
from nasbase.checks.summaries import summary_checks
from nasbase.errors import CheckFailedError
from nasbase.staging import staged_file
from nasbase.store.build import read_build


def checks_of(artifacts: Artifacts) -> list[Check]:
    """Every check of a build: of all benchmarks, its forms, its room, and published figures."""
    return [
        *generic_checks(artifacts.benchmark),
        *described_checks(),
        *computed_checks(),
        *summary_checks(),
        *form_checks(artifacts.forms),
        *room_of(artifacts.benchmark).checks(),
        *figure_checks(artifacts),
    ]


def validate(
    artifacts: Artifacts,
    report: Path,
    *,
    raw: RawRelease | None = None,
    reread: Extent = "sample",
    processes: int = 1,
) -> dict[str, Any]:
    """Run every check and write the report.

    Parameters
    ----------
    artifacts
        What was built.
    report
        Where the report is written.
    raw, reread
        The raw files, and how many of their architectures are read a second time.
    processes
        Checks that run at once.

    Returns
    -------
    dict
        The report: identity of the build, counts, and one record per check.

    Raises
    ------
    CheckFailedError
        If a check of severity ``error`` failed. The report is then written beside ``report`` under
        the name ``<stem>.failed.json``, so that nothing downstream takes it for a success.
    """
    build = read_build(artifacts.folder)
    rereading = [] if raw is None else [source_check(raw), *raw_checks(raw, reread)]
    records = list(run_checks([*checks_of(artifacts), *rereading], artifacts, processes))
    errors = [r for r in records if not r["passed"] and r["severity"] == "error"]
    warnings = [r for r in records if not r["passed"] and r["severity"] == "warning"]
    document = {
        **build.described(),
        "synthetic": build.synthetic,
        "partial": build.partial,
        "passed": not errors,
        "checks_run": len(records),
        "errors": len(errors),
        "warnings": len(warnings),
        "checks": records,
    }
    target = report if not errors else report.with_name(f"{report.stem}.failed.json")
    with staged_file(target) as temporary:
        temporary.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    if errors:
        raise _failure(artifacts, errors, target)
    return document


def _failure(artifacts: Artifacts, errors: list[dict[str, Any]], report: Path) -> CheckFailedError:
    lines = [
        f"{r['id']}: {r['failed']} of {r['checked']}, for example {'; '.join(r['examples'])}"
        for r in errors
    ]
    return CheckFailedError(
        f"{len(errors)} checks failed for {artifacts.benchmark} {artifacts.release}; "
        "nothing was installed, and what was installed before is untouched.",
        where=artifacts.folder,
        expected="every check of severity error to pass",
        found="\n    ".join(["", *lines]),
        todo=f"Read {report}. If the raw file is damaged, obtain it again; if upstream released "
        "something new, the check has to learn it.",
    )
