"""The folder of a run: it goes on with the settings that it was started with, or not at all."""

import pytest

from configs import compact
from twodasl_jax.errors import ConfigError
from twodasl_jax.training.workdir import check_config, write_config


@pytest.fixture
def started(tmp_path):
    write_config(tmp_path, compact.get_config())
    return tmp_path


def test_the_same_settings_go_on(started):
    check_config(started, compact.get_config())


def test_a_folder_without_a_run_takes_any(tmp_path):
    check_config(tmp_path, compact.get_config())


def test_a_run_may_become_longer_and_its_data_may_move(started):
    config = compact.get_config()
    config.update({"steps": 20000, "log_every": 7, "data_dir": "elsewhere", "map": "pmap"})
    check_config(started, config)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("seed", 3, r"seed=0, not 3"),
        ("norm_groups", 4, r"norm_groups=1, not 4"),
        ("loss_weights.l_sc", 0.5, r"loss_weights\.l_sc=0\.0, not 0\.5: .*init_from="),
    ],
)
def test_other_settings_are_named(started, setting, value, message):
    config = compact.get_config()
    config.update_from_flattened_dict({setting: value})
    with pytest.raises(ConfigError, match=message):
        check_config(started, config)
