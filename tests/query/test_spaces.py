"""Architectures in every encoding: round trips over whole spaces, neighbours, refusals."""

from __future__ import annotations

import doctest
import hashlib
import json
import pickle
import re
import subprocess
import sys
import zipfile
from collections import Counter
from itertools import combinations, permutations
from pathlib import Path
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nasbase.benchmarks import NAMES, room_of
from nasbase.benchmarks.nats_common.topology import EDGE_NAMES, EDGES, OPERATIONS
from nasbase.benchmarks.nats_sss.space import CANDIDATES
from nasbase.benchmarks.nb101.enumeration import cell_from, enumerate_cells
from nasbase.benchmarks.nb101.space import LABELS, cell_hash, prune
from nasbase.errors import NasbaseError, SpaceError
from nasbase.query.spaces import space_of

TOPOLOGY, SIZE, CELLS, NETWORKS = map(space_of, ("nats_tss", "nats_sss", "nb101", "nds"))
SPACES = (TOPOLOGY, SIZE, CELLS, NETWORKS)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "encodings.md"

AMBIGUOUS = {"nats", "naslib", "one_hot"}
"""Formats that are integers only: they are read when they are named, and refused when not."""

CONV3, CONV1, POOL = LABELS
TUTORIAL = (
    "0100110001000000010010000010000001000000010000000",
    f"input,{CONV3},{POOL},{CONV3},{CONV3},{CONV1},output",
)
TUTORIAL_HASH = "00005c142e6f48ac74fdcf73e3439874"


@st.composite
def specs(draw, smallest, largest):
    """Upper triangular matrices with operations; not always cells, and not pruned."""
    size = draw(st.integers(smallest, largest))
    edges = draw(
        st.lists(st.booleans(), min_size=21, max_size=21)
    )  # 9 vertices: the rest stays without edges
    matrix = [[0] * size for _ in range(size)]
    for (x, y), edge in zip(combinations(range(size), 2), edges, strict=False):
        matrix[x][y] = int(edge)
    labels = draw(st.lists(st.sampled_from(LABELS), min_size=size - 2, max_size=size - 2))
    return matrix, ("input", *labels, "output")


def valid(spec):
    """Independently of the code under test: pruned, at most nine edges."""
    try:
        matrix, _ = prune(tuple(map(tuple, spec[0])), spec[1])
    except SpaceError:
        return False
    return sum(map(sum, matrix)) <= 9


# ---------------------------------------------------------------------------------------------
# round trips


def assert_round_trips(space, text, architecture, recognised):
    for name in space.formats:
        value = space.decode(architecture, name)
        assert space.encode(value, name) == text
        if name in recognised:
            assert space.encode(value) == text


@pytest.mark.parametrize("space", [TOPOLOGY, SIZE], ids=lambda space: space.name)
def test_every_encoding_of_every_architecture_leads_back(space):
    recognised = set(space.formats) - AMBIGUOUS
    seen = {name: set() for name in space.formats}
    for index, text in enumerate(space.enumerate()):
        assert space.decode(text, "index") == index
        assert_round_trips(space, text, index, recognised)
        for name, values in seen.items():
            values.add(str(space.decode(text, name)))
    assert {name: len(values) for name, values in seen.items()} == dict.fromkeys(seen, space.size)


def test_every_encoding_of_small_cells_leads_back():
    small = enumerate_cells(range(2, 6))
    assert len(small) == 1 + 6 + 84 + 2441
    columns = (small.vertices, small.graphs, small.labelings)
    for text, *code in zip(small.hashes, *columns, strict=True):
        cell = cell_from(*map(int, code))
        # The hash alone does not say the cell, so those two formats come from a build.
        stored = space_of("nb101", {text.decode(): (cell.adjacency, cell.operations)}.get)
        assert_round_trips(stored, text.decode(), cell, set(stored.formats) - AMBIGUOUS)
        assert CELLS.decode(cell, "matrix") == cell
        assert stored.decode(text.decode(), "matrix") == cell


