"""Defects in the Parquet tables of NAS-Bench-201 and NATS-Bench."""

from __future__ import annotations

import math

from tampering import Copy, defect, next_up

TOPOLOGY, SIZE, OLD = "nats_tss", "nats_sss", "nb201"
SPLITS = ("train", "x_valid", "x_test", "ori_test")


def trial(copy: Copy, **key: object) -> int:
    """The first trial with these values."""
    return copy.row("trials", **key)["trial_id"]


def last(copy: Copy, number: int) -> dict[str, int]:
    """Key of the last point of a trial's curve."""
    return {"trial_id": number, "epoch": copy.row("trials", trial_id=number)["num_epochs"]}


def first_nan(copy: Copy) -> int:
    """Epoch at which the losses of the trials that diverged begin to be NaN."""
    return min(r["epoch"] for r in copy.rows("curves") if r["x_valid_loss"] != r["x_valid_loss"])


# ---------------------------------------------------------------------------------------------
# numbers


@defect(
    TOPOLOGY,
    "curves, trials",
    "One loss is one ulp higher, and all that follows from it.",
    {"all.raw": "trial {place}: x_valid_loss"},
)
def tss_one_ulp(copy: Copy) -> str:
    number = trial(copy, dataset="cifar100", num_epochs=12)
    copy.put("curves", "x_valid_loss", lambda r: next_up(r["x_valid_loss"]), **last(copy, number))
    copy.follow(finals=True)
    return str(number)


@defect(
    TOPOLOGY,
    "curves, trials",
    "x_valid and x_test are exchanged everywhere.",
    {"all.raw": "x_valid_acc_pct at epoch"},
)
def tss_valid_is_test(copy: Copy) -> None:
    """Their mean, their images and their times are equal: only the raw files can tell."""
    for end in ("acc_pct", "loss", "time_s"):
        copy.swap_columns(f"x_valid_{end}", f"x_test_{end}")
    copy.follow()


@defect(
    TOPOLOGY,
    "curves, trials",
    "x_valid and ori_test are exchanged everywhere.",
    {"nats_tss.halves": "'ori_test_acc_pct'", "nats_tss.presence": "x_valid at 1 of 200 epochs"},
    severity="warning",
)
def tss_valid_is_ori_test(copy: Copy) -> None:
    for end in ("acc_pct", "loss"):
        copy.swap_columns(f"x_valid_{end}", f"ori_test_{end}")
    copy.follow()


@defect(
    TOPOLOGY,
    "curves, trials",
    "Accuracies are fractions, not percent.",
    {"all.raw": "train_acc_pct at epoch 1: 0."},
)
def tss_fractions(copy: Copy) -> None:
    copy.scale([f"{split}_acc_pct" for split in SPLITS], 0.01)
    copy.follow()


@defect(
    TOPOLOGY,
    "curves, trials",
    "An accuracy that is no number of right answers is released.",
    {"nats_tss.grid": "'train_acc_pct': 50.001"},
    severity="warning",
)
def tss_off_grid(copy: Copy) -> None:
    copy.put("curves", "train_acc_pct", 50.001, trial_id=trial(copy, num_epochs=12), epoch=3)


@defect(
    TOPOLOGY,
    "curves, trials",
    "All times are milliseconds, not seconds.",
    {"all.raw": "train_time_s at epoch 1"},
)
def tss_milliseconds(copy: Copy) -> None:
    copy.scale([f"{split}_time_s" for split in SPLITS], 1000.0)
    copy.follow(finals=True)


@defect(
    TOPOLOGY,
    "curves, trials",
    "The times of one trial are milliseconds.",
    {"nats_tss.times": "trial {place}: train_time_s"},
    severity="warning",
)
def tss_milliseconds_once(copy: Copy) -> str:
    number = trial(copy, dataset="cifar100", num_epochs=12)
    copy.put("curves", "train_time_s", lambda row: 1000 * row["train_time_s"], trial_id=number)
    copy.follow(finals=True)
    return str(number)


