"""Attentive Normalization for Conditional Image Generation (CVPR 2020), as software that people run."""

__version__ = "0.1.0"
