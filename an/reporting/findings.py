"""What a study found, a sentence for each table: where AN stands, by how much, and how certain that is."""

import math
from pathlib import Path
from typing import NamedTuple

from .. import params
from ..seals import read_sealed
from .cells import Cell, Table
from .intervals import Interval, difference, interval
from .results import row_labels
from .text import number

OURS, INPAINTING, RECALL = "an", "an-inpainting", "recall-an"
AGAINST = {  # the rows that a table's sentence compares AN with
    1: ["sngan-star", "sagan", "sagan-64", "an-n1"],
    4: ["an-no-ssr", "an-n1", "an-tau01", "an-literal"],
    6: ["recall-none", "recall-an-n1", "recall-sa"],
}


TITLES = {1: "Generation", 2: "Classes", 3: "Inpainting", 4: "Ablation", 5: "Time", 6: "Recall"}


class Finding(NamedTuple):
    anchor: str  # on the page
    title: str
    sentence: str


def findings(scale_name: str, results: Path, tables: dict[int, Table]) -> list[Finding]:
    """Of every table that has AN in it, and of AN's regions. Raises UserError when these were not measured."""
    sentences = {1: _quality, 2: _classes, 3: _inpainting, 4: _quality, 5: _timing, 6: _recall}
    found = [Finding("table1", "In short", in_short(tables))] if 1 in tables else []
    for table, built in tables.items():
        labels = row_labels(table, scale_name)
        sentence = sentences[table](table, built, labels)
        found += [Finding(f"table{table}", f"{table}. {TITLES[table]}", sentence)] if sentence else []
    scale = params.load_scale(scale_name)
    rows = params.load_rows("generation", scale)
    if OURS in rows:
        regions = read_sealed(results / OURS / f"seed-{scale.seeds_of(OURS, rows[OURS])[0]}" / "regions.json")
        found.append(Finding("figure4", "Regions", regions_sentence(regions)))
    return found


def regions_sentence(regions: dict) -> str:
    """Figure 4's claim, or that there is nothing to claim it of."""
    information = regions["measures"]["layout_information"]
    if information < regions["flat_below"]:
        return f"AN's layout is flat ({information:.3f} nats of layout information): it has no regions."
    shares = {mask: interval(regions["per_image"][f"below{mask}"]) for mask in ("", "_shifted", "_shuffled")}
    ours, shifted, shuffled = (f"{100 * s.mean:.0f} % [{100 * s.low:.0f}, {100 * s.high:.0f}]" for s in shares.values())
    return (
        f"Features vary less within a region than over the whole map in {ours} of (image, entity) pairs; within masks "
        f"as sharp and as large, moved elsewhere, in {shifted}, with shuffled pixels in {shuffled}."
    )


def _quality(table: int, built: Table, labels: dict[str, str]) -> str | None:
    metric = _fid(built)
    column = {row: built.cells[row, metric] for row in labels}
    if OURS not in column or not column[OURS].n:
        return None
    place = 1 + sum(cell.mean < column[OURS].mean for cell in column.values() if cell.n)
    name = "FID on Inception’s features" if metric == "fid_inception" else "FID"
    others = [compared(column[OURS], column[row], labels[row]) for row in AGAINST[table] if row in column]
    seeds = "a single seed" if column[OURS].n == 1 else f"{column[OURS].n} seeds"
    return (
        f"AN’s {name} (lower is better) is {column[OURS]} over {seeds}, place {place} of {len(column)} rows (1 is best)"
        f": {'; '.join(others)}."
    )


def compared(ours: Cell, other: Cell, label: str, higher_is_better: bool = False) -> str:
    """Whether AN is better, by Welch's interval of the difference, which is AN's less the other's."""
    alone = ", of a single seed" if min(ours.n, other.n) == 1 else ""
    return f"{standing(ours, other, higher_is_better)} {label} ({difference(ours.values, other.values)}{alone})"