@defect(
    TOPOLOGY,
    "trials",
    "The sum of training times is off by its rounding.",
    {"all.total_time": "trial {place}"},
)
def tss_sum_of_times(copy: Copy) -> str:
    number = trial(copy, num_epochs=200)
    change = lambda row: next_up(row["train_time_total_s"])  # noqa: E731
    copy.put("trials", "train_time_total_s", change, trial_id=number)
    copy.follow()
    return str(number)


@defect(
    TOPOLOGY,
    "trials",
    "The latency is that of another architecture.",
    {"all.raw": "trial {place}: latency_s"},
)
def tss_latency(copy: Copy) -> str:
    other = copy.rows("trials")[-1]["latency_s"]
    copy.put("trials", "latency_s", other, trial_id=0)
    copy.follow()
    return "0"


@defect(
    TOPOLOGY,
    "curves, trials",
    "Losses that are NaN become NULL.",
    {"all.raw": "x_valid_loss at epoch {place}: None, raw nan"},
)
def tss_nan_to_null(copy: Copy) -> str:
    def without(rows: list[dict]) -> None:
        for row in rows:
            nan = row["x_valid_loss"] is not None and math.isnan(row["x_valid_loss"])
            row["x_valid_loss"] = None if nan else row["x_valid_loss"]

    epoch = first_nan(copy)
    copy.edit("curves", without)
    copy.follow(finals=True)
    return str(epoch)


@defect(
    TOPOLOGY,
    "curves, trials",
    "Losses that are NaN become 0.",
    {"all.raw": "x_valid_loss at epoch {place}: 0.0, raw nan"},
)
def tss_nan_to_zero(copy: Copy) -> str:
    def zeros(rows: list[dict]) -> None:
        for row in rows:
            if row["x_valid_loss"] != row["x_valid_loss"]:
                row["x_valid_loss"] = 0.0

    epoch = first_nan(copy)
    copy.edit("curves", zeros)
    copy.follow(finals=True)
    return str(epoch)


@defect(
    TOPOLOGY,
    "notes",
    "The note on a NaN is lost: SQLite's NULL stays one.",
    {"all.nan_notes": 'trials {{"trial_id": '},
)
def tss_nan_note_lost(copy: Copy) -> None:
    def fewer(rows: list[dict]) -> list[dict]:
        at = next(i for i, r in enumerate(rows) if r["kind"] == "nan" and r["table"] == "trials")
        return [{**row, "note_id": i} for i, row in enumerate([*rows[:at], *rows[at + 1 :]])]

    copy.edit("notes", fewer)


@defect(
    TOPOLOGY,
    "notes",
    "The note on a mean that is NaN is lost.",
    {"all.nan_notes": 'means {{"arch_id": '},
)
def tss_nan_note_of_means_lost(copy: Copy) -> None:
    def fewer(rows: list[dict]) -> list[dict]:
        at = next(i for i, r in enumerate(rows) if r["kind"] == "nan" and r["table"] == "means")
        return [{**row, "note_id": i} for i, row in enumerate([*rows[:at], *rows[at + 1 :]])]

    copy.edit("notes", fewer)


@defect(
    TOPOLOGY,
    "curves, trials",
    "Accuracies that were not released are 0, not NULL.",
    {"all.raw": "x_test_acc_pct at epoch 1: 0.0, raw None"},
)
def tss_null_to_zero(copy: Copy) -> None:
    copy.put("curves", "x_test_acc_pct", 0.0, dataset="cifar10")
    copy.follow(finals=True)


@defect(
    TOPOLOGY,
    "curves, trials",
    "A loss is infinite.",
    {"nats_tss.losses": "'train_loss': inf"},
    severity="warning",
)
def tss_infinite(copy: Copy) -> None:
    copy.put("curves", "train_loss", math.inf, trial_id=trial(copy, num_epochs=12), epoch=2)


