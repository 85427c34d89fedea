"""The default path: numbers at large means, in parts and in any order of memory; memory, compiling, exporting."""

import copy

import pytest
import torch
from attentive_norm_reference import attentive_norm, positions_drawn

from an.layers import AttentiveNorm2d, attentive_norm_analytic, attentive_norm_products
from an.layers.attentive_norm_products import Parameters
from an.models import build
from benchmarks.live_bytes import LiveBytes

FORMS = {
    "contiguous": lambda x: x.contiguous(),
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "transposed": lambda x: x.mT.contiguous().mT,
    "every second pixel": lambda x: x.repeat_interleave(2, 3)[..., ::2],
}


def made(channels: int, regions: int, **switches) -> AttentiveNorm2d:
    """A layer with a soft layout and every parameter away from its starting value.

    Short entities and the paper's temperature keep it soft at large means too, where the defaults would give one region
    every pixel.
    """
    torch.manual_seed(1)
    layer = AttentiveNorm2d(channels, regions, start="orthogonal", temperature=0.1, **switches)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name not in ("entities.weight", "key.weight", "query.weight"):
                parameter.add_(0.3 * torch.randn_like(parameter))
    return layer


def arguments(count=2, channels=8, regions=3, pixels=12, own=True):
    """Everything ``attentive_norm`` takes but eps, in float64, wanting gradients."""
    generator = torch.Generator().manual_seed(0)
    images = (count,) if own else ()
    shapes = (count, channels, pixels), (*images, regions, channels), (*images, regions, 1), (channels, channels)
    shapes += (channels,), (regions, channels), (regions, channels), ()
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


def relative(ours, exact) -> float:
    return ((ours.double() - exact).norm() / exact.norm()).item()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mean", [0.0, 3.0, 30.0, -30.0])
@pytest.mark.parametrize("chunk", [2**18, 2**11])
def test_float32_agrees_with_the_equations_in_float64(monkeypatch, training, mean, chunk):
    monkeypatch.setattr(attentive_norm_analytic, "CPU_CHUNK", chunk)
    single = made(32, 16).train(training)
    double = copy.deepcopy(single).double()
    x = (torch.randn(2, 32, 12, 14) + mean).requires_grad_()
    exact_x = x.detach().double().requires_grad_()
    positions = positions_drawn(single, x) if training else None
    ours, exact = single(x), attentive_norm(double, exact_x, positions)
    assert relative(ours, exact) < 1e-6

    # The value's bias changes nothing; the sampling branch is off in evaluation.
    names = [n for n, _ in single.named_parameters() if n != "value.bias"]
    if not training:
        names = [n for n in names if n.split(".")[0] not in ("key", "query", "t")]
    weight = torch.randn_like(x)
    ours = torch.autograd.grad((ours * weight).sum(), [x, *(single.get_parameter(n) for n in names)])
    exact = torch.autograd.grad((exact * weight).sum(), [exact_x, *(double.get_parameter(n) for n in names)])
    for name, a, b in zip(["x", *names], ours, exact, strict=True):
        if name == "rho":  # a sum over all pixels that may cancel; its terms are off by roundings at the input's size
            assert abs(a - b) < 4 * weight.norm() * 2**-24 * (abs(mean) + 4)
        else:
            assert relative(a, b) < 2e-5, name


def test_parts_are_merged_without_losing_a_region_s_variance(monkeypatch):
    """Two regions far apart against their spread: sums over the whole map cancel, those over parts less."""
    torch.manual_seed(0)
    side = torch.where(torch.arange(128 * 128) % 128 < 64, 1.0, -1.0)
    x = torch.randn(1, 16, 128 * 128) + 30 * side
    weight = torch.stack([torch.ones(16), -torch.ones(16)]) / 16
    given = Parameters(weight, torch.zeros(2, 1), None, None, torch.ones(16), torch.zeros(16), torch.ones(()), 0.0)
    double = Parameters(*(t.double() if torch.is_tensor(t) else t for t in given))
    exact = attentive_norm_products.attentive_norm(x.double(), double)
    monkeypatch.setattr(attentive_norm_analytic, "CPU_CHUNK", 256 * 16)
    in_parts = attentive_norm_analytic.attentive_norm(x, given)
    whole = attentive_norm_products.attentive_norm(x, given)
    of_parts, of_whole = ((y - exact).abs().max().item() for y in (in_parts, whole))
    # Rounding errors of 256 squares of about 30^2 walk; so do those of 64 parts, whose mean is the variance, 1. Half of
    # its error, times the largest |Xbar|, is the output's; four standard deviations of it.
    walk = 30**2 * 256**0.5 * 2**-24 / 64**0.5
    assert of_parts < 4 * walk / 2 * (exact - x).abs().max().item()
    assert of_parts < of_whole / 2, "what the merging is for"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("chunk", [7 * 24, 7 * 70, 2**18])  # an image in parts, one image at a time, all at once
