"""Inpainting networks: published parameter counts, TensorFlow's padding, what the mask hides, errors."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from an.layers import AttentiveNorm2d, ContextualAttention2d
from an.models import InpaintingDiscriminator, InpaintingGenerator
from an.models.same_padding import SameConv2d
from an.params import AttentiveNorm

RELEASED = AttentiveNorm(kind="attentive_norm", affine="none")
GENERATORS = [
    ({"second_branch": "contextual"}, 3_601_542),
    ({"second_branch": "contextual", "wide": True}, 3_767_558),
    ({"second_branch": "attentive"}, 3_767_558 + 26_801),  # the paper: alpha and beta per region
    ({"second_branch": "attentive", "attention": RELEASED}, 3_767_558 + 22_705),  # released: neither
]


def count(network):
    return sum(p.numel() for p in network.parameters())


def hole(size, top, side):
    mask = torch.zeros(1, 1, size, size)
    mask[:, :, top : top + side, top : top + side] = 1
    return mask


@pytest.mark.parametrize(("switches", "expected"), GENERATORS)
def test_parameter_counts_of_the_generators(switches, expected):
    assert count(InpaintingGenerator(**switches)) == expected


def test_parameter_count_of_the_critics():
    """Four 5x5 convolutions and a linear layer over 16x16 (whole image) and 8x8 (hole patch) positions."""
    channels = {"whole": (3, 64, 128, 256, 256), "patch": (3, 64, 128, 256, 512)}
    expected = sum(25 * a * b + b for c in channels.values() for a, b in pairwise(c))
    expected += 256 * 16 * 16 + 1 + 512 * 8 * 8 + 1
    assert count(InpaintingDiscriminator()) == expected == 7_072_770


@pytest.mark.parametrize(("switches", "_"), GENERATORS)
def test_shapes_ranges_and_gradients_of_every_generator(switches, _):
    torch.manual_seed(0)
    generator = InpaintingGenerator(8, **switches)
    mask = hole(48, 16, 16)  # contextual attention matches on 6x6, where the hole leaves only the border's patches
    image = (torch.rand(2, 3, 48, 48) * 2 - 1) * (1 - mask)
    coarse, fine = generator(image, mask)
    assert coarse.shape == fine.shape == image.shape
    assert coarse.abs().max() <= 1 and fine.abs().max() <= 1
    (coarse.square().mean() + fine.square().mean()).backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any() or name.startswith("attention."), name  # a new AN (rho = 0) learns rho first


def test_generators_take_any_multiple_of_8_and_other_widths():
    mask = torch.zeros(1, 1, 24, 40)
    mask[:, :, 8:16, 10:30] = 1
    for switches, _ in GENERATORS:
        coarse, fine = InpaintingGenerator(4, **switches).eval()(torch.zeros(1, 3, 24, 40), mask)
        assert coarse.shape == fine.shape == (1, 3, 24, 40)


def test_the_attention_of_each_generator():
    for switches, _ in GENERATORS:
        attention = InpaintingGenerator(16, **switches).attention
        if switches["second_branch"] == "attentive":
            assert isinstance(attention, AttentiveNorm2d) and attention.channels == 64 and attention.regions == 16
        else:
            assert isinstance(attention, ContextualAttention2d)


def test_the_refinement_sees_known_pixels_and_the_coarse_hole():
    """With a coarse stage that paints one colour, the second stage's input is that colour in the hole only."""
    generator = InpaintingGenerator(4)
    seen = []
    generator.convolutions.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    last = generator.coarse[2][-2]
    torch.nn.init.zeros_(last.weight), torch.nn.init.constant_(last.bias, 7.0)  # clipped to 1
    mask = hole(16, 4, 8)
    image = torch.full((2, 3, 16, 16), -0.5) * (1 - mask)
    coarse, _ = generator(image, mask)
    assert (coarse == 1).all()
    assert torch.equal(
        seen[0], torch.cat([torch.where(mask > 0, 1.0, image), torch.ones(2, 1, 16, 16), mask.expand(2, -1, -1, -1)], 1)
    )


def test_images_of_a_batch_do_not_see_each_other():
    torch.manual_seed(0)
    mask = hole(16, 4, 8)
    images = torch.rand(3, 3, 16, 16) * (1 - mask)
    for switches, _ in GENERATORS:
        generator = InpaintingGenerator(8, **switches).eval()
        torch.testing.assert_close(generator(images, mask)[1][1:2], generator(images[1:2], mask)[1])


def test_critics_follow_their_sizes():
    torch.manual_seed(0)
    critic = InpaintingDiscriminator(4, 40, 24)
    images, patches = torch.randn(3, 3, 40, 40, requires_grad=True), torch.randn(2, 3, 24, 24, requires_grad=True)
    whole, patch = critic(images, patches)
    assert whole.shape == (3,) and patch.shape == (2,)
    assert not torch.autograd.grad(whole[0], images, retain_graph=True)[0][1:].any()
    (whole.sum() + patch.sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in [*critic.parameters(), images, patches])


@pytest.mark.parametrize(
    ("size", "side", "stride", "dilation", "before", "after"),
    [  # worked out by hand from TensorFlow's rule: total = (ceil(side/stride) - 1) stride + extent - side
        (3, 8, 2, 1, 0, 1),
        (3, 7, 2, 1, 1, 1),
        (5, 8, 2, 1, 1, 2),
        (5, 7, 2, 1, 2, 2),
        (5, 8, 1, 1, 2, 2),
        (3, 8, 1, 16, 16, 16),
        (3, 1, 2, 1, 1, 1),
        (5, 2, 2, 1, 1, 2),
    ],
)
def test_same_padding_is_tensorflow_s(size, side, stride, dilation, before, after):
    torch.manual_seed(0)
    layer = SameConv2d(2, 3, size, stride, dilation=dilation).double()
    x = torch.randn(2, 2, side, side + 2 * stride, dtype=torch.float64)
    padded = F.pad(x, (before, after, before, after))
    expected = F.conv2d(padded, layer.weight, layer.bias, stride, 0, dilation)
    assert expected.shape[2:] == (-(-side // stride), -(-side // stride) + 2)
    torch.testing.assert_close(layer(x), expected)


def test_same_padding_with_one_even_and_one_odd_side():
    layer = SameConv2d(1, 1, 3, 2)
    torch.nn.init.ones_(layer.weight), torch.nn.init.zeros_(layer.bias)
    # Rows 0-2, 2-3 of an even side (nothing before, one after); columns 0-1, 1-2 of an odd one (one on each side).
    expected = torch.tensor([[6.0, 6.0], [4.0, 4.0]])
    assert torch.equal(layer(torch.ones(1, 1, 4, 3))[0, 0], expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: InpaintingGenerator(8, "fourier"),
        lambda: InpaintingGenerator(7),
        lambda: InpaintingGenerator(0),
        lambda: InpaintingGenerator(4)(torch.zeros(1, 3, 20, 16), torch.zeros(1, 1, 20, 16)),
        lambda: InpaintingGenerator(4)(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)),
        lambda: InpaintingGenerator(4)(torch.zeros(2, 3, 16, 16), torch.zeros(2, 1, 16, 16)),
        lambda: InpaintingGenerator(4)(torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 8, 8)),
        lambda: InpaintingDiscriminator(4, 16, 8)(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)),
        lambda: InpaintingDiscriminator(4, 16, 8)(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)),
    ],
)
def test_bad_arguments_are_value_errors(make):
    with pytest.raises(ValueError):
        make()
