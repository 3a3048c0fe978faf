"""What the tables must hold, row by row, computed in plain Python from plain readings."""

from __future__ import annotations

import json
import math
from pathlib import Path

from releases import CLASSES, COSTS, NDS_STEMS, SPACES, arch_config, nb101_params

NATS_SERIES = (
    "train_acc_pct", "train_acc5_pct", "train_loss", "train_time_s",
    "x_valid_acc_pct", "x_valid_loss", "x_valid_time_s",
    "x_test_acc_pct", "x_test_loss", "x_test_time_s",
    "ori_test_acc_pct", "ori_test_loss", "ori_test_time_s",
)  # fmt: skip
NB101_SERIES = ("elapsed_train_time_s", "train_acc_pct", "valid_acc_pct", "test_acc_pct")
NDS_SERIES = ("train_err_pct", "test_err_pct", "train_loss", "train_acc_pct", "test_acc_pct")
SERIES = {"nb101": NB101_SERIES, "nds": NDS_SERIES}
"""Series in the order that docs/tables.md gives; NATS_SERIES for all others."""

Rows = list[dict]


def series_of(benchmark: str) -> tuple[str, ...]:
    return SERIES.get(benchmark, NATS_SERIES)


def _numbered(benchmark: str, trials: Rows, subject: str = "arch_id") -> Rows:
    """Give sorted trials their ids and runs, and their values after the last epoch."""
    run, before = 0, None
    for number, trial in enumerate(trials):
        training = tuple(trial[key] for key in (subject, "dataset", "num_epochs"))
        run = run + 1 if training == before else 0
        before = training
        trial |= {"trial_id": number, "run": run}
        for name in series_of(benchmark):
            trial[name] = trial["curve"].get(name, {}).get(trial["num_epochs"])
    return trials


def _curves(benchmark: str, trials: Rows) -> Rows:
    same = ("trial_id", "arch_id", "dataset", "num_epochs", "run")
    return [
        {key: trial[key] for key in same}
        | {"epoch": epoch}
        | {name: trial["curve"].get(name, {}).get(epoch) for name in series_of(benchmark)}
        for trial in trials
        for epoch in trial["epochs"]
    ]


def _means(benchmark: str, trials: Rows, scalars: tuple[str, ...], subject: str) -> Rows:
    groups: dict[tuple, Rows] = {}
    for trial in trials:
        key = (trial[subject], trial["dataset"], trial["num_epochs"])
        groups.setdefault(key, []).append(trial)
    rows = []
    for key, members in groups.items():
        row = dict(zip((subject, "dataset", "num_epochs"), key, strict=True))
        row["n"] = len(members)
        for name in (*series_of(benchmark), "train_time_total_s", *scalars):
            mean, deviation = _moments([member[name] for member in members])
            row |= {f"{name}_mean": mean, f"{name}_sd": deviation}
        rows.append(row)
    return rows


def _moments(values: list[float | None]) -> tuple[float | None, float | None]:
    if None in values:
        return None, None
    total = 0.0
    for value in values:
        total += value
    mean = total / len(values)
    squares = 0.0
    for value in values:
        squares += (value - mean) * (value - mean)
    return mean, math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None


def _nan_notes(tables: dict[str, Rows], keys: dict[str, tuple[str, ...]]) -> set[tuple]:
    return {
        ("nan", table, json.dumps({name: row[name] for name in key}), column, None)
        for table, key in keys.items()
        for row in tables[table]
        for column, value in row.items()
        if isinstance(value, float) and math.isnan(value)
    }


def _finished(tables: dict, keys: dict[str, tuple[str, ...]], errata: set[tuple]) -> dict:
    """Complete the tables with their notes, and drop what only helped."""
    for trial in tables["trials"]:
        del trial["curve"], trial["epochs"]
    return tables | {"notes": errata | _nan_notes(tables, keys)}


def _erratum(trial: dict, column: str, value: float) -> tuple:
    return "erratum", "trials", json.dumps({"trial_id": trial["trial_id"]}), column, value


# ---------------------------------------------------------------------------------------------
# NAS-Bench-101


