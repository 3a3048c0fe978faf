"""NNI 3.0 itself, in an environment of its own: its converter on a raw file, then its queries.

nni-python nni_driver.py nasbench201 raw-file questions.json answers.json [whole] [tolerant]

A question is a pair: how many leading arguments, and further ones by name. What the converters
import beside NNI (TensorFlow's nasbench, torch) only reads the raw file; the plain readers of the
workflow's tests take its place here. The database stays beside the answers.

It prints the CPU seconds that the converter took, without those for reading NAS-Bench-101's or
-201's file: who uses NNI reads them with other code.

``whole`` keeps the whole space's configurations of NAS-Bench-201 (some 20 s). ``tolerant`` takes a
training away at which the converter fails, and so lets NNI itself say which ones it can hold.
"""

from __future__ import annotations

import io
import json
import sys
import types
import zipfile
from importlib import import_module
from pathlib import Path
from time import process_time

import nni
import numpy as np

nni.set_default_framework("none")  # else NNI wants PyTorch Lightning

from nni.nas.benchmark import utils  # noqa: E402
from peewee import IntegrityError  # noqa: E402
from playhouse.sqlite_ext import SqliteExtDatabase  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))
import plain  # noqa: E402

OPTIONS = sys.argv[5:]
QUERIES = {
    "nasbench101": "query_nb101_trial_stats",
    "nasbench201": "query_nb201_trial_stats",
    "nds": "query_nds_trial_stats",
}


class NASBench:
    """What NNI's converter asks of google's API."""

    def __init__(self, path: str) -> None:
        self.fixed: dict = {}
        self.computed: dict = {}
        for (text, _, epochs, _), record in plain.nb101(Path(path)).items():
            operations = record["operations"].split(",")
            size = len(operations)
            matrix = np.array([*map(int, record["adjacency"])]).reshape(size, size)
            first = {
                "module_adjacency": matrix,
                "module_operations": operations,
                "trainable_parameters": record["params"],
            }
            self.fixed.setdefault(text, first)
            repeat = {}
            for name, point in zip(("halfway", "final"), record["points"][1:], strict=True):
                keys = (
                    "training_time",
                    *(f"{s}_accuracy" for s in ("train", "validation", "test")),
                )
                repeat |= {
                    f"{name}_{key}": value for key, value in zip(keys, point[1:], strict=True)
                }
            self.computed.setdefault(text, {}).setdefault(epochs, []).append(repeat)

    def hash_iterator(self):
        return self.fixed.keys()

    def get_metrics_from_hash(self, text: str):
        return self.fixed[text], self.computed[text]


class Tracked(dict):
    """A dict that knows which of its items was looked at last."""

    last: tuple[Tracked, object]

    def items(self):
        for key, value in super().items():
            Tracked.last = self, key
            yield key, value


def torch_load(path: str) -> dict:
    """The document; but for ``whole``, its list of strings is cut to the architectures there."""
    stream = io.BytesIO(Path(path).read_bytes())
    for _head in range(3):
        plain.Unpickler(stream).load()
    document = plain.Unpickler(stream).load()
    for record in document["arch2infos"].values():
        for state in record.values():
            state["all_results"] = Tracked(state["all_results"])
    if "whole" in OPTIONS:
        return document
    strings = document["meta_archs"]
    return document | {"meta_archs": [strings[i] for i in sorted(document["arch2infos"])]}


def module(name: str, **names: object) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__dict__.update(names)
    sys.modules[name] = made
    return made


READING = [0.0]
"""Seconds that the readers took."""


def timed(read):
    def call(path):
        start = process_time()
        found = read(path)
        READING[0] += process_time() - start
        return found

    return call


def convert(name: str, raw: Path, database: Path) -> float:
    """Run the converter; the seconds that it took."""
    schema = import_module(f"nni.nas.benchmark.{name}.schema")
    utils._loaded_benchmarks[name] = SqliteExtDatabase(str(database), autoconnect=True)
    schema.proxy.initialize(utils._loaded_benchmarks[name])
    module("nasbench", api=module("nasbench.api", NASBench=timed(NASBench)))
    module("torch", load=timed(torch_load))
    if name == "nds":
        with zipfile.ZipFile(raw) as archive:
            files = [n for n in archive.namelist() if n.endswith(".json")]
            archive.extractall(database.parent / "nds", files)
        raw = (database.parent / "nds" / files[0]).parent
    db_gen = import_module(f"nni.nas.benchmark.{name}.db_gen")
    sys.argv = ["db_gen", str(raw)]
    start = process_time()
    if "tolerant" not in OPTIONS:
        db_gen.main()
    elif name == "nds":
        db_gen.inject_item = tolerant(db_gen.inject_item)
        db_gen.main()
    else:
        until_it_ends(db_gen)
    return process_time() - start - READING[0]


FAILURES = (KeyError, IndexError, TypeError, ValueError, AssertionError, IntegrityError)
"""How the converters end at a training that they cannot hold."""


def tolerant(inject_item):
    """The converter of one job of NDS; what it cannot hold leaves nothing behind."""

    def inject(db, *facts) -> None:
        with db.atomic() as savepoint:
            try:
                inject_item(db, *facts)
            except FAILURES:
                savepoint.rollback()

    return inject


def until_it_ends(db_gen) -> None:
    """Run the converter again and again, each time without the training at which it failed.

    It works inside one transaction, so a failure leaves an empty database.
    """
    document = torch_load(sys.argv[1])
    sys.modules["torch"].load = lambda _: document
    while True:
        try:
            return db_gen.main()
        except FAILURES:
            trainings, key = Tracked.last
            del trainings[key]


def main() -> None:
    name, raw, questions, answers = sys.argv[1], *map(Path, sys.argv[2:5])
    took = {"seconds": convert(name, raw, answers.with_suffix(".db"))}
    sys.stdout.write(json.dumps(took) + "\n")
    query = getattr(import_module(f"nni.nas.benchmark.{name}"), QUERIES[name])
    asked = json.loads(questions.read_text())
    found = [list(query(*leading, **named)) for leading, named in asked]
    answers.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
