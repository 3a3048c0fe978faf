"""`nasbase diff`, against differences that were put in one by one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from nasbase.cli import main
from nasbase.diff.columns import EXACT, Magnitudes
from nasbase.diff.compare import diff
from nasbase.diff.identity import joint_codes
from nasbase.diff.sides import RowReader, open_side
from nasbase.errors import ArtifactError, QueryError
from nasbase.store.build import read_build
from nasbase.store.install import write_catalog
from nasbase.store.parquet import TableWriter
from nasbase.tables.catalogue import tables


def rewrite(folder: Path, name: str, change) -> None:
    """Replace a table by what ``change`` makes of it."""
    path = folder / f"{name}.parquet"
    own = (b"nasbase.table", b"nasbase.digest", b"nasbase.rows")
    said = {
        key.decode(): value.decode()
        for key, value in pq.read_metadata(path).metadata.items()
        if key.startswith(b"nasbase.") and key not in own
    }
    rows = change(pq.read_table(path))
    with TableWriter(path, tables(read_build(folder).benchmark)[name], said) as writer:
        writer.write(rows)


def set_value(rows: pa.Table, column: str, row: int, value: float | None) -> pa.Table:
    values = rows[column].to_pylist()
    values[row] = value
    at = rows.column_names.index(column)
    return rows.set_column(at, column, pa.array(values, rows.schema.field(column).type))


def without(*wanted, **columns):
    """Drops the rows whose columns have these values."""

    def change(rows: pa.Table) -> pa.Table:
        keep = np.ones(len(rows), dtype=bool)
        for name, values in columns.items():
            keep &= ~np.isin(rows[name].to_numpy(), values)
        return rows.filter(pa.array(keep))

    return change


@pytest.fixture
def pair(builds, tmp_path):
    """Two copies of a build, to change."""

    def make(benchmark: str) -> tuple[Path, Path]:
        for side in "ab":
            shutil.copytree(builds / benchmark / "sample", tmp_path / side)
        return tmp_path / "a", tmp_path / "b"

    return make


def compared(a: Path, b: Path):
    return diff(open_side(a), open_side(b))


BENCHMARKS = ["nb101", "nats_tss", "nds"]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_build_is_the_same_as_itself(pair, benchmark):
    found = compared(*pair(benchmark))
    assert found.same
    assert all(table.identical for table in found.tables)
    assert found.touched == 0


def test_one_bit_of_one_number_is_found(pair):
    a, b = pair("nb101")
    before = pq.read_table(a / "trials.parquet")["test_acc_pct"][7].as_py()
    after = float(np.nextafter(before, 100))
    rewrite(b, "trials", lambda rows: set_value(rows, "test_acc_pct", 7, after))
    found = compared(a, b)
    assert not found.same
    trials = found["trials"]
    assert (trials.added, trials.removed, trials.changed) == (0, 0, 1)
    (column,) = trials.columns
    assert column.column == "test_acc_pct"
    assert column.largest == column.median == after - before
    assert (column.largest_at["a"], column.largest_at["b"]) == (before, after)
    assert column.largest_at["run"] == pq.read_table(a / "trials.parquet")["run"][7].as_py()
    assert found.touched == 1
    assert found["curves"].identical


def test_what_appears_vanishes_or_becomes_nan_is_found(pair):
    a, b = pair("nats_tss")
    column = "train_acc5_pct"
    rows = pq.read_table(a / "trials.parquet")
    released = np.flatnonzero(rows[column].is_valid())
    absent = np.flatnonzero(rows[column].is_null())
    assert len(released) > 3
    assert len(absent) > 1

    def change(rows):
        rows = set_value(rows, column, int(released[0]), None)
        rows = set_value(rows, column, int(absent[0]), 50.0)
        return set_value(rows, column, int(released[1]), float("nan"))

    rewrite(b, "trials", change)
    (found,) = compared(a, b)["trials"].columns
    assert (found.rows, found.appeared, found.vanished, found.numbers) == (3, 1, 1, 0)
    assert found.largest is None


def test_the_sign_of_zero_is_found(pair):
    a, b = pair("nats_tss")
    for folder, zero in ((a, 0.0), (b, -0.0)):
        rewrite(folder, "trials", lambda rows, zero=zero: set_value(rows, "train_loss", 0, zero))
    (found,) = compared(a, b)["trials"].columns
    assert (found.rows, found.largest) == (1, 0.0)


def test_nan_equals_nan(pair):
    a, b = pair("nds")
    losses = pq.read_table(a / "trials.parquet")["train_loss"].to_numpy()
    assert np.isnan(losses).any()
    # Another column differs, so that the table is compared at all.
    rewrite(b, "trials", lambda rows: set_value(rows, "iter_time_s", 0, 1e6))
    assert [c.column for c in compared(a, b)["trials"].columns] == ["iter_time_s"]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_an_architecture_that_is_gone_shifts_no_other(pair, benchmark):
    """Ids are ranks in nb101 and nds: everything behind a removed one is renumbered."""
    a, b = pair(benchmark)
    ids = pq.read_table(a / "architectures.parquet")["arch_id"].to_numpy()
    gone = int(ids[3])
    renumber = {"nb101", "nds"}
    of_arch = pq.read_table(a / "trials.parquet", columns=["trial_id", "arch_id"])
    trials = of_arch.filter(pc.equal(of_arch["arch_id"], gone))["trial_id"].to_numpy()
    config_ids = np.empty(0)
    if benchmark == "nds":
        configs = pq.read_table(a / "configurations.parquet")
        config_ids = configs.filter(pc.equal(configs["arch_id"], gone))["config_id"].to_numpy()

    def shift(rows, name, dropped):
        if name not in rows.column_names or not len(dropped):
            return rows
        old = rows[name].to_numpy()
        new = old - np.searchsorted(np.sort(dropped), old)
        at = rows.column_names.index(name)
        return rows.set_column(at, name, pa.array(new, rows.schema.field(name).type))

    def change(rows):
        keep = np.ones(len(rows), dtype=bool)
        for name, dropped in (("arch_id", [gone]), ("trial_id", trials), ("config_id", config_ids)):
            if name in rows.column_names:
                keep &= ~np.isin(rows[name].to_numpy(), dropped)
        rows = rows.filter(pa.array(keep))
        rows = shift(rows, "trial_id", trials)
        rows = shift(rows, "config_id", config_ids)
        return shift(rows, "arch_id", np.array([gone])) if benchmark in renumber else rows

    def change_notes(rows):
        kept = []
        for row in rows.to_pylist():
            key = json.loads(row["key"]) if row["key"] else {}
            if key.get("trial_id") in trials or key.get("arch_id") == gone:
                continue
            if key.get("config_id") in config_ids:
                continue
            dropped = {"trial_id": trials, "config_id": config_ids}
            if benchmark in renumber:
                dropped["arch_id"] = np.array([gone])
            for name in set(key) & set(dropped):
                key[name] -= int(np.searchsorted(np.sort(dropped[name]), key[name]))
            kept.append({**row, "key": json.dumps(key) if row["key"] else None})
        return pa.Table.from_pylist(kept, rows.schema)

    for name in tables(benchmark):
        if name == "notes":
            rewrite(b, name, change_notes)
        elif {"arch_id", "trial_id", "config_id"} & set(tables(benchmark)[name].names):
            rewrite(b, name, change)
    found = compared(a, b)
    assert (found["architectures"].removed, found["architectures"].added) == (1, 0)
    assert found["trials"].removed == len(trials)
    for table in found.tables:
        assert (table.added, table.changed) == (0, 0), table
        assert table.removed == table.rows_a - table.rows_b
    # The other way round what was removed is what is added.
    back = compared(b, a)
    assert back["trials"].added == len(trials)
    assert all((t.removed, t.changed) == (0, 0) for t in back.tables)


def test_points_of_curves(pair):
    a, b = pair("nats_tss")
    curves = pq.read_table(a / "curves.parquet")
    trial, epoch = (curves[n].to_numpy() for n in ("trial_id", "epoch"))
    (point,) = np.flatnonzero((trial == 5) & (epoch == 2))
    (other,) = np.flatnonzero((trial == 6) & (epoch == 3))

    def change(rows):
        old = rows["train_acc_pct"][int(point)].as_py()
        rows = set_value(rows, "train_acc_pct", int(point), old + 2.5)
        return pa.concat_tables([rows.slice(0, other), rows.slice(other + 1)])

    rewrite(b, "curves", change)
    found = compared(a, b)
    curves = found["curves"]
    assert (curves.added, curves.removed, curves.changed, curves.trials) == (0, 1, 1, 2)
    (column,) = curves.columns
    assert column.largest == pytest.approx(2.5)
    assert column.largest_at["epoch"] == 2
    arch = pq.read_table(a / "trials.parquet")["arch_id"].to_numpy()[[5, 6]]
    assert found.touched == len(set(arch))


def test_provenance_is_no_difference(pair):
    a, b = pair("nb101")
    rewrite(b, "trials", lambda rows: set_value(rows, "source_pos", 0, 999))
    found = compared(a, b)
    assert found.same
    (column,) = found["trials"].columns
    assert column.provenance
    assert column.rows == 1


def test_blocks_do_not_matter(pair, monkeypatch):
    a, b = pair("nats_tss")
    rng = np.random.default_rng(1)

    def change(rows):
        values = rows["train_loss"].to_numpy(zero_copy_only=False) + rng.normal(size=len(rows))
        at = rows.column_names.index("train_loss")
        return rows.set_column(at, "train_loss", pa.array(values))

    rewrite(b, "curves", change)
    whole = compared(a, b).to_dict()
    monkeypatch.setattr("nasbase.diff.compare.BLOCK_ROWS", 37)
    assert compared(a, b).to_dict() == whole
    before, after = (pq.read_table(x / "curves.parquet")["train_loss"].to_numpy() for x in (a, b))
    differs = np.abs(before - after)
    (column,) = whole["tables"]["curves"]["columns"]
    assert column["rows"] == np.count_nonzero(~np.isnan(differs))
    assert column["largest"] == np.nanmax(differs)
    assert column["median"] == np.nanmedian(differs)


def test_rows_are_read_in_any_order(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"n": np.arange(1000)}), path, row_group_size=64)
    reader = RowReader(path)
    rng = np.random.default_rng(1)
    for rows in (
        np.arange(10, 500),
        rng.permutation(1000),
        np.array([999, 0, 999, 5]),
        np.array([], int),
    ):
        assert reader.take(rows, ["n"])["n"].to_pylist() == rows.tolist()
    assert len(reader._kept) <= reader.KEPT_GROUPS


def test_joint_codes_of_equal_and_repeated_rows():
    a = pa.table({"x": ["p", "q", "q", None], "y": [1.0, 2.0, 2.0, float("nan")]})
    b = pa.table({"x": [None, "q", "p"], "y": [float("nan"), 2.0, 1.5]})
    x, y = joint_codes(a, b, {})
    assert len(set(x)) == 4
    assert x[3] == y[0]
    assert x[1] == y[1]
    assert y[2] not in x


def test_the_median_of_many_is_known_to_a_percent():
    sizes = np.random.default_rng(1).lognormal(size=2 * EXACT + 1)
    many = Magnitudes()
    for piece in np.array_split(sizes, 7):
        many.add(piece)
    assert not many.exact
    assert many.median() == pytest.approx(np.median(sizes), rel=0.01)


# ---------------------------------------------------------------------------------------------
# the command


@pytest.fixture
def home(builds, tmp_path):
    """Two releases of nb101 that differ in one number."""
    home = tmp_path / "results"
    shutil.copytree(builds / "nb101", home / "nb101")
    other = home / "nb101" / "sample-two"
    shutil.copytree(home / "nb101" / "sample", other)
    rewrite(other, "trials", lambda rows: set_value(rows, "test_acc_pct", 0, 12.5))
    manifest = json.loads((other / "manifest.json").read_text())
    manifest |= {"release": "sample-two", "version": read_build(other).version}
    (other / "manifest.json").write_text(json.dumps(manifest))
    write_catalog(home)
    return home


def test_exit_status_and_text(home, capsys):
    run = ["diff", "nb101@sample", "nb101@sample-two", "--home", str(home)]
    assert main(run) == 1
    text = capsys.readouterr().out
    assert "trainings +0 -0 ~1" in text
    assert "test_acc_pct" in text
    assert "12.5" in text
    assert main(["diff", "nb101@sample", str(home / "nb101/sample"), "--home", str(home)]) == 0
    assert "The same rows and numbers" in capsys.readouterr().out


def test_json_and_page(home, tmp_path, capsys):
    page = tmp_path / "changes.html"
    run = ["diff", "nasbench101@sample", "nb101@sample-two", "--home", str(home), "--json"]
    assert main([*run, "--html", str(page)]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["synthetic"] is True
    answer = document["answer"]
    assert answer["same"] is False
    (column,) = answer["tables"]["trials"]["columns"]
    assert column["rows"] == 1
    text = page.read_text()
    assert "test_acc_pct" in text
    assert "Made-up numbers" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


@pytest.mark.parametrize("b", ["nb101@nothing", "nb7", "/nowhere", "nds"])
def test_what_cannot_be_compared_is_status_2(home, capsys, b):
    assert main(["diff", "nb101@sample", b, "--home", str(home)]) == 2
    assert "nasbase: " in capsys.readouterr().err


def test_different_benchmarks_are_refused(builds):
    with pytest.raises(QueryError, match="Two different benchmarks"):
        compared(builds / "nb101" / "sample", builds / "nds" / "sample")


def test_a_build_without_a_table_is_refused(pair):
    _, b = pair("nb101")
    (b / "curves.parquet").unlink()
    with pytest.raises(ArtifactError, match="missing or damaged"):
        open_side(b)
