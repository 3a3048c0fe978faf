"""What NNI's converters make of a raw release, as plain rows: the other witness for its databases.

Written from the raw records of `plain`, training by training; it shares no code with nasbase. What
a converter cannot take (it would end with an error) is left out here, as our databases do.
"""

from __future__ import annotations

import base64
import bz2
import json
import math
import random
from pathlib import Path

import plain
import releases

Rows = list[tuple]
FAILURES = (KeyError, IndexError, TypeError, ValueError)


def text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def null(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def required(values: list) -> list[float]:
    """Columns that NNI declares NOT NULL."""
    if any(value is None or math.isnan(value) for value in values):
        raise ValueError("NULL where NNI demands a number")
    return [float(value) for value in values]


def nb101(path: Path) -> tuple[Rows, Rows, Rows]:
    """Configurations, trials and intermediates."""
    cells: dict[str, dict] = {}
    for (name, _, epochs, _), record in plain.nb101(path).items():
        cell = cells.setdefault(name, {"first": record})
        cell.setdefault(epochs, []).append(record["points"])
    configs: Rows = []
    trials: Rows = []
    points: Rows = []
    for name, cell in cells.items():
        operations = cell["first"]["operations"].split(",")
        size = len(operations)
        bits = cell["first"]["adjacency"]
        arch: dict = {f"op{v}": operations[v] for v in range(1, size - 1)}
        for v in range(1, size):
            arch[f"input{v}"] = [u for u in range(v) if bits[u * size + v] == "1"]
        for epochs in (4, 12, 36, 108):
            config = None
            for _, half, end in cell.get(epochs, [])[:3]:
                try:
                    params = cell["first"]["params"] / 1e6
                    own = [*(100 * x for x in end[2:]), params, end[1] * 60]
                    row = required(own)
                    two = [required([*(100 * x for x in p[2:]), p[1]]) for p in (half, end)]
                except FAILURES:
                    continue
                if config is None:
                    config = (len(configs) + 1, text(arch), size, name, epochs)
                    configs.append(config)
                trials.append((len(trials) + 1, config[0], *row))
                for epoch, point in zip((epochs // 2, epochs), two, strict=True):
                    points.append((len(points) + 1, len(trials), epoch, *point))
    return configs, trials, points


def mended(record: dict, rng: random.Random) -> dict:
    """An awkward record whose trainings mostly have what NNI asks of their last epoch."""
    for schedule, state in record.items():
        last = releases.ROUNDS[schedule] - 1
        for (dataset, _), result in state["all_results"].items():
            if rng.random() < 0.1:
                continue
            for key in ("train_acc1es", "train_losses", "train_times"):
                result[key] = {**(result[key] or {}), last: rng.uniform(0, 9)}
            for split in list(releases.IMAGES[dataset])[1:]:
                for key in ("eval_acc1es", "eval_losses", "eval_times"):
                    result[key][f"{split}@{last}"] = rng.uniform(0, 9)
            result["params"] = result["params"] or 1.5
            result["latency"] = result["latency"] or [0.25]
    return record


NAMES = ("cifar10-valid", "cifar10", "cifar100", "imagenet16-120")


def nb201(document: dict) -> tuple[Rows, Rows, Rows]:
    """The same; ``document`` is what torch.load gives."""
    configs: Rows = []
    where = {}
    for arch_str in releases.SPACES["nb201"]:
        edges = [part.split("~")[0] for part in arch_str.replace("+", "").split("|") if part]
        keys = ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")
        arch = {k: e.removeprefix("nor_") for k, e in zip(keys, edges, strict=True)}
        for epochs in (12, 200):
            for name in NAMES:
                configs.append((len(configs) + 1, text(arch), epochs, 16, 5, name))
                where[arch_str, epochs, name] = len(configs)
    trials: Rows = []
    points: Rows = []
    for record in document["arch2infos"].values():
        for schedule, state in record.items():
            epochs = 12 if schedule == "less" else 200
            for (dataset, seed), result in state["all_results"].items():
                config = where[state["arch_str"], epochs, dataset.lower()]
                try:
                    row = nb201_trial(result, dataset.lower(), epochs)
                except FAILURES:
                    continue
                trials.append((len(trials) + 1, config, seed, *row))
                for epoch in range(epochs):
                    values = [table.get(key) for table, key in nb201_reads(result, dataset, epoch)]
                    if any(value is not None for value in values):
                        stored = [null(value) for value in values]
                        points.append((len(points) + 1, len(trials), epoch + 1, *stored))
    return configs, trials, points


def nb201_reads(result: dict, dataset: str, epoch: int) -> list[tuple[dict, object]]:
    """Table and key of the accuracies, then of the losses: train, valid, test, ori_test."""
    sets = {
        "cifar10-valid": ("x-valid", "ori-test", "ori-test"),
        "cifar10": ("ori-test", "ori-test", "ori-test"),
    }.get(dataset.lower(), ("x-valid", "x-test", "ori-test"))
    reads = []
    for train, evaluated in (("train_acc1es", "eval_acc1es"), ("train_losses", "eval_losses")):
        reads.append((result[train], epoch))
        reads += [(result[evaluated], f"{name}@{epoch}") for name in sets]
    return reads


def nb201_trial(result: dict, dataset: str, epochs: int) -> list:
    last = epochs - 1
    reads = nb201_reads(result, dataset, last)
    values = [table[key] for table, key in reads]
    times = [result["eval_times"][key] for _, key in reads[1:4]]
    costs = [result["params"], result["latency"][0], result["flop"]]
    training = result["train_times"][last] * epochs
    losses = [null(loss) for loss in values[4:]]
    return [*required(values[:4]), *losses, *required([*costs, training, *times])]


def nds(path: Path) -> tuple[Rows, Rows, Rows]:
    """The same."""
    configs: dict[tuple, int] = {}
    trials: Rows = []
    points: Rows = []
    jobs = plain.nds(path)
    order = {f"{stem}.json": i for i, stem in enumerate(releases.NDS_STEMS)}
    for key in sorted(jobs, key=lambda key: (order[key[0]], key[1] == "mid", key[2])):
        try:
            config, trial, curve = nds_job(key[0], jobs[key])
        except FAILURES:
            continue
        number = configs.setdefault(config, len(configs) + 1)
        trials.append((len(trials) + 1, number, *trial))
        for epoch, point in enumerate(curve, start=1):
            points.append((len(points) + 1, len(trials), epoch, *point))
    return [(number, *config) for config, number in configs.items()], trials, points


def nds_job(name: str, job: dict) -> tuple[tuple, list, Rows]:
    net, epochs = job["net"], job["optim"]["max_ep"]
    family, spec, cell = nds_network(net)
    generator = "fix_w_d" if "fix-w-d" in name else "tune_lr_wd" if "lr-wd" in name else "random"
    dataset = "imagenet" if "_in" in name else "cifar10"
    proposer = name.partition(".")[0].partition("_")[0].lower()
    rates = (float(job["optim"]["base_lr"]), float(job["optim"]["wd"]))
    config = (family, text(spec), text(cell), dataset, generator, proposer, *rates, epochs)
    train, test, loss = (job[f"{n}"] for n in ("train_ep_top1", "test_ep_top1", "train_ep_loss"))
    if not len(train) == len(test) == epochs:
        raise ValueError("curves of other lengths")
    numbers = [value for value in loss if not math.isnan(value)]
    best_loss = float(min(numbers)) if numbers else None
    head = required([100 - train[-1]])
    own = required([100 - test[-1], 100 - min(train)])
    rest = [100 - min(test), job["params"] / 1e6, job["flops"] / 1e6, job["iter_time"]]
    trial = [job["rng_seed"], *head, null(loss[-1]), *own, best_loss, *required(rest)]
    curve = [(null(loss[i]), *required([100 - train[i], 100 - test[i]])) for i in range(epochs)]
    return config, trial, curve


def nds_network(net: dict) -> tuple[str, dict, dict]:
    if "genotype" not in net:
        families = {"res_bottleneck": "residual_bottleneck", "res_basic": "residual_basic"}
        named = [f for prefix, f in families.items() if net["block_type"].startswith(prefix)]
        spec = {key: value for key, value in net.items() if value and key != "block_type"}
        return (named or ["vanilla"])[0], spec, {}
    genotype = net["genotype"]
    nodes = {kind: len(genotype[kind]) // 2 for kind in ("normal", "reduce")}
    spec = {f"num_nodes_{kind}": count for kind, count in nodes.items()}
    spec |= {key: net[key] for key in ("depth", "width", "aux", "drop_prob")}
    cell = {}
    for kind in nodes:
        for i in range(2 * nodes["normal"]):  # of either cell: NNI's mistake
            side = "xy"[i % 2]
            operation, source = genotype[kind][i]
            cell[f"{kind}_{i // 2}_op_{side}"] = operation
            cell[f"{kind}_{i // 2}_input_{side}"] = source
        cell[f"{kind}_concat"] = genotype[f"{kind}_concat"]
    return "nas_cell", spec, cell


# ---------------------------------------------------------------------------------------------
# releases that hold the rows which NNI's documentation shows


def published_nb101(realdata: Path, folder: Path) -> Path:
    """The first cell of the release; its trainings of 108 epochs stand for other schedules, too."""
    records = json.loads((realdata / "nb101" / "nb101_only108_records.json").read_text())
    cell = records["00005c142e6f48ac74fdcf73e3439874"]
    keys = ("training_time", *(f"{split}_accuracy" for split in ("train", "validation", "test")))
    payloads = []
    for epochs in (4, 12, 36, 108):
        for repeat in cell["computed"]["108"]:
            points = [[0.0, 0.0, 0.1, 0.1, 0.1]]
            for share, name in ((0.5, "halfway"), (1.0, "final")):
                points.append([epochs * share, *(repeat[f"{name}_{key}"] for key in keys)])
            message = releases.metrics_message(cell["trainable_parameters"], points, 2000.0)
            described = (cell["module_adjacency"], cell["module_operations"], epochs)
            text = base64.encodebytes(message).decode()
            payloads.append(releases.frame(releases.nb101_row(*described, text)))
    raw = folder / "nasbench.tfrecord"
    raw.write_bytes(b"".join(payloads))
    return raw


def published_nb201(realdata: Path, folder: Path) -> Path:
    """Cell 0 as NATS-Bench has it, in a file of torch.save."""
    member = realdata / "nats" / "NATS-tss-v1_0-3ffb9-simple" / "000000.pickle.pbz2"
    state = plain.unpickle(bz2.decompress(member.read_bytes()))
    records = {0: {"full": state["200"], "less": state["12"]}}
    return releases.nb201(folder, records, "legacy", random.Random(0), releases.dumps_old)
