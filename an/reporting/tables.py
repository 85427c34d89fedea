"""The paper's tables, published beside reproduced; 3 and 5 stand in files of their own."""

import math
from dataclasses import replace
from itertools import groupby, pairwise, product
from operator import attrgetter
from pathlib import Path

import pandas as pd

from .. import params
from ..errors import UserError
from ..seals import read_sealed
from .cells import Cell, Cells, Measurement, Table, exact_columns, make_cells, row_columns, source_columns
from .inpainting_table import inpainting
from .intervals import verdict
from .recall_table import recall
from .results import class_values, read_runs, row_labels
from .text import number, protocol_beside, protocol_of_classes, protocol_of_generation, published_notes, seeds_note
from .timing_table import timing

TITLES = {
    1: "Table 1. Class-conditional generation",
    2: "Table 2. Intra-FID of typical classes (lower is better)",
    3: "Table 3. Inpainting",
    4: "Table 4. Ablation of attentive normalization",
    5: "Table 5. Inference time (ms) of the modules, batch 1",
    6: "Table 6. Spatial associative recall (not in the paper)",
}
METRICS = {
    "fid": "FID ↓",
    "intra_fid": "intra-FID ↓",
    "inception_score": "IS ↑",
    "iterations": "iterations",
    "fid_best": "FID best snapshot ↓",
    "fid_last": "FID last snapshot ↓",
    "fid_untrained": "FID untrained",
}
AVERAGED = {  # beside them, where the scale averages weights
    "fid_averaged": "FID, averaged weights ↓",
    "intra_fid_averaged": "intra-FID, averaged weights ↓",
    "inception_score_averaged": "IS, averaged weights ↑",
}
INCEPTION = {  # before them, where the scale has Inception see some images beside its own extractor
    "fid_inception": "FID, Inception ↓",
    "kid_inception": "KID, Inception ↓",
    "precision_inception": "precision, Inception ↑",
    "recall_inception": "recall, Inception ↑",
}
LEARNED = {  # whether a row learned its classes, and how much of the real images' variety
    "label_accuracy": "label accuracy ↑",
    "coverage": "coverage ↑",
}
LAYERS = {  # what the attention layers do, where a row has them
    "generator_layout_information": "layout information G",
    "discriminator_layout_information": "layout information D",
    "generator_effective_regions": "effective regions G",
    "generator_rho": "ρ G",
    "generator_gamma": "γ G",
}
HEADINGS = INCEPTION | METRICS | AVERAGED | LEARNED | LAYERS
DIGITS = {"iterations": 0, "kid_inception": 4, **{name: 3 for name in LAYERS if name != "generator_effective_regions"}}
# In the CSV beside the paper's metrics, where every run has them.
DETAILS = [
    *("iterations_best", "fid_infinity", "inception_score_1_split"),
    *("kid", "precision", "recall", "density", "coverage"),
    *("intra_fid_50", "intra_fid_own_count", "intra_fid_5000", "intra_fid_real_halves"),
]
LAYER_DETAILS = [  # and these where any run has them
    *("generator_regions_used", "generator_regions_winning", "generator_t"),
    *("discriminator_effective_regions", "discriminator_regions_used", "discriminator_regions_winning"),
    *("discriminator_rho", "discriminator_t", "discriminator_gamma"),
]


def build(table: int, scale_name: str, results: Path) -> Table:
    """One of the paper's tables. Raises UserError when its rows, or a result, are missing, or protocols differ."""
    if table not in (there := params.tables_of(params.load_scale(scale_name))):
        raise UserError(
            f"scale '{scale_name}' runs no row of table {table}: its tables are {', '.join(map(str, there))}."
        )
    builders = {1: quality, 2: classes, 3: inpainting, 4: quality, 5: timing, 6: recall}
    return builders[table](table, scale_name, results)


