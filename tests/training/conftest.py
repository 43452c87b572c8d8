"""Prepared formula faces (the fixtures of the data tests) and the config of a short run on them."""

import jax
import ml_collections
import pytest

from configs import compact
from tests.data.conftest import crops, data_dir, face_folder, pseudo_3d

__all__ = ["crops", "data_dir", "face_folder", "pseudo_3d"]


@pytest.fixture(scope="package")
def config(data_dir) -> ml_collections.ConfigDict:
    """The compact config with six small steps."""
    config = compact.get_config()
    config.update(
        {
            "data_dir": str(data_dir),
            "steps": 6,
            "batch_size": 8,
            "warmup_steps": 2,
            "log_every": 1,
            "evaluate_every": 3,
            "checkpoint_every": 2,
            "largest_fit_error": 1.0,
        }
    )
    return config


@pytest.fixture(scope="module")
def quick_compilation():
    """Disables most compiler optimisations: on small arrays, compilation takes most of the time."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
