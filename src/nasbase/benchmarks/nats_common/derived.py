"""What follows from an architecture: its size, and notes where a record says otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from nasbase.benchmarks.nats_common.datasets import DATASETS
from nasbase.tables.arrow import arrow_schema
from nasbase.tables.catalogue import tables

Costs = Callable[[str, str], tuple[int, int]]
"""Parameters and multiply-accumulates of an architecture string on a data set."""

REFERENCE = "NATS-Bench issue 36"
SIZES = ("params_m", "flops_m")
"""Recorded sizes, in millions, in the order of `Costs`."""


def cost_rows(benchmark: str, architectures: pa.Table, costs: Costs) -> pa.Table:
    """Rows of ``costs`` for rows of ``architectures``."""
    # Lexical order of the UTF-8 text, as the key's order has it.
    datasets = sorted(DATASETS)
    counted = exact_sizes(architectures, costs, datasets)
    ids = architectures["arch_id"].to_numpy()
    return pa.table(
        {
            "arch_id": np.repeat(ids, len(datasets)),
            "dataset": datasets * len(ids),
            "params": counted[..., 0].ravel(),
            "macs": counted[..., 1].ravel(),
        },
        schema=arrow_schema(tables(benchmark)["costs"]),
    )


def exact_sizes(
    architectures: pa.Table, costs: Costs, datasets: list[str] | tuple[str, ...] = DATASETS
) -> np.ndarray:
    """Sizes of every architecture: int64 of shape (architecture, data set, 2)."""
    strings = architectures["arch_str"].to_pylist()
    rows = [[costs(text, dataset) for dataset in datasets] for text in strings]
    return np.array(rows, dtype=np.int64).reshape(len(strings), len(datasets), 2)


def wrong_sizes(costs: pa.Table, trials: pa.Table) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """For each recorded size: rows of ``trials`` where it is wrong, and the right counts there.

    A size is wrong where it is more than half a parameter, or half an operation, off; NULL is not.
    ``costs`` holds at least the rows that `cost_rows` gives for the architectures of ``trials``.
    """
    datasets = sorted(DATASETS)
    ids = costs["arch_id"].to_numpy()[:: len(datasets)]
    order = np.argsort(ids)
    row = order[np.searchsorted(ids, trials["arch_id"].to_numpy(), sorter=order)]
    dataset = np.array([datasets.index(name) for name in trials["dataset"].to_pylist()], dtype=int)
    for column, cost in zip(SIZES, ("params", "macs"), strict=True):
        exact = costs[cost].to_numpy()[row * len(datasets) + dataset]
        recorded = trials[column].to_numpy()  # NULL becomes NaN
        at = np.flatnonzero(np.abs(recorded * 1e6 - exact) > 0.5)
        yield column, at, exact[at]


def size_errata(costs: pa.Table, trials: pa.Table) -> Iterator[Mapping[str, Any]]:
    """Notes on trials whose recorded size is not that of their architecture."""
    if not trials.num_rows:
        return
    ids = trials["trial_id"].to_numpy()
    for column, at, exact in wrong_sizes(costs, trials):
        recorded = trials[column].to_numpy()
        kind = column.removesuffix("_m")
        for row, right in zip(at, exact.tolist(), strict=True):
            yield {
                "table": "trials",
                "key": json.dumps({"trial_id": int(ids[row])}),
                "column": column,
                "kind": "erratum",
                "code": f"{kind}-differ",
                "sentence": f"The recorded {kind} are those of another architecture: "
                f"{recorded[row]} million instead of {right / 1e6} million.",
                "value": right / 1e6,
                "reference": REFERENCE,
            }
