"""Cells, hashes, encodings, parameters and enumeration of NAS-Bench-101."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.benchmarks.nb101 import ROOM
from nasbase.benchmarks.nb101.costs import trainable_parameters
from nasbase.benchmarks.nb101.enumeration import (
    CACHE_FILE,
    cell_from,
    coded,
    enumerate_cells,
    full_space,
    hashes_digest,
    labelings,
    matrix_of,
    pruned_graphs,
)
from nasbase.benchmarks.nb101.space import (
    LABELS,
    MAX_EDGES,
    MAX_VERTICES,
    Cell,
    cell_hash,
    cell_of,
    encode,
    matrix_of_bits,
    prune,
)
from nasbase.errors import NasbaseError, SpaceError

CONV3, CONV1, POOL = LABELS
TUTORIAL = (
    [
        [0, 1, 0, 0, 1, 1, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 1],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    ["input", CONV3, POOL, CONV3, CONV3, CONV1, "output"],
)
TUTORIAL_HASH = "00005c142e6f48ac74fdcf73e3439874"
TUTORIAL_NNI = {
    "op1": CONV3,
    "op2": POOL,
    "op3": CONV3,
    "op4": CONV3,
    "op5": CONV1,
    "input1": [0],
    "input2": [1],
    "input3": [2],
    "input4": [0],
    "input5": [0, 3, 4],
    "input6": [2, 5],
}
INCEPTION = (
    "0111010000000100000010000100000000100000010000000",
    f"input,{CONV1},{CONV3},{CONV3},{CONV3},{POOL},output",
)
# Made with upstream's own code.
VECTORS = [
    (("0100", "input,output"), "043721b9c7fe8c5fad811d47d83132ec", 882_570),
    (("011001000", f"input,{CONV3},output"), "d32d0b26d534203b48d866facd98cc3e", 11_051_402),
    (INCEPTION, "28cfc7874f6d200472e1a9dcd8650aa0", 2_694_282),
    (TUTORIAL, TUTORIAL_HASH, 8_555_530),
]


@st.composite
def raw_cells(draw):
    """Upper triangular matrices with operations; not always cells."""
    size = draw(st.integers(2, 7))
    matrix = [[draw(st.integers(0, 1)) if y > x else 0 for y in range(size)] for x in range(size)]
    return matrix, ["input", *(draw(st.sampled_from(LABELS)) for _ in range(size - 2)), "output"]


@st.composite
def cells(draw):
    size = draw(st.integers(2, 7))
    graphs = GRAPHS[size]
    graph = int(graphs[draw(st.integers(0, len(graphs) - 1))])
    return cell_from(size, graph, draw(st.integers(0, 3 ** (size - 2) - 1)))


GRAPHS = {size: pruned_graphs(size) for size in range(2, 8)}


# ------------------------------------------------------------------ hash and encodings


@pytest.mark.parametrize(("given_cell", "expected", "params"), VECTORS)
def test_upstreams_hashes_and_parameters(given_cell, expected, params):
    cell = cell_of(given_cell)
    assert cell.hash == expected == encode(given_cell)
    assert trainable_parameters([cell.adjacency], [cell.operations]).tolist() == [params]


def test_upstreams_hash_of_the_diamond():
    matrix = matrix_of_bits("0110000100010000")
    ops = ("input", CONV1, POOL, "output")
    assert cell_hash(matrix, ops) == "ac9bd0e2514c031187b612db767fb038"


@pytest.mark.parametrize(
    "architecture",
    [
        TUTORIAL_HASH,
        TUTORIAL_HASH.upper(),
        TUTORIAL,
        (np.array(TUTORIAL[0]), TUTORIAL[1]),
        (np.array(TUTORIAL[0], dtype=bool), tuple(TUTORIAL[1])),
        ("".join(str(bit) for row in TUTORIAL[0] for bit in row), ",".join(TUTORIAL[1])),
        SimpleNamespace(matrix=np.array(TUTORIAL[0]), ops=TUTORIAL[1]),
        {"matrix": TUTORIAL[0], "ops": TUTORIAL[1]},
        {"module_adjacency": TUTORIAL[0], "module_operations": TUTORIAL[1]},
        {"adjacency": TUTORIAL[0], "operations": ",".join(TUTORIAL[1])},
        TUTORIAL_NNI,
    ],
    ids=range(11),
)
def test_encodings(architecture):
    assert ROOM.encode(architecture) == TUTORIAL_HASH
    assert ROOM.decode_architecture(TUTORIAL_HASH) == {"hash": TUTORIAL_HASH}


def test_nni_form_of_the_smallest_cell():
    assert encode({"input1": [0]}) == VECTORS[0][1]


@given(cells(), st.data())
def test_isomorphic_cells_share_the_hash(cell, data):
    size = len(cell.ops)
    orders = [(0, *inner, size - 1) for inner in permutations(range(1, size - 1))]
    order = data.draw(st.sampled_from(orders))
    matrix = tuple(tuple(cell.matrix[i][j] for j in order) for i in order)
    ops = tuple(cell.ops[i] for i in order)
    assert cell_hash(matrix, ops) == cell.hash


@given(cells(), st.data())
def test_dangling_vertices_are_pruned(cell, data):
    """A vertex with an edge in but none out (or the other way round) changes nothing."""
    place = data.draw(st.integers(1, len(cell.ops) - 1))
    matrix = [list(row) for row in cell.matrix]
    for row in matrix:
        row.insert(place, 0)
    matrix.insert(place, [0] * (len(cell.ops) + 1))
    if data.draw(st.booleans()):
        matrix[data.draw(st.integers(0, place - 1))][place] = 1
    else:
        matrix[place][data.draw(st.integers(place + 1, len(cell.ops)))] = 1
    ops = [*cell.ops[:place], data.draw(st.sampled_from(LABELS)), *cell.ops[place:]]
    assert cell_of((matrix, ops)) == cell


@given(raw_cells())
def test_pruning_keeps_what_lies_on_a_path(raw):
    matrix, ops = raw
    size = len(ops)
    power = np.eye(size, dtype=int)
    reach = np.zeros((size, size), int)
    for _ in range(size):
        reach += power
        power = power @ np.array(matrix)
    keep = [v for v in range(size) if reach[0, v] and reach[v, -1]]
    if not keep:
        with pytest.raises(SpaceError, match="No path"):
            cell_of(raw)
        return
    expected = np.array(matrix)[np.ix_(keep, keep)]
    pruned, labels = prune(tuple(map(tuple, matrix)), ops)
    assert np.array_equal(pruned, expected)
    assert list(labels) == [ops[v] for v in keep]
    if expected.sum() > MAX_EDGES:
        with pytest.raises(SpaceError, match="too large"):
            cell_of(raw)
    else:
        assert cell_of(raw) == Cell(pruned, labels)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("nonsense", "not a NAS-Bench-101 hash"),
        (TUTORIAL_HASH[:-1], "not a NAS-Bench-101 hash"),
        (12, "no encoding"),
        ([1, 2, 3], "no encoding"),
        (("010", "input,output"), "square of 0 and 1"),
        (("0200", "input,output"), "square of 0 and 1"),
        (([[0, 2], [0, 0]], "input,output"), "other numbers"),
        (([[0, 0.5], [0, 0]], "input,output"), "other numbers"),
        ((7, "input,output"), "not a matrix"),
        (("0100", [1, 2]), "not labels"),
        (([[0, 1, 1], [0, 0]], "input,output"), "same size"),
        (("0100", f"input,{CONV1},output"), "same size"),
        (("", ""), "same size"),
        (("1100", "input,output"), "upper triangular"),
        (("0110", "input,output"), "upper triangular"),
        (("0100", "output,input"), "first operation"),
        (("010001000", "input,conv3x3,output"), "no operation"),
        (("0000", "input,output"), "No path"),
        (("0" * 64, ["input", *[CONV1] * 6, "output"]), "No path"),
        (SimpleNamespace(matrix=None, ops=None), "No path"),
        ({"op1": CONV1, "input1": [0]}, "no encoding"),
        ({"input1": [0], "color": "red"}, "no encoding"),
        ({"input1": [1]}, "earlier vertices"),
        ({"input1": 0}, "earlier vertices"),
        ({}, "no encoding"),
    ],
)
def test_what_is_no_architecture(architecture, message):
    with pytest.raises(SpaceError, match=message) as caught:
        encode(architecture)
    assert caught.value.found is not None or isinstance(architecture, SimpleNamespace)


def test_a_misspelt_operation_is_suggested():
    with pytest.raises(SpaceError, match="Did you mean 'maxpool3x3'"):
        encode(("010001000", "input,max_pool_3x3,output"))


def test_more_than_seven_vertices():
    chain = [[int(y == x + 1) for y in range(8)] for x in range(8)]
    with pytest.raises(SpaceError, match="8 vertices, 7 edges"):
        encode((chain, ["input", *[CONV1] * 6, "output"]))
    chain[0][7] = 1
    chain[0][1] = 0  # now all but two vertices are pruned
    assert encode((chain, ["input", *[CONV1] * 6, "output"])) == VECTORS[0][1]


def test_encoding_loads_no_heavy_library():
    code = (
        "import sys; from nasbase.benchmarks.nb101 import ROOM; "
        f"ROOM.encode(({''.join(INCEPTION[0])!r}, {INCEPTION[1]!r})); "
        "print(sorted({'numpy', 'pyarrow', 'orjson', 'google_crc32c'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# ------------------------------------------------------------------ parameters


def count_parameters(cell: Cell) -> int:
    """Upstream's network, vertex by vertex: the plain reading of ``model_builder.py``."""

    def convolution(kernel, cin, cout):
        return kernel * kernel * cin * cout + 2 * cout

    def module(cin, cout):
        size = len(cell.ops)
        last = size - 1
        width = [0] * size
        width[last] = cout
        feeders = [v for v in range(1, last) if cell.matrix[v][last]]
        for place, v in enumerate(feeders):
            width[v] = cout // len(feeders) + (place < cout % len(feeders))
        for v in range(last - 1, 0, -1):
            if v not in feeders:
                width[v] = max(width[t] for t in range(v + 1, last) if cell.matrix[v][t])
        total = 0
        for v in range(1, last):
            if cell.matrix[0][v]:
                total += convolution(1, cin, width[v])
            kernel = {CONV3: 3, CONV1: 1, POOL: None}[cell.ops[v]]
            total += convolution(kernel, width[v], width[v]) if kernel else 0
        return total + (convolution(1, cin, cout) if cell.matrix[0][last] else 0)

    total, cin = convolution(3, 3, 128), 128
    for cout in (128, 256, 512):
        total += module(cin, cout) + 2 * module(cout, cout)
        cin = cout
    return total + 512 * 10 + 10


