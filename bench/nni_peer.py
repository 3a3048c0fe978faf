"""NNI's queries, in NNI's own environment; `timing.Peer` talks to it.

nni-venv/bin/python nni_peer.py nasbench201.db
"""

from __future__ import annotations

import gc
import json
import sys
from time import perf_counter
from typing import Any

import nni

nni.set_default_framework("none")  # else NNI wants PyTorch Lightning

from nni.nas.benchmark.nasbench201 import query_nb201_trial_stats, schema  # noqa: E402
from playhouse.sqlite_ext import SqliteExtDatabase  # noqa: E402


def ask(call: str, arch: dict[str, str], num_epochs: int, dataset: str) -> list[dict[str, Any]]:
    """Trials of one architecture; ``call`` says which form of the question."""
    options = {
        "trials": {},
        "mean": {"reduction": "mean"},
        "intermediates": {"include_intermediates": True},
    }[call]
    return list(query_nb201_trial_stats(arch, num_epochs, dataset, **options))


def serve(database: str) -> None:
    schema.proxy.initialize(SqliteExtDatabase(database, autoconnect=True))
    for line in sys.stdin:
        request = json.loads(line)
        seconds = []
        gc.disable()
        for question in request["questions"]:
            start = perf_counter()
            answer = ask(request["call"], *question)
            seconds.append(perf_counter() - start)
        gc.enable()
        print(json.dumps({"seconds": seconds, "answer": answer}), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
