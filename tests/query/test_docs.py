"""The pages for users: what they show is run, and compared with nats_bench where both answer."""

from __future__ import annotations

import ast
import doctest
import hashlib
import importlib.util
import math
import re
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nasbase.benchmarks import NAMES
from nasbase.cli import main
from nasbase.store.hdf5 import write_hdf5
from nasbase.store.install import write_catalog
from nasbase.store.nni import pinned
from nasbase.store.nni.writer import write_nni

ROOT = Path(__file__).resolve().parents[2]
MIGRATION, QUERY, README = ROOT / "docs" / "migration.md", ROOT / "docs" / "query.md", "README.md"
PAGES = [ROOT / README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
ARCHITECTURES = re.search(r"--architectures (\d+) --seed 1", (ROOT / "Makefile").read_text())
VERSION = re.compile(r"\bsample\+s\d+\.[0-9a-f]{8}\b")


class Block(NamedTuple):
    """A piece of code of a page: its section, its language and the tool it is for."""

    section: str
    language: str
    tool: str
    code: str


def blocks(page: Path) -> list[Block]:
    """All pieces of code, in order."""
    found, section = [], ""
    pattern = r"^## (?P<title>[^\n]*)$|^```(?P<language>\w+) ?(?P<tool>\w*)\n(?P<code>.*?)^```$"
    for match in re.finditer(pattern, page.read_text(), re.M | re.S):
        if match["title"] is not None:
            section = match["title"]
        else:
            found.append(Block(section, match["language"], match["tool"], match["code"]))
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A folder as `make demo` leaves it, with nats_bench's file of the same records beside it."""
    path = Path(__file__).with_name("conftest.py")
    spec = importlib.util.spec_from_file_location("sample_builds", path)
    builds = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builds)
    count = ARCHITECTURES[1]
    builds.ARCHITECTURES.update(dict.fromkeys(NAMES, int(count)))
    folder = tmp_path_factory.mktemp("demo")
    for name in NAMES:
        builds.build(name, folder, folder / "results")
    write_catalog(folder / "results")
    build = folder / "results" / "nats_tss" / "sample"
    write_hdf5(build, build / "curves.h5")
    nb201 = folder / "results" / "nb201" / "sample"
    write_nni(nb201, nb201 / "nni" / "new.db")
    digest = hashlib.sha256((nb201 / "nni" / "new.db").read_bytes()).hexdigest()
    (nb201 / "nni" / "new.db").rename(nb201 / "nni" / pinned("nasbench201", digest))
    sample = ["sample", "--benchmark=nats_tss", f"--architectures={count}", "--seed=1"]
    assert main([*sample, "--form=pickle", str(folder / "pickle")]) == 0
    shutil.move(
        folder / "pickle" / "NATS-tss-sample.pickle.pbz2",
        folder / "NATS-tss-v1_0-3ffb9.pickle.pbz2",
    )
    return folder


@pytest.fixture
def there(demo, monkeypatch):
    """Stand in the demo's folder, so that `nasbase.open` finds ./results."""
    monkeypatch.delenv("NASBASE_HOME", raising=False)
    monkeypatch.chdir(demo)
    return demo


# ---------------------------------------------------------------------------------------------
# the same question in several tools


def bound(code: str) -> set[str]:
    """Names that a piece of code binds at its top level."""
    nodes = (node for statement in ast.parse(code).body for node in _outside_functions(statement))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _outside_functions(node: ast.AST):
    inner = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.DictComp, ast.GeneratorExp)
    if not isinstance(node, inner):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _outside_functions(child)


def answers(tool: str) -> dict[str, dict[str, Any]]:
    """Run a tool's blocks one after the other: what each section has bound."""
    space: dict[str, Any] = {}
    given: dict[str, dict[str, Any]] = {}
    for block in blocks(MIGRATION):
        if block.tool == tool:
            exec(compile(block.code, f"{MIGRATION.name}: {block.section}", "exec"), space)
            given[block.section] = {name: space[name] for name in bound(block.code)}
    return given


def same(ours: Any, theirs: Any) -> bool:
    """Equal; numbers within the rounding of a mean of a few."""
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, str):
        return ours == theirs
    return math.isclose(float(ours), float(theirs), rel_tol=1e-12)


def test_nasbase_and_nats_bench_give_the_same_answers(there):
    pytest.importorskip("nats_bench")
    ours, theirs = answers("nasbase"), answers("nats_bench")
    compared = 0
    for section, names in theirs.items():
        if section == "Opening":
            continue
        common = set(names) & set(ours[section])
        assert common, f"section {section}: nothing to compare"
        for name in sorted(common):
            mine, other = ours[section][name], names[name]
            assert same(mine, other), f"section {section}, {name}: {mine!r} is not {other!r}"
            compared += 1
    assert compared > 25


def test_every_question_has_code_of_nasbase_and_a_trap():
    page = MIGRATION.read_text()
    ours = {block.section for block in blocks(MIGRATION) if block.tool == "nasbase"}
    titles = re.findall(r"^## (.*)$", page, re.M)
    assert [title for title in titles if title not in ours] == ["Names", "Other packages"]
    assert page.count("**Trap.**") == len(ours)


def test_code_of_other_tools_is_python():
    others = [block for block in blocks(MIGRATION) if block.tool in ("NNI", "NASBench")]
    assert len(others) > 20
    for block in others:
        ast.parse(block.code)


