"""A Slurm of one node on the loopback address: munged, slurmctld and slurmd, for the tests.

Clients look for their configuration in ``/etc/slurm/slurm.conf``. The variable ``SLURM_CONF`` would
not do: the executor of Snakemake takes every ``SLURM_*`` away from the steps that its jobs start.
So that file is made for the time of the tests, as a link to the real one in a temporary folder, and
only where the site has none of its own. Everything else - key, socket, state, spool, logs, the
scratch of the jobs - lies in temporary folders.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SITE = Path("/etc/slurm")
CONF = SITE / "slurm.conf"
PROGRAMS = ("munged", "slurmctld", "slurmd", "setpriv")
CLIENTS = ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
MARK = "# written by nasbase's tests/cluster, process "
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])

CONFIGURATION = """\
{mark}{owner}
ClusterName=nasbase
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SwitchType=switch/none
SchedulerParameters=batch_sched_delay=0
MailProg=/bin/true
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
TaskProlog={folder}/prolog.sh
Epilog={folder}/epilog.sh
KillWait=2
MinJobAge=600
# A container may show less memory than jobs ask for, or another number of processors.
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 State=UNKNOWN
PartitionName=batch Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

PROLOG = """\
#!/bin/sh
# As sites do: every job gets a folder for temporary files of its own.
mkdir -p {scratch}/$SLURM_JOB_ID
echo export TMPDIR={scratch}/$SLURM_JOB_ID
"""

EPILOG = """\
#!/bin/sh
ls -A {scratch}/$SLURM_JOB_ID > {folder}/left/$SLURM_JOB_ID
rm -rf {scratch}/$SLURM_JOB_ID
"""


class SlurmError(Exception):
    """Slurm did not do what was asked for; the message ends with the daemons' logs."""


def why_not() -> str | None:
    """Why no Slurm can be started here, or None."""
    missing = [name for name in (*PROGRAMS, *CLIENTS) if not shutil.which(name, path=PATH)]
    if missing:
        return f"not installed: {', '.join(missing)} (apt-get install slurm-wlm munge)"
    if os.geteuid() != 0:
        return f"only root can write {CONF}, where Slurm's commands look for their configuration"
    if os.path.lexists(CONF) and not _left_behind():
        return f"this host has a Slurm already ({CONF}), which is left alone"
    return None


def _left_behind() -> bool:
    """Whether the configuration was made by tests that are no longer running."""
    if not CONF.is_symlink():
        return False
    if not CONF.exists():  # the temporary folder is gone
        return Path(os.readlink(CONF)).parent.name.startswith(_PREFIX)
    first = CONF.read_text().split("\n", 1)[0]
    return first.startswith(MARK) and not Path("/proc", first.removeprefix(MARK)).exists()


_PREFIX = "nasbase-slurm-"


