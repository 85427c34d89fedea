"""Verbs that are steps of the workflow, one for each of its rules. Files lie where the workflow has them."""

import os
from collections.abc import Callable

import click

from ..layout import Run, Study
from .given import OUT_FILE, OUT_FOLDER, Hours
from .options import device, gpus, option, paths, resolution, row, scale, seed, taken, where

path = option("path", "Folder that holds a data set which does not come with this project.", required=False)


@click.command()
@option("dataset", "Which data set.", click.Choice(["digits", "fashion_mnist", "folder", "imagenet"]))
@resolution
@path
@option("data", "Folder to write.")
def prepare(dataset, resolution, path, data):
    """Bring a data set to memory-mapped arrays with a manifest."""
    from ..data.preparation import prepare

    if dataset in ("imagenet", "folder") and not path:
        raise click.UsageError(f"{dataset} needs --path, the folder that holds its images.")
    prepare(dataset, resolution, data, path)


@click.command()
@option("dataset", "Which data set.", click.Choice(["photographs", "paris_streetview", "textures"]))
@resolution
@option("test-crops", "Fixed crops of held-out photographs, or test textures.", click.IntRange(1))
@path
@option("data", "Folder to write.")
def prepare_photographs(dataset, resolution, *, test_crops, path, data):
    """Bring photographs or textures for inpainting to memory-mapped arrays with a manifest."""
    from ..data.crop_preparation import prepare_crops

    prepare_crops(dataset, resolution, data, test_crops=test_crops, path=path)


@click.command()
@scale
@paths("data", "classifier", "classifier-report")
@gpus
def train_classifier(scale, gpus, **given):
    """Train the feature classifier on the training images."""
    from ..evaluation.classifier import train_classifier

    train_classifier(scale, device=device(gpus), **where(Study(scale), given))


@click.command()
@scale
@paths("data", "classifier", "features", "inception-features", "reference")
@gpus
def reference(scale, gpus, **given):
    """Extract the features of the training images, and the metrics of the held-out ones."""
    from ..evaluation.reference import extract_reference

    extract_reference(scale, device=device(gpus), **where(Study(scale), given))


@click.command()
@row
@scale
@seed
@paths("data", "checkpoints", "events", "training", "scratch")
@option("hours", "Stop after this many hours, with a resume point and exit status 124.", Hours(), False)
@click.option("--accept-code", is_flag=True, help="Go on from a resume point that other code made.")
@gpus
def train(row, scale, seed, *, hours, accept_code, gpus, **given):
    """Train a row, of any task, on one or several GPUs; a killed run goes on from its scratch folder.

    Where another process trains the same run it waits, and then takes that one's result for its own.
    """
    from ..devices import chosen
    from ..params import load_row
    from ..training.generation import train
    from ..training.inpainting import train_inpainting
    from ..training.launch import launch
    from ..training.loop import Files
    from ..training.recall import train_recall
    from ..training.turns import has_result, waited

    task = load_row(row).task
    found = where(Run(scale, row, seed), given, task)
    for name in Files._fields:  # found before the training, not after it
        kind = OUT_FOLDER if name in ("checkpoints", "scratch") else OUT_FILE
        kind.convert(found[name], click.Option([f"--{name}"]), None)
    result = {name: found[name] for name in ("training", "checkpoints")}
    another = "WORLD_SIZE" not in os.environ and waited(found["scratch"], hours)  # with no GPU taken meanwhile
    if another and has_result(row, scale, seed, **result):
        click.echo(f"{row} seed {seed} has been trained meanwhile.", err=True)
        return
    mine = taken(gpus)
    if len(mine) > 1 and "WORLD_SIZE" not in os.environ:
        launch(mine)
        return
    data = {} if task == "recall" else {"data": found["data"]}  # the recall task draws its images
    trains: dict[str, Callable[..., None]]
    trains = {"generation": train, "inpainting": train_inpainting, "recall": train_recall}
    files = Files(**{name: found[name] for name in Files._fields})
    trains[task](row, scale, seed, files, device=chosen(mine), hours=hours, accept_code=accept_code, **data)


@click.command()
@row
@scale
@seed
@paths("data", "checkpoints", "images", "snapshot-images", "averaged-images")
@gpus
def generate(row, scale, seed, gpus, **given):
    """Generate the images a trained row is evaluated on."""
    from ..sampling.generation import generate

    generate(row, scale, seed, device=device(gpus), **where(Run(scale, row, seed), given))


