"""The layer against the paper's equations, in output and every gradient, and its manners as a module."""

import copy
import io

import pytest
import torch
from attentive_norm_reference import attentive_norm, positions_drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from an.layers import AttentiveNorm2d


def made(channels=16, regions=4, dtype=torch.float64, **switches) -> AttentiveNorm2d:
    """A layer whose every parameter is away from its starting value, so that each one matters."""
    torch.manual_seed(1)
    layer = AttentiveNorm2d(channels, regions, dtype=dtype, **switches)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        layer.entities.weight.mul_(5)
    return layer


def image(*shape, mean=0.0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=dtype) + mean


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", ["region", "shared", "none"])
@pytest.mark.parametrize("moments", ["weighted", "literal"])
@pytest.mark.parametrize("size", [(6, 8), (5, 7)])
def test_output_and_every_gradient_are_the_equations(training, affine, moments, size):
    layer = made(affine=affine, moments=moments).train(training)
    x = image(2, 16, *size).requires_grad_()
    positions = positions_drawn(layer, x) if training else None
    ours = layer(x)
    theirs = attentive_norm(layer, x, positions)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)

    weight = image(*ours.shape)
    wanted = [x, *(p for name, p in layer.named_parameters() if training or name.split(".")[0] not in SAMPLING)]
    ours = torch.autograd.grad((ours * weight).sum(), wanted)
    theirs = torch.autograd.grad((theirs * weight).sum(), wanted)
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-7)


