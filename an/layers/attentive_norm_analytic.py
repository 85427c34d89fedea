"""Attentive normalization chunk by chunk, with its derivative written out: the default path.

S depends on its own pixel only, so layout, values and moments are made for a cache-sized part of the map at a time; all
that lives between the two passes over an image is its S and v(x). Backward makes them again from x, beside which
only a few n x C matrices per image are kept.

Maps are ``[N, C, P]`` in either order of memory: ``[N, C, H, W]`` contiguous or channels_last, without a copy.
"""

import functools
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import attentive_norm_products
from .attentive_norm_products import Parameters

# Elements of a chunk: a few such maps fit a core's second-level cache, one fits a GPU's.
CPU_CHUNK = 2**18
CUDA_CHUNK = 2**23
LEAST_CHANNELS_LAST = 16


class Moments(NamedTuple):
    """Of every region of every image."""

    mass: Tensor  # [N, n, 1]
    mean: Tensor  # as var, [N, n, C]
    var: Tensor


def attentive_norm(x: Tensor, given: Parameters) -> Tensor:
    """``attentive_norm_products.attentive_norm`` with the weighted moments of each image on its own.

    Arguments, shapes and result are that function's, less its switches. x may be of lower precision than the
    parameters; everything between x and the result is of theirs. Differentiable twice.
    """
    images, (weight, bias, *others) = (x.shape[0], -1, -1), given
    return _AttentiveNorm.apply(x, weight.expand(images), bias.expand(images), *others)


def with_pixels_at(x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """x itself and its pixels ``[N, C, K]`` at ``index [N, K]``."""
    return _WithPixelsAt.apply(x, index)


class _WithPixelsAt(torch.autograd.Function):
    """The pixels' gradient goes right into x's, where a gather's own would be a second map, mostly of zeros."""

    @staticmethod
    def forward(ctx, x, index):
        ctx.save_for_backward(index)
        return x.view_as(x), x.gather(2, index[:, None].expand(-1, x.shape[1], -1))

    @staticmethod
    def backward(ctx, dx, dpixels):
        index = ctx.saved_tensors[0][:, None].expand(-1, dx.shape[1], -1)
        return dx.clone().scatter_add_(2, index, dpixels), None


class _AttentiveNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, *parameters):
        given = Parameters(*parameters)
        forward = _fused_forward if x.is_cuda and _has_kernels(x, given) else _forward
        y, *kept = forward(x, given)
        *tensors, ctx.eps = given
        ctx.save_for_backward(x, *tensors, *kept)
        return y

    @staticmethod
    def backward(ctx, dy):
        # Whoever calls backward under autocast gets the same gradients.
        with torch.autocast(dy.device.type, enabled=False):
            return (_differentiable_backward if torch.is_grad_enabled() else _backward)(ctx, dy)


def _forward(x: Tensor, given: Parameters) -> tuple[Tensor, ...]:
    """The output, and the centre, mass, mean and variance that backward wants."""
    weight, bias, rho = given.weight, given.bias, given.rho
    centre = x.mean(2, keepdim=True, dtype=weight.dtype)
    y, moments = torch.empty_like(x), [Moments(bias[:0], weight[:0], weight[:0])]
    for images, spans in _chunks(x):
        own = given._replace(weight=weight[images], bias=bias[images])
        pieces, sums = [], []
        for span in spans:
            _, layout, v = _layout_and_values(x[images, :, span], centre[images], own)
            pieces.append((layout, v))
            sums.append((layout.sum(2, keepdim=True), layout @ v.mT, layout @ v.square().mT))
        moments.append(_moments(*map(torch.stack, zip(*sums, strict=True))))
        gain, shift = _matrices(moments[-1], given)
        gain, shift = (rho * gain).mT, (rho * shift).mT
        for span in spans:
            layout, v = pieces.pop(0)
            xbar = _product(shift, layout, onto=_product(gain, layout).mul_(v))
            torch.add(xbar, x[images, :, span], out=y[images, :, span])
    return y, centre, *(torch.cat(parts) for parts in zip(*moments, strict=True))


def _has_kernels(x: Tensor, given: Parameters) -> bool:
    """Triton comes with PyTorch where CUDA does, on Linux; importing it takes a while, so only CUDA tensors do."""
    try:
        from . import attentive_norm_triton as kernels
    except ImportError:
        return False
    kind = x.device, x.dtype, *given.weight.shape[1:]
    return kernels.applies(x, given.weight) and _kernels_agree(*kind, has_value=given.value is not None)


