"""Logging of a workflow's job: everything goes to its log file, and a mistake ends it plainly."""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasbase.errors import NasbaseError

USED = "used "
"""What stands in the log before the JSON of `used`."""


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Log to ``path`` inside the block; end the process with status 1 on a `NasbaseError`.

    Such an error is the user's answer, so it stands in the log and on stderr without a traceback.
    Any other exception is logged with its traceback and raised. The last line of the log says what
    the job used.
    """
    start = time.perf_counter()
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    except NasbaseError as error:
        logging.getLogger(__name__).error("%s", error)
        sys.stderr.write(f"\n{error}\n\n")
        sys.exit(1)
    except Exception:
        logging.getLogger(__name__).exception("The job failed.")
        raise
    finally:
        logging.getLogger(__name__).info(
            "%s%s", USED, json.dumps(used(time.perf_counter() - start))
        )
        root.removeHandler(handler)
        handler.close()


def used(wall_s: float) -> dict[str, float]:
    """What this process used, as the operating system counted it.

    Snakemake's own benchmark files look at a job every now and then, and so miss short peaks.

    Parameters
    ----------
    wall_s
        Seconds that it ran.

    Returns
    -------
    dict
        ``wall_s`` and ``cpu_s`` in seconds, ``peak_mb`` (resident), and on Linux ``read_mb`` and
        ``written_mb`` through system calls, in 10^6 bytes.
    """
    proc = Path("/proc/self")
    if not (proc / "io").exists():
        # On Linux this would be the larger of this process and the one that started it.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
        return _rounded(wall_s=wall_s, cpu_s=time.process_time(), peak_mb=peak / 1e6)
    status, io = _entries(proc / "status"), _entries(proc / "io")
    return _rounded(
        wall_s=wall_s,
        cpu_s=time.process_time(),
        peak_mb=status["VmHWM"] * 1024 / 1e6,
        read_mb=io["rchar"] / 1e6,
        written_mb=io["wchar"] / 1e6,
    )


def _entries(path: Path) -> dict[str, int]:
    """First numbers of the lines of a file of ``/proc``; kB where it says so."""
    lines = (line.partition(":")[::2] for line in path.read_text().splitlines())
    words = {name: value.split() for name, value in lines}
    return {name: int(value[0]) for name, value in words.items() if value and value[0].isdigit()}


def _rounded(**numbers: float) -> dict[str, float]:
    return {name: round(number, 2) for name, number in numbers.items()}
