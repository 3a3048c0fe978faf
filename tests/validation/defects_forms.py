"""Defects in SQLite, HDF5 and NNI's database; their Parquet tables are good."""

from __future__ import annotations

import numpy as np
from tampering import Copy, defect, next_up

from nasbase.store.nni import BUILD_TABLE

SQLITE, HDF5, NNI = {"forms": ("sqlite",)}, {"forms": ("hdf5",)}, {"forms": ("nni",)}


# ---------------------------------------------------------------------------------------------
# SQLite


@defect(
    "nb101", "SQLite", "A value is one ulp higher.", {"all.sqlite.rows": "trials: (6, "}, **SQLITE
)
def sqlite_one_ulp(copy: Copy) -> None:
    value = next_up(copy.row("trials", trial_id=6)["test_acc_pct"])
    copy.execute("UPDATE trials SET test_acc_pct = ? WHERE trial_id = 6", value)


@defect("nb101", "SQLite", "NULL is 0.", {"all.sqlite.rows": "trials: (0, "}, **SQLITE)
def sqlite_null_to_zero(copy: Copy) -> None:
    copy.execute("UPDATE trials SET seed = 0 WHERE trial_id = 0")


@defect("nb101", "SQLite", "A number is NULL.", {"all.sqlite.rows": "curves: (5, "}, **SQLITE)
def sqlite_number_to_null(copy: Copy) -> None:
    copy.execute("UPDATE curves SET train_acc_pct = NULL WHERE trial_id = 5 AND epoch = 6")


@defect(
    "nb101",
    "SQLite",
    "A row is missing.",
    {"all.sqlite.rows": "means: (2, 'cifar10', 12"},
    **SQLITE,
)
def sqlite_row_missing(copy: Copy) -> None:
    copy.execute("DELETE FROM means WHERE arch_id = 2 AND num_epochs = 12")


@defect(
    "nb101",
    "SQLite",
    "A row is too many.",
    {"all.sqlite.rows": "splits: 1 rows too many"},
    **SQLITE,
)
def sqlite_row_added(copy: Copy) -> None:
    copy.execute("INSERT INTO splits VALUES ('cifar10', 'zz', 1, 1, 'none')")


@defect(
    "nb101",
    "SQLite",
    "Two rows have each other's seconds.",
    {"all.sqlite.rows": "trials: (3, "},
    **SQLITE,
)
def sqlite_rows_exchanged(copy: Copy) -> None:
    one, two = (copy.row("trials", trial_id=i)["total_time_s"] for i in (3, 4))
    copy.execute("UPDATE trials SET total_time_s = ? WHERE trial_id = 3", two)
    copy.execute("UPDATE trials SET total_time_s = ? WHERE trial_id = 4", one)


@defect(
    "nb101",
    "SQLite",
    "The schema's version is another one.",
    {"all.sqlite.build": "user_version 99"},
    **SQLITE,
)
def sqlite_user_version(copy: Copy) -> None:
    with copy.database() as database:
        database.execute("PRAGMA user_version = 99")


@defect(
    "nb101",
    "SQLite",
    "The database says that it belongs to another build.",
    {"all.sqlite.build": "sample+s2.00000000"},
    **SQLITE,
)
def sqlite_version(copy: Copy) -> None:
    copy.execute("UPDATE build SET value = 'sample+s2.00000000' WHERE key = 'version'")


@defect("nb101", "SQLite", "An index is dropped.", {"all.sqlite.schema": "CREATE INDEX"}, **SQLITE)
def sqlite_index(copy: Copy) -> None:
    with copy.database() as database:
        query = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        (name,) = database.execute(query).fetchone()
        database.execute(f'DROP INDEX "{name}"')


@defect(
    "nb101",
    "SQLite",
    "There is a table that is in no catalogue.",
    {"all.sqlite.schema": "CREATE TABLE leftover"},
    **SQLITE,
)
def sqlite_table(copy: Copy) -> None:
    with copy.database() as database:
        database.execute("CREATE TABLE leftover (x INTEGER)")


@defect(
    "nb101",
    "SQLite",
    "There are bytes behind the end of the database.",
    {"all.sqlite.schema": " bytes, not "},
    **SQLITE,
)
def sqlite_garbage(copy: Copy) -> None:
    with copy.own(copy.path("sqlite")).open("ab") as file:
        file.write(b"garbage")


@defect(
    "nb101",
    "SQLite",
    "The file ends in its middle.",
    {"all.sqlite.rows": "the check stopped", "all.sqlite.schema": ""},
    **SQLITE,
)
def sqlite_truncated(copy: Copy) -> None:
    path = copy.own(copy.path("sqlite"))
    path.write_bytes(path.read_bytes()[: 12 * 4096])


