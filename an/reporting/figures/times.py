"""Table 5 as lines: how the modules' times grow with the number of pixels."""

import matplotlib.pyplot as plt
import numpy as np

from ... import params
from ...layout import Study
from ..results import read_result
from ..timing_table import LABELS
from .drawing import COLOURS, PAGE_WIDTH, Drawn

FITTED = 3  # the largest sizes, where what a call costs by itself no longer counts


def table5(scale_name: str) -> Drawn:
    """Log-log, with the exponent that fits each module's largest sizes. Its numbers are those of the table's CSV.

    Raises UserError when the times are missing.
    """
    run, published = read_result(Study(scale_name).timing), params.load_published()
    figure, axis = plt.subplots(figsize=(PAGE_WIDTH * 0.75, 4.2), layout="constrained")
    for colour, (name, entries) in zip(COLOURS, run["made"]["modules"].items(), strict=False):
        timed = [entry for entry in entries if entry["median_ms"] is not None]
        sizes, medians = np.array([e["size"] for e in timed]), np.array([e["median_ms"] for e in timed])
        label = f"{LABELS[name]}{growth(sizes, medians)}"
        ends = [[e["median_ms"] - e["first_quartile_ms"], e["third_quartile_ms"] - e["median_ms"]] for e in timed]
        axis.errorbar(
            sizes, medians, np.transpose(ends), fmt="o-", color=colour, markersize=3.5, capsize=2, label=label
        )
        if paper := published.table5.get(name):
            told = [(size, ms) for size, ms in zip(published.table5_sizes, paper, strict=True) if ms is not None]
            paper_sizes, paper_ms = np.array(told).T
            label = f"{LABELS[name]}, published{growth(paper_sizes, paper_ms)}"
            axis.plot(paper_sizes, paper_ms, "D:", markerfacecolor="none", color=colour, markersize=4, label=label)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    ticks = sorted({entry["size"] for entries in run["made"]["modules"].values() for entry in entries})
    axis.set_xticks(ticks, [f"{size}²" for size in ticks])
    axis.set(xlabel="pixels", ylabel="milliseconds, batch 1")
    figure.legend(fontsize=6.5, frameon=False, loc="outside lower center")
    return Drawn(figure, None)


def growth(sizes: np.ndarray, milliseconds: np.ndarray) -> str:
    """The exponent of the number of pixels that fits the largest sizes, as text; nothing for a single size."""
    if len(sizes) < 2:
        return ""
    exponent, _ = np.polyfit(np.log(sizes[-FITTED:] ** 2.0), np.log(milliseconds[-FITTED:]), 1)
    return f": pixels$^{{{exponent:.2f}}}$"