@pytest.mark.parametrize("shared", [False, True])
def test_parts_groups_and_orders_of_memory_change_nothing(monkeypatch, form, chunk, shared):
    monkeypatch.setattr(attentive_norm_analytic, "CPU_CHUNK", chunk)
    monkeypatch.setattr(attentive_norm_analytic, "LEAST_CHANNELS_LAST", 1)
    given = arguments(3, 7, 4, 63, own=not shared)
    x = FORMS[form](given[0].unflatten(2, (7, 9))).flatten(2)
    parameters = Parameters(*given[1:], 1e-5)
    ours = attentive_norm_analytic.attentive_norm(x, parameters)
    plain = attentive_norm_products.attentive_norm(given[0], parameters)
    torch.testing.assert_close(ours, plain, rtol=1e-11, atol=1e-11)
    weight = FORMS[form](torch.randn(3, 7, 7, 9, dtype=torch.float64)).flatten(2)
    ours, plain = (torch.autograd.grad((y * weight).sum(), given) for y in (ours, plain))
    torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)


def test_first_and_second_derivatives():
    given = arguments(1, 3, 2, 5)

    def function(x, *tensors):
        return attentive_norm_analytic.attentive_norm(x, Parameters(*tensors, 1e-5))

    torch.autograd.gradcheck(function, given)
    torch.autograd.gradgradcheck(function, given, atol=1e-4)
    index = torch.tensor([[0, 3, 3]])
    torch.autograd.gradcheck(lambda x: attentive_norm_analytic.with_pixels_at(x, index), given[:1])
    torch.autograd.gradgradcheck(lambda x: attentive_norm_analytic.with_pixels_at(x.sin(), index), given[:1])


def test_second_derivatives_of_a_rounded_input():
    layer = made(16, 4).eval()
    results = []
    for dtype in (torch.bfloat16, torch.float32):
        x = (torch.arange(2 * 16 * 9) % 7 - 3.0).view(2, 16, 3, 3).to(dtype).requires_grad_()
        gradient = torch.autograd.grad(layer(x).float().square().sum(), x, create_graph=True)[0]
        results.append(torch.autograd.grad(gradient.float().square().sum(), x)[0])
    assert results[0].dtype == torch.bfloat16 and relative(results[0], results[1].double()) < 0.02


@pytest.mark.parametrize("path", [attentive_norm_analytic, attentive_norm_products])
def test_an_empty_region_takes_no_part_and_harms_no_gradient(path):
    x, *tensors = [t.detach().float().requires_grad_() for t in arguments()]
    given = Parameters(*tensors, 1e-5)
    fewer = {name: getattr(given, name)[:, :2] for name in ("weight", "bias")}
    fewer |= {name: getattr(given, name)[:2] for name in ("beta", "alpha")}
    for logit in (-92.0, -900.0):  # exp(-92) is float32's smallest number, nearly
        empty = torch.tensor([0.0, 0.0, logit])[:, None]
        y = path.attentive_norm(x, given._replace(bias=given.bias + empty))
        without = path.attentive_norm(x, given._replace(**fewer))
        torch.testing.assert_close(y, without)
        for gradient in torch.autograd.grad(y.square().sum(), [x, *tensors]):
            assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("shape", [(2, 16, 1, 1), (0, 16, 4, 4), (1, 16, 1, 9)])
