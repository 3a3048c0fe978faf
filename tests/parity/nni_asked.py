"""NNI 3.0's own query functions on databases that are there, in an environment of their own.

nni-python nni_asked.py folder-of-databases questions.pickle answers.pickle

A question is (name of the database, arguments, named arguments, number of rows); an answer is the
list of rows, or the name and the arguments of what was raised.
"""

from __future__ import annotations

import itertools
import pickle
import sys
from importlib import import_module
from pathlib import Path

import nni

nni.set_default_framework("none")  # else NNI wants PyTorch Lightning

from playhouse.sqlite_ext import SqliteExtDatabase  # noqa: E402

QUERIES = {
    "nasbench101": "query_nb101_trial_stats",
    "nasbench201": "query_nb201_trial_stats",
    "nds": "query_nds_trial_stats",
}


def answer(query, arguments, named, count):
    try:
        return list(itertools.islice(query(*arguments, **named), count))
    except Exception as error:  # whatever it is, it is the answer
        return type(error).__name__, error.args


def main() -> None:
    folder, questions, answers = map(Path, sys.argv[1:])
    queries = {}
    for name, function in QUERIES.items():
        package = import_module(f"nni.nas.benchmark.{name}")
        (path,) = folder.glob(f"{name}*.db")
        package.schema.proxy.initialize(SqliteExtDatabase(str(path), autoconnect=True))
        queries[name] = getattr(package, function)
    asked = pickle.loads(questions.read_bytes())
    found = [answer(queries[name], *question) for name, *question in asked]
    answers.write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main()
