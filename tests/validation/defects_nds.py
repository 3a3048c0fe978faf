"""Defects in the Parquet tables of NDS."""

from __future__ import annotations

import json

from tampering import Copy, defect, next_up

from nasbase.benchmarks import room_of

NAME = "nds"


def trial(copy: Copy, **key: object) -> int:
    """The first trial with these values."""
    return copy.row("trials", **key)["trial_id"]


@defect(
    NAME,
    "curves, trials",
    "One error is one ulp higher, and all that follows from it.",
    {"all.raw": "trial 10: train_err_pct at epoch 3"},
)
def nds_one_ulp(copy: Copy) -> None:
    def up(rows: list[dict]) -> None:
        for row in rows:
            if (row["trial_id"], row["epoch"]) == (10, 3):
                row["train_err_pct"] = next_up(row["train_err_pct"])
                row["train_acc_pct"] = 100.0 - row["train_err_pct"]

    copy.edit("curves", up)
    copy.follow(finals=True)


@defect(
    NAME,
    "curves",
    "An accuracy is not 100 minus its error.",
    {"nds.complement": "trial 10: test accuracy"},
)
def nds_complement(copy: Copy) -> None:
    copy.put("curves", "test_acc_pct", lambda r: next_up(r["test_acc_pct"]), trial_id=10, epoch=3)


@defect(
    NAME,
    "curves, trials",
    "Errors and accuracies are exchanged.",
    {"nds.min_test_err": "trial 0: recorded", "all.raw": "train_err_pct"},
)
def nds_errors_are_accuracies(copy: Copy) -> None:
    for split in ("train", "test"):
        copy.swap_columns(f"{split}_err_pct", f"{split}_acc_pct")
    copy.follow()


@defect(
    NAME,
    "curves, trials",
    "Train and test are exchanged.",
    {"nds.min_test_err": "trial 0: recorded", "all.raw": "train_err_pct"},
)
def nds_train_is_test(copy: Copy) -> None:
    for what in ("err", "acc"):
        copy.swap_columns(f"train_{what}_pct", f"test_{what}_pct")
    copy.follow()


@defect(
    NAME,
    "trials",
    "The recorded lowest error is another trial's.",
    {"nds.min_test_err": "trial 4: recorded", "all.raw": "trial 4: min_test_err_pct"},
)
def nds_minimum(copy: Copy) -> None:
    copy.exchange("trials", ["min_test_err_pct"], {"trial_id": 4}, {"trial_id": 5})
    copy.follow()


@defect(
    NAME,
    "curves",
    "An error is above 100 percent.",
    {"all.ranges": "curves 12: train_err_pct 101"},
)
def nds_range(copy: Copy) -> None:
    copy.put("curves", "train_err_pct", 101.0, trial_id=12, epoch=1)


@defect(
    NAME,
    "iterations",
    "An error of an iteration is negative.",
    {"all.ranges": "iterations 12: train_err_pct -0.5"},
)
def nds_iteration_range(copy: Copy) -> None:
    copy.put("iterations", "train_err_pct", -0.5, trial_id=12, sample=0)


@defect(
    NAME,
    "curves, trials",
    "Curves end one epoch too early.",
    {"nds.curve_lengths": "trial 0: train_err_pct has"},
    severity="warning",
)
def nds_truncated(copy: Copy) -> None:
    names = [f"{split}_{what}_pct" for split in ("train", "test") for what in ("err", "acc")]

    def shorter(rows: list[dict]) -> None:
        for row in rows:
            if row["epoch"] == row["num_epochs"]:
                row.update(dict.fromkeys(names))

    lowest: dict[int, float] = {}
    copy.edit("curves", shorter)
    for row in copy.rows("curves"):
        if row["test_err_pct"] is not None:
            number = row["trial_id"]
            lowest[number] = min(row["test_err_pct"], lowest.get(number, 100.0))
    copy.put("trials", "min_test_err_pct", lambda row: lowest[row["trial_id"]])
    copy.follow(finals=True)


