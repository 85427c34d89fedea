"""What a whole study takes: hours of cores or GPUs, time on the wall, disk, memory, and what it lacks here."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from .. import params
from ..evaluation.inception import cached, inception_file
from ..needs import CLASSES, IMAGES, drawn, needs
from ..status import span
from .asked import OF_RUNS, jobs_of, memory_there, most_memory
from .counted import training_operations
from .measured import REPEATS, measured

GPU, PEAK = "H100", {"float32": 494e12, "bfloat16": 989e12}  # dense products a second, those of float32 as TF32
SHARES = (0.4, 0.1)  # of the peak
LAUNCHES = (0.01, 0.05)  # seconds that a step takes at least, whatever it computes
USED = (0.1, 1.0)  # of the time that a rule asks for
AT_ONCE = (1, 4, 8)  # GPUs
TRAININGS = [rules[0] for rules in OF_RUNS.values()]
REPORTS = "tables, figures, page"


class Line(NamedTuple):
    """Jobs of a kind, and the seconds ``[low, high]`` that each of them takes."""

    name: str
    jobs: int
    seconds: np.ndarray


def cost(scale_name: str, cores: int) -> str:
    """In 80 columns: measured on this machine, or computed for a GPU where it lacks those that the scale asks for."""
    scale = params.load_scale(scale_name)
    here = scale.gpus <= torch.cuda.device_count()
    lines = measured_lines(scale_name, scale, cores) if here else counted_lines(scale)
    unit, at_once = ("GPU", AT_ONCE) if scale.gpus else ("core", (cores,))
    out = [f"{'':24} {'jobs':>5} {'each':>19} {f'{unit}-hours':>17}"]
    out += [_line(line.name, line.jobs, line.seconds, line.jobs * line.seconds) for line in lines]
    total, longest = sum(line.jobs * line.seconds for line in lines), np.max([line.seconds for line in lines], axis=0)
    out.append(_line("all", sum(line.jobs for line in lines), None, np.asarray(total)))
    for count in at_once:
        out.append(f"on {count} {unit}{'s' * (count > 1)}: {_range(np.maximum(total / count, longest))}")
    said = measured_assumptions(scale, cores) if here else counted_assumptions()
    return "\n".join([*out, *room(scale), *(f"missing here: {what}" for what in missing(scale)), "", *said])


def measured_lines(scale_name: str, scale: params.Scale, cores: int) -> list[Line]:
    trainings, of = measured(scale_name, cores)
    lines = [Line(name, jobs, trainings[name] + of["start"]) for name, jobs in trainings_of(scale).items()]
    images, beside = IMAGES[scale.dataset], scale.evaluation.inception
    of_class = (scale.evaluation.intra_samples or 0) * (of["image"] + of["seen"])
    work = {
        "generate_samples": drawn(scale) * of["image"],
        "evaluate_samples": drawn(scale) * of["seen"] + of["distances"],
        "evaluate_table2": len(scale.evaluation.table2_classes) * of_class,
        "evaluate_classes": CLASSES[scale.dataset] * of_class,
        "train_classifier": 3 * scale.evaluation.classifier.epochs * images * of["seen"],
        "extract_reference": images * of["seen"],
    }
    if beside:
        work["evaluate_samples"] = (
            work["evaluate_samples"] + beside.samples * of["inception"] + of["inception distances"]
        )
        seen = (beside.samples + beside.reference) * of["inception"]
        work["extract_reference"] = work["extract_reference"] + seen + of["inception distances"]
    return [*lines, *(Line(name, jobs, work.get(name, 0) + of["start"]) for name, jobs in others_of(scale).items())]


def counted_lines(scale: params.Scale) -> list[Line]:
    rows, lines = params.load_rows(scale=scale), []
    for name, jobs in trainings_of(scale).items():
        peak = PEAK[scale.precision if rows[name].task == "generation" else "float32"]
        computing = training_operations(rows[name], scale) / peak / np.array(SHARES)
        lines.append(Line(name, jobs, np.maximum(computing, steps_of(rows[name], scale) * np.array(LAUNCHES))))
    others = others_of(scale)
    del others[REPORTS]  # which no GPU makes
    of_gpus = {rule: jobs for rule, jobs in others.items() if needs(rule, scale).gpu}
    return lines + [
        Line(rule, jobs, 60 * needs(rule, scale).runtime * np.array(USED)) for rule, jobs in of_gpus.items()
    ]


def trainings_of(scale: params.Scale) -> dict[str, int]:
    """How many trainings each row has."""
    return {name: len(scale.seeds_of(name, row)) for name, row in params.load_rows(scale=scale).items()}


def steps_of(row: params.AnyRow, scale: params.Scale) -> int:
    """Of a training of the row."""
    if row.task == "generation":
        return scale.recipes[row.recipe].steps
    if row.task == "recall":
        return scale.recall.steps
    return scale.inpainting.pretraining_steps + scale.inpainting.adversarial_steps


def others_of(scale: params.Scale) -> dict[str, int]:
    """How many other jobs there are, by rule."""
    others = {rule: count for rule, count in jobs_of(scale).items() if rule not in TRAININGS}
    return others | {REPORTS: len(params.tables_of(scale)) + len(params.figures_of(scale)) + 2}


def room(scale: params.Scale) -> list[str]:
    """Disk and memory, as an/needs.py computes them."""
    of_rules = {rule: (needs(rule, scale), count) for rule, count in jobs_of(scale).items()}
    gigabytes = sum((need.disk_mb - 100) * count for need, count in of_rules.values()) / 1000
    return [
        f"disk: up to {gigabytes:.1f} GB; as much again in DVC's cache where dvc records it",
        f"memory: up to {most_memory(scale)[1] / 1000:.1f} GB for a job",
    ]


def missing(scale: params.Scale) -> list[str]:
    """What has to be put here before the study can run as it is meant to."""
    parts = [
        part
        for task, part in (("generation", scale), ("inpainting", scale.inpainting))
        if params.load_rows(task, scale)
    ]
    lacking = [
        f"{part.dataset} at {part.dataset_path}"
        for part in parts
        if part.dataset_path
        and not Path(part.data_folder, "manifest.json").exists()
        and not Path(part.dataset_path).is_dir()
    ]
    evaluation = scale.evaluation
    if evaluation.inception and not (evaluation.inception_weights or inception_file()):
        lacking.append("Inception's weights (make inception)")
    if evaluation.extractor == "inception-2015" and not (evaluation.inception_weights or cached().exists()):
        lacking.append("Inception's weights with logits, for IS (docs/full-study.md says how to get them)")
    rule, memory = most_memory(scale)
    if memory > (there := memory_there()):
        lacking.append(f"{memory / 1000:.1f} GB of memory for {rule}, of which this machine has {there / 1000:.1f}")
    if scale.gpus > torch.cuda.device_count():
        lacking.append(f"{scale.gpus} GPU(s), of which this machine has {torch.cuda.device_count()}")
    return lacking


def measured_assumptions(scale: params.Scale, cores: int) -> list[str]:
    if scale.gpus:
        clock = "- Nothing else uses the GPU."
    else:
        clock = f"- {cores} jobs run at once, as they did here, and nothing else does: seconds are the cores' own."
    return [
        "Assumed:",
        f"- Steps of a training take what {REPEATS} in each phase took here, on random data: fastest - slowest.",
        clock,
        "- Drawing, seeing and comparing images takes as long for each as it took for a few.",
        "- What a rule does besides (completions, controls, tables, figures) takes no longer than to start its job.",
        "- Disk and memory are what the rules ask for.",
    ]


def counted_assumptions() -> list[str]:
    high, low = SHARES
    peaks = f"{PEAK['bfloat16'] / 1e12:.0f} Tflop/s in bfloat16, {PEAK['float32'] / 1e12:.0f} in TF32"
    return [
        "Assumed:",
        f"- An {GPU} is capable of {peaks}, and trainings reach {high:.0%} - {low:.0%} of it.",
        "  That was not measured: benchmarks/gpu_shakedown.py does on a GPU.",
        "- Operations are those of convolutions and matrix products, counted.",
        f"- A step takes at least {LAUNCHES[0]} - {LAUNCHES[1]} s, whatever it computes.",
        f"- Other jobs take {USED[0]:.0%} - {USED[1]:.0%} of the time that their rules ask for; those that need no GPU",
        "  are left out.",
        "- Disk and memory are what the rules ask for.",
    ]


def _line(name: str, jobs: int, each: np.ndarray | None, total: np.ndarray) -> str:
    one = "" if each is None else _range(each)
    low, high = (f"{hours:.0f}" if hours >= 100 else f"{hours:.2f}" for hours in total / 3600)
    return f"{name:24} {jobs:5} {one:>19} {low if low == high else f'{low} - {high}':>17}"


def _range(seconds: np.ndarray) -> str:
    """Two times, in hours or days where they are long."""
    unit, name = (86400, "days") if max(seconds) > 48 * 3600 else (3600, "h") if max(seconds) > 2 * 3600 else (0, "")
    low, high = (f"{each / unit:.1f}" if unit else span(each) for each in seconds)
    return f"{low if low == high else f'{low} - {high}'} {name}".strip()
