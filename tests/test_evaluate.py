"""``an evaluate`` against torch-fidelity, its files, and its answers to bad input."""

import json

import numpy as np
import pytest
import torch
from conftest import example
from pictures import pictures, save
from PIL import Image
from scipy.spatial.distance import cdist

from an.errors import UserError
from an.evaluation import folders as evaluation
from an.evaluation.extraction import Extractor, extract
from an.evaluation.folders import evaluate
from an.evaluation.images import open_images
from an.evaluation.inception import inception_extractor
from an.evaluation.reference import open_reference, source
from an.metrics.frechet import frechet_distance
from an.metrics.intra import intra_means, intra_protocols, per_class
from an.seals import write_sealed

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return [save(root / name, *pictures(24, seed, 10 * seed)[:1]) for name, seed in (("samples", 1), ("real", 2))]


def members(x: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    """How many x lie within a y's distance to its third neighbour, and of how many float32 cannot tell.

    Squared distances are sums of 2,048 products of both sides' sizes, off by sqrt(2048) roundings of 2^-24 each.
    """
    x, y = x.astype(float), y.astype(float)
    squares = cdist(y, y, "sqeuclidean")
    sizes = np.square(x).sum(1)[:, None] + np.square(y).sum(1)
    rounding = 4 * 2048**0.5 * 2**-24 * (sizes + 2 * np.square(y).sum(1).max())
    beyond = cdist(x, y, "sqeuclidean") - np.sort(squares, 1)[:, 3]
    inside, possible = (beyond < -rounding).any(1), (beyond <= rounding).any(1)
    return int(inside.sum()), int((possible & ~inside).sum())


@pytest.mark.long
def test_all_metrics_are_torch_fidelity_s_on_300_images(tmp_path, weights, small, capsys, monkeypatch):
    import torch_fidelity

    (x, _), (y, _) = pictures(320, 0, 12), pictures(310, 1, 3)
    save(tmp_path / "real", y)
    np.save(tmp_path / "samples.npy", x)
    save(tmp_path / "samples", x)
    theirs = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "samples"),
        input2=str(tmp_path / "real"),
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(weights),
        **dict.fromkeys(("fid", "isc", "kid", "prc", "save_cpu_ram"), True),
        **dict.fromkeys(("cuda", "cache", "verbose", "samples_shuffle"), False),
        kid_subset_size=310,
        kid_subsets=10,
        batch_size=64,
    )
    monkeypatch.setattr("an.metrics.kernel.SUBSETS", 10)
    kept, measure = [], evaluation._measure

    def keep(features, *sides, real_features, **given):
        kept.extend([features[:], real_features[:]])
        return measure(features, *sides, real_features=real_features, **given)

    monkeypatch.setattr(evaluation, "_measure", keep)
    paths = (tmp_path / "samples.npy", tmp_path / "real")
    result = evaluate(*paths, json=tmp_path / "out/metrics.json", device=CPU, weights=weights)
    ours = result["metrics"]
    assert ours["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-5)
    assert ours["inception_score"] == pytest.approx(theirs["inception_score_mean"], rel=1e-5)
    # torch-fidelity has float32 kernels: inner products of 2,048 features, each off by sqrt(2048) roundings of 2^-24
    # (how they add up is the processor's), cubed, at least 1 in size; the distance is a sum of four of their means.
    assert ours["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], abs=4 * 3 * 2048**0.5 * 2**-24)
    for name, sides in (("precision", kept), ("recall", kept[::-1])):
        inside, open_ = members(*sides)
        assert inside <= ours[name] * len(sides[0]) + 1e-6 and ours[name] * len(sides[0]) <= inside + open_ + 1e-6
        assert abs(ours[name] - theirs[name]) * len(sides[0]) <= open_ + 1e-3  # they print the share in float32
    assert 0 < ours["precision"] < 1 and ours["inception_score"] > 1

    assert json.loads((tmp_path / "out/metrics.json").read_text()) == result
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["metrics.json"]
    assert result["fid_by_count"][-1] == {"samples": 320, "fid": ours["fid"]}
    assert ours["fid_infinity"] < ours["fid"] < result["fid_by_count"][0]["fid"]
    printed = capsys.readouterr().out
    assert all(name in printed for name in ours)


def test_features_are_the_port_s_at_full_size(weights):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    images, _ = pictures(5, 3, 5)
    port = FeatureExtractorInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(weights))
    with torch.no_grad():
        theirs = port(torch.from_numpy(images).permute(0, 3, 1, 2))
    extractor = inception_extractor(weights, CPU)
    assert extractor.resize == "TensorFlow 1 bilinear to 299"
    for ours, their in zip(extract(extractor, images, 3, "test"), theirs, strict=True):
        assert ours.shape == their.shape
        assert abs(ours - their.numpy()).max() < 1e-5 * their.abs().max()


def test_batch_size_changes_features_by_rounding_alone(weights, small):
    images, _ = pictures(40, 4, 5)
    extractor = inception_extractor(weights, CPU)
    first, second, third = (extract(extractor, images, batch, "test")[0] for batch in (40, 7, 1))
    for other in (second, third):
        assert abs(first - other).max() < 1e-4 * abs(first).max()
    assert frechet_distance(first, second) < 1e-6 * first.var(0).sum()


def test_features_go_to_a_memory_mapped_file(tmp_path):
    mean = Extractor("mean", lambda a: (torch.from_numpy(a).double().mean((1, 2)).float(),) * 2, "", "none")
    images, _ = pictures(20, 5, 5)
    features, logits = extract(mean, images, 6, "test", file=tmp_path / "kept.npy")
    assert isinstance(features, np.memmap) and features.shape == logits.shape == (20, 3)
    np.testing.assert_array_equal(features, extract(mean, images, 20, "test")[0])


def test_class_folders_and_label_files_give_intra_fid(tmp_path, weights, small):
    (x, x_labels), (y, y_labels) = pictures(40, 6, 5), pictures(50, 7, 5)
    x_labels, y_labels = np.sort(x_labels % 2), np.sort(y_labels % 2)
    save(tmp_path / "x", x, x_labels), save(tmp_path / "y", y, y_labels)
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "labels.txt").write_text("\n".join(map(str, x_labels)))
    by_folder = evaluate(tmp_path / "x", tmp_path / "y", json=tmp_path / "a.json", device=CPU, weights=weights)
    by_file = evaluate(
        tmp_path / "x.npy",
        tmp_path / "y",
        json=tmp_path / "b.json",
        device=CPU,
        labels=tmp_path / "labels.txt",
        weights=weights,
    )
    assert by_folder["metrics"] == by_file["metrics"]
    assert [line["real"] for line in by_file["classes"]] == np.bincount(y_labels).tolist()
    assert by_file["metrics"]["intra_fid"] == pytest.approx(np.mean([c["intra_fid"] for c in by_file["classes"]]))


