"""Typed parameters: the rows of the paper's tables and the scales they are run at.

``params/rows.yaml`` and ``params/scales/*.yaml`` are read into the models below; whatever they do not know is an
error that names file and key. The JSON Schema the workflow publishes is generated from the same models
(``python -m an schema``).
"""

import difflib
import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from .errors import UserError

FOLDER = Path(__file__).resolve().parents[1] / "params"

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
RowName = Annotated[str, Field(pattern="^[a-z0-9-]+$")]


class Strict(BaseModel):
    """No unknown keys, no silent conversions, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SelfAttention(Strict):
    """SA-GAN's self-attention, behind the blocks of the scale's attention resolution."""

    kind: Literal["self_attention"]


class ContextualAttention(Strict):
    """DeepFill's contextual attention."""

    kind: Literal["contextual_attention"]


class InstanceNorm(Strict):
    """Instance normalization, with a scale and shift for each channel."""

    kind: Literal["instance_norm"]


class BatchNorm(Strict):
    """Batch normalization: in evaluation it mixes no pixels at all."""

    kind: Literal["batch_norm"]


class AttentiveNorm(Strict):
    """Attentive normalization; the switches are those of ``an.layers.AttentiveNorm2d``, and how it is trained."""

    kind: Literal["attentive_norm"]
    regions: PositiveInt = 16
    statistics: Literal["instance", "batch", "layer", "group"] = "instance"
    groups: PositiveInt = 8
    affine: Literal["region", "shared", "none"] = "region"
    moments: Literal["weighted", "literal"] = "weighted"
    value: bool = True
    self_sampling: bool = True
    pool: bool = True
    sample_in_eval: bool = False
    sampling_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="of the training, from its start, in which the self-sampling branch is on; the paper has 1"
    )
    start: Literal["normal", "orthogonal"] = "normal"
    entities_spectral_norm: bool = Field(False, description="on W too, where the network's convolutions have it")
    temperature: PositiveFloat = Field(0.5, description="tau of equation 4; it multiplies; the paper has 0.1")
    penalty: Literal["directions", "entities"] = "directions"
    orthogonality: Weight = Field(1e-3, description="lambda_o of equation 1; the paper does not state it")
    placement: Literal["second_norm", "after_second_norm", "after_block"] = "second_norm"

    def layer_arguments(self) -> dict:
        about_training = {"orthogonality", "sampling_share", "entities_spectral_norm"}
        return self.model_dump(exclude={"kind", "regions", "placement"} | about_training)


class Row(Strict):
    """One class-conditional system of the paper: its networks' switches and the recipe that trains it."""

    task: Literal["generation"]
    tables: dict[Literal[1, 2, 4], str] = Field(description="the tables it stands in, and its label there")
    generator_spectral_norm: bool
    discriminator_hidden: Literal["input", "output"]
    conditioning: Literal["projection", "classifier"]
    classifier_weight: Weight = Field(1.0, description="of AC-GAN's cross-entropy terms")
    attention: Annotated[SelfAttention | AttentiveNorm, Field(discriminator="kind")] | None
    recipe: Literal["ttur", "sngan"]


class InpaintingRow(Strict):
    """One inpainting system: the second branch of its fine network, and the losses that train it."""

    task: Literal["inpainting"]
    tables: dict[Literal[3], str]
    wide: bool = Field(description="the widths of the paper's variant instead of DeepFill's")
    attention: AttentiveNorm | None = Field(description="in the second branch; null is contextual attention")
    losses: Literal["paper", "released"]


RecallLayer = SelfAttention | AttentiveNorm | ContextualAttention | InstanceNorm | BatchNorm


class RecallRow(Strict):
    """One layer in the network of the recall task."""

    task: Literal["recall"]
    tables: dict[Literal[6], str]
    attention: Annotated[RecallLayer, Field(discriminator="kind")]


AnyRow = Row | InpaintingRow | RecallRow


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


