"""Defects in the Parquet tables of NAS-Bench-101, and in tables that every benchmark has."""

from __future__ import annotations

import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tampering import Copy, defect, next_up

ACCURACIES = ["train_acc_pct", "valid_acc_pct", "test_acc_pct"]
NAME = "nb101"


# ---------------------------------------------------------------------------------------------
# numbers


@defect(
    NAME,
    "curves",
    "One accuracy in the middle of a curve is one ulp higher.",
    {"all.raw": "trial 5: valid_acc_pct at epoch 6"},
)
def nb101_one_ulp(copy: Copy) -> None:
    copy.put("curves", "valid_acc_pct", lambda r: next_up(r["valid_acc_pct"]), trial_id=5, epoch=6)


@defect(
    NAME,
    "curves, trials",
    "A final accuracy is one ulp higher, and all that follows from it.",
    {"all.raw": "trial 7: test_acc_pct"},
)
def nb101_one_ulp_everywhere(copy: Copy) -> None:
    last = {"trial_id": 7, "epoch": copy.row("trials", trial_id=7)["num_epochs"]}
    copy.put("curves", "test_acc_pct", lambda r: next_up(r["test_acc_pct"]), **last)
    copy.follow(finals=True)


@defect(
    NAME,
    "trials",
    "A final accuracy is one ulp higher in trials, not in curves.",
    {"all.finals": "trial 7: test_acc_pct", "all.raw": "trial 7: test_acc_pct"},
)
def nb101_one_ulp_in_trials(copy: Copy) -> None:
    copy.put("trials", "test_acc_pct", lambda r: next_up(r["test_acc_pct"]), trial_id=7)
    copy.follow()


@defect(
    NAME,
    "curves",
    "The sign bit of an accuracy is flipped.",
    {"all.ranges": "curves 9: train_acc_pct -"},
)
def nb101_sign_bit(copy: Copy) -> None:
    copy.put("curves", "train_acc_pct", lambda r: -r["train_acc_pct"], trial_id=9, epoch=54)


@defect(
    NAME,
    "curves",
    "The lowest exponent bit of an accuracy is flipped.",
    {"all.raw": "trial 9: train_acc_pct at epoch 54"},
)
def nb101_exponent_bit(copy: Copy) -> None:
    def flipped(row: dict) -> float:
        bits = np.array([row["train_acc_pct"]]).view(np.int64) ^ (1 << 52)
        return float(bits.view(np.float64)[0])

    copy.put("curves", "train_acc_pct", flipped, trial_id=9, epoch=54)


@defect(
    NAME,
    "curves, trials",
    "Accuracies are stored as fractions, not as percent.",
    {"all.raw": "trial 0: train_acc_pct at epoch 2: 0."},
)
def nb101_fractions(copy: Copy) -> None:
    copy.scale(ACCURACIES, 0.01)
    copy.follow()


@defect(
    NAME,
    "curves, trials",
    "An accuracy that is no number of right answers is released.",
    {"nb101.accuracy-grid": "trial_id 11: valid_acc_pct 50.001"},
    severity="warning",
)
def nb101_off_grid(copy: Copy) -> None:
    copy.put("curves", "valid_acc_pct", 50.001, trial_id=11, epoch=54)


@defect(
    NAME,
    "curves, trials",
    "Accuracies on valid and test are exchanged everywhere.",
    {"all.raw": "trial 0: valid_acc_pct"},
)
def nb101_valid_is_test(copy: Copy) -> None:
    copy.swap_columns("valid_acc_pct", "test_acc_pct")
    copy.follow()


@defect(
    NAME,
    "curves, trials",
    "Accuracies on valid and test are exchanged in one trial.",
    {"all.raw": "trial 6: valid_acc_pct"},
)
def nb101_valid_is_test_once(copy: Copy) -> None:
    def swapped(rows: list[dict]) -> None:
        for row in rows:
            if row["trial_id"] == 6:
                row["valid_acc_pct"], row["test_acc_pct"] = (
                    row["test_acc_pct"],
                    row["valid_acc_pct"],
                )

    copy.edit("curves", swapped)
    copy.follow(finals=True)