def test_statistics_files_are_pytorch_fid_s(tmp_path, weights, small, folders):
    samples, real = folders
    file = tmp_path / "real.npz"
    whole = evaluate(samples, real, json=tmp_path / "a.json", device=CPU, weights=weights, save_reference=file)
    from_file = evaluate(samples, file, json=tmp_path / "b.json", device=CPU, weights=weights)
    assert from_file["metrics"]["fid"] == pytest.approx(whole["metrics"]["fid"], rel=1e-6)
    assert from_file["metrics"].keys() == {"fid", "fid_infinity", "inception_score", "inception_score_1_split"}
    assert from_file["protocol"]["reference_key"] == whole["protocol"]["reference_key"]
    with np.load(file) as arrays:
        mu, sigma = arrays["mu"], arrays["sigma"]
    features, _ = extract(inception_extractor(weights, CPU), open_images(real), 64, "test")
    np.testing.assert_allclose(sigma, np.cov(features.astype(float), rowvar=False), rtol=1e-6, atol=1e-12)
    np.savez(tmp_path / "theirs.npz", mu=mu, sigma=sigma)
    theirs = evaluate(samples, tmp_path / "theirs.npz", json=tmp_path / "c.json", device=CPU, weights=weights)
    assert theirs["metrics"]["fid"] == pytest.approx(whole["metrics"]["fid"], rel=1e-6)
    assert theirs["protocol"]["reference"] == "statistics without a count"


