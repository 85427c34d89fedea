"""Result files as a finished scale leaves them, with numbers that are easy to predict tables from."""

import contextlib
import functools
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from an import params
from an.__main__ import main
from an.data.preparation import prepare
from an.files import sha256
from an.layout import IMAGES, Run, Study
from an.sampling.pictures import write_png
from an.seals import read_sealed, write_sealed

PROTOCOL = {
    "extractor": "classifier",
    "extractor_sha256": "0" * 64,
    "generated": 100,
    "generated_per_snapshot": 50,
    "reference": "all 1497 training images",
    "inception_score_splits": 2,
    "converged_fid": 10,
    "intra_fid": "mean over 10 classes",
    "weights": "raw",
    "dtype": "float32",
    "resize": "none",
}


GENERATION = params.load_rows("generation", params.load_scale("smoke"))
SEEDS = (0, 1, 2)  # that there are results of; which of them a table shows is the scale's choice


def two_seeds(monkeypatch) -> None:
    """Every row of the scale gets seeds 0 and 1, of recall all three, whatever its file says."""
    monkeypatch.setattr(params.Scale, "seeds_of", lambda self, name, row: SEEDS if row.task == "recall" else SEEDS[:2])


# Of the recall task, by row; each further seed is 0.01 higher.
ACCURACY = {
    **dict.fromkeys(["recall-none", "recall-in", "recall-an-n1", "recall-an-literal"], 0.125),
    **{"recall-an": 0.875, "recall-an-no-ssr": 0.9, "recall-sa": 0.95, "recall-ca": 0.25},
}


def training(name: str, seed: int) -> dict:
    """What a training run says of itself."""
    made = {"code": "c" * 16, "data": "d" * 64}
    key = {"key": f"{name}/seed-{seed}@{'e' * 16}", "parent": f"{name}@{'f' * 16}"}
    return {**key, "status": "finished", "step": 300, "reason": None, "attention": {}, **made}


def attention(name: str, *networks: str) -> dict:
    """Measures of a row's attention layers, as its training put them into its metrics."""
    kind = getattr(params.load_row(name).attention, "kind", None)
    of_layer = {
        "attentive_norm": {"layout_information": 0.5, "effective_regions": 8.0, "regions_used": 12.0, "rho": -0.25},
        "self_attention": {"gamma": 0.125},
    }
    names = networks or ("generator", "discriminator")
    return {f"{network}_{k}": value for network in names for k, value in of_layer.get(kind, {}).items()}


def provenance(name: str, seed: int) -> dict:
    checkpoint = f"checkpoints/smoke/{name}/seed-{seed}/generator.pt"
    return {"checkpoint": checkpoint, "checkpoint_sha256": f"{name}{seed}"}


MADE = {"commit": "abc", "device": "CPU", "torch": "2.15.0"}
TRAINED = {**MADE, "training": {**MADE, "seconds": 41.5}}


def edit(path, change) -> None:
    """Change a result, and seal it anew."""
    content = read_sealed(path)
    change(content)
    made = content.pop("made")
    write_sealed(path, content, made)


def diverge(results, name: str, seed: int) -> None:
    told = {"status": "diverged", "step": 120, "reason": "the loss is not finite"}
    edit(results / name / f"seed-{seed}/metrics.json", lambda run: run["training"].update(told))


def example(name: str) -> dict:
    """One test image of eight keys: keys k and 7 - k face each other, each has one of the eight colours."""
    keys, right = list(range(8)), params.load_row(name).attention.kind in ("attentive_norm", "self_attention")
    colours = [[2 * (key >> bit & 1) - 1 for bit in range(3)] for key in keys]
    ramp = [[column / 15 for column in range(16)]] * 16
    return {
        "cues": {"keys": keys, "colours": colours},
        "marks": {"keys": keys[::-1], "colours": colours[::-1]},
        "answers": colours[::-1] if right else [[0.1, -0.2, 0.3]] * 8,
        "right": [right] * 8,
        "maps": [ramp] * 8 if right else None,
    }