@given(specs(2, 9).filter(valid), st.data())
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_every_encoding_of_random_cells_leads_back(spec, data):
    """Also of isomorphic ones: any order of the vertices is the same architecture."""
    text = cell_hash(*prune(tuple(map(tuple, spec[0])), spec[1]))
    matrix, ops = CELLS.decode(spec, "matrix")
    inner = data.draw(st.permutations(range(1, len(ops) - 1)))
    order = (0, *inner, len(ops) - 1)
    moved = [[matrix[i][j] for j in order] for i in order], [ops[i] for i in order]
    given_forms = [spec, (np.array(spec[0]), list(spec[1])), CELLS.decode(spec, "bits")]
    if not any(moved[0][i][j] for i in range(len(ops)) for j in range(i + 1)):
        given_forms.append(moved)
    for form in given_forms:
        assert CELLS.encode(form) == text
        for name in set(CELLS.formats) - {"str", "hash"}:
            value = CELLS.decode(form, name)
            assert CELLS.encode(value, name) == text
            # What was written is a pruned cell already: it leads to itself, not only to its hash.
            assert CELLS.decode(value, name, source=name) == value
    assert CELLS.is_valid(spec)


def test_every_order_of_the_tutorials_cell_is_found():
    matrix, ops = CELLS.decode(TUTORIAL, "matrix")
    found = 0
    for inner in permutations(range(1, 6)):
        order = (0, *inner, 6)
        moved = [[matrix[i][j] for j in order] for i in order]
        if not np.tril(moved).any():
            found += 1
            assert CELLS.encode((moved, [ops[i] for i in order])) == TUTORIAL_HASH
    assert found > 1


def test_specifications_of_the_sample_lead_back(tmp_path):
    room_of("nds").write_sample(
        tmp_path, architectures=300, seed=3, options={"iterations": 1}, progress=lambda _: None
    )
    nets = []
    with zipfile.ZipFile(tmp_path / "nds-sample.zip") as archive:
        for name in archive.namelist():
            jobs = json.loads(archive.read(name))
            lists = jobs.values() if isinstance(jobs, dict) else [jobs]
            nets += [job["net"] for jobs in lists for job in jobs]
    assert len(nets) == 300
    for net in nets:
        text = NETWORKS.encode(net)
        assert_round_trips(NETWORKS, text, net, set(NETWORKS.formats))
        assert NETWORKS.to_config(text) == NETWORKS.decode(net, "spec") == json.loads(text)
        assert NETWORKS.from_config(json.loads(text)) == text


def test_the_cells_of_both_benchmarks_are_the_same():
    one, other = space_of("nb201"), space_of("nats_tss")
    assert one == other
    assert hash(one) == hash(other)
    assert one != SIZE
    assert len({space_of(name) for name in NAMES}) == 4
    for index, (text, same) in enumerate(zip(one.enumerate(), other.enumerate(), strict=True)):
        assert text == same
        assert room_of("nb201").encode(index) == room_of("nats_tss").encode(index) == text
    assert index == 15_624


def test_benchmarks_go_by_their_aliases():
    assert space_of("NAS-Bench-201".replace("NAS-Bench-", "nasbench")) == TOPOLOGY
    assert space_of("sss") == SIZE
    assert [space.size for space in SPACES] == [15_625, 32_768, 423_624, None]
    for space in SPACES:
        assert pickle.loads(pickle.dumps(space)) == space
        assert all(name in repr(space) for name in space.formats)


# ---------------------------------------------------------------------------------------------
# what the encodings of others mean


def test_a_topology_in_the_conventions_of_others():
    from nats_bench import NATStopology

    operations = ("avg_pool_3x3", "skip_connect", "none", "nor_conv_1x1", "none", "nor_conv_3x3")
    text = "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|"
    assert TOPOLOGY.encode(operations) == text
    assert TOPOLOGY.decode(text, "ops") == operations
    assert TOPOLOGY.decode(text, "nats") == (4, 1, 0, 2, 0, 3)
    # NASLib: edges 0_1, 0_2, 0_3, 1_2, 1_3, 2_3; skip 0, none 1, 3x3 2, 1x1 3, pool 4.
    assert TOPOLOGY.decode(text, "naslib") == (4, 0, 3, 1, 1, 2)
    assert TOPOLOGY.decode(text, "matrix") == NATStopology.str2matrix(text).tolist()
    assert TOPOLOGY.encode(NATStopology.str2matrix(text)) == text
    assert TOPOLOGY.decode(text, "nni") == {
        "0_1": "avg_pool_3x3", "0_2": "skip_connect", "1_2": "none",
        "0_3": "conv_1x1", "1_3": "none", "2_3": "conv_3x3",
    }  # fmt: skip
    assert TOPOLOGY.decode(text, "config")["0_3"] == "nor_conv_1x1"
    bits = np.array(TOPOLOGY.one_hot(text)).reshape(6, 5)
    assert [OPERATIONS[code] for code in bits.argmax(axis=1)] == list(operations)
    assert TOPOLOGY.encode(bits.ravel().astype(float), "one_hot") == text


