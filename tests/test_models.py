"""Networks: the published parameter counts, spectral norms, where attention sits, what labels do."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import parametrizations, parametrize

from an import params
from an.errors import UserError
from an.layers import AttentiveNorm2d, ConditionalBatchNorm2d, SelfAttention2d
from an.models import build
from an.models.resampling import conv_pool, upsample_conv
from an.models.spectral import settle, spectral_norm

COUNTS = {  # at ImageNet 128, and SN-GAN at CIFAR size
    ("sngan", "paper", 1000): (41_996_931, 30_041_857),
    ("sngan-star", "paper", 1000): (41_996_931, 39_443_137),
    ("sagan", "paper", 1000): (42_078_852, 39_463_618),
    ("sagan-64", "paper", 1000): (42_017_412, 39_448_258),
    ("an", "paper", 1000): (41_579_476, 39_451_426),
    ("sngan", "bench", 10): (4_304_387, 1_055_104),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name):
    with torch.device("meta"):  # sizes alone; nothing is drawn
        counts = tuple(sum(p.numel() for p in network.parameters()) for network in build(*name))
    assert counts == COUNTS[name]


@pytest.mark.parametrize("row", ["sagan", "sagan-64", "an", "an-literal", "an-bn"])
def test_the_paper_s_networks_are_built_and_run_without_data(row):
    with torch.device("meta"):
        generator, discriminator = build(row, "paper", 1000)
        labels = torch.zeros(2, dtype=torch.int64)
        images = generator(torch.empty(2, generator.latent), labels)
        realness, _ = discriminator(images, labels)
    assert images.is_meta and images.shape == (2, 3, 128, 128) and realness.shape == (2,)


@pytest.mark.parametrize("row", params.load_rows("generation", params.load_scale("nano")))
def test_shapes_and_gradients_of_every_row(row):
    generator, discriminator = build(row, "nano", 10)
    labels = torch.tensor([0, 3, 9])
    images = generator(torch.randn(3, generator.latent), labels)
    assert images.shape == (3, 3, 32, 32) and images.abs().max() <= 1
    realness, logits = discriminator(images, labels)
    assert realness.shape == (3,)
    assert (logits is None) == (row != "acgan") and (logits is None or logits.shape == (3, 10))
    (realness.sum() + (logits.sum() if logits is not None else 0)).backward()
    for name, parameter in [*generator.named_parameters(), *discriminator.named_parameters()]:
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@pytest.mark.slow
def test_spectral_norm_is_at_most_one_once_converged():
    generator, discriminator = build("an", "smoke", 10)
    normalized = [m for n in (generator, discriminator) for m in n.modules() if parametrize.is_parametrized(m)]
    assert len(normalized) > 20
    for module in normalized:
        with torch.no_grad():
            for _ in range(1000):
                _ = module.weight  # each use in training mode is one power iteration
        module.eval()
        assert torch.linalg.matrix_norm(module.weight.flatten(1), 2) <= 1 + 1e-3, module


@pytest.mark.parametrize(
    "make",
    [lambda: torch.nn.Conv2d(6, 8, 3), lambda: torch.nn.Linear(20, 1), lambda: torch.nn.Embedding(5, 7)],
    ids=["convolution", "linear", "embedding"],
)
def test_spectral_norm_is_one_power_iteration_per_use(make):
    """Against algorithm 1 of Miyato et al. in training, and against torch, with the same state, in evaluation."""
    layer = spectral_norm(make())
    original, state = layer.parametrizations.weight.original, layer.parametrizations.weight[0]
    for _ in range(3):
        weight = (original.detach() + 0.1 * torch.randn_like(original)).requires_grad_()
        matrix = weight.flatten(1)
        v = F.normalize(matrix.detach().T @ state._u, dim=0)
        u = F.normalize(matrix.detach() @ v, dim=0)
        (weight / (u @ matrix @ v)).pow(3).sum().backward()
        original.data.copy_(weight.detach())
        original.grad = None
        layer.weight.pow(3).sum().backward()
        torch.testing.assert_close((state._u, state._v), (u, v))
        torch.testing.assert_close(original.grad, weight.grad, rtol=1e-4, atol=1e-5)
    of_torch = parametrizations.spectral_norm(make(), eps=1e-12)
    of_torch.load_state_dict(layer.state_dict())
    torch.testing.assert_close(of_torch.eval().weight, layer.eval().weight)


def test_settled_weights_have_spectral_norm_one():
    """Whatever became of the weights; nothing but the norms' vectors is changed."""
    generator, _ = build("an", "nano", 10)
    generator.eval()
    normalized = [m for m in generator.modules() if parametrize.is_parametrized(m)]
    with torch.no_grad():
        for module in normalized:
            module.parametrizations.weight.original.normal_(std=3.0)

    def norms():
        return torch.stack([torch.linalg.matrix_norm(m.weight.flatten(1), 2) for m in normalized])

    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    assert len(normalized) > 10 and ((norms() - 1).abs() > 0.05).all(), "the old vectors would do"
    settle(generator)
    assert (norms() - 1).abs().max() < 1e-5
    changed = {name for name, tensor in generator.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name.rsplit(".", 1)[1] for name in changed} == {"_u", "_v"}


def test_spectral_norm_stays_in_float32_under_autocast():
    layer = spectral_norm(torch.nn.Conv2d(6, 8, 3))
    other = deepcopy(layer)
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = layer.weight
        assert layer(torch.randn(1, 6, 4, 4)).dtype == torch.bfloat16
    assert torch.equal(under_autocast, other.weight)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("batch", [2, 40])  # few pixels and many
