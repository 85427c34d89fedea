"""The command line: ``python -m an VERB``, one verb for each rule of the workflow. Verbs import what they need."""

import gc
import sys
import warnings

import click

from .errors import Stopped, UserError, of_system
from .options import GPUS, OUT_FILE, OUT_FOLDER, SEED, Hours
from .processor import fix_instruction_set, fix_threads

fix_instruction_set()
gc.set_threshold(10_000)  # importing torch makes many objects that live on, and searches them for cycles every 700


def option(name: str, meaning: str, kind=str, required: bool = True):
    return click.option(f"--{name}", type=kind, required=required, help=meaning)


row = option("row", "A row of params/rows.yaml.")
scale = option("scale", "A file of params/scales/.")
seed = option("seed", "Random seed.", SEED)
data = option("data", "Folder of prepared arrays.")
classifier = option("classifier", "Weights of the feature classifier.")
features = option("features", "Array of the training images' features.")
checkpoints = option("checkpoints", "Folder of the row's checkpoints.")
checkpoint = option("checkpoint", "Weights of a generator.")
training = option("training", "JSON file: what the training run says of itself.")
samples = option("samples", "Array of generated images.")
snapshots = option("snapshots", "Array of each snapshot's generated images.")
averaged = option("averaged", "Array of images by averaged weights, where the scale has them.", required=False)
folder = option("folder", "Folder of PNG files.")
metrics = option("metrics", "JSON file to write.")
out = option("out", "File to write.", OUT_FILE)


gpus = option("gpus", "GPUs to take on this machine; 0 is the CPU. By default one, if there is any.", GPUS, False)


def taken(gpus):
    """The GPUs of this job, held until its verb ends."""
    from .devices import keep_freed_memory, leased

    keep_freed_memory()
    gc.freeze()  # what the verb has imported lives on: no search for cycles need look at it again, nor at the end
    return click.get_current_context().with_resource(leased(gpus))


def device(gpus):
    """The one device of this job, held until its verb ends."""
    from .devices import chosen

    return chosen(taken(gpus))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def an(context):
    """Attentive normalization: one verb for each step of the pipeline, and `complete` for pictures of your own."""
    if context.invoked_subcommand not in ("evaluate", "complete"):  # for material of one's own, on all cores
        fix_threads()


resolution = option("resolution", "Height and width of the images.", click.IntRange(1))
path = option("path", "Folder that holds a data set which does not come with this project.", required=False)


@an.command()
@option("dataset", "Which data set.", click.Choice(["digits", "imagenet"]))
@resolution
@path
@data
def prepare(dataset, resolution, path, data):
    """Bring a data set to memory-mapped arrays with a manifest."""
    from .data.preparation import prepare

    if dataset == "imagenet" and not path:
        raise click.UsageError("imagenet needs --path, the folder that holds its train/ and val/.")
    prepare(dataset, resolution, data, path)


@an.command()
@option("dataset", "Which data set.", click.Choice(["photographs", "paris_streetview", "textures"]))
@resolution
@option("test-crops", "Fixed crops of held-out photographs, or test textures.", click.IntRange(1))
@path
@data
def prepare_photographs(dataset, resolution, test_crops, path, data):
    """Bring photographs or textures for inpainting to memory-mapped arrays with a manifest."""
    from .data.crop_preparation import prepare_crops

    prepare_crops(dataset, resolution, test_crops, data, path)


@an.command()
@scale
@data
@option("checkpoint", "Weights to write.")
@option("report", "JSON file to write: accuracy, checksums.")
@gpus
def train_classifier(scale, data, checkpoint, report, gpus):
    """Train the feature classifier on the training images."""
    from .evaluation.classifier import train_classifier

    train_classifier(scale, data, checkpoint, report, device(gpus))


@an.command()
@scale
@data
@classifier
@option("features", "Array to write.")
@option("report", "JSON file to write.")
@gpus
def reference(scale, data, classifier, features, report, gpus):
    """Extract the features of the training images, and the metrics of the held-out ones."""
    from .evaluation.reference import extract_reference

    extract_reference(scale, data, classifier, features, report, device(gpus))