def standing(ours: Cell, other: Cell, higher_is_better: bool = False) -> str:
    found = difference(ours.values, other.values)
    if math.isnan(found.low) or found.low <= 0 <= found.high:
        return "not decided against"
    return "better than" if (found.mean > 0) == higher_is_better else "worse than"


def in_short(tables: dict[int, Table]) -> str:
    """How many of the comparisons that the tables' sentences make are decided, and which way."""
    pairs: dict[tuple[str, str], tuple[Cell, Cell]] = {}  # of a row that stands in two tables, once
    for table in (1, 4):
        if table in tables and (OURS, metric := _fid(tables[table])) in tables[table].cells:
            cells = tables[table].cells
            there = [(row, metric) for row in AGAINST[table] if (row, metric) in cells]
            pairs |= {name: (cells[OURS, metric], cells[name]) for name in there}
    said = [standing(*pair) for pair in pairs.values()]
    if 3 in tables and (INPAINTING, "psnr_hole") in tables[3].cells:
        said.append(standing(tables[3].cells[INPAINTING, "psnr_hole"], tables[3].cells["ca", "psnr_hole"], True))
    better, worse, open_ = (said.count(each) for each in ("better than", "worse than", "not decided against"))
    verdict = {
        (False, False): "neither won nor lost",
        (True, False): "won where that is decided",
        (False, True): "lost where that is decided",
        (True, True): "won some and lost some",
    }[better > 0, worse > 0]
    return (
        f"Attentive normalization (AN) {verdict}: of {len(said)} comparisons with other rows by image quality (tables "
        f"1, 3 and 4), it is better in {better}, worse in {worse}, and {open_} are not decided. In brackets: AN’s "
        "value less the other’s, and the 95 % interval of that over seeds, of each comparison on its own."
    )


def _fid(table: Table) -> str:
    return "fid_inception" if (OURS, "fid_inception") in table.cells else "fid"


def _classes(table: int, built: Table, labels: dict[str, str]) -> str | None:
    classes = [metric for row, metric in built.cells if row == OURS]
    if not classes:
        return None
    best = [min(labels, key=lambda row: built.cells[row, each].mean) for each in classes]
    wins = ", ".join(f"{labels[row]} in {best.count(row)}" for row in labels)
    return f"Of {len(classes)} classes, intra-FID is lowest of {wins}."


def _inpainting(table: int, built: Table, labels: dict[str, str]) -> str | None:
    if INPAINTING not in labels:
        return None
    line = built.exact.set_index("row").loc[INPAINTING]
    over = {
        name: Interval(*(line[f"psnr_hole_over_{control}_{part}"] for part in Interval._fields))
        for control, name in (("biharmonic", "the biharmonic fill"), ("mean-colour", "the mean colour"))
    }
    gains = " and ".join(f"{gain} dB over {name}" for name, gain in over.items())
    ours, ca = (built.cells[row, "psnr_hole"] for row in (INPAINTING, "ca"))
    against = compared(ours, ca, labels["ca"], higher_is_better=True)
    return f"AN’s PSNR in the hole is {ours} dB, {gains} (paired by photograph); {against}."


def _timing(table: int, built: Table, labels: dict[str, str]) -> str | None:
    times = {(module, size): cell.mean for (module, size), cell in built.cells.items()}
    both = [size for module, size in times if module == "attentive_norm" and times["self_attention", size] > 0]
    if not both:  # not a number where a module had no memory
        return None
    size = both[-1]
    ours, other = times["attentive_norm", size], times["self_attention", size]
    return (
        f"At {size}×{size} pixels, the largest that self-attention had memory for, AN takes {number(ours, 1)} ms and "
        f"self-attention {number(other, 1)}, {other / ours:.1f} times as long."
    )


def _recall(table: int, built: Table, labels: dict[str, str]) -> str:
    column = {row: built.cells[row, "accuracy"] for row in labels}
    others = "; ".join(f"{labels[row]} {column[row]}" for row in AGAINST[table] if row in column)
    return f"AN recalls {column[RECALL]} of the far marks’ colours (chance is 0.125); {others}."