@defect(
    NAME,
    "curves, trials",
    "A curve is shifted by one epoch.",
    {"all.raw": "trial 3: train_err_pct at epoch 1"},
)
def nds_shifted(copy: Copy) -> None:
    def shifted(rows: list[dict]) -> None:
        own = [row for row in rows if row["trial_id"] == 3]
        names = ["train_err_pct", "train_acc_pct", "test_err_pct", "test_acc_pct", "train_loss"]
        values = [[row[name] for name in names] for row in own]
        for row, before in zip(own, [values[-1], *values[:-1]], strict=True):
            row.update(zip(names, before, strict=True))

    copy.edit("curves", shifted)
    copy.follow(finals=True)


@defect(
    NAME,
    "iterations",
    "The iterations of a trial are shuffled.",
    {"all.raw": "trial {place}: train_loss of sample 0"},
)
def nds_iterations(copy: Copy) -> str:
    number = copy.rows("iterations")[0]["trial_id"]
    columns = ["train_loss", "train_err_pct"]
    one, two = ({"trial_id": number, "sample": sample} for sample in (0, 5))
    copy.exchange("iterations", columns, one, two)
    return str(number)


@defect(
    NAME,
    "iterations",
    "Two trials have each other's iterations.",
    {"all.raw": "train_loss of sample 0"},
)
def nds_iterations_exchanged(copy: Copy) -> None:
    one, two = sorted({row["trial_id"] for row in copy.rows("iterations")})[:2]
    columns = ["train_loss", "train_err_pct"]
    copy.exchange("iterations", columns, {"trial_id": one}, {"trial_id": two})


@defect(
    NAME,
    "iterations",
    "The iterations of a trial are missing.",
    {"all.raw": "trial {place}: samples: 0"},
)
def nds_iterations_missing(copy: Copy) -> str:
    number = copy.rows("iterations")[0]["trial_id"]
    copy.edit("iterations", lambda rows: [row for row in rows if row["trial_id"] != number])
    return str(number)


@defect(
    NAME,
    "architectures",
    "A specification is not written in canonical form.",
    {"nds.specs_canonical": "architecture 2", "all.raw": "model_spec"},
)
def nds_specification(copy: Copy) -> None:
    copy.put("architectures", "model_spec", lambda r: r["model_spec"].replace(",", ", "), arch_id=2)


@defect(
    NAME,
    "architectures",
    "A stage of a network is one block deeper.",
    {"nds.costs": "'arch_id': {place}", "all.raw": "model_spec"},
)
def nds_depth(copy: Copy) -> str:
    row = next(row for row in copy.rows("architectures") if row["cell_spec"] == "{}")
    spec = json.loads(row["model_spec"])
    spec["ds"][1] += 1
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    copy.put("architectures", "model_spec", text, arch_id=row["arch_id"])
    return str(row["arch_id"])


@defect(NAME, "architectures", "An operation of a cell is another one.", {"all.raw": "cell_spec"})
def nds_operation(copy: Copy) -> None:
    row = next(row for row in copy.rows("architectures") if "skip_connect" in row["cell_spec"])
    text = row["cell_spec"].replace("skip_connect", "none", 1)
    copy.put("architectures", "cell_spec", text, arch_id=row["arch_id"])


@defect(NAME, "costs", "Computed parameters are one too many.", {"nds.costs": "'arch_id': {place}"})
def nds_costs(copy: Copy) -> str:
    row = next(row for row in copy.rows("costs") if row["params"] is not None)
    key = {"arch_id": row["arch_id"], "dataset": "cifar10"}
    copy.put("costs", "params", row["params"] + 1, **key)
    return str(row["arch_id"])