@defect(
    TOPOLOGY,
    "curves, trials",
    "Top-1 and top-5 accuracies are exchanged.",
    {"all.raw": "train_acc_pct at epoch 1"},
)
def tss_top5(copy: Copy) -> None:
    copy.swap_columns("train_acc_pct", "train_acc5_pct")
    copy.follow()


# ---------------------------------------------------------------------------------------------
# curves


@defect(
    TOPOLOGY,
    "curves, trials",
    "Every curve is shifted by one epoch; its last value is lost.",
    {"all.raw": "at epoch 1: None"},
)
def tss_shifted(copy: Copy) -> None:
    def shifted(rows: list[dict]) -> list[dict]:
        return [{**r, "epoch": r["epoch"] + 1} for r in rows if r["epoch"] < r["num_epochs"]]

    copy.edit("curves", shifted)
    copy.follow(finals=True)


@defect(
    TOPOLOGY,
    "curves, trials",
    "Epochs count from 0, as upstream's do.",
    {"all.curve_rows": "'epoch': 0"},
)
def tss_epochs_from_zero(copy: Copy) -> None:
    def shifted(rows: list[dict]) -> None:
        for row in rows:
            row["epoch"] -= 1

    copy.edit("curves", shifted)


@defect(
    TOPOLOGY,
    "curves, trials",
    "A curve ends one epoch too early.",
    {"nats_tss.presence": "trial {place}: train at 199 of 200"},
    severity="warning",
)
def tss_last_epoch(copy: Copy) -> str:
    number = trial(copy, num_epochs=200)
    lost = {"trial_id": number, "epoch": 200}
    copy.edit("curves", lambda rows: [row for row in rows if not row.items() >= lost.items()])
    copy.follow(finals=True)
    return str(number)


@defect(
    TOPOLOGY,
    "curves, trials",
    "A curve is cut off in the middle.",
    {"all.raw": "trial {place}: train_acc_pct at epoch 101: None"},
)
def tss_truncated(copy: Copy) -> str:
    number = trial(copy, num_epochs=200)
    copy.edit(
        "curves", lambda rows: [r for r in rows if r["trial_id"] != number or r["epoch"] <= 100]
    )
    copy.follow(finals=True)
    return str(number)


@defect(
    TOPOLOGY,
    "curves, trials",
    "Two trials of one architecture have each other's curves.",
    {"all.raw": "trial {place}: "},
)
def tss_curves_exchanged(copy: Copy) -> str:
    one, two = (trial(copy, dataset=name, num_epochs=12) for name in ("cifar100", "ImageNet16-120"))
    columns = [name for name in copy.table("curves").column_names if name.endswith(("pct", "loss"))]
    copy.exchange("curves", columns, {"trial_id": one}, {"trial_id": two})
    copy.follow(finals=True)
    return str(one)


# ---------------------------------------------------------------------------------------------
# trials


def two_seeds(copy: Copy) -> tuple[dict, dict]:
    """Two runs of one training of 200 epochs."""
    rows = [row for row in copy.rows("trials") if row["num_epochs"] == 200]
    second = next(row for row in rows if row["run"] == 1)
    return copy.row("trials", trial_id=second["trial_id"] - 1), second


@defect(
    TOPOLOGY,
    "trials, curves",
    "The seeds of two runs are exchanged.",
    {"all.runs": "trial {place}", "all.raw": "seed"},
)
def tss_seeds_exchanged(copy: Copy) -> str:
    one, two = two_seeds(copy)
    copy.exchange("trials", ["seed"], *({"trial_id": row["trial_id"]} for row in (one, two)))
    copy.follow()
    return str(two["trial_id"])