@given(st.lists(cells(), max_size=8))
def test_parameters_equal_the_plain_reading(many):
    counted = trainable_parameters([c.adjacency for c in many], [c.operations for c in many])
    assert counted.dtype == np.int64
    assert counted.tolist() == [count_parameters(cell) for cell in many]


# ------------------------------------------------------------------ enumeration


@pytest.fixture(scope="module")
def small():
    return enumerate_cells(range(2, 6))


def test_number_of_graphs():
    assert {size: len(graphs) for size, graphs in GRAPHS.items()} == {
        2: 1,
        3: 2,
        4: 10,
        5: 121,
        6: 1545,
        7: 4793,
    }


def test_number_of_small_cells(small):
    assert Counter(small.vertices.tolist()) == {2: 1, 3: 6, 4: 84, 5: 2441}
    assert len(np.unique(small.hashes)) == len(small)
    assert (np.sort(small.hashes) == small.hashes).all()


def test_distinct_cells_are_found_without_md5(small):
    """Hashing every labelled graph with MD5 gives the same set."""
    everything = {
        cell_from(size, int(graph), labeling).hash
        for size in range(2, 5)
        for graph in GRAPHS[size]
        for labeling in range(len(labelings(size)))
    }
    assert everything == set(small.hashes[small.vertices < 5].astype(str).tolist())


