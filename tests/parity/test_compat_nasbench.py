"""`nasbase.compat.nasbench` against google's rules and the raw records.

Upstream's API needs TensorFlow 1. What it does with the records is short enough to be written
again here, on the plain reader of the workflow's tests, which shares no code with nasbase.
"""

from __future__ import annotations

import base64
import copy
import json
import math
import pickle
import random

import numpy as np
import plain
import pytest
import releases
from stepwise import build

from nasbase.cli import main
from nasbase.compat.nasbench import api
from nasbase.store.install import write_catalog

QUESTIONS = 1500
"""Random queries per release."""

METRICS = ("training_time", "train_accuracy", "validation_accuracy", "test_accuracy")


class Upstream:
    """What google's API keeps of a raw file, and what it answers."""

    def __init__(self, path, seed=None):
        random.seed(seed)
        self.fixed, self.computed, self.valid_epochs = {}, {}, set()
        for (text, _, epochs, _), record in plain.nb101(path).items():
            operations = record["operations"].split(",")
            size = len(operations)
            if text not in self.fixed:
                matrix = np.array([*map(int, record["adjacency"])], np.int8).reshape(size, size)
                self.fixed[text] = {
                    "module_adjacency": matrix,
                    "module_operations": operations,
                    "trainable_parameters": record["params"],
                }
                self.computed[text] = {}
            self.valid_epochs.add(epochs)
            self.computed[text].setdefault(epochs, []).append(
                {
                    f"{name}_{metric}": value
                    for name, point in zip(("halfway", "final"), record["points"][1:], strict=True)
                    for metric, value in zip(METRICS, point[1:], strict=True)
                }
            )
        self.spent = [0.0, 0]

    def hash_of(self, spec):
        """The hash of a specification, or the complaint about it."""
        if not spec.valid_spec:
            raise api.OutOfDomainError("invalid spec, provided graph is disconnected.")
        size, edges = len(spec.ops), int(spec.matrix.sum())
        if size > 7:
            raise api.OutOfDomainError(f"too many vertices, got {size} (max vertices = 7)")
        if edges > 9:
            raise api.OutOfDomainError(f"too many edges, got {edges} (max edges = 9)")
        if spec.ops[0] != "input":
            raise api.OutOfDomainError("first operation should be 'input'")
        if spec.ops[-1] != "output":
            raise api.OutOfDomainError("last operation should be 'output'")
        for op in spec.ops[1:-1]:
            if op not in releases.OPERATIONS:
                raise api.OutOfDomainError(
                    f"unsupported op {op} (available ops = {[*releases.OPERATIONS]})"
                )
        return releases.nb101_hash(spec.matrix.tolist(), spec.ops)

    def query(self, spec, epochs=108, stop_halfway=False):
        if epochs not in self.valid_epochs:
            raise api.OutOfDomainError("invalid number of epochs, must be one of ")
        text = self.hash_of(spec)
        data, computed = copy.deepcopy(self.fixed[text]), self.computed[text]
        repeat = random.randint(0, 2)
        found = computed[epochs][repeat]
        for metric in METRICS:
            data[metric] = found[f"{'halfway' if stop_halfway else 'final'}_{metric}"]
        self.spent[0] += data["training_time"]
        self.spent[1] += epochs // 2 if stop_halfway else epochs
        return data


def plain_data(data):
    """A dict with its arrays as lists and its order of keys, to be compared with ``==``."""
    return [
        (key, (str(value.dtype), value.tolist()) if isinstance(value, np.ndarray) else value)
        for key, value in data.items()
    ]


def outcome(call, *arguments, **named):
    """What a call returns or raises, how it left the random state, as one comparable value."""
    try:
        found = plain_data(call(*arguments, **named))
    except (api.OutOfDomainError, KeyError, IndexError, TypeError, ValueError) as error:
        words = "" if isinstance(error, TypeError | IndexError) else str(error)
        found = type(error), words.partition("{")[0]
    return found, random.getstate()


