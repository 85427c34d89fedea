"""The Frechet distance's routes, streamed moments, kernel distance and manifold metrics, against other libraries."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from an.errors import UserError
from an.evaluation.scores import fid_by_count
from an.metrics.frechet import CPU, Moments, frechet_distance, frechet_from_moments, moments, route
from an.metrics.kernel import kernel_distance
from an.metrics.manifold import manifold_metrics


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
            patch.setattr("an.metrics.frechet.route", lambda *shape, way=way: way)
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
    for spoilt in (Moments.given(np.zeros(3), bad * np.ones((3, 3))), Moments.given(bad * np.ones(3), np.eye(3))):
        with pytest.raises(UserError, match="not finite"):
            frechet_distance(features(3, 3, 0), spoilt)


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


def as_float32(*sides):
    return [side.astype(np.float32) for side in sides]


def test_kernel_distance_is_torch_fidelity_s():
    from torch_fidelity.metric_kid import kid_features_to_metric

    x, y = features(700, 64, 0), features(650, 64, 1)
    theirs = kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), kid_subset_size=200, verbose=False)
    mean, sd = kernel_distance(x, y, 200)
    assert mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    assert sd == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-9)


def test_kernel_distance_of_one_distribution_is_about_zero():
    x = features(800, 16, 0)
    mean, sd = kernel_distance(x[:400], x[400:], 300)
    apart, _ = kernel_distance(x[:400], x[400:] + 1, 300)
    assert abs(mean) < 3 * sd and apart > 10 * abs(mean)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_precision_and_recall_are_torch_fidelity_s(seed):
    from torch_fidelity.metric_prc import prc_features_to_metric

    x, y = as_float32(features(630, 12, seed), features(600, 12, seed))
    x *= 1 - 0.2 * seed
    theirs = prc_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), verbose=False)
    ours = manifold_metrics(x, y)
    assert ours["precision"] == pytest.approx(theirs["precision"], rel=1e-7)  # they average in float32
    assert ours["recall"] == pytest.approx(theirs["recall"], rel=1e-7)
    assert 0 < ours["recall"] < 1


def test_density_and_coverage_by_their_definition(monkeypatch):
    from scipy.spatial.distance import cdist

    generated, real = features(230, 6, 0), features(210, 6, 1)
    radii = np.sort(cdist(real, real), axis=1)[:, 5]
    inside = cdist(real, generated) < radii[:, None]
    whole = manifold_metrics(generated, real)
    assert whole["density"] == pytest.approx(inside.sum(0).mean() / 5)
    assert whole["coverage"] == pytest.approx(inside.any(1).mean())
    monkeypatch.setattr("an.metrics.manifold.ENTRIES", 1000)
    assert manifold_metrics(generated, real) == whole, "blocks change nothing"


def test_kernel_and_manifold_refuse_bad_features():
    x, y = features(40, 6, 0), features(50, 6, 1)
    for metric in (lambda a, b: kernel_distance(a, b, 30), manifold_metrics):
        with pytest.raises(UserError, match="one extractor"):
            metric(x, y[:, :4])
        with pytest.raises(UserError, match="not finite"):
            metric(np.where(x == x[3, 3], np.nan, x), y)
        with pytest.raises(UserError, match=r"samples.*add images"):
            metric(x, y[:5])


def test_fid_by_count_extrapolates_to_infinitely_many():
    """Two samples of one distribution: FID falls with the count, and its limit is nearer to the true 0."""
    x, real = features(4000, 16, 0)[:2000], features(4000, 16, 0)[2000:]
    fid = frechet_distance(x, real)
    points, limit = fid_by_count(x, moments(real), fid, CPU)
    assert [p["samples"] for p in points] == [400, 800, 1200, 1600, 2000]
    assert points[0]["fid"] > points[-1]["fid"] == fid > limit
    few, _ = fid_by_count(x[:15], real, frechet_distance(x[:15], real), CPU)
    assert [p["samples"] for p in few] == [3, 6, 9, 12, 15]
