"""Intra-FID: the Frechet distance within every class, at named sample counts, and the floor of real against real."""

import numpy as np
import pandas as pd
import torch

from ..errors import UserError
from .frechet import CPU, frechet_distance

COUNTS = (50, 5000)  # the paper's sentence read literally; its predecessors' protocol


def per_class(
    x: np.ndarray, x_labels: np.ndarray, y: np.ndarray, y_labels: np.ndarray, *, device: torch.device = CPU
) -> list[float]:
    """Frechet distance between x and y of every class of y, in the order of class indices.

    Raises UserError when a class has fewer than 2 samples on either side.
    """
    x_members, y_members = members(x_labels), members(y_labels)
    check_classes(x_members, y_members)
    return [frechet_distance(x[x_members[c]], y[y_members[c]], device) for c in y_members]


def intra_protocols(
    x: np.ndarray, x_labels: np.ndarray, y: np.ndarray, y_labels: np.ndarray, *, device: torch.device = CPU
) -> pd.DataFrame:
    """One line a class of y: its counts, and the distance under every protocol that the counts allow.

    ``intra_fid``: all its samples. ``intra_fid_50``, ``intra_fid_5000``: its first 50 and 5,000.
    ``intra_fid_own_count``: as many samples as it has real images. ``intra_fid_real_halves``: its real images of even
    against those of odd place, the floor that no generator passes by much. A protocol that some class lacks samples for
    has no column, since its mean would be one over other classes.
    """
    x_members, y_members = members(x_labels), members(y_labels)
    check_classes(x_members, y_members)
    few_x, few_y = (min(map(len, sides.values())) for sides in (x_members, y_members))
    own = all(len(x_members[c]) >= len(y_members[c]) for c in y_members)
    lines = []
    for c, real in y_members.items():
        samples, reals = x[x_members[c]], y[real]
        line: dict[str, float] = {"class": c, "generated": len(samples), "real": len(reals)}
        line["intra_fid"] = frechet_distance(samples, reals, device)
        for count in COUNTS:
            if few_x >= count:
                same = count == len(samples)
                line[f"intra_fid_{count}"] = (
                    line["intra_fid"] if same else frechet_distance(samples[:count], reals, device)
                )
        if own:
            line["intra_fid_own_count"] = frechet_distance(samples[: len(reals)], reals, device)
        if few_y >= 4:
            line["intra_fid_real_halves"] = frechet_distance(reals[::2], reals[1::2], device)
        lines.append(line)
    return pd.DataFrame(lines)


def intra_means(by_class: pd.DataFrame) -> dict[str, float]:
    """The plain mean over classes of every protocol beside ``intra_fid``, under the names of its columns."""
    columns = [c for c in by_class.columns if c not in ("class", "generated", "real", "intra_fid")]
    return by_class[columns].mean().to_dict()


def members(labels: np.ndarray) -> dict[int, np.ndarray]:
    """Places of every class, in their order."""
    order = np.argsort(labels, kind="stable")
    classes, starts = np.unique(np.asarray(labels)[order], return_index=True)
    return dict(zip(classes.tolist(), np.split(order, starts[1:]), strict=True))


def check_classes(x_members: dict, y_members: dict, names: tuple = ("the samples", "the reference")) -> None:
    """Raise UserError unless both sides, which ``names`` calls so, have the same classes and 2 images of each."""
    for c in sorted(set(x_members) | set(y_members)):
        for side, name in zip((x_members, y_members), names, strict=True):
            count = len(side.get(c, ()))
            if count < 2:
                raise UserError(
                    f"class {c} has {count} image(s) in {name}, intra-FID needs 2 per class: add images of it."
                )