@an.command()
@row
@scale
@seed
@option("data", "Folder of prepared arrays; none for the recall task, which draws its images.", required=False)
@option("checkpoints", "Folder of the row's checkpoints.", OUT_FOLDER)
@option("events", "JSON-lines file to write: losses and rates.", OUT_FILE)
@option("report", "JSON file to write: how the run ended.", OUT_FILE)
@option("scratch", "Folder of resume state.", OUT_FOLDER)
@option("hours", "Stop with a resume point after so long, with exit status 124.", Hours(), False)
@click.option("--accept-code", is_flag=True, help="Go on from a resume point that other code made.")
@gpus
def train(row, scale, seed, data, checkpoints, events, report, scratch, hours, accept_code, gpus):
    """Train a row, of any task, on one or several GPUs; a killed run goes on from its scratch folder."""
    import os

    from .devices import chosen
    from .params import load_row
    from .training.generation import train
    from .training.inpainting import train_inpainting
    from .training.launch import launch
    from .training.recall import train_recall

    task = load_row(row).task
    if task != "recall" and data is None:
        raise click.UsageError(f"row '{row}' needs --data, the folder of its prepared arrays.")
    mine = taken(gpus)
    if len(mine) > 1 and "WORLD_SIZE" not in os.environ:
        launch(mine)
        return
    files = (checkpoints, events, report, scratch, hours, chosen(mine), accept_code)
    if task == "recall":
        train_recall(row, scale, seed, *files)
    else:
        {"generation": train, "inpainting": train_inpainting}[task](row, scale, seed, data, *files)


@an.command()
@row
@scale
@seed
@data
@checkpoints
@samples
@snapshots
@averaged
@gpus
def generate(row, scale, seed, data, checkpoints, samples, snapshots, averaged, gpus):
    """Generate the images a trained row is evaluated on."""
    from .data.loading import open_split
    from .params import load_scale
    from .sampling.generation import generate

    classes = open_split(data, "train", load_scale(scale)).num_classes
    generate(row, scale, seed, classes, checkpoints, samples, snapshots, averaged, device(gpus))


@an.command()
@row
@scale
@seed
@data
@classifier
@features
@checkpoints
@training
@samples
@snapshots
@metrics
@option("classes", "CSV file of intra-FID per class to write.")
@averaged
@gpus
def evaluate_row(
    row,
    scale,
    seed,
    data,
    classifier,
    features,
    checkpoints,
    training,
    samples,
    snapshots,
    metrics,
    classes,
    averaged,
    gpus,
):
    """Compute FID, IS, intra-FID and more of a row's generated images."""
    from .evaluation.generation import evaluate_row

    made = (checkpoints, training, samples, snapshots, averaged)
    evaluate_row(row, scale, seed, data, classifier, features, *made, metrics, classes, device(gpus))


@an.command()
@row
@scale
@seed
@checkpoint
@training
@metrics
@option("example", "JSON file to write: one test image, its answers, and where the layer looked.")
@gpus
def evaluate_recall(row, scale, seed, checkpoint, training, metrics, example, gpus):
    """Measure how many marks a trained layer of the recall task paints in their cues' colours."""
    from .evaluation.recall import evaluate_recall

    evaluate_recall(row, scale, seed, checkpoint, training, metrics, example, device(gpus))


@an.command()
@option("samples", "Folder of images, or .npy of uint8 [N, H, W, 3].")
@option("reference", "The same, or .npz of mu and sigma.")
@option("json", "File to write.", OUT_FILE)
@option("labels", "Of the samples: .npy, or text with one number a line; without it, class folders.", required=False)
@option("reference-labels", "Of the reference, likewise.", required=False)
@option("weights", "torch-fidelity's Inception weights; without it they are downloaded once.", required=False)
@option("save-reference", "File to write the reference's mu and sigma to, .npz.", OUT_FILE, False)
@option("cache", "Folder that keeps the reference's features for next time.", OUT_FOLDER, False)
@gpus
def evaluate(samples, reference, json, labels, reference_labels, weights, save_reference, cache, gpus):
    """Compare any images with others by every metric, with the 2015 Inception; print a table and write JSON."""
    from .evaluation.folders import evaluate

    evaluate(samples, reference, json, device(gpus), labels, reference_labels, weights, save_reference, cache)


@an.command()
@row
@scale
@data
@checkpoint
@folder
@gpus
def complete_heldout(row, scale, data, checkpoint, folder, gpus):
    """Complete the held-out test images with a trained inpainting row."""
    from .sampling.inpainting import complete_heldout

    complete_heldout(row, scale, data, checkpoint, folder, device(gpus))


@an.command()
@data
@folder
def complete_controls(data, folder):
    """Write the test images, their inputs and their trivial completions."""
    from .sampling.controls import complete_controls

    complete_controls(data, folder)


@an.command()
@option("row", "The row or control that completed the images.")
@option("seed", "Its random seed; none for a control.", SEED, required=False)
@data
@folder
@option("checkpoint", "The row's weights, for their checksum; none for a control.", required=False)
@option("training", "JSON file: what the training run says of itself; none for a control.", required=False)
@metrics
def evaluate_completions(row, seed, data, folder, checkpoint, training, metrics):
    """Compute PSNR, SSIM and MAE of completed test images."""
    from .evaluation.inpainting import evaluate_completions

    evaluate_completions(row, seed, data, folder, checkpoint, training, metrics)


