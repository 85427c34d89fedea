"""Where the files of a study and of its runs lie, below the working folder. Rules, verbs, reports and tracking ask it.

Names may be wildcards: ``Run("smoke", "{row}", "{seed}").metrics`` is a pattern of the workflow.
"""

from pathlib import Path
from typing import NamedTuple

from .params import base_of

IMAGES = "images.json"  # in a folder of images: vouches for them
TRAINING = "training.json"  # says how a training ended; the last file that it writes
CHECKSUMS = Path("scratch/checksums")  # of large files, as they were read last
AVERAGED = "generator-averaged.pt"  # the moving average of the generator's weights, where a scale has one


def snapshot_name(number: int) -> str:
    """A snapshot of the generator; 0 is untrained, the scale's number of snapshots is the last."""
    return f"generator-{number:03d}.pt"


class Study(NamedTuple):
    """A scale's files that are of no single run; those of a tier are its base's, but for its reports."""

    scale: str

    @property
    def results(self) -> Path:
        return Path("results", base_of(self.scale))

    @property
    def reports(self) -> Path:
        return Path("reports", self.scale)

    @property
    def samples(self) -> Path:
        return Path("samples", base_of(self.scale))

    @property
    def classifier(self) -> Path:
        """Weights of the feature classifier."""
        return Path("checkpoints", base_of(self.scale), "classifier.pt")

    @property
    def classifier_report(self) -> Path:
        return self.results / "classifier.json"

    @property
    def features(self) -> Path:
        """The training images' features; beside them a .json of what they were made from."""
        return Path("data/reference", base_of(self.scale), "train_features.npy")

    @property
    def inception_features(self) -> Path:
        """Likewise of those that Inception sees, where the scale has it see some."""
        return Path("data/reference", base_of(self.scale), "train_features_inception.npy")

    @property
    def reference(self) -> Path:
        """The held-out images' metrics."""
        return self.results / "reference.json"

    @property
    def timing(self) -> Path:
        return self.results / "timing.json"

    @property
    def controls(self) -> Path:
        """A folder of images for the truth, the input and each completion that needs no training."""
        return self.samples / "controls"

    def control(self, name: str) -> Path:
        """A control's metrics."""
        return self.results / "controls" / f"{name}.json"

    def table(self, number: int | str) -> Path:
        """A rendered table, without the ending of one of its files."""
        return self.reports / f"table{number}"

    def figure(self, name: str) -> Path:
        """Pixels for the paper's figures, lines for curves and for tables as points."""
        return self.reports / (f"figure{name}.png" if name.isdigit() else f"{name}.svg")

    @property
    def summary(self) -> Path:
        return self.reports / "metrics.json"

    @property
    def page(self) -> Path:
        return self.reports / "index.html"


class Run(NamedTuple):
    """The files of one row's training with one seed, and of what is made of it."""

    scale: str
    row: str
    seed: int | str

    def _below(self, folder: str) -> Path:
        return Path(folder, base_of(self.scale), self.row, f"seed-{self.seed}")

    @property
    def checkpoints(self) -> Path:
        """The folder of its published weights."""
        return self._below("checkpoints")

    @property
    def samples(self) -> Path:
        """The folder of its generated or completed images."""
        return self._below("samples")

    @property
    def results(self) -> Path:
        return self._below("results")

    @property
    def scratch(self) -> Path:
        """The folder of its resume state, while it is trained."""
        return self._below("scratch")

    @property
    def events(self) -> Path:
        """Losses, rates and what the layers did, as JSON lines."""
        return self.results / "events.jsonl"

    @property
    def training(self) -> Path:
        """How its training ended."""
        return self.results / TRAINING

    @property
    def metrics(self) -> Path:
        return self.results / "metrics.json"

    @property
    def classes(self) -> Path:
        """Intra-FID of every class."""
        return self.results / "classes.csv"

    @property
    def intra(self) -> Path:
        """Intra-FID of every class, of images made for it alone, where the scale has them."""
        return self.results / "intra.json"

    @property
    def intra_table2(self) -> Path:
        """Likewise of table 2's classes, which are measured first."""
        return self.results / "intra-table2.json"

    @property
    def class_scratch(self) -> Path:
        """The folder of the classes that are measured so far."""
        return self.scratch.with_name(f"seed-{self.seed}-classes")

    @property
    def example(self) -> Path:
        """Of the recall task: one test image, its answers, where the layer looked."""
        return self.results / "example.json"

    @property
    def regions(self) -> Path:
        """What the regions of its generator do to the features, image by image; it vouches for the next."""
        return self.results / "regions.json"

    @property
    def layouts(self) -> Path:
        """Some of its images with their layouts, and chains of images between classes."""
        return self.results / "layouts.npz"

    @property
    def images(self) -> Path:
        """The array of its generated images; beside it a .json that vouches for it and for the two below."""
        return self.samples / "samples.npy"

    @property
    def snapshot_images(self) -> Path:
        return self.samples / "snapshots.npy"

    @property
    def averaged_images(self) -> Path:
        """By averaged weights, where the scale has them."""
        return self.samples / "averaged.npy"

    def snapshot(self, number: int) -> Path:
        return self.checkpoints / snapshot_name(number)