@defect(
    NAME,
    "curves, trials",
    "Elapsed times are milliseconds, not seconds.",
    {"all.raw": "elapsed_train_time_s at epoch"},
)
def nb101_milliseconds(copy: Copy) -> None:
    copy.scale(["elapsed_train_time_s", "train_time_total_s"], 1000.0)
    copy.follow()


@defect(
    NAME,
    "trials",
    "The total time of one training is one ulp higher.",
    {"all.raw": "trial 3: total_time_s"},
)
def nb101_total_time(copy: Copy) -> None:
    copy.put("trials", "total_time_s", lambda row: next_up(row["total_time_s"]), trial_id=3)
    copy.follow()


@defect(
    NAME,
    "trials",
    "The sum of training times is that of another trial.",
    {"all.total_time": "trial 4"},
)
def nb101_sum_of_times(copy: Copy) -> None:
    copy.exchange("trials", ["train_time_total_s"], {"trial_id": 4}, {"trial_id": 5})
    copy.follow()


@defect(
    NAME,
    "curves, trials",
    "A released number becomes NULL.",
    {"all.raw": "trial 8: train_acc_pct at epoch 0: None"},
)
def nb101_number_to_null(copy: Copy) -> None:
    copy.put("curves", "train_acc_pct", None, trial_id=8, epoch=0)


@defect(
    NAME,
    "curves",
    "An accuracy becomes NaN.",
    {
        "all.nan_notes": 'curves {{"trial_id": 8, "epoch": 0}} train_acc_pct',
        "all.raw": "trial 8",
    },
)
def nb101_number_to_nan(copy: Copy) -> None:
    copy.put("curves", "train_acc_pct", float("nan"), trial_id=8, epoch=0)


# ---------------------------------------------------------------------------------------------
# curves


@defect(
    NAME,
    "curves",
    "Epochs are counted one too high.",
    {"nb101.curves": "trial_id 0: epoch 1", "all.curve_rows": "trial 0"},
)
def nb101_shifted_epochs(copy: Copy) -> None:
    def shifted(rows: list[dict]) -> None:
        for row in rows:
            row["epoch"] += 1

    copy.edit("curves", shifted)


@defect(
    NAME,
    "curves, trials",
    "The last point of a curve is lost, and the last values with it.",
    {"nb101.curves": "trial_id 5", "all.raw": "trial 4: valid_acc_pct at epoch 12: None"},
)
def nb101_last_epoch_lost(copy: Copy) -> None:
    copy.edit("curves", lambda rows: [r for r in rows if (r["trial_id"], r["epoch"]) != (4, 12)])
    copy.follow(finals=True)


@defect(
    NAME,
    "curves",
    "The last point of a curve is lost, trials keep it.",
    {"all.finals": "trial 4: test_acc_pct", "all.total_time": "trial 4"},
)
def nb101_last_epoch_lost_in_curves(copy: Copy) -> None:
    copy.edit("curves", lambda rows: [r for r in rows if (r["trial_id"], r["epoch"]) != (4, 12)])


@defect(
    NAME,
    "curves",
    "The middle point of a curve is lost.",
    {"all.raw": "trial 4: test_acc_pct at epoch 6: None"},
)
def nb101_middle_lost(copy: Copy) -> None:
    copy.edit("curves", lambda rows: [r for r in rows if (r["trial_id"], r["epoch"]) != (4, 6)])


@defect(
    NAME,
    "curves",
    "Two points of a curve are exchanged.",
    {"nb101.curves": "trial_id 4: epoch 6", "all.raw": "trial 4"},
)
def nb101_points_exchanged(copy: Copy) -> None:
    columns = ["elapsed_train_time_s", *ACCURACIES]
    copy.exchange("curves", columns, {"trial_id": 4, "epoch": 0}, {"trial_id": 4, "epoch": 6})


@defect(
    NAME,
    "curves",
    "A point of a curve is there twice.",
    {"all.key.curves": "'trial_id': 4, 'epoch': 6", "nb101.curves": "trial_id 4"},
)
def nb101_point_twice(copy: Copy) -> None:
    copy.edit(
        "curves",
        lambda rows: [r for r in rows for _ in range(1 + (r["trial_id"] == 4 and r["epoch"] == 6))],
    )


