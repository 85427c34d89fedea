"""The two phases of inpainting training, and its two sets of losses."""

import pytest
import torch

from an import params
from an.data.crop_preparation import prepare_crops
from an.data.crops import open_training_photographs
from an.training.inpainting import InpaintingTraining


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs-32")
    prepare_crops("photographs", 32, folder, test_crops=4)
    return open_training_photographs(folder)


def job(photographs, losses):
    row = params.load_row("an-inpainting").model_copy(update={"losses": losses})
    return InpaintingTraining(row, params.load_scale("nano"), 0, photographs, device=torch.device("cpu"))


@pytest.mark.parametrize("losses", ["paper", "released"])
def test_critics_join_in_the_second_phase(photographs, losses):
    training = job(photographs, losses)
    critics = {name: tensor.clone() for name, tensor in training.critics.state_dict().items()}
    losses, measures = training.advance(0, True)
    assert losses.keys() == {"reconstruction"} and measures.keys() == {"lr", "generator_gradient_norm"}
    assert all(torch.equal(critics[k], v) for k, v in training.critics.state_dict().items())
    second, measures = training.advance(1, True)
    assert measures.keys() == {"lr", "generator_gradient_norm", "critics_gradient_norm"}
    assert second.keys() == {"reconstruction", "adversarial", "critics"}
    assert all(torch.isfinite(value) for value in second.values())
    assert not all(torch.equal(critics[k], v) for k, v in training.critics.state_dict().items())


def test_the_two_sets_of_losses_differ_and_both_reach_every_parameter(photographs):
    values = []
    for losses in ("paper", "released"):
        training = job(photographs, losses)
        # rho starts at 0, which keeps the layer's other parameters out of the first step.
        torch.nn.init.ones_(training.generator.attention.rho)
        before = {name: parameter.clone() for name, parameter in training.generator.named_parameters()}
        values.append(training.advance(0, False)[0]["reconstruction"].item())
        still = [n for n, p in training.generator.named_parameters() if torch.equal(p, before[n])]
        # A constant added to v is what normalization takes away again.
        assert still == ["attention.value.bias"]
    assert values[0] != pytest.approx(values[1], rel=0.01)
