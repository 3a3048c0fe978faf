"""The dicts of NNI's query functions, read from its tables row by row.

NNI loads objects: one statement for the trials, one more for the points of each trial and two for
every point. Here two statements are read side by side, one of trials and one of points, both in the
same order, so that any number of trials streams in little memory.

NNI asks for no order and gets SQLite's: that of the configurations where the question names any
of their columns, else that of the trials. Here the same order is asked for, and the nesting of the
loops is fixed (``CROSS JOIN``) so that the rows come in it and nothing is sorted.
"""

# ruff: noqa: S608 - names in queries come from the description of NNI's tables

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from peewee import SqliteDatabase

from nasbase.compat.nni.utils import json_dumps
from nasbase.store.nni.schema import TABLES

Trial = dict[str, Any]


def reduced(reduction: str | None) -> bool:
    """Whether trials of the same configuration are averaged.

    Raises
    ------
    ValueError
        If the reduction is neither 'mean' nor 'none' nor None.
    """
    if reduction not in (None, "none", "mean"):
        raise ValueError(f"Unsupported reduction: '{reduction}'")
    return reduction == "mean"


def trials(
    database: SqliteDatabase,
    benchmark: str,
    asked: Mapping[str, Any],
    *,
    seek: str | None,
    mean: bool,
    include_intermediates: bool,
) -> Iterator[Trial]:
    """Trials of the configurations that a question asks for.

    Parameters
    ----------
    asked
        Column of the configurations -> value that it must have; None asks for nothing.
    seek
        The column whose index is used; None leaves the choice to SQLite. Without statistics SQLite
        takes any of the indexes, also that of ``num_epochs``, behind which half the table lies.
    mean
        Average the trials of each configuration.
    """
    query = _Query(benchmark, asked, seek, mean)
    rows = database.execute_sql(query.trials, query.parameters)
    if not include_intermediates:
        yield from map(query.trial, rows)
    elif mean:  # NNI looks for the points of a trial without id
        for row in rows:
            yield {**query.trial(row), "intermediates": []}
    else:
        points = database.execute_sql(query.points, query.parameters)
        yield from _with_points(map(query.trial, rows), points, query.point_names)


def _with_points(
    found: Iterator[Trial], points: Iterator[tuple], names: Sequence[str]
) -> Iterator[Trial]:
    """Trials with their points; both come in the order of the trials."""
    point = next(points, None)
    for trial in found:
        own = []
        while point is not None and point[0] == trial["id"]:
            own.append(dict(zip(names, point[1:], strict=True)))
            point = next(points, None)
        trial["intermediates"] = own
        yield trial


class _Query:
    """The statements of one question, and how their rows become dicts."""

    def __init__(
        self, benchmark: str, asked: Mapping[str, Any], seek: str | None, mean: bool
    ) -> None:
        configs, stats, intermediates = TABLES[benchmark]
        self._config_names = configs.names
        self._json = [column.name for column in configs.columns if column.type == "JSON"]
        self._stat_names = stats.names[2:]  # without id and config
        self.point_names = ["id", *intermediates.names[2:]]
        types = {column.name: column.type for column in configs.columns}
        asked = {name: value for name, value in asked.items() if value is not None}
        self.parameters = [_parameter(types[name], value) for name, value in asked.items()]
        config, trial = f"{configs.name} AS c", f"{stats.name} AS t"
        if asked:
            source = f"{config} CROSS JOIN {trial} ON t.config_id = c.id"
            group, order = "c.id", "c.id, t.id"
        else:
            source = f"{trial} CROSS JOIN {config} ON t.config_id = c.id"
            group, order = "t.config_id", "t.id"
        conditions = [_condition(name, types[name], seek) for name in asked]
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        columns = [f"c.{name}" for name in configs.names]
        if mean:
            averages = ["NULL" if n == "seed" else f"avg(t.{n})" for n in self._stat_names]
            columns = ["NULL", *averages, *columns]
            end = f"GROUP BY {group} ORDER BY {group}"
        else:
            columns = ["t.id", *(f"t.{name}" for name in self._stat_names), *columns]
            end = f"ORDER BY {order}"
        self.trials = f"SELECT {', '.join(columns)} FROM {source} {where} {end}"
        points = ", ".join(f"i.{name}" for name in ("trial_id", *self.point_names))
        self.points = (
            f"SELECT {points} FROM {source} CROSS JOIN {intermediates.name} AS i "
            f"ON i.trial_id = t.id {where} ORDER BY {order}, i.id"
        )

    def trial(self, row: tuple) -> Trial:
        """NNI's dict of a row: id, configuration, then the numbers."""
        place = 1 + len(self._stat_names)
        config = dict(zip(self._config_names, row[place:], strict=True))
        for name in self._json:
            if config[name] is not None:
                config[name] = json.loads(config[name])
        return {
            "id": row[0],
            "config": config,
            **dict(zip(self._stat_names, row[1:place], strict=True)),
        }


def _condition(name: str, kind: str, seek: str | None) -> str:
    """A unary plus keeps SQLite from using the column's index."""
    column = f"c.{name}" if seek in (None, name) else f"+c.{name}"
    return f"{column} = {'json(?)' if kind == 'JSON' else '?'}"


def _parameter(kind: str, value: Any) -> Any:
    """A value as the fields of peewee 3, which NNI asks through, hand it to SQLite."""
    if kind == "JSON":
        return json_dumps(value)
    if kind != "INTEGER":
        return value.decode() if isinstance(value, bytes) else str(value)
    try:
        return int(value)
    except ValueError:
        return value
