"""NNI's databases in a build by snakemake: where they are, what they say, who asks for them."""

import hashlib
import json
import sqlite3

import pytest
from harness import workflow_in

from nasbase.cli import main
from nasbase.store.nni import DATABASES


@pytest.fixture(params=DATABASES)
def placed(built, request):
    (path,) = (built.results(request.param) / "nni").iterdir()
    return request.param, path, built.manifest(request.param)


def test_the_name_carries_the_digest(placed):
    benchmark, path, manifest = placed
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path.name == f"{DATABASES[benchmark]}-{digest[:8]}.db"
    recorded = {"bytes": path.stat().st_size, "sha256": digest}
    assert manifest["files"][f"nni/{path.name}"] == recorded
    assert manifest["forms"][-1] == "nni"


def test_the_database_says_whose_numbers_it_holds(placed):
    _, path, manifest = placed
    with sqlite3.connect(path) as database:
        said = dict(database.execute("SELECT key, value FROM nasbase_build"))
    assert (said["version"], said["release"]) == (manifest["version"], "sample")
    assert (said["synthetic"], said["left_out"]) == ("true", "0")


def test_what_was_built_is_what_is_installed(built, placed):
    benchmark, path, _ = placed
    (work,) = (built.folder / "build" / benchmark).iterdir()
    assert (work / "nni" / f"{DATABASES[benchmark]}.db").samefile(path)


def test_its_checks_were_run(built, placed):
    report = json.loads((built.results(placed[0]) / "validation.json").read_text())
    checked = {check["id"]: check["checked"] for check in report["checks"] if check["passed"]}
    for name in ("build", "integrity", "schema", "rows"):
        assert checked[f"all.nni.{name}"] > 0


def test_it_is_listed_verified_and_placed(built, placed, tmp_path, monkeypatch, capsys):
    benchmark, path, manifest = placed
    home = str(built.folder / "results")
    catalog = json.loads((built.folder / "results" / "catalog.json").read_text())
    assert "nni" in catalog["benchmarks"][benchmark]["releases"]["sample"]["forms"]
    assert main(["verify", benchmark, "--home", home, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)["answer"]
    assert f"nni/{path.name}" in answer["what"]
    assert len(answer["what"]) == len(manifest["files"])
    monkeypatch.setenv("NASBENCHMARK_DIR", str(tmp_path))
    assert main(["nni-install", benchmark, "--home", home]) == 0
    assert (tmp_path / path.name).samefile(path)


def test_only_who_asks_gets_it(samples, tmp_path):
    workflow = workflow_in(tmp_path / "one", samples, benchmarks="nb101", outputs="sqlite")
    assert "nni" not in workflow.run().rules
    assert not (workflow.results("nb101") / "nni").exists()
    assert workflow.run(outputs="sqlite,nni").rules == ["catalog", "install", "nni", "validate"]
    (path,) = (workflow.results("nb101") / "nni").iterdir()
    assert path.name.startswith("nasbench101-")
