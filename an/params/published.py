"""``params/published.yaml``: the numbers that the paper prints."""

from typing import Literal

from .types import PositiveInt, Strict


class IntraProtocol(Strict):
    """What intra-FID depends on besides the generator, by the names of a scale's keys."""

    dataset: str
    extractor: str
    intra_samples: PositiveInt


class Published(Strict):
    """Numbers the paper prints; null where it prints none."""

    intra_fid_protocol: IntraProtocol
    table1: dict[str, dict[Literal["fid", "intra_fid", "inception_score", "iterations"], float | None]]
    notes: dict[str, str]  # by row: how what was published was made otherwise than the row is
    table2_classes: dict[int, str]
    table2: dict[str, list[float]]
    table3: dict[str, dict[Literal["psnr", "ssim", "mae"], float]]
    table4: dict[str, dict[Literal["inception_score", "fid"], float]]
    table5_sizes: list[int]
    table5: dict[str, list[float | None]]