@defect(
    "nb101",
    "SQLite",
    "Two indexes have each other's pages.",
    {"all.sqlite.integrity": "index"},
    **SQLITE,
)
def sqlite_index_damaged(copy: Copy) -> None:
    with copy.database() as database:
        query = "SELECT name, rootpage FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        (one, first), (two, second), *_ = database.execute(query).fetchall()
        database.execute("PRAGMA writable_schema = ON")
        change = "UPDATE sqlite_master SET rootpage = ? WHERE name = ?"
        database.executemany(change, [(second, one), (first, two)])


@defect(
    "nats_sss",
    "SQLite",
    "One bit in the blob of a trial is flipped.",
    {"all.sqlite.blobs": "trial_curves 7: "},
    **SQLITE,
)
def blob_bit(copy: Copy) -> None:
    with copy.database() as database:
        (data,) = database.execute("SELECT data FROM trial_curves WHERE trial_id = 7").fetchone()
        damaged = bytearray(data)
        damaged[-8] ^= 1
        change = "UPDATE trial_curves SET data = ? WHERE trial_id = 7"
        database.execute(change, (bytes(damaged),))


@defect(
    "nats_sss",
    "SQLite",
    "Two trials have each other's blob.",
    {"all.sqlite.blobs": "trial_curves 3: train_acc_pct"},
    **SQLITE,
)
def blobs_exchanged(copy: Copy) -> None:
    with copy.database() as database:
        query = "SELECT data FROM trial_curves WHERE trial_id = ?"
        one, two = (database.execute(query, (i,)).fetchone()[0] for i in (2, 3))
        change = "UPDATE trial_curves SET data = ? WHERE trial_id = ?"
        database.executemany(change, [(two, 2), (one, 3)])


@defect(
    "nats_sss",
    "SQLite",
    "The blob of a trial is missing.",
    {"all.sqlite.blobs": "trial_curves 9: no blob of"},
    **SQLITE,
)
def blob_missing(copy: Copy) -> None:
    copy.execute("DELETE FROM trial_curves WHERE trial_id = 9")


@defect(
    "nats_sss",
    "SQLite",
    "A blob says that its curve is longer.",
    {"all.sqlite.blobs": "trial_curves 9: no blob of"},
    **SQLITE,
)
def blob_length(copy: Copy) -> None:
    copy.execute("UPDATE trial_curves SET length = length + 1 WHERE trial_id = 9")


@defect(
    "nats_sss",
    "SQLite",
    "A blob ends too early.",
    {"all.sqlite.blobs": "trial_curves 9: no blob of"},
    **SQLITE,
)
def blob_truncated(copy: Copy) -> None:
    change = "UPDATE trial_curves SET data = substr(data, 1, length(data) - 8) WHERE trial_id = 9"
    copy.execute(change)


@defect(
    "nats_sss",
    "SQLite",
    "There is a blob of a trial that does not exist.",
    {"all.sqlite.blobs": "trials, 121 blobs"},
    **SQLITE,
)
def blob_added(copy: Copy) -> None:
    copy.execute("INSERT INTO trial_curves SELECT 9999, length, data FROM trial_curves LIMIT 1")


@defect(
    "nds",
    "SQLite",
    "The blobs of two trials' iterations are exchanged.",
    {"all.sqlite.blobs": "trial_iterations"},
    **SQLITE,
)
def iterations_exchanged(copy: Copy) -> None:
    with copy.database() as database:
        rows = database.execute("SELECT trial_id, data FROM trial_iterations LIMIT 2").fetchall()
        (one, first), (two, second) = rows
        change = "UPDATE trial_iterations SET data = ? WHERE trial_id = ?"
        database.executemany(change, [(second, one), (first, two)])


@defect(
    "nb101",
    "SQLite",
    "There is a table whose name only looks like one of SQLite's own.",
    {"all.sqlite.schema": "CREATE TABLE sqlitex"},
    **SQLITE,
)
def sqlite_hidden_table(copy: Copy) -> None:
    with copy.database() as database:
        database.execute("CREATE TABLE sqlitex (x INTEGER)")


@defect(
    "nb101",
    "SQLite",
    "The database keeps a write-ahead log, which a folder for reading cannot have.",
    {"all.sqlite.schema": "journal of form [2, 2]"},
    **SQLITE,
)
def sqlite_journal(copy: Copy) -> None:
    with copy.database() as database:
        database.execute("PRAGMA journal_mode = WAL")


# ---------------------------------------------------------------------------------------------
# HDF5


