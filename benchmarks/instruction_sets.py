"""What the processor's instructions do to a result: the smoke scale's weights and scores under several settings.

    python benchmarks/instruction_sets.py [--rows ROW ...] [--repeats 3]

Needs the smoke scale's data, classifier and reference (`make reproduce` makes them). "fixed" is what the command line
sets (an/processor.py), "free" is each library's own choice on this processor, "narrow" is without vector instructions
in torch and with SSE4.1 in oneDNN, as a stand-in for another kind of processor. Settings take turns; one thread; times
are CPU seconds of the whole training process, medians.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import ROOT, machine, report

from an.files import sha256
from an.layout import snapshot_name
from an.params import load_scale
from an.processor import AVX2

NARROW = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"}
FREE = "import sys, an.processor as p; p.AVX2 = {}; from an.__main__ import main; sys.exit(main(sys.argv[1:]))"
SETTINGS = {"fixed": (["-m", "an"], {}), "free": (["-c", FREE], {}), "narrow": (["-m", "an"], NARROW)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=["sngan-star", "an"])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    lines, where = [], machine()
    for row in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            folders = {name: Path(folder, name) for name in SETTINGS}
            for folder in folders.values():
                folder.mkdir()
            seconds: dict[str, list[float]] = {name: [] for name in SETTINGS}
            for _ in range(options.repeats):
                for name, out in folders.items():
                    seconds[name].append(train(row, name, out))
            for name, out in folders.items():
                lines.append(
                    {"row": row, "setting": name, "seconds": statistics.median(seconds[name]), **score(row, name, out)}
                )
    report("instruction_sets", lines, {"scale": "smoke", "seed": 0, "repeats": options.repeats}, where)


def train(row: str, setting: str, out: Path) -> float:
    """Train at smoke with seed 0; CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    files = ["--checkpoints", out, "--events", out / "events.jsonl", "--training", out / "training.json"]
    run(setting, "train", "--row", row, "--seed", 0, "--data", data(), *files, "--scratch", out / "scratch")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def score(row: str, setting: str, out: Path) -> dict:
    """Generate and evaluate; the weights' checksum and the scores."""
    about = ["--row", row, "--seed", 0, "--data", data(), "--checkpoints", out]
    images = ["--images", out / "samples.npy", "--snapshot-images", out / "snapshots.npy"]
    run(setting, "generate", *about, *images)
    extractor = ["--classifier", "checkpoints/smoke/classifier.pt"]
    extractor += ["--features", "data/reference/smoke/train_features.npy", "--training", str(out / "training.json")]
    run(setting, "evaluate-row", *about, *images, *extractor, "--metrics", out / "m.json", "--classes", out / "c.csv")
    metrics = json.loads((out / "m.json").read_text())["metrics"]
    weights = sha256(out / snapshot_name(load_scale("smoke").snapshots))[:12]
    return {"weights": weights, **{name: metrics[name] for name in ("fid", "intra_fid", "inception_score")}}


def run(setting: str, verb: str, *arguments) -> None:
    program, settings = SETTINGS[setting]
    without = {name: value for name, value in os.environ.items() if name not in AVX2}
    command = [sys.executable, *program, verb, "--scale", "smoke", *map(str, arguments), "--gpus", "0"]
    subprocess.run(command, cwd=ROOT, env={**without, **settings, "OMP_NUM_THREADS": "1"}, check=True)


def data() -> str:
    return load_scale("smoke").data_folder


if __name__ == "__main__":
    main()
