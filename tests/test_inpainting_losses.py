"""Inpainting losses against closed forms, loops and hand-computed values."""

import pytest
import torch
from torch import nn

from an.models import InpaintingDiscriminator
from an.models.inpainting import complete
from an.training import inpainting_losses as losses

BOX = (2, 3, 4, 4)


def image(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def hole():
    """A hole smaller than its box, as in training."""
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    mask[:, :, 3:6, 3:5] = 1
    return mask


class Linear(nn.Module):
    """Two linear critics, whose gradients are their weights everywhere."""

    def __init__(self):
        super().__init__()
        self.whole = nn.Parameter(image(3, 8, 8, seed=1))
        self.patch = nn.Parameter(image(3, 4, 4, seed=2))

    def forward(self, images, patches):
        return (images * self.whole).sum((1, 2, 3)), (patches * self.patch).sum((1, 2, 3))


@pytest.mark.parametrize("masked", [True, False])
def test_gradient_penalty_of_a_linear_critic_is_its_weight_s_norm(masked):
    critic, truth = Linear(), image(5, 3, 8, 8)
    completed = complete(truth, hole(), image(5, 3, 8, 8, seed=3))
    mask = hole() if masked else torch.ones_like(hole())
    whole = (critic.whole.square() * mask).sum().sqrt()
    patch = (critic.patch.square() * losses.crop(mask, BOX)).sum().sqrt()
    expected = (whole - 1) ** 2 + (patch - 1) ** 2
    penalty = losses.gradient_penalty(critic, truth, completed, BOX, mask=hole() if masked else None)
    torch.testing.assert_close(penalty, expected)
    # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w|, inside the hole: the penalty teaches the critic.
    penalty.backward()
    torch.testing.assert_close(critic.whole.grad, (2 * (whole - 1) * critic.whole * mask[0] / whole).detach())


def test_critic_loss_of_a_linear_critic():
    critic, truth = Linear(), image(5, 3, 8, 8)
    completed = complete(truth, hole(), image(5, 3, 8, 8, seed=3))
    (real_whole, real_patch), (whole, patch) = (critic(x, losses.crop(x, BOX)) for x in (truth, completed))
    expected = (whole + patch - real_whole - real_patch).mean()
    expected = expected + 10 * losses.gradient_penalty(critic, truth, completed, BOX, mask=hole())
    torch.testing.assert_close(losses.critic_loss(critic, truth, completed, BOX, mask=hole()), expected)
    torch.testing.assert_close(losses.adversarial(critic, completed, BOX), -(whole + patch).mean())


def test_the_penalty_is_taken_between_truth_and_completion():
    """A critic of slope |2x| at x: its gradient tells where it was taken, one random point per image."""

    class Square(nn.Module):
        def forward(self, images, patches):
            self.images, self.patches = images, patches
            return images.square().sum((1, 2, 3)), patches.square().sum((1, 2, 3))

    critic, truth, completed = Square(), torch.zeros(64, 3, 8, 8), torch.ones(64, 3, 8, 8)
    torch.manual_seed(0)
    penalty = losses.gradient_penalty(critic, truth, completed, BOX, mask=None)
    t = critic.images[:, 0, 0, 0]
    assert (critic.images == t[:, None, None, None]).all() and 0 <= t.min() < 0.1 and 0.9 < t.max() <= 1
    sides = [(2 * x.flatten(1).norm(dim=1) - 1).square().mean() for x in (critic.images, critic.patches)]
    torch.testing.assert_close(penalty, sum(sides))


def test_a_critic_step_has_finite_gradients_and_an_indifferent_critic_too():
    torch.manual_seed(0)
    critic, mask = InpaintingDiscriminator(4, 8, 4).double(), hole()
    truth = image(3, 3, 8, 8)
    completed = complete(truth, mask, image(3, 3, 8, 8, seed=1))
    losses.critic_loss(critic, truth, completed, BOX, mask=mask).backward()
    assert all(torch.isfinite(p.grad).all() for p in critic.parameters())
    assert all(p.grad.any() for name, p in critic.named_parameters() if name.endswith("weight"))
    for head in (critic.of_image[-1], critic.of_patch[-1]):
        nn.init.zeros_(head.weight)  # the gradient's norm is 0, where a square root has no derivative
    critic.zero_grad()
    losses.critic_loss(critic, truth, completed, BOX, mask=mask).backward()
    assert all(torch.isfinite(p.grad).all() for p in critic.parameters())


def test_the_penalty_trains_a_critic_towards_slope_one():
    torch.manual_seed(0)
    critic = Linear()
    truth = image(4, 3, 8, 8)
    optimizer = torch.optim.SGD(critic.parameters(), 0.1)
    for _ in range(100):
        optimizer.zero_grad()
        losses.gradient_penalty(critic, truth, -truth, BOX, mask=hole()).backward()
        optimizer.step()
    assert (critic.whole * hole()[0]).norm().item() == pytest.approx(1, abs=1e-6)


def test_reconstruction_by_hand():
    truth, coarse, fine = torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.5), torch.full((2, 3, 8, 8), -0.25)
    assert losses.reconstruction(truth, coarse, fine).item() == 0.75


