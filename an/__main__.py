"""The command line: ``python -m an VERB``, one verb for each rule of the workflow."""

import argparse
import sys

from .errors import UserError


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m an", description="Attentive normalization: one verb for each step.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run, text: str, *options: str) -> None:
        sub = verbs.add_parser(name, help=text, description=text)
        for option in options:
            name, _, meaning = option.partition(": ")
            required = name not in OPTIONAL
            sub.add_argument(f"--{name}", required=required, help=meaning, type=int if name in INTEGERS else str)
        sub.set_defaults(run=run)

    row, scale, seed = "row: a row of params/rows.yaml", "scale: a file of params/scales/", "seed: random seed"
    data, classifier = "data: folder of prepared arrays", "classifier: weights of the feature classifier"
    folder = "checkpoints: folder of the row's checkpoints"

    verb("prepare", _prepare, "Bring the scale's data set to memory-mapped arrays with a manifest.", scale, data)
    report = "report: JSON file to write"
    weights = "checkpoint: weights to write"
    verb("train-classifier", _train_classifier, "Train the feature classifier.", scale, data, weights, report)
    features = "features: array of reference features"
    reference = "Extract the features of the training images, and the metrics of the held-out ones."
    verb("reference", _reference, reference, scale, data, classifier, features, report)
    events, scratch = "events: JSON-lines file to write", "scratch: folder of resume state"
    verb("train", _train, "Train a row; resumes by itself.", row, scale, seed, data, folder, events, scratch)
    images = ("samples: array of images", "snapshots: array of each snapshot's images")
    verb("generate", _generate, "Generate images from a trained row.", row, scale, seed, data, folder, *images)
    written = ("metrics: JSON file to write", "classes: CSV file of intra-FID per class to write")
    used = (row, scale, seed, data, classifier, features, folder, *images)
    verb("evaluate-row", _evaluate_row, "Compute all metrics of a row's images.", *used, *written)
    sides = (
        "samples: folder of images, or .npy of uint8 [N, H, W, 3]",
        "reference: the same, or .npz of mu and sigma",
        "json: file to write",
        "labels: of the samples: .npy, or text with one number a line (default: class folders, where there are)",
        "reference-labels: of the reference, likewise",
        "weights: torch-fidelity's Inception weights (default: downloaded once)",
        "save-reference: .npz of the reference's mu and sigma to write",
        "cache: folder that keeps the reference's features for next time",
    )
    verb("evaluate", _evaluate, "Compute all metrics of any images against others, with the 2015 Inception.", *sides)
    verb("time", _time, "Time attentive normalization against self-attention.", scale, "out: JSON file to write")
    table = ("table: 1, 2, 4 or 5", "results: folder of result files", "reports: folder to write into")
    verb("table", _table, "Render a table as Markdown, CSV and LaTeX.", scale, *table)
    verb("schema", _schema, "Print the JSON Schema of params/.")
    return top


INTEGERS = {"seed", "table"}
OPTIONAL = {"labels", "reference-labels", "weights", "save-reference", "cache"}


def _device():
    from .devices import keep_freed_memory, pick_device

    keep_freed_memory()
    return pick_device()


def _prepare(a):
    from .data.preparation import prepare
    from .params import load_scale

    scale = load_scale(a.scale)
    prepare(scale.dataset, scale.resolution, a.data, scale.dataset_path)


def _train_classifier(a):
    from .evaluation.classifier import train_classifier

    train_classifier(a.scale, a.data, a.checkpoint, a.report, _device())


def _reference(a):
    from .evaluation.reference import extract_reference

    extract_reference(a.scale, a.data, a.classifier, a.features, a.report, _device())


def _train(a):
    from .training.adversarial import train

    train(a.row, a.scale, a.seed, a.data, a.checkpoints, a.events, a.scratch, _device())


def _generate(a):
    from .data.loading import open_split
    from .generation import generate

    classes = open_split(a.data, "train").num_classes
    generate(a.row, a.scale, a.seed, classes, a.checkpoints, a.samples, a.snapshots, _device())


def _evaluate_row(a):
    from .evaluation.evaluate_row import evaluate_row

    paths = (a.data, a.classifier, a.features, a.checkpoints, a.samples, a.snapshots, a.metrics, a.classes)
    evaluate_row(a.row, a.scale, a.seed, *paths, _device())


def _evaluate(a):
    from .evaluation.evaluate import evaluate

    optional = (a.labels, a.reference_labels, a.weights, a.save_reference, a.cache)
    evaluate(a.samples, a.reference, a.json, _device(), *optional)


def _time(a):
    from .evaluation.timing import time_modules

    time_modules(a.scale, a.out, _device())


def _table(a):
    from .reporting.tables import render

    render(a.table, a.scale, a.results, a.reports)


def _schema(_):
    import json

    from .params import schema

    print(json.dumps(schema(), indent=1))


def main(arguments: list[str] | None = None) -> int:
    a = parser().parse_args(arguments)
    try:
        a.run(a)
    except UserError as error:
        print(f"an {a.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"an {a.verb}: interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
