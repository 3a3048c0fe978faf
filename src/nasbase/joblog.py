"""Logging of a workflow's job: everything goes to its log file, and a mistake ends it plainly."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasbase.errors import NasbaseError


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Log to ``path`` inside the block; end the process with status 1 on a `NasbaseError`.

    Such an error is the user's answer, so it stands in the log and on stderr without a traceback.
    Any other exception is logged with its traceback and raised.
    """
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
        root.removeHandler(handler)
        handler.close()
