"""The paper's tables, published beside reproduced, as Markdown, CSV and LaTeX."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from .. import params
from ..files import written_whole
from .inpainting_table import inpainting
from .results import read_json, read_runs, summarise
from .text import latex, number, protocol_of_generation, spread, with_sources

TITLES = {
    1: "Table 1. Class-conditional generation",
    2: "Table 2. Intra-FID of typical classes (lower is better)",
    3: "Table 3. Inpainting",
    4: "Table 4. Ablation of attentive normalization",
    5: "Table 5. Inference time (ms) of the modules, batch 1",
}
METRICS = {
    "fid": "FID ↓",
    "intra_fid": "intra-FID ↓",
    "inception_score": "IS ↑",
    "iterations": "iterations",
    "fid_untrained": "FID untrained",
}
DECIMALS = {"iterations": 0}
# In the CSV beside the paper's metrics, where every run has them.
DETAILS = [
    *("fid_infinity", "inception_score_1_split", "kid", "precision", "recall", "density", "coverage"),
    *("intra_fid_50", "intra_fid_own_count", "intra_fid_5000", "intra_fid_real_halves"),
]


def render(table: int, scale_name: str, results: str | Path, reports: str | Path) -> None:
    """Write ``table<N>.{md,csv,tex}``. Raises UserError when a result is missing or protocols differ."""
    results, reports = Path(results), Path(reports)
    shown, exact, notes = {1: quality, 2: classes, 3: inpainting, 4: quality, 5: timing}[table](
        table, scale_name, results
    )
    scale = params.load_scale(scale_name)
    notes = ([scale.caution] if scale.caution else []) + notes
    markdown = [f"# {TITLES[table]}", f"Scale `{scale_name}`: {scale.description}.", shown.to_markdown(index=False)]
    _write(reports / f"table{table}.md", "\n\n".join(markdown + notes) + "\n")
    _write(reports / f"table{table}.csv", exact.to_csv(index=False))
    body = shown.map(latex).rename(columns=latex).to_latex(index=False, column_format="l" + "r" * (shown.shape[1] - 1))
    comments = "".join(f"% {line}\n" for line in [TITLES[table], *notes])
    _write(reports / f"table{table}.tex", comments + body)


def quality(table: int, scale_name: str, results: Path):
    """Tables 1 and 4: one line a row, each metric published and reproduced."""
    metrics = list(METRICS) if table == 1 else ["inception_score", "fid", "fid_untrained"]
    runs = read_runs(table, scale_name, results)
    details = [m for m in DETAILS if all(m in run["metrics"] for run in runs)]
    summary, rows = summarise(runs, metrics + details), params.load_rows()
    published = pd.DataFrame.from_dict(getattr(params.load_published(), f"table{table}"), orient="index", dtype=float)
    published = published.reindex(summary.index).reindex(columns=metrics)
    labels = [rows[name].tables[table] for name in summary.index]

    shown, exact = {"Model": labels}, {"row": summary.index, "label": labels, "n": summary["n"].values}
    for metric in metrics:
        values, sds = summary[metric].values, summary[f"{metric}_sd"].values
        digits = DECIMALS.get(metric, 2)
        if published[metric].notna().any():
            shown[f"{METRICS[metric]} paper"] = [number(v, digits) for v in published[metric]]
            exact[f"{metric}_published"] = published[metric].values
            exact[f"{metric}_difference"] = values - published[metric].values
        shown[METRICS[metric]] = [spread(m, s, digits) for m, s in zip(values, sds, strict=True)]
        exact[metric], exact[f"{metric}_sd"] = values, sds
    for metric in details:
        exact[metric], exact[f"{metric}_sd"] = summary[metric].values, summary[f"{metric}_sd"].values
    shown["n"] = summary["n"].values
    exact |= with_sources(runs, summary.index)
    notes = [protocol_of_generation(runs[0]["protocol"]), _seeds(summary)]
    notes += [_ordering(m, summary, published, labels) for m in ("fid", "inception_score")]
    if table == 1:
        floor = read_json(results / "reference.json")["heldout_as_generated"]
        notes.append(
            f"The held-out real images, taken as generated, have FID {floor['fid']:.2f}, intra-FID "
            f"{floor['intra_fid']:.2f}, IS {floor['inception_score']:.2f}. Iterations: the first snapshot whose FID is "
            "within 2 % of the best. FID untrained: of each row's own generator before its first step."
        )
    return pd.DataFrame(shown), pd.DataFrame(exact), notes


def classes(table: int, scale_name: str, results: Path):
    """Table 2: one line a class, each system published and reproduced."""
    scale, rows, published = params.load_scale(scale_name), params.load_rows(), params.load_published()
    runs = read_runs(table, scale_name, results)
    same_data = scale.dataset == "imagenet"
    chosen = scale.evaluation.table2_classes
    names = [published.table2_classes.get(c, str(c)) if same_data else str(c) for c in chosen]
    shown = {
        "Class": [f"{n} ({c})" if same_data else f"{scale.dataset} {n}" for n, c in zip(names, chosen, strict=True)]
    }
    exact = {"class": chosen, "n": [len(scale.seeds)] * len(chosen)}
    for name in dict.fromkeys(run["row"] for run in runs):
        files = [results / name / f"seed-{seed}" / "classes.csv" for seed in scale.seeds]
        values = np.stack([pd.read_csv(f).set_index("class").loc[chosen, "intra_fid"] for f in files])
        sds = values.std(0, ddof=1) if len(values) > 1 else np.full(len(chosen), math.nan)
        label = rows[name].tables[2]
        if same_data:
            shown[f"{label} paper"] = [number(v, 2) for v in published.table2[name]]
            exact[f"{name}_published"] = published.table2[name]
        shown[label] = [spread(m, s, 2) for m, s in zip(values.mean(0), sds, strict=True)]
        exact[name], exact[f"{name}_sd"] = values.mean(0), sds
    notes = [
        protocol_of_generation(runs[0]["protocol"]),
        f"Mean ± standard deviation over n = {len(scale.seeds)} seeds.",
    ]
    if not same_data:
        means = ", ".join(f"{rows[k].tables[2]} {np.mean(v):.2f}" for k, v in published.table2.items())
        notes.append(
            f"The paper's eight classes are ImageNet's and have no counterpart in {scale.dataset}; their published "
            f"means are {means}; class by class they stand in params/published.yaml."
        )
    return pd.DataFrame(shown), pd.DataFrame(exact), notes


def timing(table: int, scale_name: str, results: Path):
    """Table 5: one line a module, a column a size."""
    measured, published = read_json(results / "timing.json"), params.load_published()
    labels = {
        "attentive_norm": "AN",
        "self_attention": "Self-attention (pooled, as SA-GAN's code)",
        "self_attention_unpooled": "Self-attention (unpooled, control)",
    }
    shown, exact = [], []
    for name, entries in measured["modules"].items():
        paper = dict(zip(published.table5_sizes, published.table5.get(name, []), strict=False))
        line = {"Module": labels[name]}
        for entry in entries:
            size, median = entry["size"], entry["median_ms"]
            line[f"{size}×{size} paper"] = number(paper.get(size), 2) if name in published.table5 else ""
            quartiles = (
                "" if median is None else f" [{entry['first_quartile_ms']:.2f}, {entry['third_quartile_ms']:.2f}]"
            )
            line[f"{size}×{size}"] = number(median, 2) + quartiles
            exact.append({"module": name, **entry, "published_ms": paper.get(size)})
        shown.append(line)
    p, device = measured["protocol"], measured["provenance"]["device"]
    notes = [
        f"Median [quartiles] of {p['clock']} per forward pass on {device}; {p['channels']} channels, "
        f"n = {p['regions']}, {p['dtype']}; '-': predicted to need more than {p['limit_bytes'] / 1e9:.1f} GB, not run. "
        "The paper's numbers are from another machine; its '-' stands for out of memory."
    ]
    return pd.DataFrame(shown), pd.DataFrame(exact), notes


def _seeds(summary: pd.DataFrame) -> str:
    return f"Mean ± standard deviation over n = {summary['n'].iloc[0]} seeds."


def _ordering(metric: str, summary: pd.DataFrame, published: pd.DataFrame, labels: list[str]) -> str:
    """Whether neighbours in the paper's ranking keep their order, or lie within the seeds' spread."""
    names = dict(zip(summary.index, labels, strict=True))
    ranked = published[metric].dropna().sort_values().index
    verdicts = []
    for low, high in pairwise(ranked):
        gap = summary.at[high, metric] - summary.at[low, metric]
        noise = math.hypot(summary.at[low, f"{metric}_sd"], summary.at[high, f"{metric}_sd"])
        verdict = "within the seeds' spread" if abs(gap) <= noise else "holds" if gap > 0 else "reversed"
        verdicts.append(f"{names[low]} < {names[high]} {verdict}")
    return f"The paper's ordering by {METRICS[metric][:-2]}: {'; '.join(verdicts)}."


def _write(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text)
