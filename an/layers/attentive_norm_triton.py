"""The forward pass of attentive normalization in two Triton kernels, for CUDA.

One kernel sums S, S v and S v^2 over parts of each image, the other makes the output; both read x once and hold logits,
layout and v(x) in registers. Backward is that of ``attentive_norm_analytic``, which takes the same moments.

The kernels' arithmetic is tested on the CPU by Triton's interpreter, and on CUDA against the CPU where a test run finds
a GPU. They have been compiled for compute capability 9.0, without a spilled register up to 16 regions, but neither run
nor timed there: hence ``attentive_norm_analytic`` compares them with the default path before it uses them, and does
without where they differ.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

LEAST_DOT = 16  # shortest side of a matrix that tl.dot takes
MOST_CHANNELS, MOST_REGIONS = 128, 32  # beyond, a program's registers spill far
PROGRAMS = 512  # a few for each multiprocessor
CENTRE_PIXELS = 1024


class Read(NamedTuple):
    """What both kernels read: a map, the weight and offset of the logits of centred x, its centre, and v's weight."""

    x: Tensor  # [N, C, P] in any order of memory
    weight: Tensor  # [N, n, C]
    offset: Tensor  # [N, n, 1]
    centre: Tensor  # [N, C, 1]
    value: Tensor | None  # [C, C]


def applies(x: Tensor, weight: Tensor) -> bool:
    """Whether the kernels take this map and these logits' weights."""
    return (
        weight.dtype == torch.float32
        and x.numel() > 0
        and x.shape[1] <= MOST_CHANNELS
        and weight.shape[1] <= MOST_REGIONS
        and torch.cuda.get_device_capability(x.device) >= (8, 0)
    )


def centre_of(x: Tensor) -> Tensor:
    """A mean over about a thousand pixels, ``[N, C, 1]`` in float32: any constant near x keeps the moments exact."""
    # An odd step, or all of them would stand in one column of the map.
    step = x.shape[2] // CENTRE_PIXELS | 1
    return x[:, :, ::step].mean(2, keepdim=True, dtype=torch.float32)


def sums(read: Read) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of S ``[parts, N, n, 1]``, S v and S v^2 ``[parts, N, n, C]`` over parts of each image's pixels."""
    count, channels, pixels = read.x.shape
    weight, sizes = read.weight, _sizes(read)
    regions = weight.shape[1]
    tiles = triton.cdiv(pixels, sizes["PIXELS"])
    each = triton.cdiv(tiles, min(tiles, triton.cdiv(PROGRAMS, count)))
    parts = triton.cdiv(tiles, each)
    mass = weight.new_empty(parts, count, regions, 1)
    first, second = weight.new_empty(2, parts, count, regions, channels)
    _sum_kernel[(parts, count)](*_arguments(read), each, mass, first, second, **sizes)
    return mass, first, second


def output(read: Read, gain: Tensor, shift: Tensor) -> Tensor:
    """``x + v * (gain^T S) + shift^T S`` in x's dtype and order of memory; ``gain`` and ``shift`` are ``[N, n, C]``."""
    y, sizes = torch.empty_like(read.x), _sizes(read)
    grid = (triton.cdiv(y.shape[2], sizes["PIXELS"]), y.shape[0])
    matrices = gain.contiguous(), shift.contiguous()
    _apply_kernel[grid](*_arguments(read), *matrices, y, *y.stride(), **sizes)
    return y


def _arguments(read: Read) -> tuple:
    x, weight, offset, centre, value = read
    matrices = (t.contiguous() for t in (weight, offset, centre, centre if value is None else value))
    return x, *matrices, *x.shape[1:], weight.shape[1], *x.stride()


def _sizes(read: Read) -> dict:
    """What the kernels are compiled for: lengths of tiles, all powers of 2, and the precision of products.

    Products are float32's, of three TF32 products each, unless PyTorch may use TF32 itself or x is no more precise.
    """
    channels = max(triton.next_power_of_2(read.x.shape[1]), LEAST_DOT)
    plain = read.x.dtype != torch.float32 or torch.backends.cuda.matmul.allow_tf32
    return {
        "HAS_VALUE": read.value is not None,
        "CHANNELS": channels,
        "SOME": LEAST_DOT,
        "REGIONS": max(triton.next_power_of_2(read.weight.shape[1]), LEAST_DOT),
        "PIXELS": 32,
        "PRECISION": "tf32" if plain else "tf32x3",
        "num_warps": 4 if channels <= 64 else 8,
    }