@defect(
    NAME,
    "curves, trials",
    "Two trials have each other's curve.",
    {"all.raw": "trial 30: train_acc_pct at epoch"},
)
def nb101_curves_exchanged(copy: Copy) -> None:
    columns = ["elapsed_train_time_s", *ACCURACIES]
    copy.exchange("curves", columns, {"trial_id": 30}, {"trial_id": 42})
    copy.follow(finals=True)


@defect(
    NAME,
    "curves",
    "Points name another architecture than their trial.",
    {"all.curve_rows": "trial 13"},
)
def nb101_points_of_another_cell(copy: Copy) -> None:
    copy.put("curves", "arch_id", 3, trial_id=13)


@defect(
    NAME,
    "curves",
    "Two rows of curves stand in the wrong order.",
    {"all.key.curves": "'trial_id': 20"},
)
def nb101_rows_exchanged(copy: Copy) -> None:
    def swapped(rows: list[dict]) -> list[dict]:
        at = next(i for i, row in enumerate(rows) if row["trial_id"] == 20)
        return [*rows[:at], rows[at + 1], rows[at], *rows[at + 2 :]]

    copy.edit("curves", swapped)


# ---------------------------------------------------------------------------------------------
# trials


def renumbered(rows: list[dict], ids: dict[int, int]) -> list[dict]:
    """The rows whose trial has a new id, under it."""
    return [{**row, "trial_id": ids[row["trial_id"]]} for row in rows if row["trial_id"] in ids]


def without(copy: Copy, lost: int) -> None:
    """Leave a trial out, as if it had never been decoded."""
    kept = [row["trial_id"] for row in copy.rows("trials") if row["trial_id"] != lost]
    ids = {old: new for new, old in enumerate(kept)}
    run = copy.row("trials", trial_id=lost)
    training = {name: run[name] for name in ("arch_id", "dataset", "num_epochs")}
    for name in ("trials", "curves"):
        rows = renumbered(copy.rows(name), ids)
        for row in rows:
            if row.items() >= training.items() and row["run"] > run["run"]:
                row["run"] -= 1
        copy.write(name, rows)
    copy.follow()


@defect(
    NAME,
    "all tables",
    "A trial is missing, as if it had never been decoded.",
    {
        "all.positions": "position 8 of nasbench_sample.tfrecord, not 7",
        "nb101.frames": "source_offset",
    },
)
def nb101_trial_missing(copy: Copy) -> None:
    without(copy, 7)


@defect(
    NAME,
    "all tables",
    "The last trial of the file is missing.",
    {"nb101.frames": "the trials end at byte {place}"},
)
def nb101_last_trial_missing(copy: Copy) -> str:
    last = max(copy.rows("trials"), key=lambda row: row["source_pos"])
    without(copy, last["trial_id"])
    return f"{last['source_offset']} of {last['source_offset'] + last['source_bytes']}"


@defect(
    NAME,
    "all tables",
    "A cell was trained twice with a schedule, not three times.",
    {"nb101.repeats-partial": "arch_id 0, 12 epochs: 2 runs"},
    severity="warning",
)
def nb101_two_runs(copy: Copy) -> None:
    """A release of which a record is missing: everything else, positions included, agrees."""
    lost = next(
        r for r in copy.rows("trials") if (r["arch_id"], r["num_epochs"], r["run"]) == (0, 12, 2)
    )
    without(copy, lost["trial_id"])

    def closed(rows: list[dict]) -> None:
        for row in rows:
            if row["source_pos"] > lost["source_pos"]:
                row["source_pos"] -= 1
                row["source_offset"] -= lost["source_bytes"]

    copy.edit("trials", closed)
    copy.put("sources", "bytes", lambda row: row["bytes"] - lost["source_bytes"])


@defect(
    NAME,
    "all tables",
    "A trial is there twice, as a fourth run.",
    {
        "all.runs": "trial 3",
        "all.positions": "position 2",
        "nb101.frames": "source_offset",
        "all.raw": "alone",
    },
)
def nb101_trial_twice(copy: Copy) -> None:
    for name in ("trials", "curves"):
        rows = copy.rows(name)
        again = [{**row, "trial_id": 3, "run": 3} for row in rows if row["trial_id"] == 2]
        for row in rows:
            row["trial_id"] += row["trial_id"] > 2
        rows += again
        rows.sort(key=lambda row: (row["trial_id"], row.get("epoch", 0)))
        copy.write(name, rows)
    copy.follow()


