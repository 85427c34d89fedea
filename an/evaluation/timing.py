"""Inference time of the attention modules (table 5)."""

import statistics
import time
from pathlib import Path

import psutil
import torch
from torch import nn

from .. import params, provenance
from ..layers import AttentiveNorm2d, SelfAttention2d
from ..progress import progress
from ..seals import write_sealed

FLOAT = 4  # bytes


def attentive_norm_bytes(channels: int, regions: int, size: int) -> int:
    """Peak bytes of AttentiveNorm2d at inference: a few maps of C and of n channels."""
    return FLOAT * size**2 * (5 * channels + 3 * regions)


def self_attention_bytes(channels: int, size: int, pool: bool) -> int:
    """Peak bytes of SelfAttention2d at inference: the logits and their softmax, ``[H*W, keys]`` each."""
    pixels = size**2
    return FLOAT * (2 * pixels * (pixels // 4 if pool else pixels) + 4 * pixels * channels)


def time_modules(scale_name: str, out: str | Path, device: torch.device) -> None:
    """Time every module at every size of the scale; write medians, quartiles and predicted memory."""
    settings = params.load_scale(scale_name).timing
    c, n = settings.channels, settings.regions
    modules = {
        "attentive_norm": (AttentiveNorm2d(c, n), lambda size: attentive_norm_bytes(c, n, size)),
        "self_attention": (SelfAttention2d(c), lambda size: self_attention_bytes(c, size, True)),
        "self_attention_unpooled": (SelfAttention2d(c, pool=False), lambda size: self_attention_bytes(c, size, False)),
    }
    limit = min(settings.memory_gb * 1e9, 0.8 * available_bytes(device))
    results: dict[str, list[dict]] = {}
    for name, (module, predict) in modules.items():
        module.to(device).eval()
        results[name] = []
        for size in progress(settings.sizes, name):
            entry = {"size": size, "predicted_bytes": predict(size), "median_ms": None}
            if entry["predicted_bytes"] <= limit:
                x = torch.randn(1, c, size, size, device=device)
                entry |= measure(module, x, settings.repeats)
            results[name].append(entry)
    clock = "CUDA events" if device.type == "cuda" else "process CPU time"
    protocol = {"batch": 1, "channels": c, "regions": n, "dtype": "float32", "clock": clock}
    measured = {"limit_bytes": limit, "modules": results}  # all of it depends on the machine
    write_sealed(out, {"protocol": protocol}, {**provenance.made(device), **measured})


@torch.inference_mode()
def measure(module: nn.Module, x: torch.Tensor, repeats: int) -> dict:
    """Median and quartiles, in milliseconds, of single forward passes after a warm-up."""
    module(x)
    times = [_once(module, x) for _ in range(max(repeats, 2))]
    first, median, third = statistics.quantiles(times, n=4)
    return {"median_ms": median, "first_quartile_ms": first, "third_quartile_ms": third, "repeats": len(times)}


def _once(module: nn.Module, x: torch.Tensor) -> float:
    if x.device.type != "cuda":
        start = time.process_time()
        module(x)
        return 1e3 * (time.process_time() - start)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    module(x)
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)


def available_bytes(device: torch.device) -> int:
    """Memory a module may take: the device's, or what this machine and this process's control group have left."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    available = psutil.virtual_memory().available
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and limit.read_text().strip() != "max":
        available = min(available, int(limit.read_text()) - int(used.read_text()))
    return available