@triton.jit
def _layout_and_values(  # noqa: PLR0917  # Triton passes pointers and strides in order
    x, weight, offset, centre, value, image, pixel, C, P, n, sn, sc, sp,
    CHANNELS: tl.constexpr, SOME: tl.constexpr, REGIONS: tl.constexpr, PIXELS: tl.constexpr, PRECISION: tl.constexpr,
    HAS_VALUE: tl.constexpr,
):  # fmt: skip
    """S ``[REGIONS, PIXELS]`` and v of centred x ``[CHANNELS, PIXELS]`` of one tile; S is 0 beyond the map's end."""
    channel, region = tl.arange(0, CHANNELS), tl.arange(0, REGIONS)
    start = x + image * sn + pixel[None, :] * sp
    inside = pixel[None, :] < P
    logits = tl.zeros((REGIONS, PIXELS), tl.float32)
    v = tl.zeros((CHANNELS, PIXELS), tl.float32)
    for first in range(0, CHANNELS, SOME):
        some = first + tl.arange(0, SOME)
        there = some[:, None] < C
        x0 = tl.load(start + some[:, None] * sc, mask=there & inside, other=0.0).to(tl.float32)
        x0 -= tl.load(centre + image * C + some[:, None], mask=there, other=0.0)
        w = tl.load(
            weight + image * n * C + region[:, None] * C + some[None, :],
            mask=(region[:, None] < n) & (some[None, :] < C), other=0.0,
        )  # fmt: skip
        logits = tl.dot(w, x0, logits, input_precision=PRECISION)
        if HAS_VALUE:
            w = tl.load(
                value + channel[:, None] * C + some[None, :],
                mask=(channel[:, None] < C) & (some[None, :] < C), other=0.0,
            )  # fmt: skip
            v = tl.dot(w, x0, v, input_precision=PRECISION)
    if not HAS_VALUE:
        there = channel[:, None] < C
        v = tl.load(start + channel[:, None] * sc, mask=there & inside, other=0.0).to(tl.float32)
        v -= tl.load(centre + image * C + channel[:, None], mask=there, other=0.0)
    logits += tl.load(offset + image * n + region[:, None], mask=region[:, None] < n, other=-float("inf"))
    layout = tl.exp(logits - tl.max(logits, 0)[None, :])
    layout = layout / tl.sum(layout, 0)[None, :]
    return tl.where(inside, layout, 0.0), v


@triton.jit
def _sum_kernel(  # noqa: PLR0917  # Triton passes pointers and strides in order
    x, weight, offset, centre, value, C, P, n, sn, sc, sp, each, mass, first, second,
    HAS_VALUE: tl.constexpr, CHANNELS: tl.constexpr, SOME: tl.constexpr, REGIONS: tl.constexpr,
    PIXELS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    part, image = tl.program_id(0), tl.program_id(1).to(tl.int64)
    masses = tl.zeros((REGIONS,), tl.float32)
    firsts = tl.zeros((REGIONS, CHANNELS), tl.float32)
    seconds = tl.zeros((REGIONS, CHANNELS), tl.float32)
    for tile in range(part * each, part * each + each):
        pixel = tile * PIXELS + tl.arange(0, PIXELS)
        layout, v = _layout_and_values(
            x, weight, offset, centre, value, image, pixel, C, P, n, sn, sc, sp,
            CHANNELS, SOME, REGIONS, PIXELS, PRECISION, HAS_VALUE,
        )  # fmt: skip
        masses += tl.sum(layout, 1)
        v = tl.trans(v)
        firsts = tl.dot(layout, v, firsts, input_precision=PRECISION)
        seconds = tl.dot(layout, v * v, seconds, input_precision=PRECISION)
    channel, region = tl.arange(0, CHANNELS), tl.arange(0, REGIONS)
    row = (part * tl.num_programs(1) + image) * n + region
    tl.store(mass + row, masses, mask=region < n)
    where, there = row[:, None] * C + channel[None, :], (region[:, None] < n) & (channel[None, :] < C)
    tl.store(first + where, firsts, mask=there)
    tl.store(second + where, seconds, mask=there)


@triton.jit
def _apply_kernel(  # noqa: PLR0917  # Triton passes pointers and strides in order
    x, weight, offset, centre, value, C, P, n, sn, sc, sp, gain, shift, y, yn, yc, yp,
    HAS_VALUE: tl.constexpr, CHANNELS: tl.constexpr, SOME: tl.constexpr, REGIONS: tl.constexpr,
    PIXELS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    image = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    layout, v = _layout_and_values(
        x, weight, offset, centre, value, image, pixel, C, P, n, sn, sc, sp,
        CHANNELS, SOME, REGIONS, PIXELS, PRECISION, HAS_VALUE,
    )  # fmt: skip
    channel, region = tl.arange(0, CHANNELS)[:, None], tl.arange(0, REGIONS)[None, :]
    transposed = image * n * C + region * C + channel
    there = (region < n) & (channel < C)
    gains = tl.load(gain + transposed, mask=there, other=0.0)
    shifts = tl.load(shift + transposed, mask=there, other=0.0)
    xbar = v * tl.dot(gains, layout, input_precision=PRECISION)
    xbar = tl.dot(shifts, layout, xbar, input_precision=PRECISION)
    inside = (channel < C) & (pixel[None, :] < P)
    out = tl.load(x + image * sn + channel * sc + pixel[None, :] * sp, mask=inside, other=0.0) + xbar
    tl.store(y + image * yn + channel * yc + pixel[None, :] * yp, out, mask=inside)
