"""Intervals over seeds, of a mean and of the difference of two, and the verdicts that they carry."""

import math
import statistics
from bisect import bisect_left
from functools import partial
from typing import NamedTuple

from scipy import stats

LEVEL = 0.95
POWER = 0.8  # the share of studies that decide, with the number of seeds that is named
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

    Where it does not, says with about how many seeds of each a difference of the size seen would be decided in four of
    five studies, were it and the spread the true ones.
    """
    found = difference(high, low)
    if math.isnan(found.mean):
        return "unknown, every seed diverged"
    if math.isnan(found.low):
        return f"not decided with n = {min(len(low), len(high))}: one seed has no spread"
    if found.low > 0 or found.high < 0:
        return f"{'holds' if found.mean > 0 else 'reversed'} ({found})"
    deviation = math.sqrt((statistics.variance(low) + statistics.variance(high)) / 2)
    effect = abs(found.mean) / deviation if deviation else 0.0
    needed = 3 + bisect_left(range(3, MOST), POWER, key=partial(_power, effect))
    said = f"not decided with n = {min(len(low), len(high))} seeds ({found})"
    if needed == MOST:
        return said
    return f"{said}; with about {needed} seeds of each, 4 of 5 studies would decide a difference of this size"


def _power(effect: float, seeds: int) -> float:
    """How often a two-sided t test of two rows finds a difference of ``effect`` standard deviations."""
    freedom, shift = 2 * seeds - 2, effect * math.sqrt(seeds / 2)
    bound = stats.t.ppf((1 + LEVEL) / 2, freedom)
    return float(stats.nct.sf(bound, freedom, shift) + stats.nct.cdf(-bound, freedom, shift))