@pytest.fixture(scope="module", params=["sample", "awkward-3", "awkward-4"])
def pair(request, tmp_path_factory):
    """The drop-in and the raw file's own answers, on one release."""
    folder = tmp_path_factory.mktemp(request.param)
    kind, _, seed = request.param.partition("-")
    if kind == "sample":
        asked = ["--benchmark=nb101", "--architectures=60", "--seed=5"]
        assert main(["sample", *asked, str(folder / "samples")]) == 0
        path = folder / "samples" / "nasbench_sample.tfrecord"
        table = "samples/sources.yaml"
    else:
        path = releases.nb101(folder, int(seed), cells=25)
        row = {"nb101": {"sample": [releases.describe(path)]}}
        releases.write_table(folder / "sources.yaml", row, synthetic=True, partial=True)
        table = "sources.yaml"
    forms = ["parquet", "sqlite"]
    installed = build(folder, "nb101", "sample", table, partial=True, outputs=forms)
    return api.NASBench(installed, seed=0), Upstream(path)


# ---------------------------------------------------------------------------------------------
# queries


def relabelled(rng, matrix, ops):
    """The same cell with its interior vertices in another order."""
    size = len(ops)
    while True:
        order = [0, *rng.sample(range(1, size - 1), size - 2), size - 1]
        moved = [[matrix[u][v] for v in order] for u in order]
        if not any(moved[u][v] for u in range(size) for v in range(u + 1)):
            return moved, [ops[v] for v in order]


def dangling(rng, matrix, ops):
    """The same cell with one more vertex that leads nowhere, or that nothing leads to."""
    size, at = len(ops), rng.randrange(1, len(ops))
    grown = [[*row[:at], 0, *row[at:]] for row in matrix]
    grown.insert(at, [0] * (size + 1))
    into = rng.random() < 0.5
    for other in range(at) if into else range(at + 1, size + 1):
        if into:
            grown[other][at] = rng.randrange(2)
        else:
            grown[at][other] = rng.randrange(2)
    return grown, [*ops[:at], rng.choice(releases.OPERATIONS), *ops[at:]]


def random_spec(rng, fixed):
    """A specification: mostly of a recorded cell, in another order, larger, broken or unknown."""
    cell = fixed[rng.choice([*fixed])]
    matrix, ops = cell["module_adjacency"].tolist(), [*cell["module_operations"]]
    kind = rng.randrange(12)
    if kind < 3:
        matrix, ops = relabelled(rng, matrix, ops)
    elif kind < 5:
        matrix, ops = dangling(rng, matrix, ops)
    elif kind == 5:
        matrix, ops = releases.nb101_cell(rng)
    elif kind == 6:
        size = rng.randrange(1, 10)
        matrix = [[int(u < v and rng.random() < 0.6) for v in range(size)] for u in range(size)]
        ops = ["input", *rng.choices(releases.OPERATIONS, k=size)][:size]
        ops[-1] = rng.choice(["output", "output", "input"])
    elif kind == 7:
        ops[rng.randrange(len(ops))] = rng.choice(["input", "output", "conv5x5-bn-relu", 3])
    elif kind == 8 and len(ops) > 2:
        matrix[0] = [0] * len(ops)
    kinds = [np.int8, np.int64, bool]
    array = np.array(matrix, rng.choice(kinds)) if rng.random() < 0.5 else matrix
    return api.ModelSpec(array, ops)


def test_queries(pair):
    ours, theirs = pair
    rng = random.Random(11)
    ours.reset_budget_counters()
    theirs.spent = [0.0, 0]
    seen = set()
    for number in range(QUESTIONS):
        spec = random_spec(rng, theirs.fixed)
        asked = {"epochs": rng.choice([108, 108, 4, 12, 36, 108.0, 5, None, "108"])}
        asked["stop_halfway"] = rng.choice([False, False, True])
        random.seed(number)
        found = outcome(ours.query, spec, **asked)
        random.seed(number)
        assert found == outcome(theirs.query, spec, **asked)
        assert ours.is_valid(spec) == (not complaint(theirs, spec))
        assert ours.get_budget_counters() == tuple(theirs.spent)
        seen.add(found[0][0] if isinstance(found[0], tuple) else "answer")
    assert {"answer", api.OutOfDomainError, KeyError} <= seen
    assert ours.total_epochs_spent > 0
    ours.reset_budget_counters()
    assert ours.get_budget_counters() == (0.0, 0)


def complaint(theirs, spec):
    try:
        theirs.hash_of(spec)
    except api.OutOfDomainError as error:
        return str(error)
    return ""


