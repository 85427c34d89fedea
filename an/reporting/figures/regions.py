"""Figures 4, 5 and 8: what a trained generator's regions are."""

from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb

from ... import params
from ...layout import Run
from ...seals import read_sealed
from ..intervals import Interval, interval
from ..results import first_labels
from .captions import LOOKED_AT
from .drawing import COLOURS, PAGE_WIDTH, Drawn, bare

MASKS = {"": "its regions", "_shifted": "the same, shifted", "_shuffled": "the same, shuffled"}
SHOWN4, MAPS4 = 3, 3  # images, and maps beside each
SHOWN5, MAPS5 = 4, 6
LETTERS = "cdefgh"
NO_ENTITY = "#dddddd"


class Looked(NamedTuple):
    """What ``an regions`` found of a row."""

    regions: dict
    arrays: dict[str, np.ndarray]

    @property
    def information(self) -> float:
        return self.regions["measures"]["layout_information"]

    @property
    def flat(self) -> bool:
        return self.information < self.regions["flat_below"]

    def share(self, mask: str = "") -> Interval:
        """Of (image, entity) pairs whose region varies less than the whole map; the interval is over images."""
        return interval(self.regions["per_image"][f"below{mask}"])

    def title(self) -> str:
        """What the layout tells, and whether that is anything."""
        regions = self.arrays["layouts"].shape[1]
        told = f"layout information {self.information:.3f} of at most {np.log(regions):.2f} nats"
        return f"{told}: flat, there are no regions here" if self.flat else told


def read_looked(regions: str | Path, layouts: str | Path) -> Looked:
    """Raises UserError when they are missing or were changed."""
    found = read_sealed(regions, [layouts])
    with np.load(layouts, allow_pickle=False) as archive:
        return Looked(found, dict(archive))


def looked_at(scale_name: str) -> dict[str, Looked]:
    """By row, of its first seed. Raises UserError when one is missing."""
    scale = params.load_scale(scale_name)
    rows = params.load_rows("generation", scale)
    runs = [Run(scale_name, name, scale.seeds_of(name, rows[name])[0]) for name in LOOKED_AT if name in rows]
    return {run.row: read_looked(run.regions, run.layouts) for run in runs}


def figure4(scale_name: str) -> Drawn:
    """Deviations within regions against the whole map's. Raises UserError when what they are drawn from is missing."""
    labels = first_labels("generation", scale_name)
    return deviations({labels[name]: looked for name, looked in looked_at(scale_name).items()})


