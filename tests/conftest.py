"""Fixtures of all tests: a face model made from formulas, golden files, data sets if at hand."""

import os
import pathlib

import hypothesis
import jax
import numpy as np
import pytest

from tests.helpers import synthetic_model
from twodasl_jax.expression_units import ExpressionUnits
from twodasl_jax.expression_units.metric import vertex_metric
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space, truncate

hypothesis.settings.register_profile(
    "repeatable", deadline=None, derandomize=True, database=None, max_examples=50
)
hypothesis.settings.load_profile("repeatable")

# Most of the time of the tests goes into compiling, much of it of the same programs, also in other processes.
_CACHE = pathlib.Path(__file__).parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)

# Before anything runs: the tests of the training step share a batch among as many simulated devices.
jax.config.update("jax_num_cpu_devices", 8)

_GOLDEN = pathlib.Path(__file__).parent / "golden"
_SHARED_DATA = pathlib.Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def face_model():
    """A `MorphableModel` of 221 vertices with 40 shape and 10 expression components."""
    return MorphableModel(**synthetic_model.arrays())


@pytest.fixture(scope="session")
def expression_units(face_model):
    """Five units on `face_model`: one on the midline and two pairs of twins, at right angles to each other."""
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
    """The 68 landmarks of `face_model` with 6 shape and 3 expression components."""
    return landmark_space(truncate(face_model, shape_count=6, expression_count=3))


@pytest.fixture(scope="session")
def shared_data():
    """The folder of the data sets, which are not part of the project; skips where it is absent."""
    if not _SHARED_DATA.is_dir():
        pytest.skip(f"the data sets are not at {_SHARED_DATA}")
    return _SHARED_DATA


@pytest.fixture(scope="session")
def golden():
    """Reads a golden file by name; `tests/golden/make_golden.py` writes them."""
    return lambda name: dict(np.load(_GOLDEN / f"{name}.npz"))
