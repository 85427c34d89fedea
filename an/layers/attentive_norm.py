"""Attentive normalization (section 3 of the paper): regional normalization over a learned soft layout."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from . import attentive_norm_analytic as analytic
from . import attentive_norm_products as products
from .precision import at_least_float32, without_autocast

STATISTICS = ("instance", "batch", "layer", "group")
AFFINES = ("region", "shared", "none")
MOMENTS = ("weighted", "literal")
STARTS = ("normal", "orthogonal")
PENALTIES = ("directions", "entities")


class AttentiveNorm2d(nn.Module):
    r"""Divide a feature map softly into regions by semantics and normalize each region on its own.

        S    = softmax_n(tau * (t * F + f(x)))                       equations 2-4
        Xbar = sum_i S_i * (beta_i * (v(x) - mu_i) / (sigma_i + eps) + alpha_i)    equation 5
        y    = rho * Xbar + x                                        equation 6

    ``f`` holds the n semantic entities W; ``F_ij = k(x)_i . q(x)_j`` correlates every pixel with n pixels
    sampled from the same image (self-sampling regularization), only while training. ``mu_i`` and ``sigma_i``
    are moments of ``v(x)`` over region i. ``rho`` starts at 0, so a new layer is the identity.

    There are regions only where the logits of a pixel differ, that is where ``temperature`` times the length of the
    entities times that of x is some ones. With short entities the layout is uniform and the layer is n copies of one
    instance normalization, whatever else it learns: look at ``soft_layout`` (docs/decisions.md has measurements).

    No tensor of ``N*n*C*H*W`` elements is made: moments are matrix products, and so is the output.

    Args:
        channels: C of the input ``[N, C, H, W]``; at least 8 with ``self_sampling``.
        regions: n, the number of semantic entities.
        statistics: over what a region's moments are shared: ``instance`` (the paper; per image and channel),
            ``batch`` (over the batch, with running estimates for evaluation), ``layer`` (over all channels),
            ``group`` (over groups of channels).
        groups: number of channel groups when ``statistics="group"``.
        affine: ``region``: alpha and beta are n x C; ``shared``: C; ``none``: 1 and 0.
        moments: ``weighted``: ``mu = sum S v / sum S``; ``literal``: mean and standard deviation of the map
            ``S_i * v`` over all H*W pixels, as equation 5 is printed.
        value: normalize a 1x1 convolution of x ("affine translated", figure 2) instead of x itself.
        self_sampling: have the self-sampling branch (F).
        pool: 2x2 max-pool k(x) before sampling.
        sample_in_eval: keep sampling in evaluation mode, as the released code does; the paper sets t = 0.
        start: of the entities W: ``normal``: N(0, 1), as in the released code; ``orthogonal``: orthonormal rows.
        penalty: what ``orthogonality_loss`` pulls towards orthonormal rows: ``entities``: W, as equation 1 is printed,
            which also pulls the entities' lengths to 1; ``directions``: W's rows brought to length 1, which leaves the
            lengths, and with them the sharpness of the layout, free.
        temperature: tau; it multiplies, as in equation 4. The paper has 0.1; 10 is the reading in which 0.1 divides.
        eps: added to sigma, outside the root, as equation 5 has it.
        momentum: of the running estimates when ``statistics="batch"``.

    Shapes: input and output ``[N, C, H, W]``, floating point, N >= 0, H and W >= 1, contiguous or channels_last.

    Precision: the output has the input's dtype. Autocast does not reach inside: an input of float16 or bfloat16, as a
    convolution under autocast gives it, is computed on in float32 and the result rounded once. Parameters of lower
    precision are taken as float32 too.

    Weighted instance statistics run in an autograd function of their own, in cache-sized parts, which keeps little
    more than x for backward; second derivatives, compiled and exported code and the other choices use plain matrix
    products. Compiled, weighted instance statistics keep as little, and are made again in backward.

    Set ``keep_layout = True`` to have each forward pass leave the soft layout, ``[N, n, H, W]``, detached, in
    ``last_layout``. Set ``sampling = False`` to go on training without the self-sampling branch, with the layout that
    evaluation uses. ``orthogonality_loss()`` is equation 1 without its weight.

    Raises:
        ValueError: for an unknown choice or an input of another shape.
    """

    last_layout: Tensor | None
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        channels: int,
        regions: int = 16,
        *,
        statistics: str = "instance",
        groups: int = 8,
        affine: str = "region",
        moments: str = "weighted",
        value: bool = True,
        self_sampling: bool = True,
        pool: bool = True,
        sample_in_eval: bool = False,
        start: str = "normal",
        penalty: str = "directions",
        temperature: float = 0.5,
        eps: float = 1e-5,
        momentum: float = 0.1,
        device=None,
        dtype=None,
    ):
        super().__init__()
        for name, given, choices in (
            ("statistics", statistics, STATISTICS),
            ("affine", affine, AFFINES),
            ("moments", moments, MOMENTS),
            ("start", start, STARTS),
            ("penalty", penalty, PENALTIES),
        ):
            if given not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}; got {given!r}")
        if regions < 1 or channels < (8 if self_sampling else 1):
            raise ValueError(f"AttentiveNorm2d cannot have {channels} channels and {regions} regions")
        if statistics == "group" and channels % groups:
            raise ValueError(f"{channels} channels do not divide into {groups} groups")
        if moments == "literal" and statistics != "instance":
            raise ValueError("literal moments are defined for instance statistics only")
        factory = {"device": device, "dtype": dtype}
        self.channels, self.regions = channels, regions
        self.statistics, self.groups, self.affine, self.moments = statistics, groups, affine, moments
        self.self_sampling, self.pool, self.sample_in_eval = self_sampling, pool, sample_in_eval
        self.start, self.penalty = start, penalty
        self.temperature, self.eps, self.momentum = temperature, eps, momentum
        self.keep_layout, self.last_layout, self.sampling = False, None, True

        self.entities = nn.Conv2d(channels, regions, 1, bias=False, **factory)
        (nn.init.normal_ if start == "normal" else nn.init.orthogonal_)(self.entities.weight)
        if self_sampling:
            self.key = nn.Conv2d(channels, channels // 8, 1, **factory)
            self.query = nn.Conv2d(channels, channels // 8, 1, **factory)
            self.t = nn.Parameter(torch.full((regions,), 0.1, **factory))
        self.value = nn.Conv2d(channels, channels, 1, **factory) if value else None
        if affine != "none":
            shape = (regions, channels) if affine == "region" else (channels,)
            self.beta = nn.Parameter(torch.ones(shape, **factory))
            self.alpha = nn.Parameter(torch.zeros(shape, **factory))
        self.rho = nn.Parameter(torch.zeros((), **factory))
        if statistics == "batch":
            self.register_buffer("running_mean", torch.zeros(regions, channels, **factory))
            self.register_buffer("running_var", torch.ones(regions, channels, **factory))

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[1] != self.channels:
            raise ValueError(f"AttentiveNorm2d({self.channels}) got an input of shape {tuple(x.shape)}")
        with without_autocast(x):
            pixels, chosen = self._with_chosen_pixels(x)
            weight, bias = self._logits(chosen)
            if self.statistics == "batch" and self.training:
                self._estimate(pixels.detach(), chosen if self.sample_in_eval else None)
            if self.keep_layout:
                layout = products.soft_layout(at_least_float32(pixels.detach()), weight.detach(), bias.detach())
                self.last_layout = layout.unflatten(2, x.shape[2:])
            return self._normalize(pixels, weight, bias).unflatten(2, x.shape[2:])

    def soft_layout(self, x: Tensor) -> Tensor:
        """The layout S of equation 4 for input ``[N, C, H, W]``: ``[N, n, H, W]``, summing to 1 over n."""
        with without_autocast(x):
            pixels, chosen = self._with_chosen_pixels(x)
            layout = products.soft_layout(at_least_float32(pixels), *self._logits(chosen))
        return layout.unflatten(2, x.shape[2:])

    def orthogonality_loss(self) -> Tensor:
        """``||W W^T - I||_F^2`` over the n x C entities W or their directions (equation 1 without its weight).

        Of more entities than channels not all can be orthogonal; the least value is then ``n^2 / C - n`` of directions.
        """
        entities = self.entities.weight.flatten(1)
        if self.penalty == "directions":
            entities = nn.functional.normalize(entities, dim=1)
        gram = entities @ entities.mT
        return (gram - torch.eye(self.regions, device=gram.device, dtype=gram.dtype)).square().sum()

    def _with_chosen_pixels(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """``x [N, C, P]`` and, when sampling, the pixels that n pooled keys of each image are made of.

        These are ``[N, C, n*4]``, or ``[N, C, n]`` without pooling; only they are convolved to keys. Positions are
        drawn uniformly, and repeat only where the map has fewer than n of them.
        """
        if not (self.self_sampling and (self.sampling if self.training else self.sample_in_eval)):
            return x.flatten(2), None
        size = 2 if self.pool else 1
        height, width = -(-x.shape[2] // size), -(-x.shape[3] // size)
        scores = torch.rand(x.shape[0], height * width, device=x.device)
        if height * width >= self.regions:
            position = scores.topk(self.regions, dim=1).indices
        else:
            position = torch.randint(height * width, (x.shape[0], self.regions), device=x.device)
        offset = torch.arange(size, device=x.device)
        # An odd map's last pooled row and column see their edge pixels twice, which no maximum notices.
        rows = (position // width * size)[..., None] + offset
        columns = (position % width * size)[..., None] + offset
        index = rows.clamp_max(x.shape[2] - 1)[..., :, None] * x.shape[3]
        index = (index + columns.clamp_max(x.shape[3] - 1)[..., None, :]).flatten(1)
        return analytic.with_pixels_at(x.flatten(2), index)

    def _logits(self, chosen: Tensor | None) -> tuple[Tensor, Tensor]:
        """Weight and bias of the logits ``tau * (t * F + f(x))``, of all images or, when sampling, of each image."""
        weight = self.temperature * at_least_float32(self.entities.weight.flatten(1))
        if chosen is None:
            return weight, weight.new_zeros(self.regions, 1)
        # F is linear in q(x), so the n sampled keys fold into a weight per image: no second pass over pixels.
        keys = self.temperature * at_least_float32(self.t)[:, None] * self._keys(chosen).mT  # [N, n, C/8]
        query, query_bias = _weight_and_bias(self.query)
        bias = keys @ query_bias[:, None]
        return torch.baddbmm(weight, keys, query.expand(chosen.shape[0], -1, -1)), bias

    def _keys(self, chosen: Tensor) -> Tensor:
        """n keys ``[N, C/8, n]`` of max-pooled k(x) from their pixels."""
        weight, bias = _weight_and_bias(self.key)
        keys = weight @ at_least_float32(chosen)
        # Bias and maximum commute.
        return keys.unflatten(2, (self.regions, -1)).max(dim=3).values + bias[:, None]

    def _normalize(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """``rho * Xbar + x`` (equations 5 and 6) of ``x [N, C, P]``, in its dtype."""
        value, value_bias = (None, None) if self.value is None else _weight_and_bias(self.value)
        beta, alpha = weight.new_ones(self.channels), weight.new_zeros(self.channels)
        if self.affine != "none":
            beta, alpha = at_least_float32(self.beta), at_least_float32(self.alpha)
        rho = at_least_float32(self.rho)
        given = products.Parameters(weight, bias, value, value_bias, beta, alpha, rho, self.eps)
        if self.statistics == "instance" and self.moments == "weighted" and not torch.compiler.is_exporting():
            if not torch.compiler.is_compiling():
                return analytic.attentive_norm(x, given)
            # Nothing in it is drawn, so that no state of random numbers need be kept.
            return checkpoint(_products, x, given, use_reentrant=False, preserve_rng_state=False)
        share = None if self.statistics == "instance" else self._share_statistics
        return _products(x, given, literal=self.moments == "literal", share=share)

    def _share_statistics(self, mean: Tensor, var: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
        """Merge moments ``[N, n, C]`` over what ``statistics`` says, by the law of total variance."""
        if self.statistics == "batch":
            if not self.training:
                return self.running_mean, self.running_var
            return _merged(mean, var, mass)
        groups = 1 if self.statistics == "layer" else self.groups
        mean, var = mean.unflatten(2, (groups, -1)), var.unflatten(2, (groups, -1))
        merged = mean.mean(3, keepdim=True)
        var = (var + (mean - merged).square()).mean(3, keepdim=True).expand_as(mean)
        return merged.expand_as(mean).flatten(2), var.flatten(2)

    @torch.no_grad()
    def _estimate(self, x: Tensor, chosen: Tensor | None) -> None:
        """Move the running estimates by the moments that ``x [N, C, P]`` has under the layout that evaluation uses."""
        value, value_bias = (None, None) if self.value is None else _weight_and_bias(self.value)
        logits = self._logits(chosen)
        moments = products.regional_moments(at_least_float32(x), *logits, value=value, value_bias=value_bias)
        for running, found in zip((self.running_mean, self.running_var), _merged(*moments), strict=True):
            running.lerp_(found.to(running), self.momentum)

    def extra_repr(self) -> str:
        return (
            f"{self.channels}, regions={self.regions}, statistics={self.statistics}, affine={self.affine}, "
            f"self_sampling={self.self_sampling}, temperature={self.temperature}"
        )


def _products(x: Tensor, given: products.Parameters, **switches) -> Tensor:
    """``products.attentive_norm`` in float32 at least, the result in x's dtype."""
    return products.attentive_norm(at_least_float32(x), given, **switches).to(x.dtype)


def _weight_and_bias(convolution: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Those of a 1x1 convolution as matrix and vector, in float32 where their precision is lower."""
    assert convolution.bias is not None
    return at_least_float32(convolution.weight.flatten(1)), at_least_float32(convolution.bias)


def _merged(mean: Tensor, var: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance ``[n, C]`` over the batch of regions whose moments in each image are ``[N, n, C]``."""
    share = mass / mass.sum(0)
    merged = (share * mean).sum(0)
    return merged, (share * (var + (mean - merged).square())).sum(0)
