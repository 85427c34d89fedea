"""What determines a run's result, as the part of the parameters that a change of must run it again."""

import hashlib
import json
from collections.abc import Callable

from .rows import AnyRow, InpaintingRow, RecallRow, Row
from .scales import Scale


def run_settings(row: AnyRow, scale: Scale) -> dict:
    """Those of a row of any task."""
    of_task: dict[str, Callable[..., dict]]
    of_task = {"generation": training_settings, "inpainting": inpainting_settings, "recall": recall_settings}
    return of_task[row.task](row, scale)


def training_settings(row: Row, scale: Scale) -> dict:
    """Everything that determines a training run's result, besides its seed, data and code."""
    beside = {"tables", "optional"} | ({"attention_resolution"} if row.attention_resolution is None else set())
    sizes = {"dataset", "resolution", "attention_resolution", "snapshots", "generator", "discriminator"}
    arithmetic = {"precision", "compile", "ema"}
    return {
        "row": row.model_dump(mode="json", exclude=beside),
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
