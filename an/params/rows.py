"""``params/rows.yaml``: every system of the paper's tables, and the controls that it lacks."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from .types import PositiveFloat, PositiveInt, RowName, Strict, Weight


class SelfAttention(Strict):
    """SA-GAN's self-attention, behind the blocks of the attention's resolution."""

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
    optional: bool = Field(False, description="run by scales alone that name it among their rows")
    generator_spectral_norm: bool
    discriminator_hidden: Literal["input", "output"]
    conditioning: Literal["projection", "classifier"]
    classifier_weight: Weight = Field(1.0, description="of AC-GAN's cross-entropy terms")
    attention: Annotated[SelfAttention | AttentiveNorm, Field(discriminator="kind")] | None
    attention_resolution: PositiveInt | None = Field(None, description="instead of the scale's")
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
Rows = TypeAdapter(dict[RowName, Annotated[AnyRow, Field(discriminator="task")]])
