"""The command, as a script or a person would use it."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import nasbase
from nasbase.checks.check import Check
from nasbase.cli import main
from nasbase.store.install import write_catalog
from nasbase.tables.derive import column_rows

# The steps of a build stand beside the tests of the workflow.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from stepwise import build


@pytest.fixture
def run(home, capsys):
    """Run a command on the sample builds: status, stdout, stderr."""

    def call(*arguments, at=home):
        status = main([*arguments, "--home", str(at)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


ANSWERS = [
    ["list"],
    ["info", "nats_tss"],
    ["info", "nb101", "--columns", "trials"],
    ["query", "nats_tss", "1234", "--dataset", "cifar10", "--epochs", "200"],
    ["query", "nats_tss", "1234", "--dataset", "cifar10", "--mean"],
    ["query", "nats_tss", "1234", "test_acc", "--dataset", "cifar10", "--hp", "200"],
    ["query", "nats_sss", "8:8:8:16:40", "x-valid", "--dataset", "CIFAR100", "--hp", "01"],
    ["query", "nb101", "00005c142e6f48ac74fdcf73e3439874", "valid_acc", "--epochs", "108"],
    ["best", "nb101", "--epochs", "108", "-k", "3"],
    ["best", "nats_tss", "--dataset", "cifar10", "--epochs", "12", "--where", "max_params=500000"],
    ["curve", "nats_sss", "1234", "test_acc", "--dataset", "cifar100", "--epochs", "90"],
    ["cite", "nds"],
    ["verify", "nb101"],
]


@pytest.mark.parametrize("arguments", ANSWERS, ids=" ".join)
def test_every_answer_comes_as_text_json_and_csv(run, arguments):
    status, text, _ = run(*arguments)
    assert status == 0
    assert text.strip()
    status, out, _ = run(*arguments, "--json")
    document = json.loads(out)
    assert (status, document["synthetic"]) == (0, True)
    assert document["answer"]
    status, out, err = run(*arguments, "--csv")
    rows = list(csv.reader(io.StringIO(out)))
    assert status == 0
    assert len(rows) >= 2
    assert {len(row) for row in rows} == {len(rows[0])}
    assert err.strip()


@pytest.mark.parametrize("arguments", ANSWERS[1:11], ids=" ".join)
def test_made_up_numbers_say_so(run, arguments):
    _, text, _ = run(*arguments)
    assert "synthetic" in text.lower()


def test_the_numbers_are_those_of_the_library(run, home):
    bench = nasbase.open("nats_tss", home=home)
    question = {"dataset": "cifar10", "num_epochs": 200}
    asked = ["query", "nats_tss", "1234", "test_acc", "--dataset=cifar10", "--epochs=200"]
    _, out, _ = run(*asked, "--json")
    expected = bench.value(1234, "test_acc", **question)
    assert json.loads(out)["answer"]["value"] == float(expected)
    _, out, _ = run("query", "nats_tss", "1234", "--dataset=cifar10", "--epochs=200", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    trials = bench.trials(1234, **question)
    assert [float(row["ori_test_acc_pct"]) for row in rows] == trials.ori_test_acc_pct
    assert [int(row["seed"]) for row in rows] == trials.seed


def test_any_encoding_is_an_architecture(run, home):
    same = []
    bench = nasbase.open("nats_tss", home=home)
    nni = json.dumps(bench.space.decode(11, "nni"))
    for arch in ("11", bench[11].text, nni):
        asked = ["query", "nats_tss", arch, "test_acc", "--dataset=cifar10", "--hp=12"]
        _, out, _ = run(*asked, "--json")
        same.append(json.loads(out)["answer"])
    assert same[0] == same[1] == same[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["query", "nats_tss", "1234", "tst_acc", "--dataset", "cifar10"], ["'test_acc'"]),
        (["query", "nats_tss", "99999"], ["99999"]),
        (["info", "nb999"], ["nb999", "nb101"]),
        (["info", "nb101", "--columns", "trails"], ["trails", "trials"]),
        (["info", "nb101", "--release", "sampel"], ["sampel", "sample"]),
        (["best", "nats_tss", "--dataset", "cifar11"], ["cifar11", "cifar10"]),
        (["export", "nb101", "means", "means.txt"], [".csv", ".parquet"]),
    ],
)
def test_a_question_without_an_answer_is_status_1(run, arguments, words):
    status, out, err = run(*arguments)
    assert (status, out) == (1, "")
    assert all(word in err for word in words), err


def test_nothing_installed_says_how_to_build(run, tmp_path):
    for command in (["list"], ["info", "nb101"], ["verify"]):
        status, _, err = run(*command, at=tmp_path)
        assert status == 1
        assert "what to do" in err


WRONG = [
    [],
    ["qeury"],
    ["query"],
    ["best", "nb101", "-k", "0"],
    ["query", "nds", "{", "x"],
    ["list", "--json", "--csv"],
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage: nasbase" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["bytes", "gone"])
def test_damage_is_status_3(run, home, tmp_path, damage):
    copy = tmp_path / "results"
    shutil.copytree(home, copy)
    victim = copy / "nb101" / "sample" / "trials.parquet"
    if damage == "bytes":
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
    else:
        victim.unlink()
    status, out, err = run("verify", at=copy)
    assert status == 3
    assert "trials.parquet" in out
    assert "1 installed files" in err


def test_verify_can_run_the_checks_again(run):
    status, out, _ = run("verify", "nats_sss", "--checks", "--json")
    answer = json.loads(out)["answer"]
    assert status == 0
    assert "check all.sqlite.blobs" in answer["what"]
    assert set(answer["verdict"]) == {"ok"}


def test_a_build_of_another_version_may_be_worded_otherwise(run, home, tmp_path, monkeypatch):
    installed = tmp_path / "results" / "nb101" / "sample"
    shutil.copytree(home / "nb101" / "sample", installed)

    def reworded(described):
        return [{**row, "meaning": f"{row['meaning']} So it is."} for row in column_rows(described)]

    def verified(made_by):
        path = installed / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"nasbase": made_by}))
        write_catalog(tmp_path / "results")
        status, out, _ = run("verify", "nb101", "--checks", at=tmp_path / "results")
        (line,) = [line for line in out.splitlines() if "check all.columns" in line]
        return status, out, line

    monkeypatch.setattr("nasbase.checks.described.column_rows", reworded)
    status, out, line = verified("0.0.9")
    assert status == 0
    assert "warning: described by another version of nasbase, 0.0.9" in line
    assert "0 differ, 1 warnings." in out
    status, out, line = verified(nasbase.__version__)
    assert status == 3
    assert "failed: " in line
    assert "1 differ, 0 warnings." in out


def test_verify_compares_with_what_is_installed_beside_it(run, home, monkeypatch):
    check = Check("nb201.seen", "Shows it.", lambda a, o: o.count(1, [f"beside {a.counterpart}"]))
    monkeypatch.setattr("nasbase.checks.validate.checks_of", lambda _: [check])
    for name, other in (("nb201", home / "nats_tss" / "sample"), ("nats_tss", None)):
        status, text, _ = run("verify", name, "--checks")
        assert status == 3
        assert f"beside {other}'" in text


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json", ".jsonl"])
def test_export_writes_what_the_ending_says(run, home, tmp_path, ending):
    import pandas as pd

    out = tmp_path / f"means{ending}"
    status, text, _ = run("export", "nb101", "means", str(out), "--columns", "arch_id,n")
    assert status == 0
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".json": pd.read_json}
    frame = read[ending](out) if ending in read else pd.read_json(out, lines=True)
    table = nasbase.open("nb101", home=home).table("means").to_pandas()[["arch_id", "n"]]
    assert frame.astype("int64").equals(table.astype("int64"))
    assert f"{len(table):,} rows" in text


def test_every_command_shows_an_example(capsys):
    asking = ("list", "info", "query", "best", "curve", "export", "cite")
    for command in (*asking, "sample", "verify", "nni-install"):
        with pytest.raises(SystemExit) as error:
            main([command, "--help"])
        assert error.value.code == 0
        assert f"example: nasbase {command}" in " ".join(capsys.readouterr().out.split())


def test_a_closed_pipe_is_no_error(home):
    question = "curve nats_sss 1234 test_acc --dataset cifar100 --epochs 90 --csv"
    command = f"{sys.executable} -m nasbase.cli {question} --home '{home}' | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------------------------------------
# nni-install


@pytest.fixture(scope="module")
def nni_home(tmp_path_factory):
    """Builds that have NNI's database, and one that NNI does not know."""
    folder = tmp_path_factory.mktemp("nni")
    for name, count in (("nb101", 8), ("nds", 70), ("nats_sss", 2)):
        arguments = [f"--benchmark={name}", f"--architectures={count}", str(folder / "samples")]
        assert main(["sample", *arguments]) == 0
        table, forms = "samples/sources.yaml", ["parquet", "nni"]
        build(folder, name, "sample", table, partial=True, outputs=forms)
    write_catalog(folder / "results")
    return folder / "results"