@defect(
    TOPOLOGY,
    "trials, curves",
    "Two runs have each other's numbers and places, not seeds.",
    {"all.raw": "trial {place}: seed"},
)
def tss_numbers_under_other_seeds(copy: Copy) -> str:
    one, two = two_seeds(copy)
    for name in ("trials", "curves"):
        names = copy.table(name).column_names
        columns = [column for column in names if column not in ("trial_id", "run", "seed")]
        copy.exchange(name, columns, *({"trial_id": row["trial_id"]} for row in (one, two)))
    copy.follow()
    return str(one["trial_id"])


@defect(
    TOPOLOGY,
    "trials",
    "A seed that upstream never used is released.",
    {"nats_tss.known": "trial_id {place}: seed 1", "nats_tss.seeds": "12 epochs: [1]"},
    severity="warning",
)
def tss_unknown_seed(copy: Copy) -> str:
    number = trial(copy, dataset="cifar10", num_epochs=12)
    copy.put("trials", "seed", 1, trial_id=number)
    copy.follow()
    return str(number)


@defect(
    TOPOLOGY,
    "trials",
    "The recorded parameters are those of another architecture.",
    {"nats_tss.sizes": "trial_id {place}: params_m is not", "all.raw": "params_m"},
)
def tss_params(copy: Copy) -> str:
    copy.put("trials", "params_m", lambda row: row["params_m"] + 0.028, trial_id=0)
    return "0"


@defect(
    TOPOLOGY,
    "notes",
    "The erratum of a wrong size is lost.",
    {"nats_tss.sizes": "trial_id {place}: params_m", "all.notes": "params-differ"},
)
def tss_erratum_lost(copy: Copy) -> str:
    note = copy.row("notes", code="params-differ")

    def fewer(rows: list[dict]) -> list[dict]:
        kept = [row for row in rows if row["note_id"] != note["note_id"]]
        return [{**row, "note_id": i} for i, row in enumerate(kept)]

    copy.edit("notes", fewer)
    return note["key"].strip("}").split(": ")[1]


@defect(
    TOPOLOGY,
    "notes",
    "An erratum gives the wrong right value.",
    {"nats_tss.sizes": "params_m is not", "all.notes": "params-differ"},
)
def tss_erratum_wrong(copy: Copy) -> None:
    copy.put("notes", "value", lambda row: row["value"] + 1e-6, code="params-differ")


@defect(
    TOPOLOGY,
    "trials, curves",
    "Two data sets are exchanged.",
    {"all.raw": "trial {place}: dataset", "all.curve_rows": "trial {place}"},
)
def tss_datasets_exchanged(copy: Copy) -> str:
    one, two = (trial(copy, dataset=name, num_epochs=12) for name in ("cifar10", "cifar100"))
    copy.exchange("trials", ["dataset"], {"trial_id": one}, {"trial_id": two})
    return str(one)


@defect(
    TOPOLOGY,
    "trials, curves",
    "Two trials name each other's member of the archive.",
    {"all.positions": "position", "all.raw": "trial {place}: arch_id"},
)
def tss_members_exchanged(copy: Copy) -> str:
    other = copy.rows("trials")[-1]["trial_id"]
    copy.exchange("trials", ["source_file"], {"trial_id": 0}, {"trial_id": other})
    return str(other)


def kept_trials(copy: Copy, kept: list[int]) -> None:
    """Leave the other trials out, as if they had never been decoded."""
    ids = {old: new for new, old in enumerate(kept)}
    for name in ("trials", "curves"):
        rows = [row for row in copy.rows(name) if row["trial_id"] in ids]
        for row in rows:
            row["trial_id"] = ids[row["trial_id"]]
        copy.write(name, rows)


@defect(
    TOPOLOGY,
    "all tables",
    "A data set of an architecture is missing.",
    {"all.raw": "stands in the raw files alone", "all.positions": "position"},
)
def tss_dataset_missing(copy: Copy) -> None:
    lost = {"arch_id": copy.row("trials", trial_id=0)["arch_id"], "dataset": "cifar100"}
    kept = [row["trial_id"] for row in copy.rows("trials") if not row.items() >= lost.items()]
    kept_trials(copy, kept)
    copy.follow()


