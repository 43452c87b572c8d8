"""Schedules of the game, and configs: each makes a recipe, and a wrong setting says what would be right."""

import importlib
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import configs
from twodasl_jax.networks import SelfCritic
from twodasl_jax.training.recipe import LossWeights, build_recipe, create_state

NAMES = sorted(
    path.stem for path in pathlib.Path(configs.__file__).parent.glob("*.py") if path.stem[0] != "_"
)


def config_of(name, *arguments):
    return importlib.import_module(f"configs.{name}").get_config(*arguments)


@pytest.mark.parametrize("name", NAMES)
def test_every_config_builds(name):
    recipe = build_recipe(config_of(name), 62)
    state = jax.eval_shape(lambda: create_state(recipe, jax.random.key(0)))
    assert (state.critic is not None) == bool(recipe.loss_weights.l_sc)


def test_the_stages_of_the_paper_differ_by_their_losses_alone():
    full, tuned = (config_of("paper", stage).to_dict() for stage in ("full", "fine_tune"))
    assert {key for key in full if full[key] != tuned[key]} == {"loss_weights"}
    assert {key for key, weight in full["loss_weights"].items() if weight} == {
        "wpdc", "l_2d_con", "l_3d_con", "l_cyc", "l_sc"
    }  # fmt: skip
    assert {key for key, weight in tuned["loss_weights"].items() if weight} == {"vdc"}


def test_l_sc_counts_only_after_the_critics_warm_up():
    config = config_of("paper")
    config.critic.warmup_steps, config.critic.ramp_steps = 10, 4
    ramp = build_recipe(config, 62).critic.ramp
    values = [float(ramp(step)) for step in (0, 9, 10, 11, 12, 14, 1000)]
    np.testing.assert_allclose(values, [0, 0, 0, 0.25, 0.5, 1, 1])


def applied_rate(recipe, step):
    """The length of an Adam step of unit gradient, which is the learning rate."""
    params = {"w": jnp.ones(())}
    state = recipe.optimizer.init(params)
    state = jax.tree.map(
        lambda leaf: (
            jnp.asarray(step, leaf.dtype) if jnp.issubdtype(leaf.dtype, jnp.integer) else leaf
        ),
        state,
    )
    updates, _ = recipe.optimizer.update({"w": jnp.ones(()) * 1e-3}, state, params)
    return updates["w"]


def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    config = config_of("paper")
    config.steps, config.warmup_steps, config.learning_rate = 100, 20, 1e-2
    expected = optax.warmup_cosine_decay_schedule(0.0, 1e-2, 20, 100)
    recipe = build_recipe(config, 62)
    # Adam's bias correction makes the first update of any gradient one rate long.
    rates = [abs(float(applied_rate(recipe, step))) for step in (0,)]
    assert rates == [0.0]
    from twodasl_jax.training.recipe import _learning_rate

    schedule = _learning_rate(config)
    steps = np.arange(0, 101, 5)
    np.testing.assert_allclose(
        [float(schedule(s)) for s in steps], [float(expected(s)) for s in steps], atol=1e-8
    )


def test_gradients_are_clipped_by_their_norm():
    config = config_of("compact_aflw68")
    config.gradient_clip, config.weight_decay = 1.0, 0.0
    recipe = build_recipe(config, 62)
    params = {"w": jnp.zeros(4)}
    state = recipe.optimizer.init(params)
    big, unit = (
        recipe.optimizer.update({"w": jnp.full(4, scale)}, state, params)[1]
        for scale in (50.0, 0.5)
    )
    # A gradient of norm 100 leaves the same moments as one of norm 1.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), big, unit)


def test_the_critic_is_built_with_its_own_settings():
    config = config_of("paper")
    config.critic.update({"loss": "hinge", "updates": 3, "mismatched": True})
    critic = build_recipe(config, 62).critic
    assert (critic.updates, critic.mismatched) == (3, True)
    assert isinstance(critic.network, SelfCritic)
    assert critic.loss.fooled(jnp.float32(2.0)) == -2.0


def test_needs_a_second_pass_for_the_cycle_only():
    assert not LossWeights(wpdc=1, l_2d_con=1, l_sc=1, vdc=1).needs_second_pass
    assert LossWeights(l_3d_con=1).needs_second_pass
    assert LossWeights(l_cyc=1).needs_second_pass
