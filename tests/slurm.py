"""A Slurm of one machine for tests: loopback only, no munge, no accounting, made-up GPUs, in a mount namespace."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from long_study import wait
from mlflow_server import free_port

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "unshare", "nsenter")
MISSING = [program for program in PROGRAMS if not shutil.which(program)]
MISSING += [] if os.getuid() == 0 else ["root, for a mount namespace"]

# MinJobAge lets squeue answer for jobs that ended; config_overrides lets the node have more CPUs than the machine.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
SlurmdTimeout=15
ReturnToService=2
MinJobAge=600
JobRequeue=1
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """A running controller and node; ``stop`` ends them and what they started."""

    def __init__(self, folder: Path):
        self.folder, self.host = folder, socket.gethostname().split(".")[0]
        (folder / "etc").mkdir(parents=True)
        for name in ("state", "spool", "dev"):
            (folder / name).mkdir()
        for number in range(2):
            subprocess.run(["mknod", folder / f"dev/nvidia{number}", "c", "1", "3"], check=True)
        ports = {"controller_port": free_port(), "node_port": free_port()}
        (folder / "etc/slurm.conf").write_text(CONFIGURATION.format(host=self.host, folder=folder, **ports))
        (folder / "etc/gres.conf").write_text(f"Name=gpu File={folder}/dev/nvidia[0-1]\n")
        # Programs of Slurm drop SLURM_CONF from a job's environment: the files have to lie where they look.
        mount = f"mount -t tmpfs none /etc/slurm && cp {folder}/etc/* /etc/slurm && exec sleep infinity"
        self.namespace = subprocess.Popen(["unshare", "--mount", "sh", "-c", mount])
        wait(lambda: self.run("test", "-e", "/etc/slurm/slurm.conf").returncode == 0)
        self.daemons = {"slurmctld": self._start("slurmctld", "-D")}
        self.start_node()

    def command(self, *arguments, folder: Path = Path("/")) -> list[str]:
        """A command line as it runs, in a folder, where this Slurm's configuration is seen."""
        return ["nsenter", f"--mount=/proc/{self.namespace.pid}/ns/mnt", f"--wd={folder}", *map(str, arguments)]

    def run(self, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True)

    def start_node(self) -> None:
        self.daemons["slurmd"] = self._start("slurmd", "-D")
        wait(lambda: self.run("sinfo", "-h", "-o", "%T").stdout.strip() in ("idle", "mixed", "allocated"))

    def kill_node(self) -> None:
        """The node's daemon dies without a word; the jobs on it live on."""
        self.daemons["slurmd"].kill()
        self.daemons["slurmd"].wait()

    def jobs(self, *states: str) -> list[str]:
        """Numbers of the jobs in these states (all: also those that ended)."""
        listed = self.run("squeue", "-h", "-o", "%i", "-t", ",".join(states) or "all")
        return listed.stdout.split()

    def stop(self) -> None:
        self.run("scancel", "--user", "root", "--full")
        time.sleep(1)
        for process in (*self.daemons.values(), self.namespace):
            process.kill()
            process.wait()

    def _start(self, *command: str) -> subprocess.Popen:
        with open(self.folder / f"{command[0]}.log", "ab") as log:
            return subprocess.Popen(self.command(*command), stdout=log, stderr=log)