@defect(NAME, "trials, curves", "The numbers of two runs are exchanged.", {"all.runs": "trial 0"})
def nb101_run_numbers_exchanged(copy: Copy) -> None:
    for name in ("trials", "curves"):
        copy.exchange(name, ["run"], {"trial_id": 0}, {"trial_id": 1})


@defect(
    NAME,
    "all tables",
    "Two runs are exchanged with all they have, their places included.",
    {"all.runs": "trial 1"},
)
def nb101_runs_exchanged(copy: Copy) -> None:
    ids = {"trial_id", "run"}
    for name in ("trials", "curves"):
        columns = [column for column in copy.table(name).column_names if column not in ids]
        copy.exchange(name, columns, {"trial_id": 0}, {"trial_id": 1})
    copy.follow()


@defect(
    NAME,
    "trials",
    "Two trials name each other's position in the raw file.",
    {"nb101.frames": "trial_id", "all.raw": "trial 3"},
)
def nb101_positions_exchanged(copy: Copy) -> None:
    copy.exchange("trials", ["source_pos"], {"trial_id": 3}, {"trial_id": 14})


@defect(
    NAME,
    "trials",
    "The place of a record in the raw file is one byte off.",
    {"nb101.frames": "trial_id 6: source_offset", "all.raw": "trial 6: source_offset"},
)
def nb101_offset(copy: Copy) -> None:
    copy.put("trials", "source_offset", lambda row: row["source_offset"] + 1, trial_id=6)


@defect(
    NAME,
    "trials",
    "Recorded parameters are one too many.",
    {
        "nb101.params": "trial_id 2: params",
        "all.raw": "trial 2: params",
        "all.notes": "params: params-differ",
    },
)
def nb101_params(copy: Copy) -> None:
    copy.put("trials", "params", lambda row: row["params"] + 1, trial_id=2)


@defect(
    NAME,
    "trials, curves",
    "A trial stands under another architecture.",
    {"nb101.params": "trial_id 12", "all.raw": "trial 12: hash", "all.runs": "trial 12"},
)
def nb101_other_cell(copy: Copy) -> None:
    for name in ("trials", "curves"):
        copy.put(name, "arch_id", 0, trial_id=12)


@defect(
    NAME,
    "trials, curves",
    "A trial names an architecture that does not exist.",
    {"all.references": "trials.arch_id 99"},
)
def nb101_unknown_cell(copy: Copy) -> None:
    for name in ("trials", "curves"):
        copy.put(name, "arch_id", 99, trial_id=95)


@defect(
    NAME,
    "trials, curves",
    "A training of 12 epochs is said to have 36.",
    {"nb101.curves": "trial_id 4", "all.raw": "trial 3: num_epochs: 36"},
)
def nb101_other_schedule(copy: Copy) -> None:
    for name in ("trials", "curves"):
        copy.put(name, "num_epochs", 36, trial_id=3)


# ---------------------------------------------------------------------------------------------
# architectures


@defect(
    NAME,
    "architectures",
    "An adjacency matrix is transposed.",
    {"nb101.hashes": "{place}", "all.raw": "adjacency"},
)
def nb101_transposed(copy: Copy) -> str:
    row = copy.row("architectures", arch_id=2)
    size = row["num_vertices"]
    text = "".join(row["adjacency"][column::size] for column in range(size))
    copy.put("architectures", "adjacency", text, arch_id=2)
    return row["hash"]


@defect(
    NAME,
    "architectures",
    "An operation of a cell is another one.",
    {"nb101.hashes": "{place}: the stored cell hashes to", "all.raw": "operations"},
)
def nb101_operation(copy: Copy) -> str:
    row = next(row for row in copy.rows("architectures") if "conv1x1" in row["operations"])
    text = row["operations"].replace("conv1x1-bn-relu", "conv3x3-bn-relu", 1)
    copy.put("architectures", "operations", text, arch_id=row["arch_id"])
    return row["hash"]


