"""Measures of soft layouts against layouts whose measures are known, and the inspection of networks."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from an import params
from an.layers import AttentiveNorm2d
from an.metrics.layouts import layout_measures
from an.models import build
from an.training.inspection import attention_measures, of_networks


def measures(layout) -> tuple:
    found = layout_measures(layout)
    return tuple(found[k] for k in ("layout_information", "effective_regions", "regions_used", "regions_winning"))


def test_a_uniform_layout_tells_nothing():
    information, effective, used, _ = measures(torch.full((3, 4, 5, 6), 1 / 4))
    assert (information, effective, used) == pytest.approx((0, 4, 4), abs=1e-6)


def test_a_hard_layout_of_equal_areas_tells_all():
    region = torch.arange(24).reshape(4, 6) % 4
    layout = torch.nn.functional.one_hot(region, 4).permute(2, 0, 1)[None].float()
    assert measures(layout.repeat(3, 1, 1, 1)) == pytest.approx((math.log(4), 1, 4, 4))


def test_one_region_alone_tells_nothing():
    layout = torch.zeros(3, 4, 5, 6)
    layout[:, 2] = 1
    assert measures(layout) == pytest.approx((0, 1, 1, 1), abs=1e-12)


def test_regions_that_differ_between_images_alone_are_used_but_tell_nothing_of_pixels():
    layout = torch.zeros(2, 4, 5, 6)
    layout[0, 1] = layout[1, 3] = 1
    assert measures(layout) == pytest.approx((0, 1, 2, 2), abs=1e-12)


@pytest.mark.parametrize(("pixels", "winning"), [(1, 2), (2, 3)])
def test_a_region_wins_from_a_hundredth_of_the_pixels_on(pixels, winning):
    """Of 10 x 10 pixels and two images: one pixel is half a hundredth, two are a whole one."""
    layout = torch.zeros(2, 4, 10, 10)
    layout[0, 0] = layout[1, 1] = 1
    layout[0, :, 0, :pixels] = torch.eye(4)[2][:, None]
    assert measures(layout)[3] == winning


def test_measures_of_any_layout_are_their_definitions():
    layout = torch.softmax(3 * torch.randn(2, 5, 4, 6, dtype=torch.float64), dim=1)
    of_pixels = entropy(layout.flatten(2), axis=1)
    information = (entropy(layout.mean((2, 3)), axis=1) - of_pixels.mean(1)).mean()
    used = math.exp(entropy(layout.mean((0, 2, 3))))
    winning = sum(bool((layout.argmax(1) == i).double().mean() >= 0.01) for i in range(5))
    assert measures(layout) == pytest.approx((information, np.exp(of_pixels).mean(), used, winning), rel=1e-12)
    assert layout_measures(layout.float()) == pytest.approx(layout_measures(layout), rel=1e-5)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), regions=st.integers(1, 20), size=st.integers(1, 6), scale=st.floats(0, 1e3))
def test_measures_stay_within_their_bounds(seed, regions, size, scale):
    torch.manual_seed(seed)
    layout = torch.softmax(scale * torch.randn(2, regions, size, size, dtype=torch.float64), dim=1)
    information, effective, used, winning = measures(layout)
    rounding = 1e-12
    assert -rounding <= information <= math.log(regions) + rounding
    assert 1 - rounding <= effective <= regions + 1e-9 and 1 - rounding <= used <= regions + 1e-9
    assert 1 <= winning <= regions


def inputs(network):
    return torch.randn(4, network.latent), torch.arange(4)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("sample_in_eval", [False, True])
@pytest.mark.parametrize("row", ["an", "an-bn"])
def test_inspection_leaves_a_network_as_it_was(row, sample_in_eval, training):
    generator, _ = build(row, "nano", 10)
    generator.train(training)
    layer = next(m for m in generator.modules() if isinstance(m, AttentiveNorm2d))
    layer.sample_in_eval = sample_in_eval
    before, settings = copy.deepcopy(generator.state_dict()), {k: v for k, v in vars(layer).items() if k[0] != "_"}
    batch, random = inputs(generator), torch.get_rng_state()
    first = attention_measures(generator, *batch)
    assert torch.equal(torch.get_rng_state(), random)
    torch.rand(5)
    assert attention_measures(generator, *batch) == first, "it depends on the random state"
    assert all(module.training == training for module in generator.modules())
    torch.testing.assert_close(generator.state_dict(), before, rtol=0, atol=0)
    assert {k: v for k, v in vars(layer).items() if k[0] != "_"} == settings
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_inspection_sees_what_evaluation_sees():
    generator, _ = build("an", "nano", 10)
    layer, batch = generator.blocks[1].norm2, inputs(generator)
    torch.nn.init.constant_(layer.rho, 0.25)
    with torch.no_grad():
        layer.t.copy_(torch.linspace(-1, 1, 16))
    found, seen = attention_measures(generator, *batch), []
    layer.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    with torch.no_grad():
        generator.eval()(*batch)
        assert found == {
            **layout_measures(layer.soft_layout(seen[0])),
            **{"rho": 0.25, "t": pytest.approx(torch.linspace(-1, 1, 16).abs().mean().item())},
        }


def test_inspection_of_other_rows():
    sagan, sngan, alone = (build(row, "nano", 10)[0] for row in ("sagan", "sngan", "an-n1"))
    torch.nn.init.constant_(sagan.blocks[1].attention.gamma, 0.5)
    assert attention_measures(sagan, *inputs(sagan)) == {"gamma": 0.5}
    assert attention_measures(sngan, *inputs(sngan)) == {}
    expected = {"layout_information": 0, "effective_regions": 1, "regions_used": 1, "regions_winning": 1, "rho": 0}
    assert attention_measures(alone, *inputs(alone)) == pytest.approx(expected)
    assert of_networks(generator={"rho": 1.0}, discriminator={}) == {"generator_rho": 1.0}


def test_inspection_of_a_training_run_is_of_every_one_of_its_networks(digits):
    from an.data.loading import open_split
    from an.training.generation import AdversarialTraining

    row, scale, data = params.load_row("an"), params.load_scale("nano"), open_split(digits, "train")
    job = AdversarialTraining(row, scale, 0, data, device=torch.device("cpu"))
    torch.nn.init.constant_(job.generator.blocks[1].norm2.rho, 0.25)
    torch.nn.init.constant_(job.discriminator.blocks[0].attention_before_relu.rho, 0.75)
    first = job.inspect()
    assert (first["generator_rho"], first["discriminator_rho"]) == (0.25, 0.75)
    job.draws.normal(8, 3)
    assert job.inspect() == first, "it depends on the state of the networks alone"
