"""Progress of a transfer: a bar on a terminal, a line every tenth in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from nasbase.sources.disk import human

Log = Callable[[str], None]

_TENTHS = 10
_LINE_EVERY = 250_000_000
"""Bytes between two lines where the size is unknown."""


class Progress:
    """Shows how far a transfer is.

    Parameters
    ----------
    label
        What is transferred.
    log
        Takes the lines; used where standard error is no terminal.
    """

    def __init__(self, label: str, log: Log) -> None:
        self.label = label
        self._log = log
        self._said = 0
        self._bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(desc=label, unit="B", unit_scale=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def at(self, position: int, total: int | None) -> None:
        """Say that ``position`` of ``total`` bytes are there; it may go back."""
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(position - self._bar.n)
            return
        step = position * _TENTHS // total if total else position // _LINE_EVERY
        if step > self._said:
            part = f"{100 * position // total} % of {human(total)}" if total else human(position)
            self._log(f"{self.label}: {part}")
        self._said = step
