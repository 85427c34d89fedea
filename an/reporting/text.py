"""How numbers, protocols and seeds are written in every table."""

import math
from collections import Counter

from .. import params


def number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def seeds_note(runs: list[dict], labels: dict[str, str]) -> str:
    """Over what the means are taken, and which runs diverged."""
    seeds = Counter(run["row"] for run in runs)
    fewest, most = min(seeds.values()), max(seeds.values())
    lost = [
        f"{labels[run['row']]} seed {run['seed']} at step {run['training']['step']}"
        for run in runs
        if run["training"]["status"] == "diverged"
    ]
    each = f"n = {fewest}" if fewest == most else f"each row's n = {fewest} to {most}"
    note = f"Mean ± standard deviation over {each} seeds"
    return f"{note}, without the runs that diverged: {', '.join(lost)}." if lost else f"{note}."


def published_notes(published: dict, labels: dict[str, str]) -> list[str]:
    """How what the paper prints of a table's rows was made otherwise than the rows are, a sentence for each way."""
    rows: dict[str, list[str]] = {}
    for row, note in params.load_published().notes.items():
        if row in published and row in labels:
            rows.setdefault(note, []).append(labels[row])
    return [f"Published of {', '.join(alike)}: {note}." for note, alike in rows.items()]


def protocol_of_generation(p: dict) -> str:
    splits = p["inception_score_splits"]
    scored = f"IS over {splits} splits" if splits else "no IS (the extractor gives no logits)"
    intra = f"intra-FID {p['intra_fid']}, " if p["intra_fid"] else ""
    return (
        f"Protocol {params.digest(p)}: extractor {p['extractor']} ({p['extractor_sha256'][:12]}), "
        f"{p['generated']} generated images ({p['generated_per_snapshot']} for each FID along training) against "
        f"{p['reference']}, {scored}, {intra}"
        f"resize {p['resize']}, {p['weights']} weights, {p['dtype']}."
    )


def protocol_of_classes(p: dict, classes: int) -> str:
    """Of intra-FID that is measured class by class."""
    return (
        f"Intra-FID, protocol {params.digest(p)}: extractor {p['extractor']} ({p['extractor_sha256'][:12]}), "
        f"{classes} classes, {p['generated']} generated, against {p['reference']}, resize {p['resize']}, "
        f"{p['weights']} weights, {p['dtype']}."
    )


def protocol_beside(p: dict) -> str:
    """Of the columns that are on Inception's features."""
    return (
        f"Inception: extractor {p['extractor']} ({p['extractor_sha256'][:12]}), the first {p['generated']} generated "
        f"images against {p['reference']}; KID {p['kid']}; precision and recall {p['precision_recall']}; resize "
        f"{p['resize']}, {p['dtype']}. FID of so few images is larger than of many; KID is not."
    )


def protocol_of_inpainting(p: dict) -> str:
    return (
        f"Protocol {params.digest(p)}: {p['images']} test images ({p['test_sha256']['heldout_images.npy'][:12]}), "
        f"hole {p['hole']}; composited {p['composited']}; {p['averaged']}."
    )


def latex(text) -> str:
    text = str(text)
    for plain, tex in (("±", r"$\pm$"), ("↓", r"$\downarrow$"), ("↑", r"$\uparrow$"), ("×", r"$\times$"), ("_", r"\_")):
        text = text.replace(plain, tex)
    return text
