"""Intervals over seeds, of a mean and of the difference of two, and the verdicts that they carry."""

import math
import statistics
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95
MOST = 1000  # seeds beyond which no number is named


class Interval(NamedTuple):
    """A mean, or a difference of two, with the ends of its 95 % interval; not numbers where there are too few seeds."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """The difference or mean with its ends, signed; '-' where there is none."""
        if math.isnan(self.mean):
            return "-"
        return f"{self.mean:+.3g}" + ("" if math.isnan(self.low) else f" [{self.low:+.3g}, {self.high:+.3g}]")


def interval(values: list[float]) -> Interval:
    """Student's interval of the mean of normal values."""
    if not values:
        return Interval(math.nan, math.nan, math.nan)
    mean = statistics.fmean(values)
    if len(values) < 2 or not math.isfinite(mean):
        return Interval(mean, math.nan, math.nan)
    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def difference(values: list[float], others: list[float], level: float = LEVEL) -> Interval:
    """Welch's interval of mean(values) - mean(others), whose variances need not be equal."""
    if not (values and others):
        return Interval(math.nan, math.nan, math.nan)
    mean = statistics.fmean(values) - statistics.fmean(others)
    if min(len(values), len(others)) < 2 or math.isnan(mean):
        return Interval(mean, math.nan, math.nan)
    parts = [statistics.variance(side) / len(side) for side in (values, others)]
    if not any(parts):
        return Interval(mean, mean, mean)
    # Welch and Satterthwaite's degrees of freedom; scipy's own test warns where one side does not vary.
    freedom = sum(parts) ** 2 / sum(p**2 / (len(side) - 1) for p, side in zip(parts, (values, others), strict=True))
    half = stats.t.ppf((1 + level) / 2, freedom) * math.sqrt(sum(parts))
    return Interval(mean, mean - half, mean + half)


def verdict(low: list[float], high: list[float]) -> str:
    """Whether the mean of ``low`` is below that of ``high``: decided only where Welch's interval leaves out zero.

    Where it does not, says about how many seeds of each, with their spread as it is, would decide a difference of the
    size seen: those that make half the interval as long as the difference.
    """
    found = difference(high, low)
    if math.isnan(found.mean):
        return "unknown, every seed diverged"
    if math.isnan(found.low):
        return f"not decided with n = {min(len(low), len(high))}: one seed has no spread"
    if found.low > 0 or found.high < 0:
        return f"{'holds' if found.mean > 0 else 'reversed'} ({found})"
    needed = _seeds_to_decide(low, high, abs(found.mean))
    about = f"; about {needed} would decide it" if needed else ""
    return f"not decided with n = {min(len(low), len(high))} seeds ({found}){about}"


def _seeds_to_decide(low: list[float], high: list[float], gap: float) -> int | None:
    counts = np.arange(3, MOST)
    halves = _student(2 * MOST)[2 * counts - 2] * np.sqrt(
        (statistics.variance(low) + statistics.variance(high)) / counts
    )
    return int(counts[np.argmax(halves < gap)]) if (halves < gap).any() else None


@cache
def _student(most: int) -> np.ndarray:
    """Student's quantile of a 95 % interval, by degrees of freedom; not a number for 0."""
    return stats.t.ppf((1 + LEVEL) / 2, np.arange(most))
