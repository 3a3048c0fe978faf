"""NDS as NNI stores it.

What its converter does, and a user of the database should know:

* ``proposer``, ``generator`` and ``dataset`` come from the file's name. A configuration is whatever
  agrees in all columns, so the repeated trainings of the ``reruns`` and ``rng`` files stand under
  the configuration of the first, and nothing says which file a training came from.
* The nodes of the reduction cell are written up to the number of nodes of the *normal* cell: where
  it has more, the rest is lost (and cells that differ only there become one configuration).
* ``model_spec`` of a residual or vanilla network lacks what is empty or zero.
* Accuracies are 100 minus the released error; ``best_*`` are the best of all epochs, each for
  itself. ``parameters`` and ``flops`` are millions.
* A NaN loss becomes NULL; the best loss is that of the epochs that have one.
* Ids follow the 34 files in NNI's order, ``top`` before ``mid`` in the ``reruns`` files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nasbase.benchmarks.nds.files import GROUPS, STEMS
from nasbase.benchmarks.nds.space import NAS_CELL, canonical_json
from nasbase.store.nni.rows import Content, RowFile, numbers, recorded
from nasbase.store.nni.schema import TABLES
from nasbase.store.parquet import read_batches

_ERRORS = {"train": "train_err_pct", "test": "test_err_pct"}
_SERIES = (*_ERRORS.values(), "train_loss")
_FACTS = ("dataset", "generator", "proposer", "base_lr", "weight_decay", "num_epochs")
"""Columns of ``configurations`` that NNI has too, in its order."""

_PIECE_CONFIGS = 8192


def content(parquet: Path, folder: Path) -> Content:
    """Rows of NNI's tables from the Parquet tables; ``folder`` is for temporary files."""
    path = parquet / "trials.parquet"
    where = ["source_file", "source_group", "source_pos"]
    ids = pq.read_table(path, columns=["config_id", "num_epochs", *where])
    points = RowFile(TABLES["nds"].intermediates, ids.num_rows, folder)
    best, complete = _append_curves(points, parquet / "curves.parquet", ids["num_epochs"])
    trials = RowFile(TABLES["nds"].trials, ids.num_rows, folder)
    for batch in read_batches(path):
        _append_trials(trials, batch, best)
    networks = Networks(parquet / "architectures.parquet")
    configurations = pq.read_table(parquet / "configurations.parquet")
    config_id = ids["config_id"].to_numpy()
    whole = networks.whole[configurations["arch_id"].to_numpy()[config_id]]
    kept = np.flatnonzero(trials.fits & points.fits & complete & whole)
    order = kept[np.lexsort([key[kept] for key in _position(ids)])]
    first, config_of = _distinct(networks, configurations, config_id[order])
    return Content(_configs(networks, configurations, first), trials, points, order, config_of)


