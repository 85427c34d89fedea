"""What jobs take on this machine, from a few steps and images of each, on random data of the scale's sizes.

Times are arrays ``[low, high]``: of the fastest and the slowest of a few repetitions. On a CPU they are the process's
own seconds on a core, which other processes lengthen less than those on the wall; on a GPU they are those on the wall.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from .. import params
from ..data.crops import TrainingPhotographs
from ..data.loading import Prepared, to_device
from ..devices import flush_denormals, keep_freed_memory
from ..evaluation.classifier import FeatureClassifier
from ..evaluation.extractors import INCEPTION_BATCH
from ..evaluation.inception import folded, port
from ..evaluation.scores import MANIFOLD_SAMPLES
from ..metrics.kernel import SIZE, SUBSETS
from ..metrics.manifold import manifold_metrics
from ..models import build_generator
from ..needs import CLASSES, IMAGES
from ..sampling.generation import sample
from ..training.checkpoints import save_state
from ..training.generation import AdversarialTraining
from ..training.inpainting import InpaintingTraining
from ..training.loop import Job
from ..training.recall import RecallTraining

PACKAGE = Path(__file__).resolve().parents[1]
AnyTraining = AdversarialTraining | InpaintingTraining | RecallTraining
REPEATS = 3
PART = 16  # distances are timed between a sixteenth of the features, on either side


def measured(scale_name: str, cores: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Seconds of each row's whole training, and those of other work by its name.

    ``cores`` processes measure at once, as many as the study has jobs: they share caches and memory as its jobs do.
    """
    scale = params.load_scale(scale_name)
    rows = list(params.load_rows(scale=scale))
    others = [
        "image",
        "seen",
        "distances",
        *(["inception", "inception distances"] if scale.evaluation.inception else []),
    ]
    with ProcessPoolExecutor(cores, get_context("spawn"), initializer=_prepared) as pool:
        found = list(pool.map(partial(_measure, scale_name), [*rows, *others]))
    times = dict(zip([*rows, *others], found, strict=True))
    return {row: times[row] for row in rows}, {name: times[name] for name in others} | {"start": starting()}


def _prepared() -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # of this process alone: progress of what takes a second
    torch.set_num_threads(1)
    flush_denormals()
    keep_freed_memory()


def _measure(scale_name: str, what: str) -> np.ndarray:
    scale, rows = params.load_scale(scale_name), params.load_rows()
    device = torch.device("cuda" if scale.gpus else "cpu")
    if what in rows:
        return training(rows[what], scale, device)
    of: dict[str, Callable[..., np.ndarray]]
    of = {
        "image": drawing,
        "seen": seeing,
        "distances": distances,
        "inception": seeing_by_inception,
        "inception distances": inception_distances,
    }
    return of[what](scale, device)


def timed(work: Callable[[], object], device: torch.device) -> np.ndarray:
    """Of one call, after a first one that does not count."""
    work()
    seconds = []
    for _ in range(REPEATS):
        begun = _clock(device)
        work()
        seconds.append(_clock(device) - begun)
    return np.array([min(seconds), max(seconds)])


def _clock(device: torch.device) -> float:
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def training(row: params.AnyRow, scale: params.Scale, device: torch.device) -> np.ndarray:
    """Of a whole training: steps of each of its phases, and resume points."""
    job = job_of(row, scale, device)
    before_critics = scale.inpainting.pretraining_steps if row.task == "inpainting" else 0
    ends = sorted({0, int(job.sampling_steps), before_critics, job.steps})  # where the work of a step changes
    total = np.zeros(2)
    for first, end in pairwise(ends):
        total += (end - first) * timed(partial(job.advance, first, False), device)
    with TemporaryDirectory() as folder:
        total += job.steps / job.checkpoint_every * timed(lambda: _keep(job, Path(folder)), device)
    return total


def _keep(job: Job, folder: Path) -> None:
    job.inspect()
    save_state(folder, 0, job, 0)


