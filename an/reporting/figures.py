"""The paper's figures, from the images that the workflow keeps."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.image import imread
from matplotlib.layout_engine import ConstrainedLayoutEngine

from .. import params
from ..errors import UserError
from ..files import written_whole
from ..layout import IMAGES
from ..seals import read_sealed

PAGE_WIDTH = 7.0  # inches, between the margins of a two-column page
ROWS = 6  # test images shown
MARKS = 3  # marks of the recall task whose maps are shown
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def figure9(samples: str | Path, seed: int, out: str | Path) -> None:
    """Inpainting side by side: input, CA, AN and the truth of test images spread over the held-out photographs.

    Raises UserError when an image is missing.
    """
    samples = Path(samples)
    columns = {
        "Input": samples / "controls/input",
        "CA": samples / f"ca/seed-{seed}",
        "AN (ours)": samples / f"an-inpainting/seed-{seed}",
        "Truth": samples / "controls/truth",
    }
    names = sorted(file.name for file in columns["Truth"].glob("*.png"))
    if not names:
        raise UserError(f"{columns['Truth']} has no images: run snakemake to make them.")
    chosen = names[:: max(1, len(names) // ROWS)][:ROWS]
    for folder in columns.values():
        read_sealed(folder / IMAGES, [folder / name for name in chosen])
    cell = PAGE_WIDTH / len(columns)
    size, close = (PAGE_WIDTH, cell * len(chosen)), ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, hspace=0, wspace=0)
    figure, axes = plt.subplots(len(chosen), len(columns), figsize=size, squeeze=False, layout=close)
    for row, name in enumerate(chosen):
        for axis, (title, folder) in zip(axes[row], columns.items(), strict=True):
            axis.imshow(imread(folder / name), interpolation="nearest")
            axis.set_axis_off()
            if row == 0:
                axis.set_title(title, fontsize=9)
    _save(figure, out)


def figure10(results: str | Path, seed: int, out: str | Path) -> None:
    """Recall: one test image, every layer's answers to it, and for some marks where the layers with a map look.

    Raises UserError when an example is missing.
    """
    rows = params.load_rows("recall").items()
    labels = {name: label for name, row in rows for number, label in row.tables.items() if number == 6}
    examples = {name: read_sealed(Path(results) / name / f"seed-{seed}" / "example.json") for name in labels}
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
    _save(figure, out)


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


def _save(figure, out: str | Path) -> None:
    with written_whole(out) as temporary:
        figure.savefig(temporary, format="png", dpi=200)
    plt.close(figure)


FIGURES = {9: figure9, 10: figure10}