def nb101(raw: dict[tuple, dict], source: str) -> dict:
    hashes = sorted({key[0] for key in raw})
    cells = {key[0]: value for key, value in raw.items()}
    architectures, costs, trials = [], [], []
    for arch_id, text in enumerate(hashes):
        cell = cells[text]
        labels = cell["operations"].split(",")
        bits = [int(bit) for bit in cell["adjacency"]]
        matrix = [bits[i : i + len(labels)] for i in range(0, len(bits), len(labels))]
        architectures.append(
            {
                "arch_id": arch_id,
                "hash": text,
                "num_vertices": len(labels),
                "num_edges": sum(bits),
                "adjacency": cell["adjacency"],
                "operations": cell["operations"],
            }
        )
        params = nb101_params(matrix, labels)
        costs.append({"arch_id": arch_id, "dataset": "cifar10", "params": params, "macs": None})
    for key in sorted(raw):
        text, dataset, epochs, position = key
        record = raw[key]
        curve: dict[str, dict] = {name: {} for name in NB101_SERIES}
        for epoch, seconds, *fractions in record["points"]:
            curve["elapsed_train_time_s"][int(epoch)] = seconds
            for name, fraction in zip(NB101_SERIES[1:], fractions, strict=True):
                curve[name][int(epoch)] = fraction * 100.0
        trials.append(
            {
                "arch_id": hashes.index(text),
                "dataset": dataset,
                "num_epochs": epochs,
                "seed": None,
                "train_time_total_s": record["points"][-1][1],
                "params": record["params"],
                "total_time_s": record["total_time"],
                "source_file": source,
                "source_pos": position,
                "source_offset": record["span"][0],
                "source_bytes": record["span"][1],
                "extra": None,
                "curve": curve,
                "epochs": [int(point[0]) for point in record["points"]],
            }
        )
    trials = _numbered("nb101", trials)
    tables = {
        "architectures": architectures,
        "costs": costs,
        "trials": trials,
        "curves": _curves("nb101", trials),
        "means": _means("nb101", trials, ("total_time_s",), "arch_id"),
    }
    keys = {"trials": ("trial_id",), "curves": ("trial_id", "epoch"), "means": MEANS_KEY}
    return _finished(tables, keys, set())


MEANS_KEY = ("arch_id", "dataset", "num_epochs")

# ---------------------------------------------------------------------------------------------
# NATS-Bench and NAS-Bench-201

EDGES = ("op_0_1", "op_0_2", "op_1_2", "op_0_3", "op_1_3", "op_2_3")


def unique_string(operations: list[str]) -> str:
    """What a cell computes: upstream's `to_unique_str` with consider_zero=True."""
    nodes = ["0"]
    sources = ((0,), (0, 1), (0, 1, 2))
    position = 0
    for inputs in sources:
        parts = []
        for source in inputs:
            operation = operations[position]
            position += 1
            if operation == "none" or nodes[source] == "#":
                parts.append("#")
            elif operation == "skip_connect":
                parts.append(nodes[source])
            else:
                parts.append(f"({nodes[source]})@{operation}")
        nodes.append("+".join(sorted(parts)))
    return nodes[-1]


def _operations(text: str) -> list[str]:
    return [part.split("~")[0] for node in text.split("+") for part in node.split("|") if part]


def nats_architecture(benchmark: str, index: int, classes: dict[str, int]) -> dict:
    text = SPACES[benchmark][index]
    row = {"arch_id": index, "arch_str": text}
    if benchmark == "nats_sss":
        return row | {f"c{i}": int(count) for i, count in enumerate(text.split(":"))}
    operations = _operations(text)
    edges = dict(zip(EDGES, operations, strict=True))
    return row | edges | {"isomorphism_class": classes[unique_string(operations)]}


def nats(benchmark: str, raw: dict[tuple, dict]) -> dict:
    classes: dict[str, int] = {}
    if benchmark != "nats_sss":
        for index, text in enumerate(SPACES[benchmark]):
            classes.setdefault(unique_string(_operations(text)), index)
    indexes = sorted({key[0] for key in raw})
    datasets = sorted(CLASSES)
    trials = []
    for key in sorted(raw):  # the names of data sets are ASCII
        index, dataset, epochs, seed = key
        trial = raw[key]
        curve = trial["series"]
        times = curve.get("train_time_s", {})
        total = 0.0
        for epoch in range(1, epochs + 1):
            total += times.get(epoch, 0.0)
        latency, extra = trial["latency"], dict(trial["rest"])
        if latency is not None and len(latency) != 1:
            extra["latency"] = latency
        if trial["arch_config"] != arch_config(benchmark, trial["arch_str"], dataset):
            extra["arch_config"] = trial["arch_config"]
        trials.append(
            {
                "arch_id": index,
                "dataset": dataset,
                "num_epochs": epochs,
                "seed": seed,
                "train_time_total_s": total if len(times) == epochs else None,
                "params_m": trial["params"],
                "flops_m": trial["flop"],
                "latency_s": latency[0] if latency and len(latency) == 1 else None,
                "source_file": trial["source"][0],
                "source_pos": trial["source"][1],
                "source_offset": trial["span"][0],
                "source_bytes": trial["span"][1],
                "extra": extra or None,
                "curve": curve,
                "epochs": sorted({epoch for points in curve.values() for epoch in points}),
            }
        )
    trials = _numbered(benchmark, trials)
    tables = {
        "architectures": [nats_architecture(benchmark, index, classes) for index in indexes],
        "costs": [
            {"arch_id": index, "dataset": name, "params": params, "macs": macs}
            for index in indexes
            for name in datasets
            for params, macs in [COSTS[benchmark](SPACES[benchmark][index], name)]
        ],
        "trials": trials,
        "curves": _curves(benchmark, trials),
        "means": _means(benchmark, trials, ("latency_s",), "arch_id"),
    }
    errata = set()
    for trial in trials:
        exact = COSTS[benchmark](SPACES[benchmark][trial["arch_id"]], trial["dataset"])
        for column, right in zip(("params_m", "flops_m"), exact, strict=True):
            if trial[column] is not None and abs(trial[column] * 1e6 - right) > 0.5:
                errata.add(_erratum(trial, column, right / 1e6))
    return _finished(tables, {"trials": ("trial_id",), "means": MEANS_KEY}, errata)