def make_events(file: Path) -> None:
    """Of a training of 300 steps, a tenth of a second each, that paused for an hour after step 150."""
    events = [{"kind": "run", "time": 1000.0}]
    events += [{"kind": "step", "step": step, "time": 1000 + step / 10} for step in range(50, 151, 50)]
    events += [{"kind": "resumed", "time": 4600.0}]
    events += [{"kind": "step", "step": step, "time": 4585 + step / 10} for step in range(200, 301, 50)]
    file.write_text("".join(json.dumps(event) + "\n" for event in events))


def make_regions(folder: Path, flat: bool) -> None:
    """Of four entities, the last of which has the right half of each image; all alike where it is flat."""
    layouts = np.full((8, 4, 8, 8), 0.25, np.float32)
    if not flat:
        layouts[:, :3, :, 4:], layouts[:, 3, :, 4:], layouts[:, 3, :, :4] = 0, 1, 0
        layouts[:, :3, :, :4] = 1 / 3
    images = np.zeros((8, 16, 16, 3), np.uint8)
    images[:, :, 8:] = 255
    arrays = {"images": images, "layouts": layouts, "whole": np.ones((8, 2)), "within": np.full((8, 4, 2), 0.5)}
    chain = {"chain_images": np.stack([images[:7]] * 2), "chain_layouts": np.stack([layouts[:7]] * 2)}
    np.savez(folder / "layouts.npz", **arrays, **chain, chain_classes=np.array([0, 1, 2]))
    shares = {"": [0.75, 1.0] * 4, "_shuffled": [0.25, 0.5] * 4, "_shifted": [0.5, 0.75] * 4}
    per_image = {f"{what}{mask}": values for what in ("below", "ratio") for mask, values in shares.items()}
    measures = {"layout_information": 0.001 if flat else 0.6}
    told = {"images": 8, "measures": measures, "flat_below": 0.05, "per_image": per_image}
    told["provenance"] = provenance(folder.parent.name, 0)
    write_sealed(folder / "regions.json", told, MADE, [folder / "layouts.npz"])


def make_samples(scale_name: str) -> None:
    """In this folder the scale's real data, for every row images of one grey, the row's place, and completions."""
    scale = params.load_scale(scale_name)
    prepare(scale.dataset, scale.resolution, scale.data_of("generation"))
    for place, name in enumerate(params.load_rows("generation", scale)):
        file = Run(scale_name, name, 0).images
        file.parent.mkdir(parents=True)
        np.save(file, np.full((120, scale.resolution, scale.resolution, 3), 10 * place, np.uint8))
        write_sealed(f"{file}.json", {"row": name}, files=[file])
    controls = Study(scale_name).controls
    folders = [
        controls / "input",
        controls / "truth",
        *(Run(scale_name, r, 0).samples for r in ("ca", "an-inpainting")),
    ]
    for grey, folder in enumerate(folders):
        for number in range(8):
            write_png(folder / f"{number:03d}.png", np.full((8, 8, 3), 60 * grey + number, np.uint8))
        write_sealed(folder / IMAGES, {}, files=folder.glob("*.png"))


def make_study(folder: Path, *lines: list[str]) -> None:
    """A finished study of made-up results at smoke in a folder, then what command lines make of it there."""
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        two_seeds(patch)
        make_results(Study("smoke").results)
        make_samples("smoke")
        for line in lines:
            assert main(line) == 0, line


def make_results(folder: Path) -> Path:
    """Made-up results of every row at smoke scale: FID is 10 + 2 * seed + the row's place in params/rows.yaml."""
    return shutil.copytree(_made_once().name, folder)


