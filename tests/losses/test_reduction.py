"""The mean over a batch."""

import jax
import numpy as np
import pytest
from jax.test_util import check_grads

from twodasl_jax.losses import batch_mean

VALUES = np.array([1.0, 2.0, 6.0, 11.0])


def test_by_hand():
    assert batch_mean(VALUES) == pytest.approx(5)


def test_the_mean_of_equal_shares_is_the_mean():
    shares = [batch_mean(part) for part in np.split(VALUES, 2)]
    assert np.mean(shares) == pytest.approx(float(batch_mean(VALUES)))


def test_gradient_equals_finite_differences():
    with jax.enable_x64(True):
        check_grads(batch_mean, (VALUES,), 1)