@functools.cache
def _kernels_agree(device: torch.device, dtype: torch.dtype, regions: int, channels: int, *, has_value: bool) -> bool:
    """Whether the kernels run on this device and make what ``_forward`` makes; tried once for each kind of map."""
    generator = torch.Generator(device).manual_seed(0)  # leaves the random numbers of training alone

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    x = (draw(2, channels, 1500) + 3).to(dtype)
    value = draw(channels, channels) / channels**0.5 if has_value else None
    affine = draw(regions, channels), draw(regions, channels), draw(1)
    logits = draw(2, regions, channels) / channels**0.5, draw(2, regions, 1)
    given = Parameters(*logits, value, None, *affine, 1e-5)
    try:
        ours, default = (forward(x, given)[0].float() for forward in (_fused_forward, _forward))
        error = ((ours - default).norm() / default.norm()).item()
    except Exception as reason:  # compilers and drivers raise what they like
        error = reason
    if isinstance(error, float) and error < (1e-3 if dtype == torch.float32 else 1e-2):
        return True
    warnings.warn(f"attentive normalization goes on without its Triton kernels on {device}: {error!r}", stacklevel=2)
    return False


def _fused_forward(x: Tensor, given: Parameters) -> tuple[Tensor, ...]:
    """``_forward`` in two kernels."""
    from . import attentive_norm_triton as kernels

    centre = kernels.centre_of(x)
    read = kernels.Read(x, given.weight, given.bias + given.weight @ centre, centre, given.value)
    moments = _moments(*kernels.sums(read))
    gain, shift = _matrices(moments, given)
    return kernels.output(read, given.rho * gain, given.rho * shift), centre, *moments


