"""What each rule of the workflow asks of a machine, computed from the scale: time, memory, disk, GPUs.

A scheduler ends a job that takes more, so these are bounds, some times what was measured, not estimates; a training
that runs into its time goes on when it is submitted again. tests/test_needs.py holds them against what jobs used.
"""

from typing import NamedTuple

from .params import Scale

MB = 1_000_000
# In MB of the host: Python with torch, of which 650 were measured; with CUDA and what it keeps pinned, more.
PROCESS, PROCESS_WITH_GPU = 1500, 8000
ACTIVATIONS = 64  # bytes in a training for each value that a layer of the generator puts out, its gradients included
# Of a data set, rounded up; a folder is taken to be large.
IMAGES = {"digits": 2000, "fashion_mnist": 70_000, "folder": 200_000, "imagenet": 1_340_000}
CLASSES = {"digits": 10, "fashion_mnist": 10, "folder": 1000, "imagenet": 1000}
FEATURES = 2048  # Inception's; the classifier has fewer
# Seconds, several times what a core of 2.5 GHz or a GPU of 2017 takes.
STEP = 2.0  # of a training that has no `hours`
IMAGE, IMAGE_ON_GPU = 0.2, 0.02  # to draw one and to see one, at 32x32 on a core
INCEPTION = 1.0  # for Inception to see one on a core
MATRIX = 20.0  # a square root of a matrix of FEATURES x FEATURES
MINUTES = 15  # for a job to start, read and write


class Needs(NamedTuple):
    """What a job of a rule asks for, by Snakemake's names. All of the workflow's jobs compute on one core."""

    runtime: int  # minutes
    mem_mb: int
    disk_mb: int
    gpu: int = 0


def needs(rule: str, scale: Scale) -> Needs:
    """Of a rule that may run on a cluster. Raises KeyError for another."""
    return RULES[rule](scale)


def train_gan(scale: Scale) -> Needs:
    steps = max(recipe.steps for recipe in scale.recipes.values())
    values = sum(channels * (4 * 2**level) ** 2 for level, channels in enumerate(scale.generator.channels))
    batch = max(recipe.batch for recipe in scale.recipes.values())
    kept = (scale.snapshots + 16) * _generator(scale)  # resume points have both networks and two moments of each weight
    return _training(scale, steps, batch * values, kept)


def train_inpainting(scale: Scale) -> Needs:
    part = scale.inpainting
    values = part.batch * part.width * part.resolution**2 * 8
    kept = 16 * 72 * part.width**2 * 64 * 4 // MB + 16
    return _training(scale, part.pretraining_steps + part.adversarial_steps, values, kept)


def train_recall(scale: Scale) -> Needs:
    part = scale.recall
    pixels = (2 * part.keys + part.gap) ** 2
    return _training(scale, part.steps, part.batch * part.channels * pixels * 4, 16)


def generate_samples(scale: Scale) -> Needs:
    images = drawn(scale)
    return _job(scale, images * _seconds(scale), disk=images * _pixels(scale.resolution))


def evaluate_samples(scale: Scale) -> Needs:
    part = scale.evaluation
    matrices = (CLASSES[scale.dataset] + scale.snapshots + 10) * MATRIX * (part.extractor != "classifier")
    inception = (part.inception.samples if part.inception else 0) * INCEPTION
    seconds = drawn(scale) * _seconds(scale) + matrices + inception
    features = (2 * drawn(scale) + IMAGES[scale.dataset]) * _features(scale) * 8 // MB
    return _job(scale, seconds, memory=features)


def evaluate_classes(scale: Scale) -> Needs:
    return _intra(scale, CLASSES[scale.dataset])


def evaluate_table2(scale: Scale) -> Needs:
    return _intra(scale, len(scale.evaluation.table2_classes))


def look_at_regions(scale: Scale) -> Needs:
    return _job(scale, 1000 * _seconds(scale))


def complete_heldout(scale: Scale) -> Needs:
    part = scale.inpainting
    images = part.test_crops * (part.resolution / 32) ** 2
    return _job(scale, images, disk=4 * part.test_crops * _pixels(part.resolution))


def evaluate_completions(scale: Scale) -> Needs:
    return complete_heldout(scale)._replace(gpu=0)


def evaluate_recall(scale: Scale) -> Needs:
    return _job(scale, scale.recall.test_images * 0.5)


def prepare_dataset(scale: Scale) -> Needs:
    images = IMAGES[scale.dataset]
    return _job(scale, images * 0.05, disk=images * _pixels(scale.resolution))._replace(gpu=0)


