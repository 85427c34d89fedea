"""Options that verbs share, and what they stand for."""

from pathlib import Path

import click

from ..layout import Run, Study
from .given import GPUS, OUT_FILE, SEED

row = click.option("--row", required=True, help="A row of params/rows.yaml.")
scale = click.option("--scale", default="smoke", show_default=True, help="A file of params/scales/.")
seed = click.option("--seed", type=SEED, default=0, show_default=True, help="Random seed.")
resolution = click.option("--resolution", type=click.IntRange(1), required=True, help="Height and width of the images.")
gpus = click.option("--gpus", type=GPUS, help="GPUs to take on this machine; 0 is the CPU. By default one, if any.")

PATHS = {
    "data": "Folder of prepared arrays.",
    "classifier": "Weights of the feature classifier.",
    "classifier-report": "JSON file: its accuracy.",
    "features": "Array of the training images' features.",
    "inception-features": "Array of some training images' Inception features, where the scale has them.",
    "reference": "JSON file: metrics of the held-out images.",
    "checkpoints": "Folder of the row's weights.",
    "events": "JSON-lines file: losses and rates along training.",
    "training": "JSON file: how the training ended, how long it took, what its layers do.",
    "scratch": "Folder of resume state.",
    "images": "Array of generated images.",
    "snapshot-images": "Array of each snapshot's generated images.",
    "averaged-images": "Array of images by averaged weights, where the scale has them.",
    "samples": "Folder of images.",
    "controls": "Folder of the completions that need no training.",
    "metrics": "JSON file of metrics.",
    "classes": "CSV file of intra-FID per class.",
    "class-scratch": "Folder of the classes measured so far, where a run that was killed goes on.",
    "intra-table2": "JSON file of intra-FID of table 2's classes.",
    "intra": "JSON file of intra-FID of every class.",
    "example": "JSON file: one test image, its answers, and where the layer looked.",
    "regions": "JSON file: what a generator's regions do to its features.",
    "layouts": ".npz of some images with their layouts, and of chains between classes.",
    "timing": "JSON file of times.",
    "results": "Folder of result files.",
    "reports": "Folder of rendered tables.",
    "summary": "JSON file of every row's main scores.",
}


def option(name: str, meaning: str, kind=str, required: bool = True):
    return click.option(f"--{name}", type=kind, required=required, help=meaning)


def paths(*names: str):
    """Options for files that by default lie where the workflow has them (an/layout.py)."""

    def add(verb):
        for name in reversed(names):
            kind = OUT_FILE if name in ("timing", "summary") else str  # which no verb reads
            verb = click.option(f"--{name}", type=kind, help=f"{PATHS[name]} By default the workflow's.")(verb)
        return verb

    return add


def where(place: Run | Study, given: dict, task: str = "generation") -> dict[str, Path]:
    """The files that ``paths`` were given, the others where the workflow has them."""
    from ..params import load_scale

    found = {name: Path(value) for name, value in given.items() if value is not None}
    missing = [name for name in given if name not in found]
    if "data" in missing:
        found["data"] = Path(load_scale(place.scale).data_of(task))
    study = Study(place.scale)
    return found | {name: getattr(place if hasattr(place, name) else study, name) for name in missing if name != "data"}


def taken(gpus: int | None):
    """The GPUs of this job, held until its verb ends."""
    import gc

    from ..devices import flush_denormals, keep_freed_memory, leased

    flush_denormals()
    keep_freed_memory()
    gc.freeze()  # what the verb has imported lives on: no search for cycles need look at it again, nor at the end
    gc.set_threshold(10_000)  # from here on (an/__main__.py)
    return click.get_current_context().with_resource(leased(gpus))


def device(gpus: int | None):
    """The one device of this job, held until its verb ends."""
    from ..devices import chosen

    return chosen(taken(gpus))