@dataclass
class Slurm:
    """A running Slurm.

    Attributes
    ----------
    folder
        Configuration, state and logs.
    scratch
        Holds one folder per running job: its ``TMPDIR``. On another file system where there is one.
    """

    folder: Path
    scratch: Path
    daemons: list[subprocess.Popen] = field(default_factory=list)

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            arguments, env={**os.environ, "PATH": PATH}, check=False, timeout=30,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if done.returncode:
            raise SlurmError(f"{' '.join(arguments)}: {done.stdout}\n{self.logs()}")
        return done.stdout

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 30) -> None:
        """Wait until a condition holds; the daemons' logs stand in the error if it does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            dead = [daemon.args for daemon in self.daemons if daemon.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise SlurmError(f"{what}: not within {seconds} s; ended: {dead}\n{self.logs()}")
            time.sleep(0.05)

    def jobs(self) -> dict[str, dict[str, str]]:
        """Every job that was ever submitted: id -> its fields, as the controller knows them."""
        lines = self.command("scontrol", "--oneliner", "show", "jobs").splitlines()
        rows = [
            dict(word.split("=", 1) for word in line.split() if "=" in word)
            for line in lines
            if line.startswith("JobId=")
        ]
        return {row["JobId"]: row for row in rows}

    def logs(self, lines: int = 60) -> str:
        """What waits and why, and the last lines of every daemon's log."""
        queue = subprocess.run(
            ["squeue", "--states=all", "--format=%i %T %r %k"], env={**os.environ, "PATH": PATH},
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30,
        )  # fmt: skip
        parts = ["--- squeue", queue.stdout]
        for path in sorted(self.folder.glob("*.log")):
            parts += [f"--- {path.name}", *path.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(parts)

    def start(self) -> None:
        """Start the daemons, one after the other, each when the one before it answers."""
        run = ["--foreground", f"--key-file={self.folder}/munge.key"]
        files = [f"--{name}-file={self.folder}/munged.{name}" for name in ("pid", "seed")]
        socket_path = self.folder / "munge.socket"
        self._daemon("munged", *run, *files, f"--socket={socket_path}")
        self.wait(socket_path.exists, "munged makes its socket")
        self._daemon("slurmctld", "-D", "-f", str(CONF))
        self.wait(lambda: self._answers("scontrol", "ping"), "slurmctld answers")
        self._daemon("slurmd", "-D", "-f", str(CONF))
        self.wait(lambda: "idle" in self.command("sinfo", "-h", "-o", "%T"), "the node is idle")

    def _answers(self, *arguments: str) -> bool:
        try:
            return "is UP" in self.command(*arguments)
        except SlurmError:
            return False

    def _daemon(self, name: str, *arguments: str) -> None:
        # setpriv: when the tests are killed, however that happens, the daemons end with them.
        program = shutil.which(name, path=PATH)
        with (self.folder / f"{name}.log").open("w") as log:
            self.daemons.append(
                subprocess.Popen(
                    ["setpriv", "--pdeathsig", "TERM", str(program), *arguments],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip

    def stop(self) -> None:
        """End the jobs, then the daemons, the last one first."""
        with contextlib.suppress(SlurmError, subprocess.TimeoutExpired):
            self.command("scancel", "--user=root")
            self.wait(lambda: not self.command("squeue", "-h"), "no job is left", 15)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for pid in _processes_in(self.folder):  # slurmstepd of a job that would not end
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _processes_in(folder: Path) -> list[int]:
    """Processes whose working folder lies in ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # ended meanwhile
                if Path(os.readlink(entry / "cwd")).is_relative_to(folder):
                    found.append(int(entry.name))
    return found


@contextlib.contextmanager
def slurm_on_loopback() -> Iterator[Slurm]:
    """Start a Slurm, and leave nothing of it behind."""
    with contextlib.ExitStack() as stack:
        folder = _temporary_folder(stack, tempfile.gettempdir())
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(folder)
        slurm = Slurm(folder, _temporary_folder(stack, memory))
        _write_configuration(slurm)
        stack.callback(_place_configuration(folder))
        stack.callback(slurm.stop)
        slurm.start()
        yield slurm


def _temporary_folder(stack: contextlib.ExitStack, parent: str) -> Path:
    # Not pytest's: munge demands that everybody can walk through all folders above its socket.
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    return folder


def _write_configuration(slurm: Slurm) -> None:
    folder = slurm.folder
    for name in ("state", "spool", "left"):
        (folder / name).mkdir()
    (folder / "scratch").symlink_to(slurm.scratch)
    (folder / "munge.key").write_bytes(secrets.token_bytes(1024))
    (folder / "munge.key").chmod(0o400)
    ports = _free_ports(2)
    values = {
        "mark": MARK, "owner": os.getpid(), "folder": folder, "scratch": slurm.scratch,
        "host": socket.gethostname().split(".")[0], "cpus": max(2, os.cpu_count() or 2),
        "controller_port": ports[0], "node_port": ports[1],
    }  # fmt: skip
    (folder / "slurm.conf").write_text(CONFIGURATION.format(**values))
    for name, text in (("prolog.sh", PROLOG), ("epilog.sh", EPILOG)):
        (folder / name).write_text(text.format(**values))
        (folder / name).chmod(0o755)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _place_configuration(folder: Path) -> Callable[[], None]:
    """Link the configuration to where clients look for it; what undoes that."""
    stale = CONF.is_symlink()  # tests that were killed left it behind: see `why_not`
    made = stale or not SITE.exists()
    SITE.mkdir(exist_ok=True)
    if stale:
        theirs = Path(os.readlink(CONF)).parent
        shutil.rmtree((theirs / "scratch").resolve(), ignore_errors=True)
        shutil.rmtree(theirs, ignore_errors=True)
        CONF.unlink()
    CONF.symlink_to(folder / "slurm.conf")

    def remove() -> None:
        CONF.unlink()
        if made:
            SITE.rmdir()

    return remove
