"""Fixtures of all tests: a synthetic face model, expression units, golden files and data sets."""

import os
import pathlib

import hypothesis
import jax
import numpy as np
import pytest

from tests.helpers import synthetic_model
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space, truncate
from twodasl_jax.models.expression_units import ExpressionUnits
from twodasl_jax.models.expression_units.units import vertex_metric

hypothesis.settings.register_profile(
    "repeatable", deadline=None, derandomize=True, database=None, max_examples=50
)
hypothesis.settings.load_profile("repeatable")

# Compilation dominates the time of the tests. The cache shares programs between tests and processes.
_CACHE = pathlib.Path(__file__).parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)

# The tests of the training step need eight simulated devices. JAX fixes their number at its first use.
jax.config.update("jax_num_cpu_devices", 8)

_GOLDEN = pathlib.Path(__file__).parent / "golden"
_SHARED_DATA = pathlib.Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def face_model():
    """A face model with 221 vertices, 40 shape and 10 expression components."""
    return MorphableModel(**synthetic_model.arrays())


@pytest.fixture(scope="session")
def expression_units(face_model):
    """Five orthogonal expression units of `face_model`: one central unit and two left-right pairs."""
    metric = vertex_metric(
        *(np.asarray(face_model.mean), np.asarray(face_model.triangles)),
        *(np.asarray(face_model.landmark_vertices), np.asarray(face_model.landmark_weights)),
    )
    names = ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthLeft", "mouthRight")
    columns = np.random.default_rng(1).normal(size=(metric.size * 3, len(names)))
    fields = 10 * np.linalg.qr(columns)[0].reshape(-1, 3, len(names))
    return ExpressionUnits(
        names,
        (fields / np.sqrt(metric)[:, None, None]).astype(np.float32),
        metric.astype(np.float32),
        np.array([0.2, 0, 0, 0, 0], np.float32),
    )


@pytest.fixture(scope="session")
def small_landmark_space(face_model):
    """The landmark space of `face_model` with 6 shape and 3 expression components."""
    return landmark_space(truncate(face_model, shape_count=6, expression_count=3))


@pytest.fixture(scope="session")
def shared_data():
    """The folder of the data sets, which are not part of the project; skips the test without them."""
    if not _SHARED_DATA.is_dir():
        pytest.skip(f"no data sets at {_SHARED_DATA}")
    return _SHARED_DATA


@pytest.fixture(scope="session")
def golden():
    """A function that reads a golden file by name; `tests/golden/make_golden.py` writes the files."""
    return lambda name: dict(np.load(_GOLDEN / f"{name}.npz"))
