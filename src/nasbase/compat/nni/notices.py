"""What a user of NNI's numbers should hear once."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable


class NniWarning(UserWarning):
    """NNI's answer is right by NNI's rules, and yet not what it seems.

    ``warnings.simplefilter("ignore", nasbase.compat.nni.NniWarning)`` silences it.
    """


SILENCE = 'warnings.simplefilter("ignore", nasbase.compat.nni.NniWarning) silences this.'

_said: set[str] = set()


def warn_once(code: str, sentence: str) -> None:
    """Warn whoever asks a query function for its next row; each ``code`` once per process."""
    if code not in _said:
        # The frames: this function, the query's generator, the program that asks it.
        warnings.warn(f"{sentence} {SILENCE}", NniWarning, stacklevel=3)
        _said.add(code)


def respelled(name: object, known: Iterable[str]) -> str | None:
    """NNI's name of what differs from it in case and punctuation alone; None if nothing does."""
    if not isinstance(name, str) or name in (names := tuple(known)):
        return None
    return next((other for other in names if _letters(other) == _letters(name)), None)


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
