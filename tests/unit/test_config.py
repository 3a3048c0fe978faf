import json
from pathlib import Path

import pytest
import yaml

from nasbase.config import read_config
from nasbase.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"


@pytest.fixture
def table(tmp_path):
    row = {"synthetic": True, "status": "supported"}
    files = [{"name": "a", "urls": ["file:a"]}]
    path = tmp_path / "sources.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "nb201": {
                    "sample": {**row, "files": files},
                    "sample-2": {**row, "status": "latest", "files": files},
                },
                "nds": {"sample": {**row, "partial": True, "files": files}},
            }
        )
    )
    return str(path)


def read(**config):
    return read_config(config, SCHEMA, ROOT)


def chosen(build):
    return [(release.benchmark, release.release) for release in build.releases]


def test_the_defaults_are_the_whole_table_and_its_latest_releases(table):
    build = read(sources=table)
    assert chosen(build) == [("nb201", "sample-2"), ("nds", "sample")]
    assert (build.partial, build.shards, build.dropin) == (False, 8, None)
    assert build.outputs == ("parquet", "sqlite", "hdf5", "nni")


def test_the_real_table_builds_all_five():
    build = read()
    latest = [
        ("nb101", "full"),
        ("nb201", "1.1"),
        ("nats_tss", "1.0"),
        ("nats_sss", "1.0"),
        ("nds", "1"),
    ]
    assert sorted(chosen(build)) == sorted(latest)
    assert chosen(read(releases={"nasbench101": "only108"}, benchmarks="nb101")) == [
        ("nb101", "only108")
    ]


def test_what_is_compared_is_built_by_the_same_run():
    for benchmarks, other in (("nb201,nats_tss", "nats_tss"), ("nb201,nats_sss", None)):
        build = read(benchmarks=benchmarks, releases={"nb201": ["1.0", "1.1"]})
        for release in build.releases:
            found = build.counterpart_of(release)
            wanted = other if release.benchmark == "nb201" else None
            assert (found and found.benchmark) == wanted
    assert chosen(read(releases={"nats_tss": 1.0}, benchmarks="tss")) == [("nats_tss", "1.0")]


@pytest.mark.parametrize("value", ["nds", ["nds"], " nds ,", ["NDS"]])
def test_benchmarks_are_a_list_or_a_comma_text(table, value):
    assert chosen(read(sources=table, benchmarks=value)) == [("nds", "sample")]


def test_several_releases_of_one_benchmark(table):
    build = read(sources=table, benchmarks="nb201", releases={"nb201": ["sample", "sample-2"]})
    assert chosen(build) == [("nb201", "sample"), ("nb201", "sample-2")]


def test_partial_is_the_tables_or_the_configurations(table):
    build = read(sources=table)
    assert [build.is_partial(release) for release in build.releases] == [False, True]
    assert all(map(read(sources=table, partial=True).is_partial, build.releases))


def test_parquet_is_always_built(table):
    assert read(sources=table, outputs="sqlite").outputs == ("parquet", "sqlite")
    assert read(sources=table, outputs=["hdf5"]).forms_of("nb101") == ("parquet",)
    assert read(sources=table, outputs=["hdf5"]).forms_of("nds") == ("parquet", "hdf5")
    assert read(sources=table, outputs=["nni"]).forms_of("nds") == ("parquet", "nni")
    assert read(sources=table, outputs=["nni"]).forms_of("nats_tss") == ("parquet",)


def test_a_single_stream_is_one_shard(table):
    build = read(sources=table, shards=5)
    assert [build.shards_of(name) for name in ("nb101", "nb201", "nds")] == [5, 1, 5]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"benchmark": "nds"}, ["'benchmark'", "benchmarks"]),
        ({"benchmarks": "nb102"}, ["'nb102'", "Did you mean 'nb101'?"]),
        ({"benchmarks": "nats_tss"}, ["nats_tss", "nb201, nds"]),
        ({"releases": {"nb201": "sampel"}}, ["'sampel'", "sample"]),
        ({"releases": {"nb210": "sample"}}, ["'nb210'", "nb201"]),
        ({"shards": 0}, ["shards", "minimum 1"]),
        ({"shards": "many"}, ["shards", "integer"]),
        ({"partial": "yes"}, ["partial", "boolean"]),
        ({"outputs": "sqlite,hdf"}, ["outputs", "'hdf'", "hdf5"]),
        ({"dropin": "/nowhere/at/all"}, ["/nowhere/at/all", "dropin"]),
        ({"sources": "/nowhere/sources.yaml"}, ["/nowhere/sources.yaml"]),
    ],
)
def test_a_mistake_is_named(table, config, words):
    with pytest.raises(ConfigError) as error:
        read(**{"sources": table, **config})
    for word in words:
        assert word in str(error.value), json.dumps(str(error.value))


@pytest.mark.parametrize("text", ["true", "True", "false"])
def test_truth_values_may_be_written_as_on_a_command_line(table, text):
    build = read(sources=table, releases={"nb201": "sample"}, partial=text, report=text)
    assert build.partial is build.report is (text != "false")


def test_other_words_are_no_truth_values(table):
    with pytest.raises(ConfigError, match="wrong form"):
        read(sources=table, releases={"nb201": "sample"}, report="perhaps")