@defect(
    NAME,
    "architectures",
    "A cell is stored as it was before pruning.",
    {"nb101.hashes": "{place}: the stored cell can be pruned"},
)
def nb101_unpruned(copy: Copy) -> str:
    row = next(row for row in copy.rows("architectures") if row["num_vertices"] < 7)
    size = row["num_vertices"]
    lines = [row["adjacency"][i * size : (i + 1) * size] for i in range(size)]
    lines = [line[:-1] + "0" + line[-1] for line in lines]
    lines.insert(-1, "0" * (size + 1))
    operations = row["operations"].replace(",output", ",maxpool3x3,output")
    new = {"adjacency": "".join(lines), "operations": operations, "num_vertices": size + 1}
    for column, value in new.items():
        copy.put("architectures", column, value, arch_id=row["arch_id"])
    return row["hash"]


@defect(
    NAME,
    "architectures",
    "A cell is drawn with its vertices in another order.",
    {"all.raw": "adjacency"},
)
def nb101_isomorphic(copy: Copy) -> None:
    """The hash, the size and the order of the vertices' edges are all still right."""
    for row in copy.rows("architectures"):
        size, operations = row["num_vertices"], row["operations"].split(",")
        matrix = np.array([*row["adjacency"]]).reshape(size, size)
        for u in range(1, size - 2):
            if matrix[u][u + 1] == "0":
                order = [*range(u), u + 1, u, *range(u + 2, size)]
                text = "".join(matrix[np.ix_(order, order)].ravel())
                if text != row["adjacency"]:
                    copy.put("architectures", "adjacency", text, arch_id=row["arch_id"])
                    names = ",".join(operations[i] for i in order)
                    copy.put("architectures", "operations", names, arch_id=row["arch_id"])
                    return
    raise AssertionError("no cell has another drawing")


@defect(
    NAME,
    "architectures",
    "Two cells have each other's hash.",
    {"nb101.rank": "arch_id 5 at rank 5", "nb101.hashes": "hashes to"},
)
def nb101_hashes_exchanged(copy: Copy) -> None:
    copy.exchange("architectures", ["hash"], {"arch_id": 1}, {"arch_id": 5})


@defect(
    NAME,
    "architectures",
    "Two cells are exchanged, hashes and all.",
    {"nb101.rank": "arch_id 5 at rank 5", "nb101.params": "arch_id 1"},
)
def nb101_cells_exchanged(copy: Copy) -> None:
    columns = ["hash", "adjacency", "operations", "num_vertices", "num_edges"]
    copy.exchange("architectures", columns, {"arch_id": 1}, {"arch_id": 5})


@defect(
    NAME,
    "architectures",
    "A cell is there twice.",
    {"all.key.architectures": "'arch_id': 4", "nb101.rank": "arch_id 4"},
)
def nb101_cell_twice(copy: Copy) -> None:
    copy.edit(
        "architectures", lambda rows: [r for r in rows for _ in range(1 + (r["arch_id"] == 4))]
    )


@defect(
    NAME,
    "architectures",
    "A cell is missing.",
    {"all.references": "trials.arch_id 7", "all.raw": "KeyError: 7"},
)
def nb101_cell_missing(copy: Copy) -> None:
    copy.edit("architectures", lambda rows: rows[:-1])


@defect(
    NAME,
    "architectures",
    "The number of edges of a cell is wrong.",
    {"nb101.hashes": "vertices and"},
)
def nb101_edges(copy: Copy) -> None:
    copy.put("architectures", "num_edges", lambda row: row["num_edges"] - 1, arch_id=3)


@defect(
    NAME,
    "costs",
    "Computed parameters are those of another cell.",
    {"nb101.params": "arch_id 1: params"},
)
def nb101_costs_of_another_cell(copy: Copy) -> None:
    copy.exchange("costs", ["params"], {"arch_id": 1}, {"arch_id": 2})


@defect(
    NAME,
    "costs",
    "Multiply-accumulates are 0, where there is no formula.",
    {"nb101.costs": "arch_id 1: macs 0"},
)
def nb101_null_to_zero(copy: Copy) -> None:
    copy.put("costs", "macs", 0, arch_id=1)