def quality(table: int, scale_name: str, results: Path) -> Table:
    """Tables 1 and 4: one line a row, each metric published and reproduced."""
    metrics = list(METRICS) if table == 1 else ["inception_score", "fid", "fid_untrained"]
    runs, labels = read_runs(table, scale_name, results), row_labels(table, scale_name)
    scale, paper = params.load_scale(scale_name), params.load_published()
    intra_runs: list[dict] = []  # where intra-FID is measured apart
    if table == 1 and scale.evaluation.intra_samples:
        intra_runs = read_runs(table, scale_name, results, "intra.json")
    metrics = [metric for metric in INCEPTION if all(metric in run["metrics"] for run in runs)] + metrics
    metrics += [metric for metric in AVERAGED if all(metric in run["metrics"] for run in runs)]
    metrics += [metric for metric in LEARNED if all(run["metrics"].get(metric) is not None for run in runs)]
    metrics += [metric for metric in LAYERS if any(metric in run["metrics"] for run in runs)]
    details = [m for m in DETAILS if m not in metrics and all(m in run["metrics"] for run in runs)]
    details += [m for m in LAYER_DETAILS if any(m in run["metrics"] for run in runs)]
    published = getattr(paper, f"table{table}")
    not_comparable = intra_note(scale, paper)
    if not_comparable:
        published = {row: {k: v for k, v in values.items() if k != "intra_fid"} for row, values in published.items()}
    cells = make_cells(runs, metrics + details, published, DIGITS)
    cells |= make_cells(intra_runs, ["intra_fid"], published, DIGITS)
    cells |= {(row, "iterations"): with_range(cells[row, "iterations"]) for row in labels if table == 1}
    columns = {metric: [cells[row, metric] for row in labels] for metric in metrics + details}

    shown: dict[str, list] = {"Model": list(labels.values())}
    exact = row_columns(labels, columns["fid"])
    for metric in metrics:
        printed = [cell.published for cell in columns[metric]]
        if any(value is not None for value in printed):
            shown[f"{HEADINGS[metric]} paper"] = [number(value, DIGITS.get(metric, 2)) for value in printed]
            exact[f"{metric}_published"] = printed
            if metric != "iterations":  # the paper's are to its own end of training
                exact[f"{metric}_difference"] = [
                    None if cell.published is None else cell.mean - cell.published for cell in columns[metric]
                ]
        shown[HEADINGS[metric]] = columns[metric]
        exact |= exact_columns(metric, columns[metric])
    for metric in details:
        exact |= exact_columns(metric, columns[metric])
    shown["n"] = exact["n"]
    exact |= source_columns(columns["fid"])
    notes = [protocol_of_generation(runs[0]["protocol"])]
    notes += [protocol_of_classes(run["protocol"], len(run["classes"])) for run in intra_runs[:1]]
    notes += [not_comparable] if table == 1 and not_comparable else []
    notes.append(seeds_note(runs, labels))
    if "fid_inception" in metrics:
        notes.append(protocol_beside(runs[0]["protocol"]["inception"]))
    if "label_accuracy" in metrics:
        notes.append(
            "Label accuracy: the share of generated images that the classifier takes for the class asked for. "
            "Coverage: the share of real images with a generated one nearer than the fifth nearest real one; it grows "
            "with the number generated. Much of the first and little of the second is one picture a class."
        )
    notes.append(
        "Layout information: how much the soft layout tells of a pixel beyond its image, in nats, in evaluation; 0 is "
        "n copies of one instance norm, the most is ln n. Effective regions: exp of the entropy of a pixel's layout. "
        "ρ and γ weigh the layer against its input."
    )
    ranked = [metric for metric in ("fid", "inception_score") if all(metric in run["metrics"] for run in runs)]
    notes += [_ordering(metric, columns[metric], labels) for metric in ranked]
    notes += published_notes(published, labels)
    if table == 1:
        floor = read_sealed(results / "reference.json")["heldout_as_generated"]
        # Of as many images a class as are held out; an intra-FID of more of them would be lower.
        floor_intra = "" if intra_runs else f"intra-FID {floor['intra_fid']:.2f}, "
        notes.append(
            f"The held-out real images, taken as generated, have FID {floor['fid']:.2f}, {floor_intra}"
            f"IS {number(floor.get('inception_score'), 2)}. FID untrained: of each row's own "
            "generator before its first step."
        )
        if "fid_inception" in floor:
            notes.append(
                f"By Inception {floor['inception_samples']} of them have FID {floor['fid_inception']:.2f}, KID "
                f"{floor['kid_inception']:.4f}, precision {floor['precision_inception']:.2f}, recall "
                f"{floor['recall_inception']:.2f}."
            )
        p = runs[0]["protocol"]
        notes.append(
            f"Iterations: of the first snapshot whose FID, of {p['generated_per_snapshot']} images, is at most "
            f"{p['converged_fid']:g}, with the seeds' least and largest; '-' and a count where not every seed's gets "
            "there. The paper's are those after which its training had converged, by a mark that it does not name. "
            "The best snapshot is the one nearest to one half of the reference; it and the last are scored on the "
            "other half, by the same images: the best is still a little better than it would be by new ones."
        )
    return Table(pd.DataFrame(shown), pd.DataFrame(exact), notes, cells)


