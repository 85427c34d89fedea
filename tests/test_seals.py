"""Results vouch for themselves: whatever was changed after it was made is refused by the next who reads it."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from an.__main__ import main
from an.errors import UserError
from an.reporting.commands import command, record
from an.seals import read_sealed, write_sealed

pytestmark = pytest.mark.slow

# What is changed, and what is then made of it again, both of nano scale.
READERS = {
    "data/digits-32/manifest.json": "results/nano/an/seed-0/training.json",
    "data/digits-32/train_images.npy": "results/nano/an/seed-0/training.json",
    "data/digits-32/heldout_labels.npy": "results/nano/reference.json",
    "data/photographs-32/manifest.json": "results/nano/ca/seed-0/metrics.json",
    "data/photographs-32/heldout_mask.npy": "results/nano/ca/seed-0/metrics.json",
    "data/reference/nano/train_features.npy": "results/nano/an/seed-0/metrics.json",
    "data/reference/nano/train_features.npy.json": "results/nano/an/seed-0/metrics.json",
    "checkpoints/nano/classifier.pt": "results/nano/an/seed-0/metrics.json",
    "checkpoints/nano/an/seed-0/generator-001.pt": "samples/nano/an/seed-0/samples.npy",
    "checkpoints/nano/an/seed-0/generator-002.pt": "results/nano/an/seed-0/metrics.json",
    "checkpoints/nano/ca/seed-0/generator.pt": "samples/nano/ca/seed-0/000.png",
    "checkpoints/nano/recall-an/seed-0/network.pt": "results/nano/recall-an/seed-0/metrics.json",
    "samples/nano/an/seed-0/samples.npy": "results/nano/an/seed-0/metrics.json",
    "samples/nano/an/seed-0/snapshots.npy": "results/nano/an/seed-0/metrics.json",
    "samples/nano/an/seed-0/samples.npy.json": "results/nano/an/seed-0/metrics.json",
    "samples/nano/ca/seed-0/001.png": "results/nano/ca/seed-0/metrics.json",
    "samples/nano/ca/seed-0/images.json": "results/nano/ca/seed-0/metrics.json",
    "samples/nano/controls/truth/000.png": "reports/nano/figure9.png",
    "results/nano/an/seed-0/training.json": "results/nano/an/seed-0/metrics.json",
    "results/nano/an/seed-0/metrics.json": "reports/nano/table1.md",
    "results/nano/an/seed-0/intra.json": "reports/nano/table1.md",
    "results/nano/an/seed-0/intra-table2.json": "reports/nano/table2.md",
    "results/nano/ca/seed-0/metrics.json": "reports/nano/table3.md",
    "results/nano/controls/biharmonic.json": "reports/nano/table3.md",
    "results/nano/recall-an/seed-0/metrics.json": "reports/nano/metrics.json",
    "results/nano/recall-an/seed-0/example.json": "reports/nano/figure10.png",
    "results/nano/reference.json": "reports/nano/table1.md",
    "results/nano/timing.json": "reports/nano/table5.md",
}


@pytest.fixture(scope="module")
def finished(reproduced, tmp_path_factory) -> Path:
    return Path(shutil.copytree(reproduced, tmp_path_factory.mktemp("sealed") / "project"))


def plant(file: Path) -> None:
    """Change one digit of a text's last number that is neither in its seal nor said of its making, or one byte."""
    if file.suffix not in (".json", ".csv"):
        content = bytearray(file.read_bytes())
        content[-1 - len(content) // 3] ^= 1
        file.write_bytes(content)
        return
    text = file.read_text()
    end = text.index('"made"') if '"made"' in text else len(text)
    place = max(text.rfind(digit, 0, end) for digit in "123456789")
    file.write_text(text[:place] + str(int(text[place]) % 9 + 1) + text[place + 1 :])


@pytest.mark.parametrize("planted", READERS)
def test_a_planted_change_is_refused_in_one_sentence(finished, monkeypatch, capfd, planted):
    monkeypatch.chdir(finished)
    target, file = Path(READERS[planted]), Path(planted)
    arguments = shlex.split(command(record(str(target))))[3:]
    before, kept = target.read_bytes(), file.read_bytes()
    plant(file)
    try:
        assert main(arguments) == 1
        said = capfd.readouterr().err.strip().splitlines()[-1]
        assert said.startswith("Error: ") and file.name in said and "Traceback" not in said
        assert target == file or target.read_bytes() == before, "nothing is made of it"
    finally:
        file.write_bytes(kept)


def test_planted_events_are_refused(finished, monkeypatch):
    from an.tracking.spools import read_spools

    monkeypatch.chdir(finished)
    file = Path("results/nano/an/seed-0/events.jsonl")
    kept = file.read_text()
    assert read_spools("nano")
    file.write_text(kept.replace('"step": 2', '"step": 3', 1))
    try:
        with pytest.raises(UserError, match=r"events\.jsonl was changed after it was made, says .*training\.json"):
            read_spools("nano")
    finally:
        file.write_text(kept)


@pytest.mark.parametrize(("row", "name"), [("an", "samples.npy"), ("ca", "001.png")])
def test_planted_samples_are_not_shown(finished, monkeypatch, row, name):
    from an.tracking.spools import sample_grid

    monkeypatch.chdir(finished)
    header, file = {"scale": "nano", "row": row, "seed": 0}, Path("samples/nano", row, "seed-0", name)
    kept = file.read_bytes()
    assert sample_grid(header)
    plant(file)
    try:
        with pytest.raises(UserError, match=rf"{name} was changed after it was made"):
            sample_grid(header)
    finally:
        file.write_bytes(kept)


def test_what_was_written_comes_back_and_says_what_is_equal(tmp_path):
    content = {"number": 0.1 + 0.2, "by_class": {1: np.float64(0.5), 10: 2}, "pair": (1, 2)}
    write_sealed(tmp_path / "a.json", content, {"seconds": 1.5})
    write_sealed(tmp_path / "b.json", content, {"seconds": 2.5})
    a, b = (read_sealed(tmp_path / name) for name in ("a.json", "b.json"))
    assert a["number"] == 0.1 + 0.2 and a["by_class"] == {"1": 0.5, "10": 2} and a["pair"] == [1, 2]
    assert a.pop("made") == {"seconds": 1.5} and b.pop("made") == {"seconds": 2.5} and a == b
    seals = [json.loads((tmp_path / name).read_text())["seal"] for name in ("a.json", "b.json")]
    assert seals[0]["content"] == seals[1]["content"] and seals[0]["made"] != seals[1]["made"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", '{"number": 1}', "\x00"])
def test_what_is_no_result_is_one_sentence(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json (cannot be read|is not a result|was changed)"):
        read_sealed(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"b\.json is missing"):
        read_sealed(tmp_path / "b.json")


def test_what_is_said_of_the_making_is_sealed_too(tmp_path):
    write_sealed(tmp_path / "a.json", {"number": 1}, {"commit": "abc"})
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "a.json").write_text(text.replace("abc", "abd"))
    with pytest.raises(UserError, match="was changed"):
        read_sealed(tmp_path / "a.json")
