"""NNI's tables to the letter: what peewee 3 makes of the models of ``nni.nas.benchmark``.

The models have been the same since NNI 1.8; so have their statements. A column of type ``JSON`` has
numeric affinity in SQLite, which leaves text that is no number alone: it is stored as TEXT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its declared type, whether it may be NULL, its index and foreign key."""

    name: str
    type: str
    null: bool = False
    index: bool = False
    references: str | None = None

    @property
    def declaration(self) -> str:
        """Its part of ``CREATE TABLE``."""
        return f'"{self.name}" {self.type}' + ("" if self.null else " NOT NULL")


@dataclass(frozen=True, slots=True)
class Table:
    """One table; its first column, ``id``, counts its rows from 1."""

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        """Names of all columns, ``id`` included."""
        return ["id", *(column.name for column in self.columns)]

    @property
    def parent(self) -> str:
        """The column that names a row of the table above."""
        (name,) = (column.name for column in self.columns if column.references)
        return name

    @property
    def statement(self) -> str:
        """``CREATE TABLE`` as NNI's database has it."""
        parts = ['"id" INTEGER NOT NULL PRIMARY KEY', *(c.declaration for c in self.columns)]
        parts += [
            f'FOREIGN KEY ("{c.name}") REFERENCES "{c.references}" ("id")'
            for c in self.columns
            if c.references
        ]
        return f'CREATE TABLE "{self.name}" ({", ".join(parts)})'

    @property
    def index_statements(self) -> list[str]:
        """``CREATE INDEX`` of each indexed column, in order."""
        return [
            f'CREATE INDEX "{self.name}_{c.name}" ON "{self.name}" ("{c.name}")'
            for c in self.columns
            if c.index or c.references
        ]


class Tables(NamedTuple):
    """The three tables of one database, each below the one before."""

    configs: Table
    trials: Table
    intermediates: Table


def _reals(names: str, *, null: bool = False) -> list[Column]:
    return [Column(name, "REAL", null=null) for name in names.split()]


def _tables(
    prefix: str, configs: Sequence[Column], trials: Sequence[Column], points: Sequence[Column]
) -> Tables:
    config, trial = f"{prefix}trialconfig", f"{prefix}trialstats"
    above = Column("config_id", "INTEGER", references=config)
    of_trial = Column("trial_id", "INTEGER", references=trial)
    epoch = Column("current_epoch", "INTEGER", index=True)
    return Tables(
        Table(config, tuple(configs)),
        Table(trial, (above, *trials)),
        Table(f"{prefix}intermediatestats", (of_trial, epoch, *points)),
    )


_ACCURACIES = "train_acc valid_acc test_acc ori_test_acc"
_LOSSES = "train_loss valid_loss test_loss ori_test_loss"

TABLES = {
    "nb101": _tables(
        "nb101",
        [
            Column("arch", "JSON", index=True),
            Column("num_vertices", "INTEGER", index=True),
            Column("hash", "VARCHAR(64)", index=True),
            Column("num_epochs", "INTEGER", index=True),
        ],
        _reals("train_acc valid_acc test_acc parameters training_time"),
        _reals("train_acc valid_acc test_acc training_time"),
    ),
    "nb201": _tables(
        "nb201",
        [
            Column("arch", "JSON", index=True),
            Column("num_epochs", "INTEGER", index=True),
            Column("num_channels", "INTEGER"),
            Column("num_cells", "INTEGER"),
            Column("dataset", "VARCHAR(20)", index=True),
        ],
        [
            Column("seed", "INTEGER"),
            *_reals(_ACCURACIES),
            *_reals(_LOSSES, null=True),
            *_reals("parameters latency flops training_time"),
            *_reals("valid_evaluation_time test_evaluation_time ori_test_evaluation_time"),
        ],
        [*_reals(_ACCURACIES, null=True), *_reals(_LOSSES, null=True)],
    ),
    "nds": _tables(
        "nds",
        [
            Column("model_family", "VARCHAR(20)", index=True),
            Column("model_spec", "JSON", index=True),
            Column("cell_spec", "JSON", null=True, index=True),
            Column("dataset", "VARCHAR(15)", index=True),
            Column("generator", "VARCHAR(15)", index=True),
            Column("proposer", "VARCHAR(15)", index=True),
            *_reals("base_lr weight_decay"),
            Column("num_epochs", "INTEGER"),
        ],
        [
            Column("seed", "INTEGER"),
            *_reals("final_train_acc"),
            *_reals("final_train_loss", null=True),
            *_reals("final_test_acc best_train_acc"),
            *_reals("best_train_loss", null=True),
            *_reals("best_test_acc parameters flops iter_time"),
        ],
        [*_reals("train_loss", null=True), *_reals("train_acc test_acc")],
    ),
}
"""Benchmark -> the tables of NNI's database, columns in NNI's order."""
