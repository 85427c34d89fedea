"""The recall task: its images, what its networks can see, its training and evaluation."""

import json

import numpy as np
import pytest
import torch
from kill_and_resume import arguments, finish

from an import params
from an.__main__ import main
from an.data.recall import MARK, ROWS, draw
from an.evaluation.recall import maps_of_marks
from an.metrics.recall import answered
from an.models import build_recall
from an.models.recall import SIGHT
from an.training.recall import RecallTraining
from an.training.recall import test_images as fixed_images
from an.training.schedule import rise_and_fall
from an.weights import load_tensors

SIZE = {"keys": 5, "gap": 6, "count": 40}


def test_images_are_a_function_of_the_arguments():
    first = draw(**SIZE, seed=3, number=7)
    assert all(np.array_equal(a, b) for a, b in zip(first, draw(**SIZE, seed=3, number=7), strict=True))
    assert first.images.shape == (40, 8, 10, 12) and first.painted.shape == (40, 3, 10, 3)
    assert first.images.dtype == first.painted.dtype == np.float32
    for other in ({"seed": 4, "number": 7}, {"seed": 3, "number": 8}):
        assert not np.array_equal(first.images, draw(**SIZE, **other).images)


def test_every_key_stands_once_on_each_side_and_nothing_between():
    keys, images = SIZE["keys"], draw(**SIZE, seed=0, number=0).images
    for columns in (images[..., :MARK], images[..., -MARK:]):
        marks = columns[:, :keys].reshape(40, keys, keys, ROWS * MARK)
        assert (marks == marks[..., :1]).all(), "a mark is whole"
        assert set(np.unique(marks)) == {0, 1}
        assert (marks[..., 0].sum(1) == 1).all() and (marks[..., 0].sum(2) == 1).all()
    assert not images[..., MARK:-MARK].any() and not images[:, keys:, :, -MARK:].any()
    left, right = (images[:, :keys, ::ROWS, column].argmax(1) for column in (0, -1))
    assert (left != right).any() and len({tuple(places) for places in left.tolist()}) > 10, "places are drawn anew"


def test_marks_are_to_be_painted_in_their_cues_colours():
    keys, (images, painted) = SIZE["keys"], draw(**SIZE, seed=1, number=2)
    colours = set()
    for image, wanted in zip(images, painted, strict=True):
        for row in range(image.shape[1]):
            key = next(k for k in range(keys) if image[k, row, -1] == 1)
            cue = next(r for r in range(image.shape[1]) if image[key, r, 0] == 1)
            for column in range(MARK):
                assert np.array_equal(image[keys:, cue, column], image[keys:, cue, 0])
                assert np.array_equal(wanted[:, row, column], image[keys:, cue, 0])
            colours.add(tuple(wanted[:, row, 0].tolist()))
    assert colours == {(r, g, b) for r in (-1, 1) for g in (-1, 1) for b in (-1, 1)}


def test_answers_are_the_nearest_colours():
    painted = draw(keys=8, gap=4, count=512, seed=0, number=0).painted
    assert answered(painted, painted, ROWS).all() and not answered(-painted, painted, ROWS).any()
    assert answered(0.01 * painted, painted, ROWS).shape == (512, 8) and answered(0.01 * painted, painted, ROWS).all()
    spoiled = painted.copy()
    spoiled[0, 1, 2:4] *= -1  # one plane of the second mark
    assert np.argwhere(~answered(spoiled, painted, ROWS)).tolist() == [[0, 1]]
    # 4096 guesses that know nothing are right once in 8, within 5 standard deviations.
    guesses = np.random.default_rng(0).standard_normal(painted.shape)
    assert abs(answered(guesses, painted, ROWS).mean() - 1 / 8) < 5 * (1 / 8 * 7 / 8 / 4096) ** 0.5


@pytest.mark.parametrize("row", params.load_rows("recall"))
def test_shapes_and_gradients_of_every_row(row):
    scale = params.load_scale("nano")
    network = build_recall(params.load_row(row), scale)
    images = torch.from_numpy(fixed_images(scale.recall, 3).images)
    colours = network(images)
    assert colours.shape == (3, 3, *images.shape[2:])
    colours.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    assert (len(list(network.layer.parameters())) > 0) == (row != "recall-ca")