def job_of(row: params.AnyRow, scale: params.Scale, device: torch.device) -> AnyTraining:
    """The row's training on random images."""
    rng = np.random.default_rng(0)
    if row.task == "recall":
        return RecallTraining(row, scale, 0, device=device)
    if row.task == "inpainting":
        r, count = scale.inpainting.resolution, 4
        pixels = rng.integers(256, size=(count * (2 * r) ** 2, 3), dtype=np.uint8)
        table = np.array([[number, number * (2 * r) ** 2, 2 * r, 2 * r] for number in range(count)])
        return InpaintingTraining(row, scale, 0, TrainingPhotographs(pixels, table, r, "random"), device=device)
    count, classes = 2 * scale.recipes[row.recipe].batch, CLASSES[scale.dataset]
    images = rng.integers(256, size=(count, scale.resolution, scale.resolution, 3), dtype=np.uint8)
    data = Prepared(images, rng.integers(classes, size=count), classes, "random")
    return AdversarialTraining(row, scale, 0, data, device=device)


def drawing(scale: params.Scale, device: torch.device) -> np.ndarray:
    """Of one image by a generator."""
    row = next(row for row in params.load_rows().values() if row.task == "generation")
    batch, r = scale.evaluation.batch, scale.resolution
    generator, out = (
        build_generator(row, scale, CLASSES[scale.dataset]).to(device),
        np.empty((batch, r, r, 3), np.uint8),
    )
    labels = np.arange(batch) % CLASSES[scale.dataset]
    return timed(lambda: sample(generator, labels, 0, batch=batch, out=out, device=device), device) / batch


@torch.inference_mode()
def seeing(scale: params.Scale, device: torch.device) -> np.ndarray:
    """Of one image through the scale's extractor."""
    if scale.evaluation.extractor != "classifier":
        return seeing_by_inception(scale, device)
    batch, r = scale.evaluation.batch, scale.resolution
    network = FeatureClassifier(scale.evaluation.classifier.channels, CLASSES[scale.dataset]).to(device).eval()
    images = np.zeros((batch, r, r, 3), np.uint8)
    return timed(lambda: network(to_device(images, device)), device) / batch


@torch.inference_mode()
def seeing_by_inception(scale: params.Scale, device: torch.device) -> np.ndarray:
    """Of one image through Inception, whose weights need not be there."""
    network, batch = port("2048"), min(scale.evaluation.batch, INCEPTION_BATCH) // 8 + 1
    for tensor in network.state_dict().values():
        tensor.fill_(0.01)
    network = folded(network.eval()).to(device).to(memory_format=torch.channels_last)
    images = torch.zeros(batch, 3, scale.resolution, scale.resolution, dtype=torch.uint8, device=device)
    return timed(lambda: network(images), device) / batch


def distances(scale: params.Scale, device: torch.device) -> np.ndarray:
    """Of a run's precision, recall and kernel distance on its extractor's features."""
    part = scale.evaluation
    features = part.classifier.channels[-1] if part.extractor == "classifier" else 2048
    return _distances(part.samples, IMAGES[scale.dataset], features, device)


def inception_distances(scale: params.Scale, device: torch.device) -> np.ndarray:
    """Likewise on those of Inception beside it."""
    counts = scale.evaluation.inception
    assert counts is not None, "as measured() asks"
    return _distances(counts.samples, min(counts.reference, IMAGES[scale.dataset]), 2048, device)


def _distances(generated: int, real: int, features: int, device: torch.device) -> np.ndarray:
    """They grow with the product of the counts."""
    sides = [
        np.random.default_rng(0).standard_normal((max(min(n, MANIFOLD_SAMPLES) // PART, 6), features))
        for n in (generated, real)
    ]
    scale = min(generated, MANIFOLD_SAMPLES) * min(real, MANIFOLD_SAMPLES) / len(sides[0]) / len(sides[1])
    subset = torch.randn(min(SIZE, generated, real), features, dtype=torch.float64, device=device)
    kernels = 3 * SUBSETS * timed(lambda: (subset @ subset.T).square().mul_(2), device)
    return scale * timed(lambda: manifold_metrics(sides[0], sides[1], device), device) + kernels


def starting() -> np.ndarray:
    """Of a job's process, until its verb has imported what it computes with."""
    begun = resource.getrusage(resource.RUSAGE_CHILDREN)
    imports = "import an.evaluation.generation, an.training.generation"
    subprocess.run([sys.executable, "-c", imports], check=True, cwd=PACKAGE.parent)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return np.full(2, ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime)
