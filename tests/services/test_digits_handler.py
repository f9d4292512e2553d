"""What the digits' handler makes of images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from serving import InvalidInput

from .conftest import module_of

handler = module_of("digits", "handler.py")


def image(height=40, width=30, *, paper=230.0, pen=20.0, box=(10, 30, 12, 18)):
    """A page with one upright stroke."""
    page = np.full((height, width), paper)
    top, bottom, left, right = box
    page[top:bottom, left:right] = pen
    return page


ONE = handler.normalise(image()).reshape(8, 8)


def test_the_stroke_fills_the_height_and_stays_in_the_middle():
    assert (ONE[:, 3:5] == 16).all()
    assert (ONE[:, [0, 1, 6, 7]] == 0).all()
    np.testing.assert_array_equal(ONE, ONE[::-1, ::-1])


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("elsewhere", image(box=(15, 35, 3, 9))),
        ("on a larger page", image(90, 120, box=(50, 70, 80, 86))),
        ("twice as large", image(80, 60, box=(20, 60, 24, 36))),
        ("light on dark", image(paper=20.0, pen=230.0)),
        ("faint", image(paper=140.0, pen=90.0)),
        ("at the very edge", image(box=(0, 20, 0, 6))),
    ],
)
def test_the_same_stroke_is_the_same_digit(what, other):
    np.testing.assert_allclose(handler.normalise(other).reshape(8, 8), ONE, atol=0.5, err_msg=what)


def test_a_little_noise_changes_little():
    noisy = image() + np.random.default_rng(1).normal(0, 6, (40, 30))
    assert np.abs(handler.normalise(noisy.clip(0, 255)) - ONE.ravel()).max() <= 2


def test_scikit_learns_own_digits_stay_what_they_are():
    """Drawn at 4 times their size without noise, cells come back as they were but for the rescaling of their edges."""
    data = load_digits()
    differences = []
    for digit in data.images[:200]:
        large = np.kron(digit, np.ones((4, 4))) * 255 / 16
        differences.append(
            np.abs(handler.normalise(np.pad(255 - large, 4, constant_values=255)) - digit.ravel()).mean()
        )
    assert np.mean(differences) < 2


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        (np.full((20, 20), 128.0), "one shade"),
        (image(pen=200.0), "one shade"),
        (image(box=(1, 39, 1, 29)), "most of it is ink"),
        (image(box=(10, 13, 12, 14)), "a speck of 3"),
    ],
)
def test_an_image_without_a_digit_is_refused(page, wanted):
    with pytest.raises(ValueError, match=wanted):
        handler.normalise(page)


@pytest.mark.parametrize(
    ("pages", "wanted"),
    [
        (np.stack([image(), np.full((40, 30), 5.0)]), "image 1: a digit is wanted"),
        (np.zeros((1, 7, 30)), "8 to 2048 pixels a side are wanted, not 7 by 30"),
        (np.zeros((1, 8, 2049)), "not 8 by 2049"),
        (image(pen=-1.0)[None], "grey levels from 0 to 255"),
        (image(paper=256.0)[None], "grey levels from 0 to 255"),
    ],
)
def test_a_request_that_is_no_image_is_told_why(pages, wanted):
    with pytest.raises(InvalidInput, match=wanted):
        handler.Handler().preprocess({"image": pages})


def test_each_image_of_a_request_is_a_row():
    rows = handler.Handler().preprocess({"image": np.stack([image(), image(box=(15, 35, 3, 9))])})
    assert rows.shape == (2, 64)


def test_the_answer_is_the_likeliest_digit_with_all_probabilities():
    said = np.array([[0.1] * 4 + [0.2] + [0.1] * 4 + [0.0], [0.0] * 9 + [1.0]])
    answer = handler.Handler().postprocess(said, {})
    assert answer["digit"].tolist() == [4, 9]
    assert answer["probability"].tolist() == [0.2, 1.0]
    np.testing.assert_array_equal(answer["probabilities"], said)
