"""Files as finished and running jobs leave them, in a folder that MLflow is then brought to the state of."""

import json
from pathlib import Path

import numpy as np

from an import params
from an.layout import snapshot_name
from an.seals import write_sealed

STARTED = 1_700_000_000.0


def header(row: str, seed: int, **changed) -> dict:
    scale, parameters = params.load_scale("nano"), params.load_row(row)
    task = parameters.task
    settings = {
        "generation": params.training_settings,
        "inpainting": params.inpainting_settings,
        "recall": params.recall_settings,
    }[task]
    settings = settings(parameters, scale) | changed
    digest = params.digest(settings)
    return {
        "kind": "run",
        **{"key": f"{row}/seed-{seed}@{digest}", "parent": f"{row}@{digest}", "row": row, "task": task},
        **{"scale": "nano", "seed": seed, "settings": settings, "data": "d" * 64, "code": "c" * 16},
        **{"commit": "0123456789ab-dirty", "device": "CPU, 1 thread(s)", "torch": "2.15.0", "time": STARTED},
    }


def steps(last: int, first: int = 1, started: float = STARTED) -> list[dict]:
    """Losses that depend on the step alone, times that do not."""
    return [
        {"kind": "step", "step": k, "time": started + k, "generator": 1 / k, "discriminator": k / 7, "lr": 1e-3}
        for k in range(first, last + 1)
    ]


def attention(*points: int, **measures: float) -> list[dict]:
    """What the attention layers did at these steps: each measure is higher by the step."""
    return [
        {"kind": "attention", "step": k, "time": STARTED + k, **{name: value + k for name, value in measures.items()}}
        for k in points
    ]


def status(name: str, step: int, reason: str | None = None) -> dict:
    return {"kind": "status", "status": name, "step": step, "time": STARTED + step + 1, "reason": reason}


def spool(root: str, events: list[dict], torn: str = "") -> Path:
    """Write a job's events.jsonl below results/ or scratch/."""
    file = Path(root, "nano", events[0]["row"], f"seed-{events[0]['seed']}", "events.jsonl")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(event) + "\n" for event in events) + torn)
    return file


def finished(row: str, seed: int, last: int = 20, metrics: dict | None = None, **changed) -> dict:
    """A training that ended well and, with ``metrics``, was sampled and evaluated; returns its header."""
    head = header(row, seed, **changed)
    spool("results", [head, *steps(last), status("finished", last)])
    if metrics:
        evaluated(head, last, metrics)
    return head


def evaluated(head: dict, last: int, metrics: dict) -> None:
    folder = Path("nano", head["row"], f"seed-{head['seed']}")
    (Path("samples") / folder).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(head["seed"])
    images = Path("samples") / folder / "samples.npy"
    np.save(images, rng.integers(0, 256, (100, 32, 32, 3), np.uint8))
    write_sealed(f"{images}.json", {}, files=[images])
    content = {
        "metrics": metrics | {"label_accuracy": None},
        "curve": [{"step": step, "fid": metrics["fid"] + last - step} for step in (0, last // 2, last)],
        "protocol": {"extractor": "classifier", "generated": 100},
        "provenance": {
            "checkpoint": str(Path("checkpoints") / folder / snapshot_name(2)),
            "checkpoint_sha256": "5" * 64,
        },
        "training": {"key": head["key"]},
    }
    write_sealed(Path("results") / folder / "metrics.json", content)
