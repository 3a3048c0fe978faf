"""The handle: what it is, what it holds, how architectures are found in it."""

from __future__ import annotations

import random
import shutil
import sqlite3

import pytest

import nasbase
from nasbase.benchmarks import NAMES
from nasbase.errors import ArtifactError, ConfigError, QueryError, SpaceError
from nasbase.tables.catalogue import tables


@pytest.mark.parametrize("name", NAMES)
def test_a_handle_says_what_it_is(bench, manifest_of, rows_of, name):
    handle = bench(name)
    assert handle.version == manifest_of(name)["version"]
    assert handle.version in repr(handle)
    assert [row.to_dict() for row in handle] == rows_of(name, "architectures")
    assert len(handle) == len(handle.architectures) == len(rows_of(name, "architectures"))
    trials = rows_of(name, "trials")
    assert set(handle.datasets) == {trial["dataset"] for trial in trials}
    assert set(handle.schedules) == {trial["num_epochs"] for trial in trials}
    assert set(handle.seeds) == {trial["seed"] for trial in trials} - {None}


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_is_printed_says_synthetic(bench, name):
    handle = bench(name)
    dataset = handle.datasets[0]
    question = {"dataset": dataset, "num_epochs": handle.trainings[dataset][-1]}
    trial = handle.trials(handle.sample(1, 0)[0])[0]
    one = {"dataset": trial.dataset, "num_epochs": trial.num_epochs}
    answers = [
        handle,
        handle.architectures,
        handle[0 if name in ("nb101", "nds") else trial.arch_id],
        trial,
        handle.trials(trial.arch_id),
        handle.means(trial.arch_id),
        handle.value(trial.arch_id, "train_acc", run=trial.run, **one),
        handle.curve(trial.arch_id, series="train_acc", run=trial.run, **one),
        handle.complexity(trial.arch_id, trial.dataset),
        handle.values("train_acc", missing="nan", **question),
        handle.best(select="test_acc", k=2, **question),
        handle.pareto(maximize="test_acc", minimize="train_acc", missing="nan", **question),
        handle.ecdf("train_acc", missing="nan", **question),
        handle.columns,
        handle.table("trials"),
    ]
    for answer in answers:
        assert "SYNTHETIC" in repr(answer), type(answer)
    assert "SYNTHETIC" in handle.cite()


def test_a_real_build_does_not_say_synthetic(home, tmp_path):
    shutil.copytree(home / "nb101" / "sample", tmp_path / "nb101" / "sample")
    manifest = tmp_path / "nb101" / "sample" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"synthetic": true', '"synthetic": false'))
    shutil.copy(home / "catalog.json", tmp_path)
    database = sqlite3.connect(manifest.with_name("nb101.sqlite"))
    with database:
        database.execute("UPDATE build SET value = 'false' WHERE key = 'synthetic'")
    database.close()
    handle = nasbase.open("nb101", home=tmp_path)
    assert not handle.synthetic
    assert "SYNTHETIC" not in repr(handle.trials(0))


# ---------------------------------------------------------------------------------------------
# opening


def test_aliases_and_releases(home):
    assert nasbase.open("tss", home=home).name == "nats_tss"
    assert nasbase.open("NASBench101", "sample", home=home).release == "sample"


def test_home_is_found_in_the_environment(home, monkeypatch, tmp_path):
    monkeypatch.setenv("NASBASE_HOME", str(home))
    assert nasbase.open("nb101").folder == home / "nb101" / "sample"
    monkeypatch.delenv("NASBASE_HOME")
    (tmp_path / "results").symlink_to(home)
    monkeypatch.chdir(tmp_path)
    assert len(nasbase.open("nb101").trials(0)) == 12
    monkeypatch.chdir("/")
    assert nasbase.open("nb101", home=home)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (("nb10",), ConfigError, "Did you mean 'nb101'"),
        (("nb101", "only108"), ArtifactError, "expected: sample"),
        (("nb101", "samples"), ArtifactError, "Did you mean 'sample'"),
    ],
)
def test_what_cannot_be_opened(home, arguments, kind, words):
    with pytest.raises(kind, match=words):
        nasbase.open(*arguments, home=home)


