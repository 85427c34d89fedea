"""What steps of training do: averages of weights, what the discriminator sees at once, when sampling ends."""

import copy

import pytest
import torch
from kill_and_resume import use_params
from torch.nn.utils import parametrize

from an import params
from an.data.loading import open_split, to_device
from an.layout import AVERAGED
from an.models import build
from an.models.attention import attentive_norms
from an.training.generation import AdversarialTraining, train
from an.training.loop import Files
from an.training.losses import hinge_discriminator
from an.training.recall import RecallTraining
from an.weights import load_tensors

CPU = torch.device("cpu")


def adversarial(row, digits, scale=None) -> AdversarialTraining:
    return AdversarialTraining(params.load_row(row), scale or params.load_scale("nano"), 0, digits, device=CPU)


@pytest.fixture(scope="module")
def prepared(digits):
    return open_split(digits, "train")


def numbers(network) -> dict[str, torch.Tensor]:
    """Weights and running statistics, without the vectors of spectral norms."""
    state = network.state_dict().items()
    return {k: v.clone() for k, v in state if v.is_floating_point() and not k.endswith(("._u", "._v"))}


def test_the_moving_average_follows_the_generator(prepared):
    job = adversarial("an", prepared, params.load_scale("nano").model_copy(update={"ema": 0.75}))
    expected = None
    for step in range(3):
        job.advance(step, False)
        now = numbers(job.generator)
        expected = now if expected is None else {k: 0.75 * v + 0.25 * now[k] for k, v in expected.items()}
    torch.testing.assert_close(numbers(job.average.module), expected, rtol=1e-6, atol=1e-6)
    assert "average" in job.modules, "a resume point keeps it"


@pytest.mark.slow
def test_the_averaged_generator_is_normalized_by_its_own_singular_values(digits, prepared, tmp_path, monkeypatch):
    """The average of two weights' singular vectors is not the singular vector of the averaged weight."""
    monkeypatch.setattr(params.loading, "FOLDER", params.loading.FOLDER)
    use_params(tmp_path / "params", 10, generator_lr=0.02)
    nano = params.loading.FOLDER / "scales/nano.yaml"
    nano.write_text(nano.read_text() + "ema: 0.5\n")
    out = tmp_path / "out"
    files = Files(out, out / "events.jsonl", out / "training.json", tmp_path / "scratch")
    train("an", "nano", 0, files, data=digits, device=CPU)
    job = adversarial("an", prepared)
    for step in range(10):  # the same run once more, to see the average as training has it
        job.advance(step, False)
    averaged, saved, expected = job.average.module, *(build("an", "nano", 10)[0] for _ in range(2))
    saved.load_state_dict(load_tensors(out / AVERAGED))
    assert all(torch.equal(v, numbers(averaged)[k]) for k, v in numbers(saved).items()), "not the same run"

    expected.load_state_dict(averaged.state_dict())
    for module in expected.modules():
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)
            with torch.no_grad():
                module.weight /= torch.linalg.svdvals(module.weight.flatten(1))[0]
    z, labels = torch.randn(8, saved.latent), torch.arange(8)
    with torch.no_grad():
        with_vectors, images, wanted = (network.eval()(z, labels) for network in (averaged, saved, expected))
    torch.testing.assert_close(images, wanted, rtol=0, atol=1e-4)
    assert (images - with_vectors).abs().max() > 1e-2


@pytest.mark.parametrize("row", ["an", "an-bn"])
def test_regional_statistics_of_a_batch_are_of_reals_or_of_fakes(prepared, row):
    """an-bn's discriminator sees reals, then fakes; any other sees both in one pass."""
    job = adversarial(row, prepared)
    for layer in attentive_norms(job.discriminator):
        torch.nn.init.ones_(layer.rho)  # so that its statistics matter
        layer.sampling = False
    before, passes = copy.deepcopy(job.discriminator), []
    job.discriminator.register_forward_pre_hook(lambda network, inputs: passes.append(inputs))
    loss, _ = job.discriminator_step(0, 1.0, False)
    images, labels = (torch.cat(parts) for parts in zip(*passes, strict=True))

    batch, index = job.recipe.batch, job.batches.indices(0)
    assert torch.equal(images[:batch], to_device(prepared.images[index], CPU)), "reals come first"
    assert labels[:batch].tolist() == prepared.labels[index].tolist() and len(images) == 2 * batch
    together, apart = copy.deepcopy(before), before
    in_one_pass = hinge_discriminator(*together(images, labels)[0].split(batch))
    in_two = hinge_discriminator(
        *(apart(x, y)[0] for x, y in zip(images.split(batch), labels.split(batch), strict=True))
    )
    assert (in_one_pass - in_two).abs() > 1e-4
    torch.testing.assert_close(loss, in_two if row == "an-bn" else in_one_pass)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("row", ["an", "recall-an"])
def test_sampling_ends_after_its_share_of_the_steps(prepared, row, share):
    """The branch's parameters move in the steps that sample and in no other; the entities always do."""
    settings, scale = params.load_row(row), params.load_scale("nano")
    settings = settings.model_copy(
        update={"attention": settings.attention.model_copy(update={"sampling_share": share})}
    )
    longer = scale.recipes["ttur"].model_copy(update={"steps": 4})
    scale = scale.model_copy(update={"recipes": {**scale.recipes, "ttur": longer}})
    if row == "an":
        job = AdversarialTraining(settings, scale, 0, prepared, device=CPU)
        layers = [*attentive_norms(job.generator), *attentive_norms(job.discriminator)]
    else:
        job = RecallTraining(settings, scale, 0, device=CPU)
        layers = attentive_norms(job.network)
    for layer in layers:
        torch.nn.init.ones_(layer.rho)  # 0 would keep everything else in the layer where it is

    def values():
        return [p.clone() for layer in layers for p in (layer.t, layer.key.weight, layer.entities.weight)]

    moved = []
    for step in range(3):  # of four; in the last one the recall task's rate is 0
        before = values()
        job.advance(step, False)
        moved.append([not torch.equal(old, new) for old, new in zip(before, values(), strict=True)])
    assert moved == [[step < 4 * share, step < 4 * share, True] * len(layers) for step in range(3)]
