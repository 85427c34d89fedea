"""Whether a soft layout has regions: how much it tells of a pixel, and how many regions it uses."""

from torch import Tensor

WINS = 0.01  # share of the pixels from which a region counts as winning


def layout_measures(layout: Tensor) -> dict[str, float]:
    """Measures of soft layouts S ``[N, n, H, W]`` that sum to 1 over n.

    ``layout_information``: ``H(mean of S over an image's pixels) - mean of H(S)``, in nats, averaged over images: what
    a pixel's layout tells beyond its image's; 0 where all pixels have the same layout, at most ln n.
    ``effective_regions``: exp of the entropy of S at a pixel, averaged over pixels; n is uniform, 1 is a hard choice.
    ``regions_used``: exp of the entropy of the mean of S over all pixels and images.
    ``regions_winning``: how many regions have the largest S at one pixel in a hundred or more.
    """
    layout = layout.double().flatten(2)
    entropy = _entropy(layout)
    wins = layout.argmax(1).flatten().bincount(minlength=layout.shape[1]) / entropy.numel()
    return {
        "layout_information": (_entropy(layout.mean(2)) - entropy.mean(1)).mean().item(),
        "effective_regions": entropy.exp().mean().item(),
        "regions_used": _entropy(layout.mean((0, 2))[None]).exp().item(),
        "regions_winning": int((wins >= WINS).sum()),
    }


def _entropy(layout: Tensor) -> Tensor:
    """In nats, over the second dimension."""
    return -(layout * layout.clamp_min(1e-300).log()).sum(1)