def test_texts_of_enumerated_cells(small):
    adjacency, operations = small.texts()
    for place in range(0, len(small), 97):
        cell = cell_of((adjacency[place], operations[place]))
        assert cell.hash == small.hashes[place].decode()
        assert (cell.adjacency, cell.operations) == (adjacency[place], operations[place])


@given(cells())
def test_codes_of_cells(cell):
    text, *code = coded(cell)
    assert cell_from(*code) == cell
    assert text == cell.hash
    assert matrix_of(*code[:2]) == cell.matrix
    assert prune(*cell) == cell
    assert 2 <= len(cell.ops) <= MAX_VERTICES
    assert sum(map(sum, cell.matrix)) <= MAX_EDGES


def test_digest_is_of_sorted_lines(small):
    from hashlib import sha256

    text = "".join(f"{line}\n" for line in sorted(small.hashes.astype(str).tolist()))
    assert hashes_digest(small.hashes[::-1]) == sha256(text.encode()).hexdigest()


def test_a_damaged_cache_is_not_believed(small, tmp_path, monkeypatch):
    """Neither a broken file nor a wrong space is taken; a wrong enumeration is an error."""
    from nasbase.benchmarks.nb101 import enumeration

    monkeypatch.setattr(enumeration, "enumerate_cells", lambda _: small)
    columns = {name: getattr(small, name) for name in ("hashes", "vertices", "graphs", "labelings")}
    for damage in (b"no zip", b""):
        (tmp_path / CACHE_FILE).write_bytes(damage)
        with pytest.raises(NasbaseError, match="2532 hashes"):
            full_space(tmp_path)
    np.savez(tmp_path / CACHE_FILE, **columns)
    with pytest.raises(NasbaseError, match="2532 hashes"):
        full_space(tmp_path)
    monkeypatch.setattr(enumeration, "HASHES_SHA256", hashes_digest(small.hashes))
    assert (full_space(tmp_path).hashes == small.hashes).all()


