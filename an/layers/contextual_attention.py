"""Contextual attention (Yu et al., CVPR 2018), as its released code computes it: the baseline CA of table 3."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .precision import at_least_float32, without_autocast

RATE = 2  # matching happens on a map this much smaller; pasted patches are 2 * RATE wide
MATCH = 3  # side of the patches that are compared
SCALE = 10.0  # of the scores in the softmax
LEAST_NORM = 1e-4  # a background patch shorter than this is not stretched to length 1


class ContextualAttention2d(nn.Module):
    """Rebuild a feature map from its own patches, each found by similarity in the known part.

        score(p, q) = < patch3(p), patch3(q) / |patch3(q)| >       at half resolution, every second pixel
        score       = fused along diagonals, first row by row, then column by column
        weight(p, q) = known(q) * softmax_q(10 * known(q) * score(p, q))
        y           = sum_p paste4(p, sum_q weight(p, q) * patch4(q)) / 4

    ``patch4`` are 4x4 patches of the full map at stride 2, so four of them overlap in every inner pixel. ``known(q)``
    is 0 where the 3x3 patch at q touches the hole of the mask at half resolution.

    The released code's habits are kept: a hidden patch scores 0 in the softmax instead of minus infinity, so the
    weights of a pixel sum to less than 1 beside a hole, and a map without any known patch gives 0; fusion runs over
    flattened positions, so it continues from a row's end to the next row's start; the border pixels are covered by
    fewer than four patches and are still divided by 4. One thing is plainer here: the smaller map takes pixels
    0, 2, 4, ...; the released code shifts to the odd pixels in the second half of each axis.

    It has no parameters. Scores are computed in float32 when the input is of lower precision, and the output is
    returned in the input's dtype. Memory is dominated by a few matrices of ``N * (H*W/4)^2`` elements.

    ``forward(x, mask)``: x ``[N, C, H, W]`` with even H and W; mask ``[1, 1, H, W]``, 1 = missing, 0 = known, the same
    for all images; returns x's shape.

    Raises:
        ValueError: for an odd or missing dimension, or a mask of another shape.
    """

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        if x.dim() != 4 or x.shape[2] % RATE or x.shape[3] % RATE:
            raise ValueError(f"ContextualAttention2d needs [N, C, H, W] with even H and W, got {tuple(x.shape)}")
        if mask.shape != (1, 1, *x.shape[2:]):
            raise ValueError(f"the mask must be {(1, 1, *x.shape[2:])} like the features, got {tuple(mask.shape)}")
        with without_autocast(x):
            features = at_least_float32(x)
            weight = self._weights(features, mask)
            patches = F.unfold(features, 2 * RATE, padding=RATE // 2, stride=RATE)  # [N, 16*C, P]
            # Folding is the transposed convolution: pasted patches add up where they overlap.
            y = F.fold(patches @ weight.mT, x.shape[2:], 2 * RATE, padding=RATE // 2, stride=RATE) / RATE**2
        return y.to(x.dtype)

    def _weights(self, features: Tensor, mask: Tensor) -> Tensor:
        """How much of background patch q goes to position p: ``[N, P, P]`` of (p, q), P = H*W/4."""
        small = features[:, :, ::RATE, ::RATE]
        hidden = F.max_pool2d(mask[:, :, ::RATE, ::RATE].to(features.dtype), MATCH, 1, MATCH // 2) > 0
        known = (~hidden).flatten(2).to(features.dtype)  # [1, 1, P]
        patches = F.unfold(small, MATCH, padding=MATCH // 2)  # [N, 9*C, P]
        scores = patches.mT @ F.normalize(patches, dim=1, eps=LEAST_NORM)
        height, width = small.shape[2:]
        scores = _transposed(_fused(scores), height, width)
        scores = _transposed(_fused(scores), width, height)
        return known * torch.softmax(SCALE * known * scores, dim=2)


def _fused(scores: Tensor) -> Tensor:
    """Add to each score (p, q) its neighbours (p-1, q-1) and (p+1, q+1): large patches should move together."""
    padded = F.pad(scores, (1, 1, 1, 1))
    return padded[:, :-2, :-2] + scores + padded[:, 2:, 2:]


def _transposed(scores: Tensor, height: int, width: int) -> Tensor:
    """Renumber the positions of both axes of ``[N, P, P]`` from row by row to column by column."""
    grids = scores.view(-1, height, width, height, width)
    return grids.permute(0, 2, 1, 4, 3).reshape(scores.shape)
