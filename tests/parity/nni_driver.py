"""NNI 3.0 itself, in an environment of its own: its converter on a raw file, then its queries.

nni-python nni_driver.py nasbench201 raw-file questions.json answers.json

A question is a pair: how many leading arguments, and further ones by name. What the converters
import beside NNI (TensorFlow's nasbench, torch) only reads the raw file; the plain readers of the
workflow's tests take its place here.
"""

from __future__ import annotations

import io
import json
import sys
import types
import zipfile
from importlib import import_module
from pathlib import Path

import nni
import numpy as np

nni.set_default_framework("none")  # else NNI wants PyTorch Lightning

from nni.nas.benchmark import utils  # noqa: E402
from playhouse.sqlite_ext import SqliteExtDatabase  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))
import plain  # noqa: E402

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
            self.fixed[text] = {
                "module_adjacency": matrix,
                "module_operations": operations,
                "trainable_parameters": record["params"],
            }
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


def torch_load(path: str) -> dict:
    """The document, its list of strings cut to the architectures that are there."""
    stream = io.BytesIO(Path(path).read_bytes())
    for _head in range(3):
        plain.Unpickler(stream).load()
    document = plain.Unpickler(stream).load()
    strings = document["meta_archs"]
    return document | {"meta_archs": [strings[i] for i in sorted(document["arch2infos"])]}


def module(name: str, **names: object) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__dict__.update(names)
    sys.modules[name] = made
    return made


def convert(name: str, raw: Path, database: Path) -> None:
    schema = import_module(f"nni.nas.benchmark.{name}.schema")
    utils._loaded_benchmarks[name] = SqliteExtDatabase(str(database), autoconnect=True)
    schema.proxy.initialize(utils._loaded_benchmarks[name])
    module("nasbench", api=module("nasbench.api", NASBench=NASBench))
    module("torch", load=torch_load)
    if name == "nds":
        with zipfile.ZipFile(raw) as archive:
            files = [n for n in archive.namelist() if n.endswith(".json")]
            archive.extractall(database.parent / "nds", files)
        raw = (database.parent / "nds" / files[0]).parent
    sys.argv = ["db_gen", str(raw)]
    import_module(f"nni.nas.benchmark.{name}.db_gen").main()


def main() -> None:
    name, raw, questions, answers = sys.argv[1], *map(Path, sys.argv[2:])
    convert(name, raw, answers.with_suffix(".db"))
    query = getattr(import_module(f"nni.nas.benchmark.{name}"), QUERIES[name])
    asked = json.loads(questions.read_text())
    found = [list(query(*leading, **named)) for leading, named in asked]
    answers.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
