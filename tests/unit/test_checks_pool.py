"""Running checks: one after the other, and several at once."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time

import pytest

from nasbase import joblog
from nasbase.checks.check import Artifacts, Check
from nasbase.checks.pool import run_checks
from nasbase.errors import NasbaseError

forked = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")


@pytest.fixture
def artifacts(tmp_path):
    return Artifacts("nb101", "full", tmp_path, partial=False, synthetic=True)


def counting(number, *, long=False):
    return Check(f"x.{number}", "Counts.", lambda _, o: o.count(number, ["odd"] * (number % 2)),
                 long=long)  # fmt: skip


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_records_come_in_the_order_of_the_checks(artifacts, processes, caplog):
    checks = [counting(number, long=number % 3 == 0) for number in range(20)]
    with caplog.at_level(logging.INFO):
        found = list(run_checks(checks, artifacts, processes))
    assert found == [check.report(artifacts) for check in checks]
    assert [m.partition(":")[0] for m in caplog.messages] == [check.id for check in checks]


@forked
def test_two_run_at_once_and_long_ones_begin_first(artifacts):
    def wait(folder, name, other):
        (folder / name).touch()
        for _ in range(1000):
            if (folder / other).exists():
                return
            time.sleep(0.01)
        raise TimeoutError(other)

    def meet(name, other):
        return Check(name, "Meets.", lambda a, _: wait(a.folder, name, other), long=True)

    def last(a, outcome):
        outcome.count(1, [] if (a.folder / "a").exists() else ["it began before a long one"])

    checks = [Check("c", "Comes later.", last), meet("a", "b"), meet("b", "a")]
    assert [record["passed"] for record in run_checks(checks, artifacts, 2)] == [True] * 3


@forked
def test_a_check_that_stumbles_has_failed(artifacts):
    checks = [counting(2), Check("x.bad", "Stumbles.", lambda *_: 1 / 0), counting(4)]
    found = list(run_checks(checks, artifacts, 2))
    assert [record["passed"] for record in found] == [True, False, True]
    assert "ZeroDivisionError" in found[1]["examples"][0]


@forked
def test_a_worker_that_is_ended_says_what_to_do(artifacts):
    killed = Check("x.killed", "Is killed.", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(NasbaseError, match=r"x\.killed.*[\s\S]*--set-threads validate=1"):
        list(run_checks([killed, *[counting(n) for n in range(4)]], artifacts, 2))


JOB = """
import sys
from pathlib import Path
from nasbase.checks.check import Artifacts, Check
from nasbase.checks.pool import run_checks
from nasbase.joblog import job_log

def fill(artifacts, outcome):
    block = bytearray(b"x") * 100_000_000
    sum(range(5_000_000))

here = Artifacts("nb101", "full", Path("."), partial=False, synthetic=True)
with job_log(sys.argv[1]):
    list(run_checks([Check("a", "", fill), Check("b", "", fill)], here, 2))
"""


@forked
def test_a_job_counts_its_workers(tmp_path):
    log = tmp_path / "job.log"
    subprocess.run([sys.executable, "-c", JOB, str(log)], check=True)
    found = json.loads(log.read_text().splitlines()[-1].partition(joblog.USED)[2])
    assert found["peak_mb"] > 200 + 3 * 20  # two blocks, and three interpreters
    assert found["cpu_s"] > 0.1


INTERRUPTED = """
import os, signal, sys, time
from pathlib import Path
from nasbase.checks.check import Artifacts, Check
from nasbase.checks.pool import run_checks
from nasbase.joblog import job_log

def begin(artifacts, outcome):
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(float(sys.argv[3]))

signal.signal(signal.SIGINT, getattr(signal, sys.argv[2]))
here = Artifacts("nb101", "full", Path("."), partial=False, synthetic=True)
with job_log(sys.argv[1]):
    list(run_checks([Check(name, "", begin) for name in "abcdef"], here, 2))
"""


def begun(command, **more):
    """A job whose output is read unbuffered.

    `communicate` with a timeout reads past the buffer, so what came along with the line that was
    read before it would be lost.
    """
    return subprocess.Popen(
        command, bufsize=0, stdout=subprocess.PIPE, start_new_session=True, **more
    )


@forked
@pytest.mark.parametrize("workers_first", [False, True])
def test_an_interrupted_job_ends_without_the_checks_that_are_left(tmp_path, workers_first):
    log = tmp_path / "job.log"
    command = [sys.executable, "-c", INTERRUPTED, str(log), "default_int_handler", "600"]
    with begun(command, stderr=subprocess.PIPE) as job:
        try:
            workers = [int(job.stdout.readline()) for _ in range(2)]
            if workers_first:
                for worker in workers:
                    os.kill(worker, signal.SIGINT)
                time.sleep(0.2)
            os.killpg(job.pid, signal.SIGINT)  # as a terminal does
            more, said = job.communicate(timeout=60)
        finally:
            if job.returncode is None:
                os.killpg(job.pid, signal.SIGKILL)
    assert (job.returncode, more) == (130, b"")
    assert b"start the same command again" in said
    assert b"Traceback" not in said
    assert "start the same command again" in log.read_text()


@forked
def test_a_job_in_the_background_is_not_interrupted(tmp_path):
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "job.log"), "SIG_IGN", "0.2"]
    with begun(command) as job:
        first = job.stdout.readline()
        os.killpg(job.pid, signal.SIGINT)
        others, _ = job.communicate(timeout=60)
    assert job.returncode == 0
    assert len([first, *others.splitlines()]) == 6
