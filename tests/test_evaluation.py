"""Distances and scores against other libraries' results; the classifier; generation."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from an import params
from an.data.loading import to_device
from an.errors import UserError
from an.evaluation import frechet_distance
from an.evaluation.classifier import FeatureClassifier, measure, train_classifier
from an.evaluation.extraction import Extractor, extract
from an.evaluation.extractors import scale_extractor
from an.evaluation.generation import evaluate_row
from an.evaluation.inception import inception_extractor
from an.evaluation.reference import extract_reference
from an.files import sha256
from an.metrics.frechet import frechet_from_moments, moments
from an.metrics.inception_score import inception_score
from an.metrics.intra import per_class
from an.models import build
from an.sampling.generation import latent, sample
from an.seals import write_sealed
from an.weights import save_tensors

CPU = torch.device("cpu")


def by_sqrtm(x, y):
    """The textbook formula, by scipy's square root of the product."""
    root = scipy.linalg.sqrtm(np.cov(x, rowvar=False) @ np.cov(y, rowvar=False)).real
    traces = np.trace(np.cov(x, rowvar=False)) + np.trace(np.cov(y, rowvar=False))
    return np.square(x.mean(0) - y.mean(0)).sum() + traces - 2 * np.trace(root)


def features(n, d, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return scale * rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


@pytest.mark.parametrize(("n", "m"), [(500, 400), (60, 500), (40, 35)])
def test_frechet_distance_is_scipy_s(n, m):
    x, y = features(n, 24, 0), features(m, 24, 1)
    assert frechet_distance(x, y) == pytest.approx(by_sqrtm(x, y), rel=1e-6)


def test_frechet_distance_is_torch_fidelity_s():
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    x, y = features(700, 32, 2), features(600, 32, 3)
    statistics = [fid_features_to_statistics(torch.from_numpy(f)) for f in (x, y)]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(x, y) == pytest.approx(theirs, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 40), m=st.integers(2, 40), d=st.integers(1, 12), seed=st.integers(0, 99))
def test_both_routes_agree_and_the_distance_is_a_distance(n, m, d, seed):
    x, y = features(n, d, seed), features(m, d, seed + 1)
    by_moments = frechet_from_moments(moments(x), moments(y))
    scale = np.var(x) * d + np.var(y) * d
    assert frechet_distance(x, y) == pytest.approx(by_moments, rel=1e-6, abs=1e-6 * scale)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-6, abs=1e-9 * scale)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9 * scale)


def test_known_distance_of_shifted_and_scaled_features():
    x = features(300, 8, 5)
    assert frechet_distance(x, x + 3) == pytest.approx(8 * 9, rel=1e-9)
    expected = np.trace(np.cov(x, rowvar=False)) + np.square(x.mean(0)).sum()
    assert frechet_distance(x, 2 * x) == pytest.approx(expected, rel=1e-9)


def test_bad_features_are_refused():
    good = features(10, 4, 0)
    with pytest.raises(UserError, match="at least 2 samples"):
        frechet_distance(good[:1], good)
    with pytest.raises(UserError, match="one extractor"):
        frechet_distance(good, good[:, :3])
    with pytest.raises(UserError, match="not finite"):
        frechet_distance(np.where(good == good[0, 0], np.nan, good), good)


def test_inception_score_is_torch_fidelity_s():
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = 3 * np.random.default_rng(0).normal(size=(503, 10))
    theirs = isc_features_to_metric(torch.from_numpy(logits), splits=1, shuffle=False)["inception_score_mean"]
    assert inception_score(logits, 1) == pytest.approx(theirs, rel=1e-9)
    theirs = isc_features_to_metric(torch.from_numpy(logits), splits=5, shuffle=False)["inception_score_mean"]
    assert inception_score(logits, 5) == pytest.approx(theirs, rel=1e-9)


def test_inception_score_extremes():
    confident = 1000.0 * np.eye(10)[np.arange(200) % 10]
    assert inception_score(confident, 2) == pytest.approx(10)
    assert inception_score(np.zeros((200, 10)), 2) == pytest.approx(1)