def _position(ids: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """NNI's order as keys of a sort, the last one first."""
    stems = [name.removesuffix(".json") for name in ids["source_file"].to_pylist()]
    file = np.array([STEMS.index(stem) for stem in stems], dtype=np.int64)
    second = np.array([group == GROUPS[1] for group in ids["source_group"].to_pylist()], bool)
    return ids["source_pos"].to_numpy(), second, file


# ---------------------------------------------------------------------------------------------
# configurations


class Networks:
    """The architectures of a build as NNI writes them.

    Attributes
    ----------
    number
        By ``arch_id``: the same for architectures that NNI does not tell apart.
    whole
        By ``arch_id``: False where NNI's converter fails, because the reduction cell has fewer
        nodes than the normal one.
    """

    def __init__(self, path: Path) -> None:
        self._rows = pq.read_table(path, columns=["model_family", "model_spec", "cell_spec"])
        self.number = np.arange(self._rows.num_rows)
        self.whole = np.ones(self._rows.num_rows, dtype=bool)
        seen: dict[tuple[str, str], int] = {}
        families = self._rows["model_family"].to_pylist()
        for arch_id, (family, model_spec) in enumerate(
            zip(families, self._rows["model_spec"].to_pylist(), strict=True)
        ):
            if family != NAS_CELL:
                continue
            normal, reduce = _nodes(model_spec)
            self.whole[arch_id] = reduce >= normal
            if reduce > normal:
                key = model_spec, self.texts(arch_id)[2]
                self.number[arch_id] = seen.setdefault(key, arch_id)

    def texts(self, arch_id: int) -> tuple[str, str, str]:
        """Family, ``model_spec`` and ``cell_spec`` of one architecture."""
        family, model_spec, cell_spec = (column[arch_id].as_py() for column in self._rows.columns)
        if family == NAS_CELL:
            normal, reduce = _nodes(model_spec)
            if reduce > normal:
                lost = tuple(f"reduce_{node}_" for node in range(normal, reduce))
                cell = json.loads(cell_spec).items()
                cell_spec = canonical_json({k: v for k, v in cell if not k.startswith(lost)})
        return family, model_spec, cell_spec


def _nodes(model_spec: str) -> tuple[int, int]:
    spec = json.loads(model_spec)
    return spec["num_nodes_normal"], spec["num_nodes_reduce"]


def _distinct(
    networks: Networks, configurations: pa.Table, config_id: np.ndarray
) -> tuple[list[int], np.ndarray]:
    """Our configurations that NNI tells apart, as it meets them, and NNI's id of each of ours."""
    network = networks.number[configurations["arch_id"].to_numpy()].tolist()
    facts = [configurations[name].to_pylist() for name in _FACTS]
    keys = list(zip(network, *facts, strict=True))
    ids: dict[tuple, int] = {}
    first: list[int] = []
    found = np.empty(len(config_id), dtype=np.int64)
    for i, own in enumerate(config_id.tolist()):
        found[i] = ids.setdefault(keys[own], len(ids) + 1)
        if len(ids) > len(first):
            first.append(own)
    return first, found


def _configs(
    networks: Networks, configurations: pa.Table, chosen: list[int]
) -> Iterator[list[tuple]]:
    for start in range(0, len(chosen), _PIECE_CONFIGS):
        rows = configurations.take(pa.array(chosen[start : start + _PIECE_CONFIGS])).to_pylist()
        yield [
            (number, *networks.texts(row["arch_id"]), *(row[name] for name in _FACTS))
            for number, row in enumerate(rows, start=start + 1)
        ]


# ---------------------------------------------------------------------------------------------
# trainings


def _append_curves(
    points: RowFile, path: Path, num_epochs: pa.ChunkedArray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Add the curves; give each series' least value, and whether all points are there."""
    trainings = len(num_epochs)
    # fmin passes over NaN, as NNI does for the loss; a NaN error does not fit its tables.
    least = {name: np.full(trainings, np.nan) for name in _SERIES}
    released = np.zeros(trainings, dtype=np.int64)
    for batch in read_batches(path):
        trial_id = batch["trial_id"].to_numpy()
        present = np.ones(len(trial_id), dtype=bool)
        for name in _SERIES:
            np.fmin.at(least[name], trial_id, numbers(batch, name))
            present &= np.asarray(batch[name].is_valid())
        np.add.at(released, trial_id[present], 1)
        values = {f"{split}_acc": 100 - numbers(batch, name) for split, name in _ERRORS.items()}
        values["train_loss"] = numbers(batch, "train_loss")
        values["current_epoch"] = batch["epoch"].to_numpy()
        points.append(trial_id, values)
    return least, released == num_epochs.to_numpy()


def _append_trials(trials: RowFile, batch: pa.Table, least: dict[str, np.ndarray]) -> None:
    trial_id = batch["trial_id"].to_numpy()
    seed = recorded(batch, "seed", lambda extra: extra.get("rng_seed"))
    trials.fits[trial_id[np.isnan(seed)]] = False
    values = {
        "seed": np.nan_to_num(seed).astype(np.int64),
        "final_train_loss": numbers(batch, "train_loss"),
        "best_train_loss": least["train_loss"][trial_id],
        "parameters": recorded(batch, "params", lambda extra: extra.get("params")) / 1e6,
        "flops": recorded(batch, "flops", lambda extra: extra.get("flops")) / 1e6,
        "iter_time": recorded(batch, "iter_time_s", lambda extra: extra.get("iter_time")),
    }
    for split, name in _ERRORS.items():
        values[f"final_{split}_acc"] = 100 - numbers(batch, name)
        values[f"best_{split}_acc"] = 100 - least[name][trial_id]
    trials.append(trial_id, values)
