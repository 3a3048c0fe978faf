"""`nasbase.compat.nasbench` beside the data: specifications, graphs, configuration, finding."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nasbase.benchmarks.nb101 import space
from nasbase.compat.nasbench import api, release
from nasbase.compat.nasbench.lib import config, graph_util, model_spec
from nasbase.errors import ArtifactError
from nasbase.tables.catalogue import SCHEMA_VERSION

ROOT = Path(__file__).resolve().parents[2]
OPS = ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]


def reachable(matrix):
    """Vertices on a path from the first to the last, by walking every path."""
    size, on_path = len(matrix), set()

    def walk(path):
        if path[-1] == size - 1:
            on_path.update(path)
        for after in range(path[-1] + 1, size):
            if matrix[path[-1]][after]:
                walk([*path, after])

    walk([0])
    return sorted(on_path)


@st.composite
def cells(draw):
    size = draw(st.integers(1, 8))
    bits = st.booleans()
    matrix = [[int(u < v and draw(bits)) for v in range(size)] for u in range(size)]
    return matrix, [draw(st.sampled_from([*OPS, 0, "other"])) for _ in range(size)]


@given(cells(), st.sampled_from([None, np.int8, np.float64, bool]))
def test_pruning(cell, dtype):
    matrix, ops = cell
    given_matrix = matrix if dtype is None else np.array(matrix, dtype)
    before = [*ops]
    spec = api.ModelSpec(given_matrix, ops)
    assert ops == before
    assert spec.original_ops == ops
    assert spec.original_matrix.tolist() == matrix
    assert spec.data_format == "channels_last"
    keep = reachable(matrix)
    if len(keep) < 2:
        assert (spec.valid_spec, spec.matrix, spec.ops) == (False, None, None)
        return
    assert spec.valid_spec
    assert spec.matrix.tolist() == [[matrix[u][v] for v in keep] for u in keep]
    assert spec.matrix.dtype == spec.original_matrix.dtype
    assert spec.ops == [ops[vertex] for vertex in keep]
    if dtype is not None:
        assert spec.original_matrix is not given_matrix


@given(cells())
def test_hash_is_that_of_the_space(cell):
    matrix, ops = cell
    ops = ["input", *[op if op in OPS else OPS[0] for op in ops[1:-1]], "output"][: len(ops)]
    spec = api.ModelSpec(matrix, ops)
    if spec.valid_spec:
        assert spec.hash_spec(OPS) == space.cell_hash(
            tuple(map(tuple, spec.matrix.tolist())), ["input", *spec.ops[1:-1], "output"]
        )


@pytest.mark.parametrize(
    ("matrix", "ops"),
    [
        ([[0, 1], [0, 0]], ["input"]),
        ([[0, 1, 0], [0, 0, 1]], ["input", "output"]),
        ([0, 1], ["input", "output"]),
        ([[0, 1], [1, 0]], ["input", "output"]),
        ([[1, 1], [0, 0]], ["input", "output"]),
        ([[0, 1], [0]], ["input", "output"]),
    ],
)
def test_what_is_no_specification(matrix, ops):
    with pytest.raises(ValueError):  # noqa: PT011 - the words of the last one are numpy's
        api.ModelSpec(matrix, ops)


def test_words_of_refusals():
    with pytest.raises(ValueError, match=r"^matrix must be square$"):
        api.ModelSpec([[0, 1, 0], [0, 0, 1]], ["input", "output"])
    with pytest.raises(ValueError, match=r"^length of ops must match matrix dimensions$"):
        api.ModelSpec([[0, 1], [0, 0]], ["input"])
    with pytest.raises(ValueError, match=r"^matrix must be upper triangular$"):
        api.ModelSpec([[0, 1], [1, 0]], ["input", "output"])
    with pytest.raises(ValueError, match="is not in list"):
        api.ModelSpec([[0, 1, 0], [0, 0, 1], [0] * 3], ["input", "x", "output"]).hash_spec(OPS)
    with pytest.raises(TypeError):  # a tuple cannot be pruned in place, as upstream
        api.ModelSpec([[0, 1, 1], [0, 0, 0], [0, 0, 0]], ("input", "x", "output"))


def test_an_empty_matrix_is_no_valid_specification():
    assert not api.ModelSpec(np.zeros((0, 0)), []).valid_spec


DIAMOND = np.array([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]])


def test_recorded_hashes():
    """Answers of upstream's code."""
    assert graph_util.hash_module(np.array([[0, 1], [0, 0]]), [-1, -2]) == (
        "043721b9c7fe8c5fad811d47d83132ec"
    )
    triangle = np.triu(np.ones((3, 3), int), 1)
    assert graph_util.hash_module(triangle, [-1, 0, -2]) == "d32d0b26d534203b48d866facd98cc3e"
    for labels in ([-1, 1, 2, -2], [-1, 2, 1, -2]):
        assert graph_util.hash_module(DIAMOND, labels) == "ac9bd0e2514c031187b612db767fb038"
    assert graph_util.hash_module(DIAMOND.astype(bool), [-1, 1, 2, -2]) == (
        graph_util.hash_module(DIAMOND, [-1, 1, 2, -2])
    )
    with pytest.raises(AssertionError):
        graph_util.hash_module(DIAMOND, [-1, 1, -2])


