"""From a row and a scale to its two networks."""

from .. import params
from .discriminator import Discriminator
from .generator import Generator
from .inpainting import InpaintingGenerator
from .recall import RecallNetwork, layer_under_test


def build(row: str, scale: str, num_classes: int) -> tuple[Generator, Discriminator]:
    """Generator and discriminator of a row at a scale, both by name, e.g. ``build("an", "paper", 1000)``.

    Raises:
        UserError: for a name that ``params/`` does not have, an inpainting row, or one that the scale has no place for.
    """
    settings, sizes = params.load_row(row, "generation"), params.load_scale(scale)
    return build_generator(settings, sizes, num_classes), build_discriminator(settings, sizes, num_classes)


def build_generator(row: params.Row, scale: params.Scale, num_classes: int) -> Generator:
    return Generator(
        channels=scale.generator.channels,
        latent=scale.generator.latent,
        num_classes=num_classes,
        spectral=row.generator_spectral_norm,
        attention=row.attention,
        attention_resolution=scale.attention_resolution_of(row),
    )


def build_discriminator(row: params.Row, scale: params.Scale, num_classes: int) -> Discriminator:
    return Discriminator(
        channels=scale.discriminator.channels,
        downsamples=scale.discriminator.downsamples,
        hidden=row.discriminator_hidden,
        head_bias=scale.discriminator.head_bias,
        num_classes=num_classes,
        conditioning=row.conditioning,
        attention=row.attention,
        resolution=scale.resolution,
        attention_resolution=scale.attention_resolution_of(row),
    )


def build_inpainting_generator(row: params.InpaintingRow, scale: params.Scale) -> InpaintingGenerator:
    width, attention = scale.inpainting.width, row.attention
    return InpaintingGenerator(width, "attentive" if attention else "contextual", row.wide, attention)


def build_recall(row: params.RecallRow, scale: params.Scale) -> RecallNetwork:
    channels = scale.recall.channels
    return RecallNetwork(scale.recall.keys, channels, layer_under_test(row.attention, channels))
