"""What people do to a handle and its files without meaning to: no wrong number, no odd error."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import nasbase
from nasbase.errors import ArtifactError, QueryError
from nasbase.query import content
from nasbase.query.simulator import History

QUESTION = {"dataset": "cifar100", "num_epochs": 200}
HUGE = (2**63, -(2**63) - 1, 10**30)


# ---------------------------------------------------------------------------------------------
# numbers of other types


@pytest.mark.parametrize("make", [np.int64, np.int16, np.uint32, np.array])
def test_numbers_of_numpy_are_numbers(bench, make):
    """SQLite would take them for bytes, and find nothing."""
    handle = bench("nats_tss")
    seed, run, one = make(777), make(0), make(1)
    first = handle.trials(0, run=0, **QUESTION)
    assert handle.trials(make(0), seed=seed, **QUESTION) == first
    assert handle.trials(0, run=run, dataset="cifar100", num_epochs=make(200)) == first
    value = handle.value(0, "test_acc", run=0, **QUESTION)
    assert handle.value(0, "test_acc", seed=seed, **QUESTION) == value
    train = {"what": "train_acc", **QUESTION}
    assert handle.value(0, at_epoch=one, run=run, **train) == handle.curve(
        0, series="train_acc", seed=seed, **QUESTION
    ).at(1)
    assert (
        handle.values(at_epoch=one, run=run, **train) == handle.values(at_epoch=1, run=0, **train)
    ).all()
    assert repr(handle.values("test_acc", run=run, **QUESTION)) == repr(
        handle.values("test_acc", run=0, **QUESTION)
    )
    assert len(handle.best(k=make(3), **QUESTION)) == 3
    assert handle.sample(make(3), make(5)) == handle.sample(3, 5)


def test_filters_of_numpy_are_filters(bench):
    handle = bench("nats_tss")
    ids = [one.arch_id for one in handle][:5]
    for wanted in (ids, np.array(ids), {*ids}, map(np.int64, ids)):
        found = handle.values("test_acc", where={"arch_id": wanted}, **QUESTION)
        assert found.ids.tolist() == ids
    assert handle.best(where={"arch_id": np.int64(ids[2])}, **QUESTION)[0].arch_id == ids[2]
    limit = handle.complexity(0, "cifar100").params
    found = handle.values("params", max_params=limit, **QUESTION)
    for same in (np.int64(limit), np.float64(limit), np.float32(limit), np.array(limit)):
        assert (handle.values("params", max_params=same, **QUESTION) == found).all()
    nds = bench("nds")
    mean = next(row for row in nds.means(0) if row.dataset == nds.means(0)[0].dataset)
    lr = nds.table("configurations").to_arrow().to_pylist()[mean.config_id]["base_lr"]
    question = {"dataset": mean.dataset, "config_id": np.int64(mean.config_id)}
    assert nds.mean(0, base_lr=np.float64(lr), **question) == mean


@pytest.mark.parametrize("odd", [777.0, "777", True, float("nan"), np.float64(777), [777], b"1"])
def test_what_is_no_whole_number_is_refused(bench, odd):
    handle = bench("nats_tss")
    for ask in (
        lambda: handle.trials(0, seed=odd, **QUESTION),
        lambda: handle.trials(0, run=odd, **QUESTION),
        lambda: handle.value(0, "test_acc", seed=odd, **QUESTION),
        lambda: handle.value(0, "test_acc", at_epoch=odd, **QUESTION),
        lambda: handle.curve(0, series="test_acc", run=odd, **QUESTION),
        lambda: handle.values("test_acc", seed=odd, **QUESTION),
        lambda: handle.values("train_acc", at_epoch=odd, **QUESTION),
        lambda: handle.best(k=odd, **QUESTION),
        lambda: handle.sample(odd, 0),
        lambda: handle.sample(1, odd),
    ):
        with pytest.raises(QueryError, match="is not a whole number"):
            ask()


@pytest.mark.parametrize("huge", HUGE)
def test_numbers_that_no_column_can_hold(bench, huge):
    handle = bench("nats_tss")
    assert huge not in handle
    for ask in (
        lambda: handle.find(huge),
        lambda: handle.trials(huge),
        lambda: handle.complexity(huge, "cifar10"),
        lambda: handle.trials(0, seed=huge),
        lambda: handle.value(0, "test_acc", run=huge, **QUESTION),
        lambda: handle.values("test_acc", seed=huge, **QUESTION),
        lambda: handle.value(0, "train_acc", at_epoch=huge, **QUESTION),
        lambda: handle.best(max_params=huge, where={"arch_id": huge}, **QUESTION),
        lambda: handle.mean(0, dataset="cifar100", num_epochs=huge),
    ):
        with pytest.raises(QueryError):
            ask()
    assert len(handle.best(k=10**30, **QUESTION)) == len(handle)


@pytest.mark.parametrize("odd", [[], {}, ["cifar10"], object(), np.arange(2), "\ud800", b"x", 7])
def test_odd_data_sets_and_filters(bench, odd):
    handle = bench("nats_tss")
    with pytest.raises(QueryError, match="There is no data set"):
        handle.trials(0, dataset=odd)
    with pytest.raises(QueryError, match="There is no data set"):
        handle.split_of("valid_acc", odd)
    if not isinstance(odd, dict):
        with pytest.raises(QueryError, match="where= is no filter"):
            handle.best(where=odd, **QUESTION)
    with pytest.raises(QueryError):
        handle.best(where={"op_0_1": odd}, **QUESTION)
    with pytest.raises(QueryError):
        handle.best(max_params=float("nan"), **QUESTION)


def test_a_seed_that_nobody_has_is_no_missing_value(bench):
    """With ``missing="nan"``, it would be an array of NaN."""
    handle = bench("nats_tss")
    for which in ({"seed": 111}, {"run": 9}, {"run": 0, "seed": 888}):
        for missing in (None, "nan"):
            with pytest.raises(QueryError, match="No architecture has such a run") as caught:
                handle.values("test_acc", missing=missing, **which, **QUESTION)
            assert "run=1, seed=888" in str(caught.value)
    some = handle.values("test_acc", seed=999, missing="nan", **QUESTION)
    assert 0 < np.isnan(some).sum() < len(some)


# ---------------------------------------------------------------------------------------------
# NaN


def test_a_nan_is_said(home, tmp_path, rows_of):
    """Two architectures lose their validation loss to NaN: in the one run, and in the mean."""
    shutil.copytree(home / "nats_tss", tmp_path / "nats_tss")
    shutil.copy(home / "catalog.json", tmp_path)
    rows = [
        row
        for row in rows_of("nats_tss", "means")
        if (row["dataset"], row["num_epochs"]) == ("cifar100", 200)
        and row["x_valid_loss_mean"] == row["x_valid_loss_mean"]
    ]
    lost = sorted(rows, key=lambda row: row["x_valid_loss_mean"])[:2]  # the best by loss
    database = sqlite3.connect(tmp_path / "nats_tss" / "sample" / "nats_tss.sqlite")
    with database:
        for row in lost:
            key = {name: row[name] for name in ("arch_id", "dataset", "num_epochs")}
            database.execute(
                "UPDATE means SET x_valid_loss_mean = NULL WHERE arch_id = ? AND dataset = ? "
                "AND num_epochs = ?",
                [*key.values()],
            )
            database.execute(
                'INSERT INTO notes ("table", key, "column", kind, code, sentence) VALUES (?, ?, ?, '
                "'nan', 'released-nan', 'The release has NaN here.')",
                ("means", json.dumps(key), "x_valid_loss_mean"),
            )
    database.close()
    handle = nasbase.open("nats_tss", home=tmp_path)
    before = nasbase.open("nats_tss", home=home)
    ids = [row["arch_id"] for row in lost]
    value = handle.value(ids[0], "valid_loss", **QUESTION)
    assert np.isnan(value)
    assert "NaN" in repr(value)
    losses = handle.values("valid_loss", **QUESTION)
    assert {*ids} <= {*losses.ids[np.isnan(losses)].tolist()}
    count = int(np.isnan(losses).sum())
    best = handle.best(select="valid_loss", k=len(handle), **QUESTION)
    assert not {*ids} & {one.arch_id for one in best}
    assert f"{count} have no x_valid_loss and are left out" in repr(best)
    assert before.best(select="valid_loss", **QUESTION)[0].arch_id == ids[0]
    front = handle.pareto(minimize=("valid_loss", "params"), **QUESTION)
    assert not {*ids} & {*front.ids}
    assert (front.considered, front.without_value) == (len(handle) - count, count)
    assert f"{count} have a NaN and are left out" in repr(front)
    distribution = handle.ecdf("valid_loss", **QUESTION)
    assert (distribution.n, distribution.without_value) == (len(handle) - count, count)
    assert f"{count} have a NaN and are left out" in repr(distribution)
    with pytest.raises(QueryError, match="NaN has no place"):
        distribution.at(float("nan"))
    with pytest.raises(QueryError, match=f"{count} NaN in scores"):
        handle.rank_correlation("valid_loss", "test_acc", **QUESTION)


def test_a_nan_is_printed_as_what_it_is(bench):
    """A dash would say that nothing was released."""
    handle = bench("nats_tss")
    note = next(note for note in handle.notes("trials", kind="nan"))
    trial_id = json.loads(note.key)["trial_id"]
    (arch_id,) = handle.database.row("SELECT arch_id FROM trials WHERE trial_id = ?", [trial_id])
    trials = handle.trials(arch_id)
    position = trials.trial_id.index(trial_id)
    assert np.isnan(trials[position][note.column])
    (line,) = (text for text in repr(trials).split("\n") if text.split()[:1] == [note.column])
    assert line.split()[1 + position] == "nan"


def test_nothing_but_missing_values_is_an_error(bench):
    handle = bench("nats_tss")
    for what, at_epoch in (("valid_acc", 50), ("test_acc", 201), ("train_acc", 0)):
        for missing in (None, "nan"):
            with pytest.raises(QueryError, match=f"did not release .* at epoch {at_epoch} of 200"):
                handle.values(what, at_epoch=at_epoch, missing=missing, **QUESTION)
    with pytest.raises(QueryError, match="at no epoch"):
        handle.values("x-valid", dataset="cifar10", num_epochs=200, missing="nan")


def test_the_best_of_a_search_is_no_nan(bench):
    clock = bench("nats_tss").simulator("cifar10", num_epochs=12, seed=0)
    seen = [clock.evaluate(0), clock.evaluate(11)]
    lost = seen[0]._replace(value=float("nan"))
    assert History([lost, seen[1]]).best() == seen[1]
    assert "SYNTHETIC" in repr(seen[0])
    assert "SYNTHETIC" in repr(clock.history)


@pytest.mark.parametrize("odd", [float("nan"), "x", 1.5, True, [1]])
def test_odd_seeds_and_epochs_of_a_search(bench, odd):
    """random.Random takes most of them: NaN gives another search every time."""
    handle = bench("nats_tss")
    clock = handle.simulator("cifar10", num_epochs=12, seed=np.int64(3))
    objective = handle.objective("cifar10", num_epochs=12)
    for ask in (
        lambda: handle.simulator("cifar10", num_epochs=12, seed=odd),
        lambda: clock.evaluate(0, at_epoch=odd),
        lambda: clock.resume(clock.evaluate(0, at_epoch=1), at_epoch=odd),
        lambda: handle.objective("cifar10", seed=odd),
        lambda: objective.objective_function(0, {"epoch": odd}),
        lambda: objective.objective_function(0, rng=odd),
    ):
        with pytest.raises(QueryError, match="is not a whole number"):
            ask()
    same = handle.simulator("cifar10", num_epochs=12, seed=3)
    assert same.evaluate(0, at_epoch=1) == clock.history[0]
    first = objective.objective_function(0, rng=np.int64(5))
    assert objective.objective_function(0, {"epoch": None}, rng=5) == first


@pytest.mark.parametrize("odd", [float("nan"), "1000", [1]])
def test_a_budget_is_a_number(bench, odd):
    with pytest.raises(QueryError, match="time budget is no number"):
        bench("nats_tss").simulator("cifar10", num_epochs=12, time_budget_s=odd)


def test_a_correlation_of_no_fraction_is_refused(bench):
    with pytest.raises(QueryError, match="no fraction"):
        bench("nats_tss").rank_correlation("params", "test_acc", top=[], **QUESTION)


# ---------------------------------------------------------------------------------------------
# iteration, forks, threads


def test_an_iteration_outlives_closing_threads_and_forks(bench, monkeypatch):
    monkeypatch.setattr(content, "PAGE", 7)
    handle = bench("nats_tss")
    everything = list(handle)
    assert len(everything) == len(handle)
    walk = iter(handle)
    found = [next(walk)]
    handle.close()
    found += [next(walk) for _ in range(9)]
    with ThreadPoolExecutor(1) as pool:
        found += pool.submit(lambda: [next(walk) for _ in range(9)]).result()
    receive, send = os.pipe()
    if os.fork() == 0:
        os.write(send, str([one.arch_id for one in walk]).encode())
        os._exit(0)
    os.wait()
    rest = [one.arch_id for one in walk]
    assert json.loads(os.read(receive, 10_000)) == rest
    assert [one.arch_id for one in found] + rest == [one.arch_id for one in everything]


# ---------------------------------------------------------------------------------------------
# files


@pytest.fixture
def copied(home, tmp_path):
    """A copy of one build: its home, and a question to it."""
    shutil.copytree(home / "nats_tss", tmp_path / "nats_tss")
    shutil.copy(home / "catalog.json", tmp_path)

    def ask():
        handle = nasbase.open("nats_tss", home=tmp_path)
        repr(handle.trials(0))
        handle.best(**QUESTION)
        return handle.values("train_acc", at_epoch=3, **QUESTION)

    return tmp_path, ask


def statement(*sql):
    def change(build):
        database = sqlite3.connect(build / "nats_tss.sqlite")
        with database:
            for one in sql:
                database.execute(one)
        database.close()

    return change


def cut(build):
    path = build / "nats_tss.sqlite"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 8192 * 4096])


def scribble(step):
    def change(build):
        path = build / "nats_tss.sqlite"
        data = bytearray(path.read_bytes())
        for i in range(8192, len(data), step):
            data[i] ^= 0xFF
        path.write_bytes(data)

    return change


def manifest(**facts):
    def change(build):
        path = build / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | facts))

    return change


def without(key):
    def change(build):
        path = build / "manifest.json"
        kept = {k: v for k, v in json.loads(path.read_text()).items() if k != key}
        path.write_text(json.dumps(kept))

    return change


DAMAGE = {
    "no database": lambda build: (build / "nats_tss.sqlite").unlink(),
    "an empty database": lambda build: (build / "nats_tss.sqlite").write_bytes(b""),
    "a page instead": lambda build: (build / "nats_tss.sqlite").write_text("<html>"),
    "half a database": cut,
    "many wrong bytes": scribble(97),
    "some wrong bytes": scribble(977),
    "no table of means": statement("DROP TABLE means"),
    "no table of trials": statement("DROP TABLE trials"),
    "no notes": statement("DROP TABLE notes"),
    "curves of one byte": statement("UPDATE trial_curves SET data = x'00'"),
    "curves cut short": statement("UPDATE trial_curves SET data = substr(data, 1, 200)"),
    "empty curves": statement("UPDATE trial_curves SET data = x''"),
    "curves that are longer": statement("UPDATE trial_curves SET length = 1000"),
    "another schema": statement("PRAGMA user_version = 3"),
    "numbers said to be real": manifest(synthetic=False),
    "another version": manifest(version="sample+s2.00000000"),
    "a later schema": manifest(schema=3),
    "no manifest": lambda build: (build / "manifest.json").unlink(),
    "a manifest of nothing": lambda build: (build / "manifest.json").write_text("null"),
    "a list": lambda build: (build / "manifest.json").write_text("[]"),
    "no synthetic mark": without("synthetic"),
    "no version": without("version"),
    "no forms": without("forms"),
    "no tables": without("tables"),
    "no folder": shutil.rmtree,
    "an empty catalogue": lambda build: (build.parents[1] / "catalog.json").write_text("{}"),
    "a catalogue that is a list": lambda build: (build.parents[1] / "catalog.json").write_text(
        "[]"
    ),
    "no catalogue": lambda build: (build.parents[1] / "catalog.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_one_error_with_the_file(copied, damage):
    home, ask = copied
    ask()
    damage(home / "nats_tss" / "sample")
    with pytest.raises(ArtifactError) as caught:
        ask()
    message = str(caught.value)
    assert str(home) in message
    assert "what to do" in message


def test_a_missing_catalogue_is_not_a_missing_build(copied):
    home, ask = copied
    (home / "catalog.json").unlink()
    with pytest.raises(ArtifactError, match=r"builds, but no catalog\.json"):
        ask()


def test_a_home_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="is not installed here"):
        nasbase.open("nb101", home=tmp_path / "file")


def test_tables_of_a_build_that_came_later_are_refused(copied, home):
    """SQLite keeps the file that was open; a Parquet file is found by its name."""
    folder, _ = copied
    handle = nasbase.open("nats_tss", home=folder)
    table = handle.table("means")
    rows = table.to_arrow().num_rows
    build = folder / "nats_tss" / "sample"
    build.rename(folder / "before")
    with pytest.raises(ArtifactError, match="not the one of the build that was opened"):
        table.to_pandas()
    shutil.copytree(home / "nb201" / "sample", build)
    with pytest.raises(ArtifactError, match="open the benchmark again"):
        table.to_arrow(["arch_id"])
    shutil.rmtree(build)
    (folder / "before").rename(build)
    assert table.to_arrow().num_rows == rows


def test_a_real_build_is_the_default_beside_a_synthetic_one(copied, home):
    """Two releases side by side, both handles open."""
    from nasbase.store.install import write_catalog

    folder, _ = copied
    real = folder / "nats_tss" / "1.0"
    shutil.copytree(home / "nats_tss" / "sample", real)
    version = "1.0+s2.12345678"
    facts = {"release": "1.0", "synthetic": False, "version": version, "status": "deprecated"}
    manifest(**facts)(real)
    statement(
        f"UPDATE build SET value = '{version}' WHERE key = 'version'",
        "UPDATE build SET value = 'false' WHERE key = 'synthetic'",
    )(real)
    write_catalog(folder)
    handle, made_up = nasbase.open("tss", home=folder), nasbase.open("tss", "sample", home=folder)
    assert handle.release == "1.0"
    assert "SYNTHETIC" not in repr(handle)
    assert "SYNTHETIC" in repr(made_up)
    assert handle.trials(0) != made_up.trials(0)
    assert handle.find(made_up[0]) == 0
