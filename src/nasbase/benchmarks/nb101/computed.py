"""What is computed from the tables of NAS-Bench-101: costs of cells, notes on single trainings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from nasbase.benchmarks.nb101.convert import DATASET
from nasbase.benchmarks.nb101.costs import trainable_parameters
from nasbase.tables.arrow import arrow_schema
from nasbase.tables.catalogue import tables

CHANCE_PCT = 11.0
"""Final test accuracy up to which a training has learnt nothing (ten classes)."""


def costs(architectures: pa.Table) -> pa.Table:
    """Rows of ``costs``: parameters by formula, no formula for multiply-accumulates."""
    count = architectures.num_rows
    ids = architectures["arch_id"].to_numpy()
    params = trainable_parameters(architectures["adjacency"], architectures["operations"])
    order = np.argsort(ids, kind="stable")
    columns = [
        pa.array(ids[order]),
        pa.repeat(pa.scalar(DATASET), count),
        pa.array(params[order]),
        pa.nulls(count, pa.int64()),
    ]
    return pa.Table.from_arrays(columns, schema=arrow_schema(tables("nb101")["costs"]))


def annotate(costs: pa.Table, trials: pa.Table) -> Iterator[dict[str, Any]]:
    """Notes on trainings with wrong recorded parameters, or that learnt nothing."""
    place = np.searchsorted(costs["arch_id"].to_numpy(), trials["arch_id"].to_numpy())
    own = costs["params"].to_numpy()[place]
    recorded = trials["params"].to_numpy()
    accuracy = trials["test_acc_pct"].to_numpy()
    differs, chance = recorded != own, accuracy <= CHANCE_PCT
    trial_ids = trials["trial_id"].to_numpy()
    for row in np.flatnonzero(differs | chance).tolist():
        about = {"table": "trials", "key": json.dumps({"trial_id": int(trial_ids[row])})}
        if differs[row]:
            yield about | {
                "column": "params",
                "kind": "erratum",
                "code": "params-differ",
                "sentence": f"{recorded[row]} parameters are recorded, the cell has {own[row]}.",
                "value": float(own[row]),
                "reference": None,
            }
        if chance[row]:
            yield about | {
                "column": "test_acc_pct",
                "kind": "outcome",
                "code": "no-better-than-chance",
                "sentence": "The training ended no better than guessing among ten classes.",
                "value": None,
                "reference": "google-research/nasbench issue 21",
            }