class Evaluation(Strict):
    samples: PositiveInt = Field(description="generated images behind FID, IS and intra-FID")
    snapshot_samples: PositiveInt = Field(description="generated images behind each FID along training")
    batch: PositiveInt = Field(description="images per forward pass, in generation and feature extraction")
    splits: PositiveInt = Field(description="of the inception score")
    converged_fid: PositiveFloat = Field(description="table 1 names the first snapshot with at most this FID")
    table2_classes: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    classifier: Classifier
    extractor: Literal["classifier", "inception-2015"] = Field("classifier", description="network behind all metrics")
    inception_weights: str | None = Field(None, description="a local file; without it the published one is downloaded")
    inception_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="of that file, checked when given")


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


class Scale(Strict):
    """How large everything is: data, networks, recipes, sample counts."""

    description: str
    caution: str | None = Field(None, description="what every table of this scale says about its numbers")
    dataset: Literal["digits", "imagenet"]
    dataset_path: str | None = None
    resolution: PositiveInt
    attention_resolution: PositiveInt
    seeds: Seeds
    row_seeds: dict[RowName, Seeds] = Field({}, description="of rows that are trained with other seeds than ``seeds``")
    gpus: Annotated[int, Field(ge=0)] = Field(description="GPUs of one training job")
    retries: Annotated[int, Field(ge=0)] = Field(0, description="of a training job that failed; it resumes")
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
        if self.attention_resolution not in [
            self.resolution >> k for k in range(1, self.discriminator.downsamples + 1)
        ]:
            raise ValueError(
                "attention_resolution must be the resolution halved, as often as discriminator.downsamples"
            )
        if self.discriminator.downsamples > len(self.discriminator.channels):
            raise ValueError("discriminator.downsamples exceed the number of its blocks")
        for name, recipe in self.recipes.items():
            if recipe.steps % self.snapshots:
                raise ValueError(f"recipes.{name}.steps must be a multiple of snapshots")
        if self.dataset == "imagenet" and not self.dataset_path:
            raise ValueError("dataset_path must name the folder that holds ImageNet's train/ and val/")
        return self

    def seeds_of(self, name: str, row: AnyRow) -> list[int]:
        """The seeds that a row is trained with."""
        return self.row_seeds.get(name, self.recall.seeds if row.task == "recall" else self.seeds)

    def snapshot_steps(self, row: Row) -> list[int]:
        """Steps at which the generator is kept, from 0 (untrained) to the last."""
        steps = self.recipes[row.recipe].steps
        return [steps * k // self.snapshots for k in range(self.snapshots + 1)]

    @property
    def data_folder(self) -> str:
        return f"data/{self.dataset}-{self.resolution}"


class Published(Strict):
    """Numbers the paper prints; null where it prints none."""

    table1: dict[str, dict[Literal["fid", "intra_fid", "inception_score", "iterations"], float | None]]
    table2_classes: dict[int, str]
    table2: dict[str, list[float]]
    table3: dict[str, dict[Literal["psnr", "ssim", "mae"], float]]
    table4: dict[str, dict[Literal["inception_score", "fid"], float]]
    table5_sizes: list[int]
    table5: dict[str, list[float | None]]


SCALE_NAME = "^[a-z0-9][a-z0-9_-]*$"  # it stands in paths and command lines
Rows = TypeAdapter(dict[RowName, Annotated[AnyRow, Field(discriminator="task")]])


def load_rows(task: str | None = None) -> dict[str, AnyRow]:
    """Rows by name, of every task or of one. Raises UserError naming file and key."""
    rows = _load(FOLDER / "rows.yaml", Rows)
    return {name: row for name, row in rows.items() if task in (None, row.task)}


def load_row(name: str, task: str | None = None) -> AnyRow:
    """One row by name. Raises UserError for one that is unknown or of another task."""
    rows = load_rows(task)
    if name not in rows:
        raise UserError(f"unknown row '{name}'{hint(name, rows)}: params/rows.yaml has {', '.join(rows)}.")
    return rows[name]


def load_scale(name: str) -> Scale:
    """One scale by name. Raises UserError for an unknown or faulty one, and for a name with characters of a shell."""
    if not re.fullmatch(SCALE_NAME, name):
        raise UserError(f"scale {name!r}: a scale's name has small letters, digits, '-' and '_' only ({SCALE_NAME}).")
    path = FOLDER / "scales" / f"{name}.yaml"
    known = sorted(p.stem for p in path.parent.glob("*.yaml"))
    if name not in known:
        raise UserError(f"unknown scale '{name}'{hint(name, known)}: params/scales/ has {', '.join(known)}.")
    return _load(path, TypeAdapter(Scale))


def check_scale(scale_name: str) -> None:
    """Raise UserError when a scale gives seeds to unknown rows, or its data is neither prepared nor where it says."""
    scale, rows = load_scale(scale_name), load_rows()
    for row in scale.row_seeds:
        if row not in rows:
            raise UserError(f"params/scales/{scale_name}.yaml: row_seeds has an unknown row '{row}'{hint(row, rows)}.")
    for prefix, part in (("", scale), ("inpainting.", scale.inpainting)):
        prepared = Path(part.data_folder, "manifest.json").exists()
        if part.dataset_path and not prepared and not Path(part.dataset_path).is_dir():
            raise UserError(
                f"params/scales/{scale_name}.yaml: {prefix}dataset_path is {part.dataset_path}, which is missing: "
                f"put or link the {part.dataset} folder there, or name the folder that holds it."
            )


def load_published() -> Published:
    return _load(FOLDER / "published.yaml", TypeAdapter(Published))


def training_settings(row: Row, scale: Scale) -> dict:
    """Everything that determines a training run's result, besides its seed, data and code."""
    sizes = {"dataset", "resolution", "attention_resolution", "snapshots", "generator", "discriminator"}
    arithmetic = {"precision", "compile", "ema"}
    return {
        "row": row.model_dump(mode="json", exclude={"tables"}),
        "recipe": scale.recipes[row.recipe].model_dump(mode="json"),
        "scale": scale.model_dump(mode="json", include=sizes | arithmetic),
    }


def inpainting_settings(row: InpaintingRow, scale: Scale) -> dict:
    """Everything that determines an inpainting run's result, besides its seed, data and code."""
    housekeeping = {"test_crops", "checkpoint_every", "log_every"}
    return {
        "row": row.model_dump(mode="json", exclude={"tables"}),
        "scale": scale.inpainting.model_dump(mode="json", exclude=housekeeping),
    }


def recall_settings(row: RecallRow, scale: Scale) -> dict:
    """Everything that determines a recall run's result, besides its seed and code."""
    housekeeping = {"seeds", "test_images", "checkpoint_every", "log_every"}
    return {
        "row": row.model_dump(mode="json", exclude={"tables"}),
        "scale": scale.recall.model_dump(mode="json", exclude=housekeeping),
    }


def digest(settings: dict) -> str:
    """A short name for settings, equal exactly when they are."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def schema() -> dict:
    """JSON Schema of rows, scales and published numbers, by file."""
    return {
        "rows.yaml": Rows.json_schema(),
        "scales/*.yaml": Scale.model_json_schema(),
        "published.yaml": Published.model_json_schema(),
    }


def _load(path: Path, adapter: TypeAdapter):
    shown = path.relative_to(FOLDER.parent)
    try:
        return adapter.validate_python(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise UserError(f"{shown} is not valid YAML: {' '.join(str(error).split())}.") from None
    except ValidationError as error:
        raise UserError(f"{shown}: {_first_fault(error)}.") from None


# pydantic names the chosen member of a union in the location; people do not.
UNION_MEMBERS = [
    *("generation", "inpainting", "recall"),
    *("attentive_norm", "self_attention", "contextual_attention", "instance_norm", "batch_norm"),
]


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    first, *others = fault["loc"] or [""]
    key = ".".join(str(part) for part in [first, *(part for part in others if part not in UNION_MEMBERS)])
    if fault["type"] == "extra_forbidden":
        known = [name for model in Strict.__subclasses__() for name in model.model_fields]
        return f"unknown key '{key}'{hint(str(fault['loc'][-1]), known)}"
    if fault["type"] == "missing":
        return f"key '{key}' is missing"
    if fault["type"] == "value_error":
        return f"{key + ': ' if key else ''}{fault['ctx']['error']}"
    return f"key '{key}' is {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def hint(name: str, known) -> str:
    """The known name that an unknown one was probably meant to be, as an addition to an error's sentence."""
    close = difflib.get_close_matches(name, known, 1)
    return f" (did you mean '{close[0]}'?)" if close else ""