# ---------------------------------------------------------------------------------------------
# what is computed of the trials

KEY = "arch_id 3, dataset cifar10, num_epochs 12"


@defect(NAME, "means", "A mean is one ulp higher.", {"all.means": f"{KEY}: test_acc_pct_mean"})
def means_one_ulp(copy: Copy) -> None:
    up = next_up(copy.row("means", arch_id=3, num_epochs=12)["test_acc_pct_mean"])
    copy.put("means", "test_acc_pct_mean", up, arch_id=3, num_epochs=12)
    copy.summaries()


@defect(
    NAME,
    "means",
    "Deviations are those of a population, not of a sample.",
    {"all.means": "arch_id 0, dataset cifar10, num_epochs 4: elapsed_train_time_s_sd"},
)
def means_population_deviation(copy: Copy) -> None:
    def other(rows: list[dict]) -> None:
        for row in rows:
            for name in row:
                if name.endswith("_sd") and row[name] is not None:
                    row[name] *= ((row["n"] - 1) / row["n"]) ** 0.5

    copy.edit("means", other)


@defect(
    NAME,
    "means",
    "The number of runs is wrong.",
    {"all.means": f"{KEY}: n", "all.best": "12 epochs"},
)
def means_runs(copy: Copy) -> None:
    copy.put("means", "n", 2, arch_id=3, num_epochs=12)


@defect(
    NAME,
    "means",
    "A mean is missing, and all that follows from it.",
    {"all.means": f"means and trials differ in {KEY}"},
)
def means_row_missing(copy: Copy) -> None:
    lost = {"arch_id": 3, "num_epochs": 12}
    copy.edit("means", lambda rows: [row for row in rows if not row.items() >= lost.items()])
    copy.summaries()


@defect(
    NAME,
    "means",
    "Means are those of the trials before one of them was changed.",
    {"all.means": "arch_id 0, dataset cifar10, num_epochs 4: test_acc_pct_mean"},
)
def means_stale(copy: Copy) -> None:
    last = {"trial_id": 1, "epoch": 4}
    copy.put("curves", "test_acc_pct", 50.0, **last)
    copy.finals()


@defect(
    NAME,
    "best",
    "Two places of a ranking are exchanged.",
    {"all.best": "cifar10, test, 108 epochs, mean, place 1"},
)
def best_places_exchanged(copy: Copy) -> None:
    ranking = {"role": "test", "num_epochs": 108, "rule": "mean"}
    columns = ["arch_id", "value", "test_acc_pct", "n"]
    copy.exchange("best", columns, ranking | {"rank": 1}, ranking | {"rank": 2})


@defect(
    NAME,
    "best",
    "The test accuracy of the best network by validation is another one's.",
    {"all.best": "cifar10, valid, 108 epochs, mean, place 1"},
)
def best_reports_another(copy: Copy) -> None:
    ranking = {"role": "valid", "num_epochs": 108, "rule": "mean"}
    columns = ["test_acc_pct"]
    copy.exchange("best", columns, ranking | {"rank": 1}, ranking | {"rank": 2})


@defect(
    NAME,
    "best",
    "A ranking ends one place too early.",
    {"all.best": "cifar10, test, 4 epochs, single: places"},
)
def best_place_missing(copy: Copy) -> None:
    lost = {"role": "test", "num_epochs": 4, "rule": "single", "rank": 8}
    copy.edit("best", lambda rows: [row for row in rows if not row.items() >= lost.items()])


@defect(
    NAME,
    "rank_correlation",
    "A correlation has the wrong sign.",
    {"all.rank_correlation": "comparison 3, top 100 %: kendall_tau_b"},
)
def correlation_sign(copy: Copy) -> None:
    key = {"comparison_id": 3, "top_pct": 100}
    copy.put("rank_correlation", "kendall_tau_b", lambda row: -row["kendall_tau_b"], **key)


@defect(
    NAME,
    "rank_correlation",
    "Correlations are those before a trial was changed.",
    {"all.rank_correlation": "comparison"},
)
def correlation_stale(copy: Copy) -> None:
    old = copy.table("rank_correlation")
    copy.put("curves", "test_acc_pct", 50.0, trial_id=1, epoch=4)
    copy.follow(finals=True)
    copy.write("rank_correlation", old)