def prepare_photographs(scale: Scale) -> Needs:
    photographs = 15_000 if scale.inpainting.dataset == "paris_streetview" else 500
    return _job(scale, photographs * 0.5, disk=photographs * 3)._replace(gpu=0)


def train_classifier(scale: Scale) -> Needs:
    return _job(scale, scale.evaluation.classifier.epochs * IMAGES[scale.dataset] * _seconds(scale) / 20, disk=200)


def extract_reference(scale: Scale) -> Needs:
    images, part = IMAGES[scale.dataset], scale.evaluation
    features = images * _features(scale) * 4 // MB
    seconds = images * _seconds(scale) + (part.inception.reference if part.inception else 0) * INCEPTION
    seconds += CLASSES[scale.dataset] * MATRIX * (part.extractor != "classifier")
    return _job(scale, seconds, memory=3 * features, disk=2 * features)


def complete_controls(scale: Scale) -> Needs:
    part = scale.inpainting
    seconds = part.test_crops * 10 * (part.resolution / 32) ** 2
    return _job(scale, seconds, disk=8 * part.test_crops * _pixels(part.resolution))._replace(gpu=0)


def evaluate_controls(scale: Scale) -> Needs:
    return evaluate_completions(scale)


def time_modules(scale: Scale) -> Needs:
    pixels = sum(size**2 for size in scale.timing.sizes)
    seconds = scale.timing.repeats * pixels / 2**12 * (0.1 if scale.gpus else 5)
    return _job(scale, seconds, memory=0 if scale.gpus else int(1000 * scale.timing.memory_gb))


def drawn(scale: Scale) -> int:
    """How many images of a run are drawn, and seen."""
    part = scale.evaluation
    return part.samples * (2 if scale.ema else 1) + (scale.snapshots + 1) * part.snapshot_samples


RULES = {
    rule.__name__: rule
    for rule in [
        *(prepare_dataset, prepare_photographs, train_classifier, extract_reference, complete_controls),
        *(evaluate_controls, time_modules, train_gan, train_inpainting, train_recall, generate_samples),
        *(complete_heldout, look_at_regions, evaluate_samples, evaluate_table2, evaluate_classes),
        *(evaluate_completions, evaluate_recall),
    ]
}


def _training(scale: Scale, steps: int, values: int, kept: int) -> Needs:
    minutes = int(60 * scale.hours) if scale.hours else int(steps * STEP / 60)
    memory = PROCESS_WITH_GPU * scale.gpus if scale.gpus else PROCESS + values * ACTIVATIONS // MB
    return Needs(minutes + MINUTES, memory, kept + 100, scale.gpus)


def _intra(scale: Scale, classes: int) -> Needs:
    """Of intra-FID class by class; with ``hours``, what a job of several does, each of which goes on from the last."""
    part = scale.evaluation
    seconds = classes * (2 * (part.intra_samples or 0) * _seconds(scale) + MATRIX * (part.extractor != "classifier"))
    matrices = 12 * _features(scale) ** 2 * 8 // MB
    return _job(scale, min(seconds, 3600 * scale.hours) if scale.hours else seconds, memory=matrices)


def _job(scale: Scale, seconds: float, *, memory: int = 0, disk: float = 0) -> Needs:
    """A job that is no training, on one GPU where the scale has any."""
    process = PROCESS_WITH_GPU if scale.gpus else PROCESS
    return Needs(int(seconds / 60) + MINUTES, process + memory, int(disk) + 100, min(scale.gpus, 1))


def _generator(scale: Scale) -> int:
    """MB of its weights."""
    channels = scale.generator.channels
    weights = sum(18 * a * b + 4 * a * b for a, b in zip(channels, [*channels[1:], 3], strict=True))
    conditional = 4 * sum(channels) * CLASSES[scale.dataset]
    return 4 * (weights + conditional + 16 * channels[0] * scale.generator.latent) // MB + 1


def _seconds(scale: Scale) -> float:
    """For an image, to draw it or to see it."""
    if scale.gpus:
        return IMAGE_ON_GPU
    return INCEPTION if scale.evaluation.extractor != "classifier" else IMAGE * (scale.resolution / 32) ** 2


def _features(scale: Scale) -> int:
    part = scale.evaluation
    return FEATURES if part.extractor != "classifier" or part.inception else part.classifier.channels[-1]


def _pixels(resolution: int) -> float:
    """MB of an image."""
    return 3 * resolution**2 / MB
