"""Every figure by its name, and what it shows in words: for the page, Snakemake's report, who does not see it."""

from typing import NamedTuple

LOOKED_AT = ["an", "an-literal"]  # rows whose regions are measured, where a scale has them
POINTS = "Small points are seeds, large ones means with their 95 % intervals, diamonds the published values."


class Caption(NamedTuple):
    title: str
    text: str


CAPTIONS = {
    "1": Caption(
        "Figure 1. Generated images",
        "By one row, AN where the scale has it: a line for each class, the first random seeds, none chosen.",
    ),
    "7": Caption(
        "Figure 7. Generated images of every row",
        "Two images of each class, for every row of the same random seeds, none chosen; above them real images.",
    ),
    "convergence": Caption(
        "Convergence. FID along training",
        "FID of snapshots against steps and seconds of training; lines are means over seeds, bands their range.",
    ),
    "4": Caption(
        "Figure 4. Deviations within regions",
        "Above: images, and for each the three entities whose maps vary most, from dark (0) to bright (1). Below: the "
        "share of all (image, entity) pairs whose region's features vary less than the whole map's, beside masks that "
        "are as sharp and as large: the same maps moved around the edges, and with their pixels shuffled.",
    ),
    "5": Caption(
        "Figure 5. Semantic layouts",
        "(a) generated images; (b) the strongest entity at each pixel, in the colours of the maps; (c) and on: the "
        "maps of the entities that vary most, from dark (0) to bright (1).",
    ),
    "8": Caption(
        "Figure 8. Between two classes",
        "Scales and shifts of the conditional normalizations mixed between two classes at one random seed, and below "
        "each image the map of one entity. The ends are the images of the pure classes.",
    ),
    "9": Caption(
        "Figure 9. Inpainting side by side",
        "Test images: with the hole, completed by contextual attention and attentive normalization, and whole.",
    ),
    "10": Caption(
        "Figure 10. Recall (not in the paper)",
        "The answers of every layer to one image, wrong ones struck through, and where the layers look for some marks.",
    ),
    "table1": Caption("Table 1 as points", POINTS),
    "table4": Caption("Table 4 as points", POINTS),
    "table5": Caption(
        "Table 5 as lines",
        "Time against pixels, with the exponent that fits the three largest sizes; diamonds are published.",
    ),
    "table6": Caption("Table 6 as points", "Small points are seeds, large ones means with their 95 % intervals."),
}