def test_defaults_and_types(pair):
    ours, theirs = pair
    for text, fixed in theirs.fixed.items():
        if 108 not in theirs.computed[text] or len(theirs.computed[text][108]) < 3:
            continue
        spec = api.ModelSpec(fixed["module_adjacency"], fixed["module_operations"])
        random.seed(text)
        data = ours.query(spec)
        random.seed(text)
        assert plain_data(data) == plain_data(theirs.query(spec))
        assert {type(data[metric]) for metric in METRICS} == {float}
        assert type(data["trainable_parameters"]) is int
        return
    raise AssertionError("no cell with three repeats of 108 epochs")


def test_metrics(pair):
    ours, theirs = pair
    assert [*ours.hash_iterator()] == [*theirs.fixed]  # in the order of the release
    assert len(ours.hash_iterator()) == len(theirs.fixed)
    assert ours.valid_epochs == theirs.valid_epochs
    for text in ours.hash_iterator():
        fixed, computed = ours.get_metrics_from_hash(text)
        assert plain_data(fixed) == plain_data(theirs.fixed[text])
        assert computed == theirs.computed[text]
        assert [*computed] == [*theirs.computed[text]]
        for repeats in computed.values():
            for repeat in repeats:
                assert [*repeat] == [*theirs.computed[text][next(iter(computed))][0]]
                assert all(type(v) is float and not math.isnan(v) for v in repeat.values())
        spec = api.ModelSpec(fixed["module_adjacency"], fixed["module_operations"])
        again = ours.get_metrics_from_spec(spec)
        assert (plain_data(again[0]), again[1]) == (plain_data(fixed), computed)
        assert ours.computed_statistics[text] == computed
    for wrong in ("0" * 32, None, 7, "x" * 40_000, "\ud800"):
        assert wrong not in ours.fixed_statistics
        with pytest.raises(KeyError) as raised:
            ours.get_metrics_from_hash(wrong)
        assert raised.value.args == (wrong,)
    with pytest.raises(TypeError):
        ours.get_metrics_from_hash(["unhashable"])


def test_an_answer_belongs_to_the_caller(pair):
    ours, theirs = pair
    text = next(iter(theirs.fixed))
    fixed, computed = ours.get_metrics_from_hash(text)
    fixed["module_adjacency"][:] = 7
    fixed["module_operations"].clear()
    next(iter(computed.values())).clear()
    assert plain_data(ours.fixed_statistics[text]) == plain_data(theirs.fixed[text])
    assert ours.computed_statistics[text] == theirs.computed[text]


def test_same_seed_same_draws(pair):
    ours, theirs = pair
    specs = [
        api.ModelSpec(cell["module_adjacency"], cell["module_operations"])
        for text, cell in theirs.fixed.items()
        if len(theirs.computed[text].get(108, ())) == 3
    ]
    answers = []
    for _ in range(2):
        again = api.NASBench(ours._bench.folder, seed=99)
        answers.append([again.query(spec)["training_time"] for spec in specs * 5])
    random.seed(99)
    assert answers == [[theirs.query(spec)["training_time"] for spec in specs * 5]] * 2
    state = random.getstate()
    api.NASBench(ours._bench.folder)  # seeds the global generator also without a seed
    assert random.getstate() != state


def test_a_pickle_opens_the_same_build_again(pair):
    ours, theirs = pair
    again = pickle.loads(pickle.dumps(ours))
    assert repr(again) == repr(ours)
    assert "SYNTHETIC" in repr(ours)
    assert "SYNTHETIC" in repr(ours.fixed_statistics)
    text = next(iter(theirs.fixed))
    assert again.computed_statistics[text] == theirs.computed[text]


def test_it_does_not_train(pair):
    with pytest.raises(NotImplementedError, match="does not train"):
        pair[0].evaluate(None, "folder")
    assert pair[0].history == {}


# ---------------------------------------------------------------------------------------------
# upstream's front page, on real records


INPUT = "input"
OUTPUT = "output"
CONV1X1 = "conv1x1-bn-relu"
CONV3X3 = "conv3x3-bn-relu"
MAXPOOL3X3 = "maxpool3x3"


