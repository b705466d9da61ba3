"""A private Slurm on the loopback of this machine: a controller, node daemons, fake GPUs.

Debian's packages slurmctld, slurmd, slurm-client and munge suffice; nothing of them runs as a
service, nothing is written outside one temporary folder, and root is not needed. Every process is
ended by the id it was started with, and job steps by the log file of their node that they hold.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo")
SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
GPUS = 2  # a node

CONFIGURATION = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# a credential lives 5 s: a job that is requeued waits so long
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
PlugStackConfig={folder}/plugstack.conf
MpiDefault=none
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobcomp.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0
# advertise what the machine may not have
SlurmdParameters=config_overrides
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=10
MessageTimeout=10
TCPTimeout=2
KillWait=2
MinJobAge=600
JobRequeue=1
GresTypes=gpu
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs=4 \
RealMemory=4000 Gres=gpu:fake:{gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=60 DefaultTime=5 DefMemPerCPU=100 State=UP
"""


def missing() -> list[str]:
    """The programs of Slurm that this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCH) is None]


def wait_until(true: Callable[[], object], seconds: float, what: str) -> None:
    """Look ten times a second; raise TimeoutError that says ``what`` did not happen."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.1)


class Cluster:
    """Started by :meth:`start`; ``environment`` is what a user's shell on it has."""

    def __init__(self, nodes: int = 2) -> None:
        # A job step's socket has a name of at most 108 bytes: pytest's folders are too deep.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm.", dir="/tmp"))
        self.nodes = [f"n{i}" for i in range(1, nodes + 1)]
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_"))},
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": os.pathsep.join([str(self.folder / "bin"), SEARCH]),
        }

    def start(self) -> None:
        """Bring all nodes up; on failure end everything and show the logs' errors."""
        try:
            self._configure()
            munge = self.folder / "munge"
            self._daemon(
                "munged", "munged", "--foreground", f"--key-file={munge}/key",
                f"--socket={munge}/socket", f"--pid-file={munge}/pid", f"--seed-file={munge}/seed",
                f"--log-file={self.folder}/log/munged.log", "--num-threads=2",
            )  # fmt: skip
            ready = ["munge", "--no-input", f"--socket={munge}/socket"]
            wait_until(lambda: self.call(*ready).returncode == 0, 10, "munged answers")
            self._daemon("slurmctld", "slurmctld", "-D", "-f", str(self.folder / "slurm.conf"))
            for node in self.nodes:
                self.start_node(node)
            wait_until(self._idle, 60, "all nodes are idle")
        except BaseException as error:
            said = self._errors()
            self.stop()
            raise RuntimeError(f"Slurm did not start: {error}\n{said}") from error

    def _configure(self) -> None:
        for name in ("munge", "state", "log", "dev", "bin", *(f"spool/{n}" for n in self.nodes)):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o711)  # munged wants its socket to be accessible for all
        (self.folder / "munge").chmod(0o711)
        key = self.folder / "munge/key"
        key.touch(0o600)
        key.write_bytes(os.urandom(1024))
        # A GPU's file must be a character device with its number at the end: a link will do.
        for i in range(GPUS):
            (self.folder / f"dev/nvidia{i}").symlink_to("/dev/null")
        port, user = _free_ports(len(self.nodes) + 1), _user()
        host = socket.gethostname().partition(".")[0]
        text = CONFIGURATION.format(
            folder=self.folder, host=host, user=user, port=port, nodes=len(self.nodes),
            first=port + 1, last=port + len(self.nodes), gpus=GPUS,
        )  # fmt: skip
        if _is_loopback(host):  # then nobody else can reach it at all
            text += "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny\n"
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(
            f"AutoDetect=off\nNodeName=n[1-{len(self.nodes)}] Name=gpu Type=fake"
            f" File={self.folder}/dev/nvidia[0-{GPUS - 1}]\n"
        )
        (self.folder / "plugstack.conf").touch()
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        # Inside a job Snakemake's executor drops SLURM_CONF before its own srun.
        srun = self.folder / "bin/srun"
        real = shutil.which("srun", path=SEARCH)
        srun.write_text(
            f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {real} "$@"\n', encoding="utf-8"
        )
        srun.chmod(0o755)

    def _daemon(self, name: str, program: str, *arguments: str) -> None:
        with (self.folder / f"log/{name}.out").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                [str(shutil.which(program, path=SEARCH)), *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_node(self, node: str) -> None:
        """Start (again) a node's daemon."""
        self._daemon(node, "slurmd", "-D", "-N", node, "-f", str(self.folder / "slurm.conf"))

    def lose_node(self, node: str) -> None:
        """Power off: the daemon of ``node``, its job steps and all their processes die at once."""
        doomed = [pid for step in self._steps(node) for pid in _tree(step)]
        self._end(node, signal.SIGKILL)
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _idle(self) -> bool:
        for name, daemon in self.daemons.items():
            if daemon.poll() is not None:
                raise RuntimeError(f"{name} ended with status {daemon.returncode}")
        return set(self.ask("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split()) == {*self.nodes}

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a user of the cluster."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60
        )

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints; empty if it fails."""
        done = self.call(*command)
        return done.stdout if done.returncode == 0 else ""

    def job(self, number: str) -> dict[str, str]:
        """What the controller knows of a job."""
        text = self.ask("scontrol", "--oneliner", "show", "job", number)
        return dict(pair.partition("=")[::2] for pair in text.split() if "=" in pair)

    def jobs(self, rule: str) -> list[str]:
        """The ids of all jobs of a rule, ended ones too, in the order of their submission."""
        lines = self.ask("squeue", "--states=all", "-h", "-o", "%A|%k").splitlines()
        found = (line.partition("|")[::2] for line in lines)
        return sorted((j for j, k in found if k.startswith(f"rule_{rule}")), key=int)

    def _steps(self, node: str) -> list[int]:
        log = str(self.folder / f"log/slurmd-{node}.log")
        found = []
        for process in _processes("slurmstepd"):
            with contextlib.suppress(OSError):
                if log in {str(fd.readlink()) for fd in Path(f"/proc/{process}/fd").iterdir()}:
                    found.append(process)
        return found

    def _end(self, name: str, first: signal.Signals = signal.SIGTERM) -> None:
        daemon = self.daemons.pop(name, None)
        if daemon is None:
            return
        daemon.send_signal(first)
        try:
            daemon.wait(5)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def stop(self) -> None:
        """Cancel all jobs, end all that was started, remove the folder."""
        if "slurmctld" in self.daemons:
            with contextlib.suppress(TimeoutError, subprocess.TimeoutExpired):
                if queue := self.ask("squeue", "-h", "-o", "%A").split():
                    self.call("scancel", *queue)
                    wait_until(lambda: not self.ask("squeue", "-h", "-o", "%A"), 15, "no jobs")
        for node in self.nodes:
            self._end(node)
        self._end("slurmctld")  # not by SIGKILL: its state would not be saved
        for node in self.nodes:
            for pid in [pid for step in self._steps(node) for pid in _tree(step)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._end("munged")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _errors(self) -> str:
        lines = []
        for log in sorted((self.folder / "log").glob("*")):
            said = log.read_text(errors="replace").splitlines()
            wrong = (x for x in said if ("rror" in x or "fatal" in x) and "PMIx" not in x)
            lines += [f"{log.name}: {line}" for line in wrong]
        return "\n".join(lines[-20:])


@contextlib.contextmanager
def running(nodes: int = 2) -> Iterator[Cluster]:
    """A cluster for the time of a ``with``."""
    # A test run that is stopped (`timeout`) must not leave a cluster behind.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cluster = Cluster(nodes)
    try:
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        signal.signal(signal.SIGTERM, before)


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _is_loopback(host: str) -> bool:
    try:
        return socket.gethostbyname(host).startswith("127.")
    except OSError:
        return False


def _free_ports(count: int) -> int:
    """The first of ``count`` free ports, below those that the system hands out itself."""
    for first in range(17000 + os.getpid() % 1000 * 10, 31000, 10):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + count):
                one = stack.enter_context(socket.socket())
                one.bind(("127.0.0.1", port))
            return first
    raise RuntimeError("no free ports")


def _processes(name: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if (folder / "comm").read_text().strip() == name:
                    found.append(int(folder.name))
    return found


def _tree(pid: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found
