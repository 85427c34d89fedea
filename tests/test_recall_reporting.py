"""Intervals over seeds, and the recall task's table and figure."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from result_files import diverge, edit, make_results, two_seeds
from scipy import stats

from an import params
from an.errors import UserError
from an.layout import Study
from an.reporting.figures.recall import figure10
from an.reporting.intervals import difference, interval
from an.reporting.render import render

T_OF_2 = 4.302653  # the 97.5 % point of Student's t with two degrees of freedom, as tables print it


@pytest.fixture
def results(tmp_path, monkeypatch):
    two_seeds(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return make_results(Study("smoke").results)


def test_the_interval_of_a_mean_is_student_s():
    found = interval([1.0, 2.0, 4.5])
    half = T_OF_2 * math.sqrt(((1 - 2.5) ** 2 + (2 - 2.5) ** 2 + (4.5 - 2.5) ** 2) / 2) / math.sqrt(3)
    assert found == pytest.approx((2.5, 2.5 - half, 2.5 + half), rel=1e-6)
    values = np.random.default_rng(0).normal(3, 2, 11)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval(values.tolist()) == pytest.approx((values.mean(), *expected))


@pytest.mark.filterwarnings("ignore:Precision loss")  # of the side that does not vary
def test_the_interval_of_a_difference_is_welch_s():
    rng = np.random.default_rng(1)
    values, others = rng.normal(3, 0.1, 4), rng.normal(1, 5, 7)
    found = difference(values.tolist(), others.tolist())
    expected = stats.ttest_ind(values, others, equal_var=False).confidence_interval(0.95)
    assert found == pytest.approx((values.mean() - others.mean(), *expected))
    # By hand, for two seeds a side of equal variance: two degrees of freedom, sd of the difference 1.
    assert difference([5.0, 5 + 2**0.5], [1.0, 1 + 2**0.5]) == pytest.approx((4, 4 - T_OF_2, 4 + T_OF_2), rel=1e-6)
    assert difference([1.0, 1.0, 1.0], [2.0, 4.0, 6.0]) == pytest.approx(
        (-3, *(-3 - np.array([1, -1]) * T_OF_2 * 2 / 3**0.5))
    )


def test_identical_values_have_no_width():
    assert interval([0.3, 0.3, 0.3]) == pytest.approx((0.3, 0.3, 0.3), abs=1e-12)
    assert difference([2.0, 2.0], [0.5, 0.5, 0.5]) == (1.5, 1.5, 1.5)


def test_too_few_values_have_no_interval():
    assert interval([2.0])[0] == 2 and np.isnan(interval([2.0])[1:]).all() and np.isnan(interval([])).all()
    for one, more in (([2.0], [1.0, 3.0, 5.0]), ([1.0, 3.0, 5.0], [2.0]), ([2.0], [2.0])):
        found = difference(one, more)
        assert found.mean == np.mean(one) - np.mean(more) and np.isnan(found[1:]).all()
    assert np.isnan(difference([], [1.0, 2.0])).all() and np.isnan(difference([1.0, 2.0], [])).all()


def test_table_6_has_means_intervals_and_differences(results, tmp_path):
    render(6, "smoke", results, tmp_path)
    frame = pd.read_csv(tmp_path / "table6.csv").set_index("row")
    assert list(frame.index) == list(params.load_rows("recall")) and (frame["n"] == 3).all()
    half = T_OF_2 * 0.01 / 3**0.5  # the seeds are 0.01 apart
    for name, mean in (("recall-an", 0.885), ("recall-none", 0.135), ("recall-sa", 0.96)):
        line = frame.loc[name, ["accuracy", "accuracy_low", "accuracy_high", "accuracy_sd"]].tolist()
        assert line == pytest.approx([mean, mean - half, mean + half, 0.01], rel=1e-6)
    assert frame.at["recall-an", "network_rho"] == -0.25 and frame.at["recall-sa", "network_gamma"] == 0.125
    assert frame["accuracy_sampling"].notna().tolist() == (frame.index == "recall-an").tolist()
    assert (frame["squared_error"] == 0.5).all() and frame.at["recall-an", "network_regions_used"] == 12
    text = (tmp_path / "table6.md").read_text()
    lines = {
        line.split("|")[1].strip(): [c.strip() for c in line.split("|")] for line in text.splitlines() if "|" in line
    }
    assert lines["AN"][2:5] == ["0.885 ± 0.010", "[0.860, 0.910]", "0.750 ± 0.000"]
    assert lines["Contextual attention"][4] == "-" and "nan" not in text
    # Two groups of three with one variance: four degrees of freedom, whose 97.5 % point is 2.776.
    ends = [f"{0.75 + sign * 2.776445 * 0.01 * (2 / 3) ** 0.5:+.3f}" for sign in (-1, 1)]
    assert f"AN (n = 1) +0.75 [{ends[0]}, {ends[1]}]" in text and "No layer (batch normalization) +0.75" in text
    assert "8 cues" in text and "10 columns away" in text and "1024 test images" in text
    cells = pd.read_csv(tmp_path / "table6_cells.csv").query("metric == 'accuracy'")
    assert len(cells) == 8 * 3 and cells["published"].isna().all() and cells["checkpoint_sha256"].nunique() == 24


def test_table_6_without_diverged_seeds(results, tmp_path):
    diverge(results, "recall-an", 0)
    render(6, "smoke", results, tmp_path)
    frame = pd.read_csv(tmp_path / "table6.csv").set_index("row")
    assert frame.at["recall-an", "n"] == 2 and frame.at["recall-an", "accuracy"] == pytest.approx(0.89)
    low, high = stats.ttest_1samp([0.885, 0.895], 0).confidence_interval(0.95)
    assert frame.loc["recall-an", ["accuracy_low", "accuracy_high"]].tolist() == pytest.approx([low, high])
    assert "diverged 1/3" in (tmp_path / "table6.md").read_text()


def test_table_6_where_every_seed_of_a_row_diverged(results, tmp_path):
    for seed in (0, 1, 2):
        diverge(results, "recall-in", seed)
    render(6, "smoke", results, tmp_path)
    text = (tmp_path / "table6.md").read_text()
    assert "diverged 3/3" in text and "Instance normalization seed 2 at step 120" in text
    assert "nan" not in text, "a difference from nothing is not a number for readers"


def test_table_6_refuses_other_test_images(results, tmp_path):
    edit(results / "recall-sa/seed-1/metrics.json", lambda run: run["protocol"].update(test_images=8))
    with pytest.raises(UserError, match=r"different protocols \(test_images\)"):
        render(6, "smoke", results, tmp_path)


@pytest.mark.slow
def test_figure_10_is_a_picture_of_answers_and_maps(results, tmp_path):
    figure10("smoke").figure.savefig(tmp_path / "figure10.png")
    picture = imread(tmp_path / "figure10.png")[..., :3]

    def has(colour) -> bool:
        return bool((abs(picture - np.array(colour)).max(2) < 0.01).any())

    assert all(has([r, g, b]) for r in (0, 1) for g in (0, 1) for b in (0, 1)), "the eight colours of the cues"
    assert has([0.55, 0.4, 0.65]), "what the layers without a map answered"
    assert has([68 / 255, 1 / 255, 84 / 255]) and has([253 / 255, 231 / 255, 37 / 255]), "the maps' ends, 0 and 1"


def test_figure_10_says_which_example_is_missing(results, tmp_path):
    (results / "recall-ca/seed-0/example.json").unlink()
    with pytest.raises(UserError, match=r"recall-ca/seed-0/example\.json is missing"):
        figure10("smoke")
