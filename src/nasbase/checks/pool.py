"""Running checks, several at once where there are several processors."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from nasbase.checks.check import Artifacts, Check
from nasbase.errors import NasbaseError
from nasbase.joblog import add_worker, peak_mb

logger = logging.getLogger(__name__)

_MOMENT_S = 1.0
"""Ctrl-C ends the workers, too: where they were faster, it comes here a moment later."""

_work: tuple[Sequence[Check], Artifacts]
"""What a worker runs; it has it from the process that it was forked from."""


def run_checks(
    checks: Sequence[Check], artifacts: Artifacts, processes: int = 1
) -> Iterator[dict[str, Any]]:
    """Records of checks, in the order of ``checks``.

    Parameters
    ----------
    checks, artifacts
        What is checked.
    processes
        Checks that run at once, each in a process of its own. Those that say that they are ``long``
        begin first. Workers are forked, so there is one at a time where that is not safe (macOS) or
        not known (Windows).

    Raises
    ------
    NasbaseError
        If a worker was ended from outside, as the system does where memory runs out.
    """
    if processes == 1 or sys.platform != "linux":
        for check in checks:
            yield _logged(*_timed(check, artifacts))
        return
    forked = multiprocessing.get_context("fork")  # a check need not be picklable
    pool = ProcessPoolExecutor(processes, forked, _adopt, (checks, artifacts))
    try:
        longest_first = sorted(range(len(checks)), key=lambda number: not checks[number].long)
        running = {number: pool.submit(_run, number) for number in longest_first}
        for number, check in enumerate(checks):
            try:
                record, seconds, worker, peak = running[number].result()
            except BrokenProcessPool as error:
                time.sleep(_MOMENT_S)
                raise _ended(artifacts, check) from error
            add_worker(worker, peak)
            yield _logged(record, seconds)
    finally:  # whoever interrupts this does not wait for the checks that have not begun
        pool.shutdown(cancel_futures=True)


def _ended(artifacts: Artifacts, check: Check) -> NasbaseError:
    return NasbaseError(
        "A process that ran checks was ended from outside, and with it all that were not done.",
        where=f"{artifacts.folder}, at {check.id} or a later check",
        expected="every check to come to its end",
        found="a process that is gone; where memory runs out, the system ends one",
        todo="Let one check run at a time, which needs less memory: --set-threads validate=1.",
    )


def _adopt(checks: Sequence[Check], artifacts: Artifacts) -> None:
    global _work  # noqa: PLW0603  # one per worker, for all that it is asked to do
    _work = checks, artifacts
    # Ctrl-C ends it, and not just its check; a shell's background job is not meant by it.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run(number: int) -> tuple[dict[str, Any], float, int, float]:
    """Record and seconds of a check; this worker, and the most memory that it had so far."""
    checks, artifacts = _work
    return *_timed(checks[number], artifacts), os.getpid(), peak_mb()


def _timed(check: Check, artifacts: Artifacts) -> tuple[dict[str, Any], float]:
    start = time.perf_counter()
    return check.report(artifacts), time.perf_counter() - start


def _logged(record: dict[str, Any], seconds: float) -> dict[str, Any]:
    logger.info(
        "%s: %s of %s failed, %.2f s", record["id"], record["failed"], record["checked"], seconds
    )
    return record