def test_the_graph_of_a_topology_has_the_paths_of_its_cell():
    """Vertex 1 + e is edge e; it follows those edges that end where it begins."""
    adjacency, labels = TOPOLOGY.decode(0, "graph")
    expected = np.zeros((8, 8), int)
    for one, (source, target) in enumerate(EDGES, start=1):
        expected[0, one] = source == 0
        expected[one, 7] = target == 3
        for other, (begin, _) in enumerate(EDGES, start=1):
            expected[one, other] = target == begin
    assert np.array_equal(adjacency, expected)
    assert labels == ("input", *TOPOLOGY.decode(0, "ops"), "output")
    assert TOPOLOGY.encode((np.array(adjacency), list(labels))) == TOPOLOGY.encode(0)


def test_a_size_in_every_form():
    assert SIZE.decode("8:16:24:32:64", "channels") == (8, 16, 24, 32, 64)
    assert SIZE.decode("8:16:24:32:64", "index") == 0o01237
    assert SIZE.to_config(1) == {"c0": 8, "c1": 8, "c2": 8, "c3": 8, "c4": 16}
    bits = np.array(SIZE.one_hot("8:16:24:32:64")).reshape(5, 8)
    assert [CANDIDATES[code] for code in bits.argmax(axis=1)] == [8, 16, 24, 32, 64]


def test_a_cell_in_the_conventions_of_others():
    cell = CELLS.decode(TUTORIAL, "matrix")
    assert CELLS.encode(TUTORIAL) == TUTORIAL_HASH == CELLS.encode(TUTORIAL_HASH.upper())
    assert CELLS.decode(TUTORIAL, "bits") == TUTORIAL
    assert CELLS.decode(TUTORIAL, "nni") == {
        "op1": CONV3, "op2": POOL, "op3": CONV3, "op4": CONV3, "op5": CONV1,
        "input1": [0], "input2": [1], "input3": [2], "input4": [0], "input5": [0, 3, 4],
        "input6": [2, 5],
    }  # fmt: skip
    assert CELLS.decode(("0100", "input,output"), "nni") == {"input1": [0]}
    # HPOBench: edge_i is the i-th entry above the diagonal, row by row.
    rows, columns = np.triu_indices(7, k=1)
    config = CELLS.to_config(TUTORIAL)
    assert [config[f"edge_{i}"] for i in range(21)] == np.array(cell[0])[rows, columns].tolist()
    assert [config[f"op_node_{i}"] for i in range(5)] == list(cell[1][1:-1])
    assert CELLS.one_hot(TUTORIAL)[:21] == [config[f"edge_{i}"] for i in range(21)]
    assert CELLS.one_hot(TUTORIAL)[21:24] == [1, 0, 0]
    assert len(CELLS.one_hot(TUTORIAL)) == 36
    spec = SimpleNamespace(matrix=np.array(cell[0]), ops=list(cell[1]))
    assert CELLS.encode(spec) == TUTORIAL_HASH


def test_numpys_values_come_out_as_pythons():
    """Optimisers and data frames hand over their own kinds of integers and strings."""
    cell = CELLS.decode(
        (np.array(CELLS.decode(TUTORIAL, "matrix")[0]), np.array(TUTORIAL[1].split(","))), "matrix"
    )
    assert {type(op) for op in cell[1]} == {str}
    assert {type(bit) for row in cell[0] for bit in row} == {int}
    topology = TOPOLOGY.decode(np.array(TOPOLOGY.decode(5, "ops")), "config")
    assert {type(operation) for operation in topology.values()} == {str}
    assert {type(count) for count in SIZE.decode(np.array([8, 16, 24, 32, 64]), "channels")} == {
        int
    }
    assert {type(bit) for bit in SIZE.one_hot(np.int64(5))} == {int}


def test_vertices_that_a_cell_lacks_are_empty():
    bits = CELLS.one_hot(("0100", "input,output"))
    assert sum(bits) == 1
    assert bits[5] == 1  # from vertex 0 to vertex 6
    assert CELLS.decode(bits, "bits", source="one_hot") == ("0100", "input,output")


