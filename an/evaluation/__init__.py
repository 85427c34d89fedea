"""Feature extractors, distances between sets of images, and the timing of modules."""

from .frechet import frechet_distance

__all__ = ["frechet_distance"]