# ---------------------------------------------------------------------------------------------
# words, identity


@defect(
    NAME,
    "notes",
    "The note on a training that learnt nothing is lost.",
    {"all.notes": "no-better-than-chance"},
)
def note_lost(copy: Copy) -> None:
    def fewer(rows: list[dict]) -> list[dict]:
        at = next(i for i, row in enumerate(rows) if row["code"] == "no-better-than-chance")
        return [{**row, "note_id": i} for i, row in enumerate([*rows[:at], *rows[at + 1 :]])]

    copy.edit("notes", fewer)


@defect(
    NAME,
    "notes",
    "A note stands on another trial.",
    {"all.notes": '{{"trial_id": 0}} test_acc_pct'},
)
def note_on_another_trial(copy: Copy) -> None:
    note = copy.row("notes", code="no-better-than-chance")
    copy.put("notes", "key", json.dumps({"trial_id": 0}), note_id=note["note_id"])


@defect(
    NAME, "notes", "A note on a whole column is lost.", {"all.facts": "zero-learning-rate-step"}
)
def column_note_lost(copy: Copy) -> None:
    def fewer(rows: list[dict]) -> list[dict]:
        kept = [row for row in rows if row["code"] != "zero-learning-rate-step"]
        return [{**row, "note_id": i} for i, row in enumerate(kept)]

    copy.edit("notes", fewer)


@defect(NAME, "notes", "A note says something else.", {"all.notes": "another story"})
def note_reworded(copy: Copy) -> None:
    copy.put("notes", "sentence", "This is another story.", code="no-better-than-chance")


@defect(
    NAME, "notes", "A note on a whole column says something else.", {"all.facts": "another story"}
)
def column_note_reworded(copy: Copy) -> None:
    copy.put("notes", "sentence", "This is another story.", code="zero-learning-rate-step")


@defect(NAME, "splits", "The images of a split are miscounted.", {"all.facts": "'images': 40000"})
def split_count(copy: Copy) -> None:
    copy.put("splits", "images", 50_000, split="train")


@defect(
    NAME, "training_setups", "A setting of the training is wrong.", {"all.facts": "'batch size'"}
)
def training_setup(copy: Copy) -> None:
    copy.put("training_setups", "value", "128", setting="batch size")


@defect(
    NAME,
    "sources",
    "The citation is empty.",
    {"all.citation": "nasbench_sample.tfrecord: citation"},
)
def citation_emptied(copy: Copy) -> None:
    copy.put("sources", "citation", " ")


@defect(
    NAME,
    "sources",
    "The digest of the raw file is another one's.",
    {"all.sources": "'sha256': '0000"},
)
def source_digest(copy: Copy) -> None:
    copy.put("sources", "sha256", "0" * 64)


@defect(
    NAME,
    "columns",
    "The catalogue inside the build names another unit.",
    {"all.columns": "'unit': 'ms'"},
)
def column_unit(copy: Copy) -> None:
    copy.put("columns", "unit", "ms", table="trials", column="total_time_s")


@defect(
    NAME,
    "columns",
    "The catalogue inside the build gives a column another meaning.",
    {"all.columns": "another story"},
)
def column_meaning(copy: Copy) -> None:
    copy.put("columns", "meaning", "This is another story.", table="trials", column="total_time_s")


@defect(
    NAME,
    "curves",
    "A table says that it belongs to another release.",
    {"all.build": "curves: release only108"},
)
def table_of_another_release(copy: Copy) -> None:
    copy.write("curves", copy.table("curves"), release="only108")


@defect(
    NAME,
    "every table",
    "Made-up numbers are said to be real.",
    {"all.build": "trials: synthetic false"},
)
def synthetic_mark_lost(copy: Copy) -> None:
    for path in copy.parquet.glob("*.parquet"):
        copy.write(path.stem, copy.table(path.stem), synthetic="false")


@defect(
    NAME, "trials", "A column has another type.", {"all.schema": "trials: ['trial_id', 'arch_id'"}
)
def column_type(copy: Copy) -> None:
    table = copy.table("trials")
    at = table.column_names.index("params")
    copy.write_stale("trials", table.set_column(at, "params", table["params"].cast(pa.int64())))