def test_gradients_of_unusual_shapes_are_finite(shape):
    layer = made(16, 4)
    x = torch.ones(shape, requires_grad=True)
    layer(x).square().sum().backward()
    for gradient in (x.grad, *(p.grad for p in layer.parameters())):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_leaves_the_layer_in_float32(dtype):
    layer = made(16, 4).eval()
    x = torch.randn(2, 16, 8, 8) + 10
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(layer(x), layer.float()(x)) and layer(x).dtype == torch.float32
        low = layer(x.to(dtype))  # as a convolution under autocast hands it on
    assert low.dtype == dtype
    # Computed from the rounded input in float32 and rounded once.
    assert torch.equal(low, layer(x.to(dtype).float()).to(dtype))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gradients_under_autocast_are_those_of_the_rounded_input(dtype):
    layer = made(16, 4, self_sampling=False)
    low = (torch.randn(2, 16, 8, 8) + 10).to(dtype).requires_grad_()
    full = low.detach().float().requires_grad_()
    weight = torch.randn(2, 16, 8, 8).to(dtype)
    wanted = [layer.value.weight, layer.rho, layer.entities.weight]
    with torch.autocast("cpu", dtype=dtype):
        ours = torch.autograd.grad(layer(low), [low, *wanted], weight)
    exact = torch.autograd.grad(layer(full), [full, *wanted], weight.float())
    assert torch.equal(ours[0], exact[0].to(dtype))
    torch.testing.assert_close(ours[1:], exact[1:])


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
def test_it_compiles_without_a_graph_break(training):
    layer = made(16, 4).train(training)
    x = torch.randn(2, 16, 8, 8, requires_grad=True)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    results = []
    for f in (layer, compiled):
        torch.manual_seed(3)
        y = f(x)
        results.append((y, *torch.autograd.grad(y.square().sum(), [x, layer.value.weight, layer.entities.weight])))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-3)


@pytest.mark.slow
def test_compiled_code_keeps_no_more_for_backward_than_the_default_path():
    layer, kept = made(64, 16), {}
    x = torch.randn(2, 64, 32, 32, requires_grad=True)
    for name, f in (("default", layer), ("compiled", torch.compile(layer, fullgraph=True, backend="aot_eager"))):
        of = kept[name] = {}

        def note(tensor, of=of):
            of[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            y = f(x)
        y.sum().backward()
    default, compiled = (sum(sizes.values()) for sizes in kept.values())
    # x is 524 of the default path's 564 kB; plain products alone keep 3,223, of layouts, values and their squares.
    assert x.nbytes < compiled < 1.1 * default


@pytest.mark.slow
def test_a_generator_with_the_layer_exports():
    generator, _ = build("an", "nano", 10)
    for module in generator.modules():
        if isinstance(module, AttentiveNorm2d):
            torch.nn.init.constant_(module.rho, 0.5)
    generator.eval()
    inputs = torch.randn(3, generator.latent), torch.tensor([0, 3, 9])
    with torch.no_grad():
        exported = torch.export.export(generator, inputs).module()
        assert any(isinstance(m, AttentiveNorm2d) for m in generator.modules())
        torch.testing.assert_close(exported(*inputs), generator(*inputs), rtol=1e-5, atol=1e-5)


def test_the_same_bits_every_time():
    layer = made(32, 16)
    x = torch.randn(3, 32, 16, 16, requires_grad=True)

    def bits():
        torch.manual_seed(0)
        y = layer(x)
        return y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])

    assert all(torch.equal(a, b) for a, b in zip(bits(), bits(), strict=True))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_memory(memory_format):
    """In units of the input: peaks of evaluation and training beyond it, and what is kept for backward."""
    layer = made(256, 16)
    x = torch.randn(8, 256, 32, 32).contiguous(memory_format=memory_format).requires_grad_()
    size, given = x.numel() * x.element_size(), (x, *layer.parameters())
    with torch.no_grad(), LiveBytes(*given) as evaluation:
        layer.eval()(x)
    assert size < evaluation.peak <= 2.6 * size
    with LiveBytes(*given) as training:
        y = layer.train()(x)
        assert training.live() - size <= 0.15 * size  # beyond y
        y.backward(torch.ones_like(y))
    assert 2 * size < training.peak <= 5.2 * size
