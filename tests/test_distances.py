"""The Frechet distance's routes, streamed moments, kernel distance and manifold metrics, against other libraries."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from an.errors import UserError
from an.evaluation.frechet import Moments, frechet_distance, frechet_from_moments, moments, route


def features(n, d, seed, decay=0.5):
    """Correlated features whose spectrum falls as a power, and a mean of their own."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(d, d)) * np.arange(1, d + 1)[:, None] ** -decay
    return rng.normal(size=(n, d)) @ mixing + rng.normal(size=d)


def by_sqrtm(x, y):
    """As pytorch-fid does it."""
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(cov_x @ cov_y).real
    return np.square(x.mean(0) - y.mean(0)).sum() + np.trace(cov_x) + np.trace(cov_y) - 2 * np.trace(root)


@pytest.mark.parametrize(
    ("n", "m", "way"), [(700, 600, "moments"), (8, 2000, "cross"), (2000, 8, "cross"), (30, 20, "cross")]
)
def test_every_route_is_scipy_s_sqrtm(n, m, way):
    x, y = features(n, 24, 0), features(m, 24, 1)
    assert route(n, m, 24) == way
    assert route(min(n, m), None, 24) == route(None, min(n, m), 24) == ("moments" if way == "moments" else "samples")
    assert frechet_distance(x, y) == pytest.approx(by_sqrtm(x, y), rel=1e-6)
    assert frechet_distance(moments(x), y) == pytest.approx(frechet_distance(x, y), rel=1e-9)
    assert frechet_distance(x, moments(y)) == pytest.approx(frechet_distance(x, y), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 60), m=st.integers(2, 60), d=st.integers(1, 24), seed=st.integers(0, 99))
def test_routes_are_identical_to_a_millionth(n, m, d, seed):
    x, y = features(n, d, seed), features(m, d, seed + 1) + 1
    values = []
    with pytest.MonkeyPatch.context() as patch:
        for way, left, right in (
            ("moments", x, y),
            ("cross", x, y),
            ("samples", x, moments(y)),
            ("samples", moments(x), y),
        ):
            patch.setattr("an.evaluation.frechet.route", lambda *shape, way=way: way)
            values.append(frechet_distance(left, right))
    assert values == pytest.approx([values[0]] * 4, rel=1e-6)


@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_degenerate_features():
    """Dead features, duplicates and a collapsed set: covariances of lower rank than the counts say."""
    x, y = features(300, 20, 0), features(80, 20, 1)
    x[:, :5] = 0
    y[40:] = y[:40]
    assert frechet_distance(x, y) == pytest.approx(by_sqrtm(x, y), rel=1e-5)  # sqrtm itself warns and loses digits
    assert frechet_distance(x[:30], y) == pytest.approx(frechet_from_moments(moments(x[:30]), moments(y)), rel=1e-6)
    collapsed = np.repeat(x[:1], 50, 0)
    expected = np.square(x[0] - y.mean(0)).sum() + np.trace(np.cov(y, rowvar=False))
    assert frechet_distance(collapsed, y) == pytest.approx(expected, rel=1e-9)


def test_streamed_moments_are_those_of_all_features():
    x = 1e4 + features(1000, 16, 3)
    streamed, other = Moments(16), Moments(16)
    for part in np.array_split(x[:700], 9):
        streamed.add(part)
    for part in np.array_split(x[700:], 2):
        other.add(torch.from_numpy(part))
    streamed.merge(other)
    assert streamed.count == 1000
    np.testing.assert_allclose(streamed.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(streamed.covariance, np.cov(x, rowvar=False), rtol=1e-8, atol=1e-9)
    # The digits that sums of squares would cancel at an offset of 10,000.
    np.testing.assert_allclose(streamed.covariance, moments(x - 1e4).covariance, rtol=1e-8, atol=1e-9)


def test_float16_memory_mapped_features(tmp_path):
    np.save(tmp_path / "x.npy", features(100, 8, 0).astype(np.float16))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert frechet_distance(x, features(90, 8, 1)) == pytest.approx(
        frechet_distance(np.asarray(x, float), features(90, 8, 1)), rel=1e-12
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_on_every_route(bad):
    for n, m in ((700, 600), (8, 2000), (30, 10)):
        for spoilt in (0, 1):
            sides = [features(n, 24, 0), features(m, 24, 1)]
            sides[spoilt][3, 7] = bad
            with pytest.raises(UserError, match="not finite"):
                frechet_distance(*sides)
    with pytest.raises(UserError, match="not finite"):
        frechet_from_moments(Moments.given(np.zeros(3), np.eye(3)), Moments.given(np.zeros(3), bad * np.ones((3, 3))))


def test_one_sample_is_refused_streamed_or_not():
    one = Moments(4)
    one.add(features(1, 4, 0))
    with pytest.raises(UserError, match="at least 2 samples"):
        frechet_from_moments(one, moments(features(9, 4, 0)))
    with pytest.raises(UserError, match="at least 2 samples"):
        frechet_distance(features(1, 4, 0), features(9, 4, 0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("n", "m"), [(700, 600), (8, 2000), (10, 30)])
def test_a_gpu_gives_the_same_distance(n, m):
    x, y = features(n, 24, 0), features(m, 24, 1)
    assert frechet_distance(x, y, torch.device("cuda")) == pytest.approx(frechet_distance(x, y), rel=1e-6)
