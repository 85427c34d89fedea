"""Verdicts on the paper's orderings: none that the seeds do not carry, and those that they do."""

import re

import numpy as np
import pytest

from an.reporting.intervals import difference, verdict


def draws(rng, gap: float, n: int, repeats: int = 1000):
    """Pairs of rows of n seeds whose true means differ by ``gap`` standard deviations."""
    low, high = rng.normal(0, 1, (repeats, n)), rng.normal(gap, 1, (repeats, n))
    return zip(low.tolist(), high.tolist(), strict=True)


def is_decided(low: list[float], high: list[float]) -> bool:
    found = difference(high, low)
    return not found.low <= 0 <= found.high


@pytest.mark.slow
def test_no_decided_verdict_has_an_interval_that_includes_zero():
    rng = np.random.default_rng(0)
    for gap in (0.0, 1.0, 3.0):
        for low, high in draws(rng, gap, 3, 300):
            said, found = verdict(low, high), difference(high, low)
            assert said.startswith("not decided") != is_decided(low, high)
            assert said.startswith("holds") == (found.low > 0) and said.startswith("reversed") == (found.high < 0)


def test_equal_rows_are_decided_as_seldom_as_the_level_says_and_far_ones_nearly_always():
    rng = np.random.default_rng(1)
    decided = {gap: np.mean([is_decided(*pair) for pair in draws(rng, gap, 5)]) for gap in (0, 1, 5)}
    # Welch's test rejects a true null in at most about 1 of 20; 5 binomial standard deviations over it.
    assert decided[0] < 0.05 + 5 * (0.05 * 0.95 / 1000) ** 0.5
    # The power of a two-sided t test at 5 + 5: 0.286 for one standard deviation (Cohen's d = 1).
    assert abs(decided[1] - 0.286) < 5 * (0.286 * 0.714 / 1000) ** 0.5 + 0.02  # Welch's own small loss
    assert decided[5] > 0.99


def test_an_open_verdict_says_how_many_seeds_would_decide_it():
    said = verdict([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])  # a gap of 1 at standard deviations of 1
    needed = int(re.search(r"with about (\d+) seeds of each, 4 of 5 studies would decide", said)[1])
    # Two groups of 17: what the tables of power have for Cohen's d = 1 and 80 %.
    assert said.startswith("not decided with n = 3 seeds (+1 [-1.27, +3.27])") and needed == 17
    decided = [is_decided(*pair) for pair in draws(np.random.default_rng(2), 1.0, needed)]
    assert abs(np.mean(decided) - 0.807) < 5 * (0.8 * 0.2 / 1000) ** 0.5
    assert verdict([1.0], [2.0]) == "not decided with n = 1: one seed has no spread"
    assert verdict([], [2.0, 3.0]) == "unknown, every seed diverged"