def test_the_cache_is_written_once_and_read(small, tmp_path, monkeypatch):
    from nasbase.benchmarks.nb101 import enumeration

    monkeypatch.setattr(enumeration, "HASHES_SHA256", hashes_digest(small.hashes))
    monkeypatch.setattr(enumeration, "enumerate_cells", lambda _: small)
    monkeypatch.setenv("NASBASE_CACHE", str(tmp_path / "new"))
    full_space()
    monkeypatch.setattr(enumeration, "enumerate_cells", lambda _: pytest.fail("again"))
    again = full_space()
    assert [p.name for p in (tmp_path / "new").iterdir()] == [CACHE_FILE]
    for name in ("hashes", "vertices", "graphs", "labelings"):
        assert (getattr(again, name) == getattr(small, name)).all()


@pytest.mark.realdata
def test_real_hashes_and_parameters(realdata):
    import json

    records = json.loads((realdata / "nb101" / "nb101_only108_records.json").read_text())
    found = [cell_of(record) for record in records.values()]
    assert [cell.hash for cell in found] == list(records)
    assert [cell.matrix for cell in found] == [
        tuple(map(tuple, r["module_adjacency"])) for r in records.values()
    ]
    counted = trainable_parameters([c.adjacency for c in found], [c.operations for c in found])
    assert counted.tolist() == [r["trainable_parameters"] for r in records.values()]