def test_changed_data_never_returns_an_old_number(tmp_path, weights, small, folders, monkeypatch):
    from an.evaluation import statistics

    made = []
    monkeypatch.setattr(statistics, "extract", lambda *a, **k: made.append(1) or extract(*a, **k))
    samples = folders[0]
    real = save(tmp_path / "real", pictures(24, 2, 20)[0])
    settings = {"json": tmp_path / "a.json", "device": CPU, "weights": weights, "cache": tmp_path / "cache"}
    run = lambda: evaluate(samples, real, **settings)  # noqa: E731
    first, again = run(), run()
    assert first["metrics"] == again["metrics"] and len(made) == 1
    Image.fromarray(255 - pictures(1, 9, 5)[0][0]).save(real / "00003.png")
    changed = run()
    assert len(made) == 2 and changed["metrics"]["fid"] != first["metrics"]["fid"]
    assert changed["protocol"]["reference_key"] != first["protocol"]["reference_key"]


def test_reference_features_are_refused_when_their_source_changed(tmp_path):
    file = tmp_path / "features.npy"
    np.save(file, np.zeros((4, 3), np.float32))
    protocol = {"extractor_sha256": "a", "batch": 64}
    write_sealed(tmp_path / "features.npy.json", source("data", protocol), files=[file])
    assert open_reference(file, "data", protocol).shape == (4, 3)
    with pytest.raises(UserError, match=r"features\.npy comes from another data_sha256: delete"):
        open_reference(file, "other data", protocol)
    with pytest.raises(UserError, match="another batch, extractor_sha256"):
        open_reference(file, "data", {"extractor_sha256": "b", "batch": 1})


def test_intra_fid_protocols():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(180, 4)), rng.normal(size=(140, 4)) + 1
    x_labels, y_labels = np.arange(180) % 2, np.arange(140) % 2
    lines = intra_protocols(x, x_labels, y, y_labels)
    assert lines["intra_fid"].tolist() == per_class(x, x_labels, y, y_labels)
    assert lines["intra_fid_50"][1] == frechet_distance(x[1::2][:50], y[1::2])
    assert lines["intra_fid_own_count"][0] == frechet_distance(x[::2][:70], y[::2])
    assert lines["intra_fid_real_halves"][0] == frechet_distance(y[::2][::2], y[::2][1::2])
    assert "intra_fid_5000" not in lines
    assert intra_means(lines).keys() == {"intra_fid_50", "intra_fid_own_count", "intra_fid_real_halves"}
    fewer = intra_protocols(x[:60], x_labels[:60], y, y_labels)
    assert set(fewer.columns) == {"class", "generated", "real", "intra_fid", "intra_fid_real_halves"}


def broken_image(tmp_path, real):
    (real / "00004.png").write_bytes((real / "00004.png").read_bytes()[:60])
    return {}, r"00004\.png is not a readable image .*: replace or remove it\.$"


def mixed_sizes(tmp_path, real):
    Image.new("RGB", (40, 32)).save(real / "00005.png")
    return {}, r"00005\.png has 40x32 pixels, 00000\.png 32x32: bring all images of .* to one size"


def too_few(tmp_path, real):
    for file in sorted(real.iterdir())[5:]:
        file.unlink()
    return {}, r"real has 5 image\(s\), the metrics need at least 10: add images\.$"


def no_images(tmp_path, real):
    for file in real.iterdir():
        file.unlink()
    return {}, r"real holds no images .*: name the folder that does\.$"


def one_of_a_class(tmp_path, real):
    for name, labels in (("x.txt", [0] * 12 + [1] * 12), ("y.txt", [0] * 23 + [1])):
        (tmp_path / name).write_text("\n".join(map(str, labels)))
    given = {"labels": tmp_path / "x.txt", "reference_labels": tmp_path / "y.txt"}
    return given, r"class 1 has 1 image\(s\) in .*y\.txt, .* 2 per class: add images of it\.$"


def wrong_label_count(tmp_path, real):
    (tmp_path / "x.txt").write_text("0\n1\n1\n")
    return {"labels": tmp_path / "x.txt"}, r"x\.txt has 3 labels for 24 images: give each image one"


def labels_that_are_none(tmp_path, real):
    (tmp_path / "x.txt").write_text("cat\ndog\n")
    return {"labels": tmp_path / "x.txt"}, r"x\.txt holds no labels .*: write one whole number a line"