@an.command()
@click.argument("image")
@option("mask", "Picture of the same size, white where the image is to be filled.")
@row
@scale
@checkpoint
@out
@gpus
def complete(image, mask, row, scale, checkpoint, out, gpus):
    """Fill a hole in IMAGE, a picture of any size, with a trained inpainting row; write a PNG."""
    from .sampling.inpainting import complete_picture

    complete_picture(image, mask, row, scale, checkpoint, out, device(gpus))


@an.command()
@scale
@out
@gpus
def time(scale, out, gpus):
    """Time attentive normalization against self-attention."""
    from .evaluation.timing import time_modules

    time_modules(scale, out, device(gpus))


@an.command()
@option("table", "1 to 6.", click.IntRange(1, 6))
@scale
@option("results", "Folder of result files.")
@option("reports", "Folder to write into.")
def table(table, scale, results, reports):
    """Render a table as Markdown, CSV, LaTeX and HTML."""
    from .reporting.render import render

    render(table, scale, results, reports)


@an.command()
@scale
@option("results", "Folder of result files.")
@out
def summarise(scale, results, out):
    """Gather every row's main scores into one JSON file."""
    from .reporting.summary import summarise_scores

    summarise_scores(scale, results, out)


@an.command()
@scale
@option("results", "Folder of the scale's result files.")
@option("reports", "Folder of its figures, to write into.")
def index(scale, results, reports):
    """Render every table and figure as one HTML page."""
    from .reporting.render import render_index

    render_index(scale, results, reports)


@an.command()
@click.option("--scale", default="smoke", show_default=True, help="A file of params/scales/.")
@option("reports", "Folder of its rendered tables; reports/SCALE without it.", required=False)
@option("kept", "Folder to compare with; docs/results/SCALE without it.", required=False)
def verify(scale, reports, kept):
    """Compare one's own tables with those that this project keeps, cell by cell; exit status 1 where any differs."""
    from pathlib import Path

    from .reporting.verification import DIFFERENT, KEPT, verify

    found = verify(Path(reports or f"reports/{scale}"), Path(kept) if kept else KEPT / scale)
    for table in found:
        click.echo(str(table))
    if any(DIFFERENT in table.cells.values() for table in found):
        raise click.exceptions.Exit(1)


@an.command()
@click.argument("table")
@click.argument("row")
@click.argument("metric")
@click.option("--scale", default="smoke", show_default=True, help="A file of params/scales/.")
@option("results", "Folder of the scale's result files; results/SCALE without it.", required=False)
@option("reports", "Folder of its rendered tables; reports/SCALE without it.", required=False)
def explain(table, row, metric, scale, results, reports):
    """Say where a cell comes from: `explain table1 an fid`, `explain table2 an 3`, `explain table5 attentive_norm 256`.

    METRIC is a column of the table's CSV; in table 2 it is a class, in table 5 a size.
    """
    from .reporting.explain import explain

    click.echo(explain(table, row, metric, scale, results or f"results/{scale}", reports or f"reports/{scale}"))


@an.command()
@option("figure", "9 (of samples) or 10 (of results).", click.IntRange(9, 10))
@option("source", "Folder of the scale's completed images, or of its results.")
@seed
@out
def figure(figure, source, seed, out):
    """Draw a figure as PNG."""
    from .reporting.figures import FIGURES

    FIGURES[figure](source, seed, out)


@an.command()
@scale
@click.argument("targets", nargs=-1)
def accept_code(scale, targets):
    """Take TARGETS, files or phases of the workflow (default: all), as made by today's code, and keep a record of it.

    For a change of the code that cannot change a result.
    """
    from .acceptance import accept_code

    click.echo(accept_code(scale, targets))


@an.command()
@scale
def track(scale):
    """Bring MLflow to the state of a scale's runs: those that ended and those under way."""
    from .tracking.mlflow_sync import sync

    click.echo(sync(scale))


@an.command()
@scale
@option("host", "Address to serve at.")
@option("port", "Its port.", int)
def ui(scale, host, port):
    """Serve a scale's runs with MLflow and open them in a browser, until interrupted."""
    from .tracking.mlflow_ui import serve

    serve(scale, host, port)


@an.command()
def schema():
    """Print the JSON Schema of params/."""
    import json

    from .params import schema

    click.echo(json.dumps(schema(), indent=1))


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; return its exit status. People see one sentence, not a traceback, for what is theirs to mend."""
    # Pillow only warns of a file that claims far more pixels than a picture has; image readers take it for a fault.
    warnings.filterwarnings("error", "Image size .* could be decompression bomb")
    try:
        status = an.main(arguments, prog_name="python -m an", standalone_mode=False)
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    except Stopped as stop:
        click.echo(f"Stopped: {stop}", err=True)
        return stop.status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted; the same command goes on from here.", err=True)
        return 130
    except OSError as error:
        if (sentence := of_system(error)) is None:
            raise
        click.echo(f"Error: {sentence}", err=True)
        return 1
    return status or 0


if __name__ == "__main__":
    sys.exit(main())
