"""What a job's log ends with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from nasbase.errors import RawDataError
from nasbase.joblog import USED, job_log

JOB = """
import sys
from nasbase.joblog import job_log
with job_log(sys.argv[1]):
    block = bytearray(b"x") * 120_000_000
    del block
    open(sys.argv[2], "wb").write(bytes(5_000_000))
    sum(range(5_000_000))
"""


def last(path):
    line = path.read_text().splitlines()[-1]
    return json.loads(line.partition(USED)[2])


def test_the_log_says_what_the_job_used(tmp_path):
    log = tmp_path / "job.log"
    subprocess.run([sys.executable, "-c", JOB, str(log), str(tmp_path / "made")], check=True)
    found = last(log)
    assert 120 < found["peak_mb"] < 200  # a peak that is over when the job ends
    assert found["cpu_s"] > 0
    assert 0 < found["wall_s"] < 60
    if sys.platform == "linux":
        assert 5 <= found["written_mb"] < 6
        assert found["read_mb"] > 0


def test_a_failed_job_says_it_too(tmp_path, capsys):
    log = tmp_path / "job.log"
    with pytest.raises(SystemExit) as ended, job_log(log):
        raise RawDataError("The file is cut.", where="here", expected="all", found="half", todo="-")
    assert ended.value.code == 1
    assert "The file is cut." in capsys.readouterr().err
    assert "ERROR The file is cut." in log.read_text()
    assert last(log)["peak_mb"] > 0


def test_a_job_does_without_pandas(tmp_path):
    """And what comes after the job has it, if it asks for it."""
    program = """if True:
        import sys
        import numpy as np
        import pyarrow as pa
        from nasbase.joblog import job_log
        with job_log(sys.argv[1]):
            column = pa.array(np.arange(3))
        assert "pandas" not in sys.modules
        import pandas
        assert column.to_pandas().tolist() == [0, 1, 2]
    """
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "log")], check=True)