def test_a_hash_is_looked_up_in_the_build():
    space = space_of("nb101", {TUTORIAL_HASH: TUTORIAL}.get)
    assert space.decode(TUTORIAL_HASH, "bits") == TUTORIAL
    assert space.decode(TUTORIAL_HASH.upper(), "nni") == CELLS.decode(TUTORIAL, "nni")
    assert space.neighbours(TUTORIAL_HASH) == CELLS.neighbours(TUTORIAL)
    assert space.is_valid(TUTORIAL_HASH)
    with pytest.raises(SpaceError, match="cannot be turned back") as caught:
        space.decode("0" * 32, "matrix")
    assert caught.value.expected == "a hash of this build"
    for question in (CELLS.is_valid, CELLS.neighbours, CELLS.one_hot, CELLS.to_config):
        with pytest.raises(SpaceError, match="cannot be turned back"):
            question(TUTORIAL_HASH)


# ---------------------------------------------------------------------------------------------
# many architectures


def test_enumeration_is_that_of_the_releases():
    digest = hashlib.sha256(("\n".join(TOPOLOGY.enumerate()) + "\n").encode()).hexdigest()
    assert digest == "b24e2a8b6802be1326de041d81d564998ca8aa923055352f3a95c30d59ce7048"
    digest = hashlib.sha256(("\n".join(SIZE.enumerate()) + "\n").encode()).hexdigest()
    assert digest == "5f44ac682201a4932904284a4b8e05a2e6f884481c009e1aa655ae7bd378b1df"


def test_cells_are_enumerated_by_hash(monkeypatch):
    small = enumerate_cells(range(2, 5))  # the whole space takes half a minute
    monkeypatch.setattr("nasbase.benchmarks.nb101.enumeration.full_space", lambda: small)
    hashes = list(CELLS.enumerate())
    assert len(hashes) == 91
    assert hashes == sorted(hashes)
    assert [cell.hash for _, cell in CELLS.enumerate_cells()] == hashes


@pytest.mark.parametrize("space", [TOPOLOGY, SIZE, CELLS], ids=lambda space: space.name)
def test_random_architectures_depend_on_the_seed_alone(space):
    assert space.random(5) == space.random(5) == space.random(Random(5)) == space.random(np.int8(5))
    rng = Random(5)
    drawn = [space.random(rng) for _ in range(300)]
    assert drawn[0] == space.random(5)
    # The paper's way draws small cells of NAS-Bench-101 again and again.
    assert len(set(drawn)) > (150 if space is CELLS else 280)
    assert all(space.encode(text) == text for text in drawn)
    for wrong in (None, "5", 0.5, np.random.default_rng(5)):
        with pytest.raises(SpaceError, match="need a generator"):
            space.random(wrong)


def test_random_architectures_are_uniform():
    rng = Random(1)
    for space, name, choices in ((TOPOLOGY, "ops", OPERATIONS), (SIZE, "channels", CANDIDATES)):
        drawn = [space.decode(space.random(rng), name) for _ in range(4000)]
        for place in zip(*drawn, strict=True):
            counts = Counter(place)
            assert set(counts) == set(choices)
            expected = 4000 / len(choices)
            assert sum((n - expected) ** 2 / expected for n in counts.values()) < 35  # p < 1e-5


def test_random_cells_are_those_of_the_paper():
    """Every matrix of seven vertices that is valid has the same chance."""
    rng = Random(2)
    drawn = [CELLS.random_spec(rng) for _ in range(2000)]
    assert {len(ops) for _, ops in drawn} == {7}
    assert all(valid(spec) for spec in drawn)
    assert len({len(CELLS.decode(spec, "matrix")[1]) for spec in drawn}) > 2
    labels = Counter(op for _, ops in drawn for op in ops[1:-1])
    assert set(labels) == set(LABELS)
    assert max(labels.values()) - min(labels.values()) < 400  # 10,000 labels, 6 sigma
    # The same rejection, drawn independently with numpy.
    numbers = np.random.default_rng(2)
    edges = []
    while len(edges) < 2000:
        matrix = np.triu(numbers.integers(2, size=(7, 7)), 1)
        if valid((matrix.tolist(), ("input", *[CONV3] * 5, "output"))):
            edges.append(int(matrix.sum()))
    mean = np.mean([sum(map(sum, matrix)) for matrix, _ in drawn])
    assert abs(mean - np.mean(edges)) < 6 * np.std(edges) * np.sqrt(2 / 2000)