@defect(
    NAME,
    "trials",
    "Recorded operations contradict the formula.",
    {"nds.cost_formula": "trial {place}: flops"},
    severity="warning",
)
def nds_flops(copy: Copy) -> str:
    known = {row["arch_id"] for row in copy.rows("costs") if row["params"] is not None}
    row = next(
        row
        for row in copy.rows("trials")
        if row["arch_id"] in known and row["dataset"] == "cifar10" and row["flops"]
    )
    copy.put("trials", "flops", row["flops"] + 1, trial_id=row["trial_id"])
    copy.follow()
    return str(row["trial_id"])


@defect(
    NAME,
    "configurations",
    "Two configurations have each other's learning rate.",
    {"all.raw": "base_lr"},
)
def nds_learning_rates(copy: Copy) -> None:
    tuned = [row for row in copy.rows("configurations") if row["generator"] == "tune_lr_wd"]
    one, two = ({"config_id": row["config_id"]} for row in tuned[:2])
    copy.exchange("configurations", ["base_lr"], one, two)


@defect(
    NAME,
    "configurations",
    "A network is said to come from another search space.",
    {"all.raw": "proposer: 'pnas'"},
)
def nds_proposer(copy: Copy) -> None:
    row = copy.row("configurations", proposer="darts")
    copy.put("configurations", "proposer", "pnas", config_id=row["config_id"])
    copy.summaries()


@defect(
    NAME,
    "all tables",
    "Trials of two configurations are put into one.",
    {"all.raw": "arch_id of its configuration"},
)
def nds_regrouped(copy: Copy) -> None:
    rows = copy.rows("trials")
    first = next(
        i
        for i, row in enumerate(rows[:-1])
        if rows[i + 1]["run"] == 0
        and row["dataset"] == rows[i + 1]["dataset"]
        and (i + 2 == len(rows) or rows[i + 2]["run"] == 0)
    )
    one, two = rows[first], rows[first + 1]
    joined = {"config_id": one["config_id"], "run": one["run"] + 1}
    for column, value in joined.items():
        copy.put("trials", column, value, trial_id=two["trial_id"])
    copy.put("curves", "run", joined["run"], trial_id=two["trial_id"])
    copy.follow()


@defect(
    NAME,
    "trials",
    "A job's group in a file of reruns is the other one.",
    {"all.positions": "ResNet_reruns.json"},
)
def nds_group(copy: Copy) -> None:
    copy.put("trials", "source_group", "mid", source_file="ResNet_reruns.json", source_group="top")


@defect(NAME, "trials", "Recorded seeds are lost.", {"all.raw": "seed: None"})
def nds_seeds_lost(copy: Copy) -> None:
    copy.put("trials", "seed", None)
    copy.follow()


@defect(NAME, "trials", "Seconds per iteration are milliseconds.", {"all.raw": "iter_time_s: "})
def nds_milliseconds(copy: Copy) -> None:
    copy.put("trials", "iter_time_s", lambda row: row["iter_time_s"] and 1000 * row["iter_time_s"])
    copy.follow()


def without(copy: Copy, lost: set[int]) -> None:
    """Leave trials out, as if they had never been decoded; configurations and networks stay."""
    kept = [row["trial_id"] for row in copy.rows("trials") if row["trial_id"] not in lost]
    ids = {old: new for new, old in enumerate(kept)}
    for name in ("trials", "curves", "iterations"):
        rows = [row for row in copy.rows(name) if row["trial_id"] in ids]
        for row in rows:
            row["trial_id"] = ids[row["trial_id"]]
        copy.write(name, rows)
    copy.follow()


@defect(
    NAME,
    "all tables",
    "The last job of a file is missing.",
    {"all.raw": "('Amoeba.json', None, {place}, None, None) stands in the raw files alone"},
)
def nds_last_job(copy: Copy) -> str:
    own = [row for row in copy.rows("trials") if row["source_file"] == "Amoeba.json"]
    last = max(own, key=lambda row: row["source_pos"])
    without(copy, {last["trial_id"]})
    return str(last["source_pos"])