@defect(
    TOPOLOGY,
    "all tables",
    "A whole architecture is missing.",
    {"all.raw": "no trial comes from {place}"},
)
def tss_architecture_missing(copy: Copy) -> str:
    last_row = copy.rows("trials")[-1]
    arch = last_row["arch_id"]
    kept = [row["trial_id"] for row in copy.rows("trials") if row["arch_id"] != arch]
    kept_trials(copy, kept)
    for name in ("architectures", "costs"):
        copy.edit(name, lambda rows: [row for row in rows if row["arch_id"] != arch])
    copy.follow()
    return last_row["source_file"]


@defect(
    TOPOLOGY,
    "trials, curves",
    "An architecture has no trial at all.",
    {"nats_tss.schedules": "arch_id {place}: no trial of 12, 200 epochs"},
)
def tss_no_trials(copy: Copy) -> str:
    arch = copy.rows("trials")[-1]["arch_id"]
    kept = [row["trial_id"] for row in copy.rows("trials") if row["arch_id"] != arch]
    kept_trials(copy, kept)
    copy.follow()
    return str(arch)


# ---------------------------------------------------------------------------------------------
# architectures


@defect(
    TOPOLOGY,
    "architectures",
    "The operations of two edges are exchanged.",
    {"nats_tss.enumeration": "arch_id {place}"},
)
def tss_edges_exchanged(copy: Copy) -> str:
    row = next(row for row in copy.rows("architectures") if row["op_0_1"] != row["op_0_2"])
    for column, other in (("op_0_1", "op_0_2"), ("op_0_2", "op_0_1")):
        copy.put("architectures", column, row[other], arch_id=row["arch_id"])
    return str(row["arch_id"])


@defect(
    TOPOLOGY,
    "architectures",
    "An architecture string is that of another index.",
    {"nats_tss.enumeration": "arch_id {place}", "all.raw": "arch_str"},
)
def tss_string(copy: Copy) -> str:
    rows = copy.rows("architectures")
    one, two = ({"arch_id": row["arch_id"]} for row in rows[:2])
    columns = [name for name in copy.table("architectures").column_names if name != "arch_id"]
    copy.exchange("architectures", columns, one, two)
    return str(rows[0]["arch_id"])


@defect(
    TOPOLOGY,
    "architectures",
    "A wrong operation stands in a string.",
    {"nats_tss.enumeration": "arch_id {place}", "all.raw": "arch_str"},
)
def tss_operation(copy: Copy) -> str:
    row = next(r for r in copy.rows("architectures") if "nor_conv_3x3" in r["arch_str"])
    text = row["arch_str"].replace("nor_conv_3x3", "nor_conv_1x1", 1)
    copy.put("architectures", "arch_str", text, arch_id=row["arch_id"])
    return str(row["arch_id"])


@defect(
    TOPOLOGY,
    "architectures",
    "An isomorphism class is another one's.",
    {"nats_tss.enumeration": "arch_id {place}"},
)
def tss_class(copy: Copy) -> str:
    rows = copy.rows("architectures")
    other = next(row for row in rows if row["isomorphism_class"] != rows[0]["isomorphism_class"])
    value = other["isomorphism_class"]
    copy.put("architectures", "isomorphism_class", value, arch_id=rows[0]["arch_id"])
    return str(rows[0]["arch_id"])


@defect(
    TOPOLOGY,
    "every table",
    "Every architecture's index is one too high.",
    {"nats_tss.enumeration": "arch_id 1:", "all.raw": "arch_id"},
)
def tss_indexes(copy: Copy) -> None:
    for name in ("architectures", "costs", "trials", "curves"):
        copy.put(name, "arch_id", lambda row: row["arch_id"] + 1)
    copy.follow()


