"""Tables as points: every seed, means with their intervals, and beside them the published values."""

import math

import matplotlib.pyplot as plt

from ... import params
from ...layout import Study
from ..cells import Cell
from ..intervals import interval
from ..results import row_labels
from ..tables import HEADINGS, build
from .drawing import COLOURS, OURS, PAGE_WIDTH, Drawn

METRICS = {
    1: ["fid", "inception_score", "intra_fid"],
    4: ["fid", "inception_score"],
    6: ["accuracy", "network_layout_information"],
}
TITLES = HEADINGS | {"accuracy": "accuracy ↑", "network_layout_information": "layout information (nats)"}


def table1(scale_name: str) -> Drawn:
    """Raises UserError when a result is missing, as the others do."""
    return table_as_points(1, scale_name)


def table4(scale_name: str) -> Drawn:
    return table_as_points(4, scale_name)


def table6(scale_name: str) -> Drawn:
    return table_as_points(6, scale_name)


def table_as_points(table: int, scale_name: str) -> Drawn:
    """One panel a metric, one line a row. Published values have panels of their own where they are of other images.

    The numbers are those of the table's own CSV files.
    """
    cells, labels = build(table, scale_name, Study(scale_name).results).cells, row_labels(table, scale_name)
    imagenet = params.load_scale(scale_name).dataset == "imagenet"
    panels = [(metric, False) for metric in METRICS[table]]
    if not imagenet:
        panels += [(m, True) for m in METRICS[table] if any(cells[row, m].published is not None for row in labels)]
    size = (PAGE_WIDTH, 0.27 * len(labels) + 1.0)
    figure, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharey=True, layout="constrained")
    for axis, (metric, published) in zip(axes[0], panels, strict=True):
        for place, row in enumerate(labels):
            if published:
                _draw_published(axis, place, cells[row, metric])
            else:
                _draw_reproduced(axis, place, cells[row, metric])
                if imagenet:
                    _draw_published(axis, place, cells[row, metric])
        axis.set_title(("published\n" if published else "") + TITLES[metric], fontsize=7)
        axis.grid(axis="y", color="#eeeeee")
        axis.tick_params(axis="x", labelsize=6.5)
    axes[0][0].set_yticks(range(len(labels)), list(labels.values()))
    axes[0][0].invert_yaxis()
    return Drawn(figure, None)


def _draw_reproduced(axis, place: int, cell: Cell) -> None:
    colour = COLOURS[0] if cell.row.removeprefix("recall-") == OURS else COLOURS[1]
    values = [value for value in cell.values if not math.isnan(value)]
    found = interval(values)
    axis.plot(values, [place] * len(values), "o", color=colour, markersize=3, alpha=0.35, markeredgewidth=0)
    if not math.isnan(found.low):
        axis.plot([found.low, found.high], [place, place], color=colour, linewidth=1)
    if values:
        axis.plot(found.mean, place, "o", color=colour, markersize=4.5)


def _draw_published(axis, place: int, cell: Cell) -> None:
    if cell.published is not None:
        axis.plot(cell.published, place, "D", markerfacecolor="none", markeredgecolor=COLOURS[7], markersize=4.5)
