"""Figure 10: one image of the recall task, and where the layers look."""

import matplotlib.pyplot as plt
import pandas as pd

from ... import params
from ...layout import Run
from ...seals import read_sealed
from ..results import row_labels
from .drawing import PAGE_WIDTH, Drawn

MARKS = 3  # marks whose maps are shown
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def figure10(scale_name: str) -> Drawn:
    """One test image, every layer's answers to it, and for some marks where the layers with a map look.

    Raises UserError when an example is missing.
    """
    labels, scale = row_labels(6, scale_name), params.load_scale(scale_name)
    seeds = {name: scale.seeds_of(name, params.load_row(name))[0] for name in labels}
    examples = {name: read_sealed(Run(scale_name, name, seed).example) for name, seed in seeds.items()}
    with_maps = [name for name in labels if examples[name]["maps"]]
    first = examples[next(iter(labels))]
    count = len(first["marks"]["keys"])
    chosen = range(0, count, -(-count // MARKS))
    figure = plt.figure(figsize=(PAGE_WIDTH, 2.7 + 1.25 * len(with_maps)), layout="constrained")
    (top,), (bottom,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[2.7, 1.25 * len(with_maps)])

    panels = top.subplots(1, len(labels) + 2, width_ratios=[2.2] + [1] * (len(labels) + 1))
    _draw_marks(panels[0], {0: first["cues"], 4: {**first["marks"], "colours": [[0, 0, 0]] * count}}, count)
    _draw_marks(panels[1], {0: first["marks"]}, count)
    titles = ["image", "wanted", *(f"({chr(97 + k)})" for k in range(len(labels)))]
    for axis, name in zip(panels[2:], labels, strict=True):
        answers = {"keys": first["marks"]["keys"], "colours": examples[name]["answers"]}
        _draw_marks(axis, {0: answers}, count, examples[name]["right"])
        axis.set_xlabel(f"{sum(examples[name]['right'])}/{count}", fontsize=8)
    for axis, title in zip(panels, titles, strict=True):
        axis.set_title(title, fontsize=8)
    legend = "   ".join(f"({chr(97 + k)}) {label}" for k, label in enumerate(labels.values()))
    top.supxlabel(legend, fontsize=7, wrap=True)

    axes = bottom.subplots(len(with_maps), len(chosen), squeeze=False)
    for row, name in zip(axes, with_maps, strict=True):
        for axis, place in zip(row, chosen, strict=True):
            key = first["marks"]["keys"][place]
            axis.imshow(examples[name]["maps"][place], cmap="viridis", vmin=0, vmax=1)
            side = len(examples[name]["maps"][place][0])
            for left, where in ((side - 3, place), (0, first["cues"]["keys"].index(key))):
                axis.add_patch(plt.Rectangle((left - 0.5, 2 * where - 0.5), 3, 2, fill=False, edgecolor="red"))
            axis.set(xticks=[], yticks=[])
            if name == with_maps[0]:
                axis.set_title(f"mark {LETTERS[key % 26]}", fontsize=8)
        row[0].set_ylabel(labels[name], fontsize=7, rotation=0, ha="right", va="center", wrap=True)
    lines = [
        {"row": name, "mark": LETTERS[key % 26], "red": red, "green": green, "blue": blue, "right": right}
        for name, example in examples.items()
        for key, (red, green, blue), right in zip(
            first["marks"]["keys"], example["answers"], example["right"], strict=True
        )
    ]
    return Drawn(figure, pd.DataFrame(lines))


def _draw_marks(axis, columns: dict[int, dict], count: int, right: list[bool] | None = None) -> None:
    """Columns of coloured squares, each with its key's letter; colours in [-1, 1]; wrong ones are struck through."""
    for left, marks in columns.items():
        for place, (key, colour) in enumerate(zip(marks["keys"], marks["colours"], strict=True)):
            face = [min(max((c + 1) / 2, 0), 1) for c in colour]
            axis.add_patch(plt.Rectangle((left, place), 1, 0.9, facecolor=face, edgecolor="black", linewidth=0.5))
            ink = "black" if sum(face) > 1.5 else "white"
            axis.text(left + 0.5, place + 0.47, LETTERS[key % 26], ha="center", va="center", fontsize=7, color=ink)
            if right and not right[place]:
                axis.plot([left, left + 1], [place + 0.9, place], color="red", linewidth=1)
    axis.set(xlim=(-0.1, max(columns) + 1.1), ylim=(count, -0.1), xticks=[], yticks=[])
    axis.set_frame_on(False)
