"""One build of all five benchmarks: what is installed, what it says of itself, and its bytes."""

import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import h5py
import pyarrow.parquet as pq
import pytest
from harness import ROOT, Workflow, digests, environment, workflow_in
from stepwise import build_all

from nasbase.benchmarks import NAMES
from nasbase.checks.generic import same_floats
from nasbase.store.nni import DATABASES
from nasbase.tables.catalogue import SCHEMA_VERSION, tables


@pytest.fixture(params=NAMES)
def installed(built, request):
    return request.param, built.results(request.param), built.manifest(request.param)


def test_the_catalogue_lists_what_is_installed(built):
    catalog = json.loads((built.folder / "results/catalog.json").read_text())
    assert sorted(catalog["benchmarks"]) == sorted(NAMES)
    for name, benchmark in catalog["benchmarks"].items():
        entry = benchmark["releases"][benchmark["latest"]]
        assert entry["version"] == built.manifest(name)["version"]
        assert (entry["synthetic"], entry["schema"]) == (True, SCHEMA_VERSION)
        trials = pq.read_metadata(built.folder / "results" / entry["folder"] / "trials.parquet")
        assert entry["trials"] == trials.num_rows > 0


def test_every_table_and_form_is_there(installed):
    name, folder, manifest = installed
    forms = {f"{name}.sqlite", *([] if name == "nb101" else ["curves.h5"])}
    forms |= {str(path.relative_to(folder)) for path in folder.glob("nni/*.db")}
    assert len(list(folder.glob("nni/*"))) == (name in DATABASES)
    expected = {f"{table}.parquet" for table in tables(name)} | forms | {"validation.json"}
    assert set(manifest["files"]) == expected
    for file, facts in manifest["files"].items():
        assert (folder / file).stat().st_size == facts["bytes"]


def test_every_form_says_that_the_numbers_are_made_up(installed):
    name, folder, manifest = installed
    assert manifest["synthetic"] is True
    assert json.loads((folder / "validation.json").read_text())["synthetic"] is True
    for path in folder.glob("*.parquet"):
        metadata = pq.read_metadata(path).metadata
        assert metadata[b"nasbase.synthetic"] == b"true"
        assert metadata[b"nasbase.release"] == b"sample"
    with sqlite3.connect(folder / f"{name}.sqlite") as database:
        build = dict(database.execute("SELECT key, value FROM build"))
        assert (build["synthetic"], build["version"]) == ("true", manifest["version"])
        assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    if name != "nb101":
        with h5py.File(folder / "curves.h5") as file:
            assert (file.attrs["synthetic"], file.attrs["version"]) == ("true", manifest["version"])


def test_the_version_is_release_schema_and_digest(installed):
    _, _, manifest = installed
    assert re.fullmatch(rf"sample\+s{SCHEMA_VERSION}\.[0-9a-f]{{8}}", manifest["version"])
    assert all(re.fullmatch("[0-9a-f]{64}", t["digest"]) for t in manifest["tables"].values())


def test_nothing_installed_names_a_path_of_this_machine(built):
    for path in (built.folder / "results").rglob("*"):
        if path.is_file():
            assert os.fsencode(built.folder) not in path.read_bytes(), path


def test_nb201_and_nats_tss_number_architectures_alike(built):
    rows = [
        {(a["arch_id"], a["arch_str"]) for a in pq.read_table(path).to_pylist()}
        for name in ("nb201", "nats_tss")
        for path in [built.results(name) / "architectures.parquet"]
    ]
    ids = [dict(r) for r in rows]
    common = ids[0].keys() & ids[1].keys()
    assert {12, 1224, 1234} <= common
    assert all(ids[0][i] == ids[1][i] for i in common)


def comparisons(built) -> list[dict]:
    """What validation of nb201 says of nats_tss."""
    report = json.loads((built.results("nb201") / "validation.json").read_text())
    return [check for check in report["checks"] if "same-as-nats-tss" in check["id"]]