def test_per_class_compares_like_with_like():
    x, y = features(60, 4, 0), features(90, 4, 1)
    x_labels, y_labels = np.arange(60) % 3, np.arange(90) // 30
    expected = [frechet_distance(x[x_labels == c], y[y_labels == c]) for c in range(3)]
    assert per_class(x, x_labels, y, y_labels) == expected


@pytest.mark.slow
def test_classifier_reaches_95_percent_on_held_out_digits(digits, tmp_path):
    files = {"classifier": tmp_path / "classifier.pt", "classifier_report": tmp_path / "classifier.json"}
    train_classifier("bench", data=digits, **files, device=CPU)
    report = json.loads((tmp_path / "classifier.json").read_text())
    assert report["accuracy"]["heldout"] >= 0.95
    from an.data.loading import open_split
    from an.evaluation.extractors import load_classifier

    network = load_classifier(params.load_scale("bench"), 10, tmp_path / "classifier.pt", CPU)
    assert measure(network, open_split(digits, "heldout"), CPU) == report["accuracy"]["heldout"]


def test_extraction_does_not_depend_on_the_batch():
    torch.manual_seed(0)
    network = FeatureClassifier([8, 16], 10).eval()
    extractor = Extractor("test", lambda images: network(to_device(images, CPU)), "", "none")
    images = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
    first, second = (extract(extractor, images, batch, "test") for batch in (30, 7))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    torch.nn.init.constant_(network.head.weight, 0)
    network.body[0].weight.data[:] = torch.nan
    with pytest.raises(UserError, match="not finite"):
        extract(extractor, images, 30, "test")


def test_an_image_depends_on_its_seed_and_label_alone():
    torch.manual_seed(0)
    generator, _ = build("an", "nano", 10)
    for _ in range(50):  # until the running statistics let z through
        generator(torch.randn(16, generator.latent), torch.arange(16) % 10)
    labels = np.arange(23) % 10
    outs = []
    for count, batch in ((23, 5), (23, 23), (11, 4)):
        out = np.zeros((count, 32, 32, 3), np.uint8)
        sample(generator, labels[:count], 7, batch=batch, out=out, device=CPU)
        outs.append(out.astype(int))
    # Another batch size may pick another convolution kernel: one grey level at most, and rarely.
    assert abs(outs[0] - outs[1]).max() <= 1 and (outs[0] != outs[1]).mean() < 1e-3
    assert abs(outs[0][:11] - outs[2]).max() <= 1
    other = np.zeros((23, 32, 32, 3), np.uint8)
    sample(generator, labels, 8, batch=5, out=other, device=CPU)
    assert (outs[0] != other).any(axis=(1, 2, 3)).all(), "another seed gives other images"


def test_latents_are_standard_normal_and_all_different():
    z = torch.stack([latent(3, index, 64) for index in range(2000)])
    assert abs(z.mean()) < 0.01 and abs(z.std() - 1) < 0.01
    assert len({tuple(row) for row in z[:, :2].tolist()}) == 2000
    assert torch.equal(latent(3, 5, 64), z[5]) and not torch.equal(latent(4, 5, 64), z[5])


def test_timing_skips_what_would_not_fit(tmp_path, monkeypatch):
    from an.evaluation import timing

    monkeypatch.setattr(timing, "available_bytes", lambda device: 3e5)
    timing.time_modules("nano", tmp_path / "timing.json", CPU)
    report = json.loads((tmp_path / "timing.json").read_text())
    unpooled = {e["size"]: e["median_ms"] for e in report["made"]["modules"]["self_attention_unpooled"]}
    assert unpooled[16] is None and unpooled[8] > 0
    assert all(e["median_ms"] > 0 for e in report["made"]["modules"]["attentive_norm"])


