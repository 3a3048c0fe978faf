"""Logging of a workflow's job: everything goes to its log file, and a mistake ends it plainly."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasbase.errors import NasbaseError

USED = "used "
"""What stands in the log before the JSON of `used`."""

_INTERRUPTED = (
    "Interrupted. What is finished stays, what is not is gone: start the same command again."
)

_workers: dict[int, float] = {}


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Log to ``path`` inside the block; end the process with status 1 on a `NasbaseError`.

    Such an error is the user's answer, so it stands in the log and on stderr without a traceback;
    so does an interruption (status 130). Any other exception is logged with its traceback and
    raised. The last line of the log says what the job used.
    """
    start = time.perf_counter()
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        with _NoPandas():
            yield
    except NasbaseError as error:
        logging.getLogger(__name__).error("%s", error)
        sys.stderr.write(f"\n{error}\n\n")
        sys.exit(1)
    except KeyboardInterrupt:
        logging.getLogger(__name__).error("%s", _INTERRUPTED)
        sys.stderr.write(f"\n{_INTERRUPTED}\n\n")
        sys.exit(128 + signal.SIGINT)
    except Exception:
        logging.getLogger(__name__).exception("The job failed.")
        raise
    finally:
        logging.getLogger(__name__).info(
            "%s%s", USED, json.dumps(used(time.perf_counter() - start))
        )
        root.removeHandler(handler)
        handler.close()


class _NoPandas:
    """Finder of modules that keeps pandas out of a job, unless it is there already.

    At its first array pyarrow imports pandas if it can, and that takes a job as long as all of its
    other imports. No job needs it.
    """

    def __enter__(self) -> None:
        sys.meta_path.insert(0, self)

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("jobs do without pandas", name=name)


def add_worker(worker: int, peak_mb: float) -> None:
    """Count a process that works for this one: its id, and the most memory that it had."""
    _workers[worker] = max(peak_mb, _workers.get(worker, 0.0))


def used(wall_s: float) -> dict[str, float]:
    """What this process and its ended workers used, as the operating system counted it.

    Snakemake's own benchmark files look at a job every now and then, and so miss short peaks.

    Parameters
    ----------
    wall_s
        Seconds that it ran.

    Returns
    -------
    dict
        ``wall_s`` and ``cpu_s`` in seconds, ``peak_mb`` (resident; the sum of all processes, so
        that pages which they share count for each), and on Linux ``read_mb`` and ``written_mb``
        through system calls, in 10^6 bytes.
    """
    times = os.times()
    numbers = {
        "wall_s": wall_s,
        "cpu_s": times.user + times.system + times.children_user + times.children_system,
        "peak_mb": peak_mb() + sum(_workers.values()),
    }
    io = Path("/proc/self/io")
    if io.exists():
        moved = _entries(io)
        numbers |= {"read_mb": moved["rchar"] / 1e6, "written_mb": moved["wchar"] / 1e6}
    return {name: round(number, 2) for name, number in numbers.items()}


def peak_mb() -> float:
    """The most memory that this process had at once, in 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        return _entries(status)["VmHWM"] * 1024 / 1e6
    # On Linux this would be the larger of this process and the one that started it.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def _entries(path: Path) -> dict[str, int]:
    """First numbers of the lines of a file of ``/proc``; kB where it says so."""
    lines = (line.partition(":")[::2] for line in path.read_text().splitlines())
    words = {name: value.split() for name, value in lines}
    return {name: int(value[0]) for name, value in words.items() if value and value[0].isdigit()}