def with_range(cell: Cell) -> Cell:
    """A cell that shows its least and largest value in place of the standard deviation."""
    known = cell.n > 1 and not math.isnan(cell.mean)
    return replace(cell, ends=(min(cell.values), max(cell.values))) if known else cell


def classes(table: int, scale_name: str, results: Path) -> Table:
    """Table 2: one line a class, each system published and reproduced. A cell's metric is the class's number."""
    scale, labels, published = params.load_scale(scale_name), row_labels(table, scale_name), params.load_published()
    apart = scale.evaluation.intra_samples is not None
    runs = read_runs(table, scale_name, results, "intra-table2.json" if apart else "metrics.json")
    same_data, not_comparable = scale.dataset == "imagenet", intra_note(scale, published)
    chosen = scale.evaluation.table2_classes
    names = [published.table2_classes.get(c, str(c)) if same_data else str(c) for c in chosen]
    shown: dict[str, list] = {
        "Class": [f"{n} ({c})" if same_data else f"{scale.dataset} {n}" for n, c in zip(names, chosen, strict=True)]
    }
    exact: dict[str, list] = {"class": chosen}
    cells: Cells = {}
    for name, label in labels.items():
        paper = {} if not_comparable else dict(zip(published.table2_classes, published.table2[name], strict=True))
        column = _class_cells(name, chosen, [run for run in runs if run["row"] == name], paper)
        if paper:
            values = [cell.published for cell in column]
            shown[f"{label} paper"] = [number(value, 2) for value in values]
            exact[f"{name}_published"] = values
        shown[label] = column
        exact |= exact_columns(name, column)
        exact |= {f"{name}_n": [cell.n for cell in column], f"{name}_diverged": [cell.diverged for cell in column]}
        cells |= {(name, cell.metric): cell for cell in column}
    p = runs[0]["protocol"]
    notes = [protocol_of_classes(p, len(chosen)) if apart else protocol_of_generation(p), seeds_note(runs, labels)]
    notes += [not_comparable] if same_data and not_comparable else []
    notes += published_notes(published.table2, labels) if not not_comparable else []
    if not same_data:
        means = ", ".join(f"{labels[k]} {sum(v) / len(v):.2f}" for k, v in published.table2.items() if k in labels)
        notes.append(
            f"The paper's eight classes are ImageNet's and have no counterpart in {scale.dataset}; their published "
            f"means are {means}; class by class they stand in params/published.yaml."
        )
    return Table(pd.DataFrame(shown), pd.DataFrame(exact), notes, cells)


def _class_cells(name: str, chosen: list[int], runs: list[dict], paper: dict[int, float]) -> list[Cell]:
    """One system's cells of the chosen classes."""
    found = [(run, *class_values(run)) for run in runs]
    return [
        Cell(
            name,
            str(number),
            paper.get(number),
            2,
            [Measurement(float(values[number]), {**run, "file": file}) for run, file, values in found],
        )
        for number in chosen
    ]


def intra_note(scale: params.Scale, published: params.Published) -> str | None:
    """Why published intra-FIDs do not stand beside a scale's; None where both were measured alike."""
    theirs = published.intra_fid_protocol.model_dump()
    ours = scale.model_dump(include={"dataset"}) | scale.evaluation.model_dump(include=set(theirs))
    if ours == theirs:
        return None
    return (
        f"The paper's intra-FIDs are left out: they are of {theirs['intra_samples']} generated images of each class of "
        f"{theirs['dataset']}, on features of {theirs['extractor']}. Other counts, features or classes give other "
        "numbers for the same generator; these stand in params/published.yaml."
    )


def _ordering(metric: str, column: list[Cell], labels: dict[str, str]) -> str:
    """Whether neighbours in the paper's ranking keep their order; rows of one published value stand side by side."""
    ranked = sorted((cell for cell in column if cell.published is not None), key=attrgetter("published"))
    places = [list(cells) for _, cells in groupby(ranked, attrgetter("published"))]
    verdicts = [
        f"{labels[low.row]} < {labels[high.row]} {verdict(low.values, high.values)}"
        for lows, highs in pairwise(places)
        for low, high in product(lows, highs)
    ]
    name = METRICS[metric][:-2]
    return f"The paper's ordering by {name}, by Welch's 95 % interval of the difference: {'; '.join(verdicts)}."
