"""The sources table: what it accepts, what it refuses, and what follows from it."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.benchmarks import NAMES
from nasbase.errors import ConfigError
from nasbase.sources.schema import load_yaml
from nasbase.sources.table import FileRow, Release, SourcesTable, schema

SHIPPED = Path(__file__).parents[2] / "config" / "sources.yaml"
A, B = "a" * 64, "b" * 64


def document() -> dict:
    """A small sound table."""
    file = {"name": "data.bin", "urls": ["https://host/data.bin"], "bytes": 5, "sha256": A}
    return {
        "nb101": {"full": {"status": "latest", "files": [file]}},
        "nds": {"sample": {"status": "supported", "synthetic": True, "files": [dict(file)]}},
    }


@pytest.fixture
def load(tmp_path):
    def write(content) -> SourcesTable:
        path = tmp_path / "sources.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return SourcesTable.load(path)

    return write


def refusal(load, content) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(content)
    assert "sources.yaml" in str(caught.value.where)
    return caught.value


# ---------------------------------------------------------------- the table that is shipped


@pytest.fixture(scope="module")
def shipped() -> SourcesTable:
    return SourcesTable.load(SHIPPED)


def test_every_release_is_there(shipped):
    found = {(r.benchmark, r.release, r.status) for r in shipped}
    assert found == {
        ("nb101", "full", "latest"),
        ("nb101", "only108", "supported"),
        ("nb201", "1.1", "latest"),
        ("nb201", "1.0", "deprecated"),
        ("nats_tss", "1.0", "latest"),
        ("nats_sss", "1.0", "latest"),
        ("nds", "1", "latest"),
    }
    assert set(shipped.benchmarks) == set(NAMES)


def test_what_upstream_states_is_there(shipped):
    for release in shipped:
        assert release.code_licence in {"Apache-2.0", "MIT"}
        assert release.data_licence == "not stated"
        assert release.homepage.startswith("https://github.com/")
        assert release.citation.endswith(("2019.", "2020.", "2022."))
        assert not release.synthetic
        assert not release.partial


def test_pins_of_the_shipped_table(shipped):
    assert {(r.benchmark, r.key) for r in shipped} == {
        ("nb101", "full-3d64db81"),
        ("nb101", "only108-4c39c393"),
        ("nb201", "1.1-096897"),
        ("nb201", "1.0-e61699"),
        ("nats_tss", "1.0-3ffb9"),
        ("nats_sss", "1.0-50262"),
        ("nds", "1-unpinned"),
    }


def test_the_md5_tail_belongs_to_the_pickle_alone(shipped):
    for benchmark, tail in (("nats_tss", "3ffb9"), ("nats_sss", "50262")):
        by_form = {f.form: f for f in shipped.release(benchmark).files}
        assert by_form["pickle"].md5_suffix == tail
        assert by_form["tar"].digest is None
        assert by_form["dir"].digest is None
        assert all(tail in f.name for f in by_form.values())


def test_both_mirrors_of_nb201(shipped):
    (file,) = shipped.release("nb201").files
    assert [u[:15] for u in file.urls] == ["gdrive:16Y0UwGi", "gdrive:1OOfVPpt"]


# ---------------------------------------------------------------- what follows from a row


def release(*files: FileRow) -> Release:
    return Release("nb101", "r", "latest", files)


def test_pin():
    assert release(FileRow("a", sha256=A)).pin == "aaaaaaaa"
    assert release(FileRow("a", sha256=A, md5_suffix="12345")).pin == "aaaaaaaa"
    assert release(FileRow("a", md5_suffix="12345")).pin == "12345"
    assert release(FileRow("a")).pin == "unpinned"
    assert release(FileRow("a"), FileRow("b")).pin == "unpinned"


def test_pin_of_alternatives_is_that_of_the_first_with_a_digest():
    tar, pickle = FileRow("t", form="tar"), FileRow("p", form="pickle", md5_suffix="3ffb9")
    folder = FileRow("d", form="dir", sha256=B)
    assert release(folder, pickle, tar).pin == "3ffb9"
    assert release(folder, tar).pin == "bbbbbbbb"
    assert release(folder, pickle, FileRow("t", form="tar", sha256=A)).pin == "aaaaaaaa"


def test_pin_of_several_files():
    files = FileRow("a", sha256=A), FileRow("b", md5_suffix="12345")
    expected = hashlib.sha256(f"{A}\n12345".encode()).hexdigest()[:8]
    assert release(*files).pin == expected
    assert release(files[0], FileRow("b")).pin not in {expected, "aaaaaaaa", "unpinned"}
    assert release(*files).key == f"r-{expected}"


def test_required_orders_alternatives():
    rows = [FileRow("d", form="dir"), FileRow("x"), FileRow("p", form="pickle")]
    rows += [FileRow("y"), FileRow("t", form="tar")]
    assert [[f.name for f in unit] for unit in release(*rows).required] == [
        ["x"],
        ["y"],
        ["t", "p", "d"],
    ]


def test_identity_knows_digests_but_no_places():
    one = FileRow("a", urls=("https://x/a",), manual="ask", sha256=A, bytes=1, bytes_about=2)
    two = FileRow("a", urls=("https://y/a",), sha256=A, bytes=1)
    assert release(one).identity == release(two).identity
    assert release(one).identity != release(FileRow("a", sha256=B, bytes=1)).identity


def test_size_about_sums_what_is_known():
    rows = [FileRow("x", bytes=5), FileRow("t", form="tar", bytes_about=70)]
    rows += [FileRow("p", form="pickle", bytes_about=30)]
    assert release(*rows).size_about == 75
    assert release(FileRow("x")).size_about is None


# ---------------------------------------------------------------- finding releases


def test_latest_is_the_default(load):
    table = load(document())
    assert table.release("nb101").release == "full"
    assert table.release("NASBench101", "full") is table.release("nb101")
    assert [r.release for r in table.releases("nds")] == ["sample"]


def test_a_table_of_samples_has_a_default_only_if_it_is_clear(load):
    content = document()
    assert load(content).release("nds").release == "sample"
    content["nds"]["sample-2"] = content["nds"]["sample"]
    with pytest.raises(ConfigError, match="No release of nds is the latest") as caught:
        load(content).release("nds")
    assert caught.value.found == "sample (supported), sample-2 (supported)"
    assert "{nds: sample}" in caught.value.todo
    content["nds"]["sample-2"] = {**content["nds"]["sample"], "status": "latest"}
    assert load(content).release("nds").release == "sample-2"


def test_an_unknown_release_is_refused_with_the_nearest(load):
    with pytest.raises(ConfigError) as caught:
        load(document()).release("nb101", "ful")
    assert caught.value.expected == "full"
    assert caught.value.todo == "Did you mean 'full'?"


def test_a_benchmark_that_the_table_lacks(load):
    with pytest.raises(ConfigError, match="no benchmark nats_tss"):
        load(document()).release("tss")


# ---------------------------------------------------------------- what is refused


@st.composite
def misspelt(draw):
    """A path to a mapping of the table, one of its keys, and that key with a letter too many."""
    where = draw(
        st.sampled_from(
            [("nb101", "full"), ("nb101", "full", "files", 0), ("nds", "sample", "files", 0)]
        )
    )
    mapping = document()
    for step in where:
        mapping = mapping[step]
    key = draw(st.sampled_from(sorted(mapping)))
    return where, key, f"{key}{draw(st.sampled_from('xyz'))}"


@settings(deadline=None, max_examples=40)
@given(misspelt())
def test_a_typo_in_any_key_is_named(tmp_path_factory, typo):
    where, key, wrong = typo
    content = copy.deepcopy(document())
    mapping = content
    for step in where:
        mapping = mapping[step]
    mapping[wrong] = mapping.pop(key)
    path = tmp_path_factory.mktemp("table") / "sources.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as caught:
        SourcesTable.load(path)
    error = caught.value
    assert error.what == f"There is no key {wrong!r} here."
    assert str(error.where) == f"{path}, at {'/'.join(map(str, where))}"
    assert key in error.expected.split(", ")
    assert error.todo == f"Did you mean {key!r}?"


def test_an_unknown_benchmark_is_refused_with_the_nearest(load):
    error = refusal(load, {"nasbench10": document()["nb101"]})
    assert "Did you mean 'nasbench101'?" in error.todo


def test_a_benchmark_under_two_names(load):
    rows = document()["nb101"]
    assert "given twice" in refusal(load, {"nb101": rows, "nasbench101": rows}).what


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"status": "lastest"}, "Did you mean 'latest'?"),
        ({"status": "deprecated"}, "exactly one release"),
        ({"synthetic": True}, "marked as synthetic"),
        ({"synthetic": "yes"}, "'yes'"),
        ({"files": []}, "[]"),
        ({"files": [{"urls": ["https://h/x"]}]}, "'name' is missing"),
        ({"citation": 5}, "into quotes"),
    ],
)
def test_a_wrong_release(load, change, word):
    content = document()
    content["nb101"]["full"].update(change)
    assert word in str(refusal(load, content))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": "a/b"}, "'a/b'"),
        ({"name": ".."}, "not a plain name"),
        ({"name": "fetched.json"}, "not a plain name"),
        ({"form": "zip"}, "tar, pickle, dir, null"),
        ({"sha256": A.upper()}, "lower-case"),
        ({"sha256": A[:-1]}, "SHA-256"),
        ({"md5_suffix": 50262}, "into quotes"),
        ({"md5_suffix": "xyzzy"}, "lower-case hex"),
        ({"bytes": -1}, "-1"),
        ({"bytes": "5 GB"}, "'5 GB'"),
        ({"urls": [], "manual": None}, "Nothing says where"),
        ({"urls": ["ftp://host/x"]}, "https:, http:, file:, gdrive:"),
        ({"urls": ["htps://host/x"]}, "Did you mean 'https'?"),
        ({"urls": ["data.bin"]}, "file:<path relative to the table>"),
        ({"urls": ["https:/host/x"]}, "malformed"),
        ({"urls": ["file://host/x"]}, "malformed"),
        ({"urls": ["gdrive:https://drive.google.com/x"]}, "malformed"),
        ({"urls": ["https://host/x"], "form": "dir"}, "file:"),
    ],
)
def test_a_wrong_file(load, change, word):
    content = document()
    content["nb101"]["full"]["files"][0].update(change)
    error = refusal(load, content)
    assert word in str(error)
    assert "nb101/full" in str(error.where)


def test_sample_names_and_marks_go_together(load):
    content = document()
    row = content["nds"].pop("sample")
    for name, mark in (("sample", False), ("1", True), ("samples", True), ("sample-x", False)):
        content["nds"] = {name: {**row, "synthetic": mark, "status": "latest"}}
        assert "marked as synthetic" in refusal(load, content).what
    content["nds"] = {"sample-x": {**row, "status": "latest"}}
    assert load(content).release("nds").synthetic


def test_a_sample_is_never_latest_beside_a_real_release(load):
    content = document()
    sample = {**content["nds"]["sample"], "status": "latest"}
    content["nb101"]["sample"] = sample
    assert "exactly one release" in refusal(load, content).what
    content["nb101"]["full"]["status"] = "supported"
    error = refusal(load, content)
    assert error.expected == "one of: full"
    assert error.found == "sample"


def test_files_and_forms_are_given_once(load):
    content = document()
    file = content["nb101"]["full"]["files"][0]
    content["nb101"]["full"]["files"] = [file, file]
    assert "file name 'data.bin'" in refusal(load, content).what
    content["nb101"]["full"]["files"] = [
        {**file, "form": "tar"},
        {**file, "name": "x", "form": "tar"},
    ]
    assert "form 'tar'" in refusal(load, content).what


def test_numbers_as_names_must_be_quoted(load):
    error = refusal(load, "nb201:\n  1.1: {status: latest, files: []}\n")
    assert error.what == "The key 1.1 is a float, not text."
    assert error.todo == 'Put it into quotes: "1.1":'


def test_a_key_given_twice_is_refused(load):
    text = yaml.safe_dump(document()).replace(
        "status: latest", "status: latest\n    status: latest"
    )
    assert "'status' is given twice" in refusal(load, text).found


@pytest.mark.parametrize(
    "text", ["", "[]", "nb101: [", "nb101: {}", "\x00", "nb101: !!python/x {}"]
)
def test_what_is_no_table(load, text):
    refusal(load, text)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        SourcesTable.load(tmp_path / "sources.yaml")


@settings(deadline=None, max_examples=40)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda x: (
            st.lists(x) | st.dictionaries(st.sampled_from(["nb101", "full", "files", "name"]), x)
        ),
        max_leaves=6,
    )
)
def test_any_document_gives_a_table_or_a_config_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError):
        SourcesTable.load(path)


# ---------------------------------------------------------------- urls and schema


@given(st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1))
def test_local_urls(name):
    table = SourcesTable(Path("/tables/sources.yaml"), {})
    assert table.local_path(f"file:sub/{quote(name)}") == Path("/tables/sub") / name
    assert table.local_path(f"file:///{quote(name)}") == Path("/") / name
    assert table.local_path(f"file://localhost/{quote(name)}") == Path("/") / name


def test_a_local_url_may_hold_what_other_urls_give_a_meaning():
    table = SourcesTable(Path("/t/sources.yaml"), {})
    assert table.local_path("file:a #1?b.tar") == Path("/t/a #1?b.tar")


def test_the_schema_describes_every_property_and_is_closed():
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
    objects = [schema(), *schema()["$defs"].values()]
    objects += [schema()["patternProperties"]["^[A-Za-z][A-Za-z0-9_-]*$"]]
    for thing in objects:
        assert thing["additionalProperties"] is False
        assert thing["description"]
        for name, rule in thing.get("properties", {}).items():
            assert rule.get("description"), name
    assert set(schema()["$defs"]["file"]["properties"]) == set(FileRow.__dataclass_fields__)
    described = {*schema()["$defs"]["release"]["properties"], "benchmark", "release"}
    assert described == set(Release.__dataclass_fields__)


def test_defaults_of_schema_and_dataclass_agree():
    for kind, name in ((FileRow, "file"), (Release, "release")):
        for key, rule in schema()["$defs"][name]["properties"].items():
            if "default" in rule:
                default = kind.__dataclass_fields__[key].default
                assert (list(default) if key == "urls" else default) == rule["default"]


def test_anchors_and_merge_keys_may_be_used(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: &b {<<: *a, y: 3}\nc: {<<: *b, x: 4}\n")
    content = load_yaml(path)
    assert content["b"] == {"x": 1, "y": 3}
    assert content["c"] == {"x": 4, "y": 3}