def front_page(nasbench):
    """The code of upstream's README, from the second statement on."""
    # Create an Inception-like module (5x5 convolution replaced with two 3x3
    # convolutions).
    model_spec = api.ModelSpec(
        # Adjacency matrix of the module
        matrix=[[0, 1, 1, 1, 0, 1, 0],    # input layer
                [0, 0, 0, 0, 0, 0, 1],    # 1x1 conv
                [0, 0, 0, 0, 0, 0, 1],    # 3x3 conv
                [0, 0, 0, 0, 1, 0, 0],    # 5x5 conv (replaced by two 3x3's)
                [0, 0, 0, 0, 0, 0, 1],    # 5x5 conv (replaced by two 3x3's)
                [0, 0, 0, 0, 0, 0, 1],    # 3x3 max-pool
                [0, 0, 0, 0, 0, 0, 0]],   # output layer
        # Operations at the vertices of the module, matches order of matrix
        ops=[INPUT, CONV1X1, CONV3X3, CONV3X3, CONV3X3, MAXPOOL3X3, OUTPUT])  # fmt: skip

    # Query this model from dataset, returns a dictionary containing the metrics
    # associated with this model.
    data = nasbench.query(model_spec)
    return model_spec, data


@pytest.fixture(scope="module")
def only108(realdata, tmp_path_factory):
    """The real records of nasbench_only108 and the front page's cell, in a release of that name."""
    folder = tmp_path_factory.mktemp("only108")
    path = folder / "nasbench_only108.tfrecord"
    records = json.loads((realdata / "nb101" / "nb101_only108_records.json").read_text())
    inception = {
        "module_adjacency": INCEPTION,
        "module_operations": [INPUT, CONV1X1, CONV3X3, CONV3X3, CONV3X3, MAXPOOL3X3, OUTPUT],
        "trainable_parameters": 2_694_282,
        "computed": next(iter(records.values()))["computed"],  # made up: it is not among the real
    }
    payloads = []
    for cell in [*records.values(), inception]:
        for repeat in cell["computed"]["108"]:
            points = [[0.0, 0.0, *[releases.float32(998 / 9984)] * 3]]
            for epoch, name in ((54.0, "halfway"), (108.0, "final")):
                points.append([epoch, *(repeat[f"{name}_{metric}"] for metric in METRICS)])
            message = releases.metrics_message(cell["trainable_parameters"], points, 2000.0)
            wrapped = base64.encodebytes(message).decode()
            payloads.append(
                releases.nb101_row(
                    cell["module_adjacency"], cell["module_operations"], 108, wrapped
                )
            )
    path.write_bytes(b"".join(map(releases.frame, payloads)))
    row = {"nb101": {"only108": [releases.describe(path)]}}
    releases.write_table(folder / "sources.yaml", row, synthetic=False, partial=True)
    forms = ["parquet", "sqlite"]
    build(folder, "nb101", "only108", partial=True, outputs=forms)
    return folder, path, records


INCEPTION = [
    [0, 1, 1, 1, 0, 1, 0],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 1, 0, 0],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0],
]


def test_front_page_and_real_records(only108, monkeypatch):
    folder, path, records = only108
    write_catalog(folder / "results")
    monkeypatch.setenv("NASBASE_HOME", str(folder / "results"))
    nasbench = api.NASBench(str(path), seed=3)  # the path that the program always had
    model_spec, data = front_page(nasbench)
    assert model_spec.hash_spec(nasbench.config["available_ops"]) == (
        "28cfc7874f6d200472e1a9dcd8650aa0"
    )
    assert data["trainable_parameters"] == 2_694_282
    assert data["module_adjacency"].dtype == np.int8
    assert data["module_adjacency"].tolist() == INCEPTION
    assert [*data] == [
        *("module_adjacency", "module_operations", "trainable_parameters"),
        *METRICS,
    ]
    path.unlink()
    again = api.NASBench(str(path))  # a path that is gone still names its build
    assert len(again.hash_iterator()) == len(records) + 1
    for text, record in records.items():
        fixed, computed = again.get_metrics_from_hash(text)
        assert fixed["module_adjacency"].tolist() == record["module_adjacency"]
        assert fixed["module_operations"] == record["module_operations"]
        assert fixed["trainable_parameters"] == record["trainable_parameters"]
        assert computed == {108: record["computed"]["108"]}