# ---------------------------------------------------------------------------------------------
# NDS

NDS_LISTS = {
    "train_err_pct": "train_ep_top1",
    "test_err_pct": "test_ep_top1",
    "train_loss": "train_ep_loss",
}
NDS_SCALARS = {
    "seed": "rng_seed",
    "params": "params",
    "flops": "flops",
    "iter_time_s": "iter_time",
    "min_test_err_pct": "min_test_top1",
    "exp_mem": "exp_mem",
    "act_mem": "act_mem",
    "prec_time_s": "prec_time",
    "job_id": "job_id",
}
NDS_KNOWN = {*NDS_LISTS.values(), *NDS_SCALARS.values(), "train_it_loss", "train_it_top1"}
FAMILIES = {
    "res_bottleneck": "residual_bottleneck",
    "res_basic": "residual_basic",
    "double_plain": "vanilla",
}


def canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def nds_network(net: dict) -> tuple[dict, dict]:
    """NNI's description of a net, and what of the net is not in it."""
    if "genotype" not in net:
        spec = {key: value for key, value in net.items() if value and key != "block_type"}
        family = next(f for prefix, f in FAMILIES.items() if net["block_type"].startswith(prefix))
        rest = {key: value for key, value in net.items() if key not in spec}
        return {"model_family": family, "model_spec": spec, "cell_spec": {}}, rest
    macro = {key: net[key] for key in ("depth", "width", "aux", "drop_prob")}
    cells: dict = {}
    for cell in ("normal", "reduce"):
        edges = net["genotype"][cell]
        macro[f"num_nodes_{cell}"] = len(edges) // 2
        for i, (operation, source) in enumerate(edges):
            node = f"{cell}_{i // 2}"
            cells[f"{node}_op_{'xy'[i % 2]}"] = operation
            cells[f"{node}_input_{'xy'[i % 2]}"] = source
        cells[f"{cell}_concat"] = net["genotype"][f"{cell}_concat"]
    return {"model_family": "nas_cell", "model_spec": macro, "cell_spec": cells}, {}


def nds_costs(family: str, spec: dict) -> tuple[int | None, int | None]:
    """Parameters and operations on CIFAR-10."""
    if family == "nas_cell":
        return None, None
    total = [0, 0]

    def conv(kernel: int, before: int, after: int, size: int, groups: int = 1) -> None:
        weights = kernel * kernel * before * after // groups
        total[0] += weights + 2 * after
        total[1] += (weights + 5 * after) * size * size

    size, before = 32, spec["ws"][0]
    conv(3, 3, before, size)
    for stage in range(1, len(spec["ws"])):
        width = spec["ws"][stage]
        for block in range(spec["ds"][stage]):
            stride = 1 if block else spec["ss"][stage]
            after = math.ceil(size / stride)
            if family == "residual_bottleneck":
                inner, groups = round(width * spec["bot_muls"][stage]), spec["num_gs"][stage]
                conv(1, before, inner, size)
                conv(3, inner, inner, after, groups)
                conv(1, inner, width, after)
            else:
                conv(3, before, width, after)
                conv(3, width, width, after)
            if family != "vanilla" and (before != width or stride > 1):
                conv(1, before, width, after)
            size, before = after, width
    linear = before * 10 + 10
    return total[0] + linear, total[1] + linear


