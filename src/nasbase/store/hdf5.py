"""HDF5: dense tensors of curves, built from the Parquet tables alone.

nb201 and NATS: ``/<dataset>/<num_epochs>/<series>`` of shape (architecture, run, epoch), with the
mask ``<series>__present`` of the same shape and the scales ``arch_id`` (architecture) and ``seed``
(architecture, run; -1 where a run does not exist). nds: ``/<source file>/<series>`` of shape
(trial, epoch), with the scales ``trial_id``, ``arch_id`` and ``seed``. A point that was not
released is NaN and its mask is False; a released NaN has mask True. A series that a data set never
has is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nasbase.staging import staged_file
from nasbase.store.build import Build, read_build
from nasbase.store.curves import Block, long_blocks
from nasbase.tables.catalogue import series
from nasbase.tables.columns import Column

CHUNK_BYTES = 1 << 18
"""Bytes of float64 per chunk: some architectures, all their runs and epochs."""

PRESENT = "__present"


def write_hdf5(parquet: Path, path: Path, *, scratch: Path | None = None) -> None:
    """Write ``curves.h5`` of the build whose Parquet tables are in ``parquet``.

    The file grows in ``scratch``, else beside ``path``, and appears when it is whole.
    """
    build = read_build(parquet)
    with (
        staged_file(path, scratch) as temporary,
        h5py.File(temporary, "w", libver=("v110", "v110")) as file,
    ):
        for key, value in build.described().items():
            file.attrs[key] = value
        if build.benchmark == "nds":
            _write_files(file, build, parquet)
        else:
            _write_schedules(file, build, parquet)


def _blocks(
    build: Build, parquet: Path, length: str | int, about: Sequence[str] = ()
) -> Iterator[Block]:
    return long_blocks(build.benchmark, "curves", parquet / "curves.parquet", length, about)


class _Tensors:
    """The tensors of one group of the file: one per series, and its mask.

    The first axis (architectures, or trials) is filled in ascending order; rows are collected and
    written in whole chunks, so that no chunk is compressed twice.

    Parameters
    ----------
    group
        Group of the HDF5 file.
    columns
        The series.
    ids
        Sorted ids along the first axis.
    shape
        The other axes.
    axes
        Names of all axes, for the reader of the file.
    """

    def __init__(
        self,
        group: h5py.Group,
        columns: Sequence[Column],
        ids: np.ndarray,
        shape: tuple[int, ...],
        axes: str,
    ) -> None:
        self.group = group
        self.columns = columns
        self.ids = ids
        self.shape = (len(ids), *shape)
        self.axes = axes
        self.rows = max(1, min(len(ids), CHUNK_BYTES // (8 * int(np.prod(shape)))))
        self._start(0)

    def _start(self, first: int) -> None:
        self._first = first
        count = min(self.rows, len(self.ids) - first)
        shape = (len(self.columns), count, *self.shape[1:])
        self._values, self._present = np.zeros(shape), np.zeros(shape, dtype=bool)

    def add(
        self, ids: np.ndarray, inner: tuple[np.ndarray, ...], block: Block, chosen: np.ndarray
    ) -> None:
        """Add the chosen trials of a block.

        ``ids`` (ascending over all calls) and ``inner`` place them along all axes but the last.
        """
        row = np.searchsorted(self.ids, ids)
        for start in range(self._first, int(row[-1]) + 1, self.rows):
            if start != self._first:
                self.flush()
            here = np.flatnonzero((row >= start) & (row < start + self.rows))
            at: Any = (slice(None), row[here] - start, *(index[here] for index in inner))
            self._values[at] = block.values[chosen[here]].swapaxes(0, 1)
            self._present[at] = block.present[chosen[here]].swapaxes(0, 1)

    def flush(self) -> None:
        """Write the collected rows and start with the next chunk."""
        rows = slice(self._first, self._first + self._values.shape[1])
        for column, values, present in zip(self.columns, self._values, self._present, strict=True):
            if present.any() or column.name in self.group:
                self._tensor(column)[rows] = np.where(present, values, np.nan)
                self.group[column.name + PRESENT][rows] = present
        if rows.stop < len(self.ids):
            self._start(rows.stop)

    def _tensor(self, column: Column) -> h5py.Dataset:
        if column.name in self.group:
            return self.group[column.name]
        settings = {
            "shape": self.shape,
            "chunks": (self.rows, *self.shape[1:]),
            "compression": "gzip",
            "compression_opts": 1,
            "shuffle": True,
            "track_times": False,  # same inputs, same bytes
        }
        tensor = self.group.create_dataset(column.name, dtype="<f8", fillvalue=np.nan, **settings)
        tensor.attrs["unit"] = column.unit
        tensor.attrs["description"] = column.meaning
        tensor.attrs["axes"] = self.axes
        self.group.create_dataset(column.name + PRESENT, dtype=bool, fillvalue=False, **settings)
        return tensor


def _scale(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group.create_dataset(name, data=values.astype("<i8"), track_times=False)


def _write_schedules(file: h5py.File, build: Build, parquet: Path) -> None:
    """nb201 and NATS: ``/<dataset>/<num_epochs>``, (architecture, run, epoch)."""
    names = ["arch_id", "dataset", "num_epochs", "run", "seed"]
    trials = pq.read_table(parquet / "trials.parquet", columns=names)
    schedules = trials.group_by(["dataset", "num_epochs"]).aggregate([]).to_pylist()
    tensors: dict[tuple[str, int], _Tensors] = {}
    for dataset, epochs in sorted(tuple(row.values()) for row in schedules):
        mine = (pc.field("dataset") == dataset) & (pc.field("num_epochs") == epochs)
        arch, run, seed = (
            trials.filter(mine)[name].to_numpy() for name in ("arch_id", "run", "seed")
        )
        ids = np.unique(arch)
        seeds = np.full((len(ids), int(run.max()) + 1), -1)
        seeds[np.searchsorted(ids, arch), run] = seed
        group = file.create_group(f"{dataset}/{epochs}")
        _scale(group, "arch_id", ids)
        _scale(group, "seed", seeds)
        shape = (seeds.shape[1], epochs)
        columns = series(build.benchmark)
        tensors[dataset, epochs] = _Tensors(group, columns, ids, shape, "architecture, run, epoch")
    for block in _blocks(build, parquet, "num_epochs", ["dataset", "arch_id", "run"]):
        dataset = np.asarray(block.rows["dataset"].to_pylist(), dtype=object)
        arch, run = (block.rows[name].to_numpy() for name in ("arch_id", "run"))
        for name in sorted(set(dataset)):
            chosen = np.flatnonzero(dataset == name)
            tensors[name, block.length].add(arch[chosen], (run[chosen],), block, chosen)
    for group in tensors.values():
        group.flush()


def _write_files(file: h5py.File, build: Build, parquet: Path) -> None:
    """nds: ``/<source file>``, (trial, epoch)."""
    names = ["trial_id", "arch_id", "source_file", "num_epochs", "seed"]
    trials = pq.read_table(parquet / "trials.parquet", columns=names)
    source = np.asarray(trials["source_file"].to_pylist(), dtype=object)
    longest = int(pc.max(trials["num_epochs"]).as_py() or 1)
    tensors: dict[str, _Tensors] = {}
    for name in sorted(set(source)):
        mine = trials.filter(pa.array(source == name))
        group = file.create_group(Path(name).stem)
        group.attrs["source_file"] = name
        ids = mine["trial_id"].to_numpy()
        _scale(group, "trial_id", ids)
        _scale(group, "arch_id", mine["arch_id"].to_numpy())
        _scale(group, "seed", np.asarray(pc.fill_null(mine["seed"], -1)))
        tensors[name] = _Tensors(group, series(build.benchmark), ids, (longest,), "trial, epoch")
    for block in _blocks(build, parquet, longest):
        ids = block.rows["trial_id"].to_numpy()
        for name in sorted(set(source[ids])):
            chosen = np.flatnonzero(source[ids] == name)
            tensors[name].add(ids[chosen], (), block, chosen)
    for group in tensors.values():
        group.flush()
