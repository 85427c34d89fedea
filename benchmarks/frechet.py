"""The Frechet distance at 2048 features against scipy's sqrtm, and intra-FID of many classes.

    python benchmarks/frechet.py [--classes 1000]

Features are synthetic with a 1/i spectrum. Both sides are timed from what they start with in use: moments for the
full-rank case, features for classes. Sqrtm is timed on 5 classes and multiplied.
"""

import argparse
import statistics
import time
from functools import partial

import numpy as np
import scipy.linalg
from common import machine, report, timed

from an.devices import keep_freed_memory
from an.metrics.frechet import frechet_distance, frechet_from_moments, moments

D, REAL, SQRTM_CLASSES = 2048, 1300, 5


def by_sqrtm(mean_x: np.ndarray, cov_x: np.ndarray, mean_y: np.ndarray, cov_y: np.ndarray) -> float:
    root = scipy.linalg.sqrtm(cov_x @ cov_y).real
    return float(np.square(mean_x - mean_y).sum() + np.trace(cov_x) + np.trace(cov_y) - 2 * np.trace(root))


def features_by_sqrtm(x: np.ndarray, y: np.ndarray) -> float:
    return by_sqrtm(x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=1000)
    classes = parser.parse_args().classes
    keep_freed_memory()  # as the command line does
    where, rng = machine(), np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(D, D)))[0].astype(np.float32)
    pool = (
        rng.normal(size=(12_000, D)).astype(np.float32) * np.sqrt(1 / np.arange(1, D + 1, dtype=np.float32))
    ) @ rotation

    def draw(count: int) -> np.ndarray:
        """A class: features of the pool about a centre of its own."""
        return pool[rng.choice(len(pool), count, replace=False)] + 0.1 * rng.normal(size=D).astype(np.float32)

    lines = []

    def line(case: str, ours: float, sqrtm: float, *, value: float, theirs: float) -> None:
        lines.append(
            {
                "case": case,
                "ours_s": ours,
                "sqrtm_s": sqrtm,
                "times_faster": sqrtm / ours,
                "relative_difference": abs(value - theirs) / theirs,
            }
        )

    x, y = moments(pool[:6000]), moments(1.1 * pool[6000:])
    frechet_from_moments(x, y)
    ours, value = timed(lambda: frechet_from_moments(x, y), 5)
    arrays = [part.numpy() for side in (x, y) for part in (side.mean, side.covariance)]
    sqrtm, theirs = timed(lambda: by_sqrtm(*arrays), 3)
    line("full rank, from moments", ours, sqrtm, value=value, theirs=theirs)

    sums, sample = dict.fromkeys((50, REAL), 0.0), {}
    seconds: dict[int, list[float]] = {count: [] for count in sums}
    sqrtm_seconds: dict[int, list[float]] = {count: [] for count in sums}
    wall = time.perf_counter()
    for number in range(classes):
        real = draw(REAL)
        for count in seconds:
            generated = draw(count)
            taken, value = timed(partial(frechet_distance, generated, real), 1)
            seconds[count].append(taken)
            sums[count] += value
            if number < SQRTM_CLASSES:
                sample[number, count] = generated, real, value
    wall = time.perf_counter() - wall
    for count in seconds:
        differences = []
        for number in range(min(SQRTM_CLASSES, classes)):
            generated, real, value = sample[number, count]
            taken, theirs = timed(partial(features_by_sqrtm, generated, real), 1)
            sqrtm_seconds[count].append(taken)
            differences.append((abs(value - theirs) / theirs, value, theirs))
        _, value, theirs = max(differences)
        medians = statistics.median(seconds[count]), statistics.median(sqrtm_seconds[count])
        line(f"{count} against {REAL}, one class", *medians, value=value, theirs=theirs)
    for count in seconds:
        lines.append(
            {
                "case": f"{count} against {REAL}, intra-FID of {classes} classes",
                "ours_s": sum(seconds[count]),
                "sqrtm_s": classes * statistics.fmean(sqrtm_seconds[count]),
                "times_faster": classes * statistics.fmean(sqrtm_seconds[count]) / sum(seconds[count]),
                "ours_s_for_1000_classes": 1000 * statistics.fmean(seconds[count]),
                "intra_fid": sums[count] / classes,
            }
        )
    about = {
        "features": D,
        "real_per_class": REAL,
        "classes": classes,
        "sqrtm": f"scipy {scipy.__version__}, intra-FID extrapolated from {SQRTM_CLASSES} classes",
        "timing": "median of 5 (ours) and 3 (sqrtm) runs at full rank; median over classes; sums over classes",
        "wall_s_of_both_intra_fids_with_drawing": wall,
    }
    report("frechet", lines, about, where)


if __name__ == "__main__":
    main()