def sight(row: str) -> torch.Tensor:
    """By column of the input, its largest influence on any one output in the right columns.

    At smoke's size, in evaluation, with the layer's weight in its output set to 1. The images are noise: where the
    task's are empty, ReLUs are shut and little can be seen.
    """
    torch.manual_seed(0)
    scale = params.load_scale("smoke")
    network = build_recall(params.load_row(row), scale).eval()
    for weight in (getattr(network.layer, name, None) for name in ("rho", "gamma")):
        if weight is not None:
            torch.nn.init.ones_(weight)
    images = torch.randn_like(torch.from_numpy(fixed_images(scale.recall, 4).images)).requires_grad_()
    outputs = network(images)[..., -MARK:].sum(0)  # of images that do not know of each other
    influence = torch.zeros(images.shape[3])
    for output in outputs.flatten():
        (gradient,) = torch.autograd.grad(output, images, retain_graph=True)
        influence = torch.maximum(influence, gradient.abs().amax((0, 1, 2)))
    return influence


def test_without_a_layer_no_mark_sees_its_cue():
    """The right columns and SIGHT more matter, and nothing else: exactly 0 at the cues, so chance is all there is."""
    influence = sight("recall-none")
    unseen = len(influence) - MARK - SIGHT
    assert influence[:unseen].eq(0).all() and influence[unseen:].gt(0).all()
    assert unseen >= MARK, "the cues' columns are among those that do not matter"


@pytest.mark.parametrize("row", [row for row in params.load_rows("recall") if row != "recall-none"])
def test_every_layer_lets_marks_see_their_cues(row):
    assert sight(row)[:MARK].gt(0).all()


@pytest.mark.parametrize("name", ["nano", "smoke", "bench", "paper"])
def test_cues_are_out_of_sight_at_every_scale(name):
    assert params.load_scale(name).recall.gap > SIGHT


def test_the_rate_rises_and_falls():
    rates = [rise_and_fall(step, 1000) for step in range(1000)]  # each at the middle of its step
    assert rates[:300] == sorted(rates[:300]) and rates[300:] == sorted(rates[300:], reverse=True)
    assert 1 - 1e-4 < max(rates) <= 1
    assert (rates[149] + rates[150]) / 2 == pytest.approx((1 + 1 / 25) / 2)
    assert (rates[649] + rates[650]) / 2 == pytest.approx(0.5)
    assert rates[0] == pytest.approx(1 / 25, abs=1e-4) and 0 < rates[-1] < 1e-4


def test_steps_are_supervised_by_the_colours_of_their_own_images():
    row, scale = params.load_row("recall-none"), params.load_scale("nano")
    job, cpu = RecallTraining(row, scale, 5, device=torch.device("cpu")), torch.device("cpu")
    twin = RecallTraining(row, scale, 5, device=cpu)
    size = {"keys": scale.recall.keys, "gap": scale.recall.gap, "count": scale.recall.batch}
    images, painted = map(torch.from_numpy, draw(**size, seed=5, number=2))
    losses, measures = job.advance(2, True)
    expected = (twin.network(images)[..., -MARK:] - painted).square().mean()
    torch.testing.assert_close(losses["recall"], expected)
    assert measures["lr"] == scale.recall.lr * rise_and_fall(2, scale.recall.steps) and measures["gradient_norm"] > 0


@pytest.mark.slow
def test_a_layer_learns_what_no_layer_can():
    """Two keys: the network without a layer stays at chance, self-attention does not."""
    scale = params.load_scale("nano")
    quick = scale.recall.model_copy(update={"steps": 300, "batch": 32})
    scale, accuracy = scale.model_copy(update={"recall": quick}), {}
    images, painted = fixed_images(quick, 512)
    for row in ("recall-none", "recall-sa"):
        job = RecallTraining(params.load_row(row), scale, 0, device=torch.device("cpu"))
        for step in range(quick.steps):
            job.advance(step, False)
        with torch.no_grad():
            outputs = job.network.eval()(torch.from_numpy(images))[..., -MARK:].numpy()
        accuracy[row] = answered(outputs, painted, ROWS).mean()
    assert abs(accuracy["recall-none"] - 1 / 8) < 5 * (1 / 8 * 7 / 8 / 1024) ** 0.5
    assert accuracy["recall-sa"] > 0.5


