"""What the pages show of a build, read from its installed files, by column."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nasbase.diff.identity import ARCHITECTURE_KEYS
from nasbase.query.vocabulary import ROLES
from nasbase.store.install import MANIFEST, VALIDATION
from nasbase.store.parquet import open_parquet
from nasbase.tables.catalogue import SPLITS


@dataclass(frozen=True, slots=True)
class Setting:
    """Every network that was trained in one way: its means over runs, as columns.

    Attributes
    ----------
    family
        Search space and generator, for NDS; else empty.
    ids
        ``arch_id`` (nds: ``config_id``), ascending.
    n
        Runs of each.
    columns
        Columns of ``means`` by name, float64 with NaN where there is no value.
    """

    dataset: str
    num_epochs: int
    family: str
    ids: np.ndarray
    n: np.ndarray
    columns: dict[str, np.ndarray]

    @property
    def label(self) -> str:
        """The setting for people."""
        return ", ".join(filter(None, [self.dataset, f"{self.num_epochs} epochs", self.family]))

    def accuracy(self, split: str) -> np.ndarray:
        """Mean accuracy of each network on a split, in percent."""
        return self.columns[f"{split}_acc_pct_mean"]


class Installed:
    """One installed build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        self.validation: dict[str, Any] = json.loads((folder / VALIDATION).read_text())
        self.benchmark: str = self.manifest["benchmark"]
        self.release: str = self.manifest["release"]
        self.synthetic: bool = self.manifest["synthetic"]

    @property
    def key(self) -> str:
        """Name of the build in file names."""
        return f"{self.benchmark}-{self.release}"

    @property
    def label(self) -> str:
        """Benchmark, release and version, as every figure says."""
        said = [f"{self.benchmark} {self.manifest['version']}"]
        said += ["a part of its space"] * self.manifest["partial"]
        said += ["made-up numbers"] * self.synthetic
        return ", ".join(said)

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits of the benchmark, training first."""
        return SPLITS[self.benchmark]

    def read(self, table: str, names: Sequence[str] | None = None) -> pa.Table:
        """A table, or whole columns of it."""
        with open_parquet(self.folder / f"{table}.parquet") as file:
            return file.read(columns=names and list(names))

    def batches(self, table: str, names: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Some columns of a table, in pieces of at most ``rows`` rows."""
        with open_parquet(self.folder / f"{table}.parquet") as file:
            yield from file.iter_batches(batch_size=rows, columns=list(names))

    # ------------------------------------------------------------------ networks

    @cached_property
    def architectures(self) -> pa.Table:
        """The table of architectures."""
        return self.read("architectures")

    @cached_property
    def subject(self) -> str:
        """What ``means`` has a row for."""
        return "config_id" if self.benchmark == "nds" else "arch_id"

    @cached_property
    def _arch_of_subject(self) -> np.ndarray | None:
        if self.benchmark != "nds":
            return None
        return self.read("configurations", ["arch_id"])["arch_id"].to_numpy()

    def arch_ids(self, ids: np.ndarray) -> np.ndarray:
        """The architectures of networks as ``means`` numbers them."""
        return ids if self._arch_of_subject is None else self._arch_of_subject[ids]

    def architecture(self, subject_id: int) -> dict[str, Any]:
        """The row of an architecture."""
        arch_id = int(self.arch_ids(np.array([subject_id]))[0])
        row = int(np.searchsorted(self.architectures["arch_id"].to_numpy(), arch_id))
        return self.architectures.slice(row, 1).to_pylist()[0]

    def name(self, subject_id: int) -> str:
        """What names an architecture in every release: hash, string or specification."""
        row = self.architecture(subject_id)
        return " ".join(row[key] for key in ARCHITECTURE_KEYS[self.benchmark] if row[key] != "{}")

    @cached_property
    def families(self) -> np.ndarray | None:
        """Family of every NDS configuration; None elsewhere."""
        if self.benchmark != "nds":
            return None
        read = self.read("configurations", ["proposer", "generator"])
        names = [
            proposer if generator == "random" else f"{proposer} ({generator})"
            for proposer, generator in zip(*(c.to_pylist() for c in read.columns), strict=True)
        ]
        return np.array(names)

    def family(self, row: Mapping[str, Any]) -> str:
        """Family of the network that a row is about; empty where a benchmark has none."""
        return "" if self.families is None else str(self.families[row["config_id"]])

    # ------------------------------------------------------------------ numbers

    @cached_property
    def settings(self) -> list[Setting]:
        """Means over runs, by data set, schedule and (nds) family."""
        wanted = [f"{s}_acc_pct_{what}" for s in self.splits for what in ("mean", "sd")]
        with open_parquet(self.folder / "means.parquet") as file:
            known = file.schema_arrow.names
        costs = ("train_time_total_s_mean", "latency_s_mean", "iter_time_s_mean")
        wanted += [name for name in costs if name in known]
        means = self.read("means", [self.subject, "dataset", "num_epochs", "n", *wanted])
        ids = means[self.subject].to_numpy()
        columns = {name: _float(means[name]) for name in wanted}
        kinds = [_codes(means["dataset"]), means["num_epochs"].to_numpy()]
        families = self.families
        if families is not None:
            kinds.append(np.unique(families, return_inverse=True)[1][ids])
        _, first, group = np.unique(
            np.column_stack(kinds), axis=0, return_index=True, return_inverse=True
        )
        n = means["n"].to_numpy()
        found = []
        for number, row in enumerate(first):
            inside = np.flatnonzero(group == number)
            found.append(
                Setting(
                    dataset=means["dataset"][int(row)].as_py(),
                    num_epochs=int(means["num_epochs"][int(row)].as_py()),
                    family="" if families is None else str(families[ids[row]]),
                    ids=ids[inside],
                    n=n[inside],
                    columns={name: column[inside] for name, column in columns.items()},
                )
            )
        order = {name: i for i, name in enumerate(ROLES[self.benchmark])}
        return sorted(
            found, key=lambda s: (order.get(s.dataset, len(order)), -s.num_epochs, s.family)
        )

    def sizes(self, setting: Setting) -> dict[str, np.ndarray]:
        """What each network of a setting costs, by what is counted."""
        if self.benchmark == "nds":
            by_config = self._recorded_sizes
            found = {name: column[setting.ids] for name, column in by_config.items()}
        else:
            costs = self._costs.filter(pc.equal(self._costs["dataset"], setting.dataset))
            at = np.searchsorted(costs["arch_id"].to_numpy(), setting.ids)
            found = {name: _float(costs[name])[at] for name in ("params", "macs")}
        found |= {n: c for n, c in setting.columns.items() if n.endswith("_s_mean")}
        return {name: column for name, column in found.items() if not np.isnan(column).all()}

    @cached_property
    def _costs(self) -> pa.Table:
        return self.read("costs", ["arch_id", "dataset", "params", "macs"])

    @cached_property
    def _recorded_sizes(self) -> dict[str, np.ndarray]:
        """NDS: size as recorded by the first run of each configuration."""
        trials = self.read("trials", ["config_id", "params", "flops"])
        ids, first = np.unique(trials["config_id"].to_numpy(), return_index=True)
        found = {}
        for name in ("params", "flops"):
            column = np.full(int(ids.max(initial=-1)) + 1, np.nan)
            column[ids] = _float(trials[name])[first]
            found[name] = column
        return found

    # ------------------------------------------------------------------ roles

    def by_role(self, setting: Setting, role: str) -> tuple[str, np.ndarray] | None:
        """What plays a role (``valid``, ``test``) for the networks of a setting.

        The validation accuracy of cifar10 is that of another training, on half of the images.

        Returns
        -------
        tuple or None
            Name of data set and split, and a number per network of the setting (NaN: none).
        """
        where = ROLES[self.benchmark].get(setting.dataset, {}).get(role)
        if where is None:
            return None
        dataset, split = where
        if dataset == setting.dataset:
            return split, setting.accuracy(split)
        for other in self.settings:
            if (other.dataset, other.num_epochs) == (dataset, setting.num_epochs):
                numbers = np.full(len(setting.ids), np.nan)
                _, here, there = np.intersect1d(
                    setting.ids, other.ids, assume_unique=True, return_indices=True
                )
                numbers[here] = other.accuracy(split)[there]
                return f"{dataset} {split}", numbers
        return None


def _float(column: pa.ChunkedArray) -> np.ndarray:
    """float64 with NaN for NULL."""
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan))


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """One integer per text, in the order of first sight."""
    return np.asarray(column.combine_chunks().dictionary_encode().indices)