@defect(
    TOPOLOGY, "costs", "Sizes are those of another data set.", {"nats_tss.costs": "row 0 of costs"}
)
def tss_costs(copy: Copy) -> None:
    first = copy.rows("costs")[0]["arch_id"]
    one, two = ({"arch_id": first, "dataset": name} for name in ("ImageNet16-120", "cifar100"))
    copy.exchange("costs", ["params", "macs"], one, two)


@defect(
    TOPOLOGY,
    "costs",
    "The last row of costs is missing.",
    {"nats_tss.costs": "costs ends after 23 rows"},
)
def tss_costs_missing(copy: Copy) -> None:
    copy.edit("costs", lambda rows: rows[:-1])


@defect(
    SIZE,
    "architectures",
    "The channels of an architecture stand in reverse.",
    {"nats_sss.enumeration": "arch_id {place}", "all.raw": "arch_str"},
)
def sss_channels(copy: Copy) -> str:
    row = next(
        r
        for r in copy.rows("architectures")
        if r["arch_str"] != r["arch_str"][::-1]
        and r["arch_str"].split(":") != r["arch_str"].split(":")[::-1]
    )
    text = ":".join(row["arch_str"].split(":")[::-1])
    copy.put("architectures", "arch_str", text, arch_id=row["arch_id"])
    return str(row["arch_id"])


@defect(
    SIZE,
    "costs",
    "Multiply-accumulates of one data set are twice as many.",
    {"nats_sss.costs": "row 4 of costs"},
)
def sss_costs(copy: Copy) -> None:
    second = copy.rows("architectures")[1]["arch_id"]
    key = {"arch_id": second, "dataset": "ImageNet16-120"}
    copy.put("costs", "macs", lambda row: 2 * row["macs"], **key)


@defect(
    SIZE,
    "trials, curves",
    "One of three seeds took another time.",
    {"nats_sss.times": "train_time_s from"},
    severity="warning",
)
def sss_times(copy: Copy) -> None:
    number = trial(copy, num_epochs=12, run=1)
    copy.put("curves", "train_time_s", lambda row: next_up(row["train_time_s"]), trial_id=number)
    copy.follow(finals=True)


@defect(
    SIZE,
    "trials",
    "A training of 90 epochs has another seed than upstream's.",
    {"nats_sss.seeds": "90 epochs: [888]"},
    severity="warning",
)
def sss_seed(copy: Copy) -> None:
    copy.put("trials", "seed", 888, trial_id=trial(copy, num_epochs=90))
    copy.follow()


@defect(
    SIZE,
    "trials, curves",
    "The schedules of 1 and 12 epochs are exchanged.",
    {"all.raw": "num_epochs: ", "all.curve_rows": "trial {place}"},
)
def sss_schedules(copy: Copy) -> str:
    one, two = trial(copy, num_epochs=1), trial(copy, num_epochs=12)
    copy.exchange("trials", ["num_epochs"], {"trial_id": one}, {"trial_id": two})
    return str(one)


@defect(
    OLD,
    "curves, trials",
    "One time is one ulp higher, and all that follows from it.",
    {"all.raw": "trial {place}: ori_test_time_s"},
)
def nb201_one_ulp(copy: Copy) -> str:
    number = trial(copy, dataset="cifar10", num_epochs=12)
    where = last(copy, number)
    copy.put("curves", "ori_test_time_s", lambda r: next_up(r["ori_test_time_s"]), **where)
    copy.follow(finals=True)
    return str(number)


@defect(
    OLD,
    "trials",
    "The bytes of an architecture are said to begin one later.",
    {"all.raw": "the second reading stopped"},
)
def nb201_offset(copy: Copy) -> None:
    arch = copy.row("trials", trial_id=0)["arch_id"]
    copy.put("trials", "source_offset", lambda row: row["source_offset"] + 1, arch_id=arch)


