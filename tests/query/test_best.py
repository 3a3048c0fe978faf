"""best and rank_correlation of whole builds, as a reader finds them; figures in the report."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from nasbase.benchmarks import NAMES
from nasbase.checks import figures as figures_package
from nasbase.checks import validate as validation
from nasbase.checks.check import Artifacts
from nasbase.checks.figures import figure_checks
from nasbase.checks.figures.published import Figure, figures
from nasbase.errors import CheckFailedError
from nasbase.tables.summaries import PLACES


@pytest.mark.parametrize("name", NAMES)
def test_best_is_what_the_handle_answers(bench, name):
    handle = bench(name)
    rows = handle.table("best").to_arrow().to_pylist()
    assert rows
    groups = {(r["dataset"], r["role"], r["num_epochs"], r["rule"]) for r in rows}
    for dataset, role, num_epochs, rule in groups:
        own = [
            row
            for row in rows
            if (row["dataset"], row["role"], row["num_epochs"], row["rule"])
            == (dataset, role, num_epochs, rule)
        ]
        answer = handle.best(
            dataset=dataset,
            select=f"{role}_acc",
            report="test_acc",
            num_epochs=num_epochs,
            k=PLACES,
            rule={"mean": "mean", "single": "trial"}[rule],
        )
        assert [row["rank"] for row in own] == [one.rank for one in answer]
        assert [row["arch_id"] for row in own] == [one.arch_id for one in answer]
        assert [row["value"] for row in own] == [float(one.selected) for one in answer]
        assert [row["n"] for row in own] == [one.selected.n for one in answer]
        if name == "nds":
            assert [row["config_id"] for row in own] == [one.config_id for one in answer]
        if rule == "mean":
            assert [row["test_acc_pct"] for row in own] == [float(one.reported) for one in answer]


def test_rank_correlation_is_what_the_handle_answers(bench):
    handle = bench("nats_tss")
    short = handle.values("valid_acc", dataset="cifar100", num_epochs=12)
    test = handle.values("test_acc", dataset="cifar100", num_epochs=200)
    answer = handle.rank_correlation(short, test, top=(0.01, 0.1, 0.25, 0.5, 1.0))
    rows = [
        row
        for row in handle.table("rank_correlation").to_arrow().to_pylist()
        if (row["kind"], row["y_dataset"]) == ("proxy", "cifar100")
    ]
    assert [row["top_pct"] for row in rows] == [1, 10, 25, 50, 100]
    assert tuple(row["n"] for row in rows) == answer.n
    for column, found in (
        ("pearson", answer.pearson),
        ("spearman", answer.spearman),
        ("kendall_tau_b", answer.kendall),
    ):
        assert tuple(row[column] for row in rows) == found


@pytest.mark.parametrize("name", NAMES)
def test_sqlite_has_the_same_rows(home, rows_of, name):
    with closing(sqlite3.connect(home / name / "sample" / f"{name}.sqlite")) as database:
        database.row_factory = sqlite3.Row
        for table, order in (
            ("best", "dataset, role, num_epochs, rule, rank"),
            ("rank_correlation", "comparison_id, top_pct"),
        ):
            found = database.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()
            assert list(map(dict, found)) == rows_of(name, table)
        plan = "EXPLAIN QUERY PLAN SELECT * FROM best WHERE dataset = ? AND role = ?"
        (line,) = database.execute(plan, ("cifar10", "test")).fetchall()
        assert "SEARCH" in line["detail"]


# ---------------------------------------------------------------------------------------------
# figures in the report


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_has_no_published_figure(home, name):
    report = json.loads((home / name / "sample" / "validation.json").read_text())
    records = {r["id"]: r for r in report["checks"] if ".figure." in r["id"]}
    assert set(records) == {figure.id for figure in figures(name)}
    for record in records.values():
        assert record["not_applicable"] == "The numbers of this build are made up."
        assert record["passed"]
        assert "expected" in record
    # Built alone, nb201 has no nats_tss to be compared with; small archives have no entries.
    others = (".figure.", ".same-as-", ".entries")
    plain = [r for r in report["checks"] if not any(part in r["id"] for part in others)]
    assert all("not_applicable" not in record for record in plain)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_can_be_computed(home, name):
    """On a small build told to be the release: each says what it found, or why it cannot."""
    folder = home / name / "sample"
    compared = 0
    for release in {release for figure in figures(name) for release in figure.releases}:
        artifacts = Artifacts(name, release, folder, partial=False, synthetic=False)
        for check in figure_checks(artifacts):
            record = check.report(artifacts)
            assert ("found" in record) != ("not_applicable" in record), record
            compared += record.get("found") is not None
            json.dumps(record)
    assert compared >= len(figures(name)) / 4


def doctored(monkeypatch, home, level, expected):
    """Validate a build as if it were the real release, by one figure alone."""
    figure = Figure(
        id="nb101.figure.cells",
        claim="Cells.",
        releases=("full",),
        quantity="rows",
        of={"table": "architectures"},
        expected=expected,
        tolerance=0.0,
        level=level,
        citation="Somebody",
        certainty="published",
    )
    monkeypatch.setattr(figures_package, "figures", lambda _benchmark: (figure,))
    monkeypatch.setattr(validation, "checks_of", figure_checks)
    folder = home / "nb101" / "sample"
    return Artifacts("nb101", "full", folder, partial=False, synthetic=False)


def test_a_wrong_figure_stops_the_build(monkeypatch, home, tmp_path):
    artifacts = doctored(monkeypatch, home, "fail", 7)
    with pytest.raises(CheckFailedError, match=r"found 80, published 7 \(Somebody\)"):
        validation.validate(artifacts, tmp_path / "validation.json")
    report = json.loads((tmp_path / "validation.failed.json").read_text())
    assert (report["passed"], report["errors"]) == (False, 1)


def test_a_reported_figure_never_stops_the_build(monkeypatch, home, tmp_path):
    artifacts = doctored(monkeypatch, home, "report", 7)
    report = validation.validate(artifacts, tmp_path / "validation.json")
    assert (report["passed"], report["errors"], report["warnings"]) == (True, 0, 1)
    (record,) = report["checks"]
    assert (record["found"], record["expected"]) == (80, 7)


def test_a_right_figure_passes(monkeypatch, home, tmp_path):
    artifacts = doctored(monkeypatch, home, "fail", 80)
    report = validation.validate(artifacts, tmp_path / "validation.json")
    assert (report["passed"], report["warnings"]) == (True, 0)