def test_a_block_that_disagrees_would_be_noticed():
    assert not same([1.0, 2.0], [1.0, 2.0001])
    assert not same((1, 2), (1, 2, 3))
    assert bound("a, b = 1, 2\nfor c in (x for y in z):\n    d = [e for e in f]") == set("abcd")


# ---------------------------------------------------------------------------------------------
# examples with printed answers


class Checker(doctest.OutputChecker):
    """Versions change with the tables' text; everything else is compared."""

    def check_output(self, want: str, got: str, flags: int) -> bool:
        """Compare without the digests of versions."""
        return super().check_output(
            VERSION.sub("VERSION", want), VERSION.sub("VERSION", got), flags
        )


def run_examples(page: Path, names: Mapping[str, Any]) -> doctest.TestResults:
    """Run the examples of a page in one session; complain about the first that is not true."""
    shown = [b.code for b in blocks(page) if b.language == "python" and b.code.startswith(">>>")]
    test = doctest.DocTestParser().get_doctest("\n".join(shown), dict(names), page.name, None, 0)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    report: list[str] = []
    result = doctest.DocTestRunner(Checker(), optionflags=flags).run(test, out=report.append)
    assert result.failed == 0, "".join(report)
    return result


def test_the_guide_shows_true_answers(there):
    assert run_examples(QUERY, {}).attempted > 35


def test_the_guide_has_the_whole_table_of_roles():
    from nasbase.query.vocabulary import ROLES

    table = QUERY.read_text().split("## Roles")[1].split("\n## ")[0].replace("**", "")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[4:]]
    told: dict[tuple[str, str], list[str]] = {}
    benchmarks: list[str] = []
    for row in filter(None, rows):
        benchmarks = row[0].split(", ") if row[0] else benchmarks
        for benchmark in benchmarks:
            for dataset in re.findall(r"`(.+?)`", row[1]):
                told[benchmark, dataset] = row[2:4]
    assert set(told) == {(name, dataset) for name, roles in ROLES.items() for dataset in roles}
    for (benchmark, dataset), cells in told.items():
        for role, cell in zip(("valid", "test"), cells, strict=True):
            if role not in ROLES[benchmark][dataset]:
                assert cell == "none: an error"
                continue
            where, split = ROLES[benchmark][dataset][role]
            said = re.findall(r"`(.+?)`", cell)
            assert said == ([split] if where == dataset else [split, where])


# ---------------------------------------------------------------------------------------------
# README


def readme(language: str) -> list[str]:
    """Code of the README in one language."""
    return [block.code for block in blocks(ROOT / README) if block.language == language]


def test_the_first_lines_of_the_readme_give_what_it_shows(there, capsys):
    names: dict[str, Any] = {}
    first, more, *_ = readme("python")
    exec(first, names)
    printed = capsys.readouterr().out
    [shown] = readme("text")[:1]
    assert Checker().check_output(shown, printed, doctest.NORMALIZE_WHITESPACE), printed
    exec(more, names)
    assert names["clock"].elapsed_s > 0


def test_the_other_ways_to_read_work_on_the_demo(there):
    import duckdb

    exec(readme("python")[2], {})  # the drop-in
    for code in readme("python")[3:]:
        assert "results/nats_tss/1.0/" in code
        space: dict[str, Any] = {}
        exec(code.replace("nats_tss/1.0/", "nats_tss/sample/"), space)
        if "curve" in space:
            assert len(space["curve"]) == 200
        if "tensor" in space:
            assert space["tensor"].shape == (int(ARCHITECTURES[1]), 3, 200)
    statements = [code.replace("nats_tss/1.0/", "nats_tss/sample/") for code in readme("sql")]
    sqlite = sqlite3.connect("file:results/nats_tss/sample/nats_tss.sqlite?mode=ro", uri=True)
    assert len(statements) == 2
    for statement in statements:
        run = duckdb if ".parquet" in statement else sqlite
        [row] = run.execute(statement).fetchall()
        assert all(cell is not None for cell in row)


def test_the_page_of_drop_ins_runs_as_it_stands(there, capsys):
    """All blocks but the one for NNI itself; the TFRecord's path becomes the sample's."""
    codes = [b.code for b in blocks(ROOT / "docs" / "dropins.md") if b.language == "python"]
    nats, older, nni_itself, nni, google = codes
    assert "nni.set_default_framework" in nni_itself
    names: dict[str, Any] = {}
    exec(nats, names)
    assert names["info"]["test-accuracy"] > 0
    assert names["used"] == names["seconds"] > 0
    exec(older, names)
    assert names["info"]["valtest-accuracy"] > 0
    capsys.readouterr()
    exec(nni, names)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows
    assert all(int(seed) in (777, 888, 999) and points == "200" for seed, _, points in rows)
    exec(google.replace("/data/nasbench_only108", "/data/nasbench_sample"), names)
    assert 0 < names["data"]["test_accuracy"] < 1


def test_the_readme_is_short_and_names_targets_that_exist():
    text = (ROOT / README).read_text()
    assert len(text.splitlines()) <= 150
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    asked = re.findall(
        r"\bmake (\w+)\b", "\n".join([*readme("bash"), *re.findall("`(.*?)`", text)])
    )
    assert {"demo", "test", "check"} <= set(asked) <= set(targets)


# ---------------------------------------------------------------------------------------------
# links


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    heads = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target
