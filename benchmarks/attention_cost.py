"""Table 5 of the paper, over more modules: time and memory of attentive normalization and of what it replaces.

    python benchmarks/attention_cost.py [--longest SECONDS]

N = 1, C = 32, n = 16; one thread and process CPU time on the CPU, events on a GPU. Modules take turns within a size
and the median counts; what takes over three seconds is timed once, and what is foretold to take over --longest is left
out. Memory is the most bytes of tensors that lived at once, beyond the input and the parameters, in units of the input.
"""

import argparse
import math
import os
import statistics
import time

import torch
import torch.nn.functional as F
from common import ROOT, machine, report
from live_bytes import LiveBytes
from torch import Tensor, nn

from an.devices import keep_freed_memory
from an.layers import AttentiveNorm2d, SelfAttention2d
from an.models import build

SIZES: tuple[int, ...] = (128, 256, 512, 1024)
CHANNELS, REGIONS = 32, 16
ROUNDS, ONCE = 7, 3.0  # turns of each module; seconds from which one turn must do
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class NaiveAttentiveNorm2d(AttentiveNorm2d):
    """Equation 5 as it is written, with maps of n*C*H*W elements."""

    def forward(self, x: Tensor) -> Tensor:
        assert self.value is not None
        s, v = self.soft_layout(x)[:, :, None], self.value(x)[:, None].to(torch.float32)
        mass = s.sum((3, 4), keepdim=True)
        mean = (s * v).sum((3, 4), keepdim=True) / mass
        std = ((s * (v - mean).square()).sum((3, 4), keepdim=True) / mass).sqrt()
        beta, alpha = self.beta[..., None, None], self.alpha[..., None, None]
        return (x + self.rho * (s * (beta * (v - mean) / (std + self.eps) + alpha)).sum(1)).to(x.dtype)


class FusedSelfAttention2d(SelfAttention2d):
    """The same numbers by scaled_dot_product_attention, which never holds the attention matrix.

    It does so only where queries, keys and values have as many channels and a unit stride between them.
    """

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.theta(x), self.phi(x), self.g(x)
        if self.pool:
            key, value = F.max_pool2d(key, 2), F.max_pool2d(value, 2)
        query, key, value = (t.flatten(2).mT[:, None] for t in (query, key, value))
        wider = (0, value.shape[3] - query.shape[3])
        query, key = F.pad(query, wider).contiguous(), F.pad(key, wider).contiguous()
        mixed = F.scaled_dot_product_attention(query, key, value.contiguous(), scale=1.0)
        return x + self.gamma * self.o(mixed[:, 0].mT.unflatten(2, x.shape[2:]))


