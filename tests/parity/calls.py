"""The same call to two packages, and everything about the two outcomes that a caller can see."""

from __future__ import annotations

import contextlib
import io
import math
import random
import re
import sys
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

TIMES = re.compile(r"\[\d{4}-\d\d-\d\d [^\]]*\]")


@dataclass
class Outcome:
    """What a call gave, printed, warned of and drew."""

    value: Any
    error: tuple[type, str] | None
    printed: str
    warned: list[str]
    state: tuple


def outcome(api: Any, method: str, *args: Any, seed: int = 0, **kwargs: Any) -> Outcome:
    """Ask, after seeding the module-level generator."""
    random.seed(seed)
    printed = io.StringIO()
    value = error = None
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always")
        try:
            value = getattr(api, method)(*args, **kwargs)
        except Exception as raised:  # whatever it is, the other package must raise the same
            error = type(raised), str(raised)
    texts = [str(one.message) for one in caught if one.category is UserWarning]
    return Outcome(value, error, TIMES.sub("[time]", printed.getvalue()), texts, random.getstate())


def same(ours: Any, theirs: Any, *, where: str = "value") -> None:
    """Equal to the last bit, types included."""
    kind, other = type(ours), type(theirs)
    if kind.__name__ in ("ArchResults", "ResultsCount"):
        assert kind.__name__ == other.__name__, where
        assert _shown(ours) == _shown(theirs), where
        same(ours.state_dict(), theirs.state_dict(), where=f"{where}.state")
        return
    assert kind is other, f"{where}: {kind} instead of {other}"
    if isinstance(ours, float):
        if math.isnan(theirs):
            assert math.isnan(ours), where
        elif sys.version_info >= (3, 12):  # sums are compensated, stored means are not
            assert ours == pytest.approx(theirs, rel=1e-13, abs=0), where
        else:
            assert ours == theirs, f"{where}: {ours!r} instead of {theirs!r}"
    elif isinstance(ours, Mapping):
        assert set(ours) == set(theirs), where
        if isinstance(ours, OrderedDict):
            assert list(ours) == list(theirs), where
        for key in ours:
            same(ours[key], theirs[key], where=f"{where}[{key!r}]")
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs), where
        for i, (one, two) in enumerate(zip(ours, theirs, strict=True)):
            same(one, two, where=f"{where}[{i}]")
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype, where
        assert np.array_equal(ours, theirs), where
    else:
        assert ours == theirs, f"{where}: {ours!r} instead of {theirs!r}"


def _shown(record: Any) -> str | None:
    """How a record shows itself; one that recorded no size cannot, in either package."""
    try:
        return repr(record)
    except TypeError:
        return None


def same_outcome(ours: Outcome, theirs: Outcome, about: object, *, text: bool = True) -> None:
    """Value or exception, printed lines, warnings and random state."""
    if theirs.error is None:
        assert ours.error is None, f"{about}: {ours.error}"
        same(ours.value, theirs.value, where=str(about))
    else:
        assert ours.error is not None, f"{about}: {ours.value!r} instead of {theirs.error}"
        assert ours.error[0] is theirs.error[0], f"{about}: {ours.error} instead of {theirs.error}"
        if text:
            assert ours.error[1] == theirs.error[1], about
    assert ours.printed == theirs.printed, about
    assert ours.warned == theirs.warned, about
    assert ours.state == theirs.state, about
