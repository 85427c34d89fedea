"""``params/scales/*.yaml``: how large a study is."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..errors import UserError
from .rows import AnyRow, Row
from .types import PositiveFloat, PositiveInt, RowName, Seeds, Strict, Weight


class Recipe(Strict):
    """How a row is trained. A step is one generator update after ``discriminator_steps`` of the discriminator."""

    generator_lr: PositiveFloat
    discriminator_lr: PositiveFloat
    betas: tuple[float, float] = Field(strict=False)
    discriminator_steps: PositiveInt
    batch: PositiveInt
    steps: PositiveInt
    decay_from: PositiveInt | None = Field(None, description="step from which both rates fall linearly to 0")


class GeneratorSize(Strict):
    latent: PositiveInt
    channels: list[PositiveInt] = Field(min_length=2)


class DiscriminatorSize(Strict):
    channels: list[PositiveInt] = Field(min_length=1)
    downsamples: PositiveInt
    head_bias: bool


class Classifier(Strict):
    """The small feature network of the ``classifier`` extractor, trained on the real training set."""

    channels: list[PositiveInt] = Field(min_length=1)
    epochs: PositiveInt
    batch: PositiveInt
    lr: PositiveFloat


class Inception(Strict):
    """FID, KID, precision and recall on the 2015 Inception's features, beside the metrics of a scale's own extractor.

    Of fewer images than those: on a CPU it sees a few in a second.
    """

    samples: Annotated[int, Field(ge=10)] = Field(description="generated images behind them, the first of all")
    reference: Annotated[int, Field(ge=10)] = Field(description="training images behind them, drawn at random")


class Evaluation(Strict):
    samples: PositiveInt = Field(description="generated images behind FID and IS, and intra-FID without intra_samples")
    intra_samples: Annotated[int, Field(ge=2)] | None = Field(
        None, description="generated images of each class behind intra-FID, made class by class and not kept"
    )
    snapshot_samples: PositiveInt = Field(description="generated images behind each FID along training")
    batch: PositiveInt = Field(description="images per forward pass, in generation and feature extraction")
    splits: PositiveInt = Field(description="of the inception score")
    converged_fid: PositiveFloat = Field(description="table 1 names the first snapshot with at most this FID")
    table2_classes: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    classifier: Classifier
    extractor: Literal["classifier", "inception-2015"] = Field("classifier", description="network behind all metrics")
    inception: Inception | None = Field(None, description="metrics on its features beside the extractor's")
    inception_weights: str | None = Field(None, description="a local file; without it one is found, or downloaded")
    inception_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="of that file, checked when given")

    @model_validator(mode="after")
    def inception_stands_beside_another(self):
        if self.inception and self.extractor != "classifier":
            raise ValueError("inception stands beside the classifier: leave it out where the extractor is Inception")
        if self.inception and self.inception.samples > self.samples:
            raise ValueError("inception.samples exceed samples, of which they are the first")
        return self


class Inpainting(Strict):
    """Table 3: images with a hole, in two phases: reconstruction alone, then with the critics."""

    dataset: Literal["photographs", "paris_streetview", "textures"]
    dataset_path: str | None = None
    resolution: PositiveInt
    test_crops: PositiveInt = Field(description="fixed crops of held-out photographs that the models complete")
    width: PositiveInt = Field(description="of the generator's first layer; 32 in DeepFill")
    critic_width: PositiveInt
    lr: PositiveFloat
    betas: tuple[float, float] = Field(strict=False)
    batch: PositiveInt
    pretraining_steps: PositiveInt
    adversarial_steps: PositiveInt
    decay_from: PositiveInt | None = Field(None, description="step from which the rate falls linearly to 0")
    augment: bool = Field(False, description="mirror, turn, negate crops and exchange channels; for few photographs")
    critic_updates: PositiveInt = Field(description="of the critics before each of the generator, in the second phase")
    reconstruction_weight: Weight = Field(description="lambda_rec of equation 9; the paper does not state it")
    adversarial_weight: Weight = Field(1e-3, description="lambda_adv of equation 9 in the second phase")
    checkpoint_every: PositiveInt
    log_every: PositiveInt

    @model_validator(mode="after")
    def path_is_given(self):
        if self.dataset == "paris_streetview" and not self.dataset_path:
            raise ValueError("dataset_path must name the folder that holds Paris StreetView")
        return self

    @property
    def data_folder(self) -> str:
        return f"data/{self.dataset}-{self.resolution}"


class Recall(Strict):
    """Table 6: spatial associative recall, supervised; Adam, whose rate rises to ``lr`` and falls to 0."""

    seeds: Seeds
    keys: PositiveInt
    gap: Annotated[int, Field(gt=3, multiple_of=2)] = Field(
        description="columns between cues and marks; the network without a layer sees 3 pixels to each side"
    )
    channels: Annotated[int, Field(ge=8)]
    lr: PositiveFloat
    batch: PositiveInt
    steps: PositiveInt
    test_images: PositiveInt
    checkpoint_every: PositiveInt
    log_every: PositiveInt


class Timing(Strict):
    """Table 5: module inference time at batch 1."""

    channels: PositiveInt
    regions: PositiveInt
    sizes: list[PositiveInt] = Field(min_length=1)
    repeats: PositiveInt
    memory_gb: PositiveFloat = Field(description="a module predicted to need more is not run and prints '-'")


class Tier(Strict):
    """A part of another scale, its base, to be trained before the rest of it: the base's runs, in a report of its own.

    All that is no report lies where the base has it, so that neither trains again what the other has trained.
    """

    base: str
    description: str
    rows: list[RowName] = Field(min_length=1)
    seeds: Seeds
    row_seeds: dict[RowName, Seeds] = Field({})


class Scale(Strict):
    """How large everything is: data, networks, recipes, sample counts."""

    description: str
    caution: str | None = Field(None, description="what every table of this scale says about its numbers")
    dataset: Literal["digits", "fashion_mnist", "folder", "imagenet"]
    dataset_path: str | None = Field(None, description="of imagenet and fashion_mnist; of a folder of one's own images")
    resolution: PositiveInt
    attention_resolution: PositiveInt
    rows: list[RowName] | None = Field(None, min_length=1, description="that are run; all by default")
    seeds: Seeds
    row_seeds: dict[RowName, Seeds] = Field({}, description="of rows that are trained with other seeds than ``seeds``")
    gpus: Annotated[int, Field(ge=0)] = Field(description="GPUs of one training job")
    retries: Annotated[int, Field(ge=0)] = Field(0, description="of a failed job that resumes: a training, intra-FID")
    snapshots: PositiveInt = Field(description="generators kept along training, evenly spaced, besides step 0")
    checkpoint_every: PositiveInt
    log_every: PositiveInt
    hours: PositiveFloat | None = Field(
        None, description="wall time of one training job; it then stops with a resume point, for its retry to go on"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of adversarial training's networks")
    compile: bool = Field(False, description="compile adversarial training's networks by torch.compile")
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="decay of a moving average of the generator's weights, evaluated beside the raw weights"
    )
    generator: GeneratorSize
    discriminator: DiscriminatorSize
    recipes: dict[Literal["ttur", "sngan"], Recipe]
    evaluation: Evaluation
    inpainting: Inpainting
    recall: Recall
    timing: Timing

    @model_validator(mode="after")
    def sizes_agree(self):
        made = 4 * 2 ** (len(self.generator.channels) - 1)
        if made != self.resolution:
            raise ValueError(f"generator.channels make images of {made} pixels, resolution is {self.resolution}")
        if self.attention_resolution not in self.block_resolutions:
            raise ValueError(
                "attention_resolution must be the resolution halved, as often as discriminator.downsamples"
            )
        if self.discriminator.downsamples > len(self.discriminator.channels):
            raise ValueError("discriminator.downsamples exceed the number of its blocks")
        for name, recipe in self.recipes.items():
            if recipe.steps % self.snapshots:
                raise ValueError(f"recipes.{name}.steps must be a multiple of snapshots")
        if self.dataset == "imagenet" and not self.dataset_path:
            raise ValueError("dataset_path must name the folder that holds ImageNet's archives, or its train/ and val/")
        if self.dataset == "folder" and not self.dataset_path:
            raise ValueError("dataset_path must name the folder that holds the images")
        return self

    @property
    def block_resolutions(self) -> list[int]:
        """H and W of the discriminator's halved block outputs, any of which may carry attention."""
        return [self.resolution >> k for k in range(1, self.discriminator.downsamples + 1)]

    def runs(self, name: str, row: AnyRow) -> bool:
        """Whether the scale runs a row of this name."""
        return name in self.rows if self.rows else not getattr(row, "optional", False)

    def attention_resolution_of(self, row: Row) -> int:
        """H and W of the block outputs that carry a row's attention. Raises UserError where no block has them."""
        own = row.attention_resolution
        if own and own not in self.block_resolutions:
            there = ", ".join(f"{size}x{size}" for size in self.block_resolutions)
            raise UserError(f"attention at {own}x{own} finds no block: the scale's networks have {there}.")
        return own or self.attention_resolution

    def seeds_of(self, name: str, row: AnyRow) -> list[int]:
        """The seeds that a row is trained with."""
        return self.row_seeds.get(name, self.recall.seeds if row.task == "recall" else self.seeds)

    def data_of(self, task: str) -> str:
        """The folder of the prepared images that rows of a task are trained on."""
        return (self.inpainting if task == "inpainting" else self).data_folder

    def snapshot_steps(self, row: Row) -> list[int]:
        """Steps at which the generator is kept, from 0 (untrained) to the last."""
        steps = self.recipes[row.recipe].steps
        return [steps * k // self.snapshots for k in range(self.snapshots + 1)]

    @property
    def data_folder(self) -> str:
        """Of one's own images named after their folder, so that each has its own."""
        name = Path(self.dataset_path or "").name if self.dataset == "folder" else self.dataset
        return f"data/{re.sub('[^A-Za-z0-9_-]+', '-', name)}-{self.resolution}"
