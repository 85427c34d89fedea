"""Generators and discriminators, built from a row of the paper's tables and a scale."""

from .build import build, build_discriminator, build_generator, build_inpainting_generator, build_recall
from .discriminator import Discriminator
from .generator import Generator
from .inpainting import InpaintingDiscriminator, InpaintingGenerator
from .recall import RecallNetwork

__all__ = [
    "Discriminator",
    "Generator",
    "InpaintingDiscriminator",
    "InpaintingGenerator",
    "RecallNetwork",
    "build",
    "build_discriminator",
    "build_generator",
    "build_inpainting_generator",
    "build_recall",
]