def deviations(rows: dict[str, Looked]) -> Drawn:
    """Of the first row some images with maps and their moments; of all rows the share of pairs that vary less."""
    first = next(iter(rows.values()))
    figure = plt.figure(figsize=(PAGE_WIDTH, 1.62 * SHOWN4 + 0.5 + 0.62 * len(rows)), layout="constrained")
    (top,), (bottom,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.62 * SHOWN4, 0.5 + 0.62 * len(rows)])
    top.suptitle(f"mean, standard deviation: over the whole map, and over a region; {first.title()}", fontsize=8)
    for line, axes in enumerate(top.subplots(SHOWN4, 1 + MAPS4, squeeze=False)):
        layout, within = first.arrays["layouts"][line], first.arrays["within"][line]
        axes[0].imshow(first.arrays["images"][line], interpolation="nearest")
        axes[0].set_title("({:.2f}, {:.2f})".format(*first.arrays["whole"][line]))
        for axis, entity in zip(axes[1:], _most_varied(layout[None], MAPS4), strict=False):
            axis.imshow(layout[entity], cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
            axis.set_title("({:.2f}, {:.2f})".format(*within[entity]))
        for axis in axes:
            bare(axis)
    _draw_shares(bottom.subplots(), rows)
    return Drawn(figure, shares(rows))


def shares(rows: dict[str, Looked]) -> pd.DataFrame:
    """Figure 4's claim as numbers: for each row and kind of mask, shares and mean ratios with their intervals."""
    lines = []
    for label, looked in rows.items():
        for mask, name in MASKS.items():
            ratio = interval(looked.regions["per_image"][f"ratio{mask}"])
            told = {"layout_information": looked.information, "flat": looked.flat, "images": looked.regions["images"]}
            share = dict(zip(("share_below", "share_low", "share_high"), looked.share(mask), strict=True))
            ratios = dict(zip(("ratio", "ratio_low", "ratio_high"), ratio, strict=True))
            lines.append({"row": label, "masks": name, **share, **ratios, **told})
    return pd.DataFrame(lines)


def _draw_shares(axis, rows: dict[str, Looked]) -> None:
    places, names = [], []
    for number, (label, looked) in enumerate(rows.items()):
        for k, (mask, name) in enumerate(MASKS.items()):
            found, place = looked.share(mask), number * (len(MASKS) + 0.6) + k
            error = [[found.mean - found.low], [found.high - found.mean]]
            colour = COLOURS[0] if not mask else COLOURS[6]
            axis.errorbar(found.mean, place, xerr=error, fmt="o", color=colour, capsize=3, markersize=4)
            places.append(place)
            names.append(f"{label}{' (flat)' if looked.flat else ''}: {name}" if not mask else name)
    axis.axvline(0.5, color="#bbbbbb", linewidth=0.8, zorder=0)
    axis.set_yticks(places, names)
    axis.invert_yaxis()
    axis.set(xlim=(0.4, 1.02), xlabel="share of (image, entity) pairs that vary less than the whole map, 95 % interval")


def figure5(scale_name: str) -> Drawn:
    """The paper's row's layouts. Raises UserError when what they are drawn from is missing."""
    return semantic_layouts(next(iter(looked_at(scale_name).values())))


def semantic_layouts(looked: Looked) -> Drawn:
    """Images, their layouts made hard, and the maps of the entities that vary most over all of them."""
    return draw_layouts(looked.arrays["images"][:SHOWN5], looked.arrays["layouts"][:SHOWN5], looked.title())


def draw_layouts(images: np.ndarray, layouts: np.ndarray, title: str) -> Drawn:
    """Images ``[N, R, R, 3]`` and layouts ``[N, n, H, W]``: a line for each image, six maps at most."""
    entities = _most_varied(layouts, MAPS5)
    colours = dict(zip(entities, COLOURS, strict=False))
    size = (PAGE_WIDTH, 0.95 * len(images) + 0.55)
    figure, axes = plt.subplots(len(images), 2 + len(entities), figsize=size, squeeze=False, layout="constrained")
    figure.suptitle(title, fontsize=8)
    for line, (image, layout) in enumerate(zip(images, layouts, strict=True)):
        axes[line][0].imshow(image, interpolation="nearest")
        winner = layout.argmax(0)
        hard = np.array([[to_rgb(colours.get(entity, NO_ENTITY)) for entity in row] for row in winner])
        axes[line][1].imshow(hard, interpolation="nearest")
        for axis, entity in zip(axes[line][2:], entities, strict=True):
            axis.imshow(layout[entity], cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
        for axis in axes[line]:
            bare(axis)
    axes[0][0].set_title("(a)")
    axes[0][1].set_title("(b)")
    for letter, axis, entity in zip(LETTERS, axes[0][2:], entities, strict=False):
        axis.set_title(f"({letter}) ■", color=colours[entity])
    lines = [
        {"image": k, "entity": int(entity), "mean": m.mean(), "least": m.min(), "most": m.max()}
        for k, layout in enumerate(layouts)
        for entity, m in enumerate(layout)
    ]
    return Drawn(figure, pd.DataFrame(lines))


def figure8(scale_name: str) -> Drawn:
    """The paper's row's interpolation. Raises UserError when what it is drawn from is missing."""
    return interpolation(next(iter(looked_at(scale_name).values())))


def interpolation(looked: Looked) -> Drawn:
    """Two chains between classes, and below each image the map of the entity that varies most over both chains."""
    images, layouts = looked.arrays["chain_images"], looked.arrays["chain_layouts"]
    classes = looked.arrays["chain_classes"].tolist()
    chains, count = images.shape[:2]
    entity = _most_varied(layouts.reshape(-1, *layouts.shape[2:]), 1)[0]
    size = (PAGE_WIDTH, 2 * chains * PAGE_WIDTH / count + 0.6)
    figure, axes = plt.subplots(2 * chains, count, figsize=size, squeeze=False, layout="constrained")
    figure.suptitle(looked.title(), fontsize=8)
    lines = []
    for chain in range(chains):
        start, end = classes[chain], classes[chain + 1]
        for k in range(count):
            above, below = axes[2 * chain][k], axes[2 * chain + 1][k]
            above.imshow(images[chain, k], interpolation="nearest")
            below.imshow(layouts[chain, k, entity], cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
            share = k / (count - 1)
            above.set_title(f"class {start}" if not k else f"class {end}" if share == 1 else f"{share:.2f}")
            bare(above)
            bare(below)
            lines.append(
                {"from": start, "to": end, "share": share, "entity": entity, "area": layouts[chain, k, entity].mean()}
            )
    return Drawn(figure, pd.DataFrame(lines))


def _most_varied(layouts: np.ndarray, count: int) -> list[int]:
    """The entities whose maps ``[N, n, H, W]`` vary most over pixels, in that order."""
    return np.argsort(-layouts.var((2, 3)).mean(0), kind="stable")[:count].tolist()
