"""What a scale's files say of its trainings, for those who show it: spools, metrics, checkpoints, samples."""

import io
import json
from pathlib import Path
from typing import NamedTuple

from ..layout import IMAGES, Run
from ..seals import FILES, MADE, check_file, digest, read_sealed
from .events import read_events

GRID, COLUMNS = 80, 10  # images in the sample picture


class Spool(NamedTuple):
    """What the files say of one training."""

    header: dict
    steps: list[dict]
    attention: list[dict]  # what the attention layers did, at every resume point
    status: dict | None  # None while it runs, or when it was killed without a word
    seconds: float | None  # that the training took, since its last resume point; None until it has ended by itself
    metrics: dict | None  # metrics.json, once this very training was evaluated


def read_spools(scale_name: str) -> list[Spool]:
    """Every training of a scale: those that ended from results/, those under way from scratch/."""
    files = {}
    for root in ("scratch", "results"):
        for file in sorted(Path(root, scale_name).glob("*/seed-*/events.jsonl")):
            files[file.parent.relative_to(root)] = file
    spools = [read_spool(file, Path("results", folder, "metrics.json")) for folder, file in sorted(files.items())]
    return [spool for spool in spools if spool]


def read_spool(events_file: Path, metrics_file: Path) -> Spool | None:
    """One training; None when it has not begun to write, or is published or resumed at this very moment.

    Raises UserError when a file of it was changed after it was made.
    """
    try:
        header, *events = read_events(events_file)
    except (FileNotFoundError, ValueError):
        return None
    last = events[-1] if events else header
    seconds = _seconds(events_file, header["key"])
    metrics = read_sealed(metrics_file) if metrics_file.exists() else {}
    evaluated = metrics.get("training", {}).get("key") == header["key"]  # not of an earlier training
    intra_file = metrics_file.with_name("intra.json")
    if evaluated and "intra_fid" not in metrics["metrics"] and intra_file.exists():  # measured apart
        intra = read_sealed(intra_file)
        metrics["metrics"] |= intra["metrics"] if intra["training"]["key"] == header["key"] else {}
    steps, attention = ([event for event in events if event["kind"] == kind] for kind in ("step", "attention"))
    status = last if last["kind"] == "status" else None
    return Spool(header, steps, attention, status, seconds, metrics if evaluated else None)


def _seconds(events_file: Path, key: str) -> float | None:
    """How long a training that has ended took, and a check that its events are those that its report vouches for."""
    report = events_file.with_name("training.json")
    if not report.exists() or (told := read_sealed(report))["key"] != key:
        return None
    check_file(events_file, told[MADE]["events_sha256"], report)
    return told[MADE]["seconds"]


def provenance(spool: Spool) -> dict[str, str | int | None]:
    """Where a run comes from, and where its checkpoint is."""
    header, evaluated = spool.header, spool.metrics or {}
    commit, measured = header["commit"], evaluated.get("provenance", {})
    return {
        **{name: header[name] for name in ("row", "scale", "seed", "code", "data", "device", "torch")},
        "commit": commit.removesuffix("-dirty"),
        "dirty": commit.endswith("-dirty"),
        "reason": spool.status and spool.status["reason"],
        "protocol": json.dumps(evaluated["protocol"]) if evaluated else None,
        "checkpoint": measured.get("checkpoint"),
        "checkpoint_sha256": measured.get("checkpoint_sha256"),
    }


def samples_made(header: dict) -> str | None:
    """A short name for a run's samples or completions, without reading them; None when there are none."""
    report = _report(Run(header["scale"], header["row"], header["seed"]))
    return digest(read_sealed(report)[FILES])[:16] if report.exists() else None


def sample_grid(header: dict) -> bytes:
    """The first samples or completions of a run as one PNG picture.

    Raises UserError when they are missing or were changed after they were made. It reads them all for that: 2.4 GB of a
    row at scale ``paper``.
    """
    import numpy as np
    from PIL import Image

    run = Run(header["scale"], header["row"], header["seed"])
    if run.images.exists():
        read_sealed(_report(run), [run.images])
        images = np.load(run.images, mmap_mode="r")[:GRID]
    else:
        files = sorted(run.samples.glob("*.png"))[:GRID]
        read_sealed(_report(run), files)
        images = np.array([np.asarray(Image.open(file)) for file in files])
    lines, (height, width) = -(-len(images) // COLUMNS), images.shape[1:3]
    cells = np.full((lines * COLUMNS, height, width, 3), 255, np.uint8)
    cells[: len(images)] = images
    grid = cells.reshape(lines, COLUMNS, height, width, 3).swapaxes(1, 2)
    picture = io.BytesIO()
    Image.fromarray(grid.reshape(lines * height, COLUMNS * width, 3)).save(picture, "png", compress_level=1)
    return picture.getvalue()


def _report(run: Run) -> Path:
    """What vouches for a run's samples."""
    return Path(f"{run.images}.json") if run.images.exists() else run.samples / IMAGES


def flattened(settings: dict, prefix: str = "") -> dict:
    """Nested settings as ``{"scale.generator.latent": 64, ...}``."""
    flat: dict = {}
    for name, value in settings.items():
        flat |= flattened(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
