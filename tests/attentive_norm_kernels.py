"""The kernels against the default path on the CPU: run with TRITON_INTERPRET=1, prints one JSON line a case."""

import json
import warnings

import torch

from an.layers import attentive_norm_analytic as analytic
from an.layers import attentive_norm_triton as kernels
from an.layers.attentive_norm_products import Parameters

CASES = [
    # images, channels, regions, pixels, mean, channels_last, value, dtype
    (2, 16, 16, 100, 0.0, False, True, torch.float32),
    (1, 32, 5, 2100, 30.0, False, True, torch.float32),  # several parts of several tiles
    (2, 8, 3, 63, 3.0, True, True, torch.float32),
    (2, 48, 17, 130, 3.0, True, False, torch.float32),
    (1, 32, 16, 65, 3.0, False, True, torch.bfloat16),
]
torch.set_num_threads(1)
kernels.PROGRAMS = 8
for count, channels, regions, pixels, mean, channels_last, has_value, dtype in CASES:
    torch.manual_seed(0)
    x = (torch.randn(count, channels, pixels) + mean).to(dtype)
    if channels_last:
        x = x.mT.contiguous().mT
    weight, bias = torch.randn(count, regions, channels) / 4, torch.randn(count, regions, 1)
    weight -= weight.mean(2, keepdim=True)  # or one region would take the whole map, whatever its pixels
    value = torch.randn(channels, channels) / channels**0.5 if has_value else None
    affine = torch.randn(regions, channels), torch.randn(regions, channels), torch.tensor(0.5)
    given = Parameters(weight, bias, value, None, *affine, 1e-5)
    double = Parameters(*(t.double() if torch.is_tensor(t) else t for t in given))
    exact = analytic._forward(x.double(), double)
    ours = analytic._fused_forward(x, given)
    # The centre may differ, and with it what the means are relative to; mass, variance and output may not.
    errors = [((ours[k].double() - exact[k]).norm() / exact[k].norm()).item() for k in (2, 4, 0)]
    same_form = ours[0].dtype == dtype and ours[0].stride() == x.stride()
    print(json.dumps({"shape": list(x.shape), "dtype": str(dtype), "errors": errors, "same_form": same_form}))

kind = torch.device("cpu"), torch.float32, 16, 32
agree = analytic._kernels_agree(*kind, has_value=True)
analytic._kernels_agree.cache_clear()
output = kernels.output
kernels.output = lambda *given: output(*given) * 1.01
warnings.simplefilter("error")
try:
    noticed = not analytic._kernels_agree(*kind, has_value=True)
except UserWarning as warning:
    noticed = "goes on without its Triton kernels" in str(warning)
print(json.dumps({"agree": agree, "a wrong kernel is noticed": noticed}))