@pytest.mark.parametrize(("height", "width", "gamma"), [(8, 8, 0.9), (5, 8, 0.9), (6, 3, 0.99)])
def test_discount_weights_by_a_loop(height, width, gamma):
    """The released rule, which counts distance 0 at the first row and 1 at the last."""
    weights = losses.discount_weights(height, width, gamma)
    assert weights.shape == (1, 1, height, width) and weights.dtype == torch.float32
    for i in range(height):
        for j in range(width):
            expected = max(gamma ** min(i, height - i), gamma ** min(j, width - j))
            assert weights[0, 0, i, j].item() == pytest.approx(expected, rel=1e-6)


def test_discounted_reconstruction_by_a_loop():
    truth, coarse, fine = image(2, 3, 8, 8), image(2, 3, 8, 8, seed=1), image(2, 3, 8, 8, seed=2)
    mask, weights = hole(), losses.discount_weights(4, 4)
    known_pixels = int((mask == 0).sum())
    expected = 0.0
    for factor, output in ((1.2, coarse), (1.0, fine)):
        for k in range(2):
            for c in range(3):
                for i in range(8):
                    for j in range(8):
                        error = factor * 1.2 * abs(output[k, c, i, j] - truth[k, c, i, j]) / 6
                        if 2 <= i < 6 and 3 <= j < 7:
                            expected += error * weights[0, 0, i - 2, j - 3] / 16
                        if mask[0, 0, i, j] == 0:
                            expected += error / known_pixels
    torch.testing.assert_close(losses.discounted_reconstruction(truth, coarse, fine, mask=mask, box=BOX), expected)


def test_losses_reach_both_stages():
    coarse, fine = (image(2, 3, 8, 8, seed=s).requires_grad_() for s in (1, 2))
    truth = image(2, 3, 8, 8)
    for loss in (
        losses.reconstruction(truth, coarse, fine),
        losses.discounted_reconstruction(truth, coarse, fine, mask=hole(), box=BOX),
    ):
        gradients = torch.autograd.grad(loss, (coarse, fine))
        assert all(g.ne(0).all() for g in gradients)


def test_completion_keeps_known_pixels_bit_for_bit():
    torch.manual_seed(0)
    truth, generated, mask = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8), hole()
    truth[0, 0, 0, :3] = torch.tensor([-0.0, 1e-45, 0.1])
    completed = complete(truth, mask, generated)
    inside = mask.bool().expand_as(truth)
    assert torch.equal(completed[~inside].view(torch.int32), truth[~inside].view(torch.int32))
    assert torch.equal(completed[inside], generated[inside])
    assert torch.equal(complete(truth.masked_fill(inside, torch.nan), mask, generated), completed)
