"""Typed parameters: the rows of the paper's tables and the scales they are run at.

``python -m an schema`` prints their JSON Schema.
"""

from .loading import (
    base_of,
    check_data,
    check_scale,
    figures_of,
    hint,
    load_published,
    load_row,
    load_rows,
    load_scale,
    scale_file,
    scale_name,
    schema,
    tables_of,
)
from .published import Published
from .rows import AnyRow, AttentiveNorm, InpaintingRow, RecallLayer, RecallRow, Row, SelfAttention
from .scales import Classifier, Inception, Recall, Scale
from .settings import digest, inpainting_settings, recall_settings, run_settings, training_settings

__all__ = [
    "AnyRow",
    "AttentiveNorm",
    "Classifier",
    "Inception",
    "InpaintingRow",
    "Published",
    "Recall",
    "RecallLayer",
    "RecallRow",
    "Row",
    "Scale",
    "SelfAttention",
    "base_of",
    "check_data",
    "check_scale",
    "digest",
    "figures_of",
    "hint",
    "inpainting_settings",
    "load_published",
    "load_row",
    "load_rows",
    "load_scale",
    "recall_settings",
    "run_settings",
    "scale_file",
    "scale_name",
    "schema",
    "tables_of",
    "training_settings",
]
