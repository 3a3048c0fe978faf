"""What the words in a question mean: roles, splits, data sets, schedules.

A role says what a number is for (``valid``: to choose by; ``test``: to report); a split is what
upstream evaluated on. Which split plays which role is written down once, in `nasbase.tables.roles`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple, overload

from nasbase.errors import QueryError
from nasbase.tables.catalogue import CONFIGURATION_COLUMNS, SPLITS, final_values, recorded, series
from nasbase.tables.roles import ROLES

NO_ROLE = {
    ("nds", "valid"): "NDS has no validation split: its networks were chosen and reported by test "
    "error on the same images. Ask for test_acc, and say so."
}
"""Why a role has no split."""

HP = {
    "nb201": {"less": 12, "full": 200},
    "nats_tss": {"less": 12, "full": 200},
}
"""Upstream's words for schedules, beside the numbers (``'01'``, ``'12'``, ``'200'``)."""

_KINDS = {"acc": "acc_pct", "acc5": "acc5_pct", "loss": "loss", "err": "err_pct", "time": "time_s"}
"""What is measured on a split -> how the column's name ends."""

LOWER_IS_BETTER = ("_loss", "_err_pct", "_time_s", "_total_s", "latency_s", "params", "macs")


CONFIGURATION = tuple(column.name for column in CONFIGURATION_COLUMNS)
"""What tells the configurations of one NDS architecture apart."""


class Answered(NamedTuple):
    """Which column answers, on which data set; ``split`` is None for what has no split."""

    dataset: str
    series: str
    split: str | None


def nearest(name: object, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most likely means."""
    by_lowered = {str(k).lower(): str(k) for k in known}
    import difflib

    lowered = str(name).lower()
    near = difflib.get_close_matches(lowered, by_lowered, n=1, cutoff=0.5)
    near = near or [known for known in by_lowered if len(lowered) > 1 and lowered in known]
    return by_lowered[near[0]] if near else None


def unknown(kind: str, name: object, known: Collection[str], where: object = None) -> QueryError:
    """The error for a name that does not exist."""
    near = nearest(name, known)
    return QueryError(
        f"There is no {kind} {name!r}.",
        where=where,
        expected=", ".join(dict.fromkeys(map(str, known))) or "none",
        found=repr(name)[:200],
        todo=f"Did you mean {near!r}?" if near else None,
    )


def lower_is_better(column: str) -> bool:
    """Whether a smaller value of a column is the better one."""
    return column.endswith(LOWER_IS_BETTER) or column in ("params_m", "flops_m", "flops")


def is_cost(benchmark: str, column: str) -> bool:
    """Whether a column is computed from the architecture alone and not recorded by runs."""
    return column in ("params", "macs") and column not in {c.name for c in recorded(benchmark)}


def split_in(benchmark: str, column: str) -> str | None:
    """The split that a column was measured on, if it was measured on one."""
    for split in sorted(SPLITS[benchmark], key=len, reverse=True):
        rest = column.removeprefix(f"{split}_")
        if rest != column and rest in _KINDS.values():
            return split
    return None


def resolve(benchmark: str, what: str, dataset: str, extra: Collection[str] = ()) -> Answered:
    """Find the column that a role, a split or a column's name means.

    Parameters
    ----------
    what
        A role (``valid_acc``, ``test_loss``), a split (``x-valid``: its accuracy), upstream's
        spelling of one (``x-valid_acc``), or a column (``x_valid_acc_pct``, ``latency_s``).
    dataset
        Data set asked for, in upstream's spelling.
    extra
        Further columns that may answer (sizes, for instance).

    Raises
    ------
    QueryError
        If nothing has this name, or the role has no split on this data set.
    """
    name = what.strip().replace("-", "_") if isinstance(what, str) else repr(what)
    columns = [column.name for column in final_values(benchmark)]
    columns += [column for column in extra if column not in columns]
    if name in columns:
        return Answered(dataset, name, split_in(benchmark, name))
    head, _, kind = name.rpartition("_")
    if name in (*SPLITS[benchmark], "valid", "test"):
        head, kind = name, "acc"
    ending = _KINDS.get(kind)
    roles = ROLES[benchmark].get(dataset, {})
    if ending and head in roles and f"{roles[head][1]}_{ending}" in columns:
        where, split = roles[head]
        return Answered(where, f"{split}_{ending}", split)
    if ending and head in SPLITS[benchmark] and f"{head}_{ending}" in columns:
        return Answered(dataset, f"{head}_{ending}", head)
    if ending and (benchmark, head) in NO_ROLE:
        raise QueryError(
            f"{what!r} has no answer in {benchmark}.",
            expected=", ".join(role_names(benchmark, dataset)),
            found=repr(what),
            todo=NO_ROLE[benchmark, head],
        )
    known = [*role_names(benchmark, dataset), *columns]
    raise unknown("role or column", what, known, where=f"{benchmark}, {dataset}")


def role_names(benchmark: str, dataset: str) -> list[str]:
    """The roles that a data set has, with what is measured: ``valid_acc``, ``test_loss``, ..."""
    columns = {column.name for column in series(benchmark)}
    return [
        f"{role}_{kind}"
        for role, (_, split) in ROLES[benchmark].get(dataset, {}).items()
        for kind, ending in _KINDS.items()
        if f"{split}_{ending}" in columns
    ]


def schedule(benchmark: str, num_epochs: int | None, hp: object) -> int | None:
    """The schedule that ``num_epochs`` or upstream's ``hp`` names.

    Raises
    ------
    QueryError
        If ``hp`` is no name of a schedule, or the two disagree.
    """
    if hp is None:
        return whole(num_epochs, "num_epochs")
    words = HP.get(benchmark, {})
    text = str(hp).strip().lower()
    if text in words:
        named = words[text]
    elif text.isdecimal():
        named = int(text)
    else:
        raise unknown("schedule", hp, ["01", "12", "90", "200", *words], where=f"{benchmark}, hp")
    if num_epochs is not None and whole(num_epochs, "num_epochs") != named:
        raise QueryError(
            "num_epochs and hp name different schedules.",
            expected="one of the two, or the same schedule",
            found=f"num_epochs={num_epochs}, hp={hp!r}",
        )
    return named


@overload
def whole(value: int, name: str) -> int: ...
@overload
def whole(value: int | None, name: str) -> int | None: ...
def whole(value: Any, name: str) -> int | None:
    """An integer given as any integral type; a float, a text or a truth value is refused."""
    if value is None or type(value) is int:
        return value
    try:
        if isinstance(value, bool):
            raise TypeError
        return value.__index__()
    except (AttributeError, TypeError):
        raise QueryError(
            f"{name} is not a whole number.",
            expected="an integer" + (", or hp='200'" if name == "num_epochs" else ""),
            found=repr(value)[:200],
        ) from None


def plain(value: Any) -> Any:
    """A number, text or list of them without numpy's types, which SQLite would take for bytes."""
    return value.tolist() if hasattr(value, "tolist") else value
