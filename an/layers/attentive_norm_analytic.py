"""Attentive normalization chunk by chunk, with its derivative written out: the default path.

S depends on its own pixel only, so layout, values and moments are made for a cache-sized part of the map at a time; all
that lives between the two passes over an image is its S and v(x). Backward makes them again from x, beside which
only a few n x C matrices per image are kept.

Maps are ``[N, C, P]`` in either order of memory: ``[N, C, H, W]`` contiguous or channels_last, without a copy.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from . import attentive_norm_products

# Elements of a chunk: a few such maps fit a core's second-level cache, one fits a GPU's.
CPU_CHUNK = 2**17
CUDA_CHUNK = 2**23


def attentive_norm(x: Tensor, weight: Tensor, bias: Tensor, *others) -> Tensor:
    """``attentive_norm_products.attentive_norm`` with the weighted moments of each image on its own.

    Arguments, shapes and result are that function's, less its switches. x may be of lower precision than the
    parameters; everything between x and the result is of theirs. Differentiable twice.
    """
    images = (x.shape[0], -1, -1)
    return _AttentiveNorm.apply(x, weight.expand(images), bias.expand(images), *others)


class _AttentiveNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, value, value_bias, beta, alpha, rho, eps):
        centre = x.mean(2, keepdim=True, dtype=weight.dtype)
        y, moments = torch.empty_like(x), (torch.empty_like(bias), torch.empty_like(weight), torch.empty_like(weight))
        for k, spans in _chunks(x):
            offset, pieces, sums = bias[k] + weight[k] @ centre[k], [], []
            for span in spans:
                layout, v = _layout_and_values(x[k, :, span] - centre[k], weight[k], offset, value)
                pieces.append((layout, v))
                sums.append((layout.sum(2, keepdim=True), layout @ v.mT, layout @ v.square().mT))
            for whole, moment in zip(moments, _moments(sums), strict=True):
                whole[k] = moment
            gain, shift = (rho * matrix for matrix in _matrices(*(whole[k] for whole in moments[1:]), beta, alpha, eps))
            for span in spans:
                layout, v = pieces.pop(0)
                change = _product(shift.mT, layout).addcmul_(v, _product(gain.mT, layout))
                y[k, :, span] = change.add_(x[k, :, span])
        ctx.eps = eps
        ctx.save_for_backward(x, weight, bias, value, value_bias, beta, alpha, rho, centre, *moments)
        return y

    @staticmethod
    def backward(ctx, dy):
        inputs, (centre, *moments) = ctx.saved_tensors[:8], ctx.saved_tensors[8:]
        if torch.is_grad_enabled():
            return _differentiable_backward(ctx, inputs, dy)
        x, weight, bias, value, _, beta, alpha, rho = inputs
        gradients = [None if t is None else torch.empty_like(t) if t is x else torch.zeros_like(t) for t in inputs]
        dx, dweight, dbias, dvalue, _, dbeta, dalpha, drho = gradients
        for k, spans in _chunks(x):
            offset, pieces, dgain, dshift = bias[k] + weight[k] @ centre[k], [], 0, 0
            for span in spans:
                layout, v = _layout_and_values(x[k, :, span] - centre[k], weight[k], offset, value)
                pieces.append((layout, v))
                e = dy[k, :, span].to(v.dtype)
                dgain, dshift = dgain + layout @ (e * v).mT, dshift + layout @ e.mT
            own = [moment[k] for moment in moments]
            gain, shift = _matrices(*own[1:], beta, alpha, ctx.eps)
            drho += (gain * dgain).sum() + (shift * dshift).sum()
            of_beta, of_alpha, *d = _matrices_backward(rho * dgain, rho * dshift, gain, *own, ctx.eps)
            dbeta += of_beta.sum_to_size(beta.shape)
            dalpha += of_alpha.sum_to_size(alpha.shape)
            gain, shift = rho * gain, rho * shift
            for span in spans:
                layout, v = pieces.pop(0)
                x0, e = x[k, :, span] - centre[k], dy[k, :, span].to(v.dtype)
                dlogits, dv = _pixels_backward(e, layout, v, gain, shift, *d)
                dweight[k] += dlogits @ x0.mT
                dbias[k] += dlogits.sum(2, keepdim=True)
                if value is not None:
                    dvalue += _over_images(dv) @ _over_images(x0).mT
                    dv = _product(value.mT, dv)
                dx[k, :, span] = dv.add_(_product(weight[k].mT, dlogits)).add_(e)
            dweight[k] += dbias[k] * centre[k].mT
        return *gradients, None


def _chunks(x: Tensor) -> Iterator[tuple[slice, list[slice]]]:
    """Groups of images, and for each the parts of their pixels: many images whole, or one image in parts."""
    limit = CUDA_CHUNK if x.is_cuda else CPU_CHUNK * torch.get_num_threads()
    count, channels, pixels = x.shape
    part = max(limit // channels, 1)
    group = max(part // pixels, 1)
    spans = [slice(p, p + part) for p in range(0, pixels, part)]
    for k in range(0, count, group):
        yield slice(k, k + group), spans


def _product(matrix: Tensor, maps: Tensor) -> Tensor:
    """``matrix @ maps`` in the maps' own order of memory."""
    if maps.stride(1) == 1:
        return (maps.mT @ matrix.mT).mT
    return matrix @ maps


