"""The topology space against upstream's own code and published facts."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasbase.benchmarks.nats_common import topology
from nasbase.benchmarks.nats_common.datasets import DATASETS
from nasbase.containers.pickles import decompress
from nasbase.errors import SpaceError

CELLS = st.tuples(*[st.sampled_from(topology.OPERATIONS)] * 6)


def test_the_enumeration_is_upstreams():
    strings = topology.enumeration()
    assert len(strings) == len(set(strings)) == topology.SIZE == 15_625
    digest = hashlib.sha256(("\n".join(strings) + "\n").encode()).hexdigest()
    assert digest == "b24e2a8b6802be1326de041d81d564998ca8aa923055352f3a95c30d59ce7048"
    assert strings[123] == (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    )


def test_the_enumeration_is_that_of_the_release(realdata):
    folder = realdata / "nats" / "NATS-tss-v1_0-3ffb9-simple"
    raw = decompress((folder / "meta.pickle.pbz2").read_bytes(), limit=1 << 26, where="meta")
    assert tuple(pickle.loads(raw)["meta_archs"]) == topology.enumeration()


def test_there_are_6466_classes_of_isomorphic_cells():
    classes = topology.isomorphism_classes()
    assert len(set(classes)) == 6_466
    assert all(lowest <= index for index, lowest in enumerate(classes))
    assert all(classes[lowest] == lowest for lowest in set(classes))


@settings(deadline=None)
@given(CELLS)
def test_unique_texts_and_matrices_are_upstreams(operations):
    from nats_bench import NATStopology
    from nats_bench.genotype_utils import topology_str2structure

    text = topology.arch_str(operations)
    structure = topology_str2structure(text)
    assert topology.unique_text(operations) == structure.to_unique_str(consider_zero=True)
    assert topology.to_matrix(operations) == NATStopology.str2matrix(text).tolist()


@settings(deadline=None)
@given(CELLS)
def test_every_encoding_leads_back_to_the_string(operations):
    text = topology.arch_str(operations)
    index = topology.indexes()[text]
    bare = {
        edge: name.removeprefix("nor_")
        for edge, name in zip(topology.EDGE_NAMES, operations, strict=True)
    }
    encodings = [
        text,
        f" {text}\n",
        operations,
        list(operations),
        index,
        np.int64(index),
        bare,
        dict(zip(topology.EDGE_NAMES, operations, strict=True)),
        topology.to_matrix(operations),
        np.array(topology.to_matrix(operations), dtype=float),
    ]
    assert {topology.encode(encoding) for encoding in encodings} == {text}
    assert topology.to_nni(operations) == bare
    assert topology.parse(text) == operations
    nats = [topology.OPERATIONS.index(name) for name in operations]
    assert topology.encode(nats, "nats") == text
    assert topology.encode(np.array(nats), "nats") == text


def test_naslib_tuples_have_their_own_codes_and_edges():
    # (0_1, 0_2, 0_3, 1_2, 1_3, 2_3) and Identity, Zero, 3x3, 1x1, pool.
    assert topology.encode((4, 0, 3, 1, 4, 3), "naslib") == (
        "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    )


def test_an_object_with_tostr_is_its_string():
    from nats_bench.genotype_utils import topology_str2structure

    text = topology.enumeration()[11]
    assert topology.encode(topology_str2structure(text)) == text


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ((4, 0, 3, 1, 4, 3), "format='nats'"),
        (np.zeros(6, dtype=int), "format='nats'"),
        ("|nor_conv_3x3~0|", "architecture string"),
        ("", "architecture string"),
        ("|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", "architecture string"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|x", "architecture string"),
        ("|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|", "Did you mean 'nor_conv_"),
        (15_625, "no architecture of this index"),
        (-1, "no architecture of this index"),
        (True, "not an architecture"),
        (None, "not an architecture"),
        (0.5, "not an architecture"),
        (("none",) * 5, "not an architecture"),
        ({"0_1": "none"}, "six edges"),
        ([[0] * 4] * 3 + [[0] * 3], "4 x 4"),
        (np.eye(4), "no edge"),
        ([[0] * 4, [7, 0, 0, 0], [0] * 4, [0] * 4], "no operation of this code"),
        ([[0] * 4, [float("nan"), 0, 0, 0], [0] * 4, [0] * 4], "no operation of this code"),
    ],
)
def test_what_is_no_architecture_is_refused(architecture, message):
    with pytest.raises(SpaceError, match=message):
        topology.encode(architecture)


def test_unknown_conventions_and_lengths_are_refused():
    with pytest.raises(SpaceError, match="no convention 'darts'"):
        topology.encode((0,) * 6, "darts")
    with pytest.raises(SpaceError, match="six edges"):
        topology.encode((0,) * 5, "nats")


@pytest.mark.parametrize(
    ("index", "dataset", "params", "macs"),
    [
        (0, "cifar10", 129_306, 15_647_370),
        (0, "cifar100", 135_156, 15_653_220),
        (0, "ImageNet16-120", 136_456, 3_919_480),
        (11, "cifar10-valid", 802_426, 113_951_370),
        (11, "cifar100", 808_276, 113_957_220),
        (11, "ImageNet16-120", 809_576, 28_495_480),
    ],
)
def test_costs_are_those_recorded(index, dataset, params, macs):
    assert topology.costs(topology.enumeration()[index], dataset) == (params, macs)


def test_columns_follow_from_the_string():
    columns = topology.columns(topology.enumeration()[11])
    assert columns["op_0_1"] == "nor_conv_3x3"
    assert columns["op_2_3"] == "avg_pool_3x3"
    assert columns["isomorphism_class"] == topology.isomorphism_classes()[11]
    assert set(DATASETS) == set(topology._PARAMS)


def test_asking_for_an_architecture_loads_no_numpy():
    code = (
        "import sys; from nasbase.benchmarks import room_of;"
        "room_of('nats_tss').encode(11); room_of('nats_sss').encode(11);"
        "bad = {'numpy', 'pyarrow', 'pandas', 'peewee', 'h5py'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
