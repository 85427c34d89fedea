"""The CUDA kernels: their arithmetic in Triton's interpreter, and on a GPU, where there is one, themselves."""

import copy
import json
import os
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from an.layers import AttentiveNorm2d

pytest.importorskip("triton")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


@pytest.mark.long
def test_the_kernels_arithmetic_is_the_default_path_s():
    # Triton reads the variable when it is imported, hence another process.
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "tests/attentive_norm_kernels.py"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *results, check = [json.loads(line) for line in done.stdout.splitlines()]
    assert check == {"agree": True, "a wrong kernel is noticed": True}
    assert len(results) == 5
    for result in results:
        *moments, output = result["errors"]
        # At a mean of 30 the logits are rounded to about 1e-6.
        assert max(moments) < 5e-6 and output < (5e-3 if result["dtype"] == "torch.bfloat16" else 1e-6), result
        assert result["same_form"], result


@needs_cuda
@pytest.mark.parametrize("channels", [8, 32, 256])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_on_cuda_output_and_gradients_are_the_cpu_s(channels, dtype, memory_format):
    torch.manual_seed(0)
    layer = AttentiveNorm2d(channels, 16, self_sampling=False)
    torch.nn.init.constant_(layer.rho, 0.5)
    x = (torch.randn(2, channels, 33, 47) + 3).to(dtype).contiguous(memory_format=memory_format)
    weight = torch.randn(x.shape).to(dtype)
    results = []
    for device, module in (("cuda", copy.deepcopy(layer).cuda()), ("cpu", layer)):
        given = x.to(device).requires_grad_()
        y = module(given)
        gradients = torch.autograd.grad(y, [given, module.value.weight, module.entities.weight], weight.to(device))
        results.append([t.double().cpu() for t in (y, *gradients)])
    for ours, exact in zip(*results, strict=True):
        assert (ours - exact).norm() < (2e-2 if dtype == torch.bfloat16 else 1e-4) * exact.norm()
