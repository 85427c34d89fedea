"""Table 3: inpainting, published beside reproduced, with trivial completions as controls."""

from pathlib import Path

import pandas as pd

from .. import params
from .results import read_json, read_runs, summarise
from .text import number, protocol_of_inpainting, spread, with_sources

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


def inpainting(table: int, scale_name: str, results: Path):
    """Table 3: one line a row or control."""
    runs, rows = read_runs(table, scale_name, results), params.load_rows()
    controls = [read_json(results / "controls" / f"{name}.json") for name in CONTROLS]
    metrics = [*CONVENTIONS.values(), *OTHERS]
    summary = pd.concat([summarise(runs, metrics), summarise(controls, metrics)])
    published = params.load_published().table3
    labels = [CONTROLS.get(name) or rows[name].tables[table] for name in summary.index]

    shown = {"Method": labels}
    exact = {"row": summary.index, "label": labels, "n": summary["n"].values}
    for metric, convention in CONVENTIONS.items():
        paper = [published.get(name, {}).get(metric) for name in summary.index]
        shown[f"{TITLES[metric]} paper"] = [number(value, DIGITS[metric]) for value in paper]
        shown[TITLES[metric]] = _column(summary, convention, DIGITS[metric])
        exact[f"{metric}_published"] = paper
    for metric, (title, digits) in OTHERS.items():
        shown[title] = _column(summary, metric, digits)
    shown["n"] = summary["n"].values
    for metric in metrics:
        exact[metric], exact[f"{metric}_sd"] = summary[metric].values, summary[f"{metric}_sd"].values
    exact |= with_sources([*runs, *controls], summary.index)
    notes = [
        protocol_of_inpainting(runs[0]["protocol"]),
        f"Mean ± standard deviation over n = {len(params.load_scale(scale_name).seeds)} seeds; controls have none.",
        "PSNR, SSIM and MAE beside the paper's columns are of whole composited images, in the conventions the paper "
        "most likely used: MATLAB's SSIM of an RGB volume (the authors named MATLAB), and MAE in [-1, 1] (in [0, 1] "
        "the published MAE contradicts the published PSNR). The other columns name theirs.",
        _against_controls(summary, dict(zip(summary.index, labels, strict=True))),
    ]
    return pd.DataFrame(shown), pd.DataFrame(exact), notes


def _column(summary: pd.DataFrame, metric: str, digits: int) -> list[str]:
    values = zip(summary[metric], summary[f"{metric}_sd"], strict=True)
    return [spread(mean, sd, digits) for mean, sd in values]


def _against_controls(summary: pd.DataFrame, labels: dict[str, str]) -> str:
    """Which rows beat which trivial completion, by PSNR of the whole image."""
    sentences = []
    for control, name in CONTROLS.items():
        models = [row for row in summary.index if row not in CONTROLS]
        beaten = [labels[row] for row in models if summary.at[row, "psnr"] <= summary.at[control, "psnr"]]
        what = name.removesuffix(" (control)").lower()
        verdict = f"not beaten by {', '.join(beaten)}" if beaten else "beaten by every model"
        sentences.append(f"{what}: {verdict}")
    return f"By PSNR, {'; '.join(sentences)}."
