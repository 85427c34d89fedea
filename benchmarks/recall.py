"""Which reading of the layer recalls: the switches that decide how sharp its layout is, on the task of table 6.

    python benchmarks/recall.py [--seeds K] [--processes P]

Every reading at smoke's task; then those of ``FINALISTS`` with other keys, channels, regions and distances. Accuracy
is at t = 0, as the paper evaluates, and with the sampling left on, as its released code does. What the result file has
already is kept: the script goes on where it was stopped.
"""

import argparse
import statistics
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np
import torch
from common import machine, measured, report

from an import params
from an.data.recall import ROWS
from an.devices import keep_freed_memory
from an.evaluation.recall import paint
from an.layers import AttentiveNorm2d
from an.metrics.recall import answered
from an.training.recall import RecallTraining, test_images

LITERAL = {
    **{"start": "orthogonal", "entities_spectral_norm": True, "penalty": "entities"},
    **{"sampling_share": 1.0, "temperature": 0.1},
}
HALF, FREE, UNPULLED = {"sampling_share": 0.5}, {"sampling_share": 1.0}, {"orthogonality": 0.0}
SOFT = {"temperature": 0.1}
DEFAULT = "the default: W ~ N(0, 1), penalty on directions, tau = 0.5, sampling in the first half"
READINGS: dict[str, dict] = {
    "literal": LITERAL,
    "literal, sampling in the first half": LITERAL | HALF,
    "literal, 0.1 divides": LITERAL | {"temperature": 10.0},
    "literal, 0.1 divides, sampling in the first half": LITERAL | HALF | {"temperature": 10.0},
    "literal, tau = 1, sampling in the first half": LITERAL | HALF | {"temperature": 1.0},
    "no SN on W": LITERAL | {"entities_spectral_norm": False},
    "no SN on W, sampling in the first half": LITERAL | HALF | {"entities_spectral_norm": False},
    "W ~ N(0, 1), penalty on W": SOFT | FREE | {"penalty": "entities"},
    "W ~ N(0, 1), penalty on W, sampling in the first half": SOFT | HALF | {"penalty": "entities"},
    "W ~ N(0, 1), no penalty": SOFT | FREE | UNPULLED,
    "W ~ N(0, 1), no penalty, sampling in the first half": SOFT | HALF | UNPULLED,
    "W ~ N(0, 1), penalty on directions": SOFT | FREE,
    "W ~ N(0, 1), penalty on directions, sampling in the first half": SOFT | HALF,
    "W ~ N(0, 1), penalty on directions, sampling in three quarters": SOFT | {"sampling_share": 0.75},
    "W ~ N(0, 1), penalty on directions x 10, sampling in the first half": SOFT | HALF | {"orthogonality": 1e-2},
    "W orthonormal, penalty on directions, sampling in the first half": SOFT | HALF | {"start": "orthogonal"},
    "W ~ N(0, 1), penalty on directions, no sampling": SOFT | {"self_sampling": False},
    "W ~ N(0, 1), penalty on directions, tau = 1, sampling in the first half": HALF | {"temperature": 1.0},
    DEFAULT: {},
}
OTHERS: dict[str, dict] = {
    "self-attention": {"kind": "self_attention"},
    "instance normalization": {"kind": "instance_norm"},
    "one region": {"kind": "attentive_norm", "regions": 1, "self_sampling": False},
}
FINALISTS = [
    "literal",
    "W ~ N(0, 1), penalty on directions",
    "W ~ N(0, 1), penalty on directions, sampling in the first half",
    "W ~ N(0, 1), penalty on directions, no sampling",
    DEFAULT,
]
TASKS = [
    {"keys": 4, "channels": 16, "gap": 10},
    {"keys": 8, "channels": 32, "gap": 10},
    {"keys": 8, "channels": 16, "gap": 26},
]
REGIONS = (8, 32)
STEPS = 1000  # of every training
RATE = 5e-3


def train(attention: dict, task: dict, seed: int) -> dict[str, float]:
    """Train one layer on one task; return its measures."""
    torch.set_num_threads(1)
    keep_freed_memory()
    scale = params.load_scale("smoke")
    scale = scale.model_copy(update={"recall": scale.recall.model_copy(update={**task, "steps": STEPS, "lr": RATE})})
    row = params.RecallRow.model_validate({"task": "recall", "tables": {}, "attention": attention})
    job = RecallTraining(row, scale, seed, device=torch.device("cpu"))
    for step in range(scale.recall.steps):
        job.advance(step, False)
    test = test_images(scale.recall, scale.recall.test_images)

    def accuracy() -> float:
        return float(np.mean(answered(paint(job.network.eval(), test.images, job.device), test.painted, ROWS)))

    measures = {"accuracy": accuracy(), **job.inspect()}
    layer = job.network.layer
    if isinstance(layer, AttentiveNorm2d) and layer.self_sampling:
        layer.sample_in_eval = True
        measures["sampling on"] = accuracy()
    return measures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1)
    given, where = parser.parse_args(), machine()
    readings = {name: {"kind": "attentive_norm", **switches} for name, switches in READINGS.items()}
    arms: list[tuple[str, dict, dict]] = [(name, attention, {}) for name, attention in (readings | OTHERS).items()]
    finalists = {name: readings[name] for name in FINALISTS} | OTHERS
    arms += [(name, attention, task) for task, (name, attention) in product(TASKS, finalists.items())]
    arms += [(name, readings[name] | {"regions": n}, {"regions": n}) for n, name in product(REGIONS, FINALISTS)]
    lines = measured("recall")
    done = [
        {key: line[key] for key in ("reading", "keys", "channels", "gap", "regions") if key in line} for line in lines
    ]
    arms = [arm for arm in arms if {"reading": arm[0], **arm[2]} not in done]
    with ProcessPoolExecutor(given.processes) as pool:
        jobs = [
            [pool.submit(train, a, {k: v for k, v in t.items() if k != "regions"}, s) for s in range(given.seeds)]
            for _, a, t in arms
        ]
        for (name, _, task), seeds in zip(arms, jobs, strict=True):
            found = [job.result() for job in seeds]
            means = {measure: statistics.fmean(f[measure] for f in found) for measure in found[0]}
            means = {measure.removeprefix("network_"): value for measure, value in means.items()}
            every = {"of seeds": [round(f["accuracy"], 3) for f in found]}
            lines.append({"reading": name, **task, "accuracy": means.pop("accuracy"), **every, **means})
            report("recall", lines, {"seeds": given.seeds, "task": "smoke's, where a line names no other"}, where)


if __name__ == "__main__":
    main()