def test_a_missing_build_lists_what_is_installed(home, tmp_path):
    with pytest.raises(ArtifactError, match=r"nothing is installed[\s\S]*snakemake --cores"):
        nasbase.open("nb101", home=tmp_path)
    (tmp_path / "catalog.json").write_text(
        (home / "catalog.json").read_text().replace('"nds"', '"other"')
    )
    with pytest.raises(ArtifactError, match=r"installed: .*nb101 \(sample\)"):
        nasbase.open("nds", home=tmp_path)
    with pytest.raises(ArtifactError, match="lists a build that is not there"):
        nasbase.open("nb101", home=tmp_path)
    (tmp_path / "catalog.json").write_text("{")
    with pytest.raises(ArtifactError, match="damaged"):
        nasbase.open("nb101", home=tmp_path)


@pytest.fixture
def copy(home, tmp_path):
    """A copy of one build, to be damaged."""
    shutil.copytree(home / "nb101", tmp_path / "nb101")
    shutil.copy(home / "catalog.json", tmp_path)
    return tmp_path


def edit_manifest(copy, old, new):
    path = copy / "nb101" / "sample" / "manifest.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_unknown_layout_is_refused(copy):
    edit_manifest(copy, '"schema": 2', '"schema": 99')
    with pytest.raises(ArtifactError, match=r"layout[\s\S]*schema 99"):
        nasbase.open("nb101", home=copy)


def test_a_build_without_sqlite_is_refused(copy):
    edit_manifest(copy, '"sqlite"', '"hdf5"')
    with pytest.raises(ArtifactError, match=r"no SQLite database[\s\S]*outputs"):
        nasbase.open("nb101", home=copy)


def test_a_database_of_another_build_is_refused(copy):
    edit_manifest(copy, '"version": "sample+s2.', '"version": "sample+s2.0')
    with pytest.raises(ArtifactError, match="not the one that the manifest"):
        nasbase.open("nb101", home=copy).trials(0)


def test_a_damaged_database_is_refused(copy):
    path = copy / "nb101" / "sample" / "nb101.sqlite"
    path.write_bytes(b"<html>" * 1000)
    with pytest.raises(ArtifactError, match=r"cannot be read[\s\S]*not a database"):
        nasbase.open("nb101", home=copy).trials(0)


# ---------------------------------------------------------------------------------------------
# finding architectures


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_is_found_by_its_text_and_its_row(bench, name):
    handle = bench(name)
    for one in handle:
        assert handle.find(one.text) == handle.find(one) == handle.find(one.arch_id) == one.arch_id
        assert handle[one.text] == one
        assert one in handle
        assert one.text in handle
    trial = handle.trials(one)[0]
    assert handle.find(trial) == one.arch_id


