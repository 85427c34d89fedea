"""Table 3: inpainting, published beside reproduced, with trivial completions as controls."""

import math
import statistics
from pathlib import Path

import pandas as pd

from .. import params
from ..errors import UserError
from .cells import Cell, Table, exact_columns, make_cells, row_columns, source_columns
from .intervals import Interval, interval
from .results import read_result, read_runs, row_labels
from .text import number, protocol_of_inpainting, published_notes, seeds_note

# The published table names no conventions. Its authors answered that they used MATLAB's psnr and ssim on each image and
# averaged; MATLAB's ssim takes an RGB array for a volume. Its MAE cannot be of composited images in [0, 1]: with its
# PSNR the mean error inside the hole would exceed the root mean square error there. In [-1, 1], the networks' own
# range, the numbers agree.
CONVENTIONS = {"psnr": "psnr", "ssim": "ssim_volume", "mae": "mae_signed"}
TITLES = {"psnr": "PSNR ↑", "ssim": "SSIM ↑", "mae": "MAE ↓"}
DIGITS = {"psnr": 2, "ssim": 4, "mae": 4}
CONTROLS = {"mean-colour": "Mean colour of the known pixels (control)", "biharmonic": "Biharmonic fill (control)"}
OTHERS = {  # further conventions, shown too
    "psnr_hole": ("PSNR hole ↑", 2),
    "ssim_gaussian": ("SSIM Gaussian ↑", 4),
    "ssim_gray51": ("SSIM grey 51 ↑", 4),
    "mae_unit": ("MAE [0, 1] ↓", 4),
    "mae_relative": ("MAE relative ↓", 4),
}


def inpainting(table: int, scale_name: str, results: Path) -> Table:
    """Table 3: one line a row or control."""
    runs = read_runs(table, scale_name, results)
    controls = [read_result(results / "controls" / f"{name}.json") for name in CONTROLS]
    if any("photographs" not in control for control in controls):
        raise UserError(f"{results / 'controls'} was measured by older code: run snakemake to measure it again.")
    labels = row_labels(table, scale_name) | CONTROLS
    metrics = [*CONVENTIONS.values(), *OTHERS]
    published = {
        name: {CONVENTIONS[metric]: value for metric, value in values.items()}
        for name, values in params.load_published().table3.items()
    }
    digits = {CONVENTIONS[metric]: DIGITS[metric] for metric in CONVENTIONS}
    digits |= {metric: places for metric, (_, places) in OTHERS.items()}
    cells = make_cells(runs + controls, metrics, published, digits)
    columns = {metric: [cells[row, metric] for row in labels] for metric in metrics}

    shown: dict[str, list] = {"Method": list(labels.values())}
    exact = row_columns(labels, columns["psnr"])
    for metric, convention in CONVENTIONS.items():
        paper = [cell.published for cell in columns[convention]]
        shown[f"{TITLES[metric]} paper"] = [number(value, DIGITS[metric]) for value in paper]
        shown[TITLES[metric]] = columns[convention]
        exact[f"{metric}_published"] = paper
    shown |= {title: columns[metric] for metric, (title, _) in OTHERS.items()}
    shown["n"] = exact["n"]
    for metric in metrics:
        exact |= exact_columns(metric, columns[metric])
    models = [row for row in labels if row not in CONTROLS]
    gains = {of["row"]: {row: _gain(cells[row, "psnr_hole"], of) for row in models} for of in controls}
    for control, of in gains.items():
        column = [of.get(row, Interval(math.nan, math.nan, math.nan)) for row in labels]
        for part in Interval._fields:
            exact[f"psnr_hole_over_{control}_{part}"] = [getattr(gain, part) for gain in column]
    exact |= source_columns(columns["psnr"])
    notes = [
        protocol_of_inpainting(runs[0]["protocol"]),
        f"{seeds_note(runs, labels)} Controls have no seeds.",
        "PSNR, SSIM and MAE beside the paper's columns are of whole composited images, in the conventions the paper "
        "most likely used: MATLAB's SSIM of an RGB volume (the authors named MATLAB), and MAE in [-1, 1] (in [0, 1] "
        "the published MAE contradicts the published PSNR). The other columns name theirs.",
        *(_against(control, gains[control], labels) for control in CONTROLS),
        f"These differences are paired: of each of the {len(set(controls[0]['photographs']))} test photographs (of the "
        "mean of its crops, where it has several), between the mean over a row's seeds and the control; [Student's "
        "95 % interval over the photographs]. Other seeds may differ.",
        *published_notes(published, labels),
    ]
    return Table(pd.DataFrame(shown), pd.DataFrame(exact), notes, cells)


def _gain(cell: Cell, control: dict) -> Interval:
    """By how much a row is closer to the truth than a control: PSNR in the hole, paired by photograph, in dB."""
    sound = [m.run["psnr_hole_each"] for m in cell.measurements if not m.diverged]
    gains: dict[str, list[float]] = {}  # crops of one photograph overlap, and are no separate evidence
    # The whole image's differs by as much: only the hole has errors, and its share of the image is the same.
    for photograph, of, *seeds in zip(control["photographs"], control["psnr_hole_each"], *sound, strict=True):
        if seeds:
            gains.setdefault(photograph, []).append(statistics.fmean(seeds) - of)
    return interval([statistics.fmean(of_one) for of_one in gains.values()])


def _against(control: str, gains: dict[str, Interval], labels: dict[str, str]) -> str:
    said = []
    for row, gain in gains.items():
        verdict = "better" if gain.low > 0 else "worse" if gain.high < 0 else "not decided"
        said.append(f"{labels[row]} {gain} dB, {verdict}")
    name = CONTROLS[control].removesuffix(" (control)").lower()
    return f"PSNR in the hole, less that of the {name}: {'; '.join(said)}."
