"""FID along training, against steps and against time."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ... import params
from ...layout import Study
from ...seals import MADE, check_file
from ...tracking.events import read_events
from ..results import first_labels, read_runs
from .drawing import PAGE_WIDTH, Drawn, style

PANELS = {1: "rows of table 1", 4: "rows of table 4"}


def convergence(scale_name: str) -> Drawn:
    """Every row's FID at its snapshots, the mean over its seeds with their range, for the rows of tables 1 and 4.

    Raises UserError when a result is missing.
    """
    labels, there = first_labels("generation", scale_name), params.tables_of(params.load_scale(scale_name))
    styles = style(list(labels))
    panels = {table: title for table, title in PANELS.items() if table in there}
    figure, axes = plt.subplots(
        len(panels), 2, figsize=(PAGE_WIDTH, 3.1 * len(panels)), squeeze=False, sharey=True, layout="constrained"
    )
    points = {}
    for row, (table, title) in zip(axes, panels.items(), strict=True):
        found = pd.concat([_points(run) for run in read_runs(table, scale_name, Study(scale_name).results)])
        points[table] = found
        for axis, against in zip(row, ("step", "seconds"), strict=True):
            for name, of_row in found.groupby("row", sort=False):
                over = of_row.groupby("step").agg({"fid": ["mean", "min", "max"], "seconds": "mean"})
                x = over.index if against == "step" else over["seconds", "mean"]
                axis.plot(x, over["fid", "mean"], label=labels[name], **styles[name])
                axis.fill_between(
                    x, over["fid", "min"], over["fid", "max"], color=styles[name]["color"], alpha=0.15, lw=0
                )
            axis.set_yscale("log")
            axis.set_xlabel("step of the generator" if against == "step" else "seconds of training")
        row[0].set(ylabel="FID of a snapshot", title=title)
        row[1].legend(fontsize=6.5, frameon=False, loc="upper right")
    return Drawn(figure, pd.concat(points.values()).drop_duplicates(["row", "seed", "step"]))


def _points(run: dict) -> pd.DataFrame:
    """A run's FID by step, and after how many seconds of training."""
    steps, fid = ([point[name] for point in run["curve"]] for name in ("step", "fid"))
    seconds = np.interp(steps, *training_clock(Path(run["file"]).with_name("events.jsonl"), run))
    return pd.DataFrame({"row": run["row"], "seed": run["seed"], "step": steps, "seconds": seconds, "fid": fid})


def training_clock(events_file: Path, run: dict) -> tuple[list[int], list[float]]:
    """Steps, and the seconds of training until each; the pauses of one that was resumed do not count.

    Raises UserError when the events are not those of the run.
    """
    check_file(events_file, run[MADE]["training"]["events_sha256"], Path(run["file"]))
    steps, seconds, before = [0], [0.0], 0.0
    for event in read_events(events_file):
        if event["kind"] == "step":
            steps.append(event["step"])
            seconds.append(seconds[-1] + event["time"] - before)
        if event["kind"] in ("run", "resumed", "step"):
            before = event["time"]
    return steps, seconds