def test_nb201_is_compared_with_nats_tss_where_both_are_built(built):
    found = comparisons(built)
    other = f"nats_tss {built.manifest('nats_tss')['version']}"
    assert len(found) == 8
    for check in found:
        assert (check["passed"], check["compared_with"]) == (True, other)
        assert check["checked"] > 0
    alone = built.run("-n", benchmarks="nb201").text
    assert "Validating nb201" in alone
    assert "Assembling" not in alone


def test_nb101_percentages_give_the_released_fractions_back(built):
    trials = pq.read_table(built.results("nb101") / "curves.parquet")
    for name in ("train_acc_pct", "valid_acc_pct", "test_acc_pct"):
        percent = trials[name]
        fraction = (percent.to_numpy() / 100).astype("f4").astype("f8")
        again = pq.read_table(built.results("nb101") / "curves.parquet", columns=[name])[name]
        assert same_floats(percent, again).all()
        assert ((fraction * 100) == percent.to_numpy()).all()


def test_no_leftovers(built):
    left = [p for p in built.folder.rglob(".*") if p.name.endswith((".tmp", ".old", ".part"))]
    assert left == []
    assert not list((built.folder / "build").glob("*/*/shards/*"))


def test_a_second_run_has_nothing_to_do(built):
    assert built.run("-n").nothing_to_do


def test_the_bytes_depend_on_nothing_but_the_input(built, samples, tmp_path):
    """Other cores and shards, a folder with a space, another user's environment."""
    other = workflow_in(tmp_path / "a folder" / "with spaces", samples, shards=1)
    odd = {"TZ": "Asia/Kathmandu", "LANG": "C", "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        ["sh", "-c", 'umask 077; exec "$@"', "sh", *other.command(cores=8)],
        cwd=other.folder, env={**environment(), **odd}, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert other.digests() == built.digests()
    modes = {p.stat().st_mode & 0o777 for p in (other.folder / "results").rglob("*.sqlite")}
    assert modes == {0o644}


def test_the_steps_alone_make_the_same_bytes(built, samples, tmp_path):
    """What other tests build without snakemake is what snakemake builds, in many shards too."""
    assert digests(build_all(samples, tmp_path / "steps", NAMES, shards=7)) == built.digests()


def test_one_benchmark_is_one_benchmark(samples, tmp_path):
    workflow = workflow_in(tmp_path / "one", samples, benchmarks="nasbench201", outputs="parquet")
    workflow.run()
    assert [p.name for p in (workflow.folder / "results").iterdir() if p.is_dir()] == ["nb201"]
    assert not (workflow.results("nb201") / "nb201.sqlite").exists()
    assert workflow.manifest("nb201")["forms"] == ["parquet"]
    reasons = {check.get("not_applicable") for check in comparisons(workflow)}
    assert reasons == {"nats_tss was not built with it."}


def test_the_workflow_runs_in_another_directory(samples, tmp_path):
    shutil.copytree(samples, tmp_path / "samples")
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2",
        "--directory", str(tmp_path), "--config", "sources=samples/sources.yaml",
        "benchmarks=nb101", "outputs=parquet", "report=false",
    ]  # fmt: skip
    subprocess.run(command, cwd="/", env=environment(), check=True, capture_output=True)
    assert (tmp_path / "results/nb101/sample/manifest.json").exists()


def test_a_typing_mistake_is_an_error_that_names_the_key(tmp_path):
    """What snakemake makes of a refused configuration; `test_config.py` has the other mistakes."""
    result = Workflow(tmp_path).run("-n", ok=False, releases="{nb101: fulll}")
    assert "'fulll'" in result.text
    assert "Did you mean 'full'?" in result.text


def test_the_real_releases_are_the_default(tmp_path):
    """Plain `snakemake` plans the real releases; nothing is fetched in a dry run."""
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-n"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), check=True, capture_output=True, text=True
    )
    for path in ("nb101/full-3d64db81", "nb201/1.1-096897", "nds/1-unpinned"):
        assert path in done.stdout + done.stderr


# ---------------------------------------------------------------------------------------------
# Snakemake does not follow imports: what a step loads must be what its rule declares

