"""What a study asks of machines, rule by rule, beside what its finished jobs used."""

import json
from collections import Counter
from collections.abc import Collection
from operator import itemgetter
from pathlib import Path

import psutil

from .. import params
from ..errors import UserError
from ..layout import Study
from ..needs import RULES, needs
from ..reporting.commands import METADATA
from ..reporting.figures.captions import LOOKED_AT
from ..tracking.events import read_events

OF_RUNS = {
    "generation": ("train_gan", "generate_samples", "evaluate_samples"),
    "inpainting": ("train_inpainting", "complete_heldout", "evaluate_completions"),
    "recall": ("train_recall", "evaluate_recall"),
}
APART = {1: "evaluate_classes", 2: "evaluate_table2"}  # of a table's rows, where a scale has intra_samples
ONCE = {  # whatever the number of runs, where there are rows of the task
    "generation": ("prepare_dataset", "train_classifier", "extract_reference"),
    "inpainting": ("prepare_photographs", "complete_controls", "evaluate_controls", "evaluate_controls"),
    None: ("time_modules",),
}


def asked(scale_name: str) -> str:
    """A table of the rules that may run on a cluster. Raises UserError for an unknown scale."""
    scale, took, memory = params.load_scale(scale_name), minutes(scale_name), trainings_memory(scale_name)
    jobs = jobs_of(scale)
    asked, used = f"{'minutes':>8} {'MB':>7} {'disk MB':>8} {'GPUs':>4}", f"{'minutes':>8} {'MB':>6}"
    lines = [f"{'':20} {'':>4}  {'asked for':31} {'used at most':>15}", f"{'rule':20} {'jobs':>4} {asked} {used}"]
    for rule in jobs:
        need = needs(rule, scale)
        ask = f"{need.runtime:8} {need.mem_mb:7} {need.disk_mb:8} {need.gpu:4}"
        use = f"{took[rule]:8.1f}" if rule in took else f"{'-':>8}"
        use += f" {memory[rule]:6}" if rule in memory else f" {'-':>6}"
        lines.append(f"{rule:20} {jobs[rule]:4} {ask} {use}")
    return "\n".join(lines)


def jobs_of(scale: params.Scale) -> dict[str, int]:
    """How many jobs each rule has that any row of the scale wants; of one that is of no run, one."""
    rows = params.load_rows(scale=scale)
    found = Counter(rule for name, row in rows.items() for rule in OF_RUNS[row.task] * len(scale.seeds_of(name, row)))
    for name, row in params.load_rows("generation", scale).items() if scale.evaluation.intra_samples else ():
        found.update([APART[table] for table in row.tables if table in APART] * len(scale.seeds_of(name, row)))
    found["look_at_regions"] = len(rows.keys() & set(LOOKED_AT))
    once = [rule for task, rules in ONCE.items() if task is None or params.load_rows(task, scale) for rule in rules]
    jobs = Counter(once) + found
    return {rule: jobs[rule] for rule in RULES if jobs.get(rule)}


def check_memory(scale_name: str, given: Collection[str] = ()) -> None:
    """Raise UserError where a job asks for more memory than this machine, or this process's control group, has.

    Of rules that are ``given`` people have said themselves what they need.
    """
    rule, memory = most_memory(params.load_scale(scale_name), given)
    if memory > (there := memory_there()):
        raise UserError(
            f"{rule} of scale {scale_name} asks for {memory} MB of memory, and this machine has {there}: take a larger "
            "one, submit jobs to those of a cluster (docs/cluster.md), or, of fewer images than the set has, say what "
            f"it needs (--set-resources {rule}:mem_mb=...)."
        )


def most_memory(scale: params.Scale, given: Collection[str] = ()) -> tuple[str, int]:
    """The rule whose jobs ask for most, of those that are not ``given``, and how many MB."""
    return max(((rule, needs(rule, scale).mem_mb) for rule in jobs_of(scale) if rule not in given), key=itemgetter(1))


def memory_there() -> int:
    """MB of it."""
    there, limit = psutil.virtual_memory().total, Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (bytes_of := limit.read_text().strip()).isdigit():
        there = min(there, int(bytes_of))
    return there // 1_000_000


def minutes(scale_name: str) -> dict[str, float]:
    """The longest time of each rule's finished jobs, by Snakemake's records, which know no start of a cluster's job."""
    most: dict[str, float] = {}
    for file in METADATA.glob("*"):
        made = json.loads(file.read_text())
        took = (made["endtime"] - made["starttime"]) / 60
        if took > 0 and any(log.startswith(f"logs/{params.base_of(scale_name)}/") for log in made["log"] or []):
            most[made["rule"]] = max(most.get(made["rule"], 0), took)
    return most


def trainings_memory(scale_name: str) -> dict[str, int]:
    """The most memory that trainings took, in MB of the host."""
    most: dict[str, int] = {}
    for name, row in params.load_rows().items():
        rule = OF_RUNS[row.task][0]
        for events in Study(scale_name).results.glob(f"{name}/seed-*/events.jsonl"):
            used = [event["host_memory"] // 1_000_000 for event in read_events(events) if "host_memory" in event]
            most[rule] = max([most.get(rule, 0), *used])
    return most