# ---------------------------------------------------------------------------------------------
# neighbours


@pytest.mark.parametrize(
    ("space", "name", "choices", "count"),
    [(TOPOLOGY, "ops", OPERATIONS, 24), (SIZE, "channels", CANDIDATES, 35)],
    ids=["topology", "size"],
)
def test_neighbours_differ_in_one_choice(space, name, choices, count):
    for index in range(0, space.size, 997):
        near = space.neighbours(index)
        own = space.decode(index, name)
        assert near == sorted(set(near))
        assert len(near) == count
        for text in near:
            other = space.decode(text, name)
            assert sum(a != b for a, b in zip(own, other, strict=True)) == 1
            assert set(other) <= set(choices)
        assert space.encode(index) in space.neighbours(near[index % count])


def edits(spec):
    """All single edits of a cell as given, one array each."""
    matrix, ops = np.array(spec[0]), list(spec[1])
    for x, y in combinations(range(len(ops)), 2):
        flipped = matrix.copy()
        flipped[x, y] ^= 1
        yield flipped, ops
    for vertex in range(1, len(ops) - 1):
        for label in LABELS:
            yield matrix, [*ops[:vertex], label, *ops[vertex + 1 :]]


@given(specs(2, 7).filter(valid))
@settings(max_examples=40, suppress_health_check=[HealthCheck.filter_too_much])
def test_neighbours_of_cells_are_all_valid_single_edits(spec):
    expected = {
        CELLS.encode(edit) for edit in edits(spec) if valid((edit[0].tolist(), edit[1]))
    } - {CELLS.encode(spec)}
    found = CELLS.neighbour_cells(spec)
    assert CELLS.neighbours(spec) == list(found) == sorted(expected)
    for text, cell in found.items():
        assert cell.hash == text
        assert CELLS.decode(cell, "matrix") == cell  # pruned


