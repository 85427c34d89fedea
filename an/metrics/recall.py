"""Accuracy of spatial associative recall (table 6): which marks were painted in their cue's colour."""

import numpy as np


def answered(outputs: np.ndarray, painted: np.ndarray, rows: int) -> np.ndarray:
    """Which marks ``[N, marks]`` have the wanted colour: that of the cube's corner nearest to their mean output.

    Both arrays are ``[N, 3, H, W]``, of the columns with the marks, each of them ``rows`` high and W wide.
    Accuracy is the mean; chance is 1 in 8.
    """

    def colours(maps: np.ndarray) -> np.ndarray:
        return maps.reshape(*maps.shape[:2], -1, rows * maps.shape[3]).mean(3) > 0

    return (colours(outputs) == colours(painted)).all(1)