def test_merged_convolutions_equal_the_two_steps(batch, memory_format):
    conv = torch.nn.Conv2d(5, 7, 3, padding=1, dtype=torch.float64).to(memory_format=memory_format)
    x = torch.randn(batch, 5, 4, 6, dtype=torch.float64).to(memory_format=memory_format).requires_grad_()
    for merged, steps in (
        (conv_pool(conv, x), F.avg_pool2d(conv(x), 2)),
        (upsample_conv(conv, x), conv(F.interpolate(x, scale_factor=2, mode="nearest"))),
    ):
        torch.testing.assert_close(merged, steps)
        gradient = torch.randn_like(steps)
        inputs = (x, conv.weight, conv.bias)
        ours, theirs = (torch.autograd.grad(each, inputs, gradient) for each in (merged, steps))
        torch.testing.assert_close(ours, theirs)


def test_which_layers_are_spectrally_normalized():
    def plain(network):
        kinds = (torch.nn.Conv2d, torch.nn.Linear)
        return {m for m in network.modules() if isinstance(m, kinds) and not parametrize.is_parametrized(m)}

    for row, switches in params.load_rows("generation", params.load_scale("nano")).items():
        generator, discriminator = build(row, "nano", 10)
        for network, normalized in ((generator, row not in ("acgan", "sngan")), (discriminator, True)):
            # Spectral normalization would bring the entities' lengths to 1 and below, and the layout to uniform.
            left_out = {m.entities for m in network.modules() if isinstance(m, AttentiveNorm2d)}
            if getattr(switches.attention, "entities_spectral_norm", False):
                left_out = set()
            assert (plain(network) == left_out) == normalized, row
    assert not any(
        parametrize.is_parametrized(m)
        for block in generator.modules()
        if isinstance(block, ConditionalBatchNorm2d)
        for m in block.modules()
    )


def test_attention_stands_at_the_paper_s_places():
    with torch.device("meta"):
        generator, discriminator = build("an", "paper", 1000)
    assert isinstance(generator.blocks[2].norm2, AttentiveNorm2d) and generator.blocks[2].norm2.channels == 256
    assert discriminator.blocks[0].attention_before_relu.channels == 64
    assert sum(isinstance(m, AttentiveNorm2d) for m in [*generator.modules(), *discriminator.modules()]) == 2
    with torch.device("meta"):
        generator, discriminator = build("sagan", "paper", 1000)
    assert isinstance(generator.blocks[2].attention, SelfAttention2d)
    assert discriminator.blocks[1].attention.channels == 128
    with torch.device("meta"):
        generator, discriminator = build("sagan-64", "paper", 1000)
    assert isinstance(generator.blocks[3].attention, SelfAttention2d)
    assert discriminator.blocks[0].attention.channels == 64
    with pytest.raises(UserError, match="at 64x64 finds no block: the scale's networks have 8x8, 4x4"):
        build("sagan-64", "smoke", 10)


@pytest.mark.parametrize("placement", ["second_norm", "after_second_norm", "after_block"])
def test_every_placement_is_used_by_the_forward_pass(placement):
    from an.models import Discriminator, Generator

    attention = params.AttentiveNorm(kind="attentive_norm", regions=4, placement=placement)
    generator = Generator([8, 8, 8], 4, 3, spectral=True, attention=attention, attention_resolution=8)
    discriminator = Discriminator(
        *([8, 8], 2, 3),
        **{"hidden": "output", "head_bias": True, "conditioning": "projection"},
        **{"attention": attention, "resolution": 16, "attention_resolution": 8},
    )
    labels = torch.arange(2)
    discriminator(generator(torch.randn(2, 4), labels), labels)[0].sum().backward()
    layers = [m for n in (generator, discriminator) for m in n.modules() if isinstance(m, AttentiveNorm2d)]
    assert len(layers) == 2 and all(layer.rho.grad is not None for layer in layers)


def test_labels_matter_to_both_networks():
    generator, discriminator = build("an", "nano", 10)
    for embedding in (m for m in generator.modules() if isinstance(m, torch.nn.Embedding)):
        torch.nn.init.normal_(embedding.weight, 1.0)
    generator.eval(), discriminator.eval()
    z, first, second = torch.randn(1, generator.latent), torch.tensor([0]), torch.tensor([1])
    images = generator(z, first)
    assert not torch.equal(images, generator(z, second))
    assert not torch.equal(discriminator(images, first)[0], discriminator(images, second)[0])


def test_unknown_names_are_user_errors():
    with pytest.raises(UserError, match="did you mean 'sagan'"):
        build("saagan", "smoke", 10)
    with pytest.raises(UserError, match="unknown scale"):
        build("an", "huge", 10)


def test_shares_of_classes_mix_scale_and_shift_and_a_whole_share_is_the_class():
    torch.manual_seed(0)
    norm, x = ConditionalBatchNorm2d(4, num_classes=3).eval(), torch.randn(2, 4, 5, 5)
    torch.nn.init.normal_(norm.scale.weight)
    torch.nn.init.normal_(norm.shift.weight)
    labels = torch.tensor([2, 0])
    assert norm(x, torch.eye(3)[labels]).equal(norm(x, labels))
    third = torch.tensor([[2 / 3, 0, 1 / 3]]).repeat(2, 1)
    wanted = 2 / 3 * norm(x, torch.tensor([0, 0])) + 1 / 3 * norm(x, torch.tensor([2, 2]))
    torch.testing.assert_close(norm(x, third), wanted)