@defect(
    NAME,
    "all tables",
    "All jobs of a file are missing.",
    {"all.raw": "no trial comes from Vanilla_rng2.json"},
)
def nds_file_missing(copy: Copy) -> None:
    rows = copy.rows("trials")
    without(copy, {row["trial_id"] for row in rows if row["source_file"] == "Vanilla_rng2.json"})


@defect(
    NAME,
    "notes",
    "The note on a training that diverged is lost.",
    {"all.notes": "train_loss: diverged"},
)
def nds_diverged(copy: Copy) -> None:
    def fewer(rows: list[dict]) -> list[dict]:
        at = next(i for i, row in enumerate(rows) if row["code"] == "diverged")
        return [{**row, "note_id": i} for i, row in enumerate([*rows[:at], *rows[at + 1 :]])]

    copy.edit("notes", fewer)


@defect(
    NAME,
    "every form",
    "Seconds of a timing run are made up.",
    {"all.raw": "trial 3: prec_time_s: 1.5, raw None"},
    forms=("sqlite",),
)
def nds_timing_run(copy: Copy) -> None:
    copy.put("trials", "prec_time_s", 1.5, trial_id=3)
    copy.write_forms()


@defect(
    NAME,
    "every form",
    "What no column holds is lost.",
    {"all.raw": 'extra, optim: None, raw \'{{"lr_policy": "cos"}}\''},
    forms=("sqlite", "nni"),
)
def nds_extra_lost(copy: Copy) -> None:
    copy.put("trials", "extra", None)
    copy.write_forms()


@defect(
    NAME,
    "trials",
    "What no column holds is another trial's.",
    {"all.raw": "extra, prec_time"},
)
def nds_extra_exchanged(copy: Copy) -> None:
    copy.exchange("trials", ["extra"], {"trial_id": 3}, {"trial_id": 4})


@defect(
    NAME,
    "trials, curves",
    "A training has another data set than its configuration.",
    {"all.raw": "trial 3: dataset", "nds.configurations": "trial 3: "},
)
def nds_data_set(copy: Copy) -> None:
    other = {"cifar10": "imagenet", "imagenet": "cifar10"}
    for name in ("trials", "curves"):
        copy.put(name, "dataset", lambda row: other[row["dataset"]], trial_id=3)
    copy.follow()


@defect(
    NAME,
    "configurations",
    "There is a configuration that nobody trained.",
    {"nds.configurations": "no trial"},
)
def nds_configuration_added(copy: Copy) -> None:
    def more(rows: list[dict]) -> list[dict]:
        return [*rows, rows[-1] | {"config_id": len(rows)}]

    copy.edit("configurations", more)


@defect(
    NAME,
    "architectures, costs",
    "There is an architecture that nobody trained.",
    {"nds.configurations": "no configuration"},
)
def nds_architecture_added(copy: Copy) -> None:
    def more(rows: list[dict]) -> list[dict]:
        spec = json.loads(rows[-1]["model_spec"])
        spec["ds"][0] += 1
        text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
        return [*rows, rows[-1] | {"arch_id": len(rows), "model_spec": text}]

    copy.edit("architectures", more)
    copy.write("costs", room_of(NAME).costs(copy.table("architectures")))


@defect(
    NAME,
    "every table",
    "Architectures are counted from the last to the first.",
    {"nds.specs_canonical": "has not the rank"},
)
def nds_rank(copy: Copy) -> None:
    rows = copy.rows("architectures")[::-1]
    last = len(rows) - 1
    copy.write("architectures", [row | {"arch_id": i} for i, row in enumerate(rows)])
    copy.write("costs", room_of(NAME).costs(copy.table("architectures")))
    for name in ("configurations", "trials", "curves"):
        copy.put(name, "arch_id", lambda row: last - row["arch_id"])
    copy.follow()


@defect(
    NAME,
    "iterations",
    "Every second sample is said to be missing.",
    {"all.raw": "number of sample 1: 2, raw 1"},
)
def nds_samples(copy: Copy) -> None:
    copy.put("iterations", "sample", lambda row: 2 * row["sample"])
