"""Table 6: spatial associative recall, the layers side by side."""

import math
from pathlib import Path

import pandas as pd

from .. import params
from .cells import Cell, Table, exact_columns, make_cells, row_columns, source_columns
from .intervals import Interval, difference, interval
from .results import read_runs, row_labels
from .text import seeds_note

COLUMNS = {
    "accuracy_sampling": "sampling left on",
    "network_layout_information": "layout information",
    "network_effective_regions": "effective regions",
    "network_regions_winning": "regions winning",
    "network_rho": "ρ",
    "network_gamma": "γ",
    "parameters": "parameters",
}
DETAILS = ["squared_error", "network_regions_used", "network_t"]
DIGITS = {"accuracy": 3, "accuracy_sampling": 3, "network_layout_information": 3, "network_regions_winning": 1}
AN, LOWER = "recall-an", ["recall-none", "recall-in", "recall-an-n1", "recall-an-literal"]


def recall(table: int, scale_name: str, results: Path) -> Table:
    """Table 6: one line a layer."""
    runs, labels = read_runs(table, scale_name, results), row_labels(table, scale_name)
    metrics = ["accuracy", *COLUMNS, *DETAILS]
    cells = make_cells(runs, metrics, {}, DIGITS | {"parameters": 0})
    columns = {metric: [cells[row, metric] for row in labels] for metric in metrics}
    intervals = [interval(cell.values) for cell in columns["accuracy"]]
    shown: dict[str, list] = {"Layer": list(labels.values())}
    exact = row_columns(labels, columns["accuracy"])
    shown["accuracy ↑"] = columns["accuracy"]
    shown["95 % interval"] = [_ends(found) for found in intervals]
    shown |= {title: columns[metric] for metric, title in COLUMNS.items()}
    shown["n"] = exact["n"]
    exact |= {"accuracy_low": [found.low for found in intervals], "accuracy_high": [found.high for found in intervals]}
    for metric in metrics:
        exact |= exact_columns(metric, columns[metric])
    exact |= source_columns(columns["accuracy"])
    p = runs[0]["protocol"]
    notes = [
        f"Not in the paper. {p['keys']} cues in the left columns, each a key's mark in one of 8 colours; the same "
        f"marks without colour in the right columns, {p['gap']} columns away, rows drawn anew for every image. A "
        f"network with one residual block of {p['channels']} channels, whose convolutions see 3 pixels to each side, "
        f"paints each mark in its cue's colour; accuracy over {p['test_images']} test images, chance 0.125. The layer "
        "stands where the generator's block has its second norm.",
        f"Protocol {params.digest(p)}. {seeds_note(runs, labels)} Intervals are Student's. Accuracy and layout are of "
        "evaluation without sampling (t = 0), as the paper has it; the column beside leaves sampling on.",
        "Layout information: how much the soft layout tells of a pixel beyond its image, in nats; 0 is n copies of one "
        "instance norm. Effective regions: exp of the entropy of a pixel's layout.",
        _verdict(cells, labels),
    ]
    return Table(pd.DataFrame(shown), pd.DataFrame(exact), notes, cells)


def _ends(found: Interval) -> str:
    return "-" if math.isnan(found.low) else f"[{found.low:.3f}, {found.high:.3f}]"


def _verdict(cells: dict[tuple[str, str], Cell], labels: dict[str, str]) -> str:
    """How far AN is above what must not reach it."""
    sentences = []
    for row in [row for row in LOWER if row in labels]:
        found = difference(cells[AN, "accuracy"].values, cells[row, "accuracy"].values)
        sentences.append(f"{labels[row]} {found}")
    return f"AN's accuracy less that of others, with Welch's 95 % interval: {'; '.join(sentences)}."
