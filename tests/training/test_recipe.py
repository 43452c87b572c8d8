"""Recipes of the published configs, and errors of settings that a recipe cannot use."""

import importlib
import pathlib

import jax
import jax.numpy as jnp
import pytest

import configs
from twodasl_jax.errors import ConfigError
from twodasl_jax.networks import BatchGroups, SelfCritic
from twodasl_jax.training.recipe import build_recipe, create_state
from twodasl_jax.training.settings import check_settings

pytestmark = pytest.mark.usefixtures("quick_compilation")

FOLDER = pathlib.Path(configs.__file__).parent
# Study files define no config of their own.
NAMES = sorted(
    ".".join(path.relative_to(FOLDER).with_suffix("").parts)
    for path in FOLDER.rglob("*.py")
    if "def get_config" in path.read_text()
)


def config_of(name, *arguments):
    return importlib.import_module(f"configs.{name}").get_config(*arguments)


def test_all_configs_are_found():
    assert {"paper", "pod", "quickstart", "ablation.l_3d", "ablation.all"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_config_builds(name):
    check_settings(config_of(name))
    recipe = build_recipe(config_of(name), 62)
    state = jax.eval_shape(lambda: create_state(recipe, jax.random.key(0)))
    assert (state.critic is not None) == bool(recipe.loss_weights.l_sc)


def test_stages_of_paper_differ_only_by_loss_weights():
    full, tuned = (config_of("paper", stage).to_dict() for stage in ("full", "fine_tune"))
    assert {key for key in full if full[key] != tuned[key]} == {"loss_weights"}
    assert {key for key, weight in full["loss_weights"].items() if weight} == {
        "wpdc", "l_2d_con", "l_3d_con", "l_cyc", "l_sc"
    }  # fmt: skip
    assert {key for key, weight in tuned["loss_weights"].items() if weight} == {"vdc"}


@pytest.mark.parametrize(
    ("setting", "value", "message"),
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
def test_unusable_settings_are_refused_with_alternatives(setting, value, message):
    config = config_of("paper")
    config.norm_groups = 4 if setting == "wild_batch_size" else 1
    config.update_from_flattened_dict({setting: value})
    with pytest.raises(ConfigError, match=message):
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
def test_batch_norm_groups_are_distributed_over_devices(norm_groups, devices, expected):
    config = config_of("paper")
    config.norm_groups = norm_groups
    recipe = build_recipe(config, 62, devices, "data")
    assert recipe.network.groups == expected


def test_critic_is_built_with_its_own_settings():
    config = config_of("paper")
    config.critic.update({"loss": "hinge", "updates": 3, "mismatched": True})
    critic = build_recipe(config, 62).critic
    assert (critic.updates, critic.mismatched) == (3, True)
    assert isinstance(critic.network, SelfCritic)
    assert critic.loss.regressor(jnp.float32(2.0)) == -2.0
