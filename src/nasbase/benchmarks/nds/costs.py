"""Parameters and operations of a network, computed from its specification.

The formulas hold on CIFAR-10 for the families that are stacks of stages. They were derived from
upstream's building blocks and give the three rows that NNI's documentation publishes, exactly.
Neither the ImageNet stem nor the NAS cells have a formula: their costs are NULL.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from nasbase.benchmarks.nds.space import BASIC, BOTTLENECK, NAS_CELL

if TYPE_CHECKING:
    import pyarrow as pa

Cost = tuple[int, int]

IMAGE_SIZE = 32
CLASSES = 10
BN_OPERATIONS = 5
"""Operations that upstream counts per element of a batch normalisation."""
MAX_COST = 2**63 - 1


def cost_table(architectures: pa.Table) -> pa.Table:
    """Rows of ``costs``: each architecture on both data sets, in key order."""
    import numpy as np
    import pyarrow as pa

    from nasbase.tables.arrow import arrow_schema
    from nasbase.tables.catalogue import tables

    ids = architectures["arch_id"].to_numpy()
    found = cifar_costs(architectures)
    params, macs = [], []
    for cost in found:
        own_params, own_macs = cost or (None, None)
        params += [own_params, None]
        macs += [own_macs, None]
    columns = {
        "arch_id": pa.array(np.repeat(ids, 2)),
        "dataset": pa.array(["cifar10", "imagenet"] * len(ids), pa.string()),
        "params": pa.array(params, pa.int64()),
        "macs": pa.array(macs, pa.int64()),
    }
    return pa.table(columns, schema=arrow_schema(tables("nds")["costs"]))


def cifar_costs(architectures: pa.Table) -> list[Cost | None]:
    """(params, operations) on CIFAR-10 of each row of ``architectures``; None without a formula."""
    families = architectures["model_family"].to_pylist()
    specs = architectures["model_spec"].to_pylist()
    return [
        None if family == NAS_CELL else cifar_cost(family, orjson.loads(spec))
        for family, spec in zip(families, specs, strict=True)
    ]


def cifar_cost(family: str, spec: dict[str, Any]) -> Cost | None:
    """(params, operations) of one stack of stages on CIFAR-10, as upstream counts them.

    None where the groups do not divide the channels, so that no such network exists.
    """
    widths, strides, depths = spec["ws"], spec["ss"], spec["ds"]
    size = IMAGE_SIZE
    params, operations = _conv_bn(3, 3, widths[0], size)
    for stage in range(1, len(widths)):
        inner = groups = 0
        if family == BOTTLENECK:
            exact, groups = widths[stage] * spec["bot_muls"][stage], spec["num_gs"][stage]
            inner = round(exact) if math.isfinite(exact) else 0
            if inner <= 0 or inner % groups:
                return None
        block = family, widths[stage], inner, groups
        first, other = _block_costs(block, widths[stage - 1], size, strides[stage])
        size = _reduced(size, strides[stage])
        params += first[0] + (depths[stage] - 1) * other[0]
        operations += first[1] + (depths[stage] - 1) * other[1]
    linear = widths[-1] * CLASSES + CLASSES
    cost = params + linear, operations + linear
    return cost if max(cost) <= MAX_COST else None


_Block = tuple[str, int, int, int]
"""The block that a stage repeats: family, width, inner channels and groups (of bottlenecks)."""


@lru_cache(maxsize=1 << 16)  # networks combine the same few stages
def _block_costs(block: _Block, before: int, size: int, stride: int) -> tuple[Cost, Cost]:
    """Cost of a stage's first block, on ``before`` channels and ``size`` squared, and of others."""
    first = _block_cost(block, before, size, stride)
    return first, _block_cost(block, block[1], _reduced(size, stride), 1)


def _block_cost(block: _Block, before: int, size: int, stride: int) -> Cost:
    family, width, inner, groups = block
    after = _reduced(size, stride)
    if family == BOTTLENECK:  # the 3x3 convolution carries stride and groups
        parts = [
            _conv_bn(1, before, inner, size),
            _conv_bn(3, inner, inner, after, groups),
            _conv_bn(1, inner, width, after),
        ]
    else:
        parts = [
            _conv_bn(3, before, width, after),
            _conv_bn(3, width, width, after),
        ]
    if family in (BASIC, BOTTLENECK) and (before != width or stride > 1):
        parts.append(_conv_bn(1, before, width, after))
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def _conv_bn(kernel: int, before: int, after: int, size: int, groups: int = 1) -> Cost:
    """A convolution without bias and its batch normalisation, on an output of ``size`` squared."""
    weights = kernel * kernel * before * after // groups
    return weights + 2 * after, (weights + BN_OPERATIONS * after) * size * size


def _reduced(size: int, stride: int) -> int:
    return (size - 1) // stride + 1
