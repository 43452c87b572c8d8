"""Schedules of the game, and configs: each makes a recipe, and a wrong setting says what would be right."""

import importlib
import pathlib

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import pytest

import configs
from twodasl_jax.errors import ConfigError
from twodasl_jax.networks import BatchGroups, SelfCritic
from twodasl_jax.training.recipe import LossWeights, build_recipe, create_state
from twodasl_jax.training.settings import check_settings

FOLDER = pathlib.Path(configs.__file__).parent
# Study files, which list configs, are no configs.
NAMES = sorted(
    ".".join(path.relative_to(FOLDER).with_suffix("").parts)
    for path in FOLDER.rglob("*.py")
    if "def get_config" in path.read_text()
)


def test_no_config_is_overlooked():
    assert {"paper", "pod", "quickstart", "ablation.l_3d", "ablation.all"} <= set(NAMES)


pytestmark = pytest.mark.usefixtures("quick_compilation")


def config_of(name, *arguments):
    return importlib.import_module(f"configs.{name}").get_config(*arguments)


@pytest.mark.parametrize("name", NAMES)
def test_every_config_builds(name):
    check_settings(config_of(name))
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


@pytest.mark.parametrize("player", ["regressor", "critic"])
def test_the_learning_rate_warms_up_and_falls_along_a_cosine(player):
    """Adam's first update is one rate long whatever the gradient, so that the rates can be read off."""
    config = config_of("paper")
    config.steps, config.warmup_steps = 100, 20
    config.learning_rate = config.critic.learning_rate = 1e-2
    recipe, params = build_recipe(config, 62), {"w": jnp.ones(())}
    optimizer = recipe.optimizer if player == "regressor" else recipe.critic.optimizer

    def first_update(count):
        moments, *rest = optimizer.init(params)[1]
        # Only the schedule counts steps: the moments stay those of the first.
        counted = [jax.tree.map(lambda leaf: jnp.asarray(count, leaf.dtype), part) for part in rest]
        state = (optimizer.init(params)[0], (moments, *counted))
        return float(optimizer.update({"w": jnp.ones(())}, state, params)[0]["w"])

    steps = [0, 5, 10, 20, 40, 60, 80, 100]
    expected = optax.warmup_cosine_decay_schedule(0.0, 1e-2, 20, 100)
    rates = [-first_update(count) for count in steps]
    np.testing.assert_allclose(rates, [float(expected(count)) for count in steps], atol=1e-7)
    assert rates[0] == 0
    assert rates[3] == pytest.approx(1e-2, rel=1e-4)


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        (
            "architecture",
            "resnet",
            r"config.architecture='resnet': use one of compact, compact_half, resnet50",
        ),
        ("point_norm", "l1", r"config.point_norm='l1': use one of squared, euclidean, manhattan"),
        ("critic.loss", "wgan", r"config.critic.loss='wgan': use one of non_saturating, .*hinge"),
        ("landmark_map.points", "eyes", r"'eyes': use one of"),
        ("norm_groups", 3, r"norm_groups=3 on 2 devices: use 1 .* or a multiple of 2"),
        ("batch_size", 15, r"batch_size=15 cannot be split over 2 devices and norm_groups=1"),
        ("wild_batch_size", 6, r"wild_batch_size=6 .* norm_groups=4"),
    ],
)
def test_a_setting_that_does_not_fit_is_named_with_what_would(setting, value, sentence):
    config = config_of("paper")
    config.norm_groups = 4 if setting == "wild_batch_size" else 1
    config.update_from_flattened_dict({setting: value})
    with pytest.raises(ConfigError, match=sentence):
        build_recipe(config, 62, device_count=2, axis_name="data")


@pytest.mark.parametrize(
    ("norm_groups", "devices", "expected"),
    [
        (1, 1, BatchGroups(1, "data")),
        (1, 8, BatchGroups(1, "data")),
        (8, 1, BatchGroups(8, None)),
        (8, 4, BatchGroups(2, None)),
        (8, 8, BatchGroups(1, None)),
    ],
)
def test_groups_of_the_batch_are_split_over_devices(norm_groups, devices, expected):
    config = config_of("paper")
    config.norm_groups = norm_groups
    recipe = build_recipe(config, 62, devices, "data")
    assert recipe.network.groups == expected


def test_gradients_are_clipped_by_their_norm():
    config = config_of("compact")
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


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (
            ("lerning_rate",),
            1.0,
            r"config.lerning_rate is no setting: did you mean config.learning_rate\?",
        ),
        (("loss_weights", "l_2dcon"), 1.0, r"did you mean config.loss_weights.l_2d_con\?"),
        (("steps",), 1.5, r"config.steps=1.5: it must be of type int"),
        (("seed",), True, r"config.seed=True: it must be of type int"),
        (("vertices",), 1.5, r"config.vertices=1.5: it must be of type str or int"),
        (("critic",), 3, r"config.critic=3: it holds settings of its own"),
    ],
)
def test_a_misspelt_setting_is_named_with_the_nearest_one(path, value, sentence):
    config = ml_collections.ConfigDict(config_of("paper").to_dict(), type_safe=False)
    inner = config
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(ConfigError, match=sentence):
        check_settings(config)


def test_a_missing_setting_is_named_and_an_int_will_do_for_a_float():
    config = config_of("paper").to_dict()
    config["learning_rate"] = 1
    check_settings(ml_collections.ConfigDict(config))
    del config["gradient_clip"]
    with pytest.raises(ConfigError, match="config lacks gradient_clip"):
        check_settings(ml_collections.ConfigDict(config))