@pytest.mark.parametrize("row", ["recall-an", "recall-an-no-ssr", "recall-sa", "recall-ca"])
def test_train_and_evaluate(tmp_path, monkeypatch, row):
    out, log = tmp_path / "out", tmp_path / "log"
    assert finish(arguments(None, out, row), log) == 0, log.read_text()
    files = {"checkpoints": out, "training": out / "training.json"}
    written = {"metrics": tmp_path / "metrics.json", "example": tmp_path / "example.json"}
    named = {"row": row, "scale": "nano", "seed": 0, **files, **written, "gpus": 0}
    assert (
        main(["evaluate-recall", *(str(part) for name, value in named.items() for part in (f"--{name}", value))]) == 0
    )
    told, example = (json.loads(file.read_text()) for file in written.values())
    metrics, training = told["metrics"], json.loads(files["training"].read_text())

    scale = params.load_scale("nano")
    network = build_recall(params.load_row(row), scale).eval()
    network.load_state_dict(load_tensors(out / "network.pt"))
    images, painted = fixed_images(scale.recall, scale.recall.test_images)
    with torch.no_grad():
        outputs = network(torch.from_numpy(images))[..., -MARK:].numpy()
    assert metrics["accuracy"] == answered(outputs, painted, ROWS).mean()
    assert metrics["squared_error"] == pytest.approx(((outputs - painted) ** 2).mean())
    assert metrics["parameters"] == sum(p.numel() for p in network.parameters())
    assert ("accuracy_sampling" in metrics) == (row == "recall-an")
    assert training["attention"].items() <= metrics.items() and told["made"]["training"] == training["made"]
    apart = ("made", "seal", "files")
    assert told["training"] == {name: value for name, value in training.items() if name not in apart}
    assert ("network_rho" in metrics) == row.startswith("recall-an") and ("network_gamma" in metrics) == (
        row == "recall-sa"
    )
    assert told["protocol"]["test_images"] == len(images) and (told["row"], told["seed"]) == (row, 0)
    assert told["provenance"]["settings"] == params.digest(params.recall_settings(params.load_row(row), scale))

    keys, height, width = scale.recall.keys, *images.shape[2:]
    assert example["marks"]["keys"] == images[0, :keys, ::ROWS, -1].argmax(0).tolist()
    for key, colour in zip(example["marks"]["keys"], example["marks"]["colours"], strict=True):
        assert example["cues"]["colours"][example["cues"]["keys"].index(key)] == colour
    assert example["right"] == answered(outputs[:1], painted[:1], ROWS)[0].tolist()
    nearest = np.where(np.array(example["answers"]) > 0, 1, -1)
    assert example["right"] == (nearest == np.array(example["marks"]["colours"])).all(1).tolist()
    if row == "recall-ca":
        assert example["maps"] is None
    else:
        maps = np.array(example["maps"])
        assert maps.shape == (keys, height, width) and maps.min() >= 0 and 0 < maps.max() <= 1


@pytest.mark.parametrize("row", ["recall-an", "recall-sa", "recall-in", "recall-none", "recall-ca"])
def test_maps_say_where_the_layer_looks_and_leave_it_as_it_was(row):
    scale = params.load_scale("nano")
    network = build_recall(params.load_row(row), scale).eval()
    image = torch.from_numpy(fixed_images(scale.recall, 1).images)
    state = {k: v for k, v in vars(network.layer).items() if k[0] != "_"}
    with torch.no_grad():
        before, random = network(image), torch.get_rng_state()
        maps = maps_of_marks(network, image)
        assert torch.equal(network(image), before) and torch.equal(torch.get_rng_state(), random)
    assert not network.layer._forward_pre_hooks
    assert {k: v for k, v in vars(network.layer).items() if k[0] != "_"} == state
    if row not in ("recall-an", "recall-sa"):
        assert maps is None
        return
    seen = []
    network.layer.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    with torch.no_grad():
        network(image)
        for mark, found in enumerate(maps):
            top = ROWS * mark
            if row == "recall-an":
                layout = network.layer.soft_layout(seen[0])[0]
                best = max(range(16), key=lambda i: layout[i, top : top + ROWS, -MARK:].sum())
                expected = layout[best]
            else:
                width = image.shape[3]
                weights = network.layer.weights(seen[0])[0, top * width + width - 2]
                expected = torch.empty(image.shape[2:])
                for r in range(image.shape[2]):
                    for c in range(width):
                        expected[r, c] = weights[r // 2 * (width // 2) + c // 2] / weights.max()
            torch.testing.assert_close(torch.tensor(found), expected, rtol=0, atol=5.1e-4)  # three digits
