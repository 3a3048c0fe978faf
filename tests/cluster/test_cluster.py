"""The whole build as Slurm jobs, two of which are killed in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from harness import ROOT, Result, Workflow, digests, environment, sample, workflow_in
from slurm import Slurm
from stepwise import build_all

# What a cluster without accounting needs beside the profile. The executor waits 10 s more each time
# that it found nothing new: from 1 s on, a step of some seconds takes 12 here.
FLAGS = [
    *("--profile", str(ROOT / "profiles" / "slurm")),
    *("--slurm-status-command", "squeue", "--slurm-no-account"),
    *("--slurm-init-seconds-before-status-checks", "1"),
]
NB101_SHARD = re.compile(r"convert_wildcards_nb101_sample_\w+_000-of-002")
SETTINGS = {"outputs": "sqlite,hdf5", "benchmarks": "nb101,nds"}


@dataclass
class ClusterWorkflow(Workflow):
    """A working folder whose jobs run on the cluster."""

    def command(self, *arguments: str, **config) -> list[str]:
        command = super().command(*arguments, **config)
        at = command.index("--cores")
        command[at : at + 2] = FLAGS
        return command

    @contextlib.contextmanager
    def running(self, *arguments: str, **config):
        """A run in the background, and afterwards its result."""
        log = self.folder / "snakemake.log"
        result = Result(-1, "")
        with log.open("w") as output:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command(*arguments, **config)],
                cwd=self.folder,
                env=self.environment(),
                stdout=output,
                stderr=output,
            )
        try:
            yield result
            result.code = process.wait(240)
        except BaseException as error:
            error.add_note(log.read_text())
            raise
        finally:
            if process.poll() is None:
                process.kill()  # its jobs end with the cluster
                process.wait()
        result.text = log.read_text()

    def environment(self) -> dict[str, str]:
        """The submitting host has a folder for temporary files that no job should use."""
        return {**environment(), "TMPDIR": str(self.folder / "tmp-of-the-submitting-host")}

    def inodes(self) -> dict[str, int]:
        """Which files are installed, whatever their content."""
        results = self.folder / "results"
        return {str(path.relative_to(results)): path.stat().st_ino for path in results.rglob("*")}


def rules_of(jobs: dict[str, dict], state: str) -> Counter:
    """How many Slurm jobs of each rule ended in a state."""
    return Counter(
        re.match(r"rule_([a-z0-9]+)", job["Comment"])[1]
        for job in jobs.values()
        if job["JobState"] == state
    )


# ---------------------------------------------------------------------------------------------
# catching a job in the middle


def scripts(folder: Path, rule: str) -> Iterator[tuple[int, str]]:
    """Processes that run the script of a rule's jobs in ``folder``, and their Slurm jobs."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # ended meanwhile
            if entry.name.isdigit() and Path(os.readlink(entry / "cwd")) == folder:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                job = re.search(rb"\0SLURM_JOB_ID=(\d+)\0", (entry / "environ").read_bytes())
                if job and any(part.endswith(f".{rule}.py".encode()) for part in arguments[1:2]):
                    yield int(entry.name), job[1].decode()


def freeze(
    slurm: Slurm, folder: Path, rule: str, wildcards: re.Pattern, begun: Callable[[str], object]
) -> tuple[int, str]:
    """Stop the script of a rule's job as soon as it has begun to write; process and job."""
    found: list[tuple[int, str]] = []

    def appeared() -> bool:
        for process, job in scripts(folder, rule):
            with contextlib.suppress(ProcessLookupError):  # another shard, which has ended
                os.kill(process, signal.SIGSTOP)  # at once: what it does takes milliseconds
                if wildcards.search(slurm.jobs()[job]["Comment"]):
                    found.append((process, job))
                else:
                    os.kill(process, signal.SIGCONT)
        return bool(found)

    slurm.wait(appeared, f"a job of rule {rule} runs", 120)
    process, job = found[0]
    deadline = time.monotonic() + 60
    while not begun(job):
        assert time.monotonic() < deadline, f"{rule} never began to write"
        os.kill(process, signal.SIGCONT)
        time.sleep(0.002)
        os.kill(process, signal.SIGSTOP)
    return process, job


# ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("samples")
    # A shard of NAS-Bench-101 is written for a third of a second: long enough to be caught at it.
    for name, architectures in {"nb101": 12_000, "nds": 60}.items():
        sample(out, name, architectures=architectures)
    return out


@dataclass
class Story:
    """A build in which the process of one job was killed, which was tried again."""

    workflow: ClusterWorkflow
    result: Result
    killed: str
    left: list[str]
    expected: dict[str, str]


