"""Generators and discriminators, built from a row of the paper's tables and a scale."""

from .build import build, build_discriminator, build_generator
from .discriminator import Discriminator
from .generator import Generator
from .inpainting import InpaintingDiscriminator, InpaintingGenerator, complete

__all__ = [
    "Discriminator",
    "Generator",
    "InpaintingDiscriminator",
    "InpaintingGenerator",
    "build",
    "build_discriminator",
    "build_generator",
    "complete",
]