@defect(OLD, "trials", "Two architectures name each other's bytes.", {"all.raw": "arch_id"})
def nb201_offsets_exchanged(copy: Copy) -> None:
    rows = copy.rows("trials")
    places = {row["arch_id"]: (row["source_offset"], row["source_bytes"]) for row in rows}
    one, two = list(places)[:2]
    other = {one: places[two], two: places[one]}
    for row in rows:
        place = other.get(row["arch_id"], places[row["arch_id"]])
        row["source_offset"], row["source_bytes"] = place
    copy.write("trials", rows)


@defect(OLD, "trials", "Operations are counted in units, not in millions.", {"all.raw": "flops_m"})
def nb201_units(copy: Copy) -> None:
    copy.put("trials", "flops_m", lambda row: 1e6 * row["flops_m"])  # all have an erratum then
    copy.follow()


# ---------------------------------------------------------------------------------------------
# NAS-Bench-201 beside nats_tss, which is as it was


SAME = "nb201.same-as-nats-tss"


def last_of_short(copy: Copy, dataset: str) -> dict[str, int]:
    """Key of the last point of the first short training on a data set."""
    return last(copy, trial(copy, dataset=dataset, num_epochs=12))


@defect(
    OLD,
    "architectures",
    "An architecture string is that of another index than in nats_tss.",
    {f"{SAME}.architectures": "arch_id {place}: "},
)
def nb201_string(copy: Copy) -> str:
    return tss_string(copy)


@defect(
    OLD,
    "costs",
    "Computed sizes are not those of nats_tss.",
    {f"{SAME}.costs": "arch_id {place}, dataset cifar100: "},
)
def nb201_costs(copy: Copy) -> str:
    first = copy.rows("costs")[0]["arch_id"]
    copy.put("costs", "params", lambda r: r["params"] + 1, arch_id=first, dataset="cifar100")
    return str(first)


@defect(
    OLD,
    "trials, curves",
    "A training has a seed that it does not have in nats_tss.",
    {f"{SAME}.trainings": "cifar10, 12 epochs, seed {place}: not in nats_tss"},
    severity="warning",
)
def nb201_seed(copy: Copy) -> str:
    number = trial(copy, dataset="cifar10", num_epochs=12)
    copy.put("trials", "seed", 888, trial_id=number)
    copy.follow()
    return "888"


@defect(
    OLD,
    "curves, trials",
    "One more image is classified rightly than in nats_tss.",
    {f"{SAME}.accuracies": "cifar100, 12 epochs, seed 111, epoch 12: x_test_acc_pct"},
    severity="warning",
)
def nb201_accuracy(copy: Copy) -> None:
    where = last_of_short(copy, "cifar100")
    copy.put("curves", "x_test_acc_pct", lambda r: r["x_test_acc_pct"] + 100 / 5_000, **where)
    copy.follow(finals=True)


@defect(
    OLD,
    "curves, trials",
    "A loss is NaN that is a number in nats_tss.",
    {f"{SAME}.losses": "cifar10, 12 epochs, seed 111, epoch 12: train_loss nan"},
    severity="warning",
)
def nb201_loss(copy: Copy) -> None:
    copy.put("curves", "train_loss", math.nan, **last_of_short(copy, "cifar10"))
    copy.follow(finals=True)


@defect(
    OLD,
    "curves, trials",
    "Times of an epoch are milliseconds, unlike those in nats_tss.",
    {f"{SAME}.times": "cifar10, 12 epochs, seed 111, epoch 12: ori_test_time_s"},
    severity="warning",
)
def nb201_times(copy: Copy) -> None:
    where = last_of_short(copy, "cifar10")
    copy.put("curves", "ori_test_time_s", lambda r: 1000 * r["ori_test_time_s"], **where)
    copy.follow(finals=True)


@defect(
    OLD,
    "trials",
    "The latency is not the one in nats_tss.",
    {f"{SAME}.latencies": "ImageNet16-120, 12 epochs, seed 111: latency_s"},
    severity="warning",
)
def nb201_latency(copy: Copy) -> None:
    number = trial(copy, dataset="ImageNet16-120", num_epochs=12)
    copy.put("trials", "latency_s", lambda row: row["latency_s"] * (1 + 1e-8), trial_id=number)
    copy.follow()


