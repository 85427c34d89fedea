"""The finalists of ``recall.py`` as GANs on digits at 16x16: layouts and scores, the same seeds for every reading.

    python benchmarks/digits.py [--seeds K] [--processes P]

The scores are by a small classifier of the same digits, trained here: they compare these readings with each other only.
What the result file has already is kept.
"""

import argparse
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from common import machine, measured, report
from recall import DEFAULT
from recall import READINGS as OF_RECALL

from an import params
from an.data.loading import open_split
from an.data.preparation import prepare
from an.devices import keep_freed_memory
from an.evaluation.classifier import fit_classifier
from an.evaluation.extraction import extract
from an.evaluation.extractors import classifier_extractor
from an.metrics.frechet import frechet_distance
from an.metrics.inception_score import inception_score
from an.metrics.manifold import manifold_metrics
from an.sampling.generation import sample
from an.training.generation import AdversarialTraining
from an.weights import save_tensors

STEPS, SAMPLES, CLASSES = 300, 1000, 10
DEVICE = torch.device("cpu")
AN = {"kind": "attentive_norm"}
FINALISTS = [
    "literal",
    "literal, 0.1 divides",
    "W ~ N(0, 1), penalty on directions",
    "W ~ N(0, 1), penalty on directions, sampling in the first half",
    "W ~ N(0, 1), penalty on directions, no sampling",
    DEFAULT,
]
READINGS: dict[str, dict | None] = {
    "no attention (SN-GAN*)": None,
    "self-attention": {"kind": "self_attention"},
    "one region": AN | {"regions": 1, "self_sampling": False},
    **{name: AN | OF_RECALL[name] for name in FINALISTS},
}


def scale() -> params.Scale:
    """Scale smoke with digits at 16x16, attention at 8x8, and networks and rates that learn them in a minute."""
    sizes = params.load_scale("smoke").model_dump(mode="json")
    sizes |= {"resolution": 16, "attention_resolution": 8, "snapshots": 1}
    sizes["generator"]["channels"] = [64, 64, 32]
    sizes["discriminator"] |= {"channels": [32, 64, 64], "downsamples": 2}
    rates = {"generator_lr": 1e-3, "discriminator_lr": 2e-3, "batch": 32, "steps": STEPS, "decay_from": STEPS // 2}
    for recipe in sizes["recipes"].values():
        recipe |= rates
    return params.Scale.model_validate(sizes)


def measure(attention: dict | None, seed: int, folder: Path) -> dict[str, float]:
    """Train one reading; return its scores and what its layers do."""
    torch.set_num_threads(1)
    keep_freed_memory()
    sizes, train = scale(), open_split(folder, "train")
    base = params.load_row("sngan-star").model_dump(mode="json")
    row = params.Row.model_validate(base | {"tables": {}, "attention": attention})
    job = AdversarialTraining(row, sizes, seed, train, device=DEVICE)
    for step in range(STEPS):
        job.advance(step, False)
    images, labels = np.zeros((SAMPLES, 16, 16, 3), np.uint8), np.arange(SAMPLES) % CLASSES
    sample(job.generator, labels, seed, batch=100, out=images, device=DEVICE)
    extractor = classifier_extractor(sizes, CLASSES, folder / "classifier.pt", DEVICE)
    (features, logits), (real, _) = (extract(extractor, i, 100, "features") for i in (images, np.array(train.images)))
    assert logits is not None, "a classifier has them"
    scores = {
        "FID": frechet_distance(features, real, DEVICE),
        "IS": inception_score(logits, 10),
        "label accuracy": float((logits.argmax(1) == labels).mean()),
        "coverage": manifold_metrics(features, real, DEVICE)["coverage"],
    }
    return scores | job.inspect()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1)
    given, where = parser.parse_args(), machine()
    torch.set_num_threads(1)
    lines = measured("digits")
    missing = {name: a for name, a in READINGS.items() if name not in [line["reading"] for line in lines]}
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(given.processes) as pool:
        folder = Path(name)
        prepare("digits", 16, folder)
        classifier = fit_classifier(scale().evaluation.classifier, open_split(folder, "train"), DEVICE)
        save_tensors(folder / "classifier.pt", classifier.state_dict())
        jobs = [[pool.submit(measure, a, seed, folder) for seed in range(given.seeds)] for a in missing.values()]
        for reading, seeds in zip(missing, jobs, strict=True):
            found = [job.result() for job in seeds]
            line: dict[str, str | float | None] = {"reading": reading}
            for measure_ in found[0]:
                values = [f[measure_] for f in found]
                line[measure_] = statistics.fmean(values)
                if measure_ in ("FID", "IS"):
                    line[f"{measure_} sd"] = statistics.stdev(values) if len(values) > 1 else None
            lines.append(line)
            report("digits", lines, {"seeds": given.seeds, "steps": STEPS, "samples": SAMPLES}, where)


if __name__ == "__main__":
    main()