def _over_images(maps: Tensor) -> Tensor:
    """``[N, C, P]`` as ``[C, N*P]``."""
    return maps.transpose(0, 1).flatten(1)


def _layout_and_values(x0: Tensor, weight: Tensor, offset: Tensor, value: Tensor | None) -> tuple[Tensor, Tensor]:
    """S and v(x) of centred x. Logits of channels_last maps are channels_last, where softmax wants n contiguous."""
    logits = _product(weight, x0).add_(offset)
    layout = logits.mT.softmax(2).mT if logits.stride(1) == 1 else logits.softmax(1)
    return layout, x0 if value is None else _product(value, x0)


def _moments(sums: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Mass ``[N, n, 1]``, mean and variance ``[N, n, C]`` of every region, from each part's sums of S, S v and S v^2."""
    mass, first, second = map(sum, zip(*sums, strict=True))
    mass = mass.clamp_min(torch.finfo(mass.dtype).tiny)
    mean = first / mass
    return mass, mean, (second / mass - mean.square()).clamp_min(0)


def _matrices(mean: Tensor, var: Tensor, beta: Tensor, alpha: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Xbar is ``v * (gain^T S) + shift^T S``."""
    gain = beta / (var.sqrt() + eps)
    return gain, alpha - mean * gain


def _matrices_backward(
    dgain: Tensor, dshift: Tensor, gain: Tensor, mass: Tensor, mean: Tensor, var: Tensor, eps: float
) -> tuple[Tensor, ...]:
    """From gain and shift to beta, alpha and the sums over pixels of S ``[N, n, 1]``, S v and S v^2 ``[N, n, C]``."""
    std = var.sqrt()
    dgain = (dgain - mean * dshift) / (std + eps)
    # A region without variance has none to pass on; the square root's own derivative is infinite there.
    d2 = torch.where(var > 0, dgain * gain / (-2 * std), 0) / mass
    d1 = -gain * dshift / mass - 2 * mean * d2
    d0 = -(mean * d1 + (var + mean.square()) * d2).sum(2, keepdim=True)
    return dgain, dshift, d0, d1, d2


def _pixels_backward(
    e: Tensor, layout: Tensor, v: Tensor, gain: Tensor, shift: Tensor, d0: Tensor, d1: Tensor, d2: Tensor
) -> tuple[Tensor, Tensor]:
    """From Xbar ``e`` and the moments to the logits and v(x)."""
    dlayout = _product(gain, e * v).add_(_product(shift, e)).add_(d0)
    dlayout.add_(_product(d1, v)).add_(_product(d2, v.square()))
    dlogits = dlayout.sub_((layout * dlayout).sum(1, keepdim=True)).mul_(layout)
    dv = _product(2 * d2.mT, layout).mul_(v).add_(_product(d1.mT, layout)).addcmul_(e, _product(gain.mT, layout))
    return dlogits, dv


def _differentiable_backward(ctx, inputs: tuple[Tensor, ...], dy: Tensor) -> tuple[Tensor | None, ...]:
    """Backward as a graph of its own, for second derivatives: through the matrix products, at their cost in memory."""
    with torch.enable_grad():
        y = attentive_norm_products.attentive_norm(*inputs, ctx.eps)
    wanted = [t for t, needed in zip(inputs, ctx.needs_input_grad, strict=False) if needed]
    found = iter(torch.autograd.grad(y, wanted, dy, create_graph=True))
    return *(next(found) if needed else None for needed in ctx.needs_input_grad[: len(inputs)]), None