class Copy(nn.Module):
    """One read and one write of the map."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clone()


def modules(dtype: torch.dtype, training: bool) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    made = {
        "copy": Copy(),
        "instance norm": nn.InstanceNorm2d(CHANNELS),
        "AN": AttentiveNorm2d(CHANNELS, REGIONS),
        "AN naive": NaiveAttentiveNorm2d(CHANNELS, REGIONS),
        "self-attention pooled": FusedSelfAttention2d(CHANNELS),
        "self-attention unpooled": FusedSelfAttention2d(CHANNELS, pool=False),
    }
    for module in made.values():
        for name, parameter in module.named_parameters():
            if name in ("rho", "gamma"):
                nn.init.constant_(parameter, 0.5)
        module.to(DEVICE, dtype).train(training)
    return made


def check() -> None:
    """The alternatives compute what the layers do."""
    made, x = modules(torch.float32, False), torch.randn(1, CHANNELS, 32, 32, device=DEVICE)
    plain = SelfAttention2d(CHANNELS).to(DEVICE)
    plain.load_state_dict(made["self-attention pooled"].state_dict())
    torch.testing.assert_close(made["self-attention pooled"](x), plain(x), rtol=1e-4, atol=1e-4)
    made["AN naive"].load_state_dict(made["AN"].state_dict())
    torch.testing.assert_close(made["AN naive"](x), made["AN"](x), rtol=1e-4, atol=1e-4)


def run(module: nn.Module, x: Tensor) -> None:
    """Forward, and backward where the input wants a gradient."""
    if x.requires_grad:
        x.grad = None
        module(x).backward(torch.ones_like(x))
    else:
        with torch.no_grad():
            module(x)


def seconds(action, *arguments) -> float:
    """Of one call."""
    if DEVICE.type == "cpu":
        start = time.process_time()
        action(*arguments)
        return time.process_time() - start
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    action(*arguments)
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3


def free_bytes() -> int:
    """Memory of the device that nothing uses."""
    if DEVICE.type == "cuda":
        return torch.cuda.mem_get_info(DEVICE)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def compare(dtype: torch.dtype, training: bool, longest: float) -> list[dict]:
    """One line per module and size that fits the machine and the patience."""
    lines, before = [], dict[str, float]()
    for size in SIZES:
        x = torch.randn(1, CHANNELS, size, size, device=DEVICE, dtype=dtype).requires_grad_(training)
        entries, turns = {}, []
        for name, module in modules(dtype, training).items():
            foretold = before.get(name, 0) * (16 if "self-attention" in name else 4)
            needed = (12 if training else 4) * REGIONS * x.numel() * 4 if name == "AN naive" else 0
            if foretold > longest or needed > free_bytes():
                before[name] = math.inf
                continue
            with LiveBytes(x, *module.parameters()) as memory:
                first = seconds(run, module, x)
            entries[name] = {"memory": memory.peak / (x.numel() * x.element_size()), "seconds": []}
            turns.append((name, module, 1 if first > ONCE else ROUNDS))
        for turn in range(ROUNDS):
            for name, module, runs in turns:
                if turn < runs:
                    entries[name]["seconds"].append(seconds(run, module, x))
        for name, entry in entries.items():
            before[name] = statistics.median(entry["seconds"])
            where = {"mode": "training" if training else "eval", "dtype": str(dtype).removeprefix("torch.")}
            taken = {"milliseconds": 1e3 * before[name], "runs": len(entry["seconds"]), "memory": entry["memory"]}
            lines.append(where | {"size": size, "module": name} | taken)
            print(*lines[-1].values(), sep="\t", flush=True)
    return lines


def share_of_a_step() -> float:
    """The layer, forward and backward, in a generator training step of SN-GAN at ImageNet 128, batch 2."""
    generator, discriminator = build("sngan", "paper", 1000)
    generator.to(DEVICE), discriminator.to(DEVICE)
    layer = AttentiveNorm2d(256, REGIONS).to(DEVICE)
    labels, x = torch.tensor([1, 2], device=DEVICE), torch.randn(2, 256, 32, 32, device=DEVICE, requires_grad=True)

    def step() -> None:
        images = generator(torch.randn(2, generator.latent, device=DEVICE), labels)
        (-discriminator(images, labels)[0].mean()).backward()

    step()
    run(layer, x)
    turns = [(seconds(run, layer, x), seconds(step)) for _ in range(5)]
    part, whole = (statistics.median(taken) for taken in zip(*turns, strict=True))
    return part / whole


def ratios(lines: list[dict]) -> list[dict]:
    """What is claimed, beside what was measured; in float32 evaluation where nothing else is said."""
    found = {(e["mode"], e["dtype"], e["module"], e["size"]): e for e in lines}

    def of(above: str, below: str, size: int, kind: str = "milliseconds") -> float | None:
        one, other = (found.get(("eval", "float32", name, size)) for name in (above, below))
        return one[kind] / other[kind] if one and other else None

    claims: list[tuple[str, float | None, str | None]] = []
    for size, bound in ((128, "20"), (256, "60"), (512, "150")):
        claims.append((f"pooled self-attention / AN, {size}", of("self-attention pooled", "AN", size), f">= {bound}"))
    for size in SIZES:
        claims.append((f"unpooled self-attention / AN, {size}", of("self-attention unpooled", "AN", size), None))
        claims.append((f"AN naive / AN, {size}", of("AN naive", "AN", size), ">= 5"))
        claims.append((f"AN / instance norm, {size}", of("AN", "instance norm", size), "<= 6"))
        copies = of("AN", "copy", size)
        claims.append((f"AN / floor of 2 reads and 1 write, {size}", copies and copies / 1.5, None))
        claims.append((f"AN naive / AN, memory, {size}", of("AN naive", "AN", size, "memory"), None))
    growth = [found["eval", "float32", "AN", size]["milliseconds"] for size in (512, 1024)]
    claims.append(("AN, 1024 / AN, 512", growth[1] / growth[0], "<= 5"))
    claims.append(("AN / step of SN-GAN 128", share_of_a_step(), "<= 0.03"))
    return [{"ratio": name, "measured": value, "wanted": wanted} for name, value, wanted in claims if value is not None]


def plot(lines: list[dict]) -> list[dict]:
    """Time against pixels on logarithmic axes, with the exponents fitted; returns them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    exponents = []
    for name in dict.fromkeys(line["module"] for line in lines):
        of_it = [e for e in lines if (e["mode"], e["dtype"], e["module"]) == ("eval", "float32", name)]
        pixels, times = [e["size"] ** 2 for e in of_it], [e["milliseconds"] for e in of_it]
        label = name
        if len(of_it) > 1:
            logs = [[math.log(v) for v in values] for values in (pixels, times)]
            slope = statistics.linear_regression(*logs).slope
            exponents.append({"module": name, "exponent of H*W": slope})
            label = f"{name}, $(HW)^{{{slope:.2f}}}$"
        axes.loglog(pixels, times, "o-", label=label)
    axes.set_xticks([s**2 for s in SIZES], [f"{s}²" for s in SIZES])
    axes.minorticks_off()
    axes.set(xlabel="pixels", ylabel="milliseconds", title=f"Evaluation, float32, N = 1, C = {CHANNELS}")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    figure.savefig(ROOT / "benchmarks/results/attention_cost.png", dpi=150)
    return exponents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--longest", type=float, default=60, help="seconds that one run may take")
    longest = parser.parse_args().longest
    keep_freed_memory()
    torch.set_num_threads(1)
    where = machine()
    check()
    lines = []
    for dtype in (torch.float32, torch.bfloat16):
        for training in (False, True):
            lines += compare(dtype, training, longest)
    exponents, claims = plot(lines), ratios(lines)
    about = {"channels": CHANNELS, "regions": REGIONS, "exponents": exponents, "ratios": claims}
    report("attention_cost", lines, about, where)
    for line in (*exponents, *claims):
        print(*(f"{v:.4g}" if isinstance(v, float) else v for v in line.values() if v is not None), sep="\t")


if __name__ == "__main__":
    main()
