"""The command line: ``python -m an VERB``, one verb for each rule of the workflow. Verbs import what they need."""

import sys

import click

from .errors import UserError


def option(name: str, meaning: str, kind=str, required: bool = True):
    return click.option(f"--{name}", type=kind, required=required, help=meaning)


row = option("row", "A row of params/rows.yaml.")
scale = option("scale", "A file of params/scales/.")
seed = option("seed", "Random seed.", int)
data = option("data", "Folder of prepared arrays.")
classifier = option("classifier", "Weights of the feature classifier.")
features = option("features", "Array of the training images' features.")
checkpoints = option("checkpoints", "Folder of the row's checkpoints.")
checkpoint = option("checkpoint", "Weights of a generator.")
samples = option("samples", "Array of generated images.")
snapshots = option("snapshots", "Array of each snapshot's generated images.")
folder = option("folder", "Folder of PNG files.")
metrics = option("metrics", "JSON file to write.")
out = option("out", "File to write.")


def device():
    from .devices import keep_freed_memory, pick_device

    keep_freed_memory()
    return pick_device()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def an():
    """Attentive normalization: one verb for each step of the pipeline, and `complete` for pictures of your own."""


@an.command()
@scale
@data
def prepare(scale, data):
    """Bring the scale's data set to memory-mapped arrays with a manifest."""
    from .data.preparation import prepare
    from .params import load_scale

    settings = load_scale(scale)
    prepare(settings.dataset, settings.resolution, data, settings.dataset_path)


@an.command()
@scale
@data
def prepare_photographs(scale, data):
    """Bring the scale's photographs for inpainting to memory-mapped arrays with a manifest."""
    from .data.crop_preparation import prepare_crops
    from .params import load_scale

    settings = load_scale(scale).inpainting
    prepare_crops(settings.dataset, settings.resolution, settings.test_crops, data, settings.dataset_path)


@an.command()
@scale
@data
@option("checkpoint", "Weights to write.")
@option("report", "JSON file to write: accuracy, checksums.")
def train_classifier(scale, data, checkpoint, report):
    """Train the feature classifier on the training images."""
    from .evaluation.classifier import train_classifier

    train_classifier(scale, data, checkpoint, report, device())


@an.command()
@scale
@data
@classifier
@option("features", "Array to write.")
@option("report", "JSON file to write.")
def reference(scale, data, classifier, features, report):
    """Extract the features of the training images, and the metrics of the held-out ones."""
    from .evaluation.reference import extract_reference

    extract_reference(scale, data, classifier, features, report, device())


@an.command()
@row
@scale
@seed
@data
@checkpoints
@option("events", "JSON-lines file to write: losses and rates.")
@option("scratch", "Folder of resume state.")
def train(row, scale, seed, data, checkpoints, events, scratch):
    """Train a row, of either task; a killed run goes on from its scratch folder."""
    from .params import load_row
    from .training.adversarial import train
    from .training.inpainting import train_inpainting

    run = {"generation": train, "inpainting": train_inpainting}[load_row(row).task]
    run(row, scale, seed, data, checkpoints, events, scratch, device())


@an.command()
@row
@scale
@seed
@data
@checkpoints
@samples
@snapshots
def generate(row, scale, seed, data, checkpoints, samples, snapshots):
    """Generate the images a trained row is evaluated on."""
    from .data.loading import open_split
    from .generation import generate

    classes = open_split(data, "train").num_classes
    generate(row, scale, seed, classes, checkpoints, samples, snapshots, device())


@an.command()
@row
@scale
@seed
@data
@classifier
@features
@checkpoints
@samples
@snapshots
@metrics
@option("classes", "CSV file of intra-FID per class to write.")
def evaluate_row(row, scale, seed, data, classifier, features, checkpoints, samples, snapshots, metrics, classes):
    """Compute FID, IS, intra-FID and more of a row's generated images."""
    from .evaluation.evaluate_row import evaluate_row

    made = (checkpoints, samples, snapshots)
    evaluate_row(row, scale, seed, data, classifier, features, *made, metrics, classes, device())


