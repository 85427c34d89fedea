"""The Frechet distance between two sets of features: float64, exact, by the cheapest route their shapes allow."""

import math

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from ..errors import UserError
from .checks import as_float64, finite, same_dimensions

CPU = torch.device("cpu")
BLOCK = 8192  # rows of features in float64 at a time


class Moments:
    """Count, mean ``[D]`` and scatter ``[D, D]`` of features, float64, streamed: memory does not grow with samples.

    The scatter is the sum of outer products of deviations from the mean; batches are merged by Chan's update, which
    keeps the digits that a sum of squares would cancel. ``count`` is infinite where the number of samples behind given
    statistics is unknown; it then bounds no rank.
    """

    def __init__(self, dimensions: int, device: torch.device = CPU):
        self.count: float = 0
        self.mean = torch.zeros(dimensions, dtype=torch.float64, device=device)
        self._scatter = torch.zeros(dimensions, dimensions, dtype=torch.float64, device=device)

    @classmethod
    def given(cls, mean: np.ndarray, covariance: np.ndarray, count: float = math.inf) -> "Moments":
        """Moments from a mean ``[D]`` and an unbiased covariance ``[D, D]``."""
        moments = cls(len(mean))
        moments.count, moments.mean = count, torch.as_tensor(mean, dtype=torch.float64)
        moments._scatter = torch.as_tensor(covariance, dtype=torch.float64) * (1 if math.isinf(count) else count - 1)
        return moments

    @property
    def covariance(self) -> Tensor:
        """Unbiased, ``[D, D]``. Raises UserError below 2 samples."""
        if self.count < 2:
            raise UserError(f"a covariance needs at least 2 samples, not {self.count}: add images.")
        return self._scatter if math.isinf(self.count) else self._scatter / (self.count - 1)

    def add(self, features: np.ndarray | Tensor) -> None:
        """Count features ``[N, D]`` in. Raises UserError when one is not finite."""
        features = as_float64(features, self.mean.device)
        mean = finite(features.mean(0))
        centred = features - mean
        self._merge(len(features), mean, centred.T @ centred)

    def merge(self, other: "Moments") -> None:
        """Count in what another accumulator has seen."""
        self._merge(other.count, other.mean.to(self.mean.device), other._scatter.to(self.mean.device))

    def _merge(self, count: float, mean: Tensor, scatter: Tensor) -> None:
        total = self.count + count
        apart = mean - self.mean
        self._scatter += scatter
        self._scatter.addr_(apart, apart, alpha=self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    def to(self, device: torch.device) -> "Moments":
        moved = Moments(0, device)
        moved.count, moved.mean, moved._scatter = self.count, self.mean.to(device), self._scatter.to(device)
        return moved


def moments(features: np.ndarray | Tensor, device: torch.device = CPU) -> Moments:
    """Moments of features ``[N, D]``, which may be memory-mapped: they are read block by block."""
    out = Moments(features.shape[1], device)
    for start in range(0, len(features), BLOCK):
        out.add(features[start : start + BLOCK])
    return out


def frechet_distance(
    x: np.ndarray | Tensor | Moments, y: np.ndarray | Tensor | Moments, device: torch.device = CPU
) -> float:
    """``|mu_x - mu_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2))`` of features ``[N, D]`` and ``[M, D]``, or their moments.

    Means and unbiased covariances are taken in float64 on ``device``. No square root of a product of covariances is
    taken; of three equal expressions for its trace the cheapest for N, M and D is used (``route``), and each is exact
    for rank-deficient covariances.

    Raises:
        UserError: fewer than 2 samples, different D, or features that are not finite.
    """
    d = _dimensions(x, "the first")
    same_dimensions(d, _dimensions(y, "the second"))
    n, m = (None if isinstance(side, Moments) else len(side) for side in (x, y))
    way = route(n, m, d)
    if way == "moments":
        return frechet_from_moments(_as_moments(x, device), _as_moments(y, device))
    if n is None or (m is not None and m < n):
        x, y = y, x
    assert not isinstance(x, Moments), "two moments have their own way"
    mean_x, x, n = _centred(x, device)
    if way == "cross":
        assert not isinstance(y, Moments), "this way is of two sets of features"
        mean_y, y, m = _centred(y, device)
        product = x @ y.T
        gram, trace_y = product @ product.T, y.square().sum()
    else:
        y = _as_moments(y, device)
        mean_y, m = y.mean, y.count
        gram, trace_y = x @ y.covariance @ x.T, y.covariance.trace()
    traces = x.square().sum() + trace_y
    return _distance(mean_x - mean_y, traces, gram, min(n - 1, m - 1, d))


def route(n: int | None, m: int | None, d: int) -> str:
    """The cheapest way to the trace of the root, for N and M samples (None: moments are given) of D features.

    ``cross``: nuclear norm of ``X Y^T`` for centred features, by the Gram matrix of its smaller side.
    ``samples``: where y is given by moments, eigenvalues of ``X C_y X^T``, of the size of the samples.
    ``moments``: eigenvalues of ``L^T C_y L`` with ``C_x = L L^T``, of size D.
    """
    eigenvalues = 8  # times size^3: their cost in operations of matrix products
    counts = [count for count in (n, m) if count is not None]
    by_moments = 2 * sum(counts) * d**2 + (6 + eigenvalues) * d**3
    if len(counts) == 2:
        few, many = sorted(counts)
        way, cost = "cross", 2 * few * many * (d + few) + eigenvalues * few**3
    elif counts:
        few = counts[0]
        way, cost = "samples", 2 * few * d * (d + few) + eigenvalues * few**3
    return way if counts and cost < by_moments else "moments"


def frechet_from_moments(x: Moments, y: Moments) -> float:
    """The distance from the moments alone."""
    for side in (x, y):
        finite(side.mean), finite(side.covariance)
    cov_x, cov_y, d = x.covariance, y.covariance, len(x.mean)
    root = None
    if min(x.count, y.count) > d:  # else a Cholesky factor that exists is one of rounding noise
        root, failed = torch.linalg.cholesky_ex(cov_x)
        root = None if failed else root
    if root is None:
        values, vectors = torch.linalg.eigh(cov_x)
        rank = int(min(x.count - 1, d))
        root = vectors[:, -rank:] * values[-rank:].clamp(min=0).sqrt()
    gram = root.T @ cov_y @ root
    return _distance(x.mean - y.mean, cov_x.trace() + cov_y.trace(), gram, min(x.count - 1, y.count - 1, d))


def _distance(apart: Tensor, traces: Tensor, gram: Tensor, rank: float) -> float:
    """The distance from the matrix whose eigenvalues' roots add up to the trace of the root.

    Eigenvalues beyond the rank are rounding noise, of which the root would make half of all digits: they are left out.
    """
    values = _eigenvalues(finite(gram + gram.T) / 2)
    values = values[-int(min(rank, len(values))) :]
    return max(float(finite(apart).square().sum() + traces - 2 * values.clamp(min=0).sqrt().sum()), 0.0)


def _eigenvalues(symmetric: Tensor) -> Tensor:
    """In ascending order."""
    if symmetric.device.type != "cpu":
        return torch.linalg.eigvalsh(symmetric)
    # In one thread: at these sizes more of them wait for each other, on a busy machine up to twenty times as long.
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        return torch.from_numpy(np.linalg.eigvalsh(symmetric.numpy()))


def _dimensions(side: np.ndarray | Tensor | Moments, which: str) -> int:
    if isinstance(side, Moments):
        return len(side.mean)
    if side.ndim != 2 or len(side) < 2:
        raise UserError(f"{which} features have shape {tuple(side.shape)}: at least 2 samples [N, D] are needed.")
    return side.shape[1]


def _as_moments(side: np.ndarray | Tensor | Moments, device: torch.device) -> Moments:
    return side.to(device) if isinstance(side, Moments) else moments(side, device)


def _centred(features: np.ndarray | Tensor, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """Mean, deviations over the root of N - 1, and N."""
    features = as_float64(features, device)
    mean = finite(features.mean(0))
    return mean, (features - mean).div_(math.sqrt(len(features) - 1)), len(features)