def test_an_unused_vertex_gives_more_neighbours():
    """As in upstream's mutation, which edits the matrix before it is pruned."""
    used = (
        [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        ("input", POOL, CONV1, "output"),
    )
    assert CELLS.encode(used) == CELLS.encode(("0100", "input,output"))
    assert CELLS.neighbours(("0100", "input,output")) == []
    assert CELLS.neighbours(used) == [CELLS.encode(("011001000", f"input,{POOL},output"))]


def test_mutations_are_cells_and_reach_larger_ones():
    rng = Random(3)
    small = ("0100", "input,output")
    mutated = [CELLS.mutate_spec(small, rng, rate=3) for _ in range(300)]
    assert {len(ops) for _, ops in mutated} == {7}
    assert all(valid(spec) for spec in mutated)
    assert max(len(CELLS.decode(spec, "matrix")[1]) for spec in mutated) > 2
    spec = CELLS.random_spec(4)
    assert CELLS.mutate_spec(spec, 5) == CELLS.mutate_spec(spec, Random(5))
    assert CELLS.mutate_spec(spec, 5, rate=0) == spec


def test_mutations_change_as_much_as_upstreams():
    """Before rejection, an edge flips with 1/7 and a label with 1/5: condition on acceptance."""
    rng, own = Random(6), Random(7)
    spec = CELLS.random_spec(8)
    changed = [difference(spec, CELLS.mutate_spec(spec, rng)) for _ in range(1500)]
    expected = []
    while len(expected) < 1500:
        matrix = [list(row) for row in spec[0]]
        for x, y in combinations(range(7), 2):
            matrix[x][y] ^= own.random() < 1 / 7
        ops = [
            own.choice(sorted({*LABELS} - {op})) if own.random() < 1 / 5 else op
            for op in spec[1][1:-1]
        ]
        other = matrix, ("input", *ops, "output")
        if valid(other):
            expected.append(difference(spec, other))
    for found, wanted in zip(np.transpose(changed), np.transpose(expected), strict=True):
        assert abs(found.mean() - wanted.mean()) < 6 * wanted.std() * np.sqrt(2 / 1500)


def difference(spec, other):
    edges = int((np.array(spec[0]) != np.array(other[0])).sum())
    return edges, sum(a != b for a, b in zip(spec[1], other[1], strict=True))


# ---------------------------------------------------------------------------------------------
# refusals


GRAPH_OF_ONES = (np.ones((8, 8), int), ("input", *["none"] * 6, "output"))


@pytest.mark.parametrize(
    ("space", "architecture", "format_name", "message"),
    [
        (TOPOLOGY, (4, 0, 3, 1, 4, 3), None, "format='nats' or format='naslib'"),
        (TOPOLOGY, TOPOLOGY.one_hot(3), None, "Integers do not say"),
        (TOPOLOGY, b"abcdef", None, "Integers do not say"),
        (TOPOLOGY, ("conv3x3", *["none"] * 5), None, "Did you mean 'conv_3x3'?"),
        (TOPOLOGY, ("skip", *["none"] * 5), None, "Did you mean 'skip_connect'?"),
        (TOPOLOGY, dict.fromkeys(EDGE_NAMES, "avgpool"), None, "Did you mean 'avg_pool_3x3'?"),
        (TOPOLOGY, dict.fromkeys(EDGE_NAMES, 3), None, "There is no operation 3"),
        (TOPOLOGY, "1234", None, "Give an index as a number: 1234."),
        (TOPOLOGY, (4, 0, 3, 1, 4, 5), "nats", "expected: 0 to 4"),
        (TOPOLOGY, (4, 0, 3, 1, 4), "naslib", "six codes"),
        (TOPOLOGY, [0] * 30, "one_hot", "choose one of each group"),
        (TOPOLOGY, [1] * 29, "one_hot", "30 numbers"),
        (TOPOLOGY, 15_625, "index", "0 to 15624"),
        (TOPOLOGY, 1.0, "index", "0 to 15624"),
        (TOPOLOGY, "|none~0|", "ops", "in the format 'ops'"),
        (TOPOLOGY, 5, "str", "in the format 'str'"),
        (TOPOLOGY, 5, "nni", "six edges"),
        (TOPOLOGY, 5, "matrix", "four rows"),
        (TOPOLOGY, 5, "graph", "operations as vertices"),
        (TOPOLOGY, GRAPH_OF_ONES, None, "operations as vertices"),
        (TOPOLOGY, np.ones((4, 4, 4)), None, "has no edge"),
        (TOPOLOGY, 5, "matrx", "Did you mean 'matrix'?"),
        (TOPOLOGY, 5, "hash", "has no format 'hash'"),
        (SIZE, (8, 8, 8, 8, 30), None, "Did you mean 32?"),
        (SIZE, (0, 1, 2, 3, 4), None, "Did you mean 8?"),
        (SIZE, (8, 8, 8, 8), "channels", "five numbers of channels"),
        (SIZE, {"c0": 8}, None, "c0, c1, c2, c3, c4"),
        (SIZE, "77", None, "Give an index as a number: 77."),
        (SIZE, -1, None, "0 to 32767"),
        (CELLS, 12, None, "rank within one build"),
        (CELLS, 12, "index", "rank within one build"),
        (CELLS, "00005c", None, "32 digits"),
        (CELLS, ("010001000", "input,conv3x3,output"), None, "Did you mean 'conv3x3-bn-relu'?"),
        (CELLS, ("0000", "input,output"), None, "No path"),
        (CELLS, (np.triu(np.ones((7, 7), int), 1), TUTORIAL[1]), None, "too large"),
        (CELLS, {"edge_0": 1}, None, "does not name the choices"),
        (CELLS, {**CELLS.to_config(TUTORIAL), "edge_3": 2}, None, "each 0 or 1"),
        (CELLS, TUTORIAL, "nni", "NNI's form"),
        (CELLS, CELLS.decode(TUTORIAL, "nni"), "config", "not a configuration"),
        (CELLS, CELLS.decode(TUTORIAL, "nni"), "matrix", "no pair"),
        (CELLS, TUTORIAL, "hash", "in the format 'hash'"),
        (CELLS, [1] * 21 + [0] * 15, "one_hot", "one operation of a vertex"),
        (CELLS, [0] * 35, "one_hot", "36 numbers"),
        (NETWORKS, 12, None, "no NDS architecture"),
        (NETWORKS, 12, "index", "rank within one build"),
        (NETWORKS, {"model_family": "vanila"}, None, "Did you mean 'vanilla'?"),
        (
            NETWORKS,
            {"genotype": {"normal": [["sep_conv3x3", 0], ["none", 1]], "normal_concat": []}},
            None,
            "Did you mean 'sep_conv_3x3'?",
        ),
    ],
)  # fmt: skip
def test_refusals_say_what_was_expected_and_found(space, architecture, format_name, message):
    with pytest.raises(SpaceError) as caught:
        space.encode(architecture, format_name)
    text = str(caught.value)
    assert message in text
    assert "expected: " in text or message == "No path"
    assert "found: " in text
    assert len(text) < 1500
    assert not space.is_valid(architecture, format_name)


_WORDS = [*OPERATIONS, *LABELS, "input", "output", "0100", "input,output"]
_KEYS = ["0_1", "op1", "input1", "edge_0", "c0", "net", "matrix", "ops", "genotype", "block_type"]
_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.binary(max_size=6),
    st.sampled_from([*_WORDS, *CANDIDATES]),
)
anything = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=7),
        st.tuples(inner, inner),
        st.dictionaries(st.sampled_from([*_KEYS, "model_family"]), inner),
    ),
    max_leaves=30,
)


