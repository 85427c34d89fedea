"""What all figures share: their width, their colours, and how they are written."""

from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

PAGE_WIDTH = 7.0  # inches, between the margins of a two-column page
# Okabe and Ito's colours, which colour-blind readers tell apart; the first is for the paper's own row.
COLOURS = ["#D55E00", "#0072B2", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#999999", "#000000"]
OURS = "an"

plt.rcParams.update(
    {
        **{"font.size": 8, "axes.titlesize": 8, "axes.spines.top": False, "axes.spines.right": False},
        **{"svg.hashsalt": "an", "svg.fonttype": "none", "figure.dpi": 100, "savefig.dpi": 200},
    }
)


class Drawn(NamedTuple):
    """A figure, and the numbers behind it; none where a table's own files have them."""

    figure: Figure
    numbers: pd.DataFrame | None


def style(names: list[str]) -> dict[str, dict]:
    """A colour and a line for each row by name; those beyond the colours are dashed."""
    others = [name for name in names if name != OURS]
    order = ([OURS] if OURS in names else [""]) + others
    return {
        name: {
            "color": COLOURS[k % len(COLOURS)],
            "linestyle": ["-", "--", ":"][k // len(COLOURS)],
            "linewidth": 2 if name == OURS else 1.2,
        }
        for k, name in enumerate(order)
        if name
    }


def tiles(images: np.ndarray, gap: int) -> np.ndarray:
    """Images ``[lines, columns, H, W, 3]`` as one, with white gaps of so many pixels between them."""
    lines, columns, height, width, _ = images.shape
    sheet = np.full((lines * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for line in range(lines):
        for column in range(columns):
            top, left = line * (height + gap), column * (width + gap)
            sheet[top : top + height, left : left + width] = images[line, column]
    return sheet


def bare(axis) -> None:
    """Nothing around a picture."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