@defect(
    NAME,
    "curves",
    "A value is changed, and the recorded digest left as it was.",
    {"all.digest": "curves", "all.raw": "trial 5"},
)
def stale_digest(copy: Copy) -> None:
    rows = copy.rows("curves")
    rows[16]["valid_acc_pct"] = next_up(rows[16]["valid_acc_pct"])
    copy.write_stale("curves", pa.Table.from_pylist(rows, schema=copy.table("curves").schema))


@defect(
    NAME,
    "splits",
    "A row is lost, and the recorded digest left as it was.",
    {"all.digest": "splits"},
)
def stale_digest_of_fewer_rows(copy: Copy) -> None:
    copy.write_stale("splits", copy.table("splits").slice(1))


@defect(
    NAME,
    "curves",
    "One byte in the middle of the Parquet file is another one.",
    {"all.digest": "curves"},
)
def parquet_byte(copy: Copy) -> None:
    path = copy.own(copy.parquet / "curves.parquet")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)


# ---------------------------------------------------------------------------------------------
# what another table, or the files themselves, would have to say


@defect(
    "nb101",
    "every form",
    "Seeds are made up: runs count as seeds.",
    {"all.raw": "seed: 1, raw None"},
    forms=("sqlite", "nni"),
)
def nb101_seeds_made_up(copy: Copy) -> None:
    copy.put("trials", "seed", lambda row: row["run"])
    copy.follow()
    copy.write_forms()


@defect(
    "nb101",
    "trials, curves",
    "The data set is another one in all trainings.",
    {"all.raw": "dataset: 'cifar100', raw 'cifar10'"},
)
def nb101_data_set(copy: Copy) -> None:
    for name in ("trials", "curves"):
        copy.put(name, "dataset", "cifar100")
    copy.follow()


@defect("nb101", "trials", "Something is said to be recorded beside.", {"all.raw": "extra, note"})
def nb101_extra(copy: Copy) -> None:
    copy.put("trials", "extra", '{"note": 1}', trial_id=3)


@defect(
    "nb101",
    "trials",
    "The highest accuracy of a row group is said to be its lowest.",
    {"all.statistics": "trials, row group 0: test_acc_pct"},
)
def parquet_statistics(copy: Copy) -> None:
    path = copy.own(copy.parquet / "trials.parquet")
    with pq.ParquetFile(path) as file:
        number = file.schema_arrow.names.index("test_acc_pct")
        said = file.metadata.row_group(0).column(number).statistics
    data = path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    highest, lowest = (struct.pack("<d", value) for value in (said.max, said.min))
    assert highest in data[footer:]
    path.write_bytes(data[:footer] + data[footer:].replace(highest, lowest))


@defect("nb101", "folder", "A table lies there that is none.", {"all.schema": "trials_old.parquet"})
def parquet_more(copy: Copy) -> None:
    path = copy.parquet / "trials.parquet"
    path.with_name("trials_old.parquet").write_bytes(path.read_bytes())


@defect(
    "nb101",
    "rank_correlation",
    "A comparison is said to be of another kind.",
    {"all.rank_correlation": "there is ('seeds', ('cifar10', 'valid', 4, None)"},
)
def correlation_kind(copy: Copy) -> None:
    copy.put("rank_correlation", "kind", "seeds", comparison_id=0)


@defect(
    "nb101",
    "rank_correlation",
    "The last comparison is missing.",
    {"all.rank_correlation": "there is no ('proxy', ('cifar10', 'valid', 36, None)"},
)
def correlation_missing(copy: Copy) -> None:
    table = copy.table("rank_correlation")
    copy.write("rank_correlation", table.slice(0, len(table) - 5))


@defect(
    "nb101",
    "rank_correlation",
    "A comparison is there twice.",
    {"all.rank_correlation": "there is ('schedules', ('cifar10', 'valid', 4, None)"},
)
def correlation_twice(copy: Copy) -> None:
    def more(rows: list[dict]) -> list[dict]:
        number = rows[-1]["comparison_id"] + 1
        return [*rows, *(row | {"comparison_id": number} for row in rows[:5])]

    copy.edit("rank_correlation", more)
