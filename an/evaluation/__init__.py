"""Feature extractors, distances between sets of images, and the timing of modules."""

from ..metrics.frechet import Moments, frechet_distance

__all__ = ["Moments", "frechet_distance"]
