"""Table 5: inference time of the attention modules."""

import math
from pathlib import Path

import pandas as pd

from .. import params
from .cells import Cell, Measurement, Table
from .results import read_result
from .text import number

LABELS = {
    "attentive_norm": "AN",
    "self_attention": "Self-attention (pooled, as SA-GAN's code)",
    "self_attention_unpooled": "Self-attention (unpooled, control)",
}


def timing(table: int, scale_name: str, results: Path) -> Table:
    """Table 5: one line a module, a column a size. A cell's metric is the size."""
    run, published = read_result(results / "timing.json"), params.load_published()
    p, device = run["protocol"], run["made"]["device"]
    shown, exact, cells = [], [], {}
    for name, entries in run["made"]["modules"].items():
        paper = dict(zip(published.table5_sizes, published.table5.get(name, []), strict=False))
        line: dict[str, str | Cell] = {"Module": LABELS[name]}
        for entry in entries:
            size = entry["size"]
            cell = cells[name, str(size)] = _cell(name, entry, paper.get(size), run)
            line[f"{size}×{size} paper"] = number(paper.get(size), 2) if name in published.table5 else ""
            line[f"{size}×{size}"] = cell
            source = {key: cell.measurements[0].sources[key] for key in ("commit", "protocol", "device")}
            exact.append({"module": name, **entry, "published_ms": paper.get(size), **source})
        shown.append(line)
    notes = [
        f"Protocol {params.digest(p)}: median [quartiles] of {p['clock']} per forward pass on {device}; "
        f"{p['channels']} channels, n = {p['regions']}, {p['dtype']}; '-': predicted to need more than "
        f"{run['made']['limit_bytes'] / 1e9:.1f} GB, not run. The paper's numbers are from another machine; its '-' "
        "stands for out of memory."
    ]
    return Table(pd.DataFrame(shown), pd.DataFrame(exact), notes, cells)


def _cell(name: str, entry: dict, paper: float | None, run: dict) -> Cell:
    median, quartiles = entry["median_ms"], None
    if median is None:
        median = math.nan
    else:
        quartiles = (entry["first_quartile_ms"], entry["third_quartile_ms"])
    return Cell(name, str(entry["size"]), paper, 2, [Measurement(median, run)], quartiles)