SAMPLING = ("key", "query", "t")  # parameters of the branch that evaluation switches off


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "switches",
    [
        *({"value": False}, {"self_sampling": False}, {"sample_in_eval": True}, {"start": "orthogonal"}),
        *({"temperature": 10.0}, {"temperature": 1.0, "sample_in_eval": True, "moments": "literal"}),
    ],
)
def test_switches_follow_the_equations(switches, training):
    layer = made(**switches).train(training)
    sharper = layer.temperature / 0.1
    with torch.no_grad():  # logits of a few ones, as at the paper's temperature: regions of one pixel are all rounding
        layer.entities.weight.div_(sharper)
        if layer.self_sampling:
            layer.t.div_(sharper)
    x = image(2, 16, 6, 6)
    samples = layer.self_sampling if training else layer.sample_in_eval
    positions = positions_drawn(layer, x) if samples else None
    torch.testing.assert_close(layer(x), attentive_norm(layer, x, positions), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("statistics", ["instance", "layer"])
def test_training_without_sampling_is_evaluation(statistics):
    """In output and gradients; the branch gets none, and comes back with the attribute."""
    layer = made(statistics=statistics)
    x = image(2, 16, 6, 8)
    evaluated = layer.eval()(x)
    evaluated.sum().backward()
    expected = {name: p.grad for name, p in layer.named_parameters()}
    layer.zero_grad()
    layer.train().sampling = False
    trained = layer(x)
    assert torch.equal(trained, evaluated)
    trained.sum().backward()
    for name, parameter in layer.named_parameters():
        if name.split(".")[0] in SAMPLING:
            assert parameter.grad is None and expected[name] is None, name
        else:
            assert torch.equal(parameter.grad, expected[name]), name
    layer.sampling = True
    assert not torch.equal(layer(x), evaluated)
    layer.eval().sampling = False
    layer.sample_in_eval = True
    assert not torch.equal(layer(x), evaluated), "evaluation asks sample_in_eval alone"


def region_moments(layer, x):
    """Layout ``[N, n, P]`` and values ``[N, C, P]`` of a layer in evaluation mode."""
    return layer.soft_layout(x).flatten(2), layer.value(x).flatten(2)


@pytest.mark.parametrize("statistics", ["batch", "layer", "group"])
def test_shared_statistics_are_weighted_moments_over_what_they_share(statistics):
    layer = made(self_sampling=False, statistics=statistics, groups=4, affine="none")
    x = image(3, 16, 4, 5, mean=3.0)
    s, v = region_moments(layer, x)
    expected = torch.zeros_like(v)
    for i in range(layer.regions):
        weight = s[:, i : i + 1].expand_as(v)
        if statistics == "batch":
            mean = ((weight * v).sum((0, 2)) / weight.sum((0, 2)))[None, :, None]
            var = ((weight * (v - mean) ** 2).sum((0, 2)) / weight.sum((0, 2)))[None, :, None]
        else:
            groups = 1 if statistics == "layer" else 4
            w, u = (a.reshape(3, groups, -1) for a in (weight, v))
            mean = (w * u).sum(2, keepdim=True) / w.sum(2, keepdim=True)
            var = (w * (u - mean) ** 2).sum(2, keepdim=True) / w.sum(2, keepdim=True)
            mean, var = (a.repeat_interleave(16 // groups, 1) for a in (mean, var))
        expected += s[:, i : i + 1] * (v - mean) / (var.sqrt() + layer.eps)
    expected = layer.rho * expected.reshape(x.shape) + x
    torch.testing.assert_close(layer(x), expected, rtol=1e-9, atol=1e-9)


def test_batch_statistics_are_kept_for_evaluation():
    layer = made(statistics="batch", self_sampling=False)
    x = image(4, 16, 6, 6)
    for _ in range(300):
        trained = layer(x)
    torch.testing.assert_close(layer.eval()(x), trained, rtol=1e-6, atol=1e-6)
    # In evaluation an image does not depend on its batch.
    torch.testing.assert_close(layer(x[:1]), layer(x)[:1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sample_in_eval", [False, True])
def test_running_estimates_are_of_the_layout_that_evaluation_uses(sample_in_eval):
    """Moments of v over whole regions of the batch, one pixel at a time, though training normalizes by others."""
    layer = made(statistics="batch", momentum=1.0, sample_in_eval=sample_in_eval)
    layer.keep_layout = True
    x = image(3, 16, 4, 6, mean=2.0)
    layer(x)
    with torch.no_grad():
        pixels = x.flatten(2).mT.flatten(0, 1)  # [P, C] of all images
        v = pixels @ layer.value.weight[:, :, 0, 0].T + layer.value.bias
        layout = torch.softmax(layer.temperature * pixels @ layer.entities.weight[:, :, 0, 0].T, dim=1)
        sampled = layer.last_layout.flatten(2).mT.flatten(0, 1)
        assert (layout - sampled).abs().max() > 0.1, "training did not sample"
        if sample_in_eval:
            layout = sampled
        for i in range(layer.regions):
            mass = sum(s[i] for s in layout)
            mean = sum(s[i] * value for s, value in zip(layout, v, strict=True)) / mass
            var = sum(s[i] * (value - mean) ** 2 for s, value in zip(layout, v, strict=True)) / mass
            torch.testing.assert_close(layer.running_mean[i], mean, rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(layer.running_var[i], var, rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    size=st.integers(1, 9),
    regions=st.integers(1, 12),
    mean=st.floats(-30, 30),
    scale=st.floats(1e-3, 1e3),
)
def test_xbar_is_bounded_whatever_the_input(seed, size, regions, mean, scale):
    """With beta = 1 and alpha = 0, |Xbar_p| <= sum_i sqrt(w_i S_ip), w_i the region's mass."""
    torch.manual_seed(seed)
    layer = AttentiveNorm2d(8, regions, affine="none", dtype=torch.float64)
    with torch.no_grad():
        layer.rho.fill_(1.0)
    x = scale * (torch.randn(2, 8, size, size, dtype=torch.float64) + mean)
    layer.keep_layout = True
    xbar = (layer(x) - x).flatten(2)
    layout = layer.last_layout.flatten(2)
    bound = (layout.sum(2, keepdim=True) * layout).sqrt().sum(1, keepdim=True)
    rounding = 1e-9 * x.abs().max()
    assert (xbar.abs() <= bound * (1 + 1e-6) + rounding).all()
    torch.testing.assert_close(layout.sum(1), torch.ones_like(layout.sum(1)))


def test_a_new_layer_is_the_identity():
    layer = AttentiveNorm2d(32)
    x = image(2, 32, 8, 8, dtype=torch.float32)
    assert torch.equal(layer(x), x)


def test_evaluation_is_deterministic_and_training_samples_anew():
    layer = made()
    x = image(2, 16, 8, 8)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_float32_keeps_up_with_a_large_mean():
    layer = made(channels=32)
    x = image(2, 32, 16, 16, mean=30.0)
    exact = layer.eval()(x) - x
    single = copy.deepcopy(layer).float()(x.float()).double() - x.float().double()
    assert (exact - single).abs().max() < 1e-3 * exact.abs().max()


def test_constant_input_gives_finite_gradients():
    layer = made()
    x = torch.full((1, 16, 4, 4), 2.0, dtype=torch.float64, requires_grad=True)
    layer(x).sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in layer.parameters())
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("shape", [(1, 16, 1, 1), (0, 16, 4, 4), (2, 16, 3, 5)])
def test_unusual_shapes_pass_in_training_and_evaluation(shape):
    for training in (True, False):
        out = made().train(training)(torch.zeros(shape, dtype=torch.float64))
        assert out.shape == shape and torch.isfinite(out).all()


def test_layout_of_memory_does_not_matter():
    layer = made().eval()
    x = image(2, 16, 6, 6)
    expected = layer(x)
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), expected)
    torch.testing.assert_close(layer(x.mT.contiguous().mT), expected)


@pytest.mark.parametrize("penalty", ["entities", "directions"])
def test_orthogonality_loss_is_equation_1(penalty):
    layer = made(regions=3, penalty=penalty)
    w = layer.entities.weight[:, :, 0, 0]
    if penalty == "directions":
        w = w / torch.linalg.vector_norm(w, dim=1, keepdim=True)
    expected = torch.linalg.matrix_norm(w @ w.T - torch.eye(3, dtype=torch.float64)) ** 2
    torch.testing.assert_close(layer.orthogonality_loss(), expected)


def test_only_the_printed_penalty_pulls_at_the_entities_lengths():
    for penalty in ("entities", "directions"):
        layer = made(regions=3, penalty=penalty)
        layer.orthogonality_loss().backward()
        along = (layer.entities.weight.grad * layer.entities.weight).sum((1, 2, 3))
        across = layer.entities.weight.grad.abs().max()
        assert across > 1e-3  # both pull at directions
        assert (along.abs() > 1).all() if penalty == "entities" else along.abs().max() < 1e-9


def test_the_least_penalty_of_more_entities_than_channels():
    """Two copies of an orthonormal basis are a tight frame, of the least n^2 / C - n."""
    layer = AttentiveNorm2d(8, 16, dtype=torch.float64)
    with torch.no_grad():
        layer.entities.weight.copy_(torch.eye(8).repeat(2, 1)[:, :, None, None])
    layer.orthogonality_loss().backward()
    assert layer.orthogonality_loss().item() == pytest.approx(16**2 / 8 - 16)
    assert layer.entities.weight.grad.abs().max() < 1e-12, "no direction lowers it"


def test_entities_start_as_asked():
    plain = {"value": False, "self_sampling": False}
    w = AttentiveNorm2d(64, 8, start="orthogonal", dtype=torch.float64, **plain).entities.weight[:, :, 0, 0]
    torch.testing.assert_close(w @ w.T, torch.eye(8, dtype=torch.float64))
    w = AttentiveNorm2d(1024, 64, start="normal", **plain).entities.weight
    assert w.mean().abs() < 5 / w.numel() ** 0.5  # 5 standard deviations of the mean and of the variance
    assert (w.var() - 1).abs() < 5 * (2 / w.numel()) ** 0.5
    torch.manual_seed(0)
    default = AttentiveNorm2d(64, 8)
    torch.manual_seed(0)
    assert torch.equal(AttentiveNorm2d(64, 8, start="normal").entities.weight, default.entities.weight)


@pytest.mark.parametrize(
    "switches",
    [
        *({"start": "orthogonal"}, {"penalty": "entities"}, {"temperature": 10.0}, {"sample_in_eval": True}),
        *({"moments": "literal"}, {"statistics": "batch"}, {"statistics": "layer"}, {"pool": False}),
    ],
)
def test_parameters_do_not_depend_on_how_they_are_used(switches):
    def shapes(layer):
        return {name: parameter.shape for name, parameter in layer.named_parameters()}

    assert shapes(AttentiveNorm2d(16, 4, **switches)) == shapes(AttentiveNorm2d(16, 4))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("switches", [{}, {"statistics": "batch", "start": "orthogonal"}, {"moments": "literal"}])
def test_shapes_are_found_without_data(switches, training):
    with torch.device("meta"):
        layer = AttentiveNorm2d(16, 4, **switches).train(training)
        out = layer(torch.empty(2, 16, 6, 7))
    assert out.is_meta and out.shape == (2, 16, 6, 7) and layer.soft_layout(out).shape == (2, 4, 6, 7)


def test_every_pixel_is_sampled_equally_often():
    """Each of 16 pooled positions is drawn with probability n/16, and never twice in one image."""
    layer = AttentiveNorm2d(8, 4, pool=False)
    with torch.no_grad():
        layer.key.weight.zero_()
        layer.key.weight[0, 0] = 1.0
        layer.key.bias.zero_()
    x = torch.zeros(2000, 8, 4, 4)
    x[:, 0] = torch.arange(16.0).reshape(4, 4)
    torch.manual_seed(0)
    _, chosen = layer._with_chosen_pixels(x)
    keys = layer._keys(chosen)[:, 0].long()  # the drawn positions themselves
    counts = torch.bincount(keys.flatten(), minlength=16)
    assert all(len(set(row.tolist())) == 4 for row in keys)
    assert (counts - 500).abs().max() < 100  # 5 standard deviations of a binomial(2000, 1/4)


def test_half_precision_under_autocast():
    layer = made(channels=16, dtype=torch.float32)
    x = image(2, 16, 8, 8, mean=10.0, dtype=torch.float32)
    exact = layer.eval()(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x)
    assert out.dtype == torch.float32 and (out - exact).abs().mean() < 0.05
    assert layer.bfloat16()(x.bfloat16()).dtype == torch.bfloat16


def test_running_estimates_of_a_layer_of_lower_precision_are_those_in_float32():
    layers = [made(channels=16, statistics="batch", dtype=torch.float32).bfloat16() for _ in range(2)]
    layers[1].float()
    x = image(2, 16, 8, 8, dtype=torch.float32).bfloat16()
    for layer in layers:
        torch.manual_seed(0)
        layer.train()(x.to(layer.rho.dtype))
    for name in ("running_mean", "running_var"):
        low, full = (getattr(layer, name) for layer in layers)
        torch.testing.assert_close(low.float(), full, rtol=4 * 2**-9, atol=0)  # bfloat16's roundings of one update


def test_layout_is_kept_only_on_request():
    layer = made().eval()
    x = image(1, 16, 6, 6)
    layer(x)
    assert layer.last_layout is None
    layer.keep_layout = True
    layer(x)
    torch.testing.assert_close(layer.last_layout, layer.soft_layout(x))
    assert layer.last_layout.shape == (1, 4, 6, 6) and not layer.last_layout.requires_grad


def test_state_survives_saving_and_names_are_stable():
    layer = made(statistics="batch")
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = AttentiveNorm2d(16, 4, statistics="batch", dtype=torch.float64)
    other.load_state_dict(torch.load(file, weights_only=True))
    names = {n.split(".")[0] for n in layer.state_dict()}
    assert names == {*SAMPLING, "entities", "value", "alpha", "beta", "rho", "running_mean", "running_var"}
    x = image(1, 16, 4, 4)
    assert torch.equal(layer.eval()(x), other.eval()(x))


@pytest.mark.parametrize(
    "make",
    [
        lambda: AttentiveNorm2d(16, statistics="spectral"),
        lambda: AttentiveNorm2d(16, start="uniform"),
        lambda: AttentiveNorm2d(16, penalty="rows"),
        lambda: AttentiveNorm2d(4),
        lambda: AttentiveNorm2d(16, regions=0),
        lambda: AttentiveNorm2d(12, statistics="group", groups=8),
        lambda: AttentiveNorm2d(16, statistics="batch", moments="literal"),
        lambda: AttentiveNorm2d(16)(torch.zeros(1, 8, 4, 4)),
        lambda: AttentiveNorm2d(16)(torch.zeros(16, 4, 4)),
    ],
)
def test_bad_arguments_are_value_errors(make):
    with pytest.raises(ValueError):
        make()


def test_memory_never_holds_regions_times_channels_maps():
    """The largest tensor of a training pass stays far below N*n*C*H*W elements."""

    class Largest(torch.utils._python_dispatch.TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            for t in out if isinstance(out, tuple | list) else [out]:
                if isinstance(t, torch.Tensor) and 0 not in t.stride():
                    self.elements = max(self.elements, t.numel())
            return out

    layer = AttentiveNorm2d(32, 16)
    x = torch.randn(2, 32, 16, 16, requires_grad=True)
    with Largest() as largest:
        layer(x).sum().backward()
    assert largest.elements <= x.numel()
