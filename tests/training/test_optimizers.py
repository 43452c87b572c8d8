"""Optimisers and schedules of both networks."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import compact, paper
from twodasl_jax.training.recipe import build_recipe

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_l_sc_has_no_weight_before_critic_is_warm():
    config = paper.get_config()
    config.critic.warmup_steps, config.critic.ramp_steps = 10, 4
    ramp = build_recipe(config, 62).critic.ramp
    values = [float(ramp(step)) for step in (0, 9, 10, 11, 12, 14, 1000)]
    np.testing.assert_allclose(values, [0, 0, 0, 0.25, 0.5, 1, 1])


@pytest.mark.parametrize("network", ["regressor", "critic"])
def test_learning_rate_warms_up_and_decays_along_cosine(network):
    """The length of Adam's first update is the learning rate, for any gradient."""
    config = paper.get_config()
    config.steps, config.warmup_steps = 100, 20
    config.learning_rate = config.critic.learning_rate = 1e-2
    recipe, params = build_recipe(config, 62), {"w": jnp.ones(())}
    optimizer = recipe.optimizer if network == "regressor" else recipe.critic.optimizer

    def first_update(count):
        moments, *rest = optimizer.init(params)[1]
        # Only the step count of the schedule changes; the moments remain those of the first step.
        counted = [jax.tree.map(lambda leaf: jnp.asarray(count, leaf.dtype), part) for part in rest]
        state = (optimizer.init(params)[0], (moments, *counted))
        return float(optimizer.update({"w": jnp.ones(())}, state, params)[0]["w"])

    steps = [0, 5, 10, 20, 40, 60, 80, 100]
    expected = optax.warmup_cosine_decay_schedule(0.0, 1e-2, 20, 100)
    rates = [-first_update(count) for count in steps]
    np.testing.assert_allclose(rates, [float(expected(count)) for count in steps], atol=1e-7)
    assert rates[0] == 0
    assert rates[3] == pytest.approx(1e-2, rel=1e-4)


def test_gradients_are_clipped_by_global_norm():
    config = compact.get_config()
    config.gradient_clip, config.weight_decay = 1.0, 0.0
    recipe = build_recipe(config, 62)
    params = {"w": jnp.zeros(4)}
    state = recipe.optimizer.init(params)
    large, unit = (
        recipe.optimizer.update({"w": jnp.full(4, scale)}, state, params)[1]
        for scale in (50.0, 0.5)
    )
    # Gradients of norm 100 and of norm 1 result in the same moments.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), large, unit)
