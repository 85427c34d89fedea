"""A row's FID against training steps, over its seeds: the mean, and the picture that MLflow shows."""

import io
import statistics


def mean_curve(curves: list[dict[int, float]]) -> dict[int, float]:
    """The mean FID ``{step: FID}`` of seeds' curves, at the steps that all of them have."""
    return {step: statistics.fmean(curve[step] for curve in curves) for step in common_steps(curves)}


def common_steps(curves: list[dict[int, float]]) -> list[int]:
    return sorted(set.intersection(*map(set, curves))) if curves else []


def draw_curve(curves: list[dict[int, float]], title: str) -> bytes:
    """The mean with a band from the lowest to the highest seed, as one PNG picture."""
    from matplotlib.figure import Figure

    steps, mean = common_steps(curves), mean_curve(curves)
    lowest, highest = ([of(curve[step] for curve in curves) for step in steps] for of in (min, max))
    figure = Figure(figsize=(5, 3.2), dpi=120, layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="FID", yscale="log", title=title)
    axes.fill_between(steps, lowest, highest, alpha=0.25, label="lowest to highest seed")
    axes.plot(steps, list(mean.values()), marker=".", label=f"mean of {len(curves)}")
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
