"""The result file of a run that was measured: its metrics, and what they were measured of."""

from collections.abc import Iterable
from pathlib import Path

from ..seals import FILES, MADE, write_sealed


def write_measured(
    path: str | Path,
    measured: dict,  # row, seed, metrics, protocol and more
    *,
    training: dict | None,  # the training's report; None for a control, which has none
    checkpoint: Path | None,  # that the training's report vouches for
    made: dict,  # commit and device that measured; those that trained are added
    files: Iterable[str | Path] = (),  # to vouch for
    **provenance: str,
) -> None:
    """Write it."""
    told, made, provenance = None, dict(made), {**provenance, "checkpoint": None, "checkpoint_sha256": None}
    if training:
        assert checkpoint is not None, "a training's report vouches for its checkpoint"
        told = {name: value for name, value in training.items() if name not in (MADE, FILES)}
        made["training"] = training[MADE]
        provenance |= {"checkpoint": str(checkpoint), "checkpoint_sha256": training[FILES][checkpoint.name]}
    write_sealed(path, {**measured, "training": told, "provenance": provenance}, made, files)