def labels_without_classes(tmp_path, real):
    (tmp_path / "x.txt").write_text("\n".join("01" * 12))
    return {"labels": tmp_path / "x.txt"}, r"real has no classes for .*: use class folders or give --reference-labels"


def statistics_of_another_dimension(tmp_path, real):
    np.savez(tmp_path / "s.npz", mu=np.zeros(64), sigma=np.eye(64))
    return {"reference": tmp_path / "s.npz"}, r"s\.npz has mu \(64,\) .* 2048 features: use statistics of the same"


def statistics_not_finite(tmp_path, real):
    np.savez(tmp_path / "s.npz", mu=np.full(2048, np.nan), sigma=np.eye(2048))
    return {"reference": tmp_path / "s.npz"}, r"s\.npz holds numbers that are not finite: make the statistics again"


def statistics_of_another_extractor(tmp_path, real):
    made_from = json.dumps({"extractor_sha256": "0" * 64})
    np.savez(tmp_path / "s.npz", mu=np.zeros(2048), sigma=np.eye(2048), source=made_from)
    return {
        "reference": tmp_path / "s.npz"
    }, r"s\.npz was made with another extractor_sha256: make the statistics again"


def no_statistics(tmp_path, real):
    np.savez(tmp_path / "s.npz", mean=np.zeros(2048))
    return {"reference": tmp_path / "s.npz"}, r"s\.npz holds no statistics .*: save mu \[D\] and sigma"


def floats(tmp_path, real):
    np.save(tmp_path / "y.npy", np.zeros((20, 8, 8, 3)))
    return {"reference": tmp_path / "y.npy"}, r"y\.npy holds float64 .*: save uint8 \[N, H, W, 3\]\.$"


def not_finite(tmp_path, real):
    state = torch.load(tmp_path / "weights.pth")
    state["Mixed_7c.branch1x1.conv.weight"][0] = torch.nan
    torch.save(state, tmp_path / "nan.pth")
    return {
        "weights": tmp_path / "nan.pth"
    }, r"the extractor's features are not finite: check its weights and the images"


def other_weights(tmp_path, real):
    torch.save({"layer": torch.zeros(3)}, tmp_path / "w.pth")
    return {"weights": tmp_path / "w.pth"}, r"w\.pth does not hold torch-fidelity's Inception weights .*: download"


def missing_weights(tmp_path, real):
    return {"weights": tmp_path / "w.pth"}, r"w\.pth is missing: name the file of the weights, or leave"


def missing_samples(tmp_path, real):
    return {"samples": tmp_path / "nowhere"}, r"nowhere is missing: name a folder of images or an \.npy file"


BAD = [
    *(broken_image, mixed_sizes, too_few, no_images, one_of_a_class, wrong_label_count, labels_that_are_none),
    *(labels_without_classes, statistics_of_another_dimension, statistics_not_finite, statistics_of_another_extractor),
    *(no_statistics, floats, not_finite, other_weights, missing_weights, missing_samples),
]


@pytest.mark.parametrize("spoil", BAD, ids=lambda f: f.__name__)
def test_bad_input_is_one_sentence_that_names_file_and_remedy(spoil, tmp_path, weights, small, called):
    import re

    real = save(tmp_path / "real", pictures(24, 2, 20)[0])
    samples = save(tmp_path / "samples", pictures(24, 1, 20)[0])
    (tmp_path / "weights.pth").symlink_to(weights)
    changes, message = spoil(tmp_path, real)
    given = {"samples": samples, "reference": real, "json": tmp_path / "out.json", "weights": weights, **changes}
    done = called("evaluate", *(f"--{k.replace('_', '-')}={v}" for k, v in given.items()))
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert done.returncode == 1 and len(errors) == 1 and re.search(message, errors[0]), errors
    assert not (tmp_path / "out.json").exists() and not list(tmp_path.glob(".features-*"))


def test_weights_are_checked_against_the_sha256_a_scale_names(weights):
    with pytest.raises(UserError, match=r"weights\.pth has sha256 .*, not 0000.*: use the weights"):
        inception_extractor(weights, CPU, "0" * 64)


@pytest.mark.long
def test_the_example_of_two_folders(weights):
    said = example("two_folders.py", "--weights", weights)
    assert {"fid", "kid", "inception_score", "precision"} <= {line.split()[0] for line in said.splitlines()}
