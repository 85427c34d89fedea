"""Figure 9: inpainting side by side."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.image import imread
from matplotlib.layout_engine import ConstrainedLayoutEngine

from ... import params
from ...errors import UserError
from ...layout import IMAGES, Run, Study
from ...seals import read_sealed
from .drawing import PAGE_WIDTH, Drawn, bare

ROWS = 6  # test images shown


def figure9(scale_name: str) -> Drawn:
    """Input, CA, AN and the truth of test images spread over the held-out photographs, each row's first seed.

    Raises UserError when an image is missing.
    """
    scale, controls = params.load_scale(scale_name), Study(scale_name).controls
    columns = {"Input": controls / "input"}
    for title, name in (("CA", "ca"), ("AN (ours)", "an-inpainting")):
        columns[title] = Run(scale_name, name, scale.seeds_of(name, params.load_row(name))[0]).samples
    columns["Truth"] = controls / "truth"
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
            bare(axis)
            if row == 0:
                axis.set_title(title)
    lines = [
        {"image": name, "column": title, "file": str(columns[title] / name)} for name in chosen for title in columns
    ]
    return Drawn(figure, pd.DataFrame(lines))
