"""Validation of settings, and the default config."""

import dataclasses

import ml_collections
import pytest

from configs import paper
from twodasl_jax.data.augmentation import Augmentation, SimulatedDetector
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.training.settings import (
    CriticSettings,
    LossWeights,
    RunSettings,
    check_settings,
    default_config,
)


def test_second_pass_is_needed_for_l_3d_con_and_l_cyc_only():
    assert not LossWeights(wpdc=1, l_2d_con=1, l_sc=1, vdc=1).needs_second_pass
    assert LossWeights(l_3d_con=1).needs_second_pass
    assert LossWeights(l_cyc=1).needs_second_pass


def test_default_config_has_settings_of_dataclasses():
    config = default_config()
    check_settings(config)
    assert config.critic.to_dict() == dataclasses.asdict(CriticSettings())
    assert config.landmark_map.to_dict() == dataclasses.asdict(MapStyle())
    assert config.yaw_shares == (0.4, 0.3, 0.3)


@pytest.mark.parametrize(
    "settings",
    [RunSettings, LossWeights, CriticSettings, Augmentation, SimulatedDetector, MapStyle],
)
def test_every_setting_is_documented(settings):
    lines = [line.strip() for line in settings.__doc__.splitlines()]
    for field in dataclasses.fields(settings):
        assert any(line.startswith(f"{field.name}: ") for line in lines), field.name


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("lerning_rate",),
            1.0,
            r"unknown setting config.lerning_rate: did you mean config.learning_rate\?",
        ),
        (("loss_weights", "l_2dcon"), 1.0, r"did you mean config.loss_weights.l_2d_con\?"),
        (("steps",), 1.5, r"config.steps=1.5: it must be of type int"),
        (("seed",), True, r"config.seed=True: it must be of type int"),
        (("vertices",), 1.5, r"config.vertices=1.5: it must be of type str or int"),
        (("yaw_shares",), 1.0, r"config.yaw_shares=1.0: it must be of type tuple"),
        (("critic",), 3, r"config.critic=3: set config.critic.NAME, for example"),
    ],
)
def test_invalid_settings_are_refused(path, value, message):
    config = ml_collections.ConfigDict(paper.get_config().to_dict(), type_safe=False)
    inner = config
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(ConfigError, match=message):
        check_settings(config)


def test_missing_setting_is_refused_and_int_is_valid_for_float():
    config = paper.get_config().to_dict()
    config["learning_rate"] = 1
    check_settings(ml_collections.ConfigDict(config))
    del config["gradient_clip"]
    with pytest.raises(ConfigError, match="config lacks gradient_clip"):
        check_settings(ml_collections.ConfigDict(config))
