"""Contextual attention against loops over images and patches, written from its definition."""

import pytest
import torch

from an.layers import ContextualAttention2d


def slow_contextual_attention(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One score, one neighbour and one pasted patch at a time."""
    return torch.stack([one_image(image, mask[0, 0]) for image in x])


def patch(image: torch.Tensor, top: int, left: int, side: int) -> torch.Tensor:
    """The square at (top, left) of ``[C, H, W]``; outside the image is 0."""
    rows = []
    for r in range(top, top + side):
        for c in range(left, left + side):
            inside = 0 <= r < image.shape[1] and 0 <= c < image.shape[2]
            rows.append(image[:, r, c] if inside else image[:, 0, 0] * 0)
    return torch.stack(rows, dim=1)


def one_image(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    channels, height, width = image.shape
    h, w = height // 2, width // 2
    small = torch.stack([torch.stack([image[:, 2 * r, 2 * c] for c in range(w)], 1) for r in range(h)], 1)
    places = [(r, c) for r in range(h) for c in range(w)]

    score = {}
    for p in places:
        for q in places:
            background = patch(small, q[0] - 1, q[1] - 1, 3)
            score[p, q] = (patch(small, p[0] - 1, p[1] - 1, 3) * background).sum() / background.norm().clamp_min(1e-4)

    for order in (sorted(places), sorted(places, key=lambda place: place[::-1])):  # by rows, then by columns
        fused = {}
        for i, p in enumerate(order):
            for j, q in enumerate(order):
                pairs = [(i + d, j + d) for d in (-1, 0, 1)]
                fused[p, q] = sum(score[order[a], order[b]] for a, b in pairs if 0 <= min(a, b) <= max(a, b) < h * w)
        score = fused

    known = {}
    for r, c in places:
        around = [(r + a, c + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        known[r, c] = all(mask[2 * a, 2 * b] == 0 for a, b in around if 0 <= a < h and 0 <= b < w)

    pasted = image.new_zeros(channels, height + 2, width + 2)  # one pixel more on every side
    for p in places:
        weights = torch.stack([10 * score[p, q] * known[q] for q in places]).softmax(0)
        mixed = sum(
            weight * patch(image, 2 * q[0] - 1, 2 * q[1] - 1, 4).view(channels, 4, 4) * known[q]
            for weight, q in zip(weights, places, strict=True)
        )
        canvas = torch.zeros_like(pasted)
        canvas[:, 2 * p[0] : 2 * p[0] + 4, 2 * p[1] : 2 * p[1] + 4] = mixed
        pasted = pasted + canvas
    return pasted[:, 1:-1, 1:-1] / 4


def features(*shape, scale=0.3):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def hole(height, width, top, left, size):
    mask = torch.zeros(1, 1, height, width, dtype=torch.float64)
    mask[:, :, top : top + size, left : left + size] = 1
    return mask


@pytest.mark.parametrize(
    ("images", "size", "box"),
    [
        (2, (10, 10), (4, 4, 2)),  # in the middle
        (1, (8, 12), (0, 8, 4)),  # in a corner
        (2, (10, 6), (3, 0, 3)),  # at the left border, on odd pixels
        (1, (6, 8), (0, 0, 0)),  # nothing missing
        (1, (2, 4), (0, 2, 1)),  # no patch is known
    ],
)
def test_output_and_gradient_are_the_loop_s(images, size, box):
    x, mask = features(images, 3, *size).requires_grad_(), hole(*size, *box)
    ours, theirs = ContextualAttention2d()(x, mask), slow_contextual_attention(x, mask)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    weight = features(*ours.shape, scale=1.0).flip(0)
    ours, theirs = (torch.autograd.grad((y * weight).sum(), x)[0] for y in (ours, theirs))
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def test_a_distinctive_known_map_is_rebuilt_from_itself():
    """Every patch finds itself; pixels under all four patches come back, the border under fewer does not."""
    x = features(2, 16, 12, 12, scale=10.0)
    y = ContextualAttention2d()(x, hole(12, 12, 0, 0, 0))
    torch.testing.assert_close(y[:, :, 1:-1, 1:-1], x[:, :, 1:-1, 1:-1])
    torch.testing.assert_close(y[:, :, 0, 1:-1], x[:, :, 0, 1:-1] / 2)
    torch.testing.assert_close(y[:, :, 0, 0], x[:, :, 0, 0] / 4)


def test_what_lies_in_the_hole_is_never_pasted():
    mask = hole(16, 16, 4, 4, 8)
    x = features(1, 4, 16, 16, scale=0.01)
    x[:, :, 4:12, 4:12] = 1000.0
    assert ContextualAttention2d()(x, mask).abs().max() < 1
    assert not ContextualAttention2d()(x, torch.ones_like(mask)).any(), "nothing is known, nothing is pasted"


def test_empty_patches_give_finite_gradients():
    x = torch.zeros(1, 4, 8, 8, requires_grad=True)
    ContextualAttention2d()(x, torch.zeros(1, 1, 8, 8)).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_half_precision_and_memory_format():
    x, mask = features(2, 8, 8, 8).float(), hole(8, 8, 2, 2, 2)
    exact = ContextualAttention2d()(x.bfloat16().float(), mask)
    half = ContextualAttention2d()(x.bfloat16(), mask)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, rtol=1e-2, atol=1e-2)
    last = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(ContextualAttention2d()(last, mask), ContextualAttention2d()(x, mask))
    assert not list(ContextualAttention2d().parameters())


@pytest.mark.parametrize(
    ("x", "mask"),
    [
        ((1, 4, 7, 8), (1, 1, 7, 8)),
        ((1, 4, 8, 7), (1, 1, 8, 7)),
        ((4, 8, 8), (1, 1, 8, 8)),
        ((2, 4, 8, 8), (2, 1, 8, 8)),
        ((2, 4, 8, 8), (1, 1, 4, 4)),
        ((2, 4, 8, 8), (8, 8)),
    ],
)
def test_other_shapes_are_value_errors(x, mask):
    with pytest.raises(ValueError):
        ContextualAttention2d()(torch.zeros(x), torch.zeros(mask))
