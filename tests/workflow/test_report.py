"""The report as the last step of a build."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from harness import ROOT, Workflow, environment, workflow_in

PACKAGE = ROOT / "src" / "nasbase"


BRIEF = {"benchmarks": "nb101,nds", "report": True, "outputs": "parquet", "shards": 1}
"""A build with as few jobs as there can be."""


@pytest.fixture(scope="module")
def reported(samples, tmp_path_factory) -> Workflow:
    """Two benchmarks, built with their report."""
    folder = tmp_path_factory.mktemp("reported")
    workflow = workflow_in(folder, samples, **BRIEF)
    workflow.first = workflow.run().rules
    return workflow


def test_the_default_target_includes_the_report(reported):
    assert reported.first.count("page") == 2
    assert reported.first.count("report") == 1
    pages = sorted(path.name for path in (reported.folder / "results/report").iterdir())
    assert pages == ["index.html", "nb101-sample.html", "nds-sample.html"]
    assert reported.run("-n").nothing_to_do


def test_the_cost_of_the_build_is_on_the_first_page(reported):
    text = (reported.folder / "results/report/index.html").read_text()
    for rule in ("convert", "assemble", "validate", "install"):
        assert f"<td>{rule}</td>" in text
    assert "<td>page</td>" not in text


def test_an_installed_build_is_drawn_again_alone(reported):
    before = (reported.folder / "results/report/nb101-sample.html").read_bytes()
    rules = reported.run("--forcerun", "install", "--until", "page", benchmarks="nb101").rules
    assert rules == ["catalog", "install", "page"]
    assert (reported.folder / "results/report/nb101-sample.html").read_bytes() == before
    assert "page" not in reported.run().rules
    assert reported.run("-n").nothing_to_do


def test_snakemakes_own_report_holds_the_pages(reported):
    target = reported.folder / "report.zip"
    reported.run("--report", str(target))
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
    pages = [name for name in names if name.endswith(("nb101-sample.html", "nds-sample.html"))]
    assert len(pages) == 2
    assert any(name.endswith("index.html") and "data" in name for name in names)


def test_the_rule_declares_the_modules_that_draw(reported):
    script = (
        "import json, sys; from pathlib import Path; import nasbase.report.build_page, nasbase;"
        "root = Path(nasbase.__file__).parent;"
        "files = [m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'nasbase'];"
        "print(json.dumps([str(Path(f).relative_to(root)) for f in files]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True,
        env={**environment(), "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    loaded = set(json.loads(done.stdout))
    lines = reported.run("--detailed-summary").text.splitlines()
    row = next(line.split("\t") for line in lines if line.startswith("results/report/nb101"))
    declared = {
        str(Path(path).relative_to(PACKAGE))
        for path in ",".join(row).split(",")
        if path.startswith(str(PACKAGE))
    }
    # What makes tables and installs them runs first when it changes, and its result is an input.
    upstream = re.compile(r"(errors|staging|environment)\.py|(store|tables)/.*|.*__init__\.py")
    assert {module for module in loaded - declared if not upstream.fullmatch(module)} == set()
    assert {"report/page.css", "report/charts.js"} <= declared


def test_a_deleted_page_is_drawn_again(reported):
    (page,) = (reported.folder / "results/report").glob("nb101-sample.html")
    before = page.read_bytes()
    page.unlink()
    assert reported.run().rules == ["page", "report"]
    assert page.read_bytes() == before


def test_a_report_that_fails_blocks_no_build(reported, tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "vl_convert.py").write_text("raise ImportError('made to fail')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    subprocess.run(["cp", "-a", str(reported.folder), str(tmp_path / "work")], check=True)
    workflow = Workflow(tmp_path / "work", config=reported.config)
    shutil.rmtree(workflow.folder / "results")
    result = workflow.run(ok=False)
    assert result.rules.count("install") == 2
    assert "catalog" in result.rules
    log = (workflow.folder / "logs/page/nb101-sample.log").read_text()
    assert "pip install 'nasbase[report]'" in log
    assert "report=false" in log
    monkeypatch.delenv("PYTHONPATH")
    assert workflow.run().rules == ["page", "page", "report"]


def test_no_report_is_made_where_none_is_asked_for(reported):
    planned = reported.run("-n", "--forceall", report=False).text
    assert "catalog" in planned
    assert "Drawing" not in planned