@given(anything)
@settings(max_examples=300)
def test_whatever_is_given_is_an_architecture_or_refused(value):
    for space in SPACES:
        for name in (None, *space.formats):
            try:
                text = space.encode(value, name)
            except SpaceError:
                continue
            assert space.encode(text) == text


@pytest.mark.parametrize(
    "question",
    [
        NETWORKS.enumerate,
        lambda: NETWORKS.random(1),
        lambda: NETWORKS.one_hot({}),
        lambda: NETWORKS.neighbours({}),
        NETWORKS.config_space,
    ],
)
def test_nds_says_why_not(question):
    with pytest.raises(SpaceError, match="only a sample of each space"):
        question()


# ---------------------------------------------------------------------------------------------
# configurations


def configurable():
    return [TOPOLOGY, SIZE, CELLS]


@pytest.mark.parametrize("space", configurable(), ids=lambda space: space.name)
def test_configurations_lead_back(space):
    rng = Random(9)
    for _ in range(50):
        architecture = space.random_spec(rng) if space is CELLS else space.random(rng)
        configuration = space.to_config(architecture)
        assert space.from_config(configuration) == space.encode(architecture)
        assert space.encode(configuration) == space.encode(architecture)


@pytest.mark.parametrize("space", configurable(), ids=lambda space: space.name)
def test_a_configuration_space_without_its_package_names_it(space, monkeypatch):
    monkeypatch.setitem(sys.modules, "ConfigSpace", None)
    with pytest.raises(NasbaseError, match="ConfigSpace, which is not installed") as caught:
        space.config_space()
    assert caught.value.todo == "pip install 'nasbase[configspace]'"


@pytest.mark.parametrize("space", configurable(), ids=lambda space: space.name)
def test_configuration_spaces_describe_the_space(space):
    pytest.importorskip("ConfigSpace")
    described = space.config_space(seed=1)
    assert set(described) == set(space.to_config(TUTORIAL if space is CELLS else 0))
    assert space.is_valid(described.get_default_configuration())
    drawn = described.sample_configuration(400)
    again = space.config_space(seed=1).sample_configuration(400)
    assert drawn == again
    known = [one for one in drawn if space.is_valid(one, "config")]
    assert len(known) == 400 or space is CELLS
    for one in known:
        text = space.from_config(one)
        assert text == space.from_config(dict(one)) == space.encode(one)
        if space is not CELLS:
            assert space.to_config(text) == dict(one)
    if space is not CELLS:
        choices = [hyperparameter.size for hyperparameter in described.values()]
        assert np.prod(choices) == space.size


# ---------------------------------------------------------------------------------------------
# what is loaded, and the page


@pytest.mark.parametrize("name", NAMES)
def test_spaces_need_the_standard_library_only(name):
    code = (
        "import sys; from nasbase.query.spaces import space_of;"
        f"space = space_of({name!r});"
        "space.size is None or space.random(1);"
        "heavy = {'numpy', 'pyarrow', 'pandas', 'peewee', 'h5py', 'ConfigSpace'};"
        "sys.exit(str(heavy & set(sys.modules) or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_names_every_format():
    sections = dict(
        re.findall(r"^## .*?\(`(\w+)`\)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S)
    )
    assert set(sections) == {space.name for space in SPACES}
    for space in SPACES:
        listed = re.findall(r"^\| `(\w+)` \|", sections[space.name], re.M)
        assert tuple(listed) == space.formats


def test_the_examples_of_the_page_are_true():
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    result = runner.run(test, out=report.append)
    assert result.attempted > 25
    assert result.failed == 0, "".join(report)
