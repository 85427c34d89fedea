"""Statistics of reference images as files: the common .npz of mean and covariance, and content-addressed features."""

import json
import math
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..errors import UserError
from ..files import written_whole
from ..metrics.frechet import Moments
from ..seals import write_sealed
from .extraction import Extractor, extract
from .reference import open_reference, source


def save_statistics(file: str | Path, moments: Moments, made_from: dict) -> None:
    """Write ``mu`` and ``sigma``, as pytorch-fid and TTUR read them, beside the count and what they were made from."""
    mean, covariance = moments.mean.cpu().numpy(), moments.covariance.cpu().numpy()
    with written_whole(file) as temporary, open(temporary, "wb") as opened:
        np.savez(opened, mu=mean, sigma=covariance, count=moments.count, source=json.dumps(made_from))


def load_statistics(file: str | Path, protocol: dict, dimensions: int) -> tuple[Moments, dict]:
    """Moments and their source (empty for another tool's file) from an .npz of ``mu`` and ``sigma``.

    Raises UserError when the file is unreadable, of other dimensions than the extractor's features, not finite, or
    says that another extractor made it.
    """
    try:
        with np.load(file) as arrays:
            mean, covariance = arrays["mu"], arrays["sigma"]
            count = float(arrays["count"]) if "count" in arrays else math.inf
            made_from = json.loads(str(arrays["source"])) if "source" in arrays else {}
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise UserError(f"{file} holds no statistics ({error}): save mu [D] and sigma [D, D] as an .npz.") from None
    if mean.shape != (dimensions,) or covariance.shape != (dimensions, dimensions):
        raise UserError(
            f"{file} has mu {mean.shape} and sigma {covariance.shape}, the extractor makes {dimensions} features: "
            "use statistics of the same extractor."
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise UserError(f"{file} holds numbers that are not finite: make the statistics again.")
    same = ("extractor", "extractor_sha256", "resize")
    differing = sorted(k for k in same if made_from.get(k, protocol[k]) != protocol[k])
    if differing:
        raise UserError(f"{file} was made with another {', '.join(differing)}: make the statistics again.")
    return Moments.given(mean, covariance, count), made_from


def cached_features(extractor: Extractor, images, protocol: dict, what: str, *, folder: str | Path) -> np.ndarray:
    """Memory-mapped features of images, kept in ``folder`` under a name made of all that they depend on.

    Changed images, weights or protocol have another name, so that an old number cannot come back.
    """
    made_from = source(images.sha256, protocol)
    file = Path(folder) / f"{made_from['key']}.npy"
    if not (file.exists() and Path(f"{file}.json").exists()):
        extract(extractor, images, protocol["batch"], what, file=file)
        write_sealed(f"{file}.json", made_from, files=[file])
    return open_reference(file, images.sha256, protocol)