@functools.cache
def _made_once() -> tempfile.TemporaryDirectory:
    """The results that all tests of this process take a copy of, which is quicker than to make them."""
    temporary = tempfile.TemporaryDirectory()
    folder = Path(temporary.name)
    for place, name in enumerate(GENERATION):
        for seed in SEEDS:
            metrics = {"fid": 10.0 + place + 2 * seed, "intra_fid": 20.0, "inception_score": 5.0, "iterations": 60}
            run = {
                "row": name,
                "seed": seed,
                "metrics": {**metrics, "fid_untrained": 300.0, **attention(name)},
                "curve": [{"step": step, "fid": fid} for step, fid in ((0, 300.0), (150, 30.0), (300, metrics["fid"]))],
                "protocol": PROTOCOL,
                "training": training(name, seed),
                "provenance": provenance(name, seed),
            }
            path = folder / name / f"seed-{seed}"
            path.mkdir(parents=True)
            pd.DataFrame({"class": range(10), "intra_fid": [k + seed for k in range(10)]}).to_csv(
                path / "classes.csv", index=False
            )
            make_events(path / "events.jsonl")
            trained = {**TRAINED["training"], "events_sha256": sha256(path / "events.jsonl")}
            write_sealed(path / "metrics.json", run, {**MADE, "training": trained}, [path / "classes.csv"])
        if name in ("an", "an-literal"):
            make_regions(folder / name / "seed-0", flat=name == "an-literal")
    (folder / "controls").mkdir()
    names = ["psnr", "psnr_hole", "ssim_gaussian", "ssim_volume", "ssim_gray51"]
    names += ["mae_unit", "mae_signed", "mae_relative"]
    protocol = {
        "images": 4,
        "test_sha256": {"heldout_images.npy": "1" * 64},
        "hole": "",
        "composited": "",
        "averaged": "",
    }
    psnr = {"ca": 20.0, "an-inpainting": 22.0, "ca-wide": 18.0, "mean-colour": 15.0, "biharmonic": 19.0}
    for name, value in psnr.items():
        for seed in (None,) if name in ("mean-colour", "biharmonic") else SEEDS:
            run = {
                "row": name,
                "seed": seed,
                "metrics": dict.fromkeys(names, 0.5) | {"psnr": value + (seed or 0)},
                "psnr_hole_each": [value + (seed or 0) + image / (1 + (seed is None)) for image in range(4)],
                "photographs": [f"{image}.png" for image in range(4)],
                "protocol": protocol,
                "training": None if seed is None else training(name, seed),
                "provenance": {"checkpoint": None, "checkpoint_sha256": None}
                if seed is None
                else provenance(name, seed),
            }
            path = folder / f"controls/{name}.json" if seed is None else folder / name / f"seed-{seed}/metrics.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sealed(path, run, MADE if seed is None else TRAINED)
            if seed is not None:
                make_events(path.with_name("events.jsonl"))
    for name, accuracy in ACCURACY.items():
        for seed in SEEDS:
            path = folder / name / f"seed-{seed}"
            path.mkdir(parents=True)
            metrics = {"accuracy": accuracy + 0.01 * seed, "squared_error": 0.5, "parameters": 5000}
            run = {
                "row": name,
                "seed": seed,
                "metrics": metrics
                | attention(name, "network")
                | ({"accuracy_sampling": 0.75} if name == "recall-an" else {}),
                "protocol": {"test_images": 1024, "keys": 8, "gap": 10, "channels": 16, "answer": "the nearest colour"},
                "training": training(name, seed),
                "provenance": provenance(name, seed),
            }
            write_sealed(path / "metrics.json", run, TRAINED)
            make_events(path / "events.jsonl")
            write_sealed(path / "example.json", example(name))
    floor = {"fid": 0.5, "intra_fid": 1.0, "inception_score": 6.0}
    write_sealed(folder / "reference.json", {"heldout_as_generated": floor}, MADE)
    entries = [
        {"size": 128, "predicted_bytes": 1, "median_ms": 2.0, "first_quartile_ms": 1.5, "third_quartile_ms": 3.0}
    ]
    entries.append({"size": 256, "predicted_bytes": 1e12, "median_ms": None})
    modules = {"attentive_norm": entries, "self_attention": entries, "self_attention_unpooled": entries}
    protocol = {"channels": 32, "regions": 16, "dtype": "float32", "clock": "CUDA events"}
    measured = {"modules": modules, "limit_bytes": 1e9, "commit": "abc", "device": "a GPU"}
    write_sealed(folder / "timing.json", {"protocol": protocol}, measured)
    return temporary