@an.command()
@option("samples", "Folder of images, or .npy of uint8 [N, H, W, 3].")
@option("reference", "The same, or .npz of mu and sigma.")
@option("json", "File to write.")
@option("labels", "Of the samples: .npy, or text with one number a line; without it, class folders.", required=False)
@option("reference-labels", "Of the reference, likewise.", required=False)
@option("weights", "torch-fidelity's Inception weights; without it they are downloaded once.", required=False)
@option("save-reference", "File to write the reference's mu and sigma to, .npz.", required=False)
@option("cache", "Folder that keeps the reference's features for next time.", required=False)
def evaluate(samples, reference, json, labels, reference_labels, weights, save_reference, cache):
    """Compare any images with others by every metric, with the 2015 Inception; print a table and write JSON."""
    from .evaluation.evaluate import evaluate

    evaluate(samples, reference, json, device(), labels, reference_labels, weights, save_reference, cache)


@an.command()
@row
@scale
@data
@checkpoint
@folder
def complete_heldout(row, scale, data, checkpoint, folder):
    """Complete the held-out test images with a trained inpainting row."""
    from .completion import complete_heldout

    complete_heldout(row, scale, data, checkpoint, folder, device())


@an.command()
@data
@folder
def complete_controls(data, folder):
    """Write the test images, their inputs and their trivial completions."""
    from .completion import complete_controls

    complete_controls(data, folder)


@an.command()
@option("row", "The row or control that completed the images.")
@option("seed", "Its random seed; none for a control.", int, required=False)
@data
@folder
@option("checkpoint", "The row's weights, for their checksum; none for a control.", required=False)
@metrics
def evaluate_completions(row, seed, data, folder, checkpoint, metrics):
    """Compute PSNR, SSIM and MAE of completed test images."""
    from .evaluation.completions import evaluate_completions

    evaluate_completions(row, seed, data, folder, checkpoint, metrics)


@an.command()
@click.argument("image")
@option("mask", "Picture of the same size, white where the image is to be filled.")
@row
@scale
@checkpoint
@out
def complete(image, mask, row, scale, checkpoint, out):
    """Fill a hole in IMAGE, a picture of any size, with a trained inpainting row; write a PNG."""
    from .completion import complete_picture

    complete_picture(image, mask, row, scale, checkpoint, out, device())


@an.command()
@scale
@out
def time(scale, out):
    """Time attentive normalization against self-attention."""
    from .evaluation.timing import time_modules

    time_modules(scale, out, device())


@an.command()
@option("table", "1, 2, 3, 4 or 5.", click.IntRange(1, 5))
@scale
@option("results", "Folder of result files.")
@option("reports", "Folder to write into.")
def table(table, scale, results, reports):
    """Render a table as Markdown, CSV and LaTeX."""
    from .reporting.tables import render

    render(table, scale, results, reports)


@an.command()
@option("figure", "9.", click.IntRange(9, 9))
@option("samples", "Folder of the scale's completed images.")
@seed
@out
def figure(figure, samples, seed, out):
    """Draw a figure as PNG."""
    from .reporting.figures import figure9

    figure9(samples, seed, out)


@an.command()
@scale
def track(scale):
    """Bring MLflow to the state of a scale's runs: those that ended and those under way."""
    from .mlflow_sync import sync

    click.echo(sync(scale))


@an.command()
@scale
@option("host", "Address to serve at.")
@option("port", "Its port.", int)
def ui(scale, host, port):
    """Serve a scale's runs with MLflow and open them in a browser, until interrupted."""
    from .mlflow_ui import serve

    serve(scale, host, port)


@an.command()
def schema():
    """Print the JSON Schema of params/."""
    import json

    from .params import schema

    click.echo(json.dumps(schema(), indent=1))


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; return its exit status. People see one sentence, not a traceback, for what is theirs to mend."""
    try:
        an.main(arguments, prog_name="python -m an", standalone_mode=False)
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted; the same command goes on from here.", err=True)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
