"""What a Slurm cluster lacks for a study: account, partition, GPUs, memory and time, each said in a sentence."""

import getpass
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import yaml

from . import params
from .errors import UserError, last_words
from .needs import Needs, needs
from .planning.asked import jobs_of

SHIPPED = Path("workflow/profiles/slurm")


class Nodes(NamedTuple):
    """A kind of node of a partition, as ``sinfo`` tells."""

    partition: str
    is_default: bool
    minutes: float  # of a job at most
    gpus: dict[str, int]  # of a node, by type; "" of those without one
    memory: int  # MB

    def __str__(self) -> str:
        limit = "any time" if self.minutes == float("inf") else f"{self.minutes:.0f} minutes"
        gpus = ", ".join(f"{count} GPUs {kind}".strip() for kind, count in self.gpus.items()) or "no GPU"
        name = f"{self.partition} (default)" if self.is_default else self.partition
        return f"partition {name}: jobs of {limit}, nodes of {self.memory} MB with {gpus}"


def examine(scale_name: str) -> tuple[list[Nodes], list[str]]:
    """The kinds of nodes that a study's jobs may run on, and what is missing: nothing, if it can start.

    Raises UserError where no Slurm answers.
    """
    scale, profile = params.load_scale(scale_name), profile_folder()
    if not shutil.which("sbatch"):
        raise UserError("sbatch is not found: run this on a login node of a Slurm cluster.")
    settings = profile_settings(profile)
    nodes, missing = read_nodes(_answer("sinfo", "--noheader", "--format", "%P|%l|%G|%m")), []
    name = settings.get("slurm_partition")
    chosen = [kind for kind in nodes if (kind.partition == name if name else kind.is_default)]
    if not chosen:
        said = f"there is no partition '{name}'" if name else "no partition is the default"
        there = ", ".join(sorted({kind.partition for kind in nodes}))
        missing.append(f"{said}: name one of {there} as slurm_partition in {profile}/config.yaml.")
    if "slurm_account" not in settings and _wants_account():
        missing.append(f"jobs need an account, you have no default: name it as slurm_account in {profile}/config.yaml.")
    if chosen:
        missing += [f"{rule} {sentence}" for rule in jobs_of(scale) if (sentence := lacks(needs(rule, scale), chosen))]
    return chosen, missing


def profile_folder() -> Path:
    """The profile that SNAKEMAKE_PROFILE names, or the shipped one."""
    return Path(os.environ.get("SNAKEMAKE_PROFILE", SHIPPED))


def profile_settings(profile: Path) -> dict[str, str]:
    """The default resources of a profile, as ``slurm_account=NAME`` gives them. Raises UserError if it has none."""
    file = profile / "config.yaml"
    if not file.exists():
        raise UserError(f"{file} is missing: SNAKEMAKE_PROFILE names the folder of a profile, such as {SHIPPED}.")
    given = (yaml.safe_load(file.read_text()) or {}).get("default-resources", [])
    pairs = given.items() if isinstance(given, dict) else (str(each).partition("=")[::2] for each in given)
    return {name: str(value).strip("'\"") for name, value in pairs}


def read_nodes(listed: str) -> list[Nodes]:
    """What ``sinfo --format "%P|%l|%G|%m"`` lists."""
    return [_nodes(*line.split("|")) for line in listed.splitlines()]


def lacks(need: Needs, kinds: list[Nodes]) -> str | None:
    """What no kind of node has that a job needs; None where one has all."""
    told = [_lacks(need, kind) for kind in kinds]
    return None if None in told else told[0]


def _lacks(need: Needs, kind: Nodes) -> str | None:
    where = f"partition {kind.partition}"
    if need.gpu > max(kind.gpus.values(), default=0):
        return f"needs {need.gpu} GPU(s) of one type; nodes of {where} have {kind.gpus or 'none'}."
    if need.mem_mb > kind.memory:
        return f"asks for {need.mem_mb} MB; nodes of {where} have {kind.memory} (--set-resources sets another)."
    if need.runtime > kind.minutes:
        return (
            f"asks for {need.runtime} minutes; {where} ends jobs after {kind.minutes:.0f}: name another partition, or "
            "for a training set `hours` of the scale below that, and enough `retries`."
        )
    return None


def _nodes(partition: str, limit: str, gres: str, memory: str) -> Nodes:
    gpus: dict[str, int] = {}
    for kind, count in re.findall(r"gpu:(?:([^:,()]+):)?(\d+)", gres):
        gpus[kind] = gpus.get(kind, 0) + int(count)
    return Nodes(partition.rstrip("*"), partition.endswith("*"), _minutes(limit), gpus, int(memory.rstrip("+")))


def _minutes(limit: str) -> float:
    """Of ``days-hours:minutes:seconds``, of which Slurm leaves out what is zero from the left; infinite too."""
    if limit == "infinite":
        return float("inf")
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    hours, minutes, _ = [0] * (3 - len(parts)) + parts
    return 1440 * int(days or 0) + 60 * hours + minutes


def _wants_account() -> bool:
    """Whether jobs are refused without an account's name."""
    enforced = re.search(r"AccountingStorageEnforce\s*=\s*(\S+)", _answer("scontrol", "show", "config"))
    if not enforced or "associations" not in enforced[1]:
        return False
    asked = ["sacctmgr", "--noheader", "--parsable2", "show", "user", getpass.getuser(), "format=DefaultAccount"]
    return not _answer(*asked).strip()


def _answer(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{command[0]} fails ({last_words(done.stderr)}): run this where Slurm's programs answer.")
    return done.stdout
