"""The paper's figures, from the images that the workflow keeps."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.image import imread

from ..errors import UserError
from ..files import written_whole

PAGE_WIDTH = 7.0  # inches, between the margins of a two-column page
ROWS = 6  # test images shown


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
    chosen = names[:: max(1, len(names) // ROWS)][:ROWS]
    cell = PAGE_WIDTH / len(columns)
    figure, axes = plt.subplots(
        len(chosen), len(columns), figsize=(PAGE_WIDTH, cell * len(chosen)), squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, hspace=0, wspace=0)
    for row, name in enumerate(chosen):
        for axis, (title, folder) in zip(axes[row], columns.items(), strict=True):
            if not (folder / name).exists():
                raise UserError(f"{folder / name} is missing: run snakemake to make it.")
            axis.imshow(imread(folder / name), interpolation="nearest")
            axis.set_axis_off()
            if row == 0:
                axis.set_title(title, fontsize=9)
    with written_whole(out) as temporary:
        figure.savefig(temporary, format="png", dpi=200)
    plt.close(figure)
