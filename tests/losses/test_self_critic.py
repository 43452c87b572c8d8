"""Tests of the three adversarial losses (L_sc and the losses of the self-critic)."""

import jax
import numpy as np
import pytest
from jax.test_util import check_grads

from twodasl_jax.losses import ADVERSARIAL_LOSSES

LOGITS = np.array([-30.0, -1.5, -0.25, 0.0, 0.75, 2.0, 30.0])

NUMPY = {
    "non_saturating": (
        lambda x: -np.log(1 / (1 + np.exp(-x))),
        lambda x: -np.log(1 / (1 + np.exp(x))),
        lambda x: -np.log(1 / (1 + np.exp(-x))),
    ),
    "least_squares": (
        lambda x: (x - 1) ** 2 / 2,
        lambda x: x**2 / 2,
        lambda x: (x - 1) ** 2 / 2,
    ),
    "hinge": (lambda x: np.clip(1 - x, 0, None), lambda x: np.clip(1 + x, 0, None), lambda x: -x),
}
every_loss = pytest.mark.parametrize("name", list(ADVERSARIAL_LOSSES))


def parts(name):
    loss = ADVERSARIAL_LOSSES[name]
    return loss.real, loss.fake, loss.regressor


def test_every_loss_has_oracle():
    assert set(NUMPY) == set(ADVERSARIAL_LOSSES)


@every_loss
def test_losses_equal_numpy(name):
    for function, expected in zip(parts(name), NUMPY[name], strict=True):
        np.testing.assert_allclose(function(LOGITS), expected(LOGITS), rtol=1e-5, atol=1e-12)


def test_losses_of_undecided_critic_by_hand():
    # With a score of one half, each loss is log 2.
    assert [part(0.0) for part in parts("non_saturating")] == pytest.approx([np.log(2)] * 3)
    assert [part(0.5) for part in parts("least_squares")] == pytest.approx([0.125] * 3)
    assert [part(0.0) for part in parts("hinge")] == pytest.approx([1, 1, 0])


@every_loss
def test_gradients_equal_finite_differences(name):
    with jax.enable_x64(True):
        for function in parts(name):
            check_grads(function, (LOGITS,), 1)


@every_loss
def test_critic_and_regressor_have_opposite_gradients(name):
    loss, logits = ADVERSARIAL_LOSSES[name], np.float32([-0.4, 0.1, 0.6])
    real, fake, regressor = (
        jax.vmap(jax.grad(part))(logits) for part in (loss.real, loss.fake, loss.regressor)
    )
    assert (real < 0).all()
    assert (regressor < 0).all()
    assert (fake[1:] > 0).all()


@every_loss
def test_critic_losses_are_equal_at_boundary(name):
    loss = ADVERSARIAL_LOSSES[name]
    assert loss.real(loss.boundary) == pytest.approx(float(loss.fake(loss.boundary)))


def test_regressor_gradient_does_not_vanish_for_confident_critic():
    # The gradient of the saturating loss would vanish here.
    loss = ADVERSARIAL_LOSSES["non_saturating"]
    assert jax.grad(loss.regressor)(-30.0) == pytest.approx(-1)