@pytest.fixture(scope="module")
def story(slurm, samples, tmp_path_factory) -> Story:
    plain = workflow_in(tmp_path_factory.mktemp("cluster") / "work", samples, **SETTINGS)
    workflow = ClusterWorkflow(plain.folder, config=plain.config)
    (workflow.folder / "tmp-of-the-submitting-host").mkdir()

    def begun(_job: str) -> list[Path]:
        return list(workflow.folder.glob("build/nb101/*/shards/.000-of-002.*.tmp/*"))

    with workflow.running() as result:
        process, killed = freeze(slurm, workflow.folder, "convert", NB101_SHARD, begun)
        (unfinished,) = {path.parent for path in begun(killed)}
        left = [path.name for path in unfinished.parent.glob("000-of-002")]
        os.kill(process, signal.SIGKILL)
    # The same build here, its steps called one after another.
    forms = {"outputs": ["sqlite", "hdf5"]}
    local = build_all(samples, tmp_path_factory.mktemp("local"), ["nb101", "nds"], **forms)
    return Story(workflow, result, killed, left, digests(local))


def test_a_killed_process_is_reported_and_its_job_tried_again(story, slurm):
    assert story.result.code == 0, story.result.text
    assert f"SLURM-job '{story.killed}' failed" in story.result.text
    assert "Trying to restart job" in story.result.text
    assert slurm.jobs()[story.killed]["JobState"] == "FAILED"
    assert story.left == []


def test_the_results_are_those_of_a_local_build(story):
    assert story.workflow.digests() == story.expected


def test_every_rule_ran_as_a_slurm_job_but_those_of_the_submitting_host(story, slurm):
    jobs = {
        number: job
        for number, job in slurm.jobs().items()
        if job["WorkDir"] == str(story.workflow.folder) and job["Comment"] != "(null)"
    }
    assert rules_of(jobs, "FAILED") == {"convert": 1}
    ran = {"plan": 2, "convert": 4, "assemble": 2, "sqlite": 2, "hdf5": 1, "validate": 2}
    assert rules_of(jobs, "COMPLETED") == ran
    local = Counter(story.result.rules) - Counter(ran)
    assert local == {"fetch": 2, "install": 2, "catalog": 1}


def test_jobs_asked_for_what_their_rules_say(story, slurm):
    needs = yaml.safe_load((ROOT / "workflow" / "resources.yaml").read_text())["assemble"]
    for benchmark in ("nb101", "nds"):
        comment = f"rule_assemble_wildcards_{benchmark}"
        job = next(job for job in slurm.jobs().values() if job["Comment"].startswith(comment))
        assert job["TRES"].split(",")[:2] == ["cpu=1", f"mem={needs['mem_mb'][benchmark]}M"]
        assert job["TimeLimit"] == f"{needs['runtime'] // 60:02}:{needs['runtime'] % 60:02}:00"


def test_databases_and_tensors_grew_in_the_scratch_of_their_jobs(story, slurm):
    forms = {}
    for number, job in slurm.jobs().items():
        rule = re.match("rule_(sqlite|hdf5)_wildcards_([a-z0-9]+)", job["Comment"])
        if rule:
            forms[rule.groups()] = number
    assert set(forms) == {("sqlite", "nb101"), ("sqlite", "nds"), ("hdf5", "nds")}
    for (rule, benchmark), number in forms.items():
        (log,) = story.workflow.folder.glob(f"logs/{rule}/{benchmark}-*.log")
        assert f"Writing in the job's scratch {slurm.scratch / number}." in log.read_text()
        assert (slurm.folder / "left" / number).read_text() == ""


def test_no_job_used_the_temporary_folder_of_the_submitting_host(story):
    assert os.listdir(story.workflow.folder / "tmp-of-the-submitting-host") == []


def test_a_cancelled_job_leaves_what_is_installed_and_the_next_run_completes(story, slurm):
    workflow, before = story.workflow, story.workflow.inodes()
    (database,) = workflow.folder.glob("build/nb101/*/nb101.sqlite")
    anew, only = ("--forcerun", "sqlite"), {"benchmarks": "nb101"}

    def begun(job: str) -> list[Path]:
        return list((slurm.scratch / job).glob(".nb101.sqlite.*.tmp"))

    with workflow.running(*anew, "--retries", "0", **only) as result:
        _process, job = freeze(slurm, workflow.folder, "sqlite", re.compile("nb101"), begun)
        slurm.command("scancel", job)
    assert result.code != 0
    assert f"SLURM-job '{job}' failed, SLURM status is: 'CANCELLED'" in result.text
    assert workflow.inodes() == before
    assert workflow.digests() == story.expected
    assert not list(database.parent.glob("*.sqlite*"))
    assert not list(database.parent.glob(".*"))
    slurm.wait(lambda: not (slurm.scratch / job).exists(), "the job's scratch is removed")

    # A site whose scratch is elsewhere: the resource is read on the node.
    own = f"tmpdir='{slurm.scratch}/site.$SLURM_JOB_ID'"
    again = workflow.run(*anew, "--default-resources", own, **only)
    assert again.rules == ["catalog", "install", "sqlite", "validate"]
    (log,) = workflow.folder.glob("logs/sqlite/nb101-*.log")
    assert re.search(rf"Writing in the job's scratch {slurm.scratch}/site\.\d+\.", log.read_text())
    installed = json.loads((workflow.folder / "results/catalog.json").read_text())
    assert sorted(installed["benchmarks"]) == ["nb101", "nds"]
    assert workflow.digests() == story.expected
    assert workflow.run("-n", **only).nothing_to_do
