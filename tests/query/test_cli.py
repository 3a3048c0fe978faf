"""The command, as a script or a person would use it."""

import csv
import io
import json
import shutil
import subprocess
import sys

import pytest

import nasbase
from nasbase.cli import main


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
    for command in ("list", "info", "query", "best", "curve", "export", "cite", "sample", "verify"):
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