@defect(
    "nats_sss",
    "HDF5",
    "One value is one ulp higher.",
    {"all.hdf5.curves": "/cifar10/12/train_loss arch_id row 1"},
    **HDF5,
)
def hdf5_one_ulp(copy: Copy) -> None:
    with copy.tensors() as file:
        tensor = file["cifar10/12/train_loss"]
        tensor[1, 0, 4] = next_up(tensor[1, 0, 4])


@defect(
    "nats_sss",
    "HDF5",
    "A point is said to be absent.",
    {"all.hdf5.curves": "/cifar10/12/train_loss arch_id row 1", "all.hdf5.count": "train_loss: "},
    **HDF5,
)
def hdf5_mask(copy: Copy) -> None:
    with copy.tensors() as file:
        file["cifar10/12/train_loss__present"][1, 0, 4] = False


@defect(
    "nats_sss",
    "HDF5",
    "A number stands where the mask says that there is none.",
    {"all.hdf5.curves": "/cifar10-valid/1/train_loss"},
    **HDF5,
)
def hdf5_behind_the_mask(copy: Copy) -> None:
    """Parquet lacks the point as well: a good build whose release lacks it."""
    copy.put("curves", "train_loss", None, dataset="cifar10-valid", num_epochs=1)
    copy.put("trials", "train_loss", None, dataset="cifar10-valid", num_epochs=1)
    copy.follow()
    with copy.tensors() as file:
        file["cifar10-valid/1/train_loss__present"][...] = False


@defect(
    "nats_sss",
    "HDF5",
    "A tensor is transposed: epochs in reverse.",
    {"all.hdf5.curves": "/cifar100/90/x_test_acc_pct arch_id row 0"},
    **HDF5,
)
def hdf5_reversed(copy: Copy) -> None:
    with copy.tensors() as file:
        tensor = file["cifar100/90/x_test_acc_pct"]
        tensor[...] = tensor[...][..., ::-1]


@defect(
    "nats_sss",
    "HDF5",
    "Two runs of a tensor are exchanged.",
    {"all.hdf5.curves": "/cifar100/12/x_test_loss"},
    **HDF5,
)
def hdf5_runs(copy: Copy) -> None:
    with copy.tensors() as file:
        tensor = file["cifar100/12/x_test_loss"]
        tensor[...] = tensor[...][:, [1, 0, 2]]


@defect(
    "nats_sss",
    "HDF5",
    "The seeds of a scale are in another order.",
    {"all.hdf5.scales": "cifar100/12/seed"},
    **HDF5,
)
def hdf5_seeds(copy: Copy) -> None:
    with copy.tensors() as file:
        scale = file["cifar100/12/seed"]
        scale[...] = scale[...][:, ::-1]


@defect(
    "nats_sss",
    "HDF5",
    "The architectures of a scale are one off.",
    {"all.hdf5.scales": "cifar10/90/arch_id"},
    **HDF5,
)
def hdf5_architectures(copy: Copy) -> None:
    with copy.tensors() as file:
        scale = file["cifar10/90/arch_id"]
        scale[...] = scale[...] + 1


@defect(
    "nats_sss",
    "HDF5",
    "A series names another unit.",
    {"all.hdf5.scales": "/cifar10/90/train_time_s"},
    **HDF5,
)
def hdf5_unit(copy: Copy) -> None:
    with copy.tensors() as file:
        file["cifar10/90/train_time_s"].attrs["unit"] = "ms"


@defect(
    "nats_sss",
    "HDF5",
    "A series is missing.",
    {"all.hdf5.curves": "/cifar10/90/train_loss"},
    **HDF5,
)
def hdf5_series(copy: Copy) -> None:
    with copy.tensors() as file:
        del file["cifar10/90/train_loss"]
        del file["cifar10/90/train_loss__present"]


@defect(
    "nats_sss",
    "HDF5",
    "The file says that it belongs to another build.",
    {"all.hdf5.build": "sample+s2.00000000"},
    **HDF5,
)
def hdf5_version(copy: Copy) -> None:
    with copy.tensors() as file:
        file.attrs["version"] = "sample+s2.00000000"


