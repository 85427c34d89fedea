"""Reading result files into data frames."""

import json
from pathlib import Path

import pandas as pd

from .. import params
from ..errors import UserError


def read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run snakemake to make it.") from None


def read_runs(table: int, scale_name: str, results: Path) -> list[dict]:
    """The metrics files of every row that stands in a table, all seeds, in the order of params/rows.yaml.

    Raises UserError when two of them were measured under different protocols.
    """
    scale = params.load_scale(scale_name)
    names = [name for name, row in params.load_rows().items() if table in row.tables]
    runs = [read_json(results / name / f"seed-{seed}" / "metrics.json") for name in names for seed in scale.seeds]
    for run in runs[1:]:
        differing = sorted(k for k in runs[0]["protocol"] if run["protocol"].get(k) != runs[0]["protocol"][k])
        if differing:
            raise UserError(
                f"{runs[0]['row']} and {run['row']} were measured under different protocols ({', '.join(differing)}): "
                "evaluate them again."
            )
    return runs


def summarise(runs: list[dict], metrics: list[str]) -> pd.DataFrame:
    """One line a row: columns ``<metric>`` (mean over seeds), ``<metric>_sd`` (sample standard deviation) and ``n``."""
    frame = pd.DataFrame([{"row": run["row"], **run["metrics"]} for run in runs])
    groups = frame.groupby("row", sort=False)
    out = pd.DataFrame({"n": groups.size()})
    for metric in metrics:
        out[metric], out[f"{metric}_sd"] = groups[metric].mean(), groups[metric].std(ddof=1)
    return out