def _nds_trial(key: tuple, job: dict) -> dict:
    file, group, position = key
    stem = Path(file).stem
    network, net_rest = nds_network(job["net"])
    tuned = "tune_lr_wd" if "lr-wd" in stem else "random"
    optim = job["optim"]
    extra = {name: job[name] for name in job.keys() - NDS_KNOWN - {"net", "optim"}}
    optim_rest = {name: optim[name] for name in optim.keys() - {"base_lr", "wd", "max_ep"}}
    extra |= {"net": net_rest} if net_rest else {}
    extra |= {"optim": optim_rest} if optim_rest else {}
    scalars = {name: job.get(upstream) for name, upstream in NDS_SCALARS.items()}
    if isinstance(scalars["prec_time_s"], dict):
        extra["prec_time"] = scalars["prec_time_s"]
        scalars["prec_time_s"] = None
    curve = {
        name: {epoch: float(value) for epoch, value in enumerate(job[upstream], 1)}
        for name, upstream in NDS_LISTS.items()
    }
    for split in ("train", "test"):
        errors = curve[f"{split}_err_pct"]
        curve[f"{split}_acc_pct"] = {epoch: 100.0 - value for epoch, value in errors.items()}
    return {
        "text": canonical(network),
        "network": network,
        "dataset": "imagenet" if "_in" in stem else "cifar10",
        "proposer": stem.split("_")[0].lower(),
        "generator": "fix_w_d" if "fix-w-d" in stem else tuned,
        "base_lr": optim["base_lr"],
        "weight_decay": optim["wd"],
        "num_epochs": optim["max_ep"],
        "order": (NDS_STEMS.index(stem), group == "mid", position),
        **scalars,
        "train_time_total_s": None,
        "source_file": file,
        "source_group": group,
        "source_pos": position,
        "extra": extra or None,
        "curve": curve,
        "epochs": range(1, optim["max_ep"] + 1),
        "samples": (job.get("train_it_loss", []), job.get("train_it_top1", [])),
    }


NDS_CONFIGURATION = ("proposer", "generator", "base_lr", "weight_decay", "num_epochs")


def nds(raw: dict[tuple, dict]) -> dict:
    trials = [_nds_trial(key, job) for key, job in raw.items()]
    trials.sort(
        key=lambda t: (t["text"], t["dataset"], *(t[n] for n in NDS_CONFIGURATION), t["order"])
    )
    networks = {trial["text"]: trial["network"] for trial in trials}
    configurations: dict[tuple, dict] = {}
    for trial in trials:
        key = (trial["text"], trial["dataset"], *(trial[name] for name in NDS_CONFIGURATION))
        trial["arch_id"] = list(networks).index(trial["text"])
        new = {"config_id": len(configurations), "arch_id": trial["arch_id"]}
        new |= {name: trial[name] for name in ("dataset", *NDS_CONFIGURATION)}
        trial["config_id"] = configurations.setdefault(key, new)["config_id"]
    trials = _numbered("nds", trials, "config_id")
    iterations = [
        {
            "trial_id": trial["trial_id"],
            "sample": i,
            "train_loss": float(losses[i]) if i < len(losses) else None,
            "train_err_pct": float(errors[i]) if i < len(errors) else None,
        }
        for trial in trials
        for losses, errors in [trial["samples"]]
        for i in range(max(len(losses), len(errors)))
    ]
    costs, sizes = [], []
    for arch_id, network in enumerate(networks.values()):
        sizes.append(nds_costs(network["model_family"], network["model_spec"]))
        for dataset, (params, macs) in (("cifar10", sizes[-1]), ("imagenet", (None, None))):
            costs.append({"arch_id": arch_id, "dataset": dataset, "params": params, "macs": macs})
    errata = {
        _erratum(trial, column, float(right))
        for trial in trials
        for column, right in zip(("params", "flops"), sizes[trial["arch_id"]], strict=True)
        if trial["dataset"] == "cifar10" and right is not None and trial[column] != right
    }
    architectures = [
        {
            "arch_id": arch_id,
            "model_family": network["model_family"],
            "model_spec": canonical(network["model_spec"]),
            "cell_spec": canonical(network["cell_spec"]),
        }
        for arch_id, network in enumerate(networks.values())
    ]
    tables = {
        "architectures": architectures,
        "configurations": list(configurations.values()),
        "costs": costs,
        "trials": trials,
        "curves": _curves("nds", trials),
        "iterations": iterations,
        "means": _means("nds", trials, ("iter_time_s", "min_test_err_pct"), "config_id"),
    }
    only_here = ("text", "network", "order", "samples", *NDS_CONFIGURATION[:-1])
    for trial in trials:
        for name in only_here:
            del trial[name]
    keys = {"trials": ("trial_id",), "means": ("config_id", "dataset", "num_epochs")}
    return _finished(tables, keys, errata)