PACKAGE = ROOT / "src" / "nasbase"

# What a rule need not declare. Fetching must never be repeated for a change of code; the others
# decide how a step is run, not what it makes.
EXEMPT = re.compile(
    r"(sources/.*|steps|staging|joblog|errors|__init__|environment|.*/__init__)\.py"
)

STEPS = {
    "plan": "steps.plan_step(raw, out / 'plan.json', shards=2, partial=True)",
    "convert": "steps.convert_step(raw, work / 'plan.json', out / '000-of-002', partial=True)",
    "sqlite": "import nasbase.store.sqlite as form; form.write_sqlite(work / 'parquet', out / 'x')",
    "hdf5": "import nasbase.store.hdf5 as form; form.write_hdf5(work / 'parquet', out / 'x')",
    "nni": "from nasbase.store.nni.writer import write_nni; write_nni(work / 'parquet', out / 'x')",
    "install": "import nasbase.store.install",
}  # fmt: skip

SCRIPT = """
import json, os, sys
from pathlib import Path
import h5py, peewee, pyarrow.compute, pyarrow.parquet  # what is slow to load and no part of this

def modules(call, raw, work, out):
    from nasbase import steps
    exec(call)
    import nasbase
    package = Path(nasbase.__file__).parent
    files = [Path(m.__file__) for n, m in list(sys.modules.items()) if n.split(".")[0] == "nasbase"]
    return sorted(str(f.relative_to(package)) for f in files if f.is_relative_to(package))

for key, call, *paths in json.load(sys.stdin):
    if not os.fork():  # a process of its own, that has not loaded a module of nasbase yet
        print(json.dumps([key, modules(call, *map(Path, paths))]), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, key
"""


@pytest.fixture(scope="module")
def declarations(built) -> dict[tuple[str, str], set[str]]:
    """Modules among the inputs of each rule and benchmark, as Snakemake lists them."""
    lines = built.run("--detailed-summary").text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("output_file\t"))
    header, *rows = csv.reader(lines[start:], delimiter="\t")
    found: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        facts = dict(zip(header, row, strict=False))
        (name,) = re.findall("|".join(NAMES), facts["output_file"])[:1] or [""]
        modules = [Path(p) for p in facts["input-file(s)"].split(",") if p.endswith(".py")]
        own = found.setdefault((facts["rule"], name), set())
        own.update(str(path.relative_to(PACKAGE)) for path in modules)
    return found


def known_to(declarations, rule: str, name: str) -> set[str]:
    """Modules whose change reruns a rule.

    Shards are temporary, so what reruns assembly reruns conversion as well; and everything that is
    made of the tables is made again with them.
    """
    rules = {"plan", "convert", "assemble", rule}
    return set().union(*(declarations.get((r, name), set()) for r in rules))


ASKED = [
    (rule, name)
    for rule in STEPS
    for name in NAMES
    # nb101 has no tensors, NNI does not have NATS-Bench
    if (rule, name) != ("hdf5", "nb101") and (rule != "nni" or name in DATABASES)
]


@pytest.fixture(scope="module")
def loaded(built, tmp_path_factory) -> dict[tuple[str, str], set[str]]:
    """Modules that each step loads, of each benchmark."""
    calls = []
    for rule, name in ASKED:
        (work,) = (built.folder / "build" / name).iterdir()
        raw = built.folder / "resources/raw" / name / work.name / "fetched.json"
        out = tmp_path_factory.mktemp("out")
        calls.append([(rule, name), STEPS[rule], str(raw), str(work), str(out)])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(calls), cwd=built.folder,
        env=environment(), check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = map(json.loads, done.stdout.splitlines())
    return {tuple(key): set(modules) for key, modules in answers}


@pytest.mark.parametrize(("rule", "name"), ASKED)
def test_a_rule_declares_the_modules_that_its_step_loads(declarations, loaded, rule, name):
    undeclared = loaded[rule, name] - known_to(declarations, rule, name)
    assert {module for module in undeclared if not EXEMPT.fullmatch(module)} == set()