@pytest.fixture
def install(run, nni_home, tmp_path, monkeypatch):
    """Run the command in a home folder of its own."""
    for name in ("NASBENCHMARK_DIR", "NNI_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    return lambda *arguments, at=nni_home: run("nni-install", *arguments, at=at)


def databases(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_nni_finds_what_is_placed(install, nni_home, tmp_path):
    status, out, _ = install()
    cache = tmp_path / "user" / ".cache" / "nni" / "nasbenchmark"
    old = tmp_path / "user" / ".nni" / "nasbenchmark"
    assert status == 0
    assert databases(old) == ["nasbench101.db", "nds.db"]
    assert len(databases(cache)) == 2
    for path in cache.iterdir():
        name, digest = path.stem.rsplit("-", 1)
        assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(digest)
        line = f'from nni.nas.benchmark import utils; utils.DB_URLS["{name}"] = "{path.name}"'
        assert line in [said.strip() for said in out.splitlines()]
        assert (old / f"{name}.db").read_bytes() == path.read_bytes()
        assert not (old / f"{name}.db").samefile(path)  # NNI 2.0 opens it for writing
        (source,) = nni_home.glob(f"*/sample/nni/{path.name}")
        assert source.stat().st_ino == path.stat().st_ino  # no second copy on the disk
    assert out.count("SYNTHETIC") == 2
    assert "nni.nas.benchmarks" in out


def test_nni_install_changes_nothing_the_second_time(install, tmp_path):
    install("nasbench101")
    files = [path for path in (tmp_path / "user").rglob("*") if path.is_file()]
    before = {path: path.stat().st_ctime_ns for path in files}
    status, out, _ = install("nb101")
    assert (status, out.count("(was there)")) == (0, 1)
    assert {path: path.stat().st_ctime_ns for path in files} == before
    assert len(files) == 2


def test_nni_install_takes_the_folder_that_nni_is_told(install, tmp_path, monkeypatch):
    monkeypatch.setenv("NNI_HOME", str(tmp_path / "nni home"))
    install("nb101")
    assert len(databases(tmp_path / "nni home" / "nasbenchmark")) == 1
    monkeypatch.setenv("NASBENCHMARK_DIR", str(tmp_path / "told"))
    _, out, _ = install("nb101")
    assert len(databases(tmp_path / "told")) == 2  # with the plain name
    assert "before NNI is imported" not in out
    _, out, _ = install("nb101", "--to", str(tmp_path / "other"))
    assert len(databases(tmp_path / "other")) == 2
    assert f"Set NASBENCHMARK_DIR={tmp_path / 'other'} before NNI is imported." in out


def test_nni_install_leaves_the_files_of_others(install, tmp_path, monkeypatch):
    folder = tmp_path / "told"
    monkeypatch.setenv("NASBENCHMARK_DIR", str(folder))
    folder.mkdir()
    (folder / "nasbench101-209f5694.db").write_text("NNI's own")
    (folder / "nasbench101.db").write_text("somebody's own, no database even")
    _, out, _ = install("nb101", "--json")
    answer = json.loads(out)["answer"]
    assert answer["others"] == [["nasbench101-209f5694.db"]]
    assert answer["plain_is_foreign"] == [True]
    assert (folder / "nasbench101.db").read_text() == "somebody's own, no database even"
    (folder / "nasbench101.db").unlink()
    with sqlite3.connect(folder / "nasbench101.db") as database:
        database.execute("CREATE TABLE nb101trialconfig (id INTEGER PRIMARY KEY)")
    _, out, _ = install("nb101")
    assert "is not of nasbase and was left alone" in out


def test_nni_install_says_where_it_cannot_write(install, tmp_path, monkeypatch):
    (tmp_path / "told").write_text("a file, no folder")
    monkeypatch.setenv("NASBENCHMARK_DIR", str(tmp_path / "told"))
    status, _, error = install("nb101")
    assert status != 0
    assert "cannot be placed" in error
    assert "--to" in error
    assert "Traceback" not in error


def test_nni_install_replaces_a_plain_link_by_a_copy(install, tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCHMARK_DIR", str(tmp_path / "told"))
    install("nds")
    (pinned,) = (tmp_path / "told").glob("nds-*.db")
    plain = tmp_path / "told" / "nds.db"
    plain.unlink()
    plain.hardlink_to(pinned)
    install("nds")
    assert not plain.samefile(pinned)
    assert plain.read_bytes() == pinned.read_bytes()


def test_nni_install_replaces_what_is_damaged(install, nni_home, tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCHMARK_DIR", str(tmp_path / "told"))
    install("nds")
    (placed,) = (tmp_path / "told").glob("nds-*.db")
    whole = placed.read_bytes()
    placed.unlink()  # and not written to: it shares its bytes with the build
    placed.write_bytes(whole[:-1])
    install("nds")
    assert placed.read_bytes() == whole
    assert sorted(databases(tmp_path / "told")) == ["nds-" + placed.stem[-8:] + ".db", "nds.db"]
    copy = tmp_path / "results"
    shutil.copytree(nni_home, copy)
    (source,) = copy.glob("nds/sample/nni/*.db")
    source.write_bytes(whole[:-1])
    status, _, err = install("nds", at=copy)
    assert status == 3
    assert "SHA-256" in err


def test_nni_install_says_what_is_left_out(install, nni_home, tmp_path):
    """A database that has not all trainings says so, as does one of a partial schedule."""
    copy = tmp_path / "results"
    shutil.copytree(nni_home, copy)
    (source,) = copy.glob("nb101/sample/nni/*.db")
    with sqlite3.connect(source) as database:
        database.execute("UPDATE nasbase_build SET value = '12' WHERE key = 'left_out'")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    path = copy / "nb101" / "sample" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][f"nni/{source.name}"]["sha256"] = digest
    path.write_text(json.dumps(manifest))
    _, out, _ = install("nb101", at=copy)
    assert re.search(r"12 of \d+ trainings are not in it", out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nats_sss"], ["NNI does not know it", "nb101, nb201, nds"]),
        (["nb201"], ["nb201 is not installed here"]),
        (["nb102"], ["nb101"]),
        (["nb101", "--release", "full"], ["Release full of nb101 is not installed"]),
        (["--release", "full"], ["No installed build has NNI's database"]),
    ],
)
def test_nni_install_refuses(install, tmp_path, arguments, words):
    status, out, err = install(*arguments)
    assert (status, out) == (1, "")
    assert all(word in err for word in words), err
    assert not (tmp_path / "user").exists()
    assert install(at=tmp_path / "nothing")[0] == 1


def test_a_build_without_nnis_database_says_so(run, home, tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCHMARK_DIR", str(tmp_path / "told"))
    status, _, err = run("nni-install", "nb101", at=home)
    assert status == 1
    assert "outputs" in err
    assert os.listdir(tmp_path) == []