@click.command()
@row
@scale
@seed
@paths("data", "classifier", "features", "inception-features", "checkpoints", "training")
@paths("images", "snapshot-images", "averaged-images", "metrics", "classes")
@gpus
def evaluate_row(row, scale, seed, gpus, **given):
    """Compute FID, IS, intra-FID and more of a row's generated images."""
    from ..evaluation.generation import evaluate_row

    evaluate_row(row, scale, seed, device=device(gpus), **where(Run(scale, row, seed), given))


@click.command()
@row
@scale
@seed
@click.option("--table2", is_flag=True, help="Measure table 2's classes alone, which the others then need not.")
@paths("data", "classifier", "features", "checkpoints", "training", "class-scratch", "intra-table2", "intra")
@gpus
def evaluate_classes(row, scale, seed, *, table2, gpus, **given):
    """Compute intra-FID class by class, of images that a row's generator makes for it; a killed run goes on."""
    from ..evaluation.intra import evaluate_classes

    files = where(Run(scale, row, seed), given)
    evaluate_classes(row, scale, seed, table2_alone=table2, device=device(gpus), **files)


@click.command()
@row
@scale
@seed
@paths("checkpoints", "training", "metrics", "example")
@gpus
def evaluate_recall(row, scale, seed, gpus, **given):
    """Measure how many marks a trained layer of the recall task paints in their cues' colours."""
    from ..evaluation.recall import evaluate_recall

    evaluate_recall(row, scale, seed, device=device(gpus), **where(Run(scale, row, seed), given))


@click.command()
@row
@scale
@seed
@option("checkpoint", "Weights of the row's generator. By default the workflow's last.", required=False)
@paths("regions", "layouts")
@gpus
def regions(row, scale, seed, *, checkpoint, gpus, **given):
    """Look at the regions that a trained row's generator makes, and at two classes mixed."""
    from ..evaluation.regions import look_at_regions
    from ..params import load_scale

    run = Run(scale, row, seed)
    checkpoint = checkpoint or run.snapshot(load_scale(scale).snapshots)
    look_at_regions(row, scale, seed, checkpoint=checkpoint, device=device(gpus), **where(run, given))


@click.command()
@row
@scale
@seed
@paths("data", "checkpoints", "samples")
@gpus
def complete_heldout(row, scale, seed, gpus, **given):
    """Complete the held-out test images with a trained inpainting row."""
    from ..sampling.inpainting import complete_heldout

    complete_heldout(row, scale, device=device(gpus), **where(Run(scale, row, seed), given, "inpainting"))


@click.command()
@scale
@paths("data", "controls")
def complete_controls(scale, **given):
    """Write the test images, their inputs and their trivial completions."""
    from ..sampling.controls import complete_controls

    complete_controls(**where(Study(scale), given, "inpainting"))


@click.command()
@row
@scale
@seed
@paths("data", "samples", "checkpoints", "training", "metrics")
def evaluate_completions(row, scale, seed, **given):
    """Compute PSNR, SSIM and MAE of a row's completed test images."""
    from ..evaluation.inpainting import evaluate_completions

    evaluate_completions(row, seed, **where(Run(scale, row, seed), given, "inpainting"))


@click.command()
@option("control", "Which of the completions that need no training.", click.Choice(["mean-colour", "biharmonic"]))
@scale
@paths("data", "controls", "metrics")
def evaluate_control(control, scale, metrics, **given):
    """Compute PSNR, SSIM and MAE of the test images as a control completed them."""
    from ..evaluation.inpainting import evaluate_control

    found = where(Study(scale), given, "inpainting")
    metrics = metrics or Study(scale).control(control)
    evaluate_control(control, data=found["data"], samples=found["controls"] / control, metrics=metrics)


@click.command()
@scale
@paths("timing")
@gpus
def time(scale, gpus, **given):
    """Time attentive normalization against self-attention."""
    from ..evaluation.timing import time_modules

    timing = OUT_FILE.convert(where(Study(scale), given)["timing"], None, None)
    time_modules(scale, timing, device(gpus))


@click.command()
@option("table", "1 to 6.", click.IntRange(1, 6))
@scale
@paths("results", "reports")
def table(table, scale, **given):
    """Render a table as Markdown, CSV, LaTeX and HTML."""
    from ..reporting.render import render

    render(table, scale, **where(Study(scale), given))


@click.command()
@scale
@paths("results", "summary")
def summarise(scale, **given):
    """Gather every row's main scores into one JSON file."""
    from ..reporting.summary import summarise_scores

    summarise_scores(scale, **where(Study(scale), given))


@click.command()
@scale
@paths("results", "reports")
def index(scale, **given):
    """Render every table and figure as one HTML page."""
    from ..reporting.render import render_index

    render_index(scale, **where(Study(scale), given))