@defect(
    "nats_sss",
    "HDF5",
    "The file ends in its middle.",
    {"all.hdf5.build": "the check stopped"},
    **HDF5,
)
def hdf5_truncated(copy: Copy) -> None:
    path = copy.own(copy.path("hdf5"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@defect(
    "nds",
    "HDF5",
    "The trials of a file stand in another order.",
    {"all.hdf5.scales": "ResNet/arch_id"},
    **HDF5,
)
def hdf5_trials(copy: Copy) -> None:
    with copy.tensors() as file:
        scale = file["ResNet/arch_id"]
        scale[...] = scale[...][::-1]


@defect(
    "nats_sss",
    "HDF5",
    "There is a schedule of which nobody was trained.",
    {"all.hdf5.scales": "there is cifar10/13"},
    **HDF5,
)
def hdf5_group_added(copy: Copy) -> None:
    with copy.tensors() as file:
        file["cifar10/13/train_loss"] = file["cifar10/12/train_loss"][()]


@defect(
    "nats_sss",
    "HDF5",
    "A mask is of integers, which choose other points.",
    {"all.hdf5.scales": "/cifar10/12/train_loss__present: int8"},
    **HDF5,
)
def hdf5_mask_type(copy: Copy) -> None:
    with copy.tensors() as file:
        mask = file["cifar10/12/train_loss__present"]
        values, name = mask[()].astype("i1"), mask.name
        del file[name]
        file.create_dataset(name, data=values, chunks=True)


@defect(
    "nats_sss",
    "HDF5",
    "The axes of a tensor are named in another order.",
    {"all.hdf5.scales": "epoch, run, architecture"},
    **HDF5,
)
def hdf5_axes(copy: Copy) -> None:
    with copy.tensors() as file:
        file["cifar10/12/train_loss"].attrs["axes"] = "epoch, run, architecture"


@defect(
    "nats_tss",
    "HDF5",
    "Numbers stand at a run that does not exist.",
    {"all.hdf5.count": "/train_loss: 200 numbers beside its points"},
    **HDF5,
)
def hdf5_run_made_up(copy: Copy) -> None:
    with copy.tensors() as file:
        group = file["ImageNet16-120/200"]
        arch, run = np.argwhere(group["seed"][()] == -1)[0]
        group["train_loss"][arch, run] = 1.0


@defect(
    "nds",
    "HDF5",
    "A number stands behind the end of a schedule.",
    {"all.hdf5.count": "/train_loss: 1 numbers beside its points"},
    **HDF5,
)
def hdf5_behind_the_end(copy: Copy) -> None:
    with copy.tensors() as file:
        file["Amoeba_in/train_loss"][0, -1] = 1.0


@defect(
    "nds",
    "HDF5",
    "A group names another file.",
    {"all.hdf5.scales": "Amoeba: "},
    **HDF5,
)
def hdf5_source_file(copy: Copy) -> None:
    with copy.tensors() as file:
        file["Amoeba"].attrs["source_file"] = "Amoeba_in.json"


# ---------------------------------------------------------------------------------------------
# NNI's database


@defect(
    "nb101", "NNI", "A final accuracy is one ulp higher.", {"all.nni.rows": "trial 5: row"}, **NNI
)
def nni_one_ulp(copy: Copy) -> None:
    with copy.database("nni") as database:
        query = "SELECT test_acc FROM nb101trialstats WHERE id = 5"
        (value,) = database.execute(query).fetchone()
        change = "UPDATE nb101trialstats SET test_acc = ? WHERE id = 5"
        database.execute(change, (next_up(value),))


@defect(
    "nb101",
    "NNI",
    "A point of a curve is missing.",
    {"all.nni.rows": "nb101intermediatestats 7 is not in its place"},
    **NNI,
)
def nni_point(copy: Copy) -> None:
    copy.execute("DELETE FROM nb101intermediatestats WHERE id = 6", form="nni")


@defect(
    "nb101",
    "NNI",
    "A configuration describes another cell.",
    {"all.nni.rows": "nb101trialconfig 2"},
    **NNI,
)
def nni_cell(copy: Copy) -> None:
    query = "UPDATE nb101trialconfig SET arch = (SELECT arch FROM nb101trialconfig WHERE id = 9)"
    copy.execute(f"{query} WHERE id = 2", form="nni")


@defect(
    "nb101",
    "NNI",
    "A trial stands under another configuration.",
    {"all.nni.rows": "trial 4: configuration"},
    **NNI,
)
def nni_configuration(copy: Copy) -> None:
    copy.execute("UPDATE nb101trialstats SET config_id = 1 WHERE id = 4", form="nni")


@defect(
    "nb101",
    "NNI",
    "There is a table that NNI does not have.",
    {"all.nni.schema": "CREATE TABLE leftover"},
    **NNI,
)
def nni_table(copy: Copy) -> None:
    with copy.database("nni") as database:
        database.execute("CREATE TABLE leftover (x INTEGER)")


@defect(
    "nb101",
    "NNI",
    "The database says that it belongs to another build.",
    {"all.nni.build": "sample+s2.00000000"},
    **NNI,
)
def nni_version(copy: Copy) -> None:
    change = 'UPDATE "{}" SET "value" = \'sample+s2.00000000\' WHERE "key" = \'version\''
    copy.execute(change.format(BUILD_TABLE), form="nni")


@defect(
    "nb101",
    "NNI",
    "The file ends in its middle.",
    {"all.nni.rows": "the check stopped", "all.nni.integrity": ""},
    **NNI,
)
def nni_truncated(copy: Copy) -> None:
    path = copy.own(copy.path("nni"))
    path.write_bytes(path.read_bytes()[: 6 * 4096])


@defect(
    "nds",
    "NNI",
    "Two configurations have each other's learning rate.",
    {"all.nni.rows": "ndstrialconfig"},
    **NNI,
)
def nni_learning_rates(copy: Copy) -> None:
    with copy.database("nni") as database:
        query = "SELECT id, base_lr FROM ndstrialconfig WHERE generator = 'tune_lr_wd' LIMIT 2"
        (one, first), (two, second) = database.execute(query).fetchall()
        change = "UPDATE ndstrialconfig SET base_lr = ? WHERE id = ?"
        database.executemany(change, [(second, one), (first, two)])


@defect("nb201", "NNI", "Latencies are milliseconds.", {"all.nni.rows": "trial 1: row"}, **NNI)
def nni_latency(copy: Copy) -> None:
    copy.execute("UPDATE nb201trialstats SET latency = 1000 * latency", form="nni")


@defect(
    "nb201",
    "NNI",
    "The data sets of two configurations are exchanged.",
    {"all.nni.rows": "nb201trialconfig 2"},
    **NNI,
)
def nni_datasets(copy: Copy) -> None:
    copy.execute("UPDATE nb201trialconfig SET dataset = 'cifar100' WHERE id = 2", form="nni")


@defect(
    "nb101",
    "NNI",
    "There are bytes behind the end of the database.",
    {"all.nni.schema": " bytes, not "},
    **NNI,
)
def nni_garbage(copy: Copy) -> None:
    with copy.own(copy.path("nni")).open("ab") as file:
        file.write(b"garbage")


@defect(
    "nb101",
    "NNI",
    "The database keeps a write-ahead log.",
    {"all.nni.schema": "journal of form [2, 2]"},
    **NNI,
)
def nni_journal(copy: Copy) -> None:
    with copy.database("nni") as database:
        database.execute("PRAGMA journal_mode = WAL")


# ---------------------------------------------------------------------------------------------
# all forms at once


@defect(
    "nats_sss",
    "every form",
    "One loss is one ulp higher in every form, and all that follows.",
    {"all.raw": "trial {place}: train_loss at epoch 5"},
    forms=("sqlite", "hdf5"),
    whole=True,
)
def every_form_one_ulp(copy: Copy) -> str:
    number = copy.row("trials", num_epochs=12)["trial_id"]
    copy.put("curves", "train_loss", lambda r: next_up(r["train_loss"]), trial_id=number, epoch=5)
    copy.follow(finals=True)
    copy.write_forms()
    return str(number)


@defect(
    "nds",
    "every form",
    "Two trials have each other's losses, in every form.",
    {"all.raw": "train_loss at epoch 1"},
    forms=("sqlite", "hdf5", "nni"),
    whole=True,
)
def every_form_losses_exchanged(copy: Copy) -> None:
    one, two = [row["trial_id"] for row in copy.rows("trials") if row["num_epochs"] == 100][:2]
    copy.exchange("curves", ["train_loss"], {"trial_id": one}, {"trial_id": two})
    copy.follow(finals=True)
    copy.write_forms()


@defect(
    "nb101",
    "every form",
    "Valid and test are exchanged in every form.",
    {"all.raw": "trial 0: valid_acc_pct"},
    forms=("sqlite", "nni"),
    whole=True,
)
def every_form_valid_is_test(copy: Copy) -> None:
    copy.swap_columns("valid_acc_pct", "test_acc_pct")
    copy.follow()
    copy.write_forms()


@defect(
    "nb101",
    "Parquet",
    "The tables are another build's, the other forms were left as they were.",
    {
        "all.sqlite.build": "'version'",
        "all.nni.build": "'version'",
        "all.sqlite.rows": "trials: (7, ",
        "all.nni.rows": ": row",
    },
    forms=("sqlite", "nni"),
    whole=True,
)
def forms_left_behind(copy: Copy) -> None:
    copy.put("trials", "test_acc_pct", 50.0, trial_id=7)
    copy.follow()