def test_degrees_of_floats_hash_otherwise():
    """Upstream hashes the text of numpy's sums: such a cell is in no release."""
    assert graph_util.hash_module(DIAMOND.astype(float), [-1, 1, 2, -2]) != (
        graph_util.hash_module(DIAMOND, [-1, 1, 2, -2])
    )


def test_isomorphic_graphs_hash_alike():
    rng = np.random.default_rng(4)
    for _ in range(200):
        size = int(rng.integers(3, 20))
        matrix = rng.integers(0, 2, (size, size))  # no cell: any directed graph
        labels = rng.integers(0, 10, size).tolist()
        order = rng.permutation(size).tolist()
        moved, names = graph_util.permute_graph(matrix, labels, order)
        assert moved.dtype == bool
        assert all(names[place] == labels[v] for v, place in enumerate(order))
        assert all(
            moved[order[u], order[v]] == matrix[u, v] for u in range(size) for v in range(size)
        )
        assert graph_util.hash_module(moved, names) == graph_util.hash_module(matrix, labels)


def test_isomorphism_by_trial():
    assert graph_util.is_isomorphic((DIAMOND, [-1, 1, 2, -2]), (DIAMOND, [-1, 2, 1, -2]))
    assert not graph_util.is_isomorphic((DIAMOND, [-1, 1, 2, -2]), (DIAMOND, [-1, 1, 1, -2]))
    line = [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert not graph_util.is_isomorphic((line, [-1, 1, 2, -2]), (DIAMOND, [-1, 1, 2, -2]))
    with pytest.raises(AssertionError):
        graph_util.is_isomorphic((line, [-1, 1, 2, -2]), ([[0, 1], [0, 0]], [-1, -2]))


@pytest.mark.parametrize(
    ("bits", "size", "edges"),
    [
        (0, 3, []),
        (3, 3, [(0, 1), (0, 2)]),
        (5, 3, [(0, 1), (1, 2)]),
        (18, 4, [(0, 2), (1, 3)]),
        (35, 4, [(0, 1), (0, 2), (2, 3)]),
        (1 << 20, 7, [(5, 6)]),
    ],
)
def test_edges_from_bits(bits, size, edges):
    made = np.fromfunction(graph_util.gen_is_edge_fn(bits), (size, size), dtype=np.int8)
    assert [*zip(*map(np.ndarray.tolist, np.nonzero(made)), strict=True)] == edges
    assert graph_util.num_edges(made) == len(edges)


def test_full_graphs():
    assert graph_util.is_full_dag(DIAMOND)
    for row, column in ((0, 1), (1, 3)):
        broken = DIAMOND.copy()
        broken[row, column] = 0
        assert not graph_util.is_full_dag(broken)
    assert not model_spec.is_upper_triangular(DIAMOND.T)
    assert model_spec.is_upper_triangular(np.array([[0]]))
    assert not model_spec.is_upper_triangular(np.array([[1]]))


def test_pictures_need_graphviz():
    spec = api.ModelSpec(DIAMOND, ["input", OPS[0], OPS[1], "output"])
    try:
        import graphviz  # noqa: F401
    except ImportError:
        with pytest.raises(NameError, match="graphviz"):
            spec.visualize()
    else:
        assert "0 -> 1" in spec.visualize().source


def test_pictures(monkeypatch):
    class Digraph:
        def __init__(self):
            self.nodes, self.edges = [], []

        def node(self, *words):
            self.nodes.append(words)

        def edge(self, *words):
            self.edges.append(words)

    monkeypatch.setitem(sys.modules, "graphviz", type(sys)("graphviz"))
    sys.modules["graphviz"].Digraph = Digraph
    graph = api.ModelSpec(DIAMOND, ["input", OPS[0], OPS[1], "output"]).visualize()
    assert graph.nodes == [("0", "input"), ("1", OPS[0]), ("2", OPS[1]), ("3", "output")]
    assert graph.edges == [("0", "1"), ("0", "2"), ("1", "3"), ("2", "3")]


def test_every_configuration_is_its_own():
    first = config.build_config()
    first["available_ops"].clear()
    second = config.build_config()
    assert second["available_ops"] == [*space.LABELS]
    assert (second["module_vertices"], second["max_edges"], second["num_repeats"]) == (7, 9, 3)
    assert second["train_seconds"] == 4.0 * 60 * 60


# ---------------------------------------------------------------------------------------------
# finding the build


def test_files_of_the_releases():
    table = yaml.safe_load((ROOT / "config" / "sources.yaml").read_text())["nb101"]
    listed = {row["files"][0]["name"]: name for name, row in table.items()}
    assert listed == release.RELEASES


def write_build(home, name="full", raw="nasbench_full.tfrecord", size=5, benchmark="nb101"):
    """What finding looks at: a catalogue and a manifest."""
    folder = home / benchmark / name
    folder.mkdir(parents=True)
    manifest = {
        "benchmark": benchmark,
        "citation": "none",
        "forms": ["parquet", "sqlite"],
        "nasbase": "0",
        "partial": True,
        "release": name,
        "schema": SCHEMA_VERSION,
        "synthetic": False,
        "tables": {"architectures": {"rows": 1}},
        "version": f"{name}+s{SCHEMA_VERSION}.00000000",
        "raw": [{"file": raw, "bytes": size}],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    path = home / "catalog.json"
    catalog = json.loads(path.read_text()) if path.exists() else {"benchmarks": {}}
    listed = catalog["benchmarks"].setdefault(benchmark, {"latest": name, "releases": {}})
    listed["releases"][name] = {"folder": f"{benchmark}/{name}"}
    path.write_text(json.dumps(catalog))


@pytest.fixture
def home(tmp_path, monkeypatch):
    results = tmp_path / "results"
    results.mkdir()
    monkeypatch.setenv("NASBASE_HOME", str(results))
    return results


def test_a_path_names_its_build(home, tmp_path):
    write_build(home)
    write_build(home, "only108", "nasbench_only108.tfrecord")
    for file, name in release.RELEASES.items():
        assert release.open_release(f"/somewhere/{file}").release == name
        assert release.open_release(home / "nb101" / name).release == name
        (tmp_path / file).write_bytes(b"12345")
        assert release.open_release(tmp_path / file).release == name
    assert release.open_release(None).release == "full"


def test_a_file_of_another_size_is_another_file(home, tmp_path):
    write_build(home)
    path = tmp_path / "nasbench_full.tfrecord"
    path.write_bytes(b"123456")
    with pytest.raises(ArtifactError) as refused:
        release.open_release(path)
    assert "nasbench_full.tfrecord (5 bytes, release full)" in str(refused.value)
    assert (
        f"snakemake --cores 8 --config benchmarks=nb101 dropin={tmp_path} "
        "'releases={nb101: full}'" in refused.value.todo
    )


def test_the_command_that_builds(home, tmp_path):
    with pytest.raises(ArtifactError) as refused:
        release.open_release("gone/nasbench_only108.tfrecord")
    assert refused.value.todo == (
        "Build it: snakemake --cores 8 --config benchmarks=nb101 'releases={nb101: only108}'"
    )
    (tmp_path / "mine.tfrecord").write_bytes(b"")
    with pytest.raises(ArtifactError, match="Rename it to upstream's name"):
        release.open_release(tmp_path / "mine.tfrecord")


def test_a_build_of_another_benchmark(home):
    write_build(home, "1.0", benchmark="nats_tss")
    with pytest.raises(ArtifactError, match="another benchmark"):
        release.open_release(home / "nats_tss" / "1.0")


def test_the_global_generator_is_seeded_first(home):
    random.seed(1)
    with pytest.raises(ArtifactError):
        api.NASBench("none.tfrecord", seed=8)
    assert random.getstate() == random.Random(8).getstate()


def test_imports_are_light():
    code = "import sys, nasbase.compat.nasbench.api; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pandas", "pyarrow", "h5py", "peewee", "tensorflow"}
    assert not heavy & {*found.stdout.split()}
