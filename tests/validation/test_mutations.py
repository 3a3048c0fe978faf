"""Defects applied to good builds one at a time: validation reports each, and says where it is."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import replace

import defects_nb101
import pytest
from defects import DEFECTS
from document import MARK, NATS, PAGE, document, every_check
from tampering import FORMS, Copy

import nasbase.checks.validate as validation
from nasbase.checks.validate import checks_of, validate
from nasbase.errors import CheckFailedError

RAW_CHECKS = {"all.raw", "all.sources"}


def judged(copy: Copy, *, raw: bool = True) -> tuple[dict[str, dict], CheckFailedError | None]:
    """What validation reports of a copy, check by check, and how it refused it."""
    report, refusal = copy.folder / "validation.json", None
    try:
        validate(copy.artifacts, report, raw=copy.raw if raw else None, reread="all")
    except CheckFailedError as error:
        refusal, report = error, copy.folder / "validation.failed.json"
    records = json.loads(report.read_text())["checks"]
    return {record["id"]: record for record in records}, refusal


def run_only(wanted: Collection[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let validation run some of its checks alone: the others cost time."""
    found = validation.checks_of
    monkeypatch.setattr(
        validation, "checks_of", lambda artifacts: [c for c in found(artifacts) if c.id in wanted]
    )


@pytest.mark.parametrize("benchmark", list(FORMS))
def test_good_builds_pass_every_check(good, tmp_path, benchmark):
    copy = Copy(good(benchmark), tmp_path, FORMS[benchmark])
    records, refusal = judged(copy)
    assert refusal is None
    assert [record["id"] for record in records.values() if not record["passed"]] == []
    assert {record["severity"] for record in records.values()} == {"error", "warning"}


@pytest.mark.parametrize("benchmark", list(FORMS))
def test_without_a_defect_a_copy_stays_as_it_was(good, tmp_path, benchmark):
    """Writing the same rows, and what follows from them, gives the same bytes."""
    copy = Copy(good(benchmark), tmp_path, FORMS[benchmark])
    for name in ("architectures", "curves", "columns"):
        copy.write(name, copy.rows(name))
    copy.follow(finals=True)
    assert copy.digests() == good(benchmark).digests()


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.id)
def test_every_defect_is_reported(good, tmp_path, monkeypatch, defect):
    copy = Copy(good(defect.benchmark), tmp_path, defect.forms)
    place = defect.change(copy)
    assert copy.digests() != good(defect.benchmark).digests(), "nothing was changed"
    if not defect.whole:
        run_only(defect.checks, monkeypatch)
    records, refusal = judged(copy, raw=not RAW_CHECKS.isdisjoint(defect.checks))
    failed = {name: record for name, record in records.items() if not record["passed"]}
    told = {name: f"{r['failed']}: {r['examples']}" for name, r in failed.items()}
    assert failed.keys() >= defect.checks.keys(), told
    for name, words in defect.checks.items():
        assert records[name]["severity"] == defect.severity, name
        assert words.format(place=place) in " ".join(records[name]["examples"]), told
    if defect.severity == "error":
        assert refusal is not None
        assert not [name for name in defect.checks if name not in str(refusal)]
    else:
        assert refusal is None, told


@pytest.mark.parametrize(
    ("benchmark", "checks"),
    [
        ("nb101", {"nb101.space": "8 hashes", "nb101.repeats": "arch_id 0, 12 epochs: 2 runs"}),
        ("nb201", {"nb201.enumeration": "6 architectures of 15625", "nb201.classes": "6 classes"}),
        ("nats_tss", {"nats_tss.enumeration": "6 architectures", "nats_tss.classes": "6 classes"}),
        ("nats_sss", {"nats_sss.enumeration": "6 architectures of 32768"}),
        ("nds", {"nds.counts": "Amoeba.json: 2 trainings, not 4983"}),
    ],
)
def test_a_part_is_not_a_whole_release(good, tmp_path, benchmark, checks):
    """Checks that hold for complete and real releases alone notice what is neither."""
    copy = Copy(good(benchmark), tmp_path, ())
    if benchmark == "nb101":
        defects_nb101.nb101_two_runs(copy)
    artifacts = replace(copy.artifacts, partial=False, synthetic=benchmark != "nds")
    known = {check.id: check for check in checks_of(artifacts)}
    for name, words in checks.items():
        record = known[name].report(artifacts)
        assert not record["passed"]
        assert words in " ".join(record["examples"])


@pytest.mark.parametrize(
    ("change", "check", "sentences"),
    [
        (defects_nb101.column_meaning, "all.columns", "columns"),
        (defects_nb101.column_note_reworded, "all.facts", "notes"),
        (defects_nb101.note_reworded, "all.notes", "notes"),
        (defects_nb101.column_unit, "all.columns", None),
        (defects_nb101.split_count, "all.facts", None),
        (defects_nb101.note_on_another_trial, "all.notes", None),
    ],
)
def test_another_version_has_its_own_sentences_but_no_other_facts(
    good, tmp_path, change, check, sentences
):
    copy = Copy(good("nb101"), tmp_path, ())
    change(copy)
    artifacts = replace(copy.artifacts, made_by="0.0.9")
    (record,) = [c.report(artifacts) for c in checks_of(artifacts) if c.id == check]
    if sentences is None:
        assert record["failed"] > 0
        assert "warnings" not in record
    else:
        assert record["passed"]
        (warning,) = record["warnings"]
        assert warning.startswith("described by another version of nasbase, 0.0.9")
        assert re.search(rf": [1-9]\d* of \d+ sentences of {sentences} differ$", warning)


def test_every_check_is_shown_to_fail():
    """Checks that rooms share count once; those of whole releases are in the test above."""
    whole = {"nb101.space", "nb101.repeats", "nds.counts", "nats.classes"}
    proved = {shared(name) for defect in DEFECTS for name in defect.checks} | whole
    assert {shared(name) for name in every_check()} == proved


def shared(check: str) -> str:
    room, _, what = check.partition(".")
    return f"nats.{what}" if room in NATS else check


def test_defects_are_named_once():
    names = [defect.id for defect in DEFECTS]
    assert len(names) == len({*names})
    assert all(defect.what.endswith(".") and defect.checks for defect in DEFECTS)


def test_the_page_is_current():
    page = PAGE.read_text()
    wanted = page.split(MARK)[0] + document()
    assert page == wanted, "run: python tests/validation/document.py"