@pytest.mark.parametrize("pool", [True, False])
def test_predicted_memory_is_what_a_module_takes(pool):
    """The prediction bounds the bytes of live tensors in a forward pass, and is at most three times as much."""
    from torch.utils._python_dispatch import TorchDispatchMode

    from an.evaluation.timing import attentive_norm_bytes, self_attention_bytes
    from an.layers import AttentiveNorm2d, SelfAttention2d

    class Live(TorchDispatchMode):
        """Counts the bytes of storages alive, at their peak."""

        def __init__(self):
            super().__init__()
            self.storages, self.peak = {}, 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            import weakref

            out = function(*args, **(kwargs or {}))
            for t in out if isinstance(out, tuple | list) else [out]:
                if isinstance(t, torch.Tensor):
                    storage = t.untyped_storage()
                    self.storages[storage.data_ptr()] = (weakref.ref(t), storage.nbytes())
            self.storages = {k: v for k, v in self.storages.items() if v[0]() is not None}
            self.peak = max(self.peak, sum(size for _, size in self.storages.values()))
            return out

    for module, predicted in (
        (SelfAttention2d(32, pool=pool), self_attention_bytes(32, 32, pool)),
        (AttentiveNorm2d(32, 16), attentive_norm_bytes(32, 16, 64)),
    ):
        size = 32 if isinstance(module, SelfAttention2d) else 64
        x = torch.randn(1, 32, size, size)
        with torch.inference_mode(False), torch.no_grad(), Live() as live:
            module.eval()(x)
        assert live.peak <= predicted <= 3 * live.peak, (live.peak, predicted)


