"""The mean over a batch, with and without padding."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from twodasl_jax.losses import batch_mean


def test_by_hand():
    assert batch_mean(np.array([1.0, 2.0, 6.0])) == pytest.approx(3)


def test_padding_does_not_change_the_mean():
    padded, mask = np.array([1.0, 2.0, 6.0, np.nan, 99.0]), np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    assert batch_mean(padded, mask) == pytest.approx(3)


def test_nothing_but_padding_is_zero():
    assert batch_mean(np.array([5.0]), np.array([0.0])) == 0


def test_a_mask_of_another_length_raises():
    with pytest.raises(TypeCheckError):
        batch_mean(np.ones(3), np.ones(2))