def test_other_encodings(bench):
    handle = bench("nats_tss")
    for one in handle.sample(10, 1):
        operations = [one[f"op_{edge}"] for edge in ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")]
        assert handle.find(tuple(operations)) == one.arch_id
        assert handle.find(f" {one.text} ") == one.arch_id
        codes = handle.space.decode(one.text, "nats")
        assert handle.find(codes, format="nats") == one.arch_id
        with pytest.raises(SpaceError, match="format='nats'"):
            handle.find(codes)
        with pytest.raises(SpaceError, match="format='nats'"):
            _ = codes in handle


def test_isomorphic_cells_are_found(bench):
    handle = bench("nb101")
    one = handle[3]
    assert handle.find((one.adjacency, one.operations)) == 3
    assert handle.find(one.hash.upper()) == 3


def test_rows_of_another_build_are_named_by_their_text(bench):
    topology, other = bench("nats_tss"), bench("nb201")
    shared = next(one for one in other if one.arch_id in topology)
    assert topology.find(shared) == shared.arch_id
    with pytest.raises(SpaceError):
        bench("nats_sss").find(shared)


def test_numpy_indexes(bench):
    numpy = pytest.importorskip("numpy")
    handle = bench("nb101")
    assert handle.find(numpy.int64(5)) == 5
    assert handle.trials(numpy.int32(5)) == handle.trials(5)


@pytest.mark.parametrize("name", NAMES)
def test_an_absent_index_is_an_error_everywhere(bench, name):
    handle = bench(name)
    dataset = handle.datasets[0]
    question = {"dataset": dataset, "num_epochs": handle.trainings[dataset][0]}
    for ask in (
        lambda: handle.find(10**7),
        lambda: handle[10**7],
        lambda: handle.trials(10**7),
        lambda: handle.mean(10**7, **question),
        lambda: handle.means(10**7),
        lambda: handle.value(10**7, "train_acc", **question),
        lambda: handle.curve(10**7, series="train_acc", **question),
        lambda: handle.complexity(10**7, dataset),
        lambda: handle.runs(10**7, *question.values()),
        lambda: handle.series_values(10**7, *question.values(), 0, "train_acc_pct"),
        lambda: handle.find(-1),
    ):
        with pytest.raises(QueryError, match="does not hold architecture"):
            ask()
    assert 10**7 not in handle


def test_an_absent_text_names_the_nearest(bench):
    sizes = bench("nats_sss")
    held = {architecture.text for architecture in sizes}
    absent = next(text for text in sizes.space.enumerate() if text not in held)
    with pytest.raises(QueryError, match=r"does not hold[\s\S]*The nearest that it holds is '"):
        sizes.find(absent)
    handle = bench("nb101")
    with pytest.raises(QueryError, match="does not hold") as error:
        handle.find("0" * 32)
    assert error.value.todo is None  # a hash has no neighbours in order
    with pytest.raises(SpaceError):
        handle.find("not a hash")
    with pytest.raises(SpaceError):
        handle.find(True)


# ---------------------------------------------------------------------------------------------
# samples, neighbours, descriptions


def test_samples_follow_their_seed(bench):
    handle = bench("nats_sss")
    drawn = handle.sample(10, 7)
    assert drawn == handle.sample(10, random.Random(7)) == bench("nats_sss").sample(10, 7)
    assert len({one.arch_id for one in drawn}) == 10
    assert drawn != handle.sample(10, 8)
    assert len(handle.sample(len(handle), 0)) == len(handle)
    with pytest.raises(QueryError, match="0 to 48"):
        handle.sample(49, 0)


def test_neighbours_are_one_edit_away(bench):
    handle = bench("nats_tss")
    operations = {one.arch_id: tuple(one.to_dict().values())[2:8] for one in handle}
    found = 0
    for one in handle:
        expected = sorted(
            other
            for other, ops in operations.items()
            if sum(a != b for a, b in zip(ops, operations[one.arch_id], strict=True)) == 1
        )
        assert [n.arch_id for n in handle.neighbours(one)] == expected
        found += len(expected)
    assert found, "no two architectures of the sample are neighbours: nothing was tested"


def test_neighbours_of_cells_are_found_by_hash(bench):
    handle = bench("nb101")
    pairs = {(one.arch_id, n.arch_id) for one in handle for n in handle.neighbours(one)}
    assert all(first != second for first, second in pairs)
    for first, second in pairs:
        assert handle[second].hash in handle.space.neighbours(
            (handle[first].adjacency, handle[first].operations)
        )


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_those_of_the_catalogue(bench, name):
    columns = bench(name).columns
    described = {(c.table, c.name) for c in columns}
    assert described == {(t.name, c.name) for t in tables(name).values() for c in t.columns}
    assert columns["train_acc_pct"].unit == "%"
    assert columns["means.n"].unit == "runs"
    assert {c.table for c in columns.of("means")} == {"means"}
    assert columns["params" if name in ("nb101", "nds") else "params_m"].origin == "released"
    assert columns["costs.params"].origin == "computed"
    with pytest.raises(QueryError, match="Did you mean 'train_acc_pct'"):
        columns["train_acc_pc"]
    with pytest.raises(QueryError, match="Did you mean 'means'"):
        columns.of("mean")
    assert columns.to_pandas().shape == (len(columns), 7)


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_read_when_they_are_converted(bench, rows_of, name):
    handle = bench(name)
    table = handle.table("architectures")
    assert table.to_arrow().to_pylist() == rows_of(name, "architectures")
    assert len(table) == len(table.to_pandas(["arch_id"]))
    assert table.path.is_file()
    with pytest.raises(QueryError, match="Did you mean 'arch_id'"):
        table.to_pandas(["arch_i"])
    with pytest.raises(QueryError, match="Did you mean 'trials'"):
        handle.table("trails")


def test_what_to_cite(bench, manifest_of):
    handle = bench("nb201")
    assert handle.cite().startswith(manifest_of("nb201")["citation"])
    assert handle.version in handle.cite()