def test_missing_checkpoints_are_one_sentence(called, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = ("--checkpoints", "nowhere", "--images", "s.npy", "--snapshot-images", "t.npy")
    done = called("generate", "--row", "an", "--scale", "nano", "--seed", 0, "--data", digits, *paths)
    assert done.returncode == 1 and "is missing: train the row first" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def generated(digits, tmp_path_factory):
    """What the evaluation of a row at nano scale reads; of its three snapshots the last resembles the digits most."""
    folder = tmp_path_factory.mktemp("generated")
    torch.manual_seed(0)
    network = FeatureClassifier(params.load_scale("nano").evaluation.classifier.channels, 10)
    save_tensors(folder / "classifier.pt", network.state_dict())
    files = {
        "classifier": folder / "classifier.pt",
        "features": folder / "f.npy",
        "inception_features": folder / "none",
    }
    extract_reference("nano", data=digits, **files, reference=folder / "reference.json", device=CPU)
    rng, real = np.random.default_rng(0), np.load(digits / "train_images.npy")
    np.save(folder / "samples.npy", real[:100])
    noise = rng.integers(0, 256, (2, 50, 32, 32, 3), np.uint8)
    np.save(folder / "snapshots.npy", np.stack([noise[0], noise[1] // 2, real[:50]]))
    write_sealed(folder / "samples.npy.json", {}, files=[folder / "samples.npy", folder / "snapshots.npy"])
    (folder / "generator-002.pt").write_bytes(b"the last good generator")
    return folder


FINISHED = {"key": "an/seed-0@0123456789abcdef", "status": "finished", "step": 2, "reason": None, "attention": {}}


def evaluated(training: dict, digits, generated, folder, features=None) -> dict:
    """The result of evaluating what a training is said to have made."""
    write_sealed(folder / "training.json", training, {"seconds": 1.0}, [generated / "generator-002.pt"])
    reference = {"data": digits, "classifier": generated / "classifier.pt", "features": features or generated / "f.npy"}
    reference["inception_features"] = folder / "inception.npy"
    made = {"checkpoints": generated, "training": folder / "training.json"}
    made |= {"images": generated / "samples.npy", "snapshot_images": generated / "snapshots.npy"}
    files = {"averaged_images": folder / "none", "metrics": folder / "m.json", "classes": folder / "c.csv"}
    evaluate_row("an", "nano", 0, **reference, **made, **files, device=CPU)
    return json.loads((folder / "m.json").read_text())


@pytest.mark.parametrize(
    ("status", "step", "steps"),
    [("finished", 2, [0, 1, 2]), ("diverged", 1, [0, 1]), ("diverged", 0, [0])],
)
def test_a_result_carries_its_training_and_its_curve_ends_where_that_diverged(
    digits, generated, tmp_path, status, step, steps
):
    training = {"key": "an/seed-0@0123456789abcdef", "status": status, "step": step, "reason": None}
    training["attention"] = {"generator_layout_information": 0.5}
    result = evaluated(training, digits, generated, tmp_path)
    assert [point["step"] for point in result["curve"]] == steps
    reached = [point["step"] for point in result["curve"] if point["fid"] <= result["protocol"]["converged_fid"]]
    assert result["metrics"]["iterations"] == (reached[0] if reached else None)
    nearest = min(result["curve"], key=lambda point: point["fid_first_half"])
    assert result["metrics"]["iterations_best"] == nearest["step"] == steps[-1]
    assert result["metrics"]["fid_best"] == nearest["fid_second_half"] == result["metrics"]["fid_last"]
    assert result["made"]["training"] == {"seconds": 1.0}
    assert result["training"] == training and result["metrics"]["generator_layout_information"] == 0.5
    assert result["provenance"]["checkpoint"] == str(generated / "generator-002.pt")
    assert result["provenance"]["checkpoint_sha256"] == sha256(generated / "generator-002.pt")


def test_an_extractor_without_logits_gives_no_inception_score(digits, generated, tmp_path, monkeypatch):
    with_logits = evaluated(FINISHED, digits, generated, tmp_path)

    def without(*given) -> Extractor:
        extractor = scale_extractor(*given)
        return replace(extractor, name="features", forward=lambda images: (extractor.forward(images)[0], None))

    monkeypatch.setattr("an.evaluation.reference.scale_extractor", without)
    monkeypatch.setattr("an.evaluation.generation.scale_extractor", without)
    files = {"features": tmp_path / "f.npy", "reference": tmp_path / "reference.json"}
    files["inception_features"] = tmp_path / "none"
    extract_reference("nano", data=digits, classifier=generated / "classifier.pt", **files, device=CPU)
    assert json.loads((tmp_path / "reference.json").read_text())["heldout_as_generated"].keys() == {"fid", "intra_fid"}
    result = evaluated(FINISHED, digits, generated, tmp_path, tmp_path / "f.npy")
    lacking = {"inception_score", "inception_score_1_split", "label_accuracy"}
    expected = {name: value for name, value in with_logits["metrics"].items() if name not in lacking}
    assert result["metrics"] == expected | {"label_accuracy": None}
    told = {"extractor": "features", "inception_score_splits": None}
    assert result["protocol"] == with_logits["protocol"] | told


@pytest.mark.slow
def test_inception_beside_the_classifier(digits, generated, tmp_path, monkeypatch, weights, small):
    alone = evaluated(FINISHED, digits, generated, tmp_path)
    nano = params.load_scale("nano").model_dump()
    nano["evaluation"] |= {"inception": {"samples": 40, "reference": 60}, "inception_weights": str(weights)}
    scale = params.Scale.model_validate(nano)
    monkeypatch.setattr(params, "load_scale", lambda name: scale)
    files = {"features": tmp_path / "f.npy", "inception_features": tmp_path / "inception.npy"}
    floor = tmp_path / "reference.json"
    extract_reference("nano", data=digits, classifier=generated / "classifier.pt", **files, reference=floor, device=CPU)
    result = evaluated(FINISHED, digits, generated, tmp_path)
    assert {name: result["metrics"][name] for name in alone["metrics"]} == alone["metrics"], "as without it"
    real = np.load(tmp_path / "inception.npy")
    seen, _ = extract(inception_extractor(weights, CPU), np.load(generated / "samples.npy")[:40], 50, "test")
    assert real.shape == (60, 2048) and result["metrics"]["fid_inception"] == pytest.approx(
        frechet_distance(seen, real)
    )
    assert result["metrics"].keys() - alone["metrics"].keys() == {
        f"{name}_inception" for name in ("fid", "kid", "kid_sd", "precision", "recall", "density", "coverage")
    }
    told = result["protocol"].pop("inception")
    assert result["protocol"] == alone["protocol"]
    assert (told["extractor"], told["generated"], told["kid"]) == (
        "inception-2015",
        40,
        "unbiased, cubic kernel, 100 subsets of 40",
    )
    heldout = json.loads(floor.read_text())["heldout_as_generated"]
    assert heldout["inception_samples"] == 40 and 0 < heldout["fid_inception"] < result["metrics"]["fid_inception"] * 10
    (tmp_path / "inception.npy").write_bytes(b"")
    with pytest.raises(UserError, match=r"inception\.npy was changed after it was made"):
        evaluated(FINISHED, digits, generated, tmp_path)
