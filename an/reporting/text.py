"""How numbers, protocols and sources are written in every table."""

import math


def number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def spread(mean: float, sd: float, digits: int) -> str:
    return number(mean, digits) + ("" if math.isnan(sd) else f" ± {sd:.{digits}f}")


def with_sources(runs: list[dict], names) -> dict:
    """Columns that say where each line's numbers come from, one value per seed."""
    keys = ("commit", "checkpoint_sha256", "device")
    by_row = {name: [run["provenance"] for run in runs if run["row"] == name] for name in names}
    return {key: [" ".join(dict.fromkeys(p[key] or "" for p in by_row[name])) for name in names] for key in keys}


def protocol_of_generation(p: dict) -> str:
    return (
        f"Protocol: extractor {p['extractor']} ({p['extractor_sha256'][:12]}), {p['generated']} generated images "
        f"({p['generated_per_snapshot']} for each FID along training) against {p['reference']}, IS over "
        f"{p['inception_score_splits']} splits, intra-FID {p['intra_fid']}, resize {p['resize']}, "
        f"{p['weights']} weights, {p['dtype']}."
    )


def protocol_of_inpainting(p: dict) -> str:
    return (
        f"Protocol: {p['images']} test images ({p['test_sha256']['heldout_images.npy'][:12]}), hole {p['hole']}; "
        f"composited {p['composited']}; {p['averaged']}."
    )


def latex(text) -> str:
    text = str(text)
    for plain, tex in (("±", r"$\pm$"), ("↓", r"$\downarrow$"), ("↑", r"$\uparrow$"), ("×", r"$\times$"), ("_", r"\_")):
        text = text.replace(plain, tex)
    return text