@defect(
    OLD,
    "trials, notes",
    "Recorded parameters are another cell's, as they are not in nats_tss; a note says so.",
    {f"{SAME}.sizes": "ImageNet16-120, 12 epochs, seed 111: params_m"},
    severity="warning",
)
def nb201_sizes(copy: Copy) -> None:
    number = trial(copy, dataset="ImageNet16-120", num_epochs=12)
    copy.put("trials", "params_m", lambda row: row["params_m"] + 0.028, trial_id=number)
    copy.follow()


# ---------------------------------------------------------------------------------------------
# what no column holds, and what nobody would miss


@defect(
    TOPOLOGY,
    "every form",
    "Latencies are recorded that were not.",
    {"all.raw": "trial 4: extra, latency: '[1.0, 2.0]', raw None"},
    forms=("sqlite",),
)
def tss_extra(copy: Copy) -> None:
    copy.put("trials", "extra", '{"latency": [1.0, 2.0]}', trial_id=4)
    copy.write_forms()


@defect(
    TOPOLOGY,
    "notes",
    "There is a note on a row of means, which the room does not remark on.",
    {"all.notes": 'means {{"arch_id": 0}} None: wrong'},
)
def tss_note_on_means(copy: Copy) -> None:
    def more(rows: list[dict]) -> list[dict]:
        own = {"table": "means", "key": '{"arch_id": 0}', "column": None, "kind": "erratum"}
        return [*rows, rows[-1] | own | {"note_id": len(rows), "code": "wrong", "value": 1.0}]

    copy.edit("notes", more)


@defect(
    TOPOLOGY,
    "notes",
    "A note on a NaN is there twice.",
    {"all.nan_notes": 'trials {{"trial_id": '},
)
def tss_nan_note_twice(copy: Copy) -> None:
    note = copy.row("notes", kind="nan")
    copy.edit("notes", lambda rows: [*rows, note | {"note_id": len(rows)}])


@defect(
    TOPOLOGY,
    "notes",
    "A note on a NaN gives a right value.",
    {"all.nan_notes": 'trials {{"trial_id": '},
)
def tss_nan_note_value(copy: Copy) -> None:
    copy.put("notes", "value", 1.0, note_id=copy.row("notes", kind="nan")["note_id"])


def without_entry(copy: Copy, number: int) -> None:
    """Leave out an architecture as if its entry, counted in the file, had never been read."""
    trials = copy.rows("trials")
    entry = sorted({row["source_offset"] for row in trials})[number]
    (lost,) = {row["arch_id"] for row in trials if row["source_offset"] == entry}
    kept_trials(copy, [row["trial_id"] for row in trials if row["arch_id"] != lost])
    for name in ("architectures", "costs"):
        copy.edit(name, lambda rows: [row for row in rows if row["arch_id"] != lost])

    def counted(rows: list[dict]) -> None:
        for i, row in enumerate(sorted(rows, key=lambda row: row["source_pos"])):
            row["source_pos"] = i

    copy.edit("trials", counted)
    copy.follow()


@defect(
    OLD,
    "all tables",
    "An architecture in the middle of the file is missing.",
    {"nb201.entries": " bytes before byte "},
)
def nb201_entry_middle(copy: Copy) -> None:
    without_entry(copy, 2)


@defect(
    OLD,
    "all tables",
    "The first architecture of the file is missing.",
    {"all.raw": "an entry stands before the first one"},
)
def nb201_entry_first(copy: Copy) -> None:
    without_entry(copy, 0)


@defect(
    OLD,
    "all tables",
    "The last architecture of the file is missing.",
    {"all.raw": "no trial comes from the entry at byte "},
)
def nb201_entry_last(copy: Copy) -> None:
    without_entry(copy, -1)
