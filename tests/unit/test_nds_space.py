"""NDS: networks in every encoding, and the costs that follow from them."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbase.benchmarks import room_of
from nasbase.benchmarks.nds.costs import cifar_cost
from nasbase.benchmarks.nds.files import STEMS, dataset_of, generator_of, proposer_of
from nasbase.benchmarks.nds.space import OPERATIONS, network_of_net
from nasbase.errors import SpaceError

nds = room_of("nds")

# The four networks that NNI's documentation queries, in its own spelling.
BASIC = {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 24, 40]}
VANILLA = {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2], "ws": [16, 24, 32, 40]}
BOTTLENECK = {
    "bot_muls": [0.0, 0.25, 0.25, 0.25],
    "ds": [1, 16, 1, 4],
    "num_gs": [1, 2, 1, 2],
    "ss": [1, 1, 2, 2],
    "ws": [16, 64, 128, 16],
}
CELL_NET = {
    "genotype": {
        "normal": [["sep_conv_3x3", 0], ["skip_connect", 1], ["none", 2], ["conv_1x1", 0]],
        "reduce": [["max_pool_3x3", 1], ["sep_conv_5x5", 0]],
        "normal_concat": [2, 3],
        "reduce_concat": [2],
    },
    "depth": 12,
    "width": 32,
    "aux": False,
    "drop_prob": 0.0,
}
CELL_SPEC = {
    "normal_0_op_x": "sep_conv_3x3",
    "normal_0_input_x": 0,
    "normal_0_op_y": "skip_connect",
    "normal_0_input_y": 1,
    "normal_1_op_x": "none",
    "normal_1_input_x": 2,
    "normal_1_op_y": "conv_1x1",
    "normal_1_input_y": 0,
    "normal_concat": [2, 3],
    "reduce_0_op_x": "max_pool_3x3",
    "reduce_0_input_x": 1,
    "reduce_0_op_y": "sep_conv_5x5",
    "reduce_0_input_y": 0,
    "reduce_concat": [2],
}
CELL_MODEL = {
    "num_nodes_normal": 2,
    "num_nodes_reduce": 1,
    "depth": 12,
    "width": 32,
    "aux": False,
    "drop_prob": 0.0,
}


@st.composite
def genotypes(draw):
    genotype = {}
    for kind in ("normal", "reduce"):
        nodes = draw(st.integers(1, 6))
        genotype[kind] = [
            [draw(st.sampled_from(sorted(OPERATIONS))), draw(st.integers(0, node + 1))]
            for node in range(nodes)
            for _ in range(2)
        ]
        concat = st.lists(st.integers(0, nodes + 1), max_size=nodes)
        genotype[f"{kind}_concat"] = draw(concat)
    return genotype


cell_nets = st.fixed_dictionaries(
    {
        "genotype": genotypes(),
        "depth": st.integers(1, 30),
        "width": st.integers(1, 256),
        "aux": st.booleans(),
        "drop_prob": st.floats(0, 1) | st.just(0),
    }
)
positive = st.integers(1, 300)


@st.composite
def stage_nets(draw):
    stages = draw(st.integers(2, 5))

    def values(elements):
        return [1, *draw(st.lists(elements, min_size=stages - 1, max_size=stages - 1))]

    block = draw(st.sampled_from(["res_bottleneck_block", "res_basic_block", "double_plain_block"]))
    net = {
        "block_type": block,
        "ds": values(positive),
        "ss": values(st.integers(1, 3)),
        "ws": values(positive),
        "bot_muls": [],
        "num_gs": [],
    }
    if block == "res_bottleneck_block":
        net["bot_muls"] = [0.0, *values(st.sampled_from([0.25, 0.5, 1.0, 2]))[1:]]
        net["num_gs"] = values(st.sampled_from([1, 2, 4]))
    return net


WRONG_EDGES = [
    7, None, "conv_1x1", [], ["conv_1x1"], ["conv_1x1", 0, 0], [0, "conv_1x1"], [None, 0],
    ["conv_9x9", 0], [["none"], 0], ["none", -1], ["none", True], ["none", 1.0], ["none", "1"],
]  # fmt: skip


@given(cell_nets, st.data())
def test_the_first_malformed_input_of_a_cell_is_named(net, data):
    kind = data.draw(st.sampled_from(["normal", "reduce"]))
    edges = net["genotype"][kind]
    places = sorted(data.draw(st.sets(st.integers(0, len(edges) - 1), min_size=1)))
    for place in places:
        beyond = ["none", place // 2 + 2]
        edges[place] = data.draw(st.sampled_from([*WRONG_EDGES, beyond]))
    with pytest.raises(SpaceError, match=f"Input {places[0]} of the {kind} cell") as caught:
        network_of_net(net)
    assert f"an index below {places[0] // 2 + 2} " in caught.value.expected


@given(cell_nets | stage_nets())
def test_every_encoding_gives_the_same_text(net):
    text = nds.encode(net)
    columns = nds.decode_architecture(text)
    nni = {
        "model_family": columns["model_family"],
        "model_spec": json.loads(columns["model_spec"]),
        "cell_spec": json.loads(columns["cell_spec"]),
    }
    for other in (text, columns, nni, json.dumps(nni, indent=2), {"net": net}, json.dumps(net)):
        assert nds.encode(other) == text
    # Canonical: sorted keys, no spaces, what Python's json writes.
    assert text == json.dumps(nni, sort_keys=True, separators=(",", ":"))


@given(cell_nets)
def test_cells_keep_all_nodes_of_both_kinds(net):
    columns = nds.decode_architecture(nds.encode(net))
    spec = json.loads(columns["cell_spec"])
    for kind in ("normal", "reduce"):
        edges = [
            [spec[f"{kind}_{node}_op_{side}"], spec[f"{kind}_{node}_input_{side}"]]
            for node in range(len(net["genotype"][kind]) // 2)
            for side in "xy"
        ]
        assert edges == net["genotype"][kind]
        assert spec[f"{kind}_concat"] == net["genotype"][f"{kind}_concat"]
    assert json.loads(columns["model_spec"])["num_nodes_reduce"] * 2 == len(
        net["genotype"]["reduce"]
    )


def test_specs_are_spelled_as_nni_spells_them():
    network, rest = network_of_net(CELL_NET)
    assert json.loads(network.cell_spec) == CELL_SPEC
    assert json.loads(network.model_spec) == CELL_MODEL
    assert rest == {}
    assert '"drop_prob":0.0' in network.model_spec
    network, rest = network_of_net({"block_type": "res_basic_block", **BASIC, "num_gs": []})
    assert network.model_spec == '{"ds":[1,12,12,12],"ss":[1,1,2,2],"ws":[16,24,24,40]}'
    assert network.cell_spec == "{}"
    assert rest == {"block_type": "res_basic_block", "num_gs": []}


def test_what_is_no_part_of_a_network_is_handed_back():
    net = {**CELL_NET, "num_classes": 10, "genotype": {**CELL_NET["genotype"], "name": "x"}}
    network, rest = network_of_net(net)
    assert network == network_of_net(CELL_NET)[0]
    assert rest == {"num_classes": 10, "genotype": {"name": "x"}}


def changed(**changes):
    return {**CELL_NET, **changes}


def with_genotype(**changes):
    return changed(genotype={**CELL_NET["genotype"], **changes})


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        3,
        "no json",
        "[]",
        {},
        {"net": {}},
        {"block_type": "squeeze"},
        {"block_type": 5, **BASIC},
        {"block_type": "res_basic_block", "ds": [1, 2], "ss": [1, 1]},
        {"block_type": "res_basic_block", **BASIC, "ws": [16, 24, 24]},
        {"block_type": "res_basic_block", **BASIC, "ws": [16, 24, 24, 0]},
        {"block_type": "res_basic_block", **BASIC, "ss": [1, True, 1, 1]},
        {"block_type": "res_basic_block", **BASIC, "ds": [1, 2, 3, 10**30]},
        {"block_type": "res_bottleneck_block", **BASIC},
        {"block_type": "res_bottleneck_block", **BOTTLENECK, "bot_muls": [0.0, "a", 1, 1]},
        {"block_type": "res_bottleneck_block", **BOTTLENECK, "bot_muls": [0, float("nan"), 1, 1]},
        changed(genotype=[]),
        changed(depth=0),
        changed(depth=1.5),
        changed(width=None),
        changed(aux="yes"),
        changed(drop_prob="0"),
        changed(drop_prob=float("nan")),
        with_genotype(normal=[]),
        with_genotype(normal=[["none", 0]]),
        with_genotype(normal=[["none", 0], ["none", 2]]),
        with_genotype(normal=[["none", 0], ["none", -1]]),
        with_genotype(normal=[["none", 0], ["none", True]]),
        with_genotype(normal=[["none", 0], ["none", 0.0]]),
        with_genotype(normal=[["none", 0], ["conv_9x9", 0]]),
        with_genotype(normal=[["none", 0], [["none"], 0]]),
        with_genotype(normal=[["none", 0], ["none", 0, 0]]),
        with_genotype(reduce=None),
        with_genotype(reduce_concat=[3]),
        with_genotype(reduce_concat=None),
        {"model_family": "transformer", "model_spec": {}},
        {"model_family": ["vanilla"], "model_spec": VANILLA},
        {"model_family": "vanilla"},
        {"model_family": "vanilla", "model_spec": "{"},
        {"model_family": "vanilla", "model_spec": VANILLA, "cell_spec": {"a": 1}},
        {"model_family": "nas_cell", "model_spec": CELL_MODEL, "cell_spec": {}},
        {"model_family": "nas_cell", "model_spec": CELL_MODEL, "cell_spec": {**CELL_SPEC, "x": 1}},
        {
            "model_family": "nas_cell",
            "model_spec": {**CELL_MODEL, "colour": 1},
            "cell_spec": CELL_SPEC,
        },
        {
            "model_family": "nas_cell",
            "model_spec": {**CELL_MODEL, "num_nodes_normal": 10**12},
            "cell_spec": CELL_SPEC,
        },
    ],
)
def test_what_is_no_network_is_refused(wrong):
    with pytest.raises(SpaceError) as caught:
        nds.encode(wrong)
    assert caught.value.expected
    assert caught.value.found
    assert len(str(caught.value)) < 2000


def test_file_names_say_what_nni_reads_from_them():
    assert len(STEMS) == len(set(STEMS)) == 34
    assert {proposer_of(stem) for stem in STEMS} == {
        "amoeba", "darts", "enas", "nasnet", "pnas",
        "resnet", "resnet-b", "resnext-a", "resnext-b", "vanilla",
    }  # fmt: skip
    assert [stem for stem in STEMS if dataset_of(stem) == "imagenet"] == [
        "Amoeba_in", "DARTS_in", "DARTS_lr-wd_in", "ENAS_in", "NASNet_in", "PNAS_in",
        "ResNeXt-A_in", "ResNeXt-B_in", "ResNet_lr-wd_in", "Vanilla_lr-wd_in",
    ]  # fmt: skip
    assert generator_of("ENAS_fix-w-d") == "fix_w_d"
    assert generator_of("DARTS_lr-wd_in") == "tune_lr_wd"
    assert generator_of("ResNet_rng3") == generator_of("Vanilla_reruns") == "random"


# ---------------------------------------------------------------------------------------------
# costs


@pytest.mark.parametrize(
    ("family", "spec", "params", "operations"),
    [
        ("residual_basic", BASIC, 594_138, 184_519_578),
        ("vanilla", VANILLA, 689_770, 208_363_930),
        ("residual_bottleneck", BOTTLENECK, 83_002, 69_890_986),
    ],
)
def test_published_costs(family, spec, params, operations):
    assert cifar_cost(family, spec) == (params, operations)


def layers(family, spec):
    """Every convolution of a network, one by one: kernel, channels in and out, groups, size."""
    size, before = 32, spec["ws"][0]
    yield 3, 3, before, 1, size
    for stage in range(1, len(spec["ds"])):
        width = spec["ws"][stage]
        for block in range(spec["ds"][stage]):
            stride = spec["ss"][stage] if block == 0 else 1
            after = -(-size // stride)
            if family == "residual_bottleneck":
                inner = round(width * spec["bot_muls"][stage])
                yield 1, before, inner, 1, size
                yield 3, inner, inner, spec["num_gs"][stage], after
                yield 1, inner, width, 1, after
            else:
                yield 3, before, width, 1, after
                yield 3, width, width, 1, after
            if family != "vanilla" and (before != width or stride > 1):
                yield 1, before, width, 1, after
            size, before = after, width


@given(stage_nets())
def test_costs_equal_a_walk_over_all_layers(net):
    network, _ = network_of_net(net)
    spec = json.loads(network.model_spec)
    cost = cifar_cost(network.model_family, spec)
    if any(groups and after % groups for _, _, after, groups, _ in layers(network[0], spec)):
        assert cost is None
        return
    last = spec["ws"][-1]
    params = operations = last * 10 + 10
    for kernel, before, after, groups, size in layers(network.model_family, spec):
        if not after:
            assert cost is None
            return
        weights = kernel * kernel * before * after // groups
        params += weights + 2 * after
        operations += (weights + 5 * after) * size * size
    assert cost == (params, operations)


def test_costs_are_null_without_a_formula():
    networks = [
        network_of_net(CELL_NET)[0],
        network_of_net({"block_type": "double_plain_block", **VANILLA})[0],
        network_of_net(
            {"block_type": "res_bottleneck_block", **BOTTLENECK, "num_gs": [1, 3, 1, 1]}
        )[0],
        network_of_net(
            {"block_type": "res_bottleneck_block", **BOTTLENECK, "bot_muls": [0, 1e308, 1, 1]}
        )[0],
        network_of_net({"block_type": "res_basic_block", **BASIC, "ws": [2**31 - 1] * 4})[0],
    ]
    rows = [{"arch_id": i + 5, **network._asdict()} for i, network in enumerate(networks)]
    costs = nds.costs(pa.Table.from_pylist(rows)).to_pylist()
    assert [(row["arch_id"], row["dataset"]) for row in costs] == [
        (arch_id, dataset) for arch_id in range(5, 10) for dataset in ("cifar10", "imagenet")
    ]
    known = [row for row in costs if row["params"] is not None or row["macs"] is not None]
    assert known == [{"arch_id": 6, "dataset": "cifar10", "params": 689_770, "macs": 208_363_930}]
