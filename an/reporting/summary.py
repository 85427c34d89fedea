"""Every row's main scores in one small file, for comparing one commit's results with another's."""

from pathlib import Path
from statistics import fmean

from .. import params
from ..files import write_json
from ..seals import read_sealed

SCORES = {
    "generation": ["fid", "intra_fid", "inception_score"],
    "inpainting": ["psnr", "ssim_volume", "mae_signed"],
    "recall": ["accuracy"],
}


def summarise_scores(scale_name: str, results: str | Path, summary: str | Path) -> None:
    """Write {row: {score: mean over the seeds whose training did not diverge}} as JSON.

    A score is null where all diverged, or where the extractor gives none. Raises UserError when a result is missing.
    """
    scale, scores = params.load_scale(scale_name), {}
    for name, row in params.load_rows(scale=scale).items():
        files = [Path(results) / name / f"seed-{seed}" / "metrics.json" for seed in scale.seeds_of(name, row)]
        runs = [read_sealed(file) for file in files]
        if scale.evaluation.intra_samples and 1 in row.tables:  # measured apart
            for run, file in zip(runs, files, strict=True):
                run["metrics"] |= read_sealed(file.with_name("intra.json"))["metrics"]
        sound = [run["metrics"] for run in runs if run.get("training", {}).get("status") != "diverged"]
        values = {score: [m[score] for m in sound if score in m] for score in SCORES[row.task]}
        scores[name] = {score: fmean(found) if found else None for score, found in values.items()}
    write_json(summary, scores)