def _chunks(x: Tensor) -> Iterator[tuple[slice, list[slice]]]:
    """Groups of images, and for each the parts of their pixels: many images whole, or one image in parts."""
    limit = CUDA_CHUNK if x.is_cuda else CPU_CHUNK * torch.get_num_threads()
    count, channels, pixels = x.shape
    part = max(limit // channels, 1)
    group = max(part // pixels, 1)
    spans = [slice(p, p + part) for p in range(0, pixels, part)]
    for k in range(0, count, group):
        yield slice(k, k + group), spans


def _centred(x: Tensor, centre: Tensor) -> Tensor:
    """``x - centre``, channels_last if x is, unless channels are so few that their matrix products would crawl."""
    count, channels, pixels = x.shape
    if x.stride(1) == 1 and channels >= LEAST_CHANNELS_LAST:
        out = centre.new_empty(count, pixels, channels).mT
    else:
        out = centre.new_empty(count, channels, pixels)
    return torch.sub(x, centre, out=out)


def _product(matrix: Tensor, maps: Tensor, onto: Tensor | None = None) -> Tensor:
    """``matrix @ maps`` in the maps' own order of memory, or added to ``onto`` in place."""
    matrix = matrix.expand(maps.shape[0], -1, -1)
    if maps.stride(1) == 1:
        matrix, maps = maps.mT, matrix.mT
        return torch.bmm(matrix, maps).mT if onto is None else onto.mT.baddbmm_(matrix, maps).mT
    return torch.bmm(matrix, maps) if onto is None else onto.baddbmm_(matrix, maps)


def _layout_and_values(x: Tensor, centre: Tensor, given: Parameters) -> tuple[Tensor, Tensor, Tensor]:
    """Centred x, S and v(centred x). A shift of v(x) changes nothing but the rounding of its moments."""
    x0 = _centred(x, centre)
    logits = _product(given.weight, x0).add_(given.bias + given.weight @ centre)
    layout = logits.mT.softmax(2).mT if logits.stride(1) == 1 else logits.softmax(1)
    return x0, layout, x0 if given.value is None else _product(given.value, x0)


def _moments(mass: Tensor, first: Tensor, second: Tensor) -> Moments:
    """From the sums of S, S v and S v^2 of parts.

    Parts stand in a dimension before the others, and are merged by the law of total variance, which spares the
    cancellation of the map's own two large sums.
    """
    mass = mass.clamp_min(attentive_norm_products.least_mass(mass.dtype))
    means = first / mass
    variances = second / mass - means.square()
    share = mass / mass.sum(0)
    mean = (share * means).sum(0)
    var = (share * (variances + (means - mean).square())).sum(0).clamp_min(0)
    return Moments(mass.sum(0), mean, var)


def _matrices(moments: Moments, given: Parameters) -> tuple[Tensor, Tensor]:
    """Xbar is ``v * (gain^T S) + shift^T S``."""
    gain = given.beta / (moments.var.sqrt() + given.eps)
    return gain, given.alpha - moments.mean * gain


def _matrices_backward(
    dgain: Tensor, dshift: Tensor, gain: Tensor, moments: Moments, *, eps: float
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """From gain and shift to beta, alpha and the sums over pixels of S ``[N, n, 1]``, S v and S v^2 ``[N, n, C]``."""
    mass, mean, var = moments
    std = var.sqrt()
    dgain = (dgain - mean * dshift) / (std + eps)
    # A region without variance has none to pass on; the square root's own derivative is infinite there.
    d2 = torch.where(var > 0, dgain * gain / (-2 * std), 0) / mass
    d1 = -gain * dshift / mass - 2 * mean * d2
    d0 = -(mean * d1 + (var + mean.square()) * d2).sum(2, keepdim=True)
    return dgain, dshift, (d0, d1, d2)


def _pixels_backward(
    e: Tensor, layout: Tensor, v: Tensor, *, gain: Tensor, shift: Tensor, sums: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """From Xbar ``e`` and the sums that make the moments to the logits and v(x)."""
    d0, d1, d2 = sums
    dlayout = _product(gain, e * v).add_(d0)
    for matrix, maps in (shift, e), (d1, v), (d2, v.square()):
        _product(matrix, maps, onto=dlayout)
    dlogits = torch.ops.aten._softmax_backward_data(dlayout, layout, 1, layout.dtype)
    dv = _product(d1.mT, layout, onto=_product(2 * d2.mT, layout).mul_(v))
    dv.addcmul_(e, _product(gain.mT, layout))
    return dlogits, dv


def _backward(ctx, dy: Tensor) -> tuple[Tensor | None, ...]:
    """Gradients of everything ``forward`` took, chunk by chunk."""
    inputs, (centre, *moments) = ctx.saved_tensors[:8], ctx.saved_tensors[8:]
    x, weight, bias, value, _, beta, alpha, rho = inputs
    given = Parameters._make((*inputs[1:], ctx.eps))
    gradients: list[Any]  # None where there is no value
    gradients = [None if t is None else torch.empty_like(t) if t is x else torch.zeros_like(t) for t in inputs]
    dx, dweight, dbias, dvalue, _, dbeta, dalpha, drho = gradients
    for images, spans in _chunks(x):
        own = given._replace(weight=weight[images], bias=bias[images])
        pieces, dgain, dshift = [], 0, 0
        for span in spans:
            _, layout, v = _layout_and_values(x[images, :, span], centre[images], own)
            pieces.append((layout, v))
            e = torch.empty_like(v).copy_(dy[images, :, span])
            dgain, dshift = dgain + layout @ (e * v).mT, dshift + layout @ e.mT
        own_moments = Moments(*(moment[images] for moment in moments))
        gain, shift = _matrices(own_moments, given)
        drho += (gain * dgain).sum() + (shift * dshift).sum()
        of_beta, of_alpha, of_sums = _matrices_backward(rho * dgain, rho * dshift, gain, own_moments, eps=given.eps)
        dbeta += of_beta.sum_to_size(beta.shape)
        dalpha += of_alpha.sum_to_size(alpha.shape)
        for span in spans:
            layout, v = pieces.pop(0)
            e = torch.empty_like(v).copy_(dy[images, :, span])
            dlogits, dv = _pixels_backward(e, layout, v, gain=rho * gain, shift=rho * shift, sums=of_sums)
            x0 = _centred(x[images, :, span], centre[images])
            dweight[images].baddbmm_(dlogits, x0.mT)
            dbias[images].add_(dlogits.sum(2, keepdim=True))
            _product(weight[images].mT, dlogits, onto=e)
            if value is None:
                e.add_(dv)
            else:
                dvalue += torch.bmm(dv, x0.mT).sum(0)
                _product(value.mT, dv, onto=e)
            dx[images, :, span] = e
    dweight.baddbmm_(dbias, centre.mT)
    return *gradients, None


def _differentiable_backward(ctx, dy: Tensor) -> tuple[Tensor | None, ...]:
    """Backward as a graph of its own, for second derivatives: through the matrix products, at their cost in memory."""
    inputs = ctx.saved_tensors[:8]
    with torch.enable_grad():
        x, given = inputs[0], Parameters._make((*inputs[1:], ctx.eps))
        y = attentive_norm_products.attentive_norm(x.to(given.weight.dtype), given).to(x.dtype)
    wanted = [t for t, needed in zip(inputs, ctx.needs_input_grad, strict=False) if needed]
    found = iter(torch.autograd.grad(y, wanted, dy, create_graph=True))
    return *(next(found) if needed else None for needed in ctx.needs_input_grad[: len(inputs)]), None
