"""Peak memory of FID over 20,000 and over 200,000 streamed features.

    python benchmarks/memory.py

Each count runs in a process of its own; the peak is the largest resident set the system saw of it.
"""

import resource
import subprocess
import sys

import numpy as np
from common import machine, report

from an.metrics.frechet import CPU, Moments, frechet_from_moments

D, BATCH, COUNTS = 2048, 100, (20_000, 200_000)


def stream(count: int) -> Moments:
    rng, out = np.random.default_rng(count), Moments(D, CPU)
    for _ in range(0, count, BATCH):
        out.add(rng.standard_normal((BATCH, D), dtype=np.float32))
    return out


def main() -> None:
    if len(sys.argv) == 2:
        frechet_from_moments(stream(int(sys.argv[1])), stream(BATCH + D))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    where, lines = machine(), list[dict]()
    for count in COUNTS:
        done = subprocess.run([sys.executable, __file__, str(count)], capture_output=True, text=True, check=True)
        lines.append({"features": count, "peak_mb": int(done.stdout) / 1024})
    lines.append({"features": "ratio", "peak_mb": lines[1]["peak_mb"] / lines[0]["peak_mb"]})
    report("memory", lines, {"dimensions": D, "batch": BATCH}, where)


if __name__ == "__main__":
    main()
