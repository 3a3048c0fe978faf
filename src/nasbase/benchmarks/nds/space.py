"""Networks of NDS: upstream's ``net`` objects, NNI's specifications, and their canonical text."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import lt
from typing import Any, NamedTuple

from nasbase.benchmarks.encodings import did_you_mean
from nasbase.errors import SpaceError

NAS_CELL = "nas_cell"
BOTTLENECK = "residual_bottleneck"
BASIC = "residual_basic"
VANILLA = "vanilla"
FAMILIES = (NAS_CELL, BOTTLENECK, BASIC, VANILLA)

BLOCK_PREFIXES = {"res_bottleneck": BOTTLENECK, "res_basic": BASIC, "double_plain": VANILLA}

OPERATIONS = frozenset(
    {
        "none",
        "skip_connect",
        "avg_pool_3x3",
        "max_pool_3x3",
        "max_pool_5x5",
        "max_pool_7x7",
        "conv_1x1",
        "conv_3x3",
        "conv_3x1_1x3",
        "conv_7x1_1x7",
        "dil_conv_3x3",
        "dil_conv_5x5",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
        "dil_sep_conv_3x3",
    }
)

_STAGE_KEYS = ("ds", "ss", "ws")
_BOTTLENECK_KEYS = (*_STAGE_KEYS, "num_gs")
"""Keys of a net that hold one positive integer for each stage."""

_CELLS = ("normal", "reduce")
_CELL_MACRO = ("depth", "width", "aux", "drop_prob")

_CELL_NET_KEYS = frozenset((*_CELL_MACRO, "genotype"))
_GENOTYPE_KEYS = frozenset((*_CELLS, *(f"{kind}_concat" for kind in _CELLS)))

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 200

_canonical = json.JSONEncoder(
    check_circular=False,  # what never ends is a RecursionError
    sort_keys=True,
    separators=(",", ":"),
    allow_nan=False,
).encode


class Network(NamedTuple):
    """One architecture as the ``architectures`` table holds it; both specs are canonical JSON."""

    model_family: str
    model_spec: str
    cell_spec: str

    @property
    def text(self) -> str:
        """Canonical text of the whole specification: keys sorted, no spaces."""
        return (
            f'{{"cell_spec":{self.cell_spec},"model_family":"{self.model_family}",'
            f'"model_spec":{self.model_spec}}}'
        )


def brief(value: Any) -> str:
    """A value for an error message: short, however large or deep it is."""
    if not isinstance(value, str):
        return _brief.repr(value)
    return value[:200] or repr(value)  # nothing found is still said


def canonical_json(value: Any) -> str:
    """JSON as NNI's databases store it: sorted keys, no spaces, floats as Python writes them."""
    try:
        return _canonical(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise SpaceError(
            "A specification cannot be written as JSON.",
            expected="objects, lists, strings, booleans and finite numbers",
            found=str(error),
        ) from error


# ---------------------------------------------------------------------------------------------
# upstream's nets


def network_of_net(net: Any) -> tuple[Network, dict[str, Any]]:
    """Network of one upstream ``net`` object, and what of the object is not part of it.

    The split is NNI's, with one difference: NNI's converter writes as many nodes of the reduction
    cell as the normal cell has; here all nodes are kept.

    Raises
    ------
    SpaceError
        If the object describes no network of the design spaces.
    """
    if not isinstance(net, Mapping):
        raise _error("A net is no object.", "an object", net)
    if "genotype" in net:
        return _network_of_cells(net)
    return _network_of_stages(net)


def _network_of_cells(net: Mapping[str, Any]) -> tuple[Network, dict[str, Any]]:
    genotype = net["genotype"]
    if not isinstance(genotype, Mapping):
        raise _error("A genotype is no object.", "an object with normal and reduce", genotype)
    cell_spec: dict[str, Any] = {}
    nodes = [_add_cell(cell_spec, genotype, kind) for kind in _CELLS]
    model_spec = {"num_nodes_normal": nodes[0], "num_nodes_reduce": nodes[1], **_cell_macro(net)}
    rest = {key: value for key, value in net.items() if key not in _CELL_NET_KEYS}
    more = {key: value for key, value in genotype.items() if key not in _GENOTYPE_KEYS}
    if more:
        rest["genotype"] = more
    return Network(NAS_CELL, canonical_json(model_spec), canonical_json(cell_spec)), rest


def _cell_macro(net: Mapping[str, Any]) -> dict[str, Any]:
    macro = {key: net.get(key) for key in _CELL_MACRO}
    for key in ("depth", "width"):
        _require(_are_positive([macro[key]]), f"{key} of a net", "a positive integer", macro[key])
    _require(isinstance(macro["aux"], bool), "aux of a net", "true or false", macro["aux"])
    _require(
        are_numbers([macro["drop_prob"]]), "drop_prob of a net", "a number", macro["drop_prob"]
    )
    return macro


@lru_cache(maxsize=64)
def _edge_keys(kind: str, nodes: int) -> tuple[str, ...]:
    """NNI's keys of the inputs of a cell, two per node, each an operation and a source."""
    return tuple(
        f"{kind}_{node}_{what}_{side}"
        for node in range(nodes)
        for side in "xy"
        for what in ("op", "input")
    )


@lru_cache(maxsize=64)
def _reachable(nodes: int) -> tuple[int, ...]:
    """For each input of a cell, the number of what it can come from: two cells, and its nodes."""
    return tuple(node + 2 for node in range(nodes) for _ in "xy")


def _add_cell(cell_spec: dict[str, Any], genotype: Mapping[str, Any], kind: str) -> int:
    """Write one cell in NNI's keys; give its number of nodes."""
    edges = genotype.get(kind)
    if not isinstance(edges, list) or not edges or len(edges) % 2:
        raise _error(f"The {kind} cell is malformed.", "a list of two inputs per node", edges)
    nodes = len(edges) // 2
    reachable = _reachable(nodes)
    if not _are_edges(edges, reachable):
        raise _malformed_edge(kind, edges, reachable)
    cell_spec.update(zip(_edge_keys(kind, nodes), chain.from_iterable(edges), strict=True))
    concat = genotype.get(f"{kind}_concat")
    valid = isinstance(concat, list) and all(type(i) is int and 0 <= i < nodes + 2 for i in concat)
    _require(valid, f"{kind}_concat", f"a list of indices below {nodes + 2}", concat)
    cell_spec[f"{kind}_concat"] = concat
    return nodes


def _nearest_operation(edge: Any) -> str | None:
    operation = edge[0] if type(edge) is list and edge else None
    if type(operation) is not str or operation in OPERATIONS:
        return None
    return did_you_mean(operation, sorted(OPERATIONS))


def _are_edges(edges: list[Any], reachable: Sequence[int]) -> bool:
    """Whether all inputs of a cell are what they should be; seen all at once, which is faster."""
    if set(map(type, edges)) != {list} or set(map(len, edges)) != {2}:
        return False
    operations, sources = zip(*edges, strict=True)
    known = set(map(type, operations)) == {str} and OPERATIONS.issuperset(operations)
    whole = set(map(type, sources)) == {int} and min(sources) >= 0
    return known and whole and all(map(lt, sources, reachable))


def _malformed_edge(kind: str, edges: list[Any], reachable: Sequence[int]) -> SpaceError:
    """The error for the first input that is not what it should be."""
    good = [_are_edges([edge], [bound]) for edge, bound in zip(edges, reachable, strict=True)]
    first = good.index(False)
    return _error(
        f"Input {first} of the {kind} cell is malformed.",
        f"[operation, index] with an index below {reachable[first]} and one of "
        f"{sorted(OPERATIONS)}",
        edges[first],
        todo=_nearest_operation(edges[first]),
    )


def _network_of_stages(net: Mapping[str, Any]) -> tuple[Network, dict[str, Any]]:
    block = net.get("block_type")
    for prefix, family in BLOCK_PREFIXES.items():
        if isinstance(block, str) and block.startswith(prefix):
            return _stages(family, net)
    raise _error("The block type is unknown.", f"one of {[*BLOCK_PREFIXES]} as prefix", block)


def _stages(family: str, net: Mapping[str, Any]) -> tuple[Network, dict[str, Any]]:
    # NNI drops what is falsy: bottleneck keys stand in every net, empty where they do not apply.
    model_spec = {key: value for key, value in net.items() if value and key != "block_type"}
    rest = {key: value for key, value in net.items() if key not in model_spec}
    depths = model_spec.get("ds")
    stages = len(depths) if isinstance(depths, list) else 0
    for key in _BOTTLENECK_KEYS if family == BOTTLENECK else _STAGE_KEYS:
        values = model_spec.get(key)
        if not (isinstance(values, list) and len(values) == stages and _are_positive(values)):
            raise _wrong(f"{key} of a net", "as many positive integers as ds has", values)
    if family == BOTTLENECK:
        values = model_spec.get("bot_muls")
        if not (isinstance(values, list) and len(values) == stages and are_numbers(values)):
            raise _wrong("bot_muls of a net", "as many numbers as ds has", values)
    return Network(family, canonical_json(model_spec), "{}"), rest


# ---------------------------------------------------------------------------------------------
# any encoding


def network_of(architecture: Any) -> Network:
    """Network of any encoding: canonical text, NNI's specification, upstream's net or job.

    Raises
    ------
    SpaceError
        If it is none of them, or describes no network of the design spaces.
    """
    if isinstance(architecture, Network):
        return architecture
    if isinstance(architecture, str):
        architecture = _loads(architecture)
    if isinstance(architecture, Mapping):
        if isinstance(architecture.get("net"), Mapping):
            return network_of_net(architecture["net"])[0]
        if "model_family" in architecture:
            return _network_of_spec(architecture)
        if "genotype" in architecture or "block_type" in architecture:
            return network_of_net(architecture)[0]
    raise SpaceError(
        "This is no NDS architecture.",
        expected="an object (or its JSON text) with model_family, model_spec and cell_spec; "
        "upstream's net (genotype or block_type); or a job with a net",
        found=brief(architecture),
    )


def _network_of_spec(spec: Mapping[str, Any]) -> Network:
    family = spec["model_family"]
    if family not in FAMILIES:
        near = did_you_mean(family, FAMILIES)
        raise _error("There is no such model family.", f"one of {FAMILIES}", family, todo=near)
    model_spec = _object("model_spec", spec.get("model_spec"))
    cell_spec = _object("cell_spec", spec.get("cell_spec") or {})
    if family != NAS_CELL:
        _require(not cell_spec, f"cell_spec of {family}", "an empty object", cell_spec)
        return _stages(family, model_spec)[0]
    genotype = _genotype_of(model_spec, cell_spec)
    macro = {key: model_spec[key] for key in _CELL_MACRO if key in model_spec}
    network, _ = _network_of_cells({"genotype": genotype, **macro})
    known = {"num_nodes_normal", "num_nodes_reduce", *_CELL_MACRO}
    _require(set(model_spec) == known, "model_spec", f"the keys {sorted(known)}", [*model_spec])
    unknown = sorted(set(cell_spec) - set(json.loads(network.cell_spec)))
    _require(not unknown, "cell_spec", "no nodes beyond num_nodes_*", unknown)
    return network


def _genotype_of(model_spec: Mapping[str, Any], cell_spec: Mapping[str, Any]) -> dict[str, Any]:
    """Undo NNI's flattening of a genotype."""
    genotype: dict[str, Any] = {}
    for kind in _CELLS:
        nodes = model_spec.get(f"num_nodes_{kind}", 0)
        # Each node needs four keys: more nodes than keys cannot be, whatever the number says.
        counted = _are_positive([nodes]) and nodes <= len(cell_spec)
        _require(counted, f"num_nodes_{kind}", "the number of nodes of cell_spec", nodes)
        keys = _edge_keys(kind, nodes)
        wanted = [*keys, f"{kind}_concat"]
        missing = [key for key in wanted if key not in cell_spec]
        _require(not missing, "cell_spec", f"the keys {missing}", "none of them")
        values = [cell_spec[key] for key in keys]
        genotype[kind] = [*map(list, zip(values[::2], values[1::2], strict=True))]
        genotype[f"{kind}_concat"] = cell_spec[f"{kind}_concat"]
    return genotype


def _object(name: str, value: Any) -> Mapping[str, Any]:
    value = _loads(value) if isinstance(value, str) else value
    _require(isinstance(value, Mapping), name, "an object", value)
    return value


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpaceError(
            "An NDS architecture is given as text that is no JSON.",
            expected='text like {"cell_spec":{},"model_family":"vanilla","model_spec":{...}}',
            found=f"{text[:200]!r} ({error})",
        ) from error


def to_spec(network: Network) -> dict[str, Any]:
    """NNI's specification: ``model_family``, and ``model_spec`` and ``cell_spec`` as objects."""
    return {
        "model_family": network.model_family,
        "model_spec": json.loads(network.model_spec),
        "cell_spec": json.loads(network.cell_spec),
    }


# ---------------------------------------------------------------------------------------------
# small predicates


# JSON gives exact types, and `type` keeps booleans from passing as integers.


def _are_positive(values: list[Any]) -> bool:
    return set(map(type, values)) == {int} and min(values) > 0 and max(values) < 2**31


def are_numbers(values: list[Any]) -> bool:
    """Whether no value is anything but a whole number or a float."""
    return {int, float}.issuperset(map(type, values))


def _require(valid: bool, name: str, expected: str, found: Any) -> None:
    if not valid:
        raise _wrong(name, expected, found)


def _wrong(name: str, expected: str, found: Any) -> SpaceError:
    return _error(f"{name} is not as it should be.", expected, found)


def _error(what: str, expected: str, found: Any, todo: str | None = None) -> SpaceError:
    return SpaceError(what, expected=expected, found=brief(found), todo=todo)
