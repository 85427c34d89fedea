"""Verbs for images of one's own."""

import click

from ..layout import Run
from .given import OUT_FILE, OUT_FOLDER, SEED
from .options import device, gpus, option, row, scale

EXTRACTORS = ("inception", "efficientnet-lite0", "classifier")  # an.evaluation.extractors.NAMES, slow to import


@click.command()
@option("samples", "Folder of images, or .npy of uint8 [N, H, W, 3].")
@option("reference", "Images likewise, or an .npz of mu and sigma, which allows FID alone.")
@option("json", "File to write.", OUT_FILE)
@option(
    "labels",
    "Classes of the samples: .npy, or text with one number a line; by default their subfolders.",
    required=False,
)
@option("reference-labels", "Of the reference, likewise.", required=False)
@click.option(
    "--extractor",
    type=click.Choice(EXTRACTORS),
    default="inception",
    show_default=True,
    help="Network that sees the images.",
)
@click.option("--scale", default="smoke", show_default=True, help="Whose classifier, where that is the extractor.")
@option("weights", "Of the extractor, in place of those that are installed, downloaded or trained.", required=False)
@option("save-reference", "File to write the reference's mu and sigma to, .npz.", OUT_FILE, required=False)
@option("cache", "Folder that keeps the reference's features for next time.", OUT_FOLDER, required=False)
@gpus
def evaluate(samples, reference, gpus, **given):
    """Compare any images with others by every metric; print a table and write JSON."""
    from ..evaluation.folders import evaluate

    evaluate(samples, reference, device=device(gpus), **given)


@click.command()
@click.argument("image")
@option("mask", "Picture of the same size, white where the image is to be filled.")
@row
@scale
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the training whose weights are taken.")
@option("checkpoint", "Weights of the row's generator; by default those of the workflow.", required=False)
@option("out", "PNG file to write.", OUT_FILE)
@gpus
def complete(image, mask, *, row, scale, seed, checkpoint, out, gpus):
    """Fill a hole in IMAGE, a picture of any size, with a trained inpainting row; write a PNG."""
    from ..sampling.own_picture import complete_picture

    checkpoint = checkpoint or Run(scale, row, seed).checkpoints / "generator.pt"
    names = {"row_name": row, "scale_name": scale}
    complete_picture(image, mask, checkpoint=checkpoint, out=out, device=device(gpus), **names)


@click.command()
@click.argument("image")
@row
@scale
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the training whose weights are taken.")
@option("checkpoint", "Weights of the row's discriminator; by default those of the workflow.", required=False)
@option("out", "PNG file to write; its numbers go beside it as CSV.", OUT_FILE)
@gpus
def show(image, row, scale, *, seed, checkpoint, out, gpus):
    """Draw the regions that a trained row's discriminator sees in IMAGE."""
    from ..evaluation.regions import layout_of_picture
    from ..reporting.figures.draw import write
    from ..reporting.figures.regions import draw_layouts

    checkpoint = checkpoint or Run(scale, row, seed).checkpoints / "discriminator.pt"
    seen, layout = layout_of_picture(image, row, scale, checkpoint=checkpoint, device=device(gpus))
    write(draw_layouts(seen[None], layout[None], f"regions of {image}"), out)


@click.command()
@click.argument("name")
@option("images", "Folder of images: class folders, train/ and val/ with classes in each, or one folder without.")
@click.option("--like", default="laptop", show_default=True, help="Scale whose rows, networks and recipes to take.")
def init(name, images, like):
    """Write a scale NAME of images of your own, for `make reproduce SCALE=NAME`."""
    from ..data.own_scale import write_own_scale

    click.echo(write_own_scale(name, images, like))
