"""From any grey image of one written digit to the 8 x 8 form scikit-learn's digits have, and back to a digit.

Those were made by counting ink in a grid of 8 x 8 cells over the digit, 0 to 16 in each
(https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits). `normalise` does the same to an
image of any size, position, contrast and polarity. `train.py` trains on what it makes, so both see the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving import Handler as Base
from serving import InvalidInput

Array = np.ndarray[Any, np.dtype[Any]]

CELLS, FULL = 8, 16.0
# Sides of an image, in pixels. Below there is less in it than in what it is made into.
SMALLEST, LARGEST = 8, 2048
# Grey levels between paper and ink. Less is as likely a shadow.
LEAST_CONTRAST = 40.0
# The digit's own height or width, in pixels, and the share of an image that ink may cover.
LEAST_EXTENT, MOST_INK = 6, 0.6


class Handler(Base):
    """Tells the digit in each image, and how sure that is."""

    method = "predict_proba"

    def preprocess(self, inputs: Mapping[str, Any]) -> Array:
        images = np.asarray(inputs["image"], dtype=np.float64)
        height, width = images.shape[1:]
        if not (SMALLEST <= height <= LARGEST and SMALLEST <= width <= LARGEST):
            raise InvalidInput(f"image: {SMALLEST} to {LARGEST} pixels a side are wanted, not {height} by {width}")
        if images.min() < 0 or images.max() > 255:
            raise InvalidInput("image: grey levels from 0 to 255 are wanted")
        return np.stack([_of_row(number, image) for number, image in enumerate(images)])

    def postprocess(self, outputs: Any, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        probabilities = np.asarray(outputs, dtype=np.float64)
        return {
            "digit": probabilities.argmax(axis=1),
            "probability": probabilities.max(axis=1),
            "probabilities": probabilities,
        }


def _of_row(number: int, image: Array) -> Array:
    try:
        return normalise(image)
    except ValueError as error:
        raise InvalidInput(f"image {number}: {error}") from None


def normalise(image: Array) -> Array:
    """64 amounts of ink, 0 to 16, of a grey image (height by width, 0 to 255). Raises ValueError without a digit."""
    ink = _ink(image)
    rows, columns = np.flatnonzero((ink > 0.5).any(axis=1)), np.flatnonzero((ink > 0.5).any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = max(bottom - top, right - left)
    if side < LEAST_EXTENT:
        raise ValueError(f"a digit of at least {LEAST_EXTENT} pixels is wanted, not a speck of {side}")
    down = _cells(ink.shape[0], (top + bottom) / 2, side)
    across = _cells(ink.shape[1], (left + right) / 2, side)
    return np.asarray((FULL * (down @ ink @ across.T)).round().ravel())


def _ink(image: Array) -> Array:
    """How much of each pixel is ink, 0 to 1. Paper is what most of the border is, whether lighter or darker."""
    border = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    contrast = np.abs(image - np.median(border))
    most = float(contrast.max())
    if most < LEAST_CONTRAST:
        raise ValueError("a digit is wanted; it is all of one shade")
    ink = np.clip(2 * contrast / most - 0.5, 0, 1)  # the quarters nearest to paper and to ink are taken for them
    if ink.mean() > MOST_INK:
        raise ValueError("a digit on an empty ground is wanted; most of it is ink")
    return np.asarray(ink)


def _cells(length: int, centre: float, side: int) -> Array:
    """CELLS by `length` weights: which share of each cell of a square of `side` around `centre` a pixel covers."""
    edges = centre - side / 2 + side / CELLS * np.arange(CELLS + 1)
    pixels = np.arange(length)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(covered.clip(0) * CELLS / side)
